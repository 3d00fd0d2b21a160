"""A conversation written out, as text, Markdown or JSON: all that recall memory holds of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import local_time
from memgpt_agent.memory.recall import Message, RecallMemory

TranscriptForm = Literal["text", "markdown", "json"]
"""How a transcript is written."""
_PAGE = 2_000
_MACHINERY = {"beyond", "checkpoint", "echo", "ordinal"}


def messages_of(recall: RecallMemory, thread_id: str, *, tools: bool) -> Iterator[Message]:
    """Yield what was said in a conversation, oldest first; with ``tools`` also calls, their results, alerts and heartbeats."""
    pages: list[list[Message]] = []
    while page := recall.of_thread(thread_id, limit=_PAGE, offset=sum(map(len, pages))):
        pages.append(page)
    for page in reversed(pages):
        yield from (m for m in page if tools or m.role in ("user", "assistant"))


def transcript_of(
    recall: RecallMemory, thread_id: str, form: TranscriptForm, time_zone: str, *, thoughts: bool, tools: bool, ids: bool
) -> str:
    """Return a conversation written out; empty (in JSON an empty list) where nothing was said in it.

    Raises:
        ConfigurationError: there is no such form.
    """
    if form not in _FORMS and form != "json":
        raise ConfigurationError(f"A transcript is written as 'text', 'markdown' or 'json'; got {form!r}.")
    messages = messages_of(recall, thread_id, tools=tools)
    if form == "json":
        return json.dumps([_as_data(m, thoughts=thoughts) for m in messages], ensure_ascii=False, indent=2)
    written = [_FORMS[form](m, local_time(m.time, time_zone), thoughts and bool(m.thinking), ids) for m in messages]
    return "\n\n".join(written)


def _as_data(message: Message, *, thoughts: bool) -> dict[str, Any]:
    left_out = _MACHINERY if thoughts else {*_MACHINERY, "thinking"}
    return {name: value for name, value in asdict(message).items() if name not in left_out}


def _who(message: Message) -> str:
    return f"tool {message.tool}" if message.tool else message.user_id or message.role


def _notes(message: Message, *, ids: bool) -> str:
    return "".join([" (edited)" if message.edited else "", f" [{message.id}]" if ids else ""])


def _text(message: Message, time: str, thoughts: bool, ids: bool) -> str:
    lines = [f"[{time}] {_who(message)}{_notes(message, ids=ids)}:"]
    lines += [f"  (thinks: {message.thinking})"] if thoughts else []
    lines += [f"  > {message.tool}({message.arguments})"] if message.tool else []
    text = f"failed: {message.text}" if message.failed else message.text
    return "\n".join([*lines, *(f"  {line}" for line in text.splitlines())])


def _markdown(message: Message, time: str, thoughts: bool, ids: bool) -> str:
    head = f"**{_who(message)}**{_notes(message, ids=ids)} · {time}"
    thinking = [f"> *{line}*" for line in message.thinking.splitlines()] if thoughts else []
    if not message.tool:
        return "\n\n".join(filter(None, [head, "\n".join(thinking), message.text]))
    called = _fenced(f"{message.tool}({message.arguments})\n{'failed: ' if message.failed else ''}{message.text}")
    return "\n\n".join(filter(None, [head, "\n".join(thinking), called]))


def _fenced(text: str) -> str:
    """Return a text as a block of code, whatever fences it holds itself."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


_FORMS: Mapping[str, Callable[[Message, str, bool, bool], str]] = {"text": _text, "markdown": _markdown}
