"""One tool call of a LangChain agent: keyed by its cause, run in order, and kept in recall memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.types import Command

from memgpt_agent.events import Mark
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Cause
from memgpt_agent.memory.dates import stamp
from memgpt_agent.middleware.conversation import keep_result, noted
from memgpt_agent.middleware.state import MiddlewareRegisters
from memgpt_agent.nodes.receiving import call_key, no_turn
from memgpt_agent.nodes.session import Session, key_of
from memgpt_agent.state import Turn
from memgpt_agent.tools.definition import AgentTool


@dataclass(frozen=True)
class MadeCall:
    """A call that the agent's model has made."""

    session: Session
    """The session of its hook."""
    given: ToolCall
    """The call."""
    key: str
    """Names it in memory: the same in every process and replay."""
    ordinal: int
    """Its place in the answer."""
    turn: Turn
    """The running turn."""
    tool: AgentTool | None
    """The memory tool that is called; ``None`` for a tool of the agent's own."""
    before: tuple[str, ...]
    """The keys of the memory edits before it in the same answer that have no result yet."""

    @classmethod
    def of(
        cls, session: Session, given: ToolCall, registers: MiddlewareRegisters, messages: Sequence[AnyMessage], *, stateless: bool
    ) -> "MadeCall":
        """Read the call in its answer. Where nothing is checkpointed no call is ever replayed, and one that looks the same is another."""
        turn = registers.get("turn") or no_turn()
        answers = [m for m in messages if isinstance(m, AIMessage) and any(c["id"] == given["id"] for c in m.tool_calls)]
        calls = answers[-1].tool_calls if answers else [given]
        ordinal = next(nth for nth, call in enumerate(calls) if call["id"] == given["id"])
        answer_id = str(answers[-1].id) if answers and stateless else ""

        def key_of_call(nth: int, call: ToolCall) -> str:
            key = call_key(session.thread_id, turn, nth, call)
            return key_of(key, answer_id) if answer_id else key

        tools = session.resources.tools
        tool = tools.get(given["name"]) if given["name"] in tools.names else None
        have = {m.tool_call_id for m in messages if isinstance(m, ToolMessage)}
        before: tuple[str, ...] = ()
        if tool is not None and not tool.reads_memory:
            edits = [
                key_of_call(nth, call) for nth, call in enumerate(calls[:ordinal])
                if call["name"] in tools.names and not tools.get(call["name"]).reads_memory and call["id"] not in have
            ]  # fmt: skip
            known = session.memory.journal.get(edits) if edits else {}
            before = tuple(key for key in edits if key not in known)
        return cls(session, given, key_of_call(ordinal, given), ordinal, turn, tool, before)

    @property
    def memory(self) -> AgentMemory:
        """The memory, acted on because of this call."""
        return self.session.memory.because(
            Cause(self.key, self.session.resources.profile.actor, self.given["name"], "", self.turn["id"])
        )

    def done_before(self) -> ToolMessage | None:
        """Return the result of a memory tool's call that was carried out by a process that died since."""
        record = self.session.memory.journal.get([self.key]).get(self.key) if self.tool else None
        if record is None:
            return None
        result = ToolMessage(
            record.text, name=self.given["name"], tool_call_id=self.given["id"] or "", status="error" if record.failed else "success"
        )
        return self._marked(result)

    def note(self, result: Any) -> Any:
        """Keep the outcome of the call in recall memory, and return it under the id by which recall knows it."""
        if isinstance(result, ToolMessage):
            return self._kept(result)
        if isinstance(result, list):
            return [self.note(item) for item in cast(list[Any], result)]
        if isinstance(result, Command):
            command = cast(Command[Any], result)
            update = cast(dict[str, Any], command.update) if isinstance(command.update, dict) else {}
            messages = update.get("messages")
            if isinstance(messages, list):
                noted = [self.note(m) if isinstance(m, ToolMessage) else m for m in cast(list[Any], messages)]
                return replace(command, update={**update, "messages": noted})
        return cast(Any, result)

    def _kept(self, result: ToolMessage) -> ToolMessage:
        if result.tool_call_id != self.given["id"]:
            return result
        result = self._marked(result)
        key, arguments = str(result.id), dict(self.given["args"])
        echo = self.tool is not None and self.tool.reads_memory and result.status != "error"
        keep_result(self.session, result, arguments, key, self.turn["id"], ordinal=self.ordinal, echo=echo)
        return result

    def _marked(self, result: ToolMessage) -> ToolMessage:
        mark = Mark(kind="result", time=stamp(self.session.resources.clock()), turn=self.turn["id"])
        return cast(ToolMessage, noted(result.model_copy(update={"id": result.id or self.key}), mark, self.session.agent))
