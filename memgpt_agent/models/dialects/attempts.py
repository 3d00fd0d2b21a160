"""Clients as the agent uses them: they ask once, since the agent tries again itself, and for no longer answer than the provider gives.

What the caller gave stays as it is: the copies share its connections.

Source: github.com/openai/openai-python, .../anthropic-sdk-python and .../groq-python (``with_options(max_retries=0)``, 2 otherwise);
langchain-mistralai and langchain-google-genai (``max_retries`` counts attempts, 5 and 6 otherwise);
googleapis.dev/python/google-api-core (``retry=None`` of a method that has a default).
"""

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

_ROOTS = ("root_client", "root_async_client", "_client", "_async_client")
"""Where LangChain's clients hold an SDK's client."""
_RESOURCES = (("client", "root_client"), ("async_client", "root_async_client"))
"""Where they hold the part of it that they call, ``chat.completions``, and where the whole of it."""
_COUNT_ATTEMPTS = frozenset({"langchain_mistralai", "langchain_google_genai", "langchain_google_vertexai"})


ANSWER_OPTIONS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
"""Options that ask for an answer of so many tokens at most."""


def asks_for_more(model: Any, options: Mapping[str, Any], tokens: int) -> dict[str, int]:
    """Return the options, of a client or of one call, that ask for a longer answer, with what they may ask for."""
    fields = cast(dict[str, Any], getattr(model, "__dict__", {}))
    given = {**cast(dict[str, Any], fields.get("model_kwargs") or {}), **fields, **options}
    return {name: tokens for name in ANSWER_OPTIONS if isinstance(value := given.get(name), int) and value > tokens}


def tried_once(model: BaseChatModel) -> BaseChatModel:
    """Return a client that makes one request for each call; itself where it does so already, or where nothing is known of it.

    **Limits**: retries of the user's own HTTP transport, and those of clients that are not named here, stay.
    """
    fields = cast(dict[str, Any], model.__dict__)
    changed: dict[str, Any] = {}
    for name in _ROOTS:
        if (once := _once(getattr(model, name, None))) is not None:
            changed[name] = once
    for name, root in _RESOURCES:
        if root in changed:
            changed[name] = changed[root].chat.completions
        elif name in fields and (once := _once(getattr(fields[name], "_client", None))) is not None:
            changed[name] = once.chat.completions
    packages = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if packages & _COUNT_ATTEMPTS and fields.get("max_retries") != 1:
        changed["max_retries"] = 1
    if not changed:
        return model
    copy = model.model_copy()
    cast(dict[str, Any], copy.__dict__).update(changed)
    return copy


def _once(client: Any) -> Any:
    """Return an SDK's client without retries; None if it has none, or is no such client."""
    with_options: Any = getattr(client, "with_options", None)
    return with_options(max_retries=0) if callable(with_options) and getattr(client, "max_retries", 0) else None


class OnceOverGrpc:
    """Google's client without the retries below LangChain's, which go on for a minute."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def generate_content(self, *given: Any, **named: Any) -> Any:
        """Ask once."""
        return self._client.generate_content(*given, **{"retry": None, **named})

    def stream_generate_content(self, *given: Any, **named: Any) -> Any:
        """Ask once for a stream."""
        return self._client.stream_generate_content(*given, **{"retry": None, **named})
