"""Attachments of a message: files and content blocks as LangChain's standard blocks."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memgpt_agent.errors import DocumentError
from memgpt_agent.memory.uploads import MAX_UPLOAD_BYTES

Attachment = str | Path | Mapping[str, Any]
"""A file's path, or a content block in any form that chat clients send."""


def blocks_of(attachments: Sequence[Attachment]) -> list[dict[str, Any]]:
    """Return attachments as content blocks.

    Raises:
        DocumentError: a file is not there, cannot be read, or is too large.
    """
    return [dict(one) if isinstance(one, Mapping) else _block(Path(one).expanduser()) for one in attachments]


def _block(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DocumentError(f"There is no file {path}. Check the name; relative names start at {Path.cwd()}.")
    if (size := path.stat().st_size) > MAX_UPLOAD_BYTES:
        raise DocumentError(
            f"{path} has {size / 1e6:,.0f} MB; {MAX_UPLOAD_BYTES / 1e6:,.0f} MB are the limit of what comes with a message. "
            "Load it into the agent's files instead: memgpt load."
        )
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = mime.partition("/")[0]
    packed = base64.b64encode(path.read_bytes()).decode()
    kind = kind if kind in {"image", "audio", "video"} else "file"
    return {"type": kind, "base64": packed, "mime_type": mime, "extras": {"filename": path.name}}
