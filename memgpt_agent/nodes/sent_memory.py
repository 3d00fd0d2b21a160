"""What the model knows of memory: it stays as sent until the queue is cut; changes follow as side notes of newer messages."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from memgpt_agent.events import Mark, SideNotes, is_event, mark_of, with_mark
from memgpt_agent.memory.core import Block
from memgpt_agent.nodes.fixed_part import MESSAGE_SHARE, fixed_tokens, memory_sections, over_tokens, row_of
from memgpt_agent.nodes.page_faults import notes_for
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import (
    BLOCK_GONE,
    LAST_STEP,
    SECTION_GONE,
    SECTION_NEW,
    SECTION_NOW,
    render_changed_block,
)
from memgpt_agent.state import AgentState, SentMemory, Summary, Turn

SIDE_NOTES_SHARE = 0.2
"""New texts of memory that ride with messages may fill this share of the queue's room; beyond it, all move to the system message."""
_LIMIT_CHANGED = 2.0
"""If the model's window has changed by more than this, older messages are cut again."""
_MAX_AGENTS = 8
_LAST = "last step"
UNNAMED = ""
"""Under this an imported conversation holds what its agent was sent, whatever that is called here."""
_COUNT_AGAIN_FROM = 1.25
"""How much recall memory has to grow before the counts of what lies outside main context are repeated."""


@dataclass(frozen=True)
class _MemorySections:
    """Memory as it is now, in parts that can each be sent separately."""

    session: Session
    blocks: Mapping[str, Block]
    sections: Mapping[str, str]

    @classmethod
    def of(cls, session: Session, blocks: Sequence[Block]) -> "_MemorySections":
        sections = {f"section {s.name}": s.render(session.memory) for s in session.resources.sections}
        return cls(session, {f"block {b.label}": b for b in blocks}, {key: text for key, text in sections.items() if text})

    @cached_property
    def digests(self) -> dict[str, str]:
        """A digest that distinguishes the texts of a part."""
        rows = {key: repr(row_of(block)) for key, block in self.blocks.items()}
        return {key: hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] for key, text in {**rows, **self.sections}.items()}

    def change_text(self, key: str, *, new: bool) -> str:
        """Return the note to the model about a part that has changed."""
        kind, _, name = key.partition(" ")
        if key in self.blocks:
            return render_changed_block(row_of(self.blocks[key]), numbered=self.session.resources.profile.numbers_lines, new=new)
        if kind == "block":
            return BLOCK_GONE.format(label=name)
        text, named = self.sections.get(key, ""), name.replace("_", " ")
        if not text:
            return SECTION_GONE.format(name=named)
        return (SECTION_NEW if new else SECTION_NOW).format(name=named, text=text)


def sent_memory(state: AgentState, session: Session) -> SentMemory | None:
    """Return the part of memory in the system message of the session's agent; ``None`` if that message must be made."""
    known = state.get("sent_memory") or {}
    return known.get(session.agent) or known.get(UNNAMED)


def with_sent(state: AgentState, session: Session, sent: SentMemory | None) -> dict[str, SentMemory]:
    """Return the state's register with this entry for the session's agent."""
    others = {agent: known for agent, known in (state.get("sent_memory") or {}).items() if agent not in {session.agent, UNNAMED}}
    return {**dict(list(others.items())[1 - _MAX_AGENTS :]), **({session.agent: sent} if sent else {})}


def bring_up_to_date(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block], turn: Turn, *,
    anew: bool = False, last: bool = False,
) -> tuple[SentMemory, list[AnyMessage]]:  # fmt: skip
    """Return what of memory the system message shows, and the messages with which something new rides.

    What was sent stays. What differs from it by now rides with the newest event or result: the next call sees it. All is put into the
    system message instead, and what rides with older messages falls away, where the queue was cut since, where the window has become
    another one, where too much would ride, or where a block's owner has revised it; and with ``anew``. In the ``last`` step of a turn the
    model is told so there as well.
    """
    parts, sent = _MemorySections.of(session, blocks), sent_memory(state, session)
    if sent is not None and not anew and _still_fits(session, state, blocks, sent):
        known = shown(messages, sent)
        notes = None
        if not _revised(session, parts, known):
            notes = _with_new_notes(session, messages, parts, sent, known, turn, state.get("summary"), last=last)
        if notes is not None:
            return sent, notes
    made = folded(session, state, messages, blocks)
    known = shown(messages, made)
    return made, _with_new_notes(session, messages, parts, made, known, turn, state.get("summary"), last=last) or []


def folded(session: Session, state: AgentState, messages: Sequence[AnyMessage], blocks: Sequence[Block]) -> SentMemory:
    """Return memory as it is now, for a new system message."""
    sent = sent_memory(state, session)
    numbers = [mark_of(m).get("rides", SideNotes()).get("fold", 0) for m in messages]
    return SentMemory(
        fold=1 + max([sent["fold"] if sent else 0, *numbers]),
        message_tokens=_message_tokens(session),
        sections=memory_sections(session, blocks, state.get("summary")),
        known=_MemorySections.of(session, blocks).digests,
    )


def _message_tokens(session: Session) -> int:
    return max(32, int(session.budget_tokens * MESSAGE_SHARE))


def _still_fits(session: Session, state: AgentState, blocks: Sequence[Block], sent: SentMemory) -> bool:
    """Whether the memory that was sent suits the window as known now."""
    before, now = sent["message_tokens"], _message_tokens(session)
    if max(before, now) > _LIMIT_CHANGED * min(before, now):
        return False
    summary = state.get("summary")
    return over_tokens(session, sent["sections"], summary) <= 0 or memory_sections(session, blocks, summary) == sent["sections"]


