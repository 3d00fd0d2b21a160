"""The node that makes one model call, streams the reply, and reads the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.errors import ModelError
from memgpt_agent.events import HIDDEN, MARK, Mark, mark_of
from memgpt_agent.faces import ON_LOOP, SYNC, Face, finished
from memgpt_agent.memory.dates import stamp
from memgpt_agent.models.dialects.schemas import own_keys
from memgpt_agent.models.failures import is_filtered
from memgpt_agent.models.stops import WINDOW_FULL, Stop
from memgpt_agent.models.too_long import TooLong
from memgpt_agent.nodes import structuring
from memgpt_agent.nodes.answers import identified, says_nothing, unstripped_text, why_unusable
from memgpt_agent.nodes.compile_context import stored_blocks
from memgpt_agent.nodes.continuing import (
    ask_for_rest,
    cut_short,
    joined,
    kept,
    may_go_on,
    partial_of,
    spoken_in,
    without_request,
)
from memgpt_agent.nodes.main_context import compile_prompt, squeeze
from memgpt_agent.nodes.model_call import ContentRefused, ModelCall, PromptTooLong
from memgpt_agent.nodes.model_facts import after_answer, after_refusal
from memgpt_agent.nodes.other_agents import signed, view_of_agent
from memgpt_agent.nodes.profile_rules import called_in, ended, speech_writer, still_required, unheard
from memgpt_agent.nodes.reading import ReadCall, clean, letters, own_name
from memgpt_agent.nodes.receiving import alert, apology, remember
from memgpt_agent.nodes.refused_parts import names_of, reductions, withheld_event
from memgpt_agent.nodes.reply_stream import Speaker
from memgpt_agent.nodes.session import Resources, Session, key_of, name_of, turn_key
from memgpt_agent.nodes.speech import SpeechStream, reply_id, speaks
from memgpt_agent.nodes.streaming_answer import StreamingAnswer
from memgpt_agent.nodes.token_usage import usage_of, with_usage
from memgpt_agent.nodes.written_calls import Written, written_calls
from memgpt_agent.prompts import (
    CUT_CALL,
    CUT_OFF_REPLY,
    LEFT_OUT_NOTICE,
    NO_ANSWER_REPLY,
    PAUSED,
    PAUSED_REPLY,
    REFUSED_MIDWAY,
    REFUSED_REASON,
    REFUSED_REPLY,
    STILL_REQUIRED,
)
from memgpt_agent.state import AgentState, Turn
from memgpt_agent.tools.messages import SEND_MESSAGE

_REASON_CHARS = 300
MAX_REFUSALS = 3
"""How often in one turn the provider may refuse the prompt as too long."""


def call_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Call the model once with the compiled prompt; return its answer and what follows from it.

    Raises:
        ModelError: no model answered. The state is unchanged, so that the turn can go on later.
    """
    return finished(_called(SYNC, state, config, runtime, resources))


