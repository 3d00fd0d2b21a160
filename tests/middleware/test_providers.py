"""The middleware with the providers' real clients, against servers that refuse what these refuse: tools, streaming, eviction, pictures."""

import asyncio
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Heard, Reply, StrictServer
from memgpt_agent import MemGPTMiddleware
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.models.dialects import Wanted, speaks_dialect
from memgpt_agent.models.dialects.schemas import fitting_name
from tests.middleware.agents import THREAD

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def brain() -> Any:
    """Return a model that edits memory, searches, makes mistakes and talks, in turns."""
    turns = count()

    def answer(heard: list[Heard]) -> Reply:
        last = heard[-1]
        if "summary" in last.text[:300]:
            return Reply("They talked about boxes.")
        if last.role == "tool":
            return Reply("Done with the tools. " * 20)
        edit, note = ("core_memory_append", {"label": "human", "content": "fact"}), ("archival_memory_insert", {"content": f"note {len(heard)}"})
        return (
            Reply(calls=(edit, note)),
            Reply("Let me look.", calls=(("conversation_search", {"query": "box"}),)),
            Reply(calls=(("core_memory_append", {"label": "nobody", "content": "x"}),)),
            Reply("A long answer about boxes. " * 30),
        )[next(turns) % 4]  # fmt: skip

    return answer


LIVES = ("openai", "responses", "llama.cpp", "vllm-mistral", "anthropic-thinking", "gemini", "mistral", "ollama", "deepseek")


@pytest.mark.parametrize("name", LIVES)
def test_a_life_with_tools_and_eviction_is_refused_nowhere(name: str) -> None:
    """Invoked and streamed in turn, in a window of 8,192: every request is one that the provider takes."""
    store = InMemoryStore()
    with StrictServer(PROVIDERS[name].wire(), brain()) as server:
        ours: Any = MemGPTMiddleware(agent_id="ada", store=store, context_window=8_192)
        agent: Any = create_agent(PROVIDERS[name].model(server.url), system_prompt="Be kind.", middleware=[ours], checkpointer=InMemorySaver())
        for turn in range(9):
            given = {"messages": [HumanMessage(f"Box {turn}: " + "it holds marbles. " * 130)]}
            if turn % 2:
                list(agent.stream(given, THREAD, stream_mode="messages", durability="sync"))
            else:
                agent.invoke(given, THREAD, durability="sync")
        assert agent.get_state(THREAD).values["memgpt"]["summary"]["messages"] > 3
        assert server.refusals == []
    assert AgentMemory(store, "ada").core["human"] == "\n".join(["fact"] * 3)


def found(query: str) -> str:
    """Search the contacts."""
    return f"found {query}"


def agent_of(model: Any, **choices: Any) -> Any:
    """Return an agent with a memory of its own, and a tool under a name that no provider takes."""
    ours: Any = MemGPTMiddleware(agent_id="ada", store=InMemoryStore(), context_window=8_192)
    tool = StructuredTool.from_function(found, name="crm.search/v2")
    return create_agent(model, tools=[tool], middleware=[ours], checkpointer=InMemorySaver(), **choices)


def told(last: str, name: str) -> Reply:
    """Return a call of the tool by the name that the server was offered, else an answer."""
    return Reply("Ann it is.") if last == "found Ann" else Reply(calls=((name, {"query": "Ann"}),))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_offered_under_a_fitting_name_and_called_by_its_own(streamed: bool) -> None:
    """The name is changed on the way only: the state has the agent's own, also where the answer was streamed."""
    wire = PROVIDERS["openai"].wire()
    with StrictServer(wire, lambda heard: told(heard[-1].text, offered[0])) as server:
        offered = [fitting_name("crm.search/v2")]
        agent = agent_of(PROVIDERS["openai"].model(server.url))
        given = {"messages": [HumanMessage("Who is it?")]}
        if streamed:
            pieces = [piece for piece, _ in agent.stream(given, THREAD, stream_mode="messages", durability="sync")]
            assert "".join(piece.text for piece in pieces if piece.type == "AIMessageChunk") == "Ann it is."
        else:
            agent.invoke(given, THREAD, durability="sync")
        said = agent.get_state(THREAD).values["messages"]
    assert [m.tool_calls[0]["name"] for m in said if m.type == "ai" and m.tool_calls] == ["crm.search/v2"]
    assert (said[-1].text, server.refusals) == ("Ann it is.", [])


def test_the_provider_may_change_in_mid_life() -> None:
    """Each provider takes what the others answered, calls and thoughts included; on an event loop as well."""
    names = ("anthropic-thinking", "mistral", "responses", "deepseek", "gemini", "vllm-mistral", "anthropic-thinking")
    saver, store = InMemorySaver(), InMemoryStore()
    with ExitStack() as stack:
        servers = {name: stack.enter_context(StrictServer(PROVIDERS[name].wire(), brain())) for name in set(names)}
        for turn, name in enumerate(names):
            ours: Any = MemGPTMiddleware(agent_id="ada", store=store, context_window=8_192)
            agent: Any = create_agent(PROVIDERS[name].model(servers[name].url), middleware=[ours], checkpointer=saver)
            for face in range(2):
                given = {"messages": [HumanMessage(f"Turn {turn}, {face}.")]}
                if face:
                    asyncio.run(agent.ainvoke(given, THREAD, durability="sync"))
                else:
                    agent.invoke(given, THREAD, durability="sync")
        assert {name: server.refusals for name, server in servers.items() if server.refusals} == {}


def test_a_picture_that_the_provider_refuses_does_not_end_the_conversation() -> None:
    """It is left out of this prompt and of all later ones; the state keeps it."""
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    with StrictServer(OpenAIChat(sees=False), lambda heard: Reply("I see." if heard[-1].images else "Gone on.")) as server:
        agent = agent_of(PROVIDERS["openai"].model(server.url))
        for text in ("Look.", "And now?"):
            content: Any = [{"type": "text", "text": text}, *([picture] if text == "Look." else [])]
            state = agent.invoke({"messages": [HumanMessage(content)]}, THREAD, durability="sync")
            assert state["messages"][-1].text == "Gone on."
    assert (len(server.refusals), len(server.requests)) == (1, 3)
    assert picture in state["messages"][0].content


def test_tools_that_run_at_the_provider_leave_the_call_as_it_is() -> None:
    """Their results stand in answers in forms of the provider's own, which no dialect keeps."""
    model = PROVIDERS["anthropic"].model("http://127.0.0.1:9")
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert speaks_dialect(model, [search], Wanted()) is model
    spoken = speaks_dialect(model, [found], Wanted())
    assert (isinstance(spoken, type(model)), type(spoken).__name__) == (True, "ChatAnthropic")
