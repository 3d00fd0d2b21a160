"""OpenAI's chat completions with an agent as the model, for Open WebUI and other chat clients."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Header
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.quota import Quota
from memgpt_agent.server.message_runs import content_blocks, text_of
from memgpt_agent.server.problems import HTTPProblem, error_text
from memgpt_agent.server.routes.conversations import of_chat
from memgpt_agent.server.runs import LiveRun
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.base import Data, RequestBody
from memgpt_agent.server.streams import data
from memgpt_agent.tokens import resolve_token_counter

router = APIRouter(tags=["chat completions"])


class Completion(RequestBody):
    """A request in OpenAI's form."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"example": {"model": "Ada's agent", "messages": [{"role": "user", "content": "Hello!"}], "stream": True}},
    )
    model: Annotated[str, Field(title="Agent", description="An agent's id or name.")]
    messages: Annotated[list[Data], Field(title="Messages", description="Only what the user said last is new to the agent.", min_length=1)]
    stream: Annotated[bool | None, Field(title="Streamed")] = None
    stream_options: Data | None = None
    tools: Annotated[
        list[Data] | None, Field(title="The client's tools", description="Functions that the client carries out; beside the agent's own.")
    ] = None


ChatId = Annotated[
    str | None, Header(alias="X-OpenWebUI-Chat-Id", title="Chat", description="Chats of different ids are conversations of their own.")
]


def _agent(served: Served, model: str) -> AgentDefinition:
    """Return the agent that is meant by an id or a name.

    Raises:
        HTTPProblem: there is none, or several have the name.
    """
    found = [one for one in served.agents.every() if model in (one.agent_id, one.served.get("name"))]
    exact = [one for one in found if one.agent_id == model] or found
    if len(exact) != 1:
        what = f"{len(exact)} agents are called {model!r}; use an id" if exact else f"There is no agent {model!r}. See /v1/models"
        raise HTTPProblem(404, f"{what}.")
    return exact[0]


def _news(messages: list[Data]) -> list[Data]:
    """Return the parts of what is new: what the user said since the last answer. Clients send the whole conversation each time."""
    said: list[Data] = []
    for message in reversed(messages):
        if message.get("role") == "user":
            said.append(message)
        elif said or message.get("role") == "assistant":
            break
    parts = [part for message in reversed(said) for part in content_blocks(message.get("content"))]
    if not parts:
        raise HTTPProblem(422, "The last message is not a user's, or it is empty.")
    return parts


def _body(sent: Completion) -> Data:
    """Return the request as the agent's client would send it: results of the client's tools, or what the user said."""
    functions: list[Data] = [tool["function"] for tool in sent.tools or () if tool.get("function")]
    tools: Data = {"client_tools": functions} if functions else {}
    results: list[Data] = []
    for message in reversed(sent.messages):
        if message.get("role") != "tool":
            break
        returned = text_of(message.get("content"))
        results.insert(0, {"type": "tool", "tool_call_id": message.get("tool_call_id"), "tool_return": returned, "status": "success"})
    if results:
        return {"messages": [{"type": "approval", "approvals": results}], **tools}
    return {"input": _news(sent.messages), **tools}


def _chore(messages: list[Data]) -> str:
    """Return the text of a chore that a client sets a model about a chat, such as to find its title; empty for what somebody said.

    Open WebUI puts the chat itself between tags into the only message. An agent would take that for its user's words.
    """
    spoken = [message for message in messages if message.get("role") != "system"]
    text = text_of(spoken[0].get("content")) if len(spoken) == 1 else ""
    return text if "<chat_history>" in text and "</chat_history>" in text else ""


@router.post("/v1/chat/completions", response_model=None, summary="Chat, in OpenAI's form")
async def create(served: Serving, body: Completion, chat_id: ChatId = None) -> Any:
    """Say what the user said last to an agent. The agent keeps the conversation itself, so what was said before is not read again.

    A client's chores about a chat, such as its title, go to the agent's model alone: nothing of them is remembered.
    """
    agent = await asyncio.to_thread(_agent, served, body.model)
    usage = bool((body.stream_options or {}).get("include_usage"))
    if chore := _chore(body.messages):
        answer = await _done_by_model(served, agent, body.model, chore)
        return _stream(_whole_in_pieces(answer, usage=usage)) if body.stream else answer
    thread = await asyncio.to_thread(of_chat, served, agent.agent_id, chat_id) if chat_id else None
    live = await served.speaker.send(agent.agent_id, thread, _body(body), gives_up=True)
    if body.stream:
        return _stream(_streamed(live, body.model, usage=usage))
    async for _ in live.follow():
        pass
    live.raise_error()
    return _completion(_head(live.item.id, body.model), live.response.message if live.response else "", _usage(live), _calls(live))


