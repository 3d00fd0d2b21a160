"""What LangGraph's tools may return beyond a text, what they may raise, and what of it is refused."""

import asyncio
import operator
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.prompts import UNREADABLE
from memgpt_agent.testing import ScriptedModel, call, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
HELLO: Any = {"messages": [("user", "Hello")]}
CallId = Annotated[str, InjectedToolCallId]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def tool_returning(make: Any) -> Any:
    """Return a tool that gives back what ``make`` returns for its call's id."""

    @tool
    def acts(tool_call_id: CallId) -> Any:
        """Act."""
        return make(tool_call_id)

    return acts


def played(given: Any, *script: Any, **options: Any) -> tuple[Any, ScriptedModel, Any]:
    """Play a turn in which the tool is called once; return the final state, the model and the graph."""
    model = ScriptedModel(script or [call("acts", request_heartbeat=True), say("Done.")])
    graph: Any = create_graph(
        model=model, tools=[given], store=options.pop("store", InMemoryStore()), checkpointer=InMemorySaver(), **options
    )
    return graph.invoke(HELLO, THREAD), model, graph


def result_in(final: Any) -> ToolMessage:
    """Return the tool's result of the final state."""
    return next(m for m in final["messages"] if isinstance(m, ToolMessage) and m.name == "acts")


def test_an_image_in_a_result_reaches_the_model_and_counts() -> None:
    """Behind the text; recall memory keeps the text, or what kind of thing it was."""
    store = InMemoryStore()
    pictures = tool_returning(lambda _: [PICTURE])
    final, model, graph = played(pictures, store=store)
    (sent,) = [m for m in model.calls[1] if isinstance(m, ToolMessage)]
    assert sent.content[1:] == [PICTURE]
    assert result_in(final).text == "Returned without a text: image_url."
    assert [m.text for m in RecallMemory(store, "ann").search("", roles=["tool"])] == ["Returned without a text: image_url."]
    before = graph.get_state_history(THREAD)
    used = [s.values["context_usage"]["total"] for s in before if s.values.get("context_usage")]
    assert max(used) - min(used) > 1_000


def test_an_artifact_is_kept_and_not_sent() -> None:
    """The program finds it on the message of the state; one that no checkpoint can hold is refused, and the call stays done."""

    @tool(response_format="content_and_artifact")
    def acts() -> tuple[str, Any]:
        """Draw."""
        return "drawn", {"svg": "<svg/>"}

    final, model, _ = played(acts)
    assert result_in(final).artifact == {"svg": "<svg/>"}
    assert not any(getattr(m, "artifact", None) for m in model.calls[1])
    done: list[int] = []
    bad = tool_returning(lambda i: done.append(1) or ToolMessage("drawn", tool_call_id=i, artifact=object()))
    model = ScriptedModel([call("acts"), say("Sorry.")])
    graph: Any = create_graph(model=model, tools=[bad], checkpointer=InMemorySaver())
    with pytest.raises(ConfigurationError, match="'acts' returned an artifact or an update that no checkpoint can hold"):
        graph.invoke(HELLO, THREAD)
    assert graph.invoke(HELLO, THREAD)["messages"][-1].text == "Sorry."
    assert done == [1]


def test_messages_that_a_tool_adds_are_events_of_the_turn() -> None:
    """The model sees them in its next step, which it gets for them; an older message may be removed."""

    def make(call_id: str) -> Any:
        news = [HumanMessage("from the tool \udce9"), SystemMessage("an alert"), AIMessage("a remark")]
        return [Command(update={"messages": news}), ToolMessage("acted", tool_call_id=call_id)]

    final, model, _ = played(tool_returning(make), call("acts"), say("Done."))
    texts = [m.text for m in final["messages"]]
    assert texts == ["Hello", "", "acted", "from the tool \ufffd", "an alert", "a remark", "", "Sent.", "Done."]
    seen = [m.text for m in model.calls[1]]
    assert [any(word in text for text in seen) for word in ("from the tool", "an alert", "a remark")] == [True] * 3
    assert '"from": "acts"' in next(text for text in seen if "from the tool" in text)


def test_several_results_of_one_call_are_one_result() -> None:
    """A provider takes one for each call."""

    def make(call_id: str) -> Any:
        return Command(update={"messages": [ToolMessage("one", tool_call_id=call_id), ToolMessage("two", tool_call_id=call_id)]})

    assert result_in(played(tool_returning(make))[0]).text == "one\ntwo"


class Basket(TypedDict, total=False):
    """A user's own keys of the state."""

    basket: Annotated[list[str], operator.add]


