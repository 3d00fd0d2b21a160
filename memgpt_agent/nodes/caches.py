"""Caches that the runs of one graph share: models, token counters, tool schemas, views of messages."""

import threading
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel

from memgpt_agent.models import resolve_chat_model
from memgpt_agent.models.dialects import name_of, unwrapped
from memgpt_agent.nodes.view_cache import UneditedCache, ViewCache
from memgpt_agent.tokens import TokenCounter, resolve_token_counter
from memgpt_agent.tools.registry import ToolRegistry

_KEPT_CHOICES = 64


class Caches:
    """The caches of one graph. Everything in them can be rebuilt; runs in several threads may use them."""

    def __init__(self) -> None:
        self.views = ViewCache()
        """The views of messages that the model has been shown."""
        self.unedited = UneditedCache()
        """Which messages are unchanged."""
        self.silent_models: set[str] = set()
        """The models whose server does not say why their answers end."""
        self._models: dict[str, BaseChatModel] = {}
        self._counters: dict[int, tuple[BaseChatModel, TokenCounter]] = {}
        self._schemas: dict[Any, tuple[ToolRegistry, list[dict[str, Any]]]] = {}
        self._schema_tokens: dict[Any, tuple[list[dict[str, Any]], int]] = {}
        self._lock = threading.RLock()

    def chat_model(self, given: str | None, default: BaseChatModel | str | None) -> BaseChatModel:
        """Return the model of a name, or the default; each name is resolved once."""
        wanted = given or default
        if wanted is not None and not isinstance(wanted, str):
            return resolve_chat_model(wanted)
        with self._lock:
            name = wanted or ""
            if name not in self._models:
                self._models[name] = resolve_chat_model(wanted)
            return self._models[name]

    def counter(self, model: BaseChatModel) -> TokenCounter:
        """Return the counter of a model's tokens; made once for each model."""
        with self._lock:
            if id(model) not in self._counters:
                client = unwrapped(model)
                counter = resolve_token_counter(name_of(client) or None, model=client)
                self._counters[id(model)] = model, counter  # the model as well, or another could get its id
            return self._counters[id(model)][1]

    def tool_schemas(self, tools: ToolRegistry, *, thinking: bool, only: Sequence[str] | None) -> list[dict[str, Any]]:
        """Return the schemas offered to the model (OpenAI form); made once per choice: at each step it was 40 % of compiling."""
        key = (id(tools), thinking, None if only is None else tuple(only))
        if key not in self._schemas:
            if len(self._schemas) >= _KEPT_CHOICES:
                self._schemas.clear()
            self._schemas[key] = tools, tools.schemas(thinking=thinking, only=only)
        return self._schemas[key][1]

    def schema_tokens(self, counter: TokenCounter, schemas: list[dict[str, Any]]) -> int:
        """Return the tokens of schemas that :meth:`tool_schemas` made; counted once for each counter."""
        key = (id(counter), id(schemas))
        known = self._schema_tokens.get(key)
        if known is None or known[0] is not schemas:
            known = (schemas, counter.count_tools(schemas))
            if len(self._schema_tokens) >= _KEPT_CHOICES:
                self._schema_tokens.clear()
            self._schema_tokens[key] = known
        return known[1]
