"""The node that carries out the tool calls of an answer, in order, and decides whether the agent gets another step."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command

from memgpt_agent.config import Context
from memgpt_agent.errors import InvalidArguments, ToolError
from memgpt_agent.events import MARK, Mark, mark_of
from memgpt_agent.memory.core import Cause
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.main_context import QueueView
from memgpt_agent.memory.recall import Message
from memgpt_agent.nodes.answers import is_echo
from memgpt_agent.nodes.approval import ask
from memgpt_agent.nodes.arrivals import alert, call_key, spoken_lines
from memgpt_agent.nodes.call_llm import apology
from memgpt_agent.nodes.profile_rules import ended, is_draft
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.nodes.speech import reply_id
from memgpt_agent.nodes.tool_rules import called_in, refusal
from memgpt_agent.prompts import (
    CHECK_ANSWER,
    ECHO,
    EDITED,
    INVALID_CALL,
    NO_ANSWER_REPLY,
    REPEATED,
    REPEATED_REPLY,
    STEP_LIMIT_REPLY,
    STILL_REQUIRED,
    UNANSWERED,
)
from memgpt_agent.state import AgentState, HeartbeatReason, Turn
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS
from memgpt_agent.tools.messages import SEND_MESSAGE, SENT
from memgpt_agent.tools.registry import ParsedCall, parse_call, validated
from memgpt_agent.tools.rules import Called

PIECE_SHARE = 0.2
"""A tool that reads on in a text shows this share of the budget at once: less than what one result may fill."""
TOLD_AFTER = 3
"""The model is told that it repeats itself when the same call has failed so often in a turn."""
GIVE_UP_AFTER = 5
"""The turn ends when the same call has failed so often in it."""


def execute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Carry out the calls of the newest answer one after another; return their results and what follows."""
    step = _Step.of(state, Session.of(runtime, config, resources, state), runtime.stream_writer)
    for job in step.jobs():
        if job.foreign:
            job.take(ToolNode([job.foreign], handle_tool_errors=_explain).invoke(job.request(state), config))
    return step.update()


async def aexecute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """The same for an asyncio loop, which is never held up."""
    session = await asyncio.to_thread(Session.of, runtime, config, resources, state)
    step = await asyncio.to_thread(_Step.of, state, session, runtime.stream_writer)
    jobs = step.jobs()
    while (job := await asyncio.to_thread(next, jobs, None)) is not None:
        if job.foreign:
            job.take(await ToolNode([job.foreign], handle_tool_errors=_explain).ainvoke(job.request(state), config))
    return await asyncio.to_thread(step.update)


def _unread(answer: AIMessage) -> dict[str, str]:
    return cast(dict[str, str], cast(Any, mark_of(answer)).get("unread", {}))


def _said(call: ToolCall, unread: dict[str, str]) -> tuple[str, str]:
    """What makes two calls the same one: the tool and its arguments, also those that could not be read."""
    own = {k: v for k, v in call["args"].items() if k not in CONTROL_ARGUMENTS}
    return call["name"], unread.get(call["id"] or "", json.dumps(own, sort_keys=True, default=str))


def _explain(error: Exception) -> str:
    if isinstance(error, GraphBubbleUp):
        raise error
    return f"{type(error).__name__}: {error}"


@dataclass
class _Job:
    """One tool call on its way: read, carried out, noted."""

    call: ToolCall
    parsed: ParsedCall
    key: str
    foreign: Any = None
    text: str = ""
    failed: bool = False
    done_before: bool = False
    edited: bool = False
    times_failed: int = 0

    def request(self, state: AgentState) -> dict[str, Any]:
        """What LangGraph's tool node is invoked with for this call alone."""
        only = AIMessage("", tool_calls=[{**self.call, "args": self.parsed.arguments}])
        return {**state, "messages": [*state["messages"][:-1], only]}

    def take(self, result: Any) -> None:
        """Note what the tool node returned.

        **Limits**: of a ``Command`` only the tool message is taken; its other updates and its target are not followed.
        """
        found: list[Any] = [result] if isinstance(result, dict) else [c.update or {} for c in result if isinstance(c, Command)]
        said = [m for update in found for m in update.get("messages", []) if isinstance(m, ToolMessage)]
        self.text, self.failed = (said[-1].text, said[-1].status == "error") if said else ("", False)


