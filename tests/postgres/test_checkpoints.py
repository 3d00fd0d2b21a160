"""Checkpoints on Postgres: both faces, each message once, pruning, changing, fences, odd values, what LangGraph's own saver wrote."""

from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.postgres import PostgresSaver

from memgpt_agent.checkpoints import FENCE, Checkpointer
from memgpt_agent.checkpoints.opening import open_postgres_checkpointer
from memgpt_agent.databases.postgres import split_url
from memgpt_agent.errors import ConfigurationError, LeaseLost, StoreCorrupt, StoreError
from memgpt_agent.leases import Leases
from memgpt_agent.store import MemoryStore
from tests.checkpoints.test_message_table import KINDS
from tests.checkpoints.test_sqlite_saver import (
    counting_graph,
    say,
    test_a_turn_that_waits_survives_pruning,
    test_it_is_bound_to_no_event_loop,
    test_many_threads_and_loops_write_at_once,
    test_one_file_serves_invoke_and_ainvoke_in_turn,
    test_pruning_by_turns_keeps_what_a_subgraph_remembers,
    test_the_history_is_the_same_both_ways,
    test_the_newest_id_is_given_unless_a_steps_writes_wait_on_it,
    test_the_saver_can_be_used_while_its_list_is_read,
    thread,
)

__all__ = [
    "test_a_turn_that_waits_survives_pruning",
    "test_it_is_bound_to_no_event_loop",
    "test_many_threads_and_loops_write_at_once",
    "test_one_file_serves_invoke_and_ainvoke_in_turn",
    "test_pruning_by_turns_keeps_what_a_subgraph_remembers",
    "test_the_history_is_the_same_both_ways",
    "test_the_newest_id_is_given_unless_a_steps_writes_wait_on_it",
    "test_the_saver_can_be_used_while_its_list_is_read",
]


def put_versioned(saver: Checkpointer, thread_id: str, channels: dict[str, Any], parent: str | None = None) -> str:
    """Store a checkpoint with a version for each of its channels; return its id."""
    versions: Any = {name: str(uuid6()) for name in channels}
    checkpoint: Any = {**empty_checkpoint(), "id": str(uuid6()), "channel_values": channels, "channel_versions": versions}
    where: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": parent}}
    saver.put(where, checkpoint, {"source": "loop", "step": 1, "parents": {}}, versions)
    return str(checkpoint["id"])


def count(url: str, table: str) -> int:
    """How many rows a table has."""
    server, schema = split_url(url)
    with psycopg.connect(server) as connection:
        row = connection.execute(f"SELECT count(*) FROM {schema}.{table}".encode()).fetchone()  # noqa: S608 - names of the test's own
    return int(row[0]) if row else 0


def test_every_kind_of_message_and_odd_values_come_back_as_they_were(saver: Checkpointer, url: str) -> None:
    """Also NUL, half a character and infinity, which ``jsonb`` refuses; read by a saver that has nothing in memory."""
    channels = {"messages": [*KINDS], "text": "a\x00b", "half": "\ud83d", "n": float("inf"), "big": 1 << 80, "none": None, "list": [1, "\x00"]}
    put_versioned(saver, "t", channels)
    for reader in (saver, open_postgres_checkpointer(url)):
        found = reader.get_tuple(thread())
        assert found is not None
        assert found.checkpoint["channel_values"] == {**channels, "half": "?"}  # so LangGraph's serializer writes it
    reader.close()


def test_a_message_is_stored_once_for_all_checkpoints_of_its_thread_and_pruning_takes_the_rest(saver: Checkpointer, url: str) -> None:
    """Ten turns, of which three can be gone back to: no message, value or write is left that no checkpoint names."""
    graph = counting_graph(saver)
    for n in range(10):
        graph.invoke(say(str(n)), thread())
    assert count(url, "queue_messages") == 20
    before = list(saver.list(thread()))
    saver.prune_turns("t", keep=3)
    assert list(saver.list(thread())) == before[: 3 * 4 + 1]
    oldest = list(saver.list(thread()))[-1]
    assert graph.invoke(say("again"), oldest.config)["count"] == 8
    saver.prune("t")
    assert len(list(saver.list(thread()))) == 1
    assert count(url, "checkpoint_writes") == 0
    assert count(url, "queue_messages") == 16
    assert graph.invoke(say("on"), thread())["count"] == 9
    assert saver.threads() == ["t"]
    saver.delete_thread("t")
    assert {table: count(url, table) for table in ("checkpoints", "checkpoint_writes", "checkpoint_blobs", "queue_messages")} == dict.fromkeys(
        ("checkpoints", "checkpoint_writes", "checkpoint_blobs", "queue_messages"), 0
    )


def test_a_saver_whose_newest_checkpoint_another_process_pruned_writes_its_messages_again(saver: Checkpointer, url: str) -> None:
    """What it believes to be stored is looked for in the transaction of the write."""
    first = put_versioned(saver, "t", {"messages": [HumanMessage("a", id="a")]})
    with open_postgres_checkpointer(url) as other:
        other.delete_thread("t")
    put_versioned(saver, "t", {"messages": [HumanMessage("a", id="a"), AIMessage("b", id="b")]}, parent=first)
    with open_postgres_checkpointer(url) as other:
        found = other.get_tuple(thread())
    assert found is not None
    assert [m.content for m in found.checkpoint["channel_values"]["messages"]] == ["a", "b"]


