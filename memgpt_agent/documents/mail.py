"""E-mail: who wrote to whom and when, what was said, and what was attached."""

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage

from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.sections import DocumentSection, DocumentSource, Parse, ReadingNote
from memgpt_agent.documents.web_pages import shown
from memgpt_agent.errors import DocumentError

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_PARTS = 500
"""Parts of one message."""


class MailParser:
    """Reads a message and its attachments of the kinds that ``parser_of`` knows by suffix."""

    def __init__(self, parser_of: Callable[[str], Parse | None]) -> None:
        self._parser_of = parser_of

    def __call__(self, data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
        """Read a message: its head and what was said in it, then what was attached, under its name."""
        message = email.message_from_bytes(data, policy=email.policy.default)
        if not message.keys():
            raise DocumentError(f"{source.name} is no e-mail: it has no headers.")
        head = "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(message, name)))
        body = message.get_body(preferencelist=("plain", "html"))
        said = _said(body, source) if isinstance(body, EmailMessage) else ""
        yield DocumentSection(f"{head}\n\n{said}".strip(), title=_header(message, "Subject") or None)
        for number, part in enumerate(_parts(message)):
            if number > _PARTS:
                raise DocumentError(f"{source.name} has more than {_PARTS} parts.")
            if part is not body and (name := _file_name(part)):
                yield from self._attached(part, name, source)

    def _attached(self, part: EmailMessage, name: str, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
        inner = source.inner(name)
        parse = self._parser_of(inner.suffix)
        if parse is None:
            yield ReadingNote(f"the attachment {name!r} is of a kind that is not read")
            return
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b"".join(bytes(one) for one in part.iter_parts())
        try:
            source.expand(len(data))
            for found in parse(data, inner):
                if isinstance(found, ReadingNote):
                    yield ReadingNote(f"attachment {name!r}: {found.text}")
                else:
                    yield DocumentSection(f"Attachment {name}:\n{found.text}", title=name)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged attachment can make a parser raise anything; the message is read all the same
            yield ReadingNote(f"the attachment {name!r} cannot be read: {error}")


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
