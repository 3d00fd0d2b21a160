"""What is kept from step to step: the model's view of each message, and the other caches of a graph."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, ToolMessage

from memgpt_agent.events import is_edited
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.models.dialects import name_of, unwrapped
from memgpt_agent.tokens import TokenCounter, resolve_token_counter
from memgpt_agent.tools.registry import ToolRegistry

_KEPT_VIEWS = 2_048
_KEPT_CHARS = 16_384
"""Views of longer messages are not kept: they are few, and would fill the memory."""

Results = Mapping[str, ToolMessage]
"""Results of tool calls by the calls' ids."""


@dataclass(frozen=True)
class Seen:
    """The view of one message of the queue in the prompt."""

    messages: tuple[BaseMessage, ...]
    """As the model sees it: nothing, the message, or a call with its results."""
    tokens: tuple[int, ...]
    """The tokens of each."""


@dataclass(frozen=True)
class _View:
    message: AnyMessage
    results: tuple[tuple[str, ToolMessage | None], ...]
    seen: Seen


class ViewCache:
    """Remembers views of messages for all runs of a graph.

    A view holds for a message that has the same content, not only the same id, as one may be replaced under its id; with
    the same results of its calls.
    """

    def __init__(self) -> None:
        self._views: OrderedDict[Hashable, _View] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, how: Hashable, message: AnyMessage, results: Results) -> Seen | None:
        """Return the earlier view of a message, ``how`` being everything else that it depends on."""
        view = self._views.get((message.id, how))
        if view is None or not _same(view.message, message):
            return None
        for call_id, result in view.results:
            if not _same(result, results.get(call_id)):
                return None
        return view.seen

    def keep(
        self, how: Hashable, message: AnyMessage, results: Results, calls: Sequence[str], seen: Seen
    ) -> None:
        """Remember the view of a message whose calls have these ids."""
        if sum(len(m.content) for m in (message, *seen.messages)) > _KEPT_CHARS:
            return
        view = _View(message, tuple((call_id, results.get(call_id)) for call_id in calls), seen)
        with self._lock:
            self._views[(message.id, how)] = view
            if len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)


class UneditedCache:
    """Remembers messages that match the agent's note on them: comparing a message with itself costs a tenth of its digest."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, BaseMessage] = OrderedDict()
        self._lock = threading.Lock()

    def edited(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """Return the messages that differ from the note on them."""
        return [m for m in messages if not _same(m, self._known.get(str(m.id))) and self._is_edited(m)]

    def _is_edited(self, message: AnyMessage) -> bool:
        if is_edited(message):
            return True
        with self._lock:
            self._known[str(message.id)] = message
            if len(self._known) > _KEPT_VIEWS:
                self._known.popitem(last=False)
        return False


def _same(one: BaseMessage | None, other: BaseMessage | None) -> bool:
    if one is other:
        return True
    return one is not None and other is not None and type(one) is type(other) and one.__dict__ == other.__dict__


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