def _revised(session: Session, parts: _MemorySections, known: Mapping[str, str]) -> bool:
    """Whether the owner has corrected a block since it was sent: what it said before may be what nobody is to be shown again."""
    now = parts.digests
    changed = [key for key in {*known, *now} if key.startswith("block ") and known.get(key, "") != now.get(key, "")]
    return any(session.memory.core.was_revised(key.removeprefix("block ")) for key in changed)


def _with_new_notes(
    session: Session, messages: Sequence[AnyMessage], parts: _MemorySections, sent: SentMemory, known: Mapping[str, str], turn: Turn,
    summary: Summary | None, *, last: bool,
) -> list[AnyMessage] | None:  # fmt: skip
    """Return the messages with the new texts that ride with them; ``None`` if those are too large."""
    changed: dict[str, SideNotes] = {}
    event = next((m for m in messages if m.id == turn["id"]), None)
    if event is not None and (noted := _notes(session, messages, event, sent, turn)) is not None:
        changed[turn["id"]] = noted
    carrier = _carrier(messages)
    news = _news(parts, known)
    if last and known.get(_LAST) != turn["id"]:
        news[_LAST] = LAST_STEP
    if news.keys() - {_LAST} and (carrier is None or _too_much(session, messages, sent, news.values(), summary)):
        return None
    if news and carrier is not None:
        notes = changed.get(str(carrier.id)) or side_notes_of(carrier, sent["fold"])
        now = {_LAST: turn["id"], **parts.digests}
        changed[str(carrier.id)] = {
            **notes, "fold": sent["fold"], "told": [*notes.get("told", []), *news.values()],
            "parts": {**notes.get("parts", {}), **{key: now.get(key, "") for key in news}},
        }  # fmt: skip
    return [_with_side_notes(m, changed[str(m.id)]) for m in messages if str(m.id) in changed]


def _news(parts: _MemorySections, known: Mapping[str, str]) -> dict[str, str]:
    """Return the notes to the model about changes since memory was sent, by part."""
    now = parts.digests
    news = {key: parts.change_text(key, new=not known.get(key)) for key, digest in now.items() if known.get(key) != digest}
    return news | {key: parts.change_text(key, new=False) for key, digest in known.items() if digest and key not in now and key != _LAST}


def shown(messages: Sequence[AnyMessage], sent: SentMemory) -> dict[str, str]:
    """Return the digest of each part as the model sees it last: in the system message, or behind it with a message."""
    known = dict(sent["known"])
    for notes in _riding(messages, sent["fold"]):
        known |= notes.get("parts", {})
    return known


def _riding(messages: Sequence[AnyMessage], fold: int) -> list[SideNotes]:
    """Return what rides with the messages after the system message of this number, oldest first."""
    every = [notes for m in messages if (notes := mark_of(m).get("rides"))]
    return [notes for notes in every if notes.get("fold") == fold]


def side_notes_of(message: AnyMessage, fold: int) -> SideNotes:
    """Return what rides with a message after the system message of this number; empty if nothing does."""
    notes = mark_of(message).get("rides")
    return notes if notes and notes.get("fold") == fold else SideNotes()


def _with_side_notes(message: AnyMessage, notes: SideNotes) -> AnyMessage:
    mark: Mark = {**mark_of(message), "rides": notes}
    return cast(AnyMessage, with_mark(message, mark))


def _carrier(messages: Sequence[AnyMessage]) -> AnyMessage | None:
    """Return the newest message that the model sees as an event or a result."""
    calls = {call["id"] for m in messages if isinstance(m, AIMessage) for call in m.tool_calls}
    for message in reversed(messages):
        if is_event(message) or (message.type == "human" and mark_of(message)):
            return message
        if isinstance(message, ToolMessage) and message.tool_call_id in calls:
            return message
    return None


def _too_much(
    session: Session, messages: Sequence[AnyMessage], sent: SentMemory, news: Any, summary: Summary | None
) -> bool:
    texts = [text for notes in _riding(messages, sent["fold"]) for text in notes.get("told", [])]
    tokens = sum(map(session.counter.count_text, [*texts, *news]))
    return tokens > SIDE_NOTES_SHARE * max(0, session.budget_tokens - fixed_tokens(session, sent["sections"], summary))


def _notes(
    session: Session, messages: Sequence[AnyMessage], event: AnyMessage, sent: SentMemory, turn: Turn
) -> SideNotes | None:
    """Return what rides with the event of a turn: found once, when it is new, and taken along into a new system message; else ``None``."""
    notes = mark_of(event).get("rides")
    if notes is None:
        earlier = _riding(messages, sent["fold"])
        notes = notes_for(session, messages, turn, {line for r in earlier for line in r.get("memories", [])})
        last_counts = next((r for r in reversed(earlier) if r.get("in_memory")), None)
        if last_counts and _as_before(last_counts, notes):
            notes = SideNotes(memories=notes.get("memories", []))
    elif notes.get("fold") == sent["fold"]:
        return None
    kept = {name: value for name, value in notes.items() if name in {"in_memory", "counted", "memories"} and value}
    return cast(SideNotes, {"fold": sent["fold"], **kept})


def _as_before(before: SideNotes, now: SideNotes) -> bool:
    """Whether the counts of items outside main context are close to those that the model knows."""
    same = before.get("in_memory", "").partition(" ")[2] == now.get("in_memory", "").partition(" ")[2]
    return same and now.get("counted", 0) < _COUNT_AGAIN_FROM * before.get("counted", 0)