@tool
def buys(what: str, basket: Annotated[list[str], InjectedState("basket")], tool_call_id: CallId) -> Any:
    """Buy."""
    return Command(update={"basket": [what], "messages": [ToolMessage(f"with {basket}", tool_call_id=tool_call_id)]})


def test_a_tool_reads_and_writes_keys_that_the_user_added() -> None:
    """One call after another of one answer; without the key, the graph is not built."""
    script = [calls(("buys", {"what": "tea"}), ("buys", {"what": "milk", "request_heartbeat": True})), say("Done.")]
    graph: Any = create_graph(model=ScriptedModel(script), tools=[buys], state_schema=Basket, checkpointer=InMemorySaver())
    final = graph.invoke({**HELLO, "basket": ["bread"]}, THREAD)
    assert final["basket"] == ["bread", "tea", "milk"]
    assert [m.text for m in final["messages"] if m.name == "buys"] == ["with ['bread']", "with ['bread', 'tea']"]
    with pytest.raises(ConfigurationError, match="is to be given 'basket' of the state"):
        create_graph(model=ScriptedModel([]), tools=[buys])


def result(call_id: str) -> ToolMessage:
    """Return a result of the call."""
    return ToolMessage("acted", tool_call_id=call_id)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda i: Command(update={"mood": 1, "messages": [result(i)]}), "an update of 'mood'; a tool may update: messages"),
        (lambda i: Command(update={"turn": {}, "messages": [result(i)]}), "an update of 'turn'"),
        (lambda i: Command(goto="call_llm", update={"messages": [result(i)]}), "Command(goto='call_llm')"),
        (lambda i: Command(goto="x", graph=Command.PARENT, update={"messages": [result(i)]}), "runs in no parent graph"),
        (lambda i: Command(update={"messages": [result(i), RemoveMessage(id="nobody")]}), "RemoveMessage('nobody')"),
        (lambda i: [result(i), ToolMessage("x", tool_call_id="other")], "a ToolMessage for another call, 'other'"),
    ],
)  # fmt: skip
async def test_what_cannot_be_honoured_is_refused_with_a_sentence_to_the_developer(make: Any, says: str) -> None:
    """The call was carried out and stays so: the next message is answered, and the model is told the result."""
    model = ScriptedModel([call("acts"), say("Never mind.")])
    graph: Any = create_graph(model=model, tools=[tool_returning(make)], checkpointer=InMemorySaver())
    with pytest.raises(ConfigurationError, match="The tool 'acts' returned") as refused:
        await graph.ainvoke(HELLO, THREAD)
    assert says in str(refused.value)
    final = await graph.ainvoke({"messages": [("user", "Go on")]}, THREAD)
    assert final["messages"][-1].text == "Never mind."
    assert '"status": "OK"' in next(m.text for m in model.calls[1] if isinstance(m, ToolMessage))


def test_a_tool_may_end_the_turn() -> None:
    """By ``Command(goto=END)``; a user who was not answered is still answered."""
    ends = tool_returning(lambda i: Command(goto=END, update={"messages": [result(i)]}))
    final, _, _ = played(ends, calls(("send_message", {"message": "Bye."}), ("acts", {"request_heartbeat": True})))
    assert final["messages"][-1].text == "Bye."


def test_the_result_of_a_tool_that_returns_directly_is_the_reply() -> None:
    """It ends the turn and stands in recall memory once, as what the agent said; a failure does not end it."""
    fails = [True]

    @tool(return_direct=True)
    def acts() -> str:
        """Act."""
        if fails.pop():
            fails.append(False)
            raise ValueError("not yet")
        return "The answer is 42."

    store = InMemoryStore()
    final, _, graph = played(acts, call("acts"), call("acts", request_heartbeat=True), store=store)
    assert final["messages"][-1].text == "The answer is 42."
    assert isinstance(final["messages"][-1], AIMessage)
    assert [m.text for m in RecallMemory(store, "ann").search("", roles=["assistant"])] == ["The answer is 42."]
    earlier = next(s for s in graph.get_state_history(THREAD) if s.next == ("execute_tools",))
    again = graph.invoke(None, earlier.config)
    assert [(m.type, m.text) for m in again["messages"]] == [(m.type, m.text) for m in final["messages"]]