async def acall_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Async form, which never blocks the event loop."""
    return await _called(ON_LOOP, state, config, runtime, resources)


async def _called(
    face: Face, state: AgentState, config: RunnableConfig, runtime: Runtime[Context], resources: Resources
) -> dict[str, Any]:
    step = await face.call(_Step.of, state, config, runtime, resources)
    try:
        return signed(await _answered(face, step), step.session)
    finally:
        step.speaker.close()


async def _answered(face: Face, step: "_Step") -> dict[str, Any]:
    if step.session.cut_off_twice:
        return await face.call(step.given_up)
    try:
        growing = await step.call.answer(face)
    except PromptTooLong as refused:
        return step.refused(refused)
    except ContentRefused as refused:
        return await _without_what_is_refused(face, step, refused)
    except ModelError:
        if step.partial is None:
            raise
        return await face.call(step.give_up_rest, step.partial)
    return {**step.call.updates, **await face.call(step.read, growing)}


async def _without_what_is_refused(face: Face, step: "_Step", refused: ContentRefused) -> dict[str, Any]:
    """Try smaller prompts; if the provider accepts none, change nothing and raise the refusal."""
    if is_filtered(refused.refusal):
        return await face.call(step.filtered, refused)
    for marked in reductions(step.state["messages"], step.turn, refused.refusal):
        smaller = await face.call(step.without, marked, refused)
        try:
            return await face.call(smaller.read, await smaller.call.answer(face))
        except PromptTooLong as too_long:
            return smaller.refused(too_long)
        except ContentRefused:
            continue
    raise refused.failure from refused.refusal


@dataclass
class _Step:
    """One step of a turn: its model call, and the handling of the answer."""

    session: Session
    state: AgentState
    turn: Turn
    call: ModelCall
    counted: int
    partial: AIMessage | None
    """The reply that this call should complete."""
    write: Callable[[Any], None]
    """Writes the reply to the stream."""
    speaker: Speaker
    """The writer of the stream; closed with the step."""
    left_out: tuple[AnyMessage, ...] = ()
    """The marked messages of which the provider refused a part, followed by the notice to the user."""

    @classmethod
    def of(cls, state: AgentState, config: RunnableConfig, runtime: Runtime[Context], resources: Resources) -> "_Step":
        session = Session.of(runtime, config, resources, state)
        state, _ = view_of_agent(state, session)
        turn = state.get("turn")
        assert turn is not None, "compile_context begins every turn"  # noqa: S101  the graph's wiring says so
        prompt, usage = state.get("prompt"), state.get("context_usage", {})
        if prompt is None:  # not checkpointed: this process took over after another one died
            prompt, usage = compile_prompt(session, state, state["messages"], stored_blocks(session), turn)
        step = turn["step"]
        speaker = Speaker(runtime.stream_writer, config)
        write = speech_writer(session, turn, speaker)
        partial = partial_of(turn, state["messages"])
        speech = SpeechStream(unheard if partial else write, lambda nth: reply_id(session.thread_id, turn_key(turn), step, nth))
        room = session.context.answer_tokens or max(session.answer_tokens, session.window_tokens - usage["total"])
        asked = structuring.in_its_format(session) if turn.get("structuring") else session
        call = ModelCall(asked, prompt, speech, config, room, state=state)
        return cls(session, state, turn, call, int(usage["total"] / session.facts["factor"]), partial, write, speaker)

    def given_up(self) -> dict[str, Any]:
        """End the turn: the process died twice in this model call."""
        sorry = apology(CUT_OFF_REPLY, self.session, self.turn)
        return {"messages": sorry, "turn": ended(self.session, self.turn), "prompt": None}

    def refused(self, refused: PromptTooLong) -> dict[str, Any]:
        """Note what the refusal says about the window, and have the context compiled again, smaller."""
        times = self.turn.get("shrunk", 0) + 1
        if times > MAX_REFUSALS:
            raise ModelError(
                f"The provider refused the prompt as too long, also after it was made smaller {MAX_REFUSALS} times: "
                f"{refused.__cause__}. Set context_window_tokens to the model's true window."
            ) from refused
        learned = after_refusal(self.session, self.state, refused.refusal, self.counted, times)
        return {
            "messages": [], "turn": {**self.turn, "shrunk": times}, "model_facts": learned, "prompt": None,
            "heartbeat_reason": "context_too_long",
        }  # fmt: skip

    def without(self, marked: Sequence[AnyMessage], refused: ContentRefused) -> "_Step":
        """Return this step with a prompt that leaves out the marked parts."""
        by_id = {m.id: m for m in marked}
        messages = [by_id.get(m.id, m) for m in self.state["messages"]]
        state: AgentState = {**self.state, "messages": messages}
        prompt, usage = compile_prompt(self.session, state, messages, stored_blocks(self.session), self.turn)
        if usage["total"] > usage["budget"]:
            prompt, usage = squeeze(self.session, state, prompt, usage, messages)
        notice: list[AnyMessage] = []
        if self.turn["type"] == "user_message":
            reason = str(refused.refusal)[:_REASON_CHARS]
            mark = Mark(kind="reply", time=stamp(self.session.resources.clock()), turn=self.turn["id"], call_id="")
            notice_id = key_of("left out", self.session.thread_id, turn_key(self.turn), self.turn["step"])
            text = LEFT_OUT_NOTICE.format(what=names_of(marked), reason=clean(reason))
            notice = [AIMessage(text, id=notice_id, additional_kwargs={MARK: mark})]
        call = replace(self.call, prompt=prompt)
        return replace(self, state=state, call=call, left_out=(*marked, *notice))

    def filtered(self, refused: ContentRefused) -> dict[str, Any]:
        """Show the user a refusal by policy as such; the request is not sent again."""
        turn: Turn = {**self.turn, "step": self.turn["step"] + 1}
        reason = REFUSED_REASON.format(reason=clean(str(refused.refusal)[:_REASON_CHARS]))
        message = AIMessage("", id=key_of("filtered", self.session.thread_id, turn_key(turn), turn["step"]))
        ended = self._stopped(message, "", REFUSED_REPLY.format(reason=reason), "refused", turn)
        held = withheld_event(self.state["messages"], turn)
        return {**ended, "prompt": None, "messages": [*held, *ended["messages"]]}

    def read(self, growing: StreamingAnswer) -> dict[str, Any]:
        """Decide what an answer means; put what was left out of the prompt before what follows."""
        update = self._read(growing)
        if self.left_out:
            remember(self.session, [m for m in self.left_out if mark_of(m).get("kind") == "reply"])
            update["messages"] = [*self.left_out, *update["messages"]]
        return update

    def _read(self, growing: StreamingAnswer) -> dict[str, Any]:
        """Decide what an answer means: calls to carry out, a plain-text reply, inner thoughts, or nothing usable."""
        answer, session, stop = growing.message(), self.session, growing.stop()
        raw, calls = unstripped_text(answer.text), growing.calls()
        written = written_calls(raw.strip(), self.call.prompt["tools"])
        if calls and (written.calls or written.unreadable):  # beside calls that were made, those that were written are no thought to keep
            raw, written = "" if written.unreadable else written.text, Written()
        elif written.calls:
            raw, calls = written.text, written.calls
        calls = [self._of_own_tool(call) for call in calls]
        if stop.kind == "cut_off":
            calls = [replace(call, error=CUT_CALL) if call.error else call for call in calls]
        message = identified(answer, () if stop.kind == "refused" else calls, raw.strip(), session, self.turn, self.call.fallback)
        used = usage_of(answer, int(self.counted * session.facts["factor"]))
        session.note_usage(used)
        turn = with_usage({**self.turn, "step": self.turn["step"] + 1}, self.call.fallback or name_of(session.model), [used])
        learned = after_answer(session, self.state, answer, self.counted)
        update: dict[str, Any] = {"turn": turn, "prompt": None, **learned}
        if turn.get("structuring"):
            return {**update, **structuring.read(session, turn, answer, self.state["messages"])}
        if stop.kind == "refused":
            refusal = self._refusal(message, raw, stop, turn)
            held = withheld_event(self.state["messages"], turn) if stop.of_the_prompt else []
            return {**update, **refusal, "messages": [*held, *refusal["messages"]]}
        if turn["type"] == "user_message" and not written.unreadable and (self.partial or stop.kind):
            part = spoken_in(raw, calls, growing, going_on=self.partial is not None)
            if part is not None:
                return {**update, **self._spoken_part(message, part, stop, turn)}
        self.call.speech.finish(message)
        if message.tool_calls:
            return {**update, "messages": [*self._closed(), self._unseen(message)]}
        problem = why_unusable(
            raw.strip(), session.resources.system_prompt, cut_off=stop.kind == "cut_off", unreadable=written.unreadable
        )
        if stop.kind == "paused" and says_nothing(raw.strip()):
            return {**update, **self._unusable(PAUSED, turn, PAUSED_REPLY)}
        return {**update, **(self._unusable(problem, turn) if problem else self._text(message, turn))}

    def _of_own_tool(self, call: ReadCall) -> ReadCall:
        """Return a call by the agent's own names of the tool and its parameters."""
        other, own = self.call.tool_names, {str(t["function"]["name"]): t["function"] for t in self.call.prompt["tools"]}
        name = call.name if call.name in own else other.get(call.name, "")
        if not name and (meant := own_name(call.name, {*own, *other}, {letters(n): n for n in (*own, *other)})):
            name = other.get(meant, meant)
        arguments = own_keys(call.arguments, own[name].get("parameters") or {}) if name in own else call.arguments
        return replace(call, name=name or call.name, arguments=arguments)

    def _spoken_part(self, message: AIMessage, part: str, stop: Stop, turn: Turn) -> dict[str, Any]:
        """Join a part of a reply to the earlier ones; ask for the rest if it was cut again, otherwise it is the reply."""
        before = self.partial.text if self.partial else ""
        whole = joined(before, part) if before else part.lstrip()
        if self.partial:
            message = message.model_copy(update={"id": self.partial.id})
            self._show(message, before, whole)
        elif streamed := self.call.speech.keep_partial(whole):
            message = message.model_copy(update={"id": streamed})
        else:
            self._show(message, "", whole)
        if may_go_on(self.session, turn, stop):
            asked = ask_for_rest(self.session, turn, whole, message)
            turn = {**turn, "continued": turn.get("continued", 0) + 1}
            update: dict[str, Any] = {"messages": [*without_request(self.partial), *asked], "turn": turn, "heartbeat_reason": "cut_off"}
            if stop.reason == WINDOW_FULL:  # the rest does not fit behind what filled it
                update["model_facts"] = after_refusal(self.session, self.state, TooLong(None, None), self.counted, 1)
            return update
        if stop.kind:
            return self._stopped(message, whole, cut_short(whole, stop), "paused" if stop.kind == "paused" else "cut_off", turn)
        update = self._text(kept(self.session, turn, whole.strip(), message), turn)
        return {**update, "messages": [*without_request(self.partial), *update["messages"]]}

    def _show(self, message: AIMessage, before: str, whole: str) -> None:
        """Stream the rest of a reply; if the reply has changed, withdraw what was streamed and stream the new one."""
        reply_id = str(message.id)
        if not whole.startswith(before):
            self.write({"reply_id": reply_id, "withdrawn": "the reply changed"})
            before = ""
        self.write({"reply_id": reply_id, "delta": whole[len(before) :]})

    def give_up_rest(self, partial: AIMessage) -> dict[str, Any]:
        """Give the user the part of a reply that arrived when its rest cannot be obtained."""
        return {"prompt": None, **self._stopped(partial, partial.text, cut_short(partial.text), "cut_off", self.turn)}

    def _closed(self) -> list[Any]:
        """Return the incomplete reply, marked so, if the model does something else instead of completing it."""
        if self.partial is None:
            return []
        whole = cut_short(self.partial.text)
        self._show(self.partial, self.partial.text, whole)
        closed = kept(self.session, self.turn, whole, self.partial, stopped="cut_off")
        remember(self.session, [closed])
        return [*without_request(self.partial), closed]

    def _unseen(self, message: AIMessage) -> AIMessage:
        """Return an answer that only speaks, under an id that chat clients hide: they show the reply. A person who must approve it sees it."""
        resources = self.session.resources
        only_speaks = all(speaks(resources.tools, call["name"]) for call in message.tool_calls)
        if not only_speaks or resources.rules.needs_approval(SEND_MESSAGE):
            return message
        return message.model_copy(update={"id": f"{HIDDEN}{message.id}"})

    def _refusal(self, message: AIMessage, text: str, stop: Stop, turn: Turn) -> dict[str, Any]:
        """Show the user a refusal as such; calls beside it are not carried out."""
        self.call.speech.withdraw("the model refused")
        reason = stop.words.strip() or REFUSED_REASON.format(reason=stop.reason)
        before = self.partial.text if self.partial else ""
        said = joined(before, text).strip()
        notice = f"{said}\n\n{REFUSED_MIDWAY.format(reason=reason)}" if said else REFUSED_REPLY.format(reason=reason)
        if self.partial:
            message = message.model_copy(update={"id": self.partial.id})
        return self._stopped(message, before, notice, "refused", turn)

    def _stopped(self, message: AIMessage, before: str, text: str, why: str, turn: Turn) -> dict[str, Any]:
        """End the turn with an incomplete reply, marked so."""
        reply = kept(self.session, turn, text, message, stopped=why)
        spoken = turn["type"] == "user_message"
        if spoken:
            self._show(reply, before, text)
            remember(self.session, [reply])
        else:
            reply = reply.model_copy(update={"id": f"{HIDDEN}{reply.id}"})
        turn = ended(self.session, {**turn, "answered": turn["answered"] or spoken})
        return {"messages": [*without_request(self.partial), reply], "turn": turn, "heartbeat_reason": None}

    def _text(self, message: AIMessage, turn: Turn) -> dict[str, Any]:
        """Plain text is the reply in a user's turn, and an inner thought in every other."""
        spoken = turn["type"] == "user_message"
        if spoken:
            remember(self.session, [message])
        else:
            message = message.model_copy(update={"id": f"{HIDDEN}{message.id}"})
        turn = {**turn, "answered": turn["answered"] or spoken}
        missing = still_required(self.session, turn, called_in(turn, self.state["messages"]))
        if missing and turn["step"] < self.session.context.max_steps:
            notice = alert(STILL_REQUIRED.format(tools=", ".join(missing)), self.session, turn, "required")
            return {"messages": [message, notice], "turn": turn, "heartbeat_reason": "rule"}
        if structuring.is_due(self.session, turn):
            turn, asked = structuring.begin(self.session, turn)
            return {"messages": [message, asked], "turn": turn, "heartbeat_reason": "rule"}
        return {"messages": [message], "turn": ended(self.session, turn)}

    def _unusable(self, problem: str, turn: Turn, reply: str = NO_ANSWER_REPLY) -> dict[str, Any]:
        """Tell the model what was wrong; after the allowed number of attempts, end the turn with an apology."""
        turn = {**turn, "unusable": turn["unusable"] + 1}
        if (
            turn["unusable"] <= self.session.context.max_unusable_answers
            and turn["step"] < self.session.context.max_steps
        ):
            notice = alert(problem, self.session, turn, "unusable")
            return {"messages": [notice], "turn": turn, "heartbeat_reason": "unusable_answer"}
        sorry = apology(reply, self.session, turn)
        return {"messages": sorry, "turn": ended(self.session, turn)}
