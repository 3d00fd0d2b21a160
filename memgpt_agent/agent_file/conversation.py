"""A conversation's state as JSON and back: the queue's messages, the summary and the registers."""

import json
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.runnables import RunnableConfig

from memgpt_agent.agent_file.document import Conversation
from memgpt_agent.errors import AgentFileError, MemGPTError
from memgpt_agent.events import MARK, Event, Mark, mark_of, with_mark
from memgpt_agent.graph.builder import AgentGraph
from memgpt_agent.memory.checking import check_as
from memgpt_agent.node_names import CALL_LLM, COMPILE_CONTEXT, EXECUTE_TOOLS, SUMMARIZE_OVERFLOW
from memgpt_agent.nodes.sent_memory import UNNAMED
from memgpt_agent.state import HeartbeatReason, ModelFacts, SentMemory, Summary, Turn

_BEFORE: dict[tuple[str, ...], str] = {
    (): EXECUTE_TOOLS,
    (CALL_LLM,): COMPILE_CONTEXT,
    (EXECUTE_TOOLS,): CALL_LLM,
    (SUMMARIZE_OVERFLOW,): COMPILE_CONTEXT,
}
"""The node whose router leads to the pending one, where the state is given back as that node's update."""
_REGISTERS: dict[str, Any] = {
    "event": Event | None, "turn": Turn, "heartbeat_reason": HeartbeatReason | None, "summary": Summary | None,
    "memory_pressure_warned": bool, "prompt_tokens": int, "context_usage": dict[str, int], "model_facts": dict[str, ModelFacts],
    "core_memory": dict[str, str], "sent_memory": dict[str, SentMemory],
}  # fmt: skip
"""What the state holds beside the queue."""
_LEFT_BEHIND = {"agent_id", "turn_notes"}
"""Whose memory the conversation uses is not taken along: the agent may be imported under another id. An earlier version wrote the other."""


def read_conversation(graph: AgentGraph, thread_id: str) -> Conversation | None:
    """Return the state of a thread; ``None`` if nothing was said in it.

    Raises:
        AgentFileError: it stands at a step that cannot be taken up elsewhere.
    """
    snapshot = graph.get_state(_config(thread_id))
    if not snapshot.values:
        return None
    if _node_before(tuple(snapshot.next), snapshot.values) is None:
        raise AgentFileError(
            f"The conversation {thread_id!r} is in the middle of a turn ({', '.join(snapshot.next)}). "
            "Let it finish, or give it up with end_turn(), and export again."
        )
    values: dict[str, Any] = {name: _as_json(value) for name, value in snapshot.values.items() if name not in _LEFT_BEHIND}
    if "turn" in values:
        values["sent_memory"] = _of_nobody(values.pop("sent_memory", None) or {}, values["turn"])
        values["turn"] = _without_agent(values["turn"])
    try:
        json.dumps(values)
    except (TypeError, ValueError) as error:
        raise AgentFileError(f"The state of {thread_id!r} cannot be written as JSON: {error}.") from error
    return Conversation(next=list(snapshot.next), values=values)


def check_conversation(thread_id: str, conversation: Conversation, name: str) -> dict[str, Any]:
    """Return the state's values as the graph takes them.

    Raises:
        AgentFileError: a message, its mark or a register cannot be read, or the pending step is unknown.
    """
    values = {name: value for name, value in conversation.values.items() if name not in _LEFT_BEHIND}
    messages = values.get("messages", [])
    try:
        values["messages"] = messages_from_dict(messages)
    except Exception as error:  # pydantic, KeyError, ValueError, TypeError: whatever a foreign dict leads to
        raise AgentFileError(f"{name}: the messages of thread {thread_id!r} cannot be read: {error}.") from error
    if any(not message.id for message in values["messages"]):
        raise AgentFileError(f"{name}: a message of thread {thread_id!r} has no id.")
    for place, message in enumerate(values["messages"]):
        check_as(Mark, mark_of(message), f"{name}: threads.{thread_id}.values.messages.{place}.{MARK}")
    # The agent may get another id here: what names none is its own.
    values["messages"] = [_unsigned(m) for m in values["messages"]]
    if isinstance(values.get("turn"), dict):
        values["turn"] = _without_agent(values["turn"])
    for register, kind in _REGISTERS.items():
        if register in values:
            check_as(kind, values[register], f"{name}: threads.{thread_id}.values.{register}")
    if _node_before(tuple(conversation.next), values) is None:
        raise AgentFileError(f"{name}: thread {thread_id!r} stands at an unknown step: {', '.join(conversation.next)}.")
    return values


def _unsigned(message: BaseMessage) -> BaseMessage:
    mark = mark_of(message)
    return with_mark(message, cast(Mark, _without_agent(mark))) if mark else message


def _of_nobody(sent: Mapping[str, Any], turn: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the system message shows of the memory of the turn's agent, as that of whoever goes on with the conversation."""
    own = sent.get(turn.get("agent", ""))
    return {UNNAMED: own} if own else {}


def _without_agent(noted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in noted.items() if name not in {"agent", "also"}}


def write_conversation(graph: AgentGraph, thread_id: str, values: dict[str, Any], pending: list[str]) -> None:
    """Make these values the state of a thread, with the same step pending.

    Raises:
        AgentFileError: the graph cannot take them.
    """
    try:
        graph.update_state(_config(thread_id), values, as_node=_node_before(tuple(pending), values))
    except MemGPTError:
        raise
    except Exception as error:  # whatever LangGraph and the routers make of values that another program wrote
        raise AgentFileError(
            f"The state of thread {thread_id!r} cannot be taken up: {type(error).__name__}: {error}."
        ) from error


def _node_before(pending: tuple[str, ...], values: dict[str, Any]) -> str | None:
    if pending == (COMPILE_CONTEXT,):
        return EXECUTE_TOOLS if values.get("heartbeat_reason") else SUMMARIZE_OVERFLOW
    if pending == () and values.get("heartbeat_reason"):
        return None
    return _BEFORE.get(pending)


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


def _as_json(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return message_to_dict(_unsigned(value))
    if isinstance(value, list):
        return [_as_json(one) for one in cast(list[Any], value)]
    return value
