"""The node that makes one model call, streams what is spoken, and reads the answer."""

import asyncio
import json
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import MARK, Mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.nodes.arrivals import alert, remember
from memgpt_agent.nodes.compile_context import stored_blocks
from memgpt_agent.nodes.main_context import compile_prompt
from memgpt_agent.nodes.profile_rules import speech_writer
from memgpt_agent.nodes.session import Resources, Session, key_of
from memgpt_agent.nodes.speech import SpeechStream, reply_id
from memgpt_agent.prompts import NO_ANSWER_REPLY, UNUSABLE
from memgpt_agent.state import AgentState, CompiledPrompt, Turn

NOSTREAM = "nostream"
"""LangGraph's tag for a model whose raw tokens are no part of the messages stream."""


def call_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Call the model once with the compiled prompt; return its answer, and what follows from it."""
    session = Session.of(runtime, config, resources)
    prompt, turn, speech, model = _prepared(state, session, runtime)
    grown: AIMessageChunk | None = None
    try:
        for chunk in model.stream(prompt["messages"], _tagged(config)):
            grown = cast(AIMessageChunk, chunk) if grown is None else cast(AIMessageChunk, grown + chunk)
            speech.watch(grown)
    except BaseException:
        speech.withdraw("the model failed")
        raise
    return _read(grown, session, turn, speech)


async def acall_llm(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """The same for an asyncio loop, which is never held up."""
    session = await asyncio.to_thread(Session.of, runtime, config, resources)
    prompt, turn, speech, model = await asyncio.to_thread(_prepared, state, session, runtime)
    grown: AIMessageChunk | None = None
    try:
        async with asyncio.timeout(session.context.model_timeout_seconds):
            async for chunk in model.astream(prompt["messages"], _tagged(config)):
                grown = cast(AIMessageChunk, chunk) if grown is None else cast(AIMessageChunk, grown + chunk)
                speech.watch(grown)
    except BaseException:
        speech.withdraw("the model failed")
        raise
    return await asyncio.to_thread(_read, grown, session, turn, speech)


def _prepared(
    state: AgentState, session: Session, runtime: Runtime[Context]
) -> tuple[CompiledPrompt, Turn, SpeechStream, Runnable[Any, Any]]:
    turn = state.get("turn")
    assert turn is not None, "compile_context begins every turn"  # noqa: S101  the graph's wiring says so
    prompt = state.get("prompt")
    if prompt is None:  # not checkpointed: this process took over after another one died
        prompt, _ = compile_prompt(session, state["messages"], stored_blocks(session), state.get("summary"), turn)
    step = turn["step"]
    speech = SpeechStream(speech_writer(session, turn, runtime.stream_writer), lambda nth: reply_id(session.thread_id, turn["id"], step, nth))
    return prompt, turn, speech, session.model.bind_tools(prompt["tools"])


def _tagged(config: RunnableConfig) -> RunnableConfig:
    return {**config, "tags": [*(config.get("tags") or []), NOSTREAM]}


def _read(grown: AIMessageChunk | None, session: Session, turn: Turn, speech: SpeechStream) -> dict[str, Any]:
    """Decide what an answer means: calls to carry out, a plain-text reply, inner thoughts, or nothing usable."""
    answer = cast(AIMessage, message_chunk_to_message(grown)) if grown is not None else AIMessage("")
    message = _identified(answer, _calls_in(grown), session, turn)
    speech.finish(message)
    turn = {**turn, "step": turn["step"] + 1}
    if message.tool_calls:
        return {"messages": [message], "turn": turn, "prompt": None}
    if message.text.strip():
        spoken = turn["type"] == "user_message"
        remember(session, [message]) if spoken else None
        return {"messages": [message], "turn": {**turn, "answered": turn["answered"] or spoken, "over": True}, "prompt": None}
    turn["unusable"] += 1
    if turn["unusable"] <= session.context.max_unusable_answers and turn["step"] < session.context.max_steps:
        told = alert(UNUSABLE, session, turn, "unusable")
        return {"messages": [told], "turn": turn, "prompt": None, "heartbeat_reason": "unusable_answer"}
    sorry = apology(NO_ANSWER_REPLY, session, turn)
    return {"messages": sorry, "turn": {**turn, "over": True}, "prompt": None}


def apology(text: str, session: Session, turn: Turn) -> list[AIMessage]:
    """Return the reply that ends a user's turn which the model left without one; none where the user has been answered."""
    if turn["type"] != "user_message" or turn["answered"]:
        return []
    mark = Mark(kind="action", time=stamp(session.resources.clock()), turn=turn["id"])
    message = AIMessage(text, id=key_of("apology", session.thread_id, turn["id"]), additional_kwargs={MARK: mark})
    remember(session, [message])
    return [message]


def _calls_in(grown: AIMessageChunk | None) -> list[tuple[str, dict[str, Any], str]]:
    """Return name, arguments and error of each call, in order; arguments that are no JSON object are an error.

    LangChain completes JSON that breaks off, so that an answer cut short by its length would be carried out as far
    as it went; a call that is not whole must fail instead.
    """
    calls: list[tuple[str, dict[str, Any], str]] = []
    for chunk in grown.tool_call_chunks if grown is not None else []:
        given = (chunk["args"] or "").strip() or "{}"
        try:
            read = json.loads(given, strict=False)
            error = "" if isinstance(read, dict) else f"no JSON object: {given[:200]}"
        except ValueError as broken:
            read, error = {}, f"not valid JSON ({broken}): {given[:200]}"
        calls.append((chunk["name"] or "", cast(dict[str, Any], {} if error else read), error))
    return calls


def _identified(answer: AIMessage, calls: list[tuple[str, dict[str, Any], str]], session: Session, turn: Turn) -> AIMessage:
    """Return the answer under ids of our own, which follow from the turn, the step and what it says.

    A call whose arguments were no JSON is kept as a call without arguments, with the error noted, so that it gets a
    result like any other.
    """
    said = json.dumps([answer.text, calls], sort_keys=True, default=str)
    message_id = key_of(session.thread_id, turn["id"], turn["step"], said)
    made: list[ToolCall] = []
    unread: dict[str, str] = {}
    for ordinal, (name, arguments, error) in enumerate(calls):
        call_id = f"call_{key_of(message_id, ordinal).replace('-', '')[:24]}"
        made.append(ToolCall(name=name or "unnamed", args=arguments, id=call_id, type="tool_call"))
        if error:
            unread[call_id] = error
    mark: dict[str, Any] = {"kind": "action", "time": stamp(session.resources.clock()), "turn": turn["id"]}
    if unread:
        mark["unread"] = unread
    given = cast(dict[str, Any], answer.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    kwargs = {k: v for k, v in given.items() if k != "tool_calls"}
    update: dict[str, Any] = {"id": message_id, "tool_calls": made, "invalid_tool_calls": [], "additional_kwargs": {**kwargs, MARK: mark}}
    if isinstance(answer.content, list):
        kept = [b for b in answer.content if not (isinstance(b, dict) and b.get("type") in {"tool_use", "tool_call", "function_call"})]
        update["content"] = kept
    return answer.model_copy(update=update)