@pytest.mark.parametrize("several", [False, True])
def test_a_hand_off_goes_on_in_the_parent_graph_with_the_call_and_its_result(several: bool) -> None:
    """What the agent said before is there too; the agent's own turn is over, and its memory has the result."""
    hands = tool_returning(lambda i: Command(goto="billing", graph=Command.PARENT, update={"messages": [result(i)], "who": "b"}))

    class Parent(MessagesState):
        who: str

    seen: list[Any] = []
    script = [calls(("send_message", {"message": "One moment."}), *([("acts", {})] * (1 + several))), say("Back again.")]
    store = InMemoryStore()
    graph = create_graph(model=ScriptedModel(script), tools=[hands], store=store, checkpointer=True)
    parent: Any = StateGraph(Parent).add_node("agent", graph)
    parent.add_node("billing", lambda state: seen.append(state) or {"messages": [AIMessage("Billing here.")]})
    whole = parent.add_edge(START, "agent").compile(checkpointer=InMemorySaver())
    final = whole.invoke(HELLO, THREAD)
    assert final["messages"][-1].text == "Billing here."
    assert seen[0]["who"] == "b"
    calls_before = [c["id"] for m in seen[0]["messages"] if isinstance(m, AIMessage) for c in m.tool_calls]
    results = [m.tool_call_id for m in seen[0]["messages"] if isinstance(m, ToolMessage)]
    assert results == [i for i in calls_before if i in results]
    assert "One moment." in [m.text for m in seen[0]["messages"]]
    assert [m.text for m in RecallMemory(store, "ann").search("", roles=["tool"])][-1] == "acted"
    again = whole.invoke({"messages": [("user", "Are you there?")]}, THREAD)
    assert "Back again." in [m.text for m in again["messages"]]


def test_a_replayed_call_returns_all_that_it_returned_before() -> None:
    """Done once; the image, the artifact, the message and the user's key come again."""
    done: list[int] = []

    def make(call_id: str) -> Any:
        done.append(1)
        whole = ToolMessage(["here", PICTURE], tool_call_id=call_id, artifact={"n": 1})
        return Command(update={"messages": [whole, HumanMessage("more")], "basket": ["tea"]})

    script = [call("acts"), say("Done."), say("Done.")]
    final, _, graph = played(tool_returning(make), *script, state_schema=Basket)
    earlier = next(s for s in graph.get_state_history(THREAD) if s.next == ("execute_tools",) and len(s.values["messages"]) == 2)
    again = graph.invoke(None, earlier.config)
    assert done == [1]
    assert [(m.id, m.content) for m in again["messages"]] == [(m.id, m.content) for m in final["messages"]]
    assert result_in(again).artifact == {"n": 1}
    assert again["basket"] == ["tea"]


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: Command(resume="yes"), r"Command\(resume"),
        (lambda _: Command(update={"basket": ["tea"]}), "without the result of its call"),
        (lambda _: Command(update={"messages": [HumanMessage("more")]}), "without the result of its call"),
        (lambda i: Command(update={"messages": ToolMessage("ok", tool_call_id=i)}), "list of messages"),
        (lambda i: Command(update=[ToolMessage("ok", tool_call_id=i)]), "not a dict"),
        (lambda _: [Command(update={"basket": ["tea"]})], "without the result of its call"),
        (lambda i: [Command(update={"messages": [ToolMessage("ok", tool_call_id=i)]}), "text"], "beside other values"),
        (lambda i: (Command(update={"messages": [ToolMessage("ok", tool_call_id=i)]}), 5), "beside other values"),
        (lambda i: [ToolMessage("a", tool_call_id=i), Command(update={"messages": [ToolMessage("b", tool_call_id=i)]})], "2 results"),
    ],
)  # fmt: skip
async def test_commands_that_langgraph_would_drop_or_blame_on_the_model_are_the_developers(make: Any, words: str, face: str) -> None:
    """The error says what the tool has to return; the call is done, and not done again when the conversation goes on."""
    done: list[str] = []
    model = ScriptedModel([call("acts", request_heartbeat=True), say("Done.")])
    acting = tool_returning(lambda i: (done.append(i), make(i))[1])
    graph: Any = create_graph(model=model, tools=[acting], state_schema=Basket, checkpointer=InMemorySaver(), store=InMemoryStore())
    with pytest.raises(ConfigurationError, match=words):
        await (graph.ainvoke(HELLO, THREAD) if face == "async" else asyncio.to_thread(graph.invoke, HELLO, THREAD))
    final = graph.invoke(None, THREAD)
    assert len(done) == 1
    assert result_in(final).text == UNREADABLE
    assert final["messages"][-1].text == "Done."


