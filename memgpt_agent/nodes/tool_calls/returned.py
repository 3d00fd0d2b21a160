"""What a foreign tool may return beyond the text of its result."""

import base64
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

_serializer = JsonPlusSerializer()


@dataclass
class Returned:
    """What a call returned beyond the text of its result."""

    blocks: list[Any] = field(default_factory=list[Any])
    """Images and other content blocks of the result."""
    artifact: Any = None
    """What the tool returns for the program only; the model does not get it."""
    messages: list[BaseMessage] = field(default_factory=list[BaseMessage])
    """Other messages for the queue."""
    update: dict[str, Any] = field(default_factory=dict[str, Any])
    """Values for keys that the user's state schema adds."""
    ends: bool = False
    """Whether the turn ends here."""
    handoffs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Where the parent graph continues: each with ``goto``, ``update``, and the id of its ``call``."""

    def encoded(self) -> str:
        """Return all of it as text, for the store; empty if there is nothing.

        Raises:
            TypeError: a part of it cannot be stored.
        """
        kept = {name: value for name, value in self.__dict__.items() if value}
        return base64.b64encode(_serializer.dumps_typed(kept)[1]).decode() if kept else ""

    @classmethod
    def decoded(cls, text: str) -> "Returned":
        """Return what :meth:`encoded` gave."""
        return cls(**_serializer.loads_typed(("msgpack", base64.b64decode(text)))) if text else cls()
