"""Parts of the queue that a provider refuses: finding candidates, and replacing them in the prompt.

The queue keeps them, marked, and recall memory keeps what was said; only what is sent leaves them out, also after a restart.
"""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from memgpt_agent.events import MARK, Mark, begins_turn, mark_of, with_mark
from memgpt_agent.models.dialects import read
from memgpt_agent.models.failures import refuses_own_parts, says_nothing
from memgpt_agent.prompts import LEFT_OUT_PART, LEFT_OUT_TEXT
from memgpt_agent.state import Turn

WHOLE = -1
"""The place that stands for all of a message's content."""

Parts = dict[str, tuple[AnyMessage, list[int]]]
"""Messages by their ids, with the places of the content blocks to be left out."""


def reductions(queue: Sequence[AnyMessage], turn: Turn, refusal: BaseException | None = None) -> list[list[AnyMessage]]:
    """Return the messages to put in place of their own, marked, for each of at most two smaller prompts.

    First without the newest attachment or result of a tool. Then without any attachment, without the results of this turn's tools,
    and with answers as plain text. Where there is neither, without what the turn's event says.

    A refusal of what providers put into answers themselves is met by plain answers first. One that says nothing may mean the event: it
    goes last, with all the rest.
    """
    attached: Parts = {str(m.id): (m, places) for m in queue if (places := _attachments(m))}
    results: Parts = {
        str(m.id): (m, [WHOLE]) for m in queue if isinstance(m, ToolMessage) and mark_of(m).get("turn") == turn["id"]
    }
    native: Parts = {str(m.id): (m, [WHOLE]) for m in queue if isinstance(m, AIMessage) and _has_own_parts(m)}
    event: Parts = {str(m.id): (m, [WHOLE]) for m in queue if m.id == turn["id"]}
    parts = {**attached, **results}
    newest = next((str(m.id) for m in reversed(queue) if str(m.id) in parts), "")
    first: Parts = {newest: (parts[newest][0], parts[newest][1][-1:])} if newest else {}
    everything = {**native, **parts}
    if native and refusal and refuses_own_parts(refusal):
        first = native
    elif not everything or (refusal and says_nothing(refusal)):
        first, everything = (first or event), ({**everything, **event} if everything else {})
    return [[_marked(message, places) for message, places in tried.values()] for tried in (first, everything) if tried]


def _has_own_parts(message: AIMessage) -> bool:
    """Whether an answer holds what only its provider understands: blocks of its own, signatures, reasoning."""
    kwargs = cast(dict[str, Any], message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    return isinstance(message.content, list) or any(value for key, value in kwargs.items() if key != MARK)


def without_refused(message: AnyMessage) -> AnyMessage:
    """Return a message with a sentence in place of each refused part."""
    places = mark_of(message).get("left_out", [])
    if not places:
        return message
    if isinstance(message, AIMessage):
        kwargs = {MARK: mark_of(message)}
        return message.model_copy(update={"content": message.text, "additional_kwargs": kwargs, "response_metadata": {}})
    if WHOLE in places or isinstance(message.content, str):
        return message.model_copy(update={"content": LEFT_OUT_TEXT.format(chars=len(message.text), id=message.id)})
    blocks = cast(list[Any], message.content)
    shown = [{"type": "text", "text": LEFT_OUT_PART.format(what=_named(b))} if n in places else b for n, b in enumerate(blocks)]
    return message.model_copy(update={"content": shown})


def withheld_event(queue: Sequence[AnyMessage], turn: Turn) -> list[AnyMessage]:
    """Return the turn's event, marked so that no later prompt contains it."""
    return [_marked(m, [WHOLE]) for m in queue if m.id == turn["id"] and begins_turn(m)]


def names_of(marked: Sequence[AnyMessage]) -> str:
    """Return what was left out, in words for the user."""
    names: list[str] = []
    for message in marked:
        places = mark_of(message).get("left_out", [])
        if isinstance(message, ToolMessage):
            names.append(f"the result of {message.name}")
        elif isinstance(message, HumanMessage):
            blocks = cast(list[Any], message.content) if isinstance(message.content, list) else []
            names += [_named(blocks[n]) for n in places if n != WHOLE] or ["your message"]
    return ", ".join(dict.fromkeys(names)) or "parts of earlier answers"


def _marked(message: AnyMessage, places: list[int]) -> Any:
    known = mark_of(message).get("left_out", [])
    mark: Mark = {**mark_of(message), "left_out": sorted({*known, *places})}
    return with_mark(message, mark)


def _attachments(message: AnyMessage) -> list[int]:
    """Return the places of a user's attachments that prompts still contain."""
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return []
    loaded = [note["place"] for note in mark_of(message).get("uploads", []) if note.get("shown")]
    gone = [*mark_of(message).get("left_out", []), *loaded]
    blocks = cast(list[Any], message.content)
    return [n for n, b in enumerate(blocks) if not isinstance(b, str) and b.get("type") != "text" and n not in gone]


def _named(block: Any) -> str:
    found = read(block)
    if found is None:
        return "an attachment"
    kind = f"{'an' if found.kind.startswith(('a', 'i')) else 'a'} {found.kind or 'file'}"
    about = ", ".join(filter(None, [found.name, found.mime]))
    return f"{kind} ({about})" if about else kind
