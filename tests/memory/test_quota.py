"""What an owner may use: counted in the store, on SQLite and on Postgres, for threads, processes and replicas alike."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, agent_for, delete_agent
from memgpt_agent.checkpoints import SqliteCheckpointer
from memgpt_agent.config import Settings
from memgpt_agent.errors import LimitReached
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.namespaces import COUNTED, USED
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.quota import Quota, digest
from memgpt_agent.owners import Identity, assign, share
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.store import BaseMemoryStore, open_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from tests.store.servers import fresh_url

ANN, BOB, ROOT = Identity("ann"), Identity("bob"), Identity("root", frozenset({"admin"}))


class Place:
    """A data folder with limits, a store, and agents on it."""

    def __init__(self, settings: Settings, store: BaseMemoryStore, saver: SqliteCheckpointer) -> None:
        self.settings, self.store, self.saver = settings, store, saver

    def limit(self, text: str) -> None:
        """Write the limits."""
        self.settings.home.mkdir(exist_ok=True)
        (self.settings.home / "limits.toml").write_text(text)

    def open(self, *lines: Any, **given: Any) -> MemGPTAgent:
        """Open an agent, or make it."""
        made: dict[str, Any] = {"llm_client": ScriptedModel([*lines, *[say("Yes.")] * 9]), "settings": self.settings}
        return MemGPTAgent(store=self.store, checkpointer=self.saver, **made, **given)

    def stored(self) -> list[Any]:
        """All that is stored but the counts."""
        found = self.store.search((), limit=10_000)
        return [(i.namespace, i.key, i.value) for i in found if i.namespace[0] not in {USED[0], COUNTED[0], "leases"}]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, saver: SqliteCheckpointer) -> Iterator[Place]:
    """On either store."""
    url = fresh_url() if request.param == "postgres" else f"sqlite:///{tmp_path}/memory.db"
    with open_store(url, index={"dims": 64, "embed": HashingEmbedder()}) as store:
        yield Place(Settings(home=tmp_path / "home"), store, saver)


def test_turns_in_a_minute_are_counted_over_all_agents_of_whoever_acts(place: Place) -> None:
    """The next is refused before anything of it is stored, and the error says when it will be taken; another owner's is taken."""
    place.limit("turns_a_minute = 3")
    with place.open(owner="ann") as one, place.open(owner="ann") as other, place.open(owner="bob") as bobs:
        one.step("a")
        other.step("b")
        one.heartbeat()
        before = place.stored()
        with pytest.raises(LimitReached, match="'ann' has begun 3 turns within a minute; 3 are allowed. Try again in") as refused:
            one.step("c")
        assert place.stored() == before
        assert 1 <= (refused.value.retry_after_seconds or 0) <= 60
        assert bobs.step("d").message == "Yes."
        place.limit("turns_a_minute = 4")
        assert one.step("c").message == "Yes."
        assert [m.text for m in one.messages() if m.role == "user"] == ["a", "c"]


def test_a_message_that_is_sent_again_counts_once_and_is_answered(place: Place) -> None:
    """A client that lost the answer is not told to wait."""
    place.limit("turns_a_minute = 1")
    with place.open(owner="ann") as agent:
        first = agent.step("a", event_id="e1")
        assert agent.step("a", event_id="e1").message == first.message
        with pytest.raises(LimitReached):
            agent.step("b", event_id="e2")


