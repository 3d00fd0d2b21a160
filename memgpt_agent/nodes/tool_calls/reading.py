"""Reading what a foreign tool returned: its text, and whatever else LangGraph's tools may return."""

import json
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langgraph.graph import END
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, Send

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import EventType, Mark, mark_of, with_mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.nodes.session import key_of
from memgpt_agent.nodes.tool_calls.returned import Returned
from memgpt_agent.nodes.tool_calls.step import Call, Outcome, Step
from memgpt_agent.prompts import WITHOUT_TEXT
from memgpt_agent.text.cleaning import clean_content

_EVENT_TYPES: dict[type[BaseMessage], EventType] = {HumanMessage: "user_message", SystemMessage: "system_alert"}
"""The messages that a tool may add as events of the turn, and each one's type of event."""


def read_returned(step: Step, call: Call, returned: Any) -> Outcome:
    """Return the outcome of a call from the result of LangGraph's tool node.

    Parts that cannot be honoured are left out and named in the outcome's ``refused``, for the developer: the call itself was carried out.
    """
    reader = _ReturnReader(step, call)
    for item in cast(list[Any], returned if isinstance(returned, list) else [returned]):
        reader.read(item)
    return reader.outcome()


class _ReturnReader:
    """Gathers the items of a result."""

    def __init__(self, step: Step, call: Call) -> None:
        self._step, self._call = step, call
        self._texts: list[str] = []
        self._failed = False
        self._beyond = Returned()
        self._refused: list[str] = []

    def read(self, item: Any) -> None:
        """Add an update of the messages, or a command."""
        if not isinstance(item, Command):
            self._messages(cast(dict[str, Any], item)["messages"])
            return
        command = cast(Command[Any], item)
        goto = [command.goto] if isinstance(command.goto, str | Send) else list(command.goto)
        if command.graph == Command.PARENT:
            self._hand_off(goto, command.update)
        elif command.graph is not None:
            self._refuse(f"Command(graph={command.graph!r}); give none, or Command.PARENT")
        else:
            self._update(command.update)
            self._beyond.ends = self._beyond.ends or END in goto
            if others := [place for place in goto if place != END]:
                self._refuse(
                    f"Command(goto={others[0]!r}); the agent's own nodes are not to be gone to. For a node of the graph around it, "
                    "add graph=Command.PARENT"
                )

    def outcome(self) -> Outcome:
        """Return the gathered outcome."""
        text = "\n".join(text for text in self._texts if text)
        try:
            self._beyond.encoded()
        except TypeError as error:
            self._refuse(f"an artifact or an update that no checkpoint can hold ({error}); return plain data")
            self._beyond = Returned(self._beyond.blocks, messages=self._beyond.messages, ends=self._beyond.ends)
        if not text and self._beyond.blocks:
            kinds = ", ".join(dict.fromkeys(str(b.get("type", "block")) for b in self._beyond.blocks))
            text = WITHOUT_TEXT.format(kinds=kinds)
        direct = self._step.session.resources.tools.get(self._call.name).ends_turn and not self._failed
        return Outcome(
            text, self._failed, said=text if direct else "", beyond=self._beyond, refused="; ".join(self._refused)
        )

    def _update(self, given: Any) -> None:
        """Add the update of a command for this graph."""
        if given is not None and not isinstance(given, dict):
            self._refuse(f"Command(update={type(given).__name__}); give a dict")
            return
        for key, value in cast(dict[str, Any], given or {}).items():
            if key == "messages":
                self._messages(value)
            elif key in self._step.session.resources.state_keys:
                self._beyond.update[key] = value
            else:
                known = ", ".join(["messages", *sorted(self._step.session.resources.state_keys)])
                self._refuse(f"an update of {key!r}; a tool may update: {known}. Others are added by create_graph(state_schema=...)")

    def _messages(self, given: Any) -> None:
        listed = cast(list[Any], given if isinstance(given, list) else [given])
        for place, message in enumerate(convert_to_messages(listed)):
            if isinstance(message, ToolMessage):
                self._result(message)
            elif isinstance(message, RemoveMessage):
                self._removal(message)
            elif isinstance(message, AIMessage) and message.tool_calls:
                self._refuse("an AIMessage with tool calls; only the agent's model calls its tools")
            else:
                self._add(message, place)

    def _result(self, message: ToolMessage) -> None:
        if message.tool_call_id != self._call.id:
            self._refuse(f"a ToolMessage for another call, {message.tool_call_id!r}")
            return
        content = clean_content(message.content)
        self._texts.append(str(message.model_copy(update={"content": content}).text))
        self._failed = self._failed or message.status == "error"
        if not isinstance(content, str):
            blocks = cast(list[Any], content)
            self._beyond.blocks += [b for b in blocks if not isinstance(b, str) and b.get("type") != "text"]
        if message.artifact is not None:
            self._beyond.artifact = message.artifact

    def _removal(self, message: RemoveMessage) -> None:
        own = {m.id for m in self._step.queue if mark_of(m).get("turn") != self._step.turn["id"]}
        if message.id in own:
            self._beyond.messages.append(message)
        else:
            self._refuse(f"RemoveMessage({message.id!r}); there is no such message of an earlier turn in the queue")

    def _add(self, message: BaseMessage, place: int) -> None:
        turn, now = self._step.turn["id"], stamp(self._step.session.resources.clock())
        kind = next((name for message_type, name in _EVENT_TYPES.items() if isinstance(message, message_type)), "")
        mark = Mark(kind="history", time=now, turn=turn)
        if kind:
            mark = cast(Mark, {**mark, "kind": "event", "type": kind, "sender": self._call.name})
        message_id = message.id or key_of(self._call.key, place, len(self._beyond.messages))
        cleaned = message.model_copy(update={"id": message_id, "content": clean_content(message.content)})
        self._beyond.messages.append(with_mark(cleaned, mark))

    def _hand_off(self, goto: Sequence[Any], update: Any) -> None:
        """Add a command for the parent graph: its tool message is the result, all of its update goes to the parent."""
        messages: Any = cast(dict[str, Any], update).get("messages", []) if isinstance(update, dict) else []
        for message in convert_to_messages(cast(list[Any], messages) if isinstance(messages, list) else [messages]):
            if isinstance(message, ToolMessage) and message.tool_call_id == self._call.id:
                self._result(message)
        if not self._step.nested:
            self._refuse("Command(graph=Command.PARENT), but the agent runs in no parent graph; add it as a node of one")
            return
        if not self._texts:
            self._texts.append(json.dumps({"handed_over_to": [str(place) for place in goto]}))
        self._beyond.handoffs.append({"goto": list(goto), "update": update, "call": self._call.id})

    def _refuse(self, what: str) -> None:
        self._refused.append(what)


