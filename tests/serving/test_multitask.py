"""Messages that arrive at the server while the agent works, sent twice, or run again: with LangGraph's own strategies."""

import time
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import NotFoundError

pytestmark = pytest.mark.server


def said(text: str, message_id: str | None = None) -> dict[str, Any]:
    """What a chat client sends."""
    return {"messages": [{"role": "user", "content": text, **({"id": message_id} if message_id else {})}]}


class Talk:
    """One thread of one agent on the server."""

    def __init__(self, client: Any, agent_id: str) -> None:
        self.client, self.agent_id = client, agent_id
        self.thread = client.threads.create()["thread_id"]

    def begin(self, text: str, strategy: str, message_id: str | None = None) -> str:
        """Start a run; return its id."""
        given = {
            "input": said(text, message_id),
            "context": {"agent_id": self.agent_id},
            "multitask_strategy": strategy,
        }
        return self.client.runs.create(self.thread, "memgpt", **given)["run_id"]

    def begin_slowly(self, text: str, message_id: str | None = None) -> str:
        """Start a run and wait until the agent has its message and the model is thinking."""
        run = self.begin(f"{text} slowly", "enqueue", message_id)
        for _ in range(200):
            if self.values().get("turn", {}).get("id") and self.state()["next"] == ["call_llm"]:
                return run
            time.sleep(0.05)
        raise AssertionError(f"the run did not begin: {self.state()}")

    def join(self, run: str) -> None:
        """Wait for a run's end."""
        self.client.runs.join(self.thread, run)

    def state(self) -> Any:
        return self.client.threads.get_state(self.thread)

    def values(self) -> Any:
        return self.state()["values"] or {}

    def spoken(self) -> list[str]:
        """What both sides said, in order."""
        return [m["content"] for m in self.values()["messages"] if m["type"] in {"human", "ai"} and m["content"]]

    def open_calls(self) -> list[str]:
        """The ids of calls that have no result."""
        messages = self.values()["messages"]
        results = {m["tool_call_id"] for m in messages if m["type"] == "tool"}
        return [c["id"] for m in messages for c in m.get("tool_calls") or [] if c["id"] not in results]

    def stored(self) -> list[Any]:
        """All that the store holds of the agent."""
        found = self.client.store.search_items([self.agent_id], limit=1_000)["items"]
        return sorted((tuple(i["namespace"]), i["key"], str(i["value"]), i["updated_at"]) for i in found)


def test_the_servers_strategies_neither_drop_nor_mix_messages(start_server: Any) -> None:
    """Enqueued: each answered in order. Interrupting: the model sees both. Rolling back: as if the first never was."""
    with start_server() as (url, log), get_sync_client(url=url) as client:
        queued = Talk(client, "queued")
        runs = [queued.begin(f"say w{n}{' slowly' if n < 2 else ''}", "enqueue") for n in range(4)]
        for run in runs:
            queued.join(run)
        assert queued.spoken() == [
            "say w0 slowly",
            "re w0",
            "say w1 slowly",
            "re w1",
            "say w2",
            "re w2",
            "say w3",
            "re w3",
        ]

        stopped = Talk(client, "stopped")
        first = stopped.begin_slowly("say one")
        stopped.join(stopped.begin("say two", "interrupt"))
        assert stopped.spoken() == ["say one slowly", "say two", "re two"]
        assert client.runs.get(stopped.thread, first)["status"] == "interrupted"
        stopped.join(stopped.begin("say three", "enqueue"))
        assert stopped.spoken()[-2:] == ["say three", "re three"]
        assert (queued.open_calls(), stopped.open_calls()) == ([], [])

        undone = Talk(client, "undone")
        first = undone.begin_slowly("say one", "m1")
        undone.join(undone.begin("say two", "rollback"))
        assert undone.spoken() == ["say two", "re two"]
        with pytest.raises(NotFoundError):
            client.runs.get(undone.thread, first)
        again = Talk(client, "again")
        again.begin_slowly("say one", "m1")
        again.join(again.begin("say one slowly", "rollback", "m1"))
        assert again.spoken() == ["say one slowly", "re one"]
        assert "BlockingError" not in log.read_text()


def test_what_is_sent_twice_or_run_again_is_done_once(start_server: Any) -> None:
    """A message sent again changes nothing; nor do the tools when they are run again, with asynchronous durability too."""
    with start_server() as (url, _), get_sync_client(url=url) as client:
        talk = Talk(client, "once")
        context = {"agent_id": "once"}
        talk.join(talk.begin("file bees sleep at night", "enqueue", "m1"))
        held, spoken = talk.stored(), talk.spoken()
        assert spoken == ["file bees sleep at night", "Nice to meet you!"]
        talk.join(talk.begin("file bees sleep at night", "enqueue", "m1"))
        assert (talk.stored(), talk.spoken()) == (held, spoken)
        for event in ({"type": "heartbeat", "id": "h1"}, {"type": "heartbeat", "id": "h1"}):
            client.runs.wait(talk.thread, "memgpt", input={"event": event}, context=context)
        beats = [m for m in talk.values()["messages"] if m["type"] == "system"]
        assert len(beats) == 1
        held = talk.stored()
        history = client.threads.get_history(talk.thread, limit=100)
        replays = [state["checkpoint"] for state in history if state["next"] == ["execute_tools"]]
        assert len(replays) >= 2
        for durability in ("async", "sync", "exit"):
            for checkpoint in replays:
                client.runs.wait(
                    talk.thread, "memgpt", input=None, checkpoint=checkpoint, context=context, durability=durability,
                    interrupt_after=["execute_tools"],
                )  # fmt: skip
        assert talk.stored() == held