def test_missing_messages_are_told_as_damage(saver: Checkpointer, url: str) -> None:
    """And not as a shorter conversation."""
    put_versioned(saver, "t", {"messages": [HumanMessage("a", id="a")]})
    server, schema = split_url(url)
    with psycopg.connect(server) as connection:
        connection.execute(f"DELETE FROM {schema}.queue_messages".encode())  # noqa: S608 - names of the test's own
    with open_postgres_checkpointer(url) as other, pytest.raises(StoreCorrupt, match="missing"):
        other.get_tuple(thread())


def test_what_langgraphs_saver_wrote_is_read_and_gone_on_from(url: str) -> None:
    """A thread that was begun with LangGraph's own saver in the same schema."""
    server, schema = split_url(url)
    open_postgres_checkpointer(url).close()
    with psycopg.connect(server, autocommit=True, options=f"-c search_path={schema}") as connection:
        theirs: Any = PostgresSaver(connection)  # pyright: ignore[reportArgumentType]
        counting_graph(theirs).invoke(say("a"), thread())
    with open_postgres_checkpointer(url) as saver:
        assert counting_graph(saver).invoke(say("b"), thread())["count"] == 2


def test_writes_are_fenced_in_their_transaction(saver: Checkpointer, store: MemoryStore) -> None:
    """Whoever lost the conversation writes nothing more; a store that was restored from an older copy locks nobody out."""
    graph = counting_graph(saver)
    clock = [1_000.0]
    leases = Leases(store, clock=lambda: clock[0])
    with leases.hold("t", 1) as first:
        graph.invoke(say("a"), {"configurable": {"thread_id": "t", FENCE: first}})
        number = first.number
    with leases.hold("t", 1) as second:
        saver.raise_fence(second)
        with pytest.raises(LeaseLost):
            graph.invoke(say("late"), {"configurable": {"thread_id": "t", FENCE: first}})
        first.check = lambda: None  # type: ignore[method-assign] # stopped right behind its look at the clock
        with pytest.raises(LeaseLost):
            graph.invoke(say("late"), {"configurable": {"thread_id": "t", FENCE: first}})
        graph.invoke(say("b"), {"configurable": {"thread_id": "t", FENCE: second}})
        assert second.number > number
    store.delete(("leases",), "t")
    clock[0] = 1.0
    with leases.hold("t", 1) as third:
        assert third.number < number
        graph.invoke(say("c"), {"configurable": {"thread_id": "t", FENCE: third}})
    assert graph.get_state(thread()).values["count"] == 3


class Blacking:
    """Takes a word out of everything."""

    def look(self, value: Any) -> None:
        """Need nothing of it."""

    def values(self, thread_id: str, values: Any) -> dict[str, Any]:
        """Change texts and messages."""
        return {name: self.written(name, value) for name, value in values.items()}

    def written(self, channel: str, value: Any) -> Any:
        """The same of one value."""
        if isinstance(value, str):
            return value.replace("secret", "")
        if isinstance(value, list):
            return [self.written(channel, one) for one in value]
        return value.model_copy(update={"content": self.written("", value.content)}) if isinstance(value, BaseMessage) else value

    def about(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Change texts."""
        return {name: self.written(name, value) for name, value in metadata.items()}


def test_what_checkpoints_hold_can_be_changed_and_its_bytes_are_gone_from_the_tables(saver: Checkpointer, url: str) -> None:
    """In messages, values beside and within the rows, pending writes and metadata."""
    held = {"messages": [HumanMessage("my secret", id="m"), AIMessage("ok", id="n")], "note": "secret plan", "list": ["a secret"]}
    first = put_versioned(saver, "t", held)
    newest = put_versioned(saver, "t", {**held, "more": 1}, parent=first)
    at: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": newest}}
    saver.put_writes(at, [("messages", [HumanMessage("secret too", id="o")]), ("note", "secret")], "task")
    assert saver.rewrite("t", Blacking()) == 2
    for reader in (saver, open_postgres_checkpointer(url)):
        for found in reader.list(thread()):
            assert "secret" not in repr(found)
    reader.close()
    assert "my " in repr(saver.get_tuple(at))
    saver.compact()
    assert count(url, "queue_messages") == 2
    assert saver.rewrite("t", Blacking()) == 0


def test_a_senseless_pruning_is_refused_and_differences_are_not_torn(saver: Checkpointer) -> None:
    """As on SQLite; LangGraph's saver keeps one checkpoint or turns."""
    for wrong in ({"keep": 2}, {"strategy": "oldest"}):
        with pytest.raises(ConfigurationError):
            saver.prune("t", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="keep=0"):
        saver.prune_turns("t", keep=0)
    graph = counting_graph(saver)
    for n in range(3):
        graph.invoke(say(str(n)), thread())
    newest = saver.get_tuple(thread())
    assert newest is not None
    metadata: Any = {**newest.metadata, "counters_since_delta_snapshot": {"messages": [3, 3]}}
    saver.put(newest.parent_config or {}, newest.checkpoint, metadata, {})
    for prune in (lambda: saver.prune("t"), lambda: saver.prune_turns("t", keep=1)):
        with pytest.raises(StoreError):
            prune()
    assert len(list(saver.list(thread()))) == 12
