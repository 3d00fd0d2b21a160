"""Correcting messages in recall memory: editing, removing and restoring them, with their earlier texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, cast

from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import NothingToUndo
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.hierarchy import SummaryNode, SummaryTree
from memgpt_agent.memory.recall import ForgottenMessage, Message, RecallMemory, message_from
from memgpt_agent.store.plain import newest

How = Literal["edited", "removed", "replaced", "taken back", "restored"]
"""What happened to a message: its words changed; it was removed from the conversation; the conversation continued
from before it with other words; its turn was undone; it was restored."""
MAX_ENTRIES = 100
"""How many earlier states of one message are kept."""


class Change(NamedTuple):
    """The new form of a message."""

    text: str | None = None
    """Its text; ``None`` leaves it."""
    arguments: str | None = None
    """Of a tool call: its arguments, JSON; ``None`` leaves them."""


def kind_of(what_id: str) -> Literal["message", "passage", "fact"]:
    """Return what an id names."""
    return "passage" if what_id.startswith("passage-") else "fact" if what_id.startswith("fact-") else "message"


@dataclass(frozen=True)
class Correction:
    """One earlier state of a message, and what ended it."""

    text: str
    """Its text until then."""
    arguments: str
    """The arguments of its call until then, JSON."""
    how: How
    """What happened to it."""
    time: str
    """When, ISO 8601, UTC."""
    actor: str
    """Who did it: ``user``, ``client`` (through the state of the graph) or another name."""


@dataclass(frozen=True)
class CorrectedMessage:
    """The record of a corrected message."""

    id: str
    """The message's key in recall memory."""
    thread_id: str
    """Its conversation."""
    user_id: str
    """Who said it, where that was a user."""
    text: str
    """Its text before the newest correction."""
    time: str
    """The time of the newest correction, ISO 8601, UTC."""
    entries: tuple[Correction, ...]
    """Its earlier states, oldest first."""
    gone: dict[str, Any] | None
    """The whole message, if it is no longer in recall memory."""
    undo: tuple[int, ...]
    """The places in ``entries`` that undo leads back to, the next one last."""

    @property
    def how(self) -> How:
        """The last thing that happened to it."""
        return self.entries[-1].how

    def as_value(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**asdict(self), "entries": [asdict(entry) for entry in self.entries], "undo": list(self.undo)}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "CorrectedMessage":
        """Return the stored record."""
        known: dict[str, Any] = {**value, "entries": tuple(Correction(**entry) for entry in value["entries"]), "undo": tuple(value["undo"])}
        return cls(**known)

    def after(self, old: Message, how: How, time: str, actor: str) -> "CorrectedMessage":
        """Return it with one more earlier state."""
        entries = (*self.entries, Correction(old.text, old.arguments, how, time, actor))
        cut = max(0, len(entries) - MAX_ENTRIES)
        undo = tuple(place - cut for place in (*self.undo, len(entries) - 1) if place >= cut)
        return replace(self, text=old.text, time=time, entries=entries[cut:], undo=undo)


class Corrected(NamedTuple):
    """The effect of a correction."""

    messages: dict[str, Message]
    """The earlier form of the messages, by their ids."""
    spans: list[SummaryNode]
    """The summaries at the bottom of the hierarchy that drew on them, as they were before."""


