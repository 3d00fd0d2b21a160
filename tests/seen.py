"""What a model was shown of memory in one of its calls, wherever it stands."""

import json
from collections.abc import Sequence

from langchain_core.messages import BaseMessage


def notes_of(messages: Sequence[BaseMessage]) -> list[str]:
    """Return what rides with the messages of a call, oldest first: what has changed since the system message was made."""
    told = [json.loads(str(m.content)) for m in messages if m.type in {"human", "tool"} and isinstance(m.content, str)]
    return [note for one in told for note in one.get("notes", [])]


def memory_shown(messages: Sequence[BaseMessage]) -> str:
    """Return the system message of a call with what has changed since."""
    return "\n".join([messages[0].text, *notes_of(messages)])
