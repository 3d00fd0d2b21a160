"""What a user attaches, read from any form in which clients send it, and said in words where a model cannot take it."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from langchain_core.messages import BaseMessage, HumanMessage

_DATA_URL = re.compile(r"\Adata:(?P<mime>[\w.+-]+/[\w.+-]+)?(?:;[\w=.\"-]+)*?(?P<packed>;base64)?,(?P<data>.*)\Z", re.DOTALL | re.IGNORECASE)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"BM", "image/bmp"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"fLaC", "audio/flac"),
)  # fmt: skip
_KINDS = {"image": "image", "audio": "audio", "video": "video", "text": "text"}
_INNER = ("source", "file", "image_url", "input_audio", "inlineData", "inline_data", "fileData", "file_data")
"""Where blocks of the providers' own forms hold what is attached."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The pictures that every provider with sight takes."""
PDF = "application/pdf"

Express = Callable[["MediaPart"], "dict[str, Any] | None"]
"""Puts an attachment into a provider's form; None if its model cannot take it."""


@dataclass(frozen=True)
class MediaPart:
    """One attachment."""

    kind: str
    """``image``, ``audio``, ``video``, ``text``, ``file``, or the block's own type where nothing is known of it."""
    mime: str = ""
    """Its media type, as its own first bytes say, else as it was declared."""
    data: str = ""
    """Its content in standard base64."""
    url: str = ""
    """Where it is, if it was not sent along."""
    text: str = ""
    """Its content, if that is plain text."""
    name: str = ""
    """Its file's name."""
    file_id: str = ""
    """Its id at the provider that it was uploaded to."""

    @property
    def data_url(self) -> str:
        """The content as a data URL, else if it is."""
        return f"data:{self.mime};base64,{self.data}" if self.data else self.url

    def content(self) -> bytes:
        """Return the content as bytes; empty if it was not sent along."""
        return base64.b64decode(self.data) if self.data else self.text.encode()


def read(block: Any) -> MediaPart | None:
    """Return the attachment that a content block is; None for text and for what a model itself said.

    Known forms: LangChain's standard blocks (also the older ones with ``source_type``), OpenAI's ``image_url``, ``file``,
    ``input_audio``, ``input_image`` and ``input_file``, Anthropic's ``image`` and ``document`` with a ``source``, Gemini's
    ``media`` and ``inlineData``, and LangChain.js's and Agent Chat UI's ``mimeType``.
    """
    if not isinstance(block, Mapping):
        return None
    given = dict(cast(Mapping[str, Any], block))
    if given.get("type") == "non_standard" and isinstance(given.get("value"), Mapping):
        return read(given["value"])
    kind = str(given.get("type") or "")
    if kind == "text":
        return None
    inner: Any = next((given[key] for key in _INNER if given.get(key)), None)
    held = {"url": inner} if isinstance(inner, str) else dict(cast(Mapping[str, Any], inner)) if isinstance(inner, Mapping) else {}
    fields: dict[str, Any] = {**given, **held}
    return _attachment(kind, fields)


def _attachment(kind: str, fields: Mapping[str, Any]) -> MediaPart:
    def first(*names: str) -> str:
        return next((str(fields[name]) for name in names if isinstance(fields.get(name), str) and fields[name]), "")

    beside: Any = fields.get("metadata") or fields.get("extras")
    metadata: Mapping[str, Any] = cast(Mapping[str, Any], beside) if isinstance(beside, Mapping) else {}
    mime = first("mime_type", "mimeType", "media_type", "mediaType").lower()
    if not mime and kind == "input_audio" and fields.get("format"):
        mime = f"audio/{fields['format']}"
    data, url = first("base64", "data", "file_data"), first("url", "image_url", "file_url", "fileUri", "file_uri")
    if url.startswith("data:"):
        data, url = url, ""
    if found := _DATA_URL.match(data):
        plain = base64.b64encode(unquote_to_bytes(found["data"])).decode()
        mime, data = mime or (found["mime"] or "").lower(), found["data"] if found["packed"] else plain
    name = first("filename", "name", "title") or str(metadata.get("filename") or metadata.get("name") or "")
    text = first("text")
    if not text and data and fields.get("type") == "text" and mime.startswith("text/"):  # Anthropic's text document
        text, data = data, ""
    data = standard(data)
    mime = _sniffed(data) or {"image/jpg": "image/jpeg"}.get(mime, mime)
    known = _KINDS.get(mime.partition("/")[0]) or next((k for k in ("image", "audio", "video") if k in kind), "")
    if not known:
        known = "file" if mime or kind in {"file", "document", "input_file", "media", "text-plain"} else kind
    return MediaPart("text" if text else known, mime, data, url, text, name, first("file_id", "id" if "source_type" in fields else "file_id"))


def standard(data: str) -> str:
    """Return base64 in its standard form, whatever line breaks, URL alphabet or missing padding; empty if it is none."""
    packed = re.sub(r"\s+", "", data).replace("-", "+").replace("_", "/").rstrip("=")
    packed += "=" * (-len(packed) % 4)
    try:
        base64.b64decode(packed, validate=True)
    except binascii.Error:
        return ""
    return packed


def _sniffed(data: str) -> str:
    if not data:
        return ""
    head = base64.b64decode(data[:64])
    if head[:4] == b"RIFF" and head[8:12] in {b"WEBP", b"WAVE"}:
        return "image/webp" if head[8:12] == b"WEBP" else "audio/wav"
    return next((mime for magic, mime in _MAGIC if head.startswith(magic)), "")


def in_words(attachment: MediaPart) -> str:
    """Return the sentence that stands where an attachment stood which the model cannot take."""
    what = {"image": "An image", "audio": "A recording", "video": "A video"}.get(attachment.kind, "A file")
    about = [f"{attachment.name!r}" if attachment.name else "", attachment.mime]
    if attachment.data:
        about.append(f"{max(1, len(attachment.data) * 3 // 4 // 1024):,} KB")
    details = ", ".join(filter(None, about))
    return f"[{what}{f' ({details})' if details else ''} was attached here. You cannot see or hear it: say so if it matters.]"


def expressed(messages: list[BaseMessage], express: Express) -> list[BaseMessage]:
    """Return the messages with the users' attachments in a provider's form, or said in words."""
    return [_expressed(m, express) if isinstance(m, HumanMessage) and isinstance(m.content, list) else m for m in messages]


def _expressed(message: HumanMessage, express: Express) -> HumanMessage:
    blocks: list[Any] = []
    for block in cast(list[Any], message.content):
        attachment = read(block)
        if attachment is None:
            text = block if isinstance(block, str) else str(cast(dict[str, Any], block).get("text") or "")
            blocks += [{"type": "text", "text": text}] if text.strip() else []
            continue
        put = _as_text(attachment) or express(attachment)
        blocks.append(put or {"type": "text", "text": in_words(attachment)})
    texts = [b["text"] for b in blocks if b["type"] == "text"]
    content: Any = "\n".join(texts) if len(texts) == len(blocks) else blocks
    return message.model_copy(update={"content": content})


def _as_text(attachment: MediaPart) -> dict[str, Any] | None:
    """A file of plain text is put as its text, which every model can read."""
    text = attachment.text
    if not text and attachment.data and attachment.mime.startswith("text/"):
        text = attachment.content().decode("utf-8", "replace")
    named = f" {attachment.name!r}" if attachment.name else ""
    return {"type": "text", "text": f"[Attached file{named}:]\n{text}"} if text else None