class Corrections:
    """The corrections of one agent's messages.

    What is corrected is found and shown in its new words only: by searches, in the lines beside later messages, in the summaries
    of every level, which are made again. What it was stays here, unsearched, until it is erased.

    **Limits**: what the agent itself made of the words (blocks, passages, facts, replies) is not changed.
    """

    def __init__(
        self, recall: RecallMemory, store: BaseStore, agent_id: str, clock: Clock = utc_now, time_zone: str = "UTC",
        thread_id: str | None = None,
    ) -> None:  # fmt: skip
        """Correct messages of one conversation, or of all if ``thread_id`` is ``None``; messages of others stay as they are."""
        self._recall, self._store, self._clock, self._thread_id = recall, store, clock, thread_id
        self._namespace = namespaces.of(agent_id, "corrections")
        self._tree = SummaryTree(store, agent_id, clock, time_zone)

    def edit(self, changes: Mapping[str, Change], *, actor: str = "user", how: How = "edited") -> Corrected:
        """Change the words of messages; one with an empty text is taken out. Repeating it changes nothing."""
        known = self._known(changes)
        now = stamp(self._clock())
        changed: dict[str, Message | None] = {}
        for key, old in known.items():
            text, arguments = (was if now_ is None else now_ for was, now_ in zip((old.text, old.arguments), changes[key], strict=True))
            if (text, arguments) != (old.text, old.arguments):
                changed[key] = replace(old, text=text, arguments=arguments, edited=now) if text.strip() else None
        return self._write(known, changed, now, how, actor)

    def remove(self, ids: Iterable[str], *, actor: str = "user", how: How = "removed") -> Corrected:
        """Take messages out of recall memory. Repeating it changes nothing. :meth:`undo` brings them back."""
        known = self._known(ids)
        return self._write(known, dict.fromkeys(known), stamp(self._clock()), how, actor)

    def _known(self, ids: Iterable[str]) -> dict[str, Message]:
        found = self._recall.get(list(dict.fromkeys(ids)))
        return {k: m for k, m in found.items() if self._thread_id in (None, m.thread_id) and not isinstance(m, ForgottenMessage)}

    def undo(self, message_id: str, *, actor: str = "user") -> Message:
        """Undo a message's newest correction and return the message; a second call undoes the one before.

        Raises:
            NothingToUndo: it was not corrected, or all of it was undone.
        """
        known = self.of([message_id]).get(message_id)
        if known is None or not known.undo:
            raise NothingToUndo(f"There is nothing to undo in message {message_id!r}: it is as it was said.")
        entry = known.entries[known.undo[-1]]
        old = message_from(known.gone) if known.gone else self._recall.get([message_id]).get(message_id)
        if old is None:
            raise NothingToUndo(f"Message {message_id!r} is not in recall memory any more.")
        now = stamp(self._clock())
        new = replace(old, text=entry.text, arguments=entry.arguments, edited=now if len(known.undo) > 1 else "")
        kept = replace(known.after(old, "restored", now, actor), gone=None, undo=known.undo[:-1])
        note = PutOp(self._namespace, message_id, kept.as_value(), index=False)
        if known.gone:
            self._store.batch([self._recall.put_operation(new)])
        self._store.batch([*self._recall.rewriting({message_id: new}), note])
        self._tree.rebuild([message_id], self._recall)
        return new

    def of(self, ids: Sequence[str]) -> dict[str, CorrectedMessage]:
        """Return the records of corrected messages, by their ids."""
        found = self._store.batch([GetOp(self._namespace, key) for key in ids]) if ids else []
        return {i.key: CorrectedMessage.from_value(i.value) for i in cast(list[Item | None], found) if i is not None}

    def newest(self, limit: int = 20) -> list[CorrectedMessage]:
        """Return the most recently corrected messages, newest first."""
        return [CorrectedMessage.from_value(item.value) for item in newest(self._store, self._namespace, limit=limit)]

    def _write(
        self, known: Mapping[str, Message], changed: Mapping[str, Message | None], now: str, how: How, actor: str
    ) -> Corrected:
        if not changed:
            return Corrected({}, [])
        before = self.of(list(changed))
        notes: list[PutOp] = []
        for key, new in changed.items():
            old = known[key]
            kept = before.get(key) or CorrectedMessage(key, old.thread_id, old.user_id, "", "", (), None, ())
            kept = replace(kept.after(old, how, now, actor), gone=asdict(old) if new is None else None)
            notes.append(PutOp(self._namespace, key, kept.as_value(), index=False))
        self._store.batch([*self._recall.rewriting(changed), *notes])
        return Corrected({key: known[key] for key in changed}, self._tree.rebuild(list(changed), self._recall))
