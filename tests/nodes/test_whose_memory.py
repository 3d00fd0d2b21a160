"""Whose memory a run uses where it names nobody: the user's, the assistant's or the thread's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.config import MemoryScope, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import namespaces
from memgpt_agent.owners import assign
from memgpt_agent.stored_agents import forget_thread
from memgpt_agent.testing import ScriptedModel, say


@dataclass(frozen=True)
class User:
    """Somebody whom a server has authenticated."""

    identity: str


class Served:
    """A graph as LangGraph's server runs it: it says which assistant and which user a run is for."""

    def __init__(self, scope: MemoryScope | None = None, saver: Any = None, store: Any = None) -> None:
        self.store = store or InMemoryStore()
        given: Any = {"memory_scope": scope} if scope else {}
        model = ScriptedModel([say("Yes.")] * 20)
        self.graph: Any = create_graph(model=model, store=self.store, checkpointer=saver or InMemorySaver(), **given)

    def say(self, thread: str, assistant: str | None = "pirate", user: str | None = None, **context: Any) -> str | None:
        """Say something; return whose memory the conversation says that it uses."""
        configurable: dict[str, Any] = {"thread_id": thread}
        configurable |= {"assistant_id": assistant} if assistant else {}
        configurable |= {"langgraph_auth_user": User(user)} if user is not None else {}
        self.graph.invoke(
            {"messages": [("user", f"Hello from {thread}")]}, {"configurable": configurable}, context=context or None
        )
        return self.graph.get_state({"configurable": {"thread_id": thread}}).values.get("agent_id")

    def heard(self, agent: str) -> set[str]:
        """In which threads an agent was spoken to."""
        found = self.store.search(namespaces.of(agent, "recall"), limit=100)
        return {item.value["thread_id"] for item in found}


@pytest.mark.parametrize(
    ("scope", "user", "agent"),
    [
        ("assistant", None, "assistant:pirate"),
        ("assistant", "ann@example.com", "owner:ann@example.com/assistant:pirate"),
        ("user", "ann@example.com", "user:ann@example.com"),
        ("server", None, "assistant:pirate"),
        ("server", "ann@example.com", "user:ann@example.com"),
    ],
)
def test_two_threads_share_the_memory_of_their_scope(scope: MemoryScope, user: str | None, agent: str) -> None:
    """The conversation notes whose memory it uses, so that later runs, resumed ones and crons find the same."""
    served = Served(scope)
    assert [served.say(thread, user=user) for thread in ("one", "two")] == [agent, agent]
    assert served.heard(agent) == {"one", "two"}


def test_users_and_assistants_have_memories_of_their_own() -> None:
    """Also where an assistant, a user and a thread have the same name."""
    served = Served("server")
    agents = [served.say("t1", user="x"), served.say("t2", user="y"), served.say("t3", "x"), served.say("x", None)]
    assert agents == ["user:x", "user:y", "assistant:x", "x"]
    assert [served.heard(agent) for agent in ("user:x", "user:y", "assistant:x", "x")] == [
        {"t1"},
        {"t2"},
        {"t3"},
        {"x"},
    ]


@pytest.mark.parametrize("scope", [None, *get_args(MemoryScope)])
def test_without_a_server_each_thread_has_its_own_memory(scope: MemoryScope | None) -> None:
    """Plain LangGraph knows neither users nor assistants."""
    served = Served(scope)
    assert [served.say(thread, assistant=None) for thread in ("one", "two")] == ["one", "two"]
    assert (served.heard("one"), served.heard("two")) == ({"one"}, {"two"})


@pytest.mark.parametrize("user", [None, ""])
def test_where_nobody_is_authenticated_the_scope_of_users_means_the_thread(user: str | None) -> None:
    """Those whom nobody knows do not share one memory by accident."""
    served = Served("user")
    served.say("one", user=user)
    assert served.heard("one") == {"one"}


def test_a_graph_of_ones_own_stays_with_the_thread_on_a_server_too() -> None:
    """Unless it, or a run's context, says otherwise."""
    served = Served()
    assert served.say("one") == "one"
    assert served.heard("one") == {"one"}
    assert served.say("two", user="ann") == "owner:ann/two"
    assert served.say("three", user="ann", memory_scope="user") == "user:ann"


def test_a_conversation_keeps_its_agent_when_the_scope_changes() -> None:
    """One that began with the thread's own memory, with an assistant's, or with one that was named."""
    saver, store = InMemorySaver(), InMemoryStore()
    before, after = Served("thread", saver, store), Served("assistant", saver, store)
    assert before.say("old") == "old"
    assert after.say("old") == "old"
    assert after.heard("old") == {"old"}
    assert after.say("new") == "assistant:pirate"
    assert before.say("new", memory_scope="user") == "assistant:pirate"
    assert after.say("named", agent_id="boat") == "boat"
    assign(store, "boat", "bob")
    assert after.say("named", user="bob", memory_scope="user") == "boat"


def test_a_copy_of_a_conversation_goes_on_with_the_memory_of_the_original(tmp_path: Path) -> None:
    """A server copies the state under another id; what is said in one is found in the other, and each can be forgotten alone."""
    served = Served()
    served.say("one")
    values = served.graph.get_state({"configurable": {"thread_id": "one"}}).values
    served.graph.update_state({"configurable": {"thread_id": "copy"}}, values, as_node="execute_tools")
    assert served.say("copy") == "one"
    assert served.heard("one") == {"one", "copy"}
    forget_thread("one", Settings(home=tmp_path), store=served.store)
    assert served.heard("one") == {"copy"}
    forget_thread("copy", Settings(home=tmp_path), store=served.store)
    assert served.heard("one") == set()


def test_an_unknown_scope_is_refused() -> None:
    """When the graph is built, or by the run that names it."""
    with pytest.raises(ConfigurationError, match="memory_scope='team'.*'user', 'assistant', 'thread', 'server'"):
        create_graph(memory_scope="team")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="memory_scope = 'team'"):
        Served().say("one", memory_scope="team")
