"""An agent of ``create_agent`` with the middleware placed last, and what tests look at: what was kept, what was sent."""

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTMiddleware
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.recall import ROLES
from memgpt_agent.testing import Clock, ScriptedModel
from memgpt_agent.tokens import resolve_token_counter

THREAD: Any = {"configurable": {"thread_id": "t"}}
"""The conversation of a test that has one."""
OF_CREATE_AGENT = ("response_format", "context_schema", "state_schema", "system_prompt", "checkpointer")


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def built(script: list[Any], store: InMemoryStore | None = None, tools: Any = (weather,), others: Any = (), **given: Any) -> Any:
    """Return an agent with the middleware placed last, its model and its store."""
    store = store if store is not None else InMemoryStore()
    model = ScriptedModel(script)
    options: dict[str, Any] = {name: given.pop(name) for name in OF_CREATE_AGENT if name in given}
    arguments: dict[str, Any] = {"agent_id": "ada", "store": store, "clock": Clock(), **given}
    middleware: Any = [*others, MemGPTMiddleware(**arguments)]
    options = {"checkpointer": InMemorySaver(), **options}
    agent: Any = create_agent(model, list(tools), middleware=middleware, **options)
    return agent, model, store


def told(agent: Any, text: str, config: Any = THREAD) -> list[AnyMessage]:
    """Say something to the agent; return the messages of its state."""
    return agent.invoke({"messages": [HumanMessage(text)]}, config, durability="sync")["messages"]


def recalled(store: InMemoryStore, agent_id: str = "ada") -> list[tuple[str, str]]:
    """Return what recall memory keeps, oldest first."""
    found = AgentMemory(store, agent_id).recall.search("", limit=500, roles=ROLES)
    return [(m.role, m.text) for m in reversed(found)]


def prompt_tokens(model: ScriptedModel) -> list[int]:
    """Return the tokens of every prompt that a model was sent, tools included."""
    counter = resolve_token_counter(None, model=model)
    sent = zip(model.calls, model.tools_offered, strict=True)
    return [counter.count_messages(messages) + counter.count_tools(tools) for messages, tools in sent]


def answer_or_summary(messages: list[BaseMessage]) -> str:
    """Play a model that writes summaries when it is asked for one, and long answers otherwise."""
    return "They talked about many things." if "summary" in messages[-1].text[:200] else "A long answer. " * 40
