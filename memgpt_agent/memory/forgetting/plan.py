"""The plan of forgetting: what was found, what is erased of it, what stays; and the erasing."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.finding import ForgetCandidate
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.stored_items import SAID
from memgpt_agent.memory.forgetting.words import normal


@dataclass(frozen=True)
class Forgotten:
    """What was erased."""

    counts: Mapping[str, int]
    """How many of each kind."""
    time: str
    """When, ISO 8601, UTC."""
    seconds: float
    """How long it took."""

    def __str__(self) -> str:
        """Return it in one sentence."""
        what = ", ".join(f"{number:,} {_plural(kind, number)}" for kind, number in self.counts.items()) or "nothing"
        return f"Erased {what} in {self.seconds:.1f} s."


@dataclass(frozen=True)
class ForgetPlan:
    """What would be forgotten. Nothing is erased before :meth:`erase`.

    What holds the very words, what was written because of it, what quotes it and what says the same is ticked; what is only near is not.
    """

    found: tuple[ForgetCandidate, ...]
    """What was found, ticked items first."""
    stays: tuple[str, ...]
    """Places that are not erased although they may hold the words, each with what to do about it."""
    draft: ForgetNote
    """What is erased beside the items found."""
    forgetting: Forgetting
    """Where it goes from."""
    wait_seconds: float = 600.0
    """How long to wait for turns that are being taken."""
    actor: str = "user"
    """Who asks for it."""
    clock: Clock = utc_now
    """Gives the time."""
    replan: Callable[[Iterable[str]], "ForgetPlan"] | None = field(default=None, repr=False)
    """Makes the plan again for named items."""

    @property
    def ticked(self) -> tuple[ForgetCandidate, ...]:
        """What is erased."""
        return tuple(one for one in self.found if one.ticked)

    @property
    def erases_more(self) -> bool:
        """Whether something may go beside what was found: a conversation's checkpoints, words in them only, a user's name."""
        return bool(self.draft.literal or self.draft.gone_threads or self.draft.names or self.draft.versions_before)

    def tick(self, *ids: str) -> "ForgetPlan":
        """Return the plan with these items ticked as well, and with what was derived from them.

        Raises:
            ConfigurationError: nothing of this id was found.
        """
        self._check(ids)
        if self.replan is None:
            return replace(self, found=tuple(replace(one, ticked=one.ticked or one.id in ids) for one in self.found))
        more = self.replan(ids)
        known = {(one.tier, one.id): one for one in more.found}
        found = {**{(one.tier, one.id): one for one in self.found if (one.tier, one.id) not in known}, **known}
        for place, one in found.items():
            found[place] = replace(one, ticked=one.ticked or one.id in ids or any(o.ticked and o.id == one.id for o in self.found))
        return replace(self, found=ordered(found.values()))

    def untick(self, *ids: str) -> "ForgetPlan":
        """Return the plan in which these items stay, even if they hold the words.

        Raises:
            ConfigurationError: nothing of this id was found.
        """
        self._check(ids)
        return replace(self, found=ordered(replace(one, ticked=one.ticked and one.id not in ids) for one in self.found))

    def erase(self, *, tell: Callable[[str], None] | None = None) -> Forgotten:
        """Erase what is ticked: from memory, conversations and files. This cannot be undone.

        It waits for turns that are being taken. A kill leaves a note by which the next opening of the agent finishes it.

        Args:
            tell: called before each part of the work with what it is.

        Raises:
            ConversationBusy: a turn took too long; nothing was erased.
            StoreError: it is erased for everybody, but others used the files for so long that bytes of it may be left.
        """
        from memgpt_agent.memory import erasing  # it carries out notes of every kind, ours among them

        began = time.monotonic()
        note = self.note()
        if self.ticked or self.erases_more:
            erasing.forget(self.forgetting, note, self.wait_seconds, tell or (lambda _: None))
        return Forgotten(self.counts(), str(note.log["time"]), time.monotonic() - began)

    def request(self, key: str) -> dict[str, int]:
        """Ask for what is ticked to be erased when the turn ends; return how many of each kind. Asked again under the same key, it is once."""
        if self.ticked:
            self.forgetting.note(replace(self.note(), id=key))
        return self.counts()

    async def aerase(self, *, tell: Callable[[str], None] | None = None) -> Forgotten:
        """Async form of :meth:`erase`; ``tell`` is called in another thread."""
        return await asyncio.to_thread(self.erase, tell=tell)

    def counts(self) -> dict[str, int]:
        """Return how many things of each kind are ticked."""
        return dict(Counter(one.kind for one in self.ticked))

    def note(self) -> ForgetNote:
        """Return the note by which the plan is carried out."""
        ticked, stay = self.ticked, [one for one in self.found if not one.ticked]
        said = {one.id: (one.thread_id, one.time) for one in ticked if one.tier in SAID}
        kept = [*(one.id for one in stay), *(normal(one.text) for one in stay if one.kind == "line")]
        lines = tuple(f"{one.label}\n{one.text}" for one in ticked if one.kind == "line" and one.quotable == one.text)
        now = stamp(self.clock())
        return replace(
            self.draft, id=uuid.uuid4().hex, lines=lines, items=tuple((one.tier, one.id) for one in ticked if one.tier != "core"), said=said,
            quoted=tuple(dict.fromkeys(one.quotable for one in ticked if one.quotable)), kept=tuple(kept),
            place=self.forgetting.place, log={"time": now, "actor": self.actor, "erased": self.counts()},
        )  # fmt: skip

    def _check(self, ids: Sequence[str]) -> None:
        known = {one.id for one in self.found}
        if unknown := [one for one in ids if one not in known]:
            raise ConfigurationError(f"Nothing of the id {unknown[0]!r} was found. Found were: {', '.join(sorted(known)[:20]) or 'nothing'}.")

    def __str__(self) -> str:
        """Return the list for people to read, ticked items marked with a cross."""
        lines = [f"[{'x' if one.ticked else ' '}] {one.kind} {one.id} ({one.why}): {one.text}" for one in self.found]
        return "\n".join([*(lines or ["Nothing was found."]), *(f"Stays: {what}" for what in self.stays)])


def ordered(found: Iterable[ForgetCandidate]) -> tuple[ForgetCandidate, ...]:
    """Return the items, ticked ones first."""
    return tuple(sorted(found, key=lambda one: not one.ticked))


def _plural(kind: str, number: int) -> str:
    return kind if number == 1 else f"{kind}s"