def _stream(pieces: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(pieces, media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"})


async def _done_by_model(served: Served, agent: AgentDefinition, name: str, chore: str) -> Data:
    """Return the completion of a chore by an agent's chat model. It is no turn, but its tokens count.

    Raises:
        HTTPProblem: the model did not answer.
        LimitReached: whoever acts has no tokens left.
        NotAllowed: they may only read the agent.
    """
    model, quota = await asyncio.to_thread(_model_for_chores, served, agent)
    try:
        answer = await model.ainvoke([HumanMessage(chore)], {"tags": ["nostream"]})
    except Exception as error:  # whatever a provider's client raises
        raise HTTPProblem(502, f"The model did not answer: {type(error).__name__}: {error}") from error
    known: Data = {**(answer.usage_metadata or {})}
    counted_as = resolve_token_counter().count_text
    sent, said = known.get("input_tokens", counted_as(chore)), known.get("output_tokens", counted_as(answer.text))
    if quota:
        await asyncio.to_thread(quota.note_tokens, sent + said)
    usage = {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}
    return _completion(_head(uuid.uuid4().hex, name), answer.text, usage)


def _model_for_chores(served: Served, agent: AgentDefinition) -> tuple[BaseChatModel, Quota | None]:
    served.agents.writable(agent.agent_id)
    if quota := served.agents.quota(agent.agent_id):
        quota.check_spent(in_background=True)
    return served.agents.chat_model(agent), quota


def _completion(head: Data, text: str, usage: Data, calls: Iterable[Data] = ()) -> Data:
    found = list(calls)
    message: Data = {"role": "assistant", "content": text or (None if found else ""), **({"tool_calls": found} if found else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if found else "stop", "logprobs": None}
    return {**head, "object": "chat.completion", "usage": usage, "choices": [choice]}


def _calls(live: LiveRun) -> list[Data]:
    """Return the calls that the client is to carry out, in OpenAI's form.

    Raises:
        HTTPProblem: 409 where a call waits for a person's approval, which such a client cannot give.
    """
    pending: list[Data] = live.item.request.get("pending") or []
    if held := [one for one in pending if not one["client"]]:
        raise HTTPProblem(409, f"The call of {held[0]['tool']} waits for approval: decide on it on the page, or as a client of Letta's.")
    functions = [{"name": one["tool"], "arguments": json.dumps(one["arguments"])} for one in pending]
    return [{"id": one["call_id"], "type": "function", "function": function} for one, function in zip(pending, functions, strict=True)]


def _head(seed: str, model: str) -> Data:
    return {"id": f"chatcmpl-{uuid.uuid5(uuid.NAMESPACE_OID, seed).hex}", "created": int(time.time()), "model": model}


def _usage(live: LiveRun) -> Data:
    return {name: live.item.usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def _piece(head: Data, delta: Data, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return data({**head, "object": "chat.completion.chunk", "choices": [choice]})


async def _whole_in_pieces(answer: Data, *, usage: bool) -> AsyncIterator[str]:
    """Yield a whole completion as a stream."""
    head = {name: answer[name] for name in ("id", "created", "model")}
    yield _piece(head, {"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
    yield _piece(head, {}, "stop")
    if usage:
        yield data({**head, "object": "chat.completion.chunk", "choices": [], "usage": answer["usage"]})
    yield data("[DONE]")


async def _streamed(live: LiveRun, model: str, *, usage: bool) -> AsyncIterator[str]:
    head = _head(live.item.id, model)
    yield _piece(head, {"role": "assistant", "content": ""})
    replies: list[str] = []
    async for event in live.follow():
        if event.type in ("delta", "message"):
            apart = "\n\n" if replies and event.reply_id not in replies else ""
            replies.append(event.reply_id)
            yield _piece(head, {"content": apart + event.text})
    try:
        live.raise_error()
        calls = _calls(live)
    except HTTPProblem as problem:
        yield data({"error": {"message": error_text(live.error or problem), "type": type(live.error or problem).__name__}})
        calls = []
    for place, call in enumerate(calls):
        yield _piece(head, {"tool_calls": [{"index": place, **call}]})
    yield _piece(head, {}, "tool_calls" if calls else "stop")
    if usage:
        yield data({**head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(live)})
    yield data("[DONE]")


def openai_models(served: Served) -> Data:
    """Return the agents as OpenAI's list of models, by name where it is one agent's alone."""
    agents = served.agents.every()
    names = [one.served.get("name") or one.agent_id for one in agents]
    listed = [name if names.count(name) == 1 else one.agent_id for name, one in zip(names, agents, strict=True)]
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "memgpt-agent"} for name in listed]}
