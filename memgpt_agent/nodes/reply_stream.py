"""Pieces of a reply in the streams: as ``custom`` events, and as message chunks for clients that know only messages."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Literal, cast

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph.message import push_message
from langgraph.pregel import _messages as messages_mode


class Withdrawal(AIMessageChunk):
    """Takes back the pieces that came before it under its id; on the wire it is a ``remove`` message.

    A chunk and not LangChain's ``RemoveMessage``, since LangGraph Server adds up the messages of one id in ``messages`` mode,
    and a chunk plus another kind of message raises there. What is added to it starts over.
    """

    type: Literal["remove"] = "remove"  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __radd__(self, other: Any) -> AIMessageChunk:
        """Return an empty chunk: nothing is left of what came before (Python asks a subclass's ``__radd__`` first)."""
        return AIMessageChunk(content="", id=self.id)

    def __add__(self, other: Any) -> Any:
        """Return what comes after it."""
        return AIMessageChunk(content="", id=self.id) + other


def speaker(write: Callable[[Any], None], config: RunnableConfig) -> Callable[[Any], None]:
    """Return what writes ``{reply_id, delta}`` and ``{reply_id, withdrawn}`` to the ``custom`` stream and to the ``messages`` stream.

    There a piece is an ``AIMessageChunk`` under the reply's id, and a :class:`Withdrawal` takes the earlier ones back. LangGraph does
    not repeat the whole message of an id whose chunks were streamed.

    **Limits.** Readers of ``stream_events(version="v3")`` get the whole reply at the end: that protocol ignores such chunks, and
    having seen their id it would leave the reply out.
    """
    readers = _readers(config)
    if not readers:
        return write
    context = copy_context()
    context.run(var_child_runnable_config.set, cast(RunnableConfig, {**config, "callbacks": readers}))

    def speak(piece: dict[str, str]) -> None:
        write(piece)
        context.run(push_message, _chunk(piece), state_key=None)

    return speak


def _readers(config: RunnableConfig) -> list[BaseCallbackHandler]:
    """Return the handlers behind ``stream_mode="messages"`` that take chunks."""
    callbacks = config.get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
    whole: Any = getattr(messages_mode, "StreamMessagesHandlerV2", ())  # LangGraph before 1.2 has none
    return [h for h in handlers if isinstance(h, messages_mode.StreamMessagesHandler) and not isinstance(h, whole)]


def _chunk(piece: dict[str, str]) -> AIMessageChunk:
    reply_id = piece["reply_id"]
    return Withdrawal(content="", id=reply_id) if "withdrawn" in piece else AIMessageChunk(content=piece["delta"], id=reply_id)
