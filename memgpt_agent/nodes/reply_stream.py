"""Pieces of a reply in the streams: as ``custom`` events, and as message chunks or events for clients that know only messages."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

from langchain_core.callbacks import BaseCallbackManager
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
        """Return an empty chunk: nothing remains of the earlier pieces (Python asks a subclass's ``__radd__`` first)."""
        return AIMessageChunk(content="", id=self.id)

    def __add__(self, other: Any) -> Any:
        """Return what comes after it."""
        return AIMessageChunk(content="", id=self.id) + other


class Speaker:
    """Writes ``{reply_id, delta}`` and ``{reply_id, withdrawn}`` to the ``custom`` stream, and to both forms of the ``messages`` stream.

    In ``stream_mode="messages"`` a piece is an ``AIMessageChunk`` under the reply's id, and a :class:`Withdrawal` takes the earlier ones
    back. In the event protocol (``stream_events(version="v3")``, LangGraph Server's event streaming) each step's pieces are a message of the
    reply's id, and one that was withdrawn comes again empty. LangGraph does not repeat the whole message of an id that was streamed.
    """

    def __init__(self, write: Callable[[Any], None], config: RunnableConfig) -> None:
        callbacks = config.get("callbacks")
        handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
        readers = [h for h in handlers if isinstance(h, messages_mode.StreamMessagesHandler)]
        protocol: Any = getattr(messages_mode, "StreamMessagesHandlerV2", ())  # LangGraph before 1.2 has none
        chunked = [h for h in readers if not isinstance(h, protocol)]
        self._write = write
        self._clients = [_EventClient(h, config) for h in readers if isinstance(h, protocol)]
        self._context = copy_context() if chunked else None
        if self._context:
            self._context.run(var_child_runnable_config.set, cast(RunnableConfig, {**config, "callbacks": chunked}))

    def __call__(self, piece: dict[str, str]) -> None:
        """Write a piece."""
        self._write(piece)
        if self._context:
            self._context.run(push_message, _chunk(piece), state_key=None)
        for client in self._clients:
            client.piece(piece)

    def close(self) -> None:
        """End the messages of this step; a later piece of a reply comes with the whole reply."""
        for client in self._clients:
            client.close()


_TEXTS: WeakKeyDictionary[messages_mode.StreamMessagesHandler, dict[str, str]] = WeakKeyDictionary()
"""The part of each reply that a reader of the event protocol has had: a later step continues from there."""


class _EventClient:
    """Sends replies to one reader of the event protocol: each begins, grows, and ends with the step."""

    def __init__(self, reader: messages_mode.StreamMessagesHandler, config: RunnableConfig) -> None:
        self._reader = reader
        self._metadata: dict[str, Any] = config.get("metadata") or {}
        self._namespace = messages_mode.graph_namespace(self._metadata)
        self._wanted = reader.subgraphs or not self._namespace or self._namespace == reader.parent_ns
        self._texts = _TEXTS.setdefault(reader, {})
        self._open: list[str] = []

    def piece(self, piece: dict[str, str]) -> None:
        """Send a piece, or the withdrawal of a reply."""
        reply_id = piece["reply_id"]
        if "withdrawn" in piece:
            self._end(reply_id)
            if self._texts.pop(reply_id, None):
                self._begin(reply_id)
                self._end(reply_id)
            return
        if reply_id not in self._open:
            self._begin(reply_id)
        self._delta(reply_id, piece["delta"])
        self._texts[reply_id] = self._texts.get(reply_id, "") + piece["delta"]

    def close(self) -> None:
        """End what is open."""
        for reply_id in list(self._open):
            self._end(reply_id)

    def _begin(self, reply_id: str) -> None:
        self._open.append(reply_id)
        self._tell(reply_id, {"event": "message-start", "role": "ai", "id": reply_id, "message_id": reply_id})
        self._tell(reply_id, {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}})
        if before := self._texts.get(reply_id):
            self._delta(reply_id, before)

    def _delta(self, reply_id: str, text: str) -> None:
        self._tell(reply_id, {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}})

    def _end(self, reply_id: str) -> None:
        if reply_id in self._open:
            self._open.remove(reply_id)
            whole = {"type": "text", "text": self._texts.get(reply_id, "")}
            self._tell(reply_id, {"event": "content-block-finish", "index": 0, "content": whole})
            self._tell(reply_id, {"event": "message-finish"})

    def _tell(self, reply_id: str, event: dict[str, Any]) -> None:
        if self._wanted:
            self._reader.seen.add(reply_id)
            self._reader.stream((self._namespace, "messages", (event, {**self._metadata, "run_id": reply_id})))


def _chunk(piece: dict[str, str]) -> AIMessageChunk:
    reply_id = piece["reply_id"]
    return Withdrawal(content="", id=reply_id) if "withdrawn" in piece else AIMessageChunk(content=piece["delta"], id=reply_id)
