"""Page faults: what of memory an event refers to rides with it, found by one search of each tier."""

from collections.abc import Collection, Iterator, Sequence

from langchain_core.messages import AnyMessage

from memgpt_agent.events import SideNotes, local_time, mark_of
from memgpt_agent.memory import namespaces
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import in_memory
from memgpt_agent.state import Turn
from memgpt_agent.store.plain import count, tally
from memgpt_agent.text.cues import refers_back
from memgpt_agent.text.words import telling_words

MAX_TOKENS = 1_000
"""The memories of one event fill at most this much, even if the share of the budget is larger."""
_RECALL_HITS = 12
_ARCHIVAL_HITS = 4
_LEAST_TOKENS = 24
"""If less than this of a memory would fit, it is left out."""
_ITEM_SHARE = 0.35
"""One memory may fill this share of the room."""
_QUERY_CHARS = 2_000
_MAX_TAGS = 10
"""How many of archival memory's most frequent tags are named."""
_TYPES = {"user_message", "agent_message"}


def notes_for(session: Session, messages: Sequence[AnyMessage], turn: Turn, in_sight: Collection[str] = ()) -> SideNotes:
    """Return what rides with the event of a new turn: how much lies outside main context, and what of it the event refers to.

    One search of each tier at most, and none if nothing lies outside, or where the event, in the mode ``auto``, asks
    for nothing. ``in_sight`` are the memories that ride with earlier events: none of them is offered again.
    """
    event = next((m for m in messages if m.id == turn["id"]), None)
    notes = SideNotes()
    if event is None or turn["type"] not in _TYPES:
        return notes
    memory, in_view = session.memory, {str(m.id) for m in messages}
    recall = count(memory.store, namespaces.of(memory.agent_id, "recall"))
    place = namespaces.of(memory.agent_id, "archival")
    filed = None if memory.archive else tally(memory.store, place, limit=_MAX_TAGS + 1)
    archival = filed is None or filed.items > 0  # another place may hold some
    if recall <= len(in_view & _kept(messages)) and not archival:
        return notes
    notes["counted"] = recall
    notes["in_memory"] = in_memory(recall, filed.items if filed else None, filed.tags if filed else (), _MAX_TAGS)
    mode, text = session.context.page_faults, event.text[:_QUERY_CHARS]
    if mode == "off" or (mode == "auto" and not refers_back(text)) or not _meant(text):
        return notes
    found = _found(session, text, in_view, archival=archival)
    wanted = _meant(text) if mode == "auto" else None
    notes["memories"] = _fitting(
        session, (line for line, said in found if wanted is None or wanted & _meant(said)), event.text, in_sight
    )
    return notes


def _kept(messages: Sequence[AnyMessage]) -> set[str]:
    """The ids in recall memory of the messages in view."""
    return {
        str(m.id) for m in messages if m.type in {"human", "tool"} or (m.text and mark_of(m).get("kind") != "reply")
    }


def _found(session: Session, text: str, in_view: set[str], *, archival: bool) -> Iterator[tuple[str, str]]:
    """Yield the search's hits that are not in view: as shown, and their text."""
    memory, zone = session.memory, session.context.time_zone
    said = [m for m in memory.recall.search(text, limit=_RECALL_HITS) if m.id not in in_view and m.role != "system"]
    filed = memory.archival.search(text, limit=_ARCHIVAL_HITS) if archival else []
    recalled = [(f"[{local_time(m.time, zone)[:10]}] {m.user_id or m.tool or m.role}: {m.whole}", m.text) for m in said]
    passages = [
        (f"[{local_time(p.time, zone)[:10]}] archival{f', {p.source}' if p.source else ''}: {p.text}", p.text)
        for p in filed
    ]
    for place in range(max(len(recalled), len(passages))):
        yield from recalled[place * 2 : place * 2 + 2]  # a passage says much: two messages for each
        yield from passages[place : place + 1]


def _fitting(session: Session, lines: Iterator[str], event: str, in_sight: Collection[str]) -> list[str]:
    """Return as many memories as fit, none twice, a long one cut."""
    room = min(MAX_TOKENS, int(session.budget_tokens * session.context.page_fault_share))
    item = int(room * _ITEM_SHARE)
    kept: list[str] = []
    for line in lines:
        short = session.counter.truncate(line, item)
        shown = line if short == line else f"{short} [...]"
        tokens_of = session.counter.count_text(shown) + 4
        if tokens_of > room:
            if room < _LEAST_TOKENS:
                break
            continue
        if shown not in kept and shown not in in_sight and not line.endswith(f": {event}"):
            kept.append(shown)
            room -= tokens_of
    return kept


def _meant(text: str) -> set[str]:
    return set(telling_words(text).values())
