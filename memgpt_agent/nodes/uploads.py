"""Attachments of a user's message: kept as originals, documents loaded into the agent's files, the user notified."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from memgpt_agent.errors import MemGPTError
from memgpt_agent.events import MARK, Mark, SentAlong, mark_of, with_mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.files import FileLoad, kind_of_document, plain_name
from memgpt_agent.memory.uploads import MAX_UPLOAD_BYTES, Upload, upload_id
from memgpt_agent.models.dialects import MediaPart, read
from memgpt_agent.models.dialects.attachments import PDF
from memgpt_agent.nodes.session import Session, key_of
from memgpt_agent.prompts import (
    UPLOAD_BEGINS,
    UPLOAD_FINDS,
    UPLOAD_IN_FILES,
    UPLOAD_KNOWN,
    UPLOAD_NOT_READ,
    UPLOAD_OPEN,
    UPLOAD_READ,
    UPLOAD_SAYS,
    UPLOAD_TOO_LARGE,
    UPLOAD_UNREADABLE,
)
from memgpt_agent.tools.files import open_file

_WHOLE_CHARS = 4_000
"""A file up to this length is shown whole with its message."""
_BEGINNING_CHARS = 1_200
_MOST_LINK_CHARS = 300
_MOST_PARTS = 20
"""How many parts of one message are processed; the rest is left to the model's provider."""


def keep_attachments(messages: Sequence[AnyMessage], session: Session) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """Return the messages with their attachments noted, and the notices to the user.

    Repeating this after a crash gives the same result.
    """
    kept: list[AnyMessage] = []
    notices: list[AnyMessage] = []
    for message in messages:
        found = _parts(message)
        if not found:
            kept.append(message)
            continue
        notes = [_kept(session, message, place, part) for place, part in found]
        mark: Mark = {**mark_of(message), "uploads": [note for note, _ in notes]}
        kept.append(cast(AnyMessage, with_mark(message, mark)))
        if says := [sentence for _, sentence in notes if sentence]:
            said = Mark(kind="reply", time=stamp(session.resources.clock()), turn=mark.get("turn", ""), call_id="")
            notice_id = key_of("uploads", session.thread_id, message.id)
            notices.append(AIMessage("\n".join(says), id=notice_id, additional_kwargs={MARK: said}))
    return kept, notices


def with_uploads(message: AnyMessage) -> AnyMessage:
    """Return a message with a text in place of each loaded file; pictures and files that were not loaded stay."""
    shown = {note["place"]: text for note in mark_of(message).get("uploads", []) if (text := note.get("shown"))}
    if not shown or isinstance(message.content, str):
        return message
    blocks = cast(list[Any], message.content)
    return message.model_copy(update={"content": [_text(shown[n]) if n in shown else block for n, block in enumerate(blocks)]})


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": f"\n\n{text}"}


def _parts(message: AnyMessage) -> list[tuple[int, MediaPart]]:
    if not isinstance(message, HumanMessage) or isinstance(message.content, str) or mark_of(message).get("kind") != "event":
        return []
    found = [(place, read(block)) for place, block in enumerate(cast(list[Any], message.content))]
    return [(place, part) for place, part in found if part is not None][:_MOST_PARTS]


def _kept(session: Session, message: AnyMessage, place: int, part: MediaPart) -> tuple[SentAlong, str]:
    """Keep one attachment; return its note and the notice to the user."""
    content, name = part.content(), plain_name(part.name)
    if not content:
        what = " ".join(part.url.split())[:_MOST_LINK_CHARS] or name or f"a {part.kind or 'file'}"
        elsewhere = part.url or part.file_id
        said = UPLOAD_UNREADABLE.format(name=name or "What you attached", reason="it came without readable content")
        return SentAlong(place=place, told=f"{what}, not sent along"), "" if elsewhere else said
    mark = mark_of(message)
    upload = Upload(
        upload_id(content), name, part.mime or ("text/plain" if part.text else ""), len(content), mark.get("time", ""), str(message.id),
        session.thread_id, message.name or session.context.user_id or "",
    )  # fmt: skip
    called = repr(name) if name else "it"
    if len(content) > MAX_UPLOAD_BYTES:
        large = UPLOAD_TOO_LARGE.format(name=name or "What you attached", size=len(content) / 1e6, limit=MAX_UPLOAD_BYTES / 1e6)
        shown = UPLOAD_NOT_READ.format(name=called, reason=large)
        return SentAlong(place=place, told=f"{name}, too large to be kept", shown=shown), f"[{large}]"
    session.memory.uploads.keep(upload, content)
    note = SentAlong(place=place, told=upload.in_words(), upload=upload.id)
    if not kind_of_document(name, upload.mime):
        return note, ""
    try:
        load = session.memory.files.attach(name, content, upload.mime)
    except (MemGPTError, OSError) as error:
        load = None
        reason = str(error)
    else:
        reason = load.reason
    if load is None or load.state in {"unreadable", "empty"}:
        said = UPLOAD_UNREADABLE.format(name=name or "What you attached", reason=reason)
        # A scan holds no text, and a provider that reads PDF files sees its pages.
        return note if upload.mime == PDF else {**note, "shown": UPLOAD_NOT_READ.format(name=called, reason=reason)}, said
    return {**note, "file": load.record.name, "shown": _shown(session, load)}, _load_notice(load)


def _load_notice(load: FileLoad) -> str:
    text = UPLOAD_KNOWN if load.state == "unchanged" else UPLOAD_READ
    return text.format(name=load.record.name, lines=_lines(load.record.lines))


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"


def _shown(session: Session, load: FileLoad) -> str:
    """Return the text that the model sees in place of a file: what it is, how to read it, and its text or its beginning."""
    record, names = load.record, session.resources.tools.names
    parts = [UPLOAD_IN_FILES.format(name=record.name, lines=_lines(record.lines))]
    if "open_file" in names:
        open_file(session.memory, record.name)
        parts.append(UPLOAD_OPEN)
    finders = [tool for tool in ("search_files", "grep_files", "recall", "archival_memory_search") if tool in names]
    if finders:
        parts.append(UPLOAD_FINDS.format(tools=" or ".join(finders[:2])))
    text, lines = "", session.memory.files.lines(record, 1, record.lines)
    for _, line in lines:
        text += f"{line}\n"
        if len(text) > _WHOLE_CHARS:
            beginning = UPLOAD_BEGINS.format(text=text[:_BEGINNING_CHARS].rstrip())
            return "\n".join([f"[{' '.join(parts)}]", *([] if "open_file" in names else [beginning])])
    return "\n".join([f"[{' '.join(parts)}]", UPLOAD_SAYS.format(text=text.rstrip())])
