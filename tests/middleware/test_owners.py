"""The middleware where users are authenticated: it opens what the user may use, whatever the program names."""

import copy
import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import AgentNotFound, LimitReached, NotAllowed
from memgpt_agent.memory.namespaces import USED
from memgpt_agent.nodes.run_agent import process_settings
from memgpt_agent.owners import agent_id_for, share
from memgpt_agent.testing import call
from tests.middleware.agents import built, recalled, told


@dataclass(frozen=True)
class User:
    """Somebody whom a server has authenticated."""

    identity: str


def run_by(name: str, thread: str) -> Any:
    """A run's config as LangGraph's server makes it."""
    return {"configurable": {"thread_id": thread, "langgraph_auth_user": User(name), "assistant_id": "a"}}


def test_an_agent_of_another_user_is_not_there_for_the_middleware() -> None:
    """Neither for the model's call nor for a tool's; with the right to read it is not written either."""
    agent, model, store = built(["Yes."] * 9, agent_id=agent_id_for("ann"))
    told(agent, "I keep bees.", run_by("ann", "t1"))
    with pytest.raises(AgentNotFound, match="that you may use"):
        told(agent, "What does Ann keep?", run_by("bob", "t2"))
    share(store, "user:ann", "bob", "read")
    with pytest.raises(NotAllowed, match="to read only"):
        told(agent, "What does Ann keep?", run_by("bob", "t3"))
    assert len(model.calls) == 1
    assert [text for _, text in recalled(store, "user:ann")] == ["I keep bees.", "Yes."]


def test_a_users_conversation_has_a_memory_of_the_users_where_the_program_names_none() -> None:
    """Its tools write to it as well."""
    script = [call("core_memory_append", label="human", content="Ann."), "Noted.", "Hello."]
    agent, model, store = built(script, agent_id=None)
    told(agent, "I am Ann.", run_by("ann", "t1"))
    told(agent, "Who am I?", run_by("bob", "t2"))
    assert "Ann" not in model.calls[-1][0].text
    assert ("user", "I am Ann.") in recalled(store, "owner:ann/t1")
    assert [text for role, text in recalled(store, "owner:bob/t2") if role == "user"] == ["Who am I?"]


class Walled(InMemoryStore):
    """A store that makes each client's session a view of its own, as Postgres does."""

    def __init__(self) -> None:
        super().__init__()
        self.views: weakref.WeakSet[Walled] = weakref.WeakSet()

    def for_owner(self, marks: Any) -> "Walled":
        """Return a view."""
        view = copy.copy(self)
        self.views.add(view)
        return view


def test_no_view_of_the_store_outlives_its_session() -> None:
    """The middleware remembers agents by the store itself: however many turns they take, it keeps nothing of each."""
    store = Walled()
    agent, _, _ = built(["Yes."] * 9, agent_id=None, store=store)
    for turn in range(6):
        told(agent, f"Box {turn}.", run_by("ann", "t1"))
    gc.collect()
    assert len(store.views) < 3


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server's process in which an owner may begin two turns a minute."""
    path = tmp_path / "limits.toml"
    path.write_text("turns_a_minute = 2\ntokens_a_day = 1_000_000\n")
    monkeypatch.setenv("MEMGPT_LIMITS", str(path))
    process_settings.cache_clear()
    yield
    process_settings.cache_clear()


@pytest.mark.usefixtures("limited")
def test_turns_and_tokens_count_where_a_server_limits_its_users() -> None:
    """As in an agent of our own graph: the third turn is refused and nothing of it is kept; another user's turns are their own."""
    agent, model, store = built(["Yes."] * 9, agent_id=None)
    for text in ("One.", "Two."):
        told(agent, text, run_by("ann", "t1"))
    with pytest.raises(LimitReached):
        told(agent, "Three.", run_by("ann", "t1"))
    told(agent, "Mine.", run_by("bob", "t2"))
    assert len(model.calls) == 3
    assert "Three." not in str(recalled(store, "owner:ann/t1"))
    assert [item.value["tokens"] > 0 for item in store.search(USED) if "tokens" in item.value] == [True, True]
