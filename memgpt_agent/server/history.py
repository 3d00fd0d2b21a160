"""A conversation as pages of messages, from recall memory and the questions of its runs."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from langgraph.store.base import GetOp, Item, SearchItem

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.recall import Message, message_of
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server import ids, letta_agents, letta_context, letta_messages
from memgpt_agent.server.ids import Page
from memgpt_agent.server.letta_messages import LettaMessage
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import not_found
from memgpt_agent.server.runs import Runs
from memgpt_agent.store.plain import count, newest

LIMIT = 100
"""How many messages a page has where no number is asked for."""
_BESIDE = 50
"""How many records are read beside a page: those of the cursor's own time, and of the turn at its edge."""


class Entry(NamedTuple):
    """What stands together under one id, or two: a record's messages."""

    time: str
    """When it was."""
    messages: list[LettaMessage]
    """The messages."""


class History:
    """The messages of one conversation.

    Args:
        agents: the agents.
        runs: their runs.
        agent_id: the agent.
        thread_id: the conversation.
        use_assistant_message: whether what is said is a message of its own.
    """

    def __init__(self, agents: OpenAgents, runs: Runs, agent_id: str, thread_id: str, *, use_assistant_message: bool = True) -> None:
        self._agents, self._runs, self._agent_id, self._thread_id = agents, runs, agent_id, thread_id
        self._assistant = use_assistant_message
        self._namespace = namespaces.of(agent_id, "recall")

    def page(self, page: Page) -> list[LettaMessage]:
        """Return a page of messages. Where no order is asked for, the newest of them, oldest first."""
        limit = LIMIT if page.limit is None else page.limit
        if page.order == "desc":
            low, high, from_end = page.before, page.after, True
        else:
            low, high, from_end = page.after, page.before, page.order is None and page.after is None
        if page.before is not None:
            from_end = page.order != "desc"
        found = self._between(low, high, limit, from_end=from_end)
        messages = [message for entry in found for message in entry.messages]
        return messages[::-1] if page.order == "desc" else messages

    def of_turns(self, turn_ids: Iterable[str], *, whole: bool = False) -> list[LettaMessage]:
        """Return the messages of turns, oldest first; what the user said only where the ``whole`` is asked for."""
        records = [record for turn in turn_ids for record in self._agents.recall(self._agent_id).of_turn(turn)]
        return [message for message in self.of_records(records) if whole or message["message_type"] != "user_message"]

    def of_records(self, records: Sequence[Message]) -> list[LettaMessage]:
        """Return the messages of these records, with what waited for answers in their turns."""
        return [message for entry in self._entries(records) for message in entry.messages]

    def _between(self, low: str | None, high: str | None, limit: int, *, from_end: bool) -> list[Entry]:
        """Return as many entries as fit the limit between two cursors, oldest first, from the end or from the beginning."""
        start, end = self._time_of(low), self._time_of(high)
        if (low and start is None) or (high and end is None) or limit == 0:
            return []
        items: list[SearchItem] = []
        total = 0
        for part in self.parts():
            begun, until = max(start or "", part["begun"]), min(filter(None, (end, part["until"])), default="")
            times = {**({"$gte": begun} if begun else {}), **({"$lte": until} if until else {})}
            condition: dict[str, Any] = {"thread_id": part["thread_id"], **({"time": times} if times else {})}
            number = count(self._agents.store, self._namespace, condition)
            wanted = limit + _BESIDE
            offset = 0 if from_end else max(0, number - wanted)
            items += newest(self._agents.store, self._namespace, filter=condition, limit=wanted, offset=offset)
            total += number
        found = self._entries([message_of(item) for item in reversed(items)])
        if start in (None, "") and low != self._system_id and (len(items) >= total or not from_end):
            found.insert(0, Entry("", [self._system()]))
        found = self._cut(found, low, high)
        return _fitting(found, limit, from_end=from_end)

    def parts(self, last: str | None = None) -> list[dict[str, str]]:
        """Return the conversation, and before it those of which it is a fork, each up to where the next one left it.

        Args:
            last: the id of the message after which a fork leaves this one; now, if omitted. After the system message, the fork has none of it.

        Raises:
            HTTPProblem: the message is not there.
        """
        begun = str(self._agents.definition(self._agent_id).served.get("begun", {}).get(self._thread_id, ""))
        until = self._time_of(last) if last else ""
        if until is None:
            raise not_found("message", last or "")
        if last and not until:
            return []
        item = self._agents.store.get(namespaces.CONVERSATIONS, self._thread_id)
        older: list[dict[str, str]] = item.value.get("fork_parts", []) if item and not begun else []
        older = [{**one, "until": min(filter(None, (one["until"], until)), default="")} for one in older]
        return [{"thread_id": self._thread_id, "begun": begun, "until": until}, *older]

    def _cut(self, found: list[Entry], low: str | None, high: str | None) -> list[Entry]:
        places = {message["id"]: place for place, entry in enumerate(found) for message in entry.messages}
        if high is not None and high in places:
            found = found[: places[high]]
        if low is not None and low in places:
            found = found[places[low] + 1 :]
        return found

    @property
    def _system_id(self) -> str:
        return letta_agents.system_message_id(self._thread_id)

    def _system(self) -> LettaMessage:
        return system_message(self._agents, self._agents.definition(self._agent_id), self._thread_id)

    def _time_of(self, cursor: str | None) -> str | None:
        """Return the time of the message of an id; ``None`` if there is none, empty for the system message."""
        if cursor is None:
            return None
        if cursor == self._system_id:
            return ""
        key = cursor.removeprefix("message-").removesuffix("-return").removesuffix("-answer")
        record = self._agents.recall(self._agent_id).get([key]).get(key)
        if record is not None:
            return record.time
        for field in ("reply_id", "call_id"):
            if items := newest(self._agents.store, self._namespace, filter={field: key}, limit=1):
                return message_of(items[0]).time
        asked = [one for run in self._runs.of(self._agent_id) for one in (*run.request.get("asked", ()), *run.request.get("pending", ()))]
        return next((one["time"] for one in asked if one["call_id"] == key), None)

    def _entries(self, records: Sequence[Message]) -> list[Entry]:
        turns = list(dict.fromkeys(record.turn for record in records if record.turn.startswith("run-")))
        found = self._agents.store.batch([GetOp(namespaces.of(self._agent_id, "runs"), turn) for turn in turns]) if turns else []
        runs = {item.key: item.value for item in cast(list[Item | None], found) if item is not None}
        entries = [Entry(record.time, self._letta_messages(record, runs.get(record.turn, {}))) for record in records]
        entries += [entry for run_id, run in runs.items() for entry in _questions(run, run_id)]
        return sorted(entries, key=lambda entry: entry.time)

    def _letta_messages(self, record: Message, run: dict[str, Any]) -> list[LettaMessage]:
        request: dict[str, Any] = run.get("request") or {}
        otid = next(iter(request.get("otids") or ()), "") if record.role == "user" else ""
        if record.call_id and any(one["call_id"] == record.call_id for one in request.get("asked", ())):
            return letta_messages.messages_of(record)[-1:]  # the request stands for the call
        return letta_messages.messages_of(record, use_assistant_message=self._assistant, otid=otid, content=request.get("content"))


