"""The plan of forgetting: what was found, what is erased of it, what stays; and the erasing."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.archival import ArchivalMemory
from memgpt_agent.memory.dates import range_filter, stamp
from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.finding import KINDS, Finder, ForgetCandidate, made_of
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.stored_items import SAID, StoredItems, Value, items_in, texts_of
from memgpt_agent.memory.forgetting.words import Needles, normal
from memgpt_agent.memory.recall import RecallMemory


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
        counts = Counter[str]()
        for one in self.ticked:
            counts[one.kind] += one.times
        return dict(counts)

    def note(self) -> ForgetNote:
        """Return the note by which the plan is carried out."""
        ticked, stay = self.ticked, [one for one in self.found if not one.ticked]
        said = {one.id: (one.thread_id, one.time) for one in ticked if one.tier in SAID}
        kept = [*(one.id for one in stay), *(normal(one.text) for one in stay if one.kind == "line")]
        lines = tuple(f"{one.label}\n{one.text}" for one in ticked if one.kind == "line" and one.quotable in ("", one.text))
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


_SEARCHED = 5
"""How many hits of each tier are listed, unticked, if nothing holds the exact words."""


@dataclass(frozen=True)
class ForgetPlanner:
    """Plans what one agent forgets."""

    forgetting: Forgetting
    """Where its memory and its conversations lie."""
    agent_id: str
    """The agent."""
    archive: ArchivalMemory
    """Its archival memory."""
    own_archive: bool = True
    """Whether that lies in the store; nothing is erased from another one."""
    wait_seconds: float = 600.0
    """How long to wait for turns that are being taken."""
    actor: str = "user"
    """Who asks for it."""
    time_zone: str = "UTC"
    """The zone in which days are meant."""
    clock: Clock = utc_now
    """Gives the time."""

    def thing(self, queries: Sequence[str]) -> ForgetPlan:
        """Plan to forget what holds these words, or the things of these ids, and what was made of it.

        Raises:
            ConfigurationError: a query is empty.
        """
        held, literal = self._held(), list[str]()
        finder = Finder(held)
        for query in queries:
            if not normal(query):
                raise ConfigurationError("There is nothing to forget: give words that it holds, or an id.")
            if not finder.by_id(query.strip()):
                literal.append(query)
                if not finder.by_words(query):
                    self._near(finder, query)
        made_of(finder)
        threads, others = self._threads(held)
        draft = ForgetNote("", self.agent_id, literal=tuple(literal), threads=threads)
        stays = [*holding_elsewhere(self.forgetting.store, held, Needles(literal), threads, others), *self._general()]

        def replan(ids: Iterable[str]) -> ForgetPlan:
            return self.thing([*queries, *ids])

        return replace(self._plan(finder, draft, stays), replan=replan)

    def thread(self, thread_id: str) -> ForgetPlan:
        """Plan to forget a conversation: what was said in it, and what was written because of it."""
        held = self._held()
        return self._bulk(held, lambda value: value.get("thread_id") == thread_id, "of the conversation", gone_threads=(thread_id,))

    def user(self, user_id: str) -> ForgetPlan:
        """Plan to forget a user: the turns in which the user spoke, and what was written in them."""
        return self._bulk(self._held(), lambda value: value.get("user_id") == user_id, "said by the user", names=(user_id,))

    def before(self, moment: str) -> ForgetPlan:
        """Plan to forget what is older than a day or moment: messages, passages, facts, closed tasks, older versions of blocks.

        Blocks and open tasks stay as they are now, and so do files, which are unloaded as a whole, and facts that were told again
        since. What is newer stays too, even if it repeats something older.

        Raises:
            BadDate: it is neither.
        """
        until = range_filter(moment, None, self.time_zone).get("time", {}).get("$gte", "")
        held = self._held()
        finder = Finder(held)
        finder.where(lambda value: str(value.get("time", "")) < until, f"from before {moment}")
        facts = held.tier("facts")
        closed_later = {key.rpartition("-")[0] for key, value in facts.items() if str(value["time"]) >= until}
        for tier in ("archival", "retired", "facts", "tasks"):
            for key, value in held.things(tier).items():
                stays = value.get("file") or (tier == "facts" and key.rpartition("-")[0] in closed_later)
                time = value.get("closed") or until if tier == "tasks" else value.get("time", "")
                if str(time) < until and not stays:
                    finder.add(tier, key, value, f"from before {moment}")
        finder.spare(older=False)
        finder.sent_along()
        finder.orphans()
        return self._plan(finder, ForgetNote("", self.agent_id, threads=self._threads(held)[0], versions_before=until), self._general())

    def _bulk(
        self, held: StoredItems, passes: Callable[[Value], bool], why: str, *, gone_threads: tuple[str, ...] = (), names: tuple[str, ...] = ()
    ) -> ForgetPlan:
        finder = Finder(held)
        finder.where(passes, why)
        turns = {str(held.with_gone.get(one.id, {}).get("turn")) for one in finder.found.values()} - {"", "None"}
        finder.of_turns(turns, words=None)
        finder.spare(older=True)
        finder.quoting([one.quotable for one in finder.found.values()], speech=False)
        finder.sent_along()
        finder.orphans()
        own, others = self._threads(held, *gone_threads)
        threads = tuple(thread for thread in own if thread not in gone_threads)
        stays = [f"the conversation {thread!r} itself: it belongs to another agent." for thread in gone_threads if thread in others]
        gone = tuple(thread for thread in gone_threads if thread not in others)
        draft = ForgetNote("", self.agent_id, threads=threads, gone_threads=gone, names=names)
        return self._plan(finder, draft, [*stays, *self._general()])

    def _held(self) -> StoredItems:
        return StoredItems.of(self.forgetting.store, self.agent_id)

    def _threads(self, held: StoredItems, *asked: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the agent's conversations, and those that its memory or ``asked`` names and that belong to other agents only.

        Memory alone proves nothing: an import can name anybody's conversation.
        """
        known = {one.agent_id: one.threads for one in definitions.every(self.forgetting.store)}
        own = known.pop(self.agent_id, ())
        others = {thread for threads in known.values() for thread in threads} - set(own)
        named = dict.fromkeys([*own, *held.threads, *asked])
        return tuple(thread for thread in named if thread not in others), tuple(thread for thread in named if thread in others)

    def _plan(self, finder: Finder, draft: ForgetNote, stays: Iterable[str]) -> ForgetPlan:
        return ForgetPlan(
            ordered(finder.found.values()), tuple(stays), draft, self.forgetting, self.wait_seconds, self.actor, self.clock
        )

    def _near(self, finder: Finder, query: str) -> None:
        """List, unticked, what a search finds: which of it is meant, a person says."""
        recall = RecallMemory(self.forgetting.store, self.agent_id)
        hits = [("recall", m.id) for m in recall.search(query, limit=_SEARCHED)]
        hits += [("archival", p.id) for p in self.archive.search(query, limit=_SEARCHED)] if self.own_archive else []
        for tier, key in hits:
            if (value := finder.holdings.tier(tier).get(key)) is not None:
                finder.add(tier, key, value, "found by the search", ticked=False)
        finder.alike([query])

    def _general(self) -> Iterator[str]:
        if not self.own_archive:
            yield "the archive of your own (archival_store): delete it there."
        yield "exports, backups and the documents themselves, wherever they lie."


