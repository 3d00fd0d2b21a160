"""Sifting the input against the past: known messages, edited ones to answer again, and abandoned branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from memgpt_agent.events import Mark, mark_of, removal, with_mark
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.corrections import Change
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.hierarchy import SummaryTree
from memgpt_agent.memory.recall import ForgottenMessage, Message, message_from
from memgpt_agent.nodes.corrected import ACTOR, QueueEdits, corrections_of, is_nested, renew_summary
from memgpt_agent.nodes.session import Session
from memgpt_agent.state import AgentState, Turn

KEPT_EVENT_IDS = 256
"""How many ids of events without a text, which recall memory does not keep, are kept for each thread."""
_BRANCH_MESSAGES = 500
"""How many messages of abandoned branches are looked up at once."""


@dataclass
class SiftedInput:
    """A run's input, sifted."""

    messages: list[BaseMessage]
    """What is new here."""
    wakers: list[BaseMessage]
    """The events among the new messages."""
    known: dict[str, Message]
    """Its messages that recall memory already holds, by id."""
    gone: list[Any]
    """Removals from the queue: messages handled before, and the answer to a message that is asked again."""


def sift_input(fresh: Sequence[BaseMessage], changed: QueueEdits, session: Session, config: RunnableConfig) -> SiftedInput:
    """Separate new messages from known ones, and take in a person's messages that come again with other words.

    Such a message is asked again where the run brings nothing else: the answer that it had leaves the conversation, and it goes to
    the end. Else it is only corrected.
    """
    state = changed.state
    running, here = state.get("turn"), {m.id for m in state["messages"]}
    known, edits = known_of(fresh, session)
    handled = {i for i, record in known.items() if _is_past(record, running, session)}
    news = [m for m in fresh if m.id not in handled]
    wakers = [m for m in news if isinstance(m, HumanMessage) or mark_of(m).get("kind") == "event"]
    gone: list[Any] = [removal(i) for i in handled if i in here]
    late = {i: text for i, (record, text) in edits.items() if running and _is_past(record, running, session)}
    if late:
        drew = corrections_of(session).edit({i: Change(text) for i, text in late.items()}, actor=ACTOR).spans
        renew_summary(changed, session, config, drew)
    said = [m for m in wakers if str(m.id) not in late]
    if said or (not late and not changed.edited_event) or (running and not running["over"] and not late):
        dropped = {m.id for m in wakers} - {m.id for m in said}
        gone += [removal(str(i)) for i in dropped]
        return SiftedInput([m for m in news if m.id not in dropped], said, known, gone)
    asked = next(m for m in reversed([*state["messages"], *wakers]) if m.id == (next(reversed(late), "") or changed.edited_event))
    event, record, answer = _asked_anew(asked, state, session)
    others = [m for m in news if str(m.id) not in late]
    return SiftedInput([*others, event], [event], {**known, **record}, [*gone, *(removal(i) for i in late if i != event.id), *answer])


def _asked_anew(event: BaseMessage, state: AgentState, session: Session) -> tuple[BaseMessage, dict[str, Message], list[Any]]:
    """Return a message as it is asked again, what recall memory holds of it, and the removals of it and of its answer from the queue."""
    key, memory = str(event.id), session.memory
    answered = [m for m in memory.journal.of_turn(key) if m.id != key]
    corrections_of(session).remove([m.id for m in answered if m.turn == key], actor=ACTOR, how="replaced")
    kept = {k: v for k, v in mark_of(event).items() if k not in {"page", "removed"}}
    mark = Mark(**{"kind": "event", "type": "user_message", **kept, "time": stamp(session.resources.clock())})  # pyright: ignore[reportArgumentType]
    gone = [removal(str(m.id)) for m in state["messages"] if m.id == key or mark_of(m).get("turn") == key]
    return with_mark(event, mark), memory.journal.get([key]), gone


