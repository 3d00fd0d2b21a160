"""The messages of a thread are stored once; what is read is what was put, whoever changes what in between."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from memgpt_agent.checkpoints import FENCE, SqliteCheckpointer, message_table, open_checkpointer
from memgpt_agent.errors import StoreCorrupt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "checkpoints.db"


@pytest.fixture
def saver(path: Path) -> Iterator[SqliteCheckpointer]:
    """A saver on a new file."""
    with open_checkpointer(path) as opened:
        yield opened


def put(saver: SqliteCheckpointer, *messages: Any, thread: str = "t", parent: str | None = None, **others: Any) -> str:
    """Store a checkpoint whose channel ``messages`` holds these; return its id."""
    checkpoint: Any = {**empty_checkpoint(), "id": str(uuid6()), "channel_values": {"messages": list(messages), **others}}
    where: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": parent}}
    saver.put(where, checkpoint, {"source": "loop", "step": 1, "parents": {}}, {})
    return str(checkpoint["id"])


def values(saver: SqliteCheckpointer, checkpoint_id: str | None = None, thread: str = "t") -> dict[str, Any]:
    """The channels of a checkpoint as they are read; the newest if none is named."""
    found = saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_id": checkpoint_id}})
    assert found is not None
    return found.checkpoint["channel_values"]


def stored(path: Path, thread: str = "t") -> int:
    """How many messages the file holds for a thread."""
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM queue_messages WHERE thread_id = ?", (thread,)).fetchone()
    return int(count)


KINDS: list[AnyMessage] = [
    HumanMessage("hi", id="1", name="ann", additional_kwargs={"memgpt": {"kind": "event", "page": 3}}),
    HumanMessage([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:,"}}], id="2"),
    AIMessage("", id="3", tool_calls=[{"name": "f", "args": {"deep": {"x": [1, None, "é"]}}, "id": "c", "type": "tool_call"}]),
    AIMessage("ok", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}, response_metadata={"a": [1]}),
    ToolMessage("done", tool_call_id="c", status="error", artifact={"rows": [1, 2]}),
    SystemMessage("be kind", id="5"),
    ChatMessage("x", role="critic"),  # type: ignore[list-item]
    FunctionMessage(content="x", name="f"),
]


def test_every_kind_of_message_comes_back_as_it_was(path: Path) -> None:
    """Also in another process's saver, which has nothing in memory."""
    with open_checkpointer(path) as saver:
        put(saver, *KINDS, other={"a": 1})
        assert values(saver) == {"messages": KINDS, "other": {"a": 1}}
    with open_checkpointer(path) as saver:
        assert values(saver) == {"messages": KINDS, "other": {"a": 1}}


def test_a_message_is_stored_once_for_all_checkpoints_of_its_thread(saver: SqliteCheckpointer, path: Path) -> None:
    """Ten checkpoints of a growing queue hold ten messages between them; another thread has its own."""
    queue: list[AnyMessage] = []
    parent = None
    for n in range(10):
        queue = [*(values(saver)["messages"] if n else []), HumanMessage(f"message {n}", id=str(n))]
        parent = put(saver, *queue, parent=parent)
    put(saver, *queue, thread="other")
    assert (stored(path), stored(path, "other")) == (10, 10)
    assert [m.text for m in values(saver)["messages"]] == [f"message {n}" for n in range(10)]


def test_several_lists_share_their_messages(saver: SqliteCheckpointer, path: Path) -> None:
    """A message in two channels, or twice in one, is stored once and read in every place; an empty list stays one."""
    one, two = HumanMessage("one", id="1"), HumanMessage("two", id="2")
    put(saver, one, two, one, aside=[two], none=[])
    assert values(saver) == {"messages": [one, two, one], "aside": [two], "none": []}
    assert stored(path) == 2


def test_a_list_that_is_not_all_messages_is_stored_as_ever(saver: SqliteCheckpointer, path: Path) -> None:
    """Whatever a state holds beside messages is none of the table's business."""
    put(saver, HumanMessage("hi", id="1"), "text", 3)
    assert values(saver)["messages"] == [HumanMessage("hi", id="1"), "text", 3]
    assert stored(path) == 0


class Custom(HumanMessage):
    """A message of a class that is not restored where only known classes are."""


def test_a_message_whose_class_is_not_restored_is_stored_again_and_again(path: Path) -> None:
    """Under strict deserialisation what is read is its data; putting the message is no error, however often."""
    with open_checkpointer(path) as saver:
        saver.serde = message_table.RowSerializer(allowed_msgpack_modules=None)
        message = Custom(content="hi", id="1")
        parent = put(saver, message)
        put(saver, message, parent=parent)
        (read,) = values(saver)["messages"]
        assert (read["content"], read["id"]) == ("hi", "1")


