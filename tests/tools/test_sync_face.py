"""Tools with a sync face, an async face or both, called by agents in sync and in async code."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.config import get_config
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore

from memgpt_agent import MemGPTAgent
from memgpt_agent.agent import AgentResponse
from memgpt_agent.config import Context, Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.definition import with_sync_face

Given = BaseTool | Callable[..., Any]


def sync_face(river: str, metres: int = 2) -> str:
    """Tell how high a river stands."""
    return f"sync: {river} {metres}"


async def async_face(river: str, metres: int = 2) -> str:
    """Tell how high a river stands."""
    await asyncio.sleep(0)
    return f"async: {river} {metres}"


def tool_of(func: Any = None, coroutine: Any = None) -> StructuredTool:
    """Return the tool ``level`` with these faces."""
    return StructuredTool.from_function(func=func, coroutine=coroutine, name="level")


async def turn(home: Path, tools: Sequence[Given], how: str, name: str = "level", **arguments: Any) -> AgentResponse:
    """Let an agent call one of its tools, by ``step`` or by ``astep``, and answer."""
    model = ScriptedModel([call(name, request_heartbeat=True, **arguments), say("Done.")])
    agent = MemGPTAgent(
        llm_client=model, agent_id="ann", settings=Settings(home=home), embedding=HashingEmbedder(), tools=tools
    )
    async with agent:
        # A thread, since a sync step in a loop's own thread is nobody's way.
        response = await (agent.astep("Go.") if how == "async" else asyncio.to_thread(agent.step, "Go."))
    assert response.message == "Done."
    return response


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (tool_of(coroutine=async_face), {"sync": "async: Douro 7", "async": "async: Douro 7"}),
        (tool_of(func=sync_face), {"sync": "sync: Douro 7", "async": "sync: Douro 7"}),
        (tool_of(sync_face, async_face), {"sync": "sync: Douro 7", "async": "async: Douro 7"}),
    ],
    ids=["only coroutine", "only func", "both"],
)
async def test_a_tool_works_in_code_of_either_kind(
    tmp_path: Path, given: StructuredTool, said: dict[str, str], how: str
) -> None:
    """By the face that fits where it has it, else by the other; what was given is left as it was."""
    faces = given.func, given.coroutine
    done = (await turn(tmp_path, [given], how, river="Douro", metres=7)).tool_calls[0]
    assert (done["result"], done["failed"]) == (said[how], False)
    assert (given.func, given.coroutine) == faces


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_plain_async_function_is_a_tool(tmp_path: Path, how: str) -> None:
    """Its schema comes from its signature, as a sync one's does; bad arguments are told."""
    response = await turn(tmp_path / "good", [async_face], how, "async_face", river="Tua")
    assert response.tool_calls[0]["result"] == "async: Tua 2"
    response = await turn(tmp_path / "bad", [async_face], how, "async_face", river="Tua", metres="deep")
    assert response.tool_calls[0]["failed"]
    assert "metres: Input should be a valid integer" in response.tool_calls[0]["result"]


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_what_langgraph_injects_reaches_a_tool_with_only_an_async_face(tmp_path: Path, how: str) -> None:
    """The run's state, store, runtime and configuration, also where it runs in the tools' loop."""

    async def look(
        word: str,
        runtime: ToolRuntime[Context, Any],
        config: RunnableConfig,
        state: Annotated[dict[str, Any], InjectedState],
        store: Annotated[BaseStore, InjectedStore()],
    ) -> str:
        """Look."""
        thread = get_config().get("configurable", {})["thread_id"]
        same = runtime.store is store and config.get("configurable", {})["thread_id"] == thread
        return f"{word} {state['turn']['type']} {thread} {same}"

    response = await turn(tmp_path, [look], how, "look", word="w")
    assert response.tool_calls[0]["result"] == "w user_message ann True"


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_what_an_async_tool_raises_is_told_to_the_model(tmp_path: Path, how: str) -> None:
    """The turn goes on."""

    async def breaks() -> str:
        """Break."""
        raise OSError("the gauge is under water")

    done = (await turn(tmp_path, [breaks], how, "breaks")).tool_calls[0]
    assert (done["result"], done["failed"]) == ("OSError: the gauge is under water", True)


async def test_a_tool_by_its_name_has_both_faces_too(tmp_path: Path) -> None:
    """For the person who embeds the agent."""
    async with MemGPTAgent(
        llm_client=ScriptedModel(), settings=Settings(home=tmp_path), embedding=HashingEmbedder(), tools=[async_face]
    ) as agent:
        assert await asyncio.to_thread(agent.tools.async_face, "Douro", metres=1) == "async: Douro 1"
        assert await agent.atools.async_face("Douro") == "async: Douro 2"


def test_an_async_tool_that_calls_another_in_sync_code_is_not_waited_for_for_ever() -> None:
    """It would wait for the loop in which it runs; it is told so at once, and how to do it."""
    inner = with_sync_face(tool_of(coroutine=async_face))

    async def outer() -> str:
        return str(inner.invoke({"river": "Douro"}))

    async def better() -> str:
        return str(await asyncio.to_thread(inner.invoke, {"river": "Douro"}))

    def run(coroutine: Any) -> Any:
        return with_sync_face(StructuredTool.from_function(coroutine=coroutine, description="Call another.")).invoke(
            {}
        )

    said: list[str] = []

    def call_it() -> None:
        with pytest.raises(RuntimeError, match=r"needs the tools' loop.*asyncio\.to_thread"):
            run(outer)
        said.append(run(better))

    thread = threading.Thread(target=call_it, daemon=True)
    thread.start()
    thread.join(30)
    assert said == ["async: Douro 2"]