_AGENTS_READ = 20
"""How many agents of the same conversations are searched."""


def holding_elsewhere(
    store: BaseStore, held: StoredItems, needles: Needles, threads: Sequence[str], others: Sequence[str]
) -> Iterator[str]:
    """Yield what of it stays, each with what to do about it.

    Args:
        store: where the agent's memory lies.
        held: what is in it.
        needles: what is to be forgotten.
        threads: the agent's conversations. Of the agents who share them, those who remember it are named.
        others: other agents' conversations that the agent's memory names. An import may have made it name them: those agents are not looked at.
    """
    if not needles:
        return
    for key, value in items_in(store, namespaces.BLOCKS).items():
        if held.agent_id in (value.get("attached") or {}) and any(map(needles.literally_in, texts_of(value))):
            yield f"the shared block {key!r}: other agents have it too; edit it."
    letters = [v for tier in ("inbox", "letters_waiting") for v in held.tier(tier).values()]
    if number := len({v["id"] for v in letters if any(map(needles.literally_in, texts_of(v)))}):
        yield f"letters of other agents ({number}): they are the sender's too."
    yield from _names(held, needles, (*threads, *others))
    yield from _other_agents(store, held.agent_id, needles, set(threads))


def _names(held: StoredItems, needles: Needles, threads: Sequence[str]) -> Iterator[str]:
    users = sorted({str(value["user_id"]) for value in held.messages.values() if value.get("user_id")})
    events = sorted({str(value["turn"]) for value in held.messages.values() if value.get("turn")})
    files = [f"{value['name']} {value['path']}" for value in held.tier("files").values()]
    named = {
        "file": (files, "unload it."), "block": (list(held.tier("core")), "delete it, or call it otherwise."),
        "conversation": (list(threads), "forget the conversation."), "user": (users, "forget the user."),
        "event": (events, "its sender chose it; let ids say nothing."),
    }  # fmt: skip
    for kind, (names, remedy) in named.items():
        for name in filter(needles.literally_in, names):
            yield f"the name of the {kind} {name!r}: {remedy}"


def _other_agents(store: BaseStore, agent_id: str, needles: Needles, threads: set[str]) -> Iterator[str]:
    """Yield the agents of the same conversations that remember it for themselves."""
    sharing = [d.agent_id for d in definitions.every(store) if d.agent_id != agent_id and threads & set(d.threads)]
    for other_id in sharing[:_AGENTS_READ]:
        other = StoredItems.of(store, other_id)
        texts = (text for tier in KINDS for value in other.things(tier).values() for text in texts_of(value))
        if any(map(needles.literally_in, texts)):
            yield f"what the agent {other_id!r} remembers of it: let it forget too."
