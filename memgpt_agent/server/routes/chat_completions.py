"""OpenAI's chat completions with an agent as the model, for Open WebUI and other chat clients."""

import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server.message_runs import content_blocks
from memgpt_agent.server.problems import HTTPProblem, error_text
from memgpt_agent.server.runs import LiveRun
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.base import Data, RequestBody
from memgpt_agent.server.streams import data

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


@router.post("/v1/chat/completions", response_model=None, summary="Chat, in OpenAI's form")
async def create(served: Serving, body: Completion) -> Any:
    """Say what the user said last to an agent. The agent keeps the conversation itself, so what was said before is not read again."""
    agent = await _in_thread(_agent, served, body.model)
    live = await served.speaker.send(agent.agent_id, None, {"input": _news(body.messages)})
    if body.stream:
        usage = bool((body.stream_options or {}).get("include_usage"))
        return StreamingResponse(_streamed(live, body.model, usage=usage), media_type="text/event-stream")
    async for _ in live.follow():
        pass
    live.raise_error()
    message = {"role": "assistant", "content": live.response.message if live.response else ""}
    return {
        **_head(live, body.model, "chat.completion"), "usage": _usage(live),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
    }  # fmt: skip


async def _in_thread(call: Any, *arguments: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(call, *arguments)


def _head(live: LiveRun, model: str, kind: str) -> Data:
    return {"id": f"chatcmpl-{uuid.uuid5(uuid.NAMESPACE_OID, live.item.id).hex}", "object": kind, "created": int(time.time()), "model": model}


def _usage(live: LiveRun) -> Data:
    return {name: live.item.usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


async def _streamed(live: LiveRun, model: str, *, usage: bool) -> AsyncIterator[str]:
    head = _head(live, model, "chat.completion.chunk")

    def chunk(delta: Data, finish: str | None = None) -> str:
        return data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]})

    yield chunk({"role": "assistant", "content": ""})
    replies: list[str] = []
    async for event in live.follow():
        if event.type in ("delta", "message"):
            apart = "\n\n" if replies and event.reply_id not in replies else ""
            replies.append(event.reply_id)
            yield chunk({"content": apart + event.text})
    if live.error is not None:
        yield data({"error": {"message": error_text(live.error), "type": type(live.error).__name__}})
    yield chunk({}, "stop")
    if usage:
        yield data({**head, "choices": [], "usage": _usage(live)})
    yield data("[DONE]")


def openai_models(served: Served) -> Data:
    """Return the agents as OpenAI's list of models, by name where it is one agent's alone."""
    agents = served.agents.every()
    names = [one.served.get("name") or one.agent_id for one in agents]
    listed = [name if names.count(name) == 1 else one.agent_id for name, one in zip(names, agents, strict=True)]
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "memgpt-agent"} for name in listed]}