@dataclass
class _Step:
    """The calls of one answer, and what came of them."""

    session: Session
    turn: Turn
    queue: list[AnyMessage]
    answer: AIMessage
    write: Callable[[Any], None]
    view: QueueView
    done: list[_Job] = field(default_factory=list[_Job])

    @classmethod
    def of(cls, state: AgentState, session: Session, write: Callable[[Any], None]) -> "_Step":
        answer = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage) and m.tool_calls)
        turn = state.get("turn")
        assert turn is not None, "compile_context begins every turn"  # noqa: S101  the graph's wiring says so
        queue = QueueView(
            session.thread_id, state["messages"], int(session.budget_tokens * PIECE_SHARE), session.counter.truncate
        )
        session = replace(session, memory=replace(session.memory, queue=queue))
        return cls(session, turn, state["messages"], answer, write, queue)

    @property
    def unread(self) -> dict[str, str]:
        """Of the calls whose arguments could not be read: why, by the call's id."""
        return _unread(self.answer)

    def jobs(self) -> Iterator[_Job]:
        """Yield each call in order; a memory tool is carried out already, a foreign one is left to the caller."""
        unread = self.unread
        for ordinal, call in enumerate(self.answer.tool_calls):
            key = call_key(self.session.thread_id, self.turn, ordinal, call)
            job = _Job(call, parse_call(call["args"]), key)
            known = self.session.memory.journal.get([key]).get(key)
            forbidden = self._forbidden(job) if self.session.resources.rules and call["id"] not in unread else ""
            if known:  # this very call was carried out before: the process died, or the step is replayed
                job.text = SENT if known.role == "assistant" else known.text  # of what was spoken, recall holds the words
                job.failed, job.done_before = known.failed, True
                self._change_queue_again(job)
            elif call["id"] in unread:
                job.text, job.failed = INVALID_CALL.format(error=unread[call["id"] or ""]), True
            elif forbidden:
                job.text, job.failed = forbidden, True
            else:
                self._act(job)
            yield job
            self._note(job, ordinal)

    def _forbidden(self, job: _Job) -> str:
        """Return why a rule or a person forbids a call; empty where it may be carried out, with the arguments as they were edited.

        Of a call that was carried out before, the decision is looked up again: LangGraph finds decisions by their order.
        """
        name, rules = job.call["name"], self.session.resources.rules
        refused = refusal(self.session, name, self._called())
        if refused or not rules.needs_approval(name):
            return refused
        try:
            validated(self.session.resources.tools.get(name), job.parsed.arguments)
        except ToolError as error:
            return str(error)
        decision = ask(name, job.parsed.arguments, job.call["id"] or "", job.parsed.thinking)
        if decision.arguments is not None:
            job.parsed, job.edited = replace(job.parsed, arguments=decision.arguments), True
        return decision.refusal if decision.type == "reject" else ""

    def _called(self) -> list[Called]:
        here = [Called(job.call["name"], job.text, job.failed) for job in self.done]
        return [*called_in(self.turn, self.queue), *here]

    def _act(self, job: _Job) -> None:
        name, arguments = job.call["name"], job.parsed.arguments
        if is_draft(self.session, self.turn, name, arguments):
            job.text, job.failed = CHECK_ANSWER, True
            return
        try:
            tool = self.session.resources.tools.get(name)
            if tool.act is None:
                validated(tool, arguments)
                job.foreign = tool.tool
                return
            if name == SEND_MESSAGE and is_echo(str(arguments.get("message", "")), self.session.resources.system_prompt):
                raise InvalidArguments(ECHO)
            cause = Cause(job.key, self.session.resources.profile.actor, name, job.parsed.thinking, self.turn["id"])
            job.text = self.session.resources.tools.act_on_memory(name, self.session.memory.because(cause), arguments)
        except ToolError as error:
            job.text, job.failed = str(error), True

    def _change_queue_again(self, job: _Job) -> None:
        """Of a call that was carried out before, what it did to the queue is done again: the queue is not in the store."""
        names = self.session.resources.tools.names
        if not job.failed and job.call["name"] in names and self.session.resources.tools.get(job.call["name"]).edits_queue:
            self._act(job)

    def _note(self, job: _Job, ordinal: int) -> None:
        """Keep the call and its result in recall memory; what was spoken is kept as the assistant's words."""
        self.done.append(job)
        if job.edited and not job.done_before:
            job.text = EDITED.format(arguments=json.dumps(job.parsed.arguments, ensure_ascii=False, default=str), result=job.text)
        if job.failed:
            self._count_failures(job)
        if job.call["name"] == SEND_MESSAGE and job.failed and job.parsed.arguments.get("message") and job.text != CHECK_ANSWER:
            self.write({"reply_id": self._reply_id(ordinal), "withdrawn": job.text})
        if job.done_before:
            return
        spoken = job.call["name"] == SEND_MESSAGE and not job.failed
        tools = self.session.resources.tools
        reads = job.call["name"] in tools.names and tools.get(job.call["name"]).reads_memory
        record = Message(
            id=job.key, role="assistant" if spoken else "tool",
            text=str(job.parsed.arguments["message"]) if spoken else job.text,
            time=stamp(self.session.resources.clock()), thread_id=self.session.thread_id, turn=self.turn["id"],
            ordinal=ordinal, tool="" if spoken else job.call["name"],
            arguments="" if spoken else json.dumps(job.parsed.arguments, ensure_ascii=False, default=str),
            failed=job.failed, echo=(reads and not job.failed) or job.text == CHECK_ANSWER, thinking=job.parsed.thinking,
        )  # fmt: skip
        lines = spoken_lines(self.queue)[-2:] if spoken else ()
        self.session.memory.store.batch([self.session.memory.journal.put_operation(record, lines)])

    def update(self) -> dict[str, Any]:
        """Return the state's update: results and replies in order, and why the agent goes on, or that the turn is over."""
        messages: list[Any] = []
        for ordinal, job in enumerate(self.done):
            messages.append(self._result(job))
            if job.call["name"] == SEND_MESSAGE and not job.failed:
                messages.append(self._reply(job, ordinal))
        answered = self.turn["answered"] or any(mark_of(m).get("kind") == "reply" for m in messages)
        turn: Turn = {**self.turn, "answered": answered}
        if any(job.text == CHECK_ANSWER for job in self.done):
            turn["checked"] = True
        reason = self._reason()
        waiting = turn["type"] == "user_message" and not answered
        if reason is None and waiting and not turn["reminded"]:
            reason, turn["reminded"] = "unanswered", True
            messages.append(alert(UNANSWERED, self.session, turn, "unanswered"))
        if reason is None and (missing := self.session.resources.rules.missing(self._called())):
            reason = "rule"
            messages.append(alert(STILL_REQUIRED.format(tools=", ".join(missing)), self.session, turn, "required"))
        stuck = max((job.times_failed for job in self.done), default=0)
        if stuck >= GIVE_UP_AFTER:
            messages += apology(REPEATED_REPLY.format(times=stuck), self.session, turn)
            reason = None
        elif turn["step"] >= self.session.context.max_steps:
            messages += apology(STEP_LIMIT_REPLY.format(steps=self.session.context.max_steps), self.session, turn)
            reason = None
        elif reason is None:
            messages += apology(NO_ANSWER_REPLY, self.session, turn)
        messages += self.view.changes
        turn["over"] = False
        if reason is None:
            messages, turn = self._reply_last(messages), ended(self.session, turn)
        return {"messages": messages, "turn": turn, "heartbeat_reason": reason}

    def _count_failures(self, job: _Job) -> None:
        """Count how often this very call has failed in this turn; from the third time on the model is told so plainly."""
        wanted = _said(job.call, self.unread)
        past = {c["id"]: _said(c, _unread(m)) for m in self.queue if isinstance(m, AIMessage) for c in m.tool_calls}
        failed = [
            m.tool_call_id for m in self.queue
            if isinstance(m, ToolMessage) and m.status == "error" and mark_of(m).get("turn") == self.turn["id"]
        ]  # fmt: skip
        here = sum(other.failed and _said(other.call, self.unread) == wanted for other in self.done)
        job.times_failed = here + sum(past.get(call_id) == wanted for call_id in failed)
        if job.times_failed >= TOLD_AFTER and not job.done_before:
            job.text += REPEATED.format(times=job.times_failed)

    def _reason(self) -> HeartbeatReason | None:
        tools = self.session.resources.tools
        if any(job.failed for job in self.done):
            return "tool_failed"
        rules = self.session.resources.rules
        if any(tools.get(job.call["name"]).ends_turn or rules.ends(job.call["name"]) for job in self.done):
            return None
        if any(job.parsed.request_heartbeat or rules.goes_on(job.call["name"]) for job in self.done):
            return "requested"
        return "memory_read" if all(tools.get(job.call["name"]).reads_memory for job in self.done) else None

    def _result(self, job: _Job) -> ToolMessage:
        mark = Mark(kind="result", time=stamp(self.session.resources.clock()), turn=self.turn["id"])
        return ToolMessage(
            job.text, id=job.key, name=job.call["name"], tool_call_id=job.call["id"] or "",
            status="error" if job.failed else "success", additional_kwargs={MARK: mark},
        )  # fmt: skip

    def _reply(self, job: _Job, ordinal: int) -> AIMessage:
        """What was spoken, as the plain message that chat clients, chains and protocols expect."""
        mark = Mark(kind="reply", time=stamp(self.session.resources.clock()), turn=self.turn["id"], call_id=job.call["id"] or "")
        return AIMessage(str(job.parsed.arguments["message"]), id=self._reply_id(ordinal), additional_kwargs={MARK: mark})

    def _reply_id(self, ordinal: int) -> str:
        step = self.turn["step"] - 1  # the step in which the model spoke; the count has moved on since
        return reply_id(self.session.thread_id, self.turn["id"], step, ordinal)

    def _reply_last(self, messages: list[Any]) -> list[Any]:
        """Move the turn's last reply behind everything else, so that it is ``messages[-1]``."""
        new = [m for m in messages if mark_of(m).get("kind") == "reply"]
        old = [m for m in self.queue if mark_of(m).get("kind") == "reply" and mark_of(m).get("turn") == self.turn["id"]]
        if new:
            return [*(m for m in messages if m is not new[-1]), new[-1]]
        return [*messages, RemoveMessage(id=str(old[-1].id)), old[-1]] if old else messages
