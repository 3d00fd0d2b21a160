"""The node that makes one model call, streams what is spoken, and reads the answer."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.errors import ModelError
from memgpt_agent.events import HIDDEN
from memgpt_agent.nodes.answers import Growing, identified, spoken_text, why_unusable, written_calls
from memgpt_agent.nodes.arrivals import alert, apology, remember
from memgpt_agent.nodes.compile_context import stored_blocks
from memgpt_agent.nodes.main_context import compile_prompt
from memgpt_agent.nodes.model_call import ModelCall, PromptTooLong
from memgpt_agent.nodes.model_facts import after_answer, after_refusal
from memgpt_agent.nodes.profile_rules import ended, speech_writer
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.nodes.speech import SpeechStream, reply_id
from memgpt_agent.nodes.tool_rules import called_in
from memgpt_agent.prompts import CUT_OFF_REPLY, NO_ANSWER_REPLY, STILL_REQUIRED
from memgpt_agent.state import AgentState, Turn

MAX_REFUSALS = 3
"""Times in one turn that the provider may refuse the prompt as too long."""


def call_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Call the model once with the compiled prompt; return its answer, and what follows from it.

    Raises:
        ModelError: no model answered. The state is as it was before, so that the turn can go on later.
    """
    step = _Step.of(state, config, runtime, resources)
    if step.session.cut_off_twice:
        return step.given_up()
    try:
        growing = step.call.run()
    except PromptTooLong as refused:
        return step.refused(refused)
    return step.read(growing)


async def acall_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """The same for an asyncio loop, which is never held up."""
    step = await asyncio.to_thread(_Step.of, state, config, runtime, resources)
    if step.session.cut_off_twice:
        return await asyncio.to_thread(step.given_up)
    try:
        growing = await step.call.arun()
    except PromptTooLong as refused:
        return step.refused(refused)
    return await asyncio.to_thread(step.read, growing)


@dataclass
class _Step:
    """One step of a turn: the call that it makes, and what becomes of the answer."""

    session: Session
    state: AgentState
    turn: Turn
    call: ModelCall
    counted: int

    @classmethod
    def of(cls, state: AgentState, config: RunnableConfig, runtime: Runtime[Context], resources: Resources) -> "_Step":
        session = Session.of(runtime, config, resources, state)
        turn = state.get("turn")
        assert turn is not None, "compile_context begins every turn"  # noqa: S101  the graph's wiring says so
        prompt, usage = state.get("prompt"), state.get("context_usage", {})
        if prompt is None:  # not checkpointed: this process took over after another one died
            prompt, usage = compile_prompt(session, state, state["messages"], stored_blocks(session), turn)
        step = turn["step"]
        write = speech_writer(session, turn, runtime.stream_writer)
        speech = SpeechStream(write, lambda nth: reply_id(session.thread_id, turn["id"], step, nth))
        room = session.context.answer_tokens or max(session.answer_tokens, session.window_tokens - usage["total"])
        call = ModelCall(session, prompt, speech, config, room)
        return cls(session, state, turn, call, int(usage["total"] / session.facts["factor"]))

    def given_up(self) -> dict[str, Any]:
        """End the turn: the process died twice in this model call."""
        sorry = apology(CUT_OFF_REPLY, self.session, self.turn)
        return {"messages": sorry, "turn": ended(self.session, self.turn), "prompt": None}

    def refused(self, refused: PromptTooLong) -> dict[str, Any]:
        """Note what the refusal teaches about the window, and let the context be compiled again, smaller."""
        times = self.turn.get("shrunk", 0) + 1
        if times > MAX_REFUSALS:
            raise ModelError(
                f"The provider refused the prompt as too long, also after it was made smaller {MAX_REFUSALS} times: "
                f"{refused.__cause__}. Set context_window_tokens to the model's true window."
            ) from refused
        learned = after_refusal(self.session, self.state, refused.told, self.counted, times)
        return {
            "messages": [], "turn": {**self.turn, "shrunk": times}, "model_facts": learned, "prompt": None,
            "heartbeat_reason": "context_too_long",
        }  # fmt: skip

    def read(self, growing: Growing) -> dict[str, Any]:
        """Decide what an answer means: calls to carry out, a plain-text reply, inner thoughts, or nothing usable."""
        answer, session = growing.message(), self.session
        text, calls = spoken_text(answer.text), growing.calls()
        if not calls and (written := written_calls(text, session.resources.tools.names)):
            text, calls = "", written
        names = self.call.tool_names
        calls = [replace(call, name=names.get(call.name, call.name)) for call in calls]
        message = identified(answer, calls, text, session, self.turn)
        self.call.speech.finish(message)
        turn: Turn = {**self.turn, "step": self.turn["step"] + 1}
        update: dict[str, Any] = {
            "turn": turn,
            "prompt": None,
            **after_answer(session, self.state, answer, self.counted),
        }
        if message.tool_calls:
            return {**update, "messages": [message]}
        problem = why_unusable(text, session.resources.system_prompt, cut_off=growing.cut_off(answer))
        return {**update, **(self._unusable(problem, turn) if problem else self._text(message, turn))}

    def _text(self, message: AIMessage, turn: Turn) -> dict[str, Any]:
        """Plain text is the reply in a user's turn, and an inner thought in every other."""
        spoken = turn["type"] == "user_message"
        if spoken:
            remember(self.session, [message])
        else:
            message = message.model_copy(update={"id": f"{HIDDEN}{message.id}"})
        turn = {**turn, "answered": turn["answered"] or spoken}
        missing = self.session.resources.rules.missing(called_in(turn, self.state["messages"]))
        if missing and turn["step"] < self.session.context.max_steps:
            told = alert(STILL_REQUIRED.format(tools=", ".join(missing)), self.session, turn, "required")
            return {"messages": [message, told], "turn": turn, "heartbeat_reason": "rule"}
        return {"messages": [message], "turn": ended(self.session, turn)}

    def _unusable(self, problem: str, turn: Turn) -> dict[str, Any]:
        """Tell the model what was wrong; after so many times the turn ends with an apology."""
        turn = {**turn, "unusable": turn["unusable"] + 1}
        if (
            turn["unusable"] <= self.session.context.max_unusable_answers
            and turn["step"] < self.session.context.max_steps
        ):
            told = alert(problem, self.session, turn, "unusable")
            return {"messages": [told], "turn": turn, "heartbeat_reason": "unusable_answer"}
        sorry = apology(NO_ANSWER_REPLY, self.session, turn)
        return {"messages": sorry, "turn": ended(self.session, turn)}
