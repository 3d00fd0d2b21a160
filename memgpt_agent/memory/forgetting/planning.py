"""Making the plan of forgetting: one thing, a conversation, a user, or everything before a date."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import definitions
from memgpt_agent.memory.archival import ArchivalMemory
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.finding import Finder, made_of
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.plan import ForgetPlan, ordered
from memgpt_agent.memory.forgetting.staying import holding_elsewhere
from memgpt_agent.memory.forgetting.stored_items import StoredItems, Value
from memgpt_agent.memory.forgetting.words import Needles, normal
from memgpt_agent.memory.recall import RecallMemory

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
        draft = ForgetNote("", self.agent_id, literal=tuple(literal), threads=self._threads(held))
        stays = [*holding_elsewhere(self.forgetting.store, held, Needles(literal), self._threads(held)), *self._general()]

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
        """Plan to forget what is older than a day or moment: messages, passages, facts, older versions of blocks.

        Blocks stay as they are now, and so do files, which are unloaded as a whole, and facts that were told again since.

        Raises:
            BadDate: it is neither.
        """
        until = range_filter(moment, None, self.time_zone).get("time", {}).get("$gte", "")
        held = self._held()
        finder = Finder(held)
        finder.where(lambda value: str(value.get("time", "")) < until, f"from before {moment}")
        facts = held.tier("facts")
        closed_later = {key.rpartition("-")[0] for key, value in facts.items() if str(value["time"]) >= until}
        for tier in ("archival", "retired", "facts"):
            for key, value in held.tier(tier).items():
                stays = value.get("file") or (tier == "facts" and key.rpartition("-")[0] in closed_later)
                if str(value.get("time", "")) < until and not stays:
                    finder.add(tier, key, value, f"from before {moment}")
        finder.sent_along()
        finder.orphans()
        return self._plan(finder, ForgetNote("", self.agent_id, threads=self._threads(held), versions_before=until), self._general())

    def _bulk(
        self, held: StoredItems, passes: Callable[[Value], bool], why: str, *, gone_threads: tuple[str, ...] = (), names: tuple[str, ...] = ()
    ) -> ForgetPlan:
        finder = Finder(held)
        finder.where(passes, why)
        turns = {str(held.messages.get(one.id, {}).get("turn")) for one in finder.found.values()} - {"", "None"}
        finder.of_turns(turns, words=None)
        finder.quoting([one.quotable for one in finder.found.values()], speech=False)
        finder.sent_along()
        finder.orphans()
        threads = tuple(thread for thread in self._threads(held) if thread not in gone_threads)
        draft = ForgetNote("", self.agent_id, threads=threads, gone_threads=gone_threads, names=names)
        return self._plan(finder, draft, self._general())

    def _held(self) -> StoredItems:
        return StoredItems.of(self.forgetting.store, self.agent_id)

    def _threads(self, held: StoredItems) -> tuple[str, ...]:
        known = definitions.load(self.forgetting.store, self.agent_id)
        return tuple(dict.fromkeys([*(known.threads if known else ()), *held.threads]))

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
