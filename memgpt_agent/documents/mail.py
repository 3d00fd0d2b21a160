"""E-mail: who wrote to whom and when, what was said, and what was attached."""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage

from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.sections import Attached, DocumentSection, DocumentSource, ReadingNote
from memgpt_agent.documents.web_pages import shown
from memgpt_agent.errors import DocumentError

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_PARTS = 500
"""Parts of one message."""


def parse_mail(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote | Attached]:
    """Read a message: its head and what was said in it; then what was attached, as documents of their own."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not message.keys():
        raise DocumentError(f"{source.name} is not an e-mail: it has no headers.")
    head = "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(message, name)))
    body = _body(message)
    said = _said(body, source) if body is not None else ""
    yield DocumentSection(f"{head}\n\n{said}".strip(), title=_header(message, "Subject") or None)
    for number, part in enumerate(_parts(message)):
        if number >= _PARTS:
            yield ReadingNote(f"it has more than {_PARTS} parts; those behind were left out")
            return
        if part is body or not (name := _file_name(part)):
            continue
        try:
            payload = part.get_payload(decode=True)
            yield Attached(name, payload if isinstance(payload, bytes) else b"".join(bytes(one) for one in part.iter_parts()))
        except Exception as error:  # noqa: BLE001 - email raises many things at forged parts; the others are read all the same
            yield ReadingNote(f"the attachment {name!r} cannot be read: {str(error)[:200] or type(error).__name__}")


def _body(message: EmailMessage) -> EmailMessage | None:
    try:
        body = message.get_body(preferencelist=("plain", "html"))
    except Exception:  # noqa: BLE001 - the same, at forged headers of a part
        return None
    return body if isinstance(body, EmailMessage) else None


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the parts within a message, but not those of a message that is attached to it: its own reading yields them."""
    for part in message.iter_parts() if message.is_multipart() else ():
        if isinstance(part, EmailMessage):
            yield part
            if part.get_content_maintype() == "multipart":
                yield from _parts(part)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # noqa: BLE001 - email's parser of headers raises many things at forged ones
        return " ".join(str(dict(message.raw_items()).get(name, "")).split())


def _file_name(part: EmailMessage) -> str:
    try:
        name = part.get_filename() or ("message.eml" if part.get_content_type() == "message/rfc822" else "")
    except Exception:  # noqa: BLE001 - the same
        return ""
    return " ".join(name.replace("\\", "/").rpartition("/")[2].split())[:200]


def _said(part: EmailMessage, source: DocumentSource) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    source.expand(len(data))
    try:
        text = data.decode(part.get_content_charset() or "ascii").replace("\r\n", "\n")
    except (LookupError, UnicodeError):  # it does not say, does not exist, or is not true
        text = decode(data, source.name).text
    return shown(text).text.strip("\n") if part.get_content_type() == "text/html" else text
