"""Uploads: the original pictures and files of users' messages, which recall memory refers to."""

import base64
import hashlib
from dataclasses import asdict, dataclass

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.errors import UnknownUpload
from memgpt_agent.memory import namespaces
from memgpt_agent.store.plain import newest

MAX_UPLOAD_BYTES = 20_000_000
"""Larger uploads are not kept."""
_PIECE_CHARS = 1_000_000
_LISTED = 100


@dataclass(frozen=True)
class Upload:
    """One picture, recording or file that a user sent."""

    id: str
    """Made from its bytes: the same file sent again has the same id."""
    name: str
    """Its file's name, as it came; empty if it had none."""
    mime: str
    """Its media type."""
    size_bytes: int
    """How large it is."""
    time: str = ""
    """When it first came, ISO 8601, UTC."""
    message: str = ""
    """The id of the message with which it first came."""
    thread_id: str = ""
    """The conversation of that message."""
    user_id: str = ""
    """Who sent it."""

    def in_words(self) -> str:
        """Return recall memory's reference to it."""
        about = ", ".join(filter(None, [self.mime, _size(self.size_bytes)]))
        return f"{self.name or 'without a name'} ({about}; original: {self.id})"


class Uploads:
    """The uploads sent to one agent."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._place = namespaces.of(agent_id, "uploads")
        self._data = namespaces.of(agent_id, "upload_data")

    def keep(self, upload: Upload, content: bytes) -> Upload:
        """Keep an upload; one whose bytes are kept already stays as it is. Return what is kept."""
        known = self._store.get(self._place, upload.id)
        if known:
            return namespaces.read_as(Upload, known.value)
        text = base64.b64encode(content).decode()
        pieces = range(0, max(len(text), 1), _PIECE_CHARS)
        self._store.batch(
            [PutOp(self._data, _key(upload.id, n), {"data": text[start : start + _PIECE_CHARS]}, False) for n, start in enumerate(pieces)]
        )
        self._store.put(self._place, upload.id, asdict(upload), index=False)  # last: what has a record is whole
        return upload

    def get(self, upload_id: str) -> tuple[Upload, bytes]:
        """Return an upload and its bytes, as they came.

        Raises:
            UnknownUpload: nothing of this id was sent to the agent.
        """
        item = self._store.get(self._place, upload_id)
        if item is None:
            raise UnknownUpload(f"There is no upload {upload_id!r}. Its id stands in recall memory, with the message that it came with.")
        text, number = "", 0
        while piece := self._store.get(self._data, _key(upload_id, number)):
            text, number = text + piece.value["data"], number + 1
        return namespaces.read_as(Upload, item.value), base64.b64decode(text)

    def newest(self, limit: int = _LISTED) -> list[Upload]:
        """Return the latest uploads, newest first."""
        return [namespaces.read_as(Upload, item.value) for item in newest(self._store, self._place, limit=limit)]


def upload_id(content: bytes) -> str:
    """Return the id of an upload with these bytes."""
    return f"upload-{hashlib.sha256(content).hexdigest()[:16]}"


def _key(upload_id: str, number: int) -> str:
    return f"{upload_id}:{number:04d}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1_000_000 else f"{max(1, size_bytes // 1_000):,} KB"