def system_message(agents: OpenAgents, definition: AgentDefinition, thread_id: str) -> LettaMessage:
    """Return the message that stands first in a conversation: the system prompt with memory as the model was sent it last.

    What changed since rides with newer messages, until the queue is cut or the prompt is compiled again.
    """
    return {
        "id": letta_agents.system_message_id(thread_id), "date": definition.created, "message_type": "system_message", "name": None,
        "otid": None, "run_id": None, "step_id": None, "sender_id": None, "is_err": None,
        "content": letta_context.system_text(agents, definition, thread_id, agents.state(thread_id)),
    }  # fmt: skip


def message_at(agents: OpenAgents, runs: Runs, message_id: str) -> list[LettaMessage]:
    """Return the messages of an id, of any agent that whoever acts may see.

    Raises:
        HTTPProblem: there is none.
    """
    known = agents.every()
    if parts := ids.unpacked("message", message_id):
        found = [one for one in known if parts[-1] in (one.agent_id, *one.threads)]
        if found:
            return [system_message(agents, found[0], parts[-1])]
    key = message_id.removeprefix("message-").removesuffix("-return")
    spaces = [namespaces.recall(one.agent_id) for one in known]
    items = [*cast("list[Item | None]", agents.store.batch([GetOp(space, key) for space in spaces]))]
    if not any(items):
        beside = ({field: key} for field in ("reply_id", "call_id"))
        items = next((row for fields in beside if any(row := [_one(agents, space, fields) for space in spaces])), items)
    place = next((n for n, item in enumerate(items) if item is not None), None)
    if place is None:
        raise not_found("message", message_id)
    record = message_of(cast(Item, items[place]))
    history = History(agents, runs, known[place].agent_id, record.thread_id)
    return [one for one in history.of_records([record]) if one["id"] == message_id]


def _one(agents: OpenAgents, space: tuple[str, ...], fields: dict[str, str]) -> Item | None:
    return next(iter(newest(agents.store, space, filter=fields, limit=1)), None)


def _questions(run: dict[str, Any], run_id: str) -> list[Entry]:
    request: dict[str, Any] = run.get("request") or {}
    asked = (*request.get("asked", ()), *request.get("pending", ()))
    entries = [Entry(some[0]["time"], letta_messages.request_messages(some, run_id)) for some in letta_messages.grouped(asked)]
    answers = letta_messages.grouped(request.get("answers", ()))
    return [*entries, *(Entry(some[0]["time"], [letta_messages.response_message(some, run_id)]) for some in answers)]


def _fitting(found: list[Entry], limit: int, *, from_end: bool) -> list[Entry]:
    """Return as many whole entries as have ``limit`` messages together, one at least."""
    kept: list[Entry] = []
    number = 0
    for entry in reversed(found) if from_end else found:
        if kept and number + len(entry.messages) > limit:
            break
        kept.append(entry)
        number += len(entry.messages)
    return kept[::-1] if from_end else kept


def letta_run(agent_id: str, run: RunItem) -> dict[str, Any]:
    """Return a run as clients see it."""
    return {
        "id": run.id, "agent_id": agent_id, "status": run.status, "background": run.background, "created_at": run.created,
        "completed_at": run.completed or None, "stop_reason": run.stop_reason or None,
        "total_duration_ns": run.usage.get("duration_ms", 0) * 1_000_000, "metadata": {"error": run.error} if run.error else {},
        "conversation_id": run.thread_id if run.thread_id != agent_id else None,
        "request_config": {"use_assistant_message": run.request.get("use_assistant_message", True)},
    }  # fmt: skip


def letta_usage(run: RunItem) -> dict[str, Any]:
    """Return the tokens of a run as clients see them."""
    names = ("completion_tokens", "prompt_tokens", "total_tokens", "step_count", "context_tokens")
    more = ("cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
    return {"message_type": "usage_statistics", **{name: run.usage.get(name, 0) for name in (*names, *more)}, "run_ids": [run.id]}