def unfit(returned: Any, call_id: str) -> str:
    """Return what LangGraph's tool node would drop of a tool's own return value, or blame on the model; empty if there is nothing."""
    items = cast(list[Any], returned) if isinstance(returned, list | tuple) else [returned]
    commands: list[Command[Any]] = [item for item in items if isinstance(item, Command)]
    if not commands:
        return ""
    if any(command.resume is not None for command in commands):
        return "Command(resume=...); whoever runs the graph answers a question, not a tool"
    if isinstance(returned, tuple) or any(not isinstance(item, Command | ToolMessage) for item in items):
        return 'a Command beside other values; return it alone, with the text as a ToolMessage in its update["messages"]'
    given = [item for item in items if isinstance(item, ToolMessage)]
    for command in commands:
        messages: Any = cast(dict[str, Any], command.update).get("messages", []) if isinstance(command.update, dict) else []
        if isinstance(command.update, list) or not isinstance(messages, list):
            return 'a Command whose update is not a dict with a list of messages; give Command(update={"messages": [...]})'
        given += [m for m in convert_to_messages(cast(list[Any], messages)) if isinstance(m, ToolMessage)]
        if messages == [RemoveMessage(id=REMOVE_ALL_MESSAGES)]:
            return ""  # read_returned says what cannot be removed
    results = sum(message.tool_call_id == call_id for message in given)
    updates = any(command.graph is None and command.update is not None for command in commands)
    if not results and (updates or isinstance(returned, list)):
        return 'a Command without the result of its call; add ToolMessage(text, tool_call_id=runtime.tool_call_id) to update["messages"]'
    return f"{results} results of one call; give one ToolMessage" if results > 1 and isinstance(returned, list) else ""


def refuse(call: Call, outcome: Outcome) -> None:
    """Report to the developer the parts of a tool's result that cannot be honoured.

    Raises:
        ConfigurationError: there is such a thing.
    """
    if outcome.refused:
        raise ConfigurationError(f"The tool {call.name!r} returned {outcome.refused}. The call was carried out; its result is kept.")