def test_who_changes_what_was_read_changes_nothing_stored(saver: SqliteCheckpointer) -> None:
    """Every reader has copies of its own, down to the lists and dicts within a message."""
    put(saver, HumanMessage("hi", id="1", additional_kwargs={"a": {"b": [1]}}))
    read = values(saver)["messages"][0]
    read.content = "changed"
    read.additional_kwargs["a"]["b"].append(2)
    again = values(saver)["messages"][0]
    assert again == HumanMessage("hi", id="1", additional_kwargs={"a": {"b": [1]}})


@pytest.mark.parametrize("read_first", [False, True])
def test_a_message_changed_in_place_is_stored_as_it_is_then(saver: SqliteCheckpointer, read_first: bool) -> None:
    """The checkpoint before keeps it as it was, the next one as it has become, however deep the change."""
    message = HumanMessage("hi", id="1", additional_kwargs={"a": {"b": [1]}})
    before = put(saver, message)
    if read_first:
        message = values(saver)["messages"][0]
    message.additional_kwargs["a"]["b"].append(2)
    after = put(saver, message, parent=before)
    assert values(saver, before)["messages"][0].additional_kwargs == {"a": {"b": [1]}}
    assert values(saver, after)["messages"][0].additional_kwargs == {"a": {"b": [1, 2]}}


def test_pruning_takes_along_what_no_checkpoint_names(saver: SqliteCheckpointer, path: Path) -> None:
    """What the kept checkpoints name stays, also where another thread names the same."""
    parent = None
    for n in range(8):
        parent = put(saver, *[HumanMessage(str(i), id=str(i)) for i in range(n, n + 3)], parent=parent)
    put(saver, HumanMessage("0", id="0"), thread="other")
    saver.prune("t", keep=2)
    assert stored(path) == 4
    assert [m.text for m in values(saver)["messages"]] == ["7", "8", "9"]
    assert values(saver, thread="other")["messages"] == [HumanMessage("0", id="0")]
    saver.delete_thread("t")
    assert (stored(path), stored(path, "other")) == (0, 1)


@pytest.mark.parametrize("newest_is_own", [True, False])
def test_what_another_process_pruned_is_written_again(path: Path, newest_is_own: bool) -> None:
    """A saver does not take what it has in memory to be in the file still: also where it goes on from its own newest checkpoint."""
    with open_checkpointer(path) as one, open_checkpointer(path) as other:
        old, new = HumanMessage("old", id="1"), HumanMessage("new", id="2")
        first = put(one, old)
        put(other if newest_is_own else one, new, parent=first)
        other.prune("t", keep=1)
        assert stored(path) == 1
        put(one, old, new, parent=first)
        assert values(other)["messages"] == [old, new]


def test_what_was_written_by_langgraphs_saver_is_read_and_gone_on_from(path: Path) -> None:
    """A file from before has whole checkpoints; LangGraph's saver says of the new ones that it does not know them."""

    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{len(state['messages'])} so far", id=f"a{len(state['messages'])}")]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    where: Any = {"configurable": {"thread_id": "t"}}
    with SqliteSaver.from_conn_string(str(path)) as theirs:
        graph.compile(checkpointer=theirs).invoke({"messages": [HumanMessage("one", id="1")]}, where)
    with open_checkpointer(path) as ours:
        said = graph.compile(checkpointer=ours).invoke({"messages": [HumanMessage("two", id="2")]}, where)
        assert [m.text for m in said["messages"]] == ["one", "1 so far", "two", "3 so far"]
        history = list(graph.compile(checkpointer=ours).get_state_history(where))
        assert [len(state.values.get("messages", [])) for state in history] == [4, 3, 2, 2, 1, 0]
    with SqliteSaver.from_conn_string(str(path)) as theirs, pytest.raises(NotImplementedError, match="Unknown serial"):
        theirs.get_tuple(where)


def test_missing_messages_are_told_as_damage(path: Path) -> None:
    """A checkpoint is never read with messages left out."""
    with open_checkpointer(path) as saver:
        put(saver, HumanMessage("hi", id="1"))
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM queue_messages")
    with open_checkpointer(path) as saver, pytest.raises(StoreCorrupt, match="messages of a checkpoint are missing"):
        values(saver)