def test_a_command_and_the_result_may_stand_side_by_side() -> None:
    """A list of commands and messages with one result for the call, as LangGraph takes it."""
    final, _, _ = played(
        tool_returning(lambda i: [Command(update={"basket": ["tea"]}), ToolMessage("ok", tool_call_id=i)]), state_schema=Basket
    )
    assert (result_in(final).text, final["basket"]) == ("ok", ["tea"])


class Odd(BaseException):
    """An exception of a library that is no ``Exception``."""


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError("full"), RecursionError("deep"), Odd("odd"), ValueError("half \udce9 and \x00 NUL"), SystemExit("bye"), SystemExit(0),
        GeneratorExit("closed"), StopIteration("no more"), StopAsyncIteration("none"),
    ],
)  # fmt: skip
async def test_whatever_a_tool_raises_is_its_result(error: BaseException, how: str) -> None:
    """The model is told the name and the words, mended where no store could hold them."""

    def make(_: str) -> Any:
        raise error

    model = ScriptedModel([call("acts"), say("Sorry.")])
    graph: Any = create_graph(model=model, tools=[tool_returning(make)], checkpointer=InMemorySaver())
    final = graph.invoke(HELLO, THREAD) if how == "sync" else await graph.ainvoke(HELLO, THREAD)
    words = str(error).replace("\udce9", "\ufffd").replace("\x00", "")
    assert result_in(final).text == f"{type(error).__name__}: {words}"
    assert final["messages"][-1].text == "Sorry."


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Mute(), "Mute: (its text cannot be had: RuntimeError)"),
        (ValueError("x" * 3_000_000), f"ValueError: {'x' * 20_000} ... (2,980,000 more characters)"),
        (BaseExceptionGroup("two", [SystemExit("bye"), ExceptionGroup("in", [KeyError("k")])]),
         "BaseExceptionGroup: two (2 sub-exceptions): SystemExit: bye; ExceptionGroup: in (1 sub-exception): KeyError: 'k'"),
    ],
)  # fmt: skip
async def test_errors_of_tools_are_told_in_words_that_can_be_read(error: BaseException, words: str, how: str) -> None:
    """One without words, one with megabytes of them, and a group with what it is of."""

    def make(_: str) -> Any:
        raise error

    graph: Any = create_graph(model=ScriptedModel([call("acts"), say("Sorry.")]), tools=[tool_returning(make)], checkpointer=InMemorySaver())
    final = graph.invoke(HELLO, THREAD) if how == "sync" else await graph.ainvoke(HELLO, THREAD)
    assert result_in(final).text == words


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tool_that_ends_the_process_ends_its_call_alone(tmp_path: Path, kind: str) -> None:
    """``sys.exit()`` in a tool of either face, in a process of its own: the agent answers, and its conversation goes on."""
    done = subprocess.run([sys.executable, "-c", EXITING, str(tmp_path), kind], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split("\n")) == (0, ["Sorry.", "SystemExit: 3", "Still here.", ""]), done.stderr


EXITING = """
import asyncio, sys
from langchain_core.tools import tool
from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say

@tool
def leave() -> str:
    "Leave."
    sys.exit(3)

@tool("leave")
async def aleave() -> str:
    "Leave."
    sys.exit(3)

async def main():
    for part in range(2):
        script = [[call("leave"), say("Sorry.")], [say("Still here.")]][part]
        agent = MemGPTAgent(agent_id="ann", tools=[leave if sys.argv[2] == "sync" else aleave], model=ScriptedModel(script),
                            embedding=HashingEmbedder(), settings=Settings(home=sys.argv[1]))
        answer = await agent.astep("Hello.")
        print(answer.message)
        for made in answer.tool_calls:
            if made["name"] == "leave":
                print(made["result"])
        await agent.aclose()

asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["message", "event", "result"])
def test_half_characters_and_nuls_are_mended_wherever_text_enters(where: str) -> None:
    """In what the model is sent and in what memory keeps."""
    odd = "r\udce9sum\x00e"
    store, model = InMemoryStore(), ScriptedModel([call("acts", request_heartbeat=True), say("Done.")])
    graph: Any = create_graph(model=model, tools=[tool_returning(lambda _: odd if where == "result" else "x")], store=store)
    event: Any = {"event": {"type": "system_alert", "text": odd if where == "event" else "Now."}}
    graph.invoke({"messages": [HumanMessage(odd)]} if where == "message" else event, THREAD)
    assert "r\ufffdsume" in "\n".join(m.text for m in model.calls[1])
    assert "r\ufffdsume" in [m.text for m in RecallMemory(store, "ann").search("")]