def test_threads_that_begin_turns_at_once_never_begin_more_than_are_allowed(place: Place) -> None:
    """The count and the check are one write."""
    place.limit("turns_a_minute = 5")
    table, begun, refused = limits_of(place.settings), list[int](), list[int]()

    def begin(number: int) -> None:
        mine = Quota.of(place.store, table, ANN, "user:ann")
        assert mine is not None
        try:
            mine.begin_turn(f"t{number}")
            begun.append(number)
        except LimitReached:
            refused.append(number)

    threads = [threading.Thread(target=begin, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (5, 7)


def test_tokens_of_a_day_are_those_of_all_model_calls(place: Place) -> None:
    """The turn in which they run out is taken to its end; the next is refused until midnight UTC."""
    place.limit("tokens_a_day = 1")
    with place.open(owner="ann") as agent, place.open(owner="bob", agent_id="user:bob") as bobs:
        used = agent.step("a").tokens_used
        said = f"'ann' has used {used:,} tokens today; 1 a day are allowed. Go on after midnight UTC"
        with pytest.raises(LimitReached, match=said) as refused:
            agent.step("b")
        assert 1 <= (refused.value.retry_after_seconds or 0) <= 86_400
        assert bobs.step("c").message == "Yes."


def test_a_limit_of_nothing_is_healed_by_no_time(place: Place) -> None:
    """So nobody is told to try again."""
    for text in ("turns_a_minute = 0", "tokens_a_day = 0"):
        place.limit(text)
        with place.open(owner="ann") as agent, pytest.raises(LimitReached) as refused:
            agent.step("a")
        assert refused.value.retry_after_seconds is None


def test_agents_are_counted_where_they_are_made(place: Place) -> None:
    """By any form of id; one that is refused leaves nothing, one that is deleted or given away makes room."""
    place.limit("agents = 2")
    with place.open(owner="ann") as one, place.open(owner="ann", agent_id="owner:ann/work"):
        before = place.stored()
        for more in ({}, {"agent_id": "user:ann"}, {"agent_id": "owner:ann/play"}):
            with pytest.raises(LimitReached, match="'ann' may have 2 agents and has no room for another"):
                place.open(owner="ann", **more)
        assert place.stored() == before
        with place.open(owner="ann", agent_id=one.agent_id) as again:
            assert again.step("a").message == "Yes."
    assign(place.store, one.agent_id, "bob")
    with place.open(owner="bob", agent_id=one.agent_id), place.open(owner="ann") as third, pytest.raises(LimitReached):
        place.open(owner="ann")
    assert place.store.count((*COUNTED, digest("ann"))) == 2
    with place.open(owner=ROOT, agent_id=third.agent_id) as roots:
        assert roots.step("a").message == "Yes."


def test_agents_from_before_the_limits_are_counted(place: Place) -> None:
    """Those with a record of their owner, and those of whom the id tells it."""
    for given in ({}, {"agent_id": "user:ann"}, {"agent_id": "owner:ann/work"}):
        with place.open(owner="ann", **given) as agent:
            agent.memory.archival.insert("The hive is blue.")
    with place.open(owner="bob"), place.open():
        pass
    place.limit("agents = 3\npassages = 3")
    with pytest.raises(LimitReached, match="may have 3 agents"):
        place.open(owner="ann")
    with place.open(owner="ann", agent_id="user:ann") as agent, pytest.raises(LimitReached, match="3 passages"):
        agent.memory.archival.insert("The roof leaks.")
    assert place.store.count((*COUNTED, digest("ann"))) == 3
    place.limit("# none for a while")
    with place.open(owner="ann"):
        pass
    place.limit("agents = 4  # again")
    with pytest.raises(LimitReached, match="may have 4 agents"):
        place.open(owner="ann")


def test_passages_and_bytes_are_counted_over_all_agents_of_the_owner(place: Place) -> None:
    """What would be too much is refused whole; shorter texts, deleting and the same text again are not refused."""
    place.limit("passages = 3")
    with place.open(owner="ann") as one, place.open(owner="ann") as other:
        one.memory.archival.insert("The hive is blue.")
        other.memory.archival.insert("The roof leaks.")
        kept, _ = one.memory.archival.insert("The well is deep.")
        with pytest.raises(LimitReached, match="'ann' has stored 3 passages, and 3 are allowed"):
            other.memory.archival.insert("One too many.")
        one.memory.archival.insert("The well is deep.", ["water"])
        place.store.delete(namespaces.of(one.agent_id, "archival"), kept.id)
        other.memory.archival.insert("Not one too many.")
        place.limit("bytes = 4000")
        one.core_memory.rethink("human", "short")
        with pytest.raises(LimitReached, match=r"'ann' has stored [\d,]+ bytes, and 4,000 are allowed"):
            one.memory.archival.insert("x" * 5_000)


def test_the_model_is_told_that_there_is_no_room_and_the_turn_goes_on(place: Place) -> None:
    """What was said in the turn is kept."""
    place.limit("passages = 0")
    insert = call("archival_memory_insert", content="The hive is blue.")
    with place.open(insert, say("It is full."), owner="ann") as agent:
        response = agent.step("Keep this.")
        assert response.message == "It is full."
        assert response.tool_calls[0]["failed"]
        assert "0 are allowed" in str(response.tool_calls[0]["result"])
        assert agent.messages()[0].text == "Keep this."


def test_whoever_writes_to_a_shared_agent_fills_its_owners_room_and_spends_their_own_turns(place: Place) -> None:
    """Otherwise a friend could use up Ann's turns, or store without limit under Bob's name."""
    place.limit("turns_a_minute = 1\n[owners.ann]\nturns_a_minute = 2\npassages = 1")
    with place.open(owner="ann") as anns:
        share(place.store, anns.agent_id, "bob", "write")
        anns.memory.archival.insert("The hive is blue.")
    with place.open(owner="bob", agent_id=anns.agent_id) as bobs:
        with pytest.raises(LimitReached, match="'ann' has stored 1 passage,"):
            bobs.memory.archival.insert("The roof leaks.")
        bobs.step("a")
        with pytest.raises(LimitReached, match="'bob' has begun 1 turn"):
            bobs.step("b")
    with place.open(owner="ann", agent_id=anns.agent_id) as again:
        again.step("a")
        again.step("b")


def test_an_owners_own_line_replaces_that_of_all_and_the_admin_has_none(place: Place) -> None:
    """``unlimited`` lifts a limit. A change of the file holds for an agent that is open, whatever held when it wrote before."""
    place.limit('turns_a_minute = 0\n[owners."ann@example.org"]\nturns_a_minute = "unlimited"')
    with agent_for("ann@example.org", llm_client=ScriptedModel([say("Yes.")]), store=place.store, checkpointer=place.saver,
                   settings=place.settings) as agent:  # fmt: skip
        assert agent.step("a").message == "Yes."
    with place.open(owner=ROOT) as agent, place.open() as nobodys:
        assert agent.step("a").message == nobodys.step("a").message == "Yes."
    with place.open(owner="ann@example.org") as agent:
        agent.memory.archival.insert("The hive is blue.")
        place.limit("passages = 1")
        with pytest.raises(LimitReached, match="1 passage,"):
            agent.memory.archival.insert("The roof leaks.")


def test_where_nobody_acts_the_agents_owner_pays(place: Place) -> None:
    """A heartbeat that a server plans, say."""
    place.limit("turns_a_minute = 1")
    with place.open(owner="ann") as made:
        pass
    with place.open(agent_id=made.agent_id) as agent:
        agent.heartbeat()
        with pytest.raises(LimitReached, match="'ann' has begun 1 turn"):
            agent.heartbeat()


def test_nothing_is_read_or_written_for_limits_that_nobody_set(place: Place) -> None:
    """And none is counted for owners without any."""
    with place.open(owner="ann") as agent:
        agent.step("a")
    assert not place.store.list_namespaces(prefix=USED)
    place.limit("turns_a_minute = 1\n[owners.ann]\nturns_a_minute = 'unlimited'")
    with place.open(owner="ann", agent_id=agent.agent_id) as again:
        again.step("a")
        again.step("b")
    assert not place.store.list_namespaces(prefix=USED)


def test_a_deleted_agent_leaves_no_trace_in_the_counts(tmp_path: Path) -> None:
    """Its id is in nothing that is left."""
    settings = Settings(home=tmp_path)
    (tmp_path / "limits.toml").write_text("agents = 1")
    with MemGPTAgent(owner="ann", llm_client=ScriptedModel([say("Yes.")]), settings=settings, embedding=HashingEmbedder()) as agent:
        agent.step("a")
    delete_agent(agent.agent_id, settings)
    with open_configured_store(settings, searches=False) as store:
        assert agent.agent_id not in str(store.search((), limit=100))
        assert Quota.of(store, limits_of(settings), ANN, "user:ann") is not None


_PROCESS = """
import sys
from pathlib import Path
from memgpt_agent.config import Settings
from memgpt_agent.errors import LimitReached
from memgpt_agent.memory.quota import Quota, digest
from memgpt_agent.owners import Identity
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.store import open_store
url, home, first = sys.argv[1:]
begun = 0
with open_store(url) as store:
    for number in range(6):
        try:
            Quota.of(store, limits_of(Settings(home=Path(home))), Identity("ann"), "user:ann").begin_turn(first + str(number))
            begun += 1
        except LimitReached:
            pass
print(begun)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_with_folders_of_their_own_share_the_counts(kind: str, tmp_path: Path) -> None:
    """As replicas do: six turns each are begun, seven of them are let in."""
    url = fresh_url() if kind == "postgres" else f"sqlite:///{tmp_path}/memory.db"
    open_store(url).close()
    running = list[subprocess.Popen[str]]()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "limits.toml").write_text("turns_a_minute = 7")
        command = [sys.executable, "-c", _PROCESS, url, str(tmp_path / name), name]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert sum(int(process.communicate(timeout=120)[0]) for process in running) == 7