def test_what_is_kept_in_memory_is_bounded(saver: SqliteCheckpointer) -> None:
    """Messages beyond the bound are read from the file again."""
    limit = message_table._KEPT_BYTES  # pyright: ignore[reportPrivateUsage]
    text = "x" * (limit // 3)
    for n in range(5):
        put(saver, HumanMessage(f"{n} {text}", id=str(n)), thread=str(n))
    table = saver._messages  # pyright: ignore[reportPrivateUsage]
    assert table._bytes <= limit  # pyright: ignore[reportPrivateUsage]
    most = message_table._KEPT_MESSAGES  # pyright: ignore[reportPrivateUsage]
    put(saver, *[HumanMessage(str(n), id=str(n)) for n in range(most + 10)], thread="many")
    assert len(table._kept) <= most  # pyright: ignore[reportPrivateUsage]
    assert [m.text for m in values(saver, thread="many")["messages"]] == [str(n) for n in range(most + 10)]
    assert [values(saver, thread=str(n))["messages"][0].text[:2] for n in range(5)] == [f"{n} " for n in range(5)]


async def test_many_threads_at_once_read_what_they_wrote(saver: SqliteCheckpointer) -> None:
    """The table is shared by all threads of a process."""

    def talk(name: str) -> list[str]:
        parent = None
        for n in range(20):
            queue = [*(values(saver, thread=name)["messages"] if n else []), HumanMessage(f"{name} {n}", id=f"{n}")]
            parent = put(saver, *queue[-6:], parent=parent, thread=name)
        return [m.text for m in values(saver, thread=name)["messages"]]

    found = await asyncio.gather(*(asyncio.to_thread(talk, str(name)) for name in range(8)))
    assert found == [[f"{name} {n}" for n in range(14, 20)] for name in range(8)]


_TEXTS = st.sampled_from(["a", "b", "é", "x" * 500])
_ACTS = st.one_of(
    st.tuples(st.just("add"), _TEXTS),
    st.tuples(st.just("drop"), st.integers(0, 3)),
    st.tuples(st.just("change"), _TEXTS),
    st.tuples(st.just("reread"), st.none()),
    st.tuples(st.just("prune"), st.integers(1, 3)),
    st.tuples(st.just("reopen"), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(_ACTS, max_size=12))
def test_every_kept_checkpoint_reads_as_it_was_put(tmp_path_factory: pytest.TempPathFactory, acts: list[Any]) -> None:
    """Whatever is added, dropped, changed in place, pruned or reopened in between."""
    path = tmp_path_factory.mktemp("table") / "checkpoints.db"
    saver = open_checkpointer(path)
    queue: list[Any] = []
    expected: dict[str, list[tuple[str, Any]]] = {}
    newest: str | None = None
    for act, given_ in acts:
        if act == "add":
            queue.append(HumanMessage(given_, id=str(len(queue))))
        elif act == "drop":
            del queue[: given_]
        elif act == "change" and queue:
            queue[-1].additional_kwargs.setdefault("said", []).append(given_)
        elif act == "reread" and newest:
            queue = values(saver, newest)["messages"]
        elif act == "reopen":
            saver.close()
            saver = open_checkpointer(path)
        if act == "prune" and newest:
            saver.prune("t", keep=given_)
            expected = dict(list(expected.items())[-given_:])
        else:
            newest = put(saver, *queue, parent=newest)
            expected[newest] = [(m.text, {**m.additional_kwargs, "said": list(m.additional_kwargs.get("said", []))}) for m in queue]
        for checkpoint_id, said in expected.items():
            read = values(saver, checkpoint_id)["messages"]
            assert [(m.text, {**m.additional_kwargs, "said": m.additional_kwargs.get("said", [])}) for m in read] == said
    saver.close()


def test_a_file_without_the_table_is_brought_up_to_date(path: Path) -> None:
    """Whether LangGraph's saver made it, or a process was killed between its tables."""
    with SqliteSaver.from_conn_string(str(path)) as theirs:
        theirs.setup()
    with open_checkpointer(path) as ours:
        put(ours, HumanMessage("hi", id="1"))
        assert values(ours) == {"messages": [HumanMessage("hi", id="1")]}


class _Held:
    """A fence that nobody has taken."""

    name, number = "t", 1

    def check(self) -> None:
        """Say nothing."""

    confirm = check


def test_a_turn_that_holds_a_fence_reads_the_same_messages_again_unless_one_was_changed(saver: SqliteCheckpointer) -> None:
    """Others get copies of their own. A change in place is gone at the next read, and the stored message is as it was."""
    put(saver, HumanMessage("hi", id="1", additional_kwargs={"a": [1]}), AIMessage("ho", id="2"))
    fenced: Any = {"configurable": {"thread_id": "t", FENCE: _Held()}}

    def read(config: Any) -> list[Any]:
        found = saver.get_tuple(config)
        assert found is not None
        return list(found.checkpoint["channel_values"]["messages"])

    first, again, other = read(fenced), read(fenced), values(saver)["messages"]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True]
    assert [a is b for a, b in zip(first, other, strict=True)] == [False, False]
    again[0].additional_kwargs["a"].append(2)
    assert read(fenced)[0].additional_kwargs == values(saver)["messages"][0].additional_kwargs == {"a": [1]}
    assert read(fenced)[1] is first[1]
