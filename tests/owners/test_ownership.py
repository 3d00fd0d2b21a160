"""Who may do what with an agent: records, shares, claims, and the one answer for what is foreign or absent."""

import threading

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import AgentNotFound, ConfigurationError, NotAllowed
from memgpt_agent.owners import (
    EVERYBODY,
    Identity,
    Walls,
    assign,
    check,
    claim,
    owner_of,
    ownership,
    reading,
    right,
    share,
)
from memgpt_agent.store import FaissStore

ANN, BOB, ADMIN = Identity("ann"), Identity("bob"), Identity("root", frozenset({"admin"}))


@pytest.fixture(params=["embedded", "plain"])
def place(request: pytest.FixtureRequest) -> BaseStore:
    """The store of the package, and one that knows nothing of memory."""
    return request.getfixturevalue("store") if request.param == "embedded" else InMemoryStore()


def test_an_agent_of_before_is_nobodys_but_the_admins(place: BaseStore) -> None:
    """Until it is assigned; and where nobody has an identity everything is as it was."""
    assert [right(place, who, "default") for who in (ANN, BOB, ADMIN, None)] == [None, None, "own", "own"]
    assign(place, "default", "ann")
    assert [right(place, who, "default") for who in (ANN, BOB)] == ["own", None]
    assign(place, "default", "")
    assert right(place, ANN, "default") is None


def test_what_is_foreign_and_what_is_absent_have_one_answer(place: BaseStore) -> None:
    """The words differ in the name alone that was asked for."""
    assign(place, "bobs", "bob")
    told: list[str] = []
    for agent_id in ("bobs", "none"):
        with pytest.raises(AgentNotFound) as refused:
            check(place, ANN, agent_id, "read")
        told.append(str(refused.value).replace(agent_id, "X"))
    assert told[0] == told[1]


def test_a_share_gives_what_it_says_and_no_more(place: BaseStore) -> None:
    """Reading is not writing, writing is not owning; what is taken away is gone; everybody is everybody."""
    assign(place, "boat", "ann")
    share(place, "boat", "bob", "read")
    check(place, BOB, "boat", "read")
    with pytest.raises(NotAllowed, match="to read only"):
        check(place, BOB, "boat")
    share(place, "boat", EVERYBODY, "write")
    check(place, Identity("eve"), "boat")
    with pytest.raises(NotAllowed, match="to write only"):
        check(place, BOB, "boat", "own")
    share(place, "boat", EVERYBODY, None)
    share(place, "boat", "bob", None)
    assert [right(place, who, "boat") for who in (ANN, BOB, Identity("eve"))] == ["own", None, None]
    with pytest.raises(ConfigurationError, match="'own'"):
        share(place, "boat", "bob", "own")  # type: ignore[arg-type]


def test_sharing_an_agent_that_is_its_owners_by_name_leaves_it_to_the_owner(place: BaseStore) -> None:
    """The first record of such an agent does not take it from its owner; giving it to another does."""
    share(place, "user:ann", "bob", "read")
    assert [right(place, who, "user:ann") for who in (ANN, BOB)] == ["own", "read"]
    assert owner_of(place, "user:ann") == "ann"
    assign(place, "user:ann", "bob")
    assert [right(place, who, "user:ann") for who in (ANN, BOB)] == [None, "own"]


def test_nobody_makes_the_agent_of_another_by_being_first(place: BaseStore) -> None:
    """An id that is another's by its form, and one that is nobody's, are refused before anything is made."""
    for agent_id in ("user:bob", "owner:bob/notes", "assistant:7", "thread-1"):
        with pytest.raises(AgentNotFound):
            check(place, ANN, agent_id)
    assert ownership(place, "user:bob") is None


def test_of_many_who_claim_one_agent_at_once_one_gets_it(store: FaissStore) -> None:
    """The others are told what they would be told of an agent that is not there; who has it may claim it again."""
    won, lost = list[str](), list[str]()

    def try_it(name: str) -> None:
        try:
            claim(store, "agent-1", name)
            won.append(name)
        except AgentNotFound:
            lost.append(name)

    threads = [threading.Thread(target=try_it, args=(f"owner {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    claim(store, "agent-1", won[0])
    assert owner_of(store, "agent-1") == won[0]


def test_an_agent_reaches_what_both_its_owner_and_who_speaks_to_it_may_use(place: BaseStore) -> None:
    """A shared agent is no way to its owner's other agents, and shows its owner none of the speaker's."""
    for agent_id, owner in (("a1", "ann"), ("a2", "ann"), ("b1", "bob"), ("common", "carol")):
        assign(place, agent_id, owner)
    share(place, "a1", "bob", "write")
    share(place, "common", EVERYBODY, "write")
    share(place, "b1", "ann", "read")
    every = ["a1", "a2", "b1", "common", "old", "none"]
    assert Walls(place, ANN, "a1").reach(every) == {"a1", "a2", "common"}
    assert Walls(place, BOB, "a1").reach(every) == {"a1", "common"}
    assert Walls(place, None, "a1").reach(every) == {"a1", "a2", "common"}
    assert Walls(place, ANN, "a1").reach(every, "read") == {"a1", "a2", "b1", "common"}
    assert Walls(place, None, "old").reach(every) == set(every)
    assert Walls(place, ADMIN, "old").unlimited


def test_nothing_is_written_through_a_view_for_reading(place: BaseStore) -> None:
    """By no operation; reading goes on, and the store itself is as it was."""
    place.put(("boat", "core"), "human", {"value": "Ann"})
    view = reading(place, "boat")
    assert view.get(("boat", "core"), "human") is not None
    with pytest.raises(NotAllowed, match="'boat' is shared with you to read only"):
        view.put(("boat", "core"), "human", {"value": "Eve"})
    with pytest.raises(NotAllowed):
        view.delete(("boat", "core"), "human")
    place.put(("boat", "core"), "human", {"value": "Bob"})