def known_of(fresh: Sequence[BaseMessage], session: Session) -> tuple[dict[str, Message], dict[str, tuple[Message, str]]]:
    """Return what was received before, in whatever branch of the conversation, and what was but now has other words, with these.

    A copy from before an edit, or of a message that was removed, is known.
    """
    texts = {str(m.id): m.text for m in fresh}
    if not texts:
        return {}, {}
    records = {i: r for i, r in session.memory.journal.get(list(texts)).items() if r.thread_id == session.thread_id}
    found = {i: r for i, r in records.items() if r.text == texts[i] or isinstance(r, ForgottenMessage)}
    edits: dict[str, tuple[Message, str]] = {}
    for i, note in corrections_of(session).of([i for i in texts if i not in found]).items():
        if i in records and any(texts[i] == entry.text for entry in note.entries):
            found[i] = records[i]
        elif note.gone and note.how == "removed" and note.text == texts[i] and note.thread_id == session.thread_id:
            found[i] = message_from(note.gone)
    people = {str(m.id) for m in fresh if isinstance(m, HumanMessage)}
    edits = {i: (r, texts[i]) for i, r in records.items() if i not in found and i in people and r.role == "user" and texts[i]}
    if "" in texts.values():
        ids = _ids_without_text(session)
        found |= {
            i: Message(i, "system", "", "", checkpoint=ids[i]) for i, text in texts.items() if not text and i in ids
        }
    return found, edits


def _is_past(record: Message, turn: Turn | None, session: Session) -> bool:
    """Whether it lies in the past of this conversation as it now is.

    Checkpoint ids are ordered by time. What was received at a later one than the state's own turn was received by a step
    that did not end (a crash: it is tried again) or in a branch that was given up (a rollback, a fork: it is new here).
    """
    if turn is None:
        return False
    until = turn.get("received")
    return record.checkpoint != session.checkpoint_id if until is None else record.checkpoint <= until


def give_up_branch(received: Sequence[BaseMessage], edits: QueueEdits, session: Session, config: RunnableConfig) -> None:
    """Take out of recall memory what was said after the place from which the conversation now goes on: with other words, or a rollback.

    What lies in this branch again, and was taken out when it was given up, is brought back. Where the same message comes again, as
    after a crash, nothing is taken out: what was done for it must be known again.
    """
    state, journal = edits.state, session.memory.journal
    turn = state.get("turn")
    steps = (config.get("metadata") or {}).get("langgraph_step", 0)
    if is_nested(config) or edits.others_turn or (turn is None and steps <= 1):  # a first turn, or a graph that keeps no state
        return
    until = (turn or {}).get("received") or ""
    newest = journal.of_thread(session.thread_id, limit=1)
    if not newest or (turn and (newest[0].turn == turn["id"] or not until)):
        return
    here = {str(m.id) for m in state["messages"] if mark_of(m)}
    coming = {str(m.id): m.text for m in received}
    later = journal.of_thread(session.thread_id, limit=_BRANCH_MESSAGES)
    begun = [m for m in later if m.checkpoint > until and m.checkpoint != session.checkpoint_id and m.turn == m.id and m.id not in here]
    turns = {m.id for m in begun if coming.get(m.id) != m.text}
    if turns:  # what has left main context is in the past, though its checkpoint looks later where a clock was set back
        memory = session.memory
        left = SummaryTree(memory.store, memory.agent_id, memory.clock, memory.time_zone).drew_on(sorted(turns))
        turns -= {child for span in left for child in span.children}
    if not turns:
        return
    corrections = corrections_of(session)
    changed = {m.id: Change(coming[m.id]) for m in begun if m.id in coming and coming[m.id] != m.text}
    corrections.edit(changed, actor=ACTOR)
    corrections.remove([m.id for m in later if m.turn in turns and m.id not in changed], actor=ACTOR, how="replaced")
    for note in corrections.of(sorted(here)).values():
        if note.gone and note.how == "replaced":
            corrections.undo(note.id, actor=ACTOR)


def _ids_without_text(session: Session) -> dict[str, str]:
    item = session.memory.store.get(namespaces.of(session.memory.agent_id, "events"), session.thread_id)
    return dict(item.value["ids"]) if item else {}


def remember_ids(session: Session, ids: Sequence[str]) -> None:
    """Store the ids of events without a text."""
    if ids:
        kept = [*_ids_without_text(session).items(), *((i, session.checkpoint_id) for i in ids)][-KEPT_EVENT_IDS:]
        place = namespaces.of(session.memory.agent_id, "events")
        session.memory.store.put(place, session.thread_id, {"ids": [list(pair) for pair in kept]}, index=False)
