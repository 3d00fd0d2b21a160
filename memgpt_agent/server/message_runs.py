"""Starting runs for clients: a message, or an answer to a waiting question."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast
from xml.sax.saxutils import escape

from langchain_core.messages import AIMessage, AnyMessage, ToolCall

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.events import utc_now
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server import ids
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.runs import LiveRun, Runs, asked
from memgpt_agent.server.tool_source import client_tool
from memgpt_agent.tools.registry import parse_call
from memgpt_agent.turns.questions import Question
from memgpt_agent.turns.turn_reader import StreamEvent

NOTHING_WAITS = "No tool call is currently awaiting approval."
WAITS = (
    "The agent is waiting for approval on a tool call. Please approve or deny the pending request before continuing. "
    "The call is {tool}, its id {call_id}."
)
Turn = Callable[[str], AsyncGenerator[StreamEvent]]


@dataclass
class MessageRuns:
    """Takes what clients say to agents."""

    agents: OpenAgents
    """The agents."""
    runs: Runs
    """Their runs."""

    async def send(
        self, agent_id: str, thread_id: str | None, body: Mapping[str, Any], *, background: bool = False,
        files: Sequence[dict[str, Any]] = (), gives_up: bool = False,
    ) -> LiveRun:  # fmt: skip
        """Begin the run of what a client sends.

        Args:
            agent_id: to which agent.
            thread_id: in which of its conversations.
            body: the request: ``messages`` or ``input``, and what else was chosen for it.
            background: whether nobody waits for the run.
            files: what else is sent along, as content blocks.
            gives_up: whether a new message gives up calls that wait for the client itself.

        Raises:
            HTTPProblem: 409 where the agent waits for a person and something else is said, 400 where it does not wait and an answer
                comes, 404, 422.
            LimitReached: whoever acts has used up what is allowed.
        """
        agent, special = await asyncio.to_thread(self._opened, agent_id, thread_id, body)
        waiting = await agent.ainterrupts()
        if body.get("input") is not None and body.get("messages"):
            raise HTTPProblem(422, "Give `messages` or `input`, not both.")
        answers = _answers(body)
        if answers is not None:
            return await self._answered(agent, waiting, answers, background=background, closes=special)
        if waiting and not (gives_up and not any(one.is_approval for one in waiting)):
            raise HTTPProblem(409, WAITS.format(**asked(waiting[0], "")))
        await asyncio.to_thread(self._check_room, agent_id)
        sent = [*attached(body), *files]
        text = said(body, alone=bool(files))
        kept = ("use_assistant_message", "include_return_message_types", "client_tools")
        request = {name: body[name] for name in kept if body.get(name) is not None}
        request |= {"otids": [one["otid"] for one in body.get("messages") or () if one.get("otid")]}
        if sent and not files:
            request["content"] = [part for message in _spoken(body) for part in content_blocks(message.get("content"))]
        turn: Turn = lambda run_id: agent.astream(text, event_id=run_id, attachments=sent)  # noqa: E731 - one expression, used once
        held = await asyncio.to_thread(self._held, agent_id, body)
        return await self.runs.start(
            agent, self._noting(turn), text=text, background=background, request=request, closes=special, held=held,
            run_id=repeatable_id(agent_id, agent.thread_id, body) if background else None,
        )  # fmt: skip

    def _opened(self, agent_id: str, thread_id: str | None, body: Mapping[str, Any]) -> tuple[MemGPTAgent, bool]:
        tools = [client_tool(one) for one in body.get("client_tools") or self._waited_for(agent_id, thread_id)]
        context = {"max_steps": body["max_steps"]} if body.get("max_steps") else None
        model, system, skills = body.get("override_model"), body.get("override_system"), skills_text(body)
        opened = self.agents.agent(
            agent_id, thread_id, client_tools=tools, model=model, context=context, system=system, appended=skills
        )
        return opened, bool(tools or context or model or skills) or system is not None

    def _check_room(self, agent_id: str) -> None:
        """Refuse a turn before it begins: what is refused later reaches a client as the end of a stream."""
        if quota := self.agents.quota(agent_id):
            quota.check_turn()

    def _waited_for(self, agent_id: str, thread_id: str | None) -> Sequence[Mapping[str, Any]]:
        """Return the client's tools of a run whose call waits: an answer may come without naming them again."""
        run = self.waiting_run(agent_id, thread_id or agent_id)
        return run.request.get("client_tools", ()) if run else ()

    def waiting_run(self, agent_id: str, thread_id: str) -> RunItem | None:
        """Return the newest run of a conversation, if it waits for a person or a client."""
        run = self.runs.newest(agent_id, thread_id)
        return run if run is not None and run.request.get("pending") else None

    def _held(self, agent_id: str, body: Mapping[str, Any]) -> list[str]:
        """Return the tools whose calls wait for a person or for the client."""
        rules = self.agents.definition(agent_id).rules
        approved = [str(rule["tool"]) for rule in rules if rule.get("kind") == "requires_approval"]
        return [*approved, *(str(one["name"]) for one in body.get("client_tools") or ())]

    def _noting(self, turn: Turn) -> Turn:
        """Return the turn that notes at its end with its run what it waits for."""

        async def noted(run_id: str) -> AsyncGenerator[StreamEvent]:
            async for event in turn(run_id):
                if event.response is not None:
                    live = self.runs.live[run_id]
                    pending = await asyncio.to_thread(self._pending, live, event.response.interrupts)
                    live.item = replace(live.item, request={**live.item.request, "pending": pending})
                yield event

        return noted

    def _pending(self, live: LiveRun, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """Return the calls that wait: those that ask, and those behind them in the same answer of the model that are going to."""
        now = stamp(utc_now())
        thoughts = [one.text for one in live.events if one.type == "thinking"]
        waiting = [{**asked(question, now), "thinking": "".join(thoughts[-1:])} for question in questions]
        if not waiting:
            return []
        clients = {str(one["name"]) for one in live.item.request.get("client_tools") or ()}
        later = calls_after(self.agents.state(live.item.thread_id).get("messages") or [], waiting[-1]["call_id"])
        return waiting + [
            {"call_id": call["id"], "tool": call["name"], "arguments": parse_call(call["args"]).arguments, "question": "", "time": now,
             "client": call["name"] in clients}
            for call in later if call["name"] in live.held
        ]  # fmt: skip

    async def _answered(
        self, agent: MemGPTAgent, waiting: Sequence[Question], answers: Sequence[Mapping[str, Any]], *, background: bool, closes: bool
    ) -> LiveRun:
        if not waiting:
            raise HTTPProblem(400, NOTHING_WAITS)
        run = await asyncio.to_thread(self.waiting_run, agent.agent_id, agent.thread_id)
        first = asked(waiting[0], "")["call_id"]
        pending: list[dict[str, Any]] = run.request["pending"] if run else []
        known = dict.fromkeys([*(asked(one, "")["call_id"] for one in waiting), *(one["call_id"] for one in pending)])
        by_call = {str(answer.get("tool_call_id") or first): answer for answer in answers}
        if foreign := [call for call in by_call if call not in known]:
            raise HTTPProblem(400, f"Invalid tool call IDs: {foreign[0]!r} does not wait. These do: {', '.join(known)}.")
        left = dict(by_call)
        given = _taken(waiting, left)
        if not given:
            raise HTTPProblem(400, f"The call {first!r} comes first; answer it too.")
        now = stamp(utc_now())
        noted = [{**answer, "tool_call_id": call, "time": now} for call, answer in by_call.items()]
        if run is not None:
            done = [*run.request.get("asked", ()), *run.request["pending"]]
            request = {**run.request, "pending": [], "asked": done, "answers": [*run.request.get("answers", ()), *noted]}
            await asyncio.to_thread(self.runs.put, agent.agent_id, replace(run, request=request))
        turn: Turn = lambda _: _answering(agent, given, left)  # noqa: E731 - one expression, used once
        return await self.runs.start(
            agent, self._noting(turn), text="", background=background, run_id=run.id if run else None, closes=closes,
            held=await asyncio.to_thread(self._held, agent.agent_id, run.request if run else {}),
        )


def _taken(waiting: Sequence[Question], by_call: dict[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Take the answers to these questions out of a client's answers to calls: a call that asks again needs another."""
    found = ((question, by_call.pop(asked(question, "")["call_id"], None)) for question in waiting)
    return {one.id: _decision(answer) if one.is_approval else dict(answer) for one, answer in found if answer is not None}


async def _answering(agent: MemGPTAgent, given: dict[str, Any], left: dict[str, Mapping[str, Any]]) -> AsyncGenerator[StreamEvent]:
    """Give answers, and those that are left to the questions that come up next: the turn ends where one has no answer."""
    while given:
        now, given = given, {}
        async with aclosing(agent.aanswering(now)) as events:
            async for event in events:
                given = _taken(event.response.interrupts, left) if event.response else {}
                if not given:
                    yield event


def calls_after(messages: Sequence[AnyMessage], call_id: str) -> Sequence[ToolCall]:
    """Return the calls behind one in the same answer of the model."""
    answers = (message.tool_calls for message in reversed(messages) if isinstance(message, AIMessage))
    found = ((calls, ids) for calls in answers if call_id in (ids := [call["id"] for call in calls]))
    return next((calls[ids.index(call_id) + 1 :] for calls, ids in found), ())


def repeatable_id(agent_id: str, thread_id: str, body: Mapping[str, Any]) -> str | None:
    """Return the id of the run of a message to which the client gave an id (``otid``): sent again, it is the same run. ``None`` without one."""
    otid = next((str(one["otid"]) for one in body.get("messages") or () if one.get("otid")), "")
    return ids.run_id(agent_id, thread_id, otid) if otid and _answers(body) is None else None


def skills_text(body: Mapping[str, Any]) -> str:
    """Return what the model reads of the skills that a client has; nothing if it names none."""
    lines = [
        f"<skill><name>{escape(str(one.get('name', '')))}</name><description>{escape(str(one.get('description', '')))}</description>"
        f"<location>{escape(str(one.get('location', '')))}</location></skill>"
        for one in body.get("client_skills") or ()
    ]
    return "\n\n<available_skills>\n" + "\n".join(lines) + "\n</available_skills>" if lines else ""


def said(body: Mapping[str, Any], *, alone: bool = False) -> str:
    """Return the text of what a client says; ``alone`` tells that files are sent along, which need no text.

    Raises:
        HTTPProblem: it says nothing.
    """
    texts = [text_of(message.get("content")) for message in _spoken(body)]
    text = "\n\n".join(text for text in texts if text.strip())
    if not text and not alone and not attached(body):
        raise HTTPProblem(422, "There is nothing to say: give `messages` with text, or `input`.")
    return text


def _spoken(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = body.get("input")
    return [{"role": "user", "content": given}] if given is not None else list(body.get("messages") or ())


def attached(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pictures that a client sends along, as content blocks; in Letta's form or in OpenAI's.

    Raises:
        HTTPProblem: one of them is neither data nor an address on the web.
    """
    return [block for message in _spoken(body) for part in content_blocks(message.get("content")) if (block := _picture(part)) is not None]


def content_blocks(content: Any) -> list[dict[str, Any]]:
    """Return the parts of a message's content; a text is one part."""
    if isinstance(content, list):
        return [dict(cast(Mapping[str, Any], part)) for part in cast(list[Any], content) if isinstance(part, Mapping)]
    return [{"type": "text", "text": content}] if content else []


def _picture(part: Mapping[str, Any]) -> dict[str, Any] | None:
    if part.get("type") not in ("image", "image_url"):
        return None
    source: Mapping[str, Any] = part.get("source") or {}
    given = part.get("image_url")
    url = str((cast(Mapping[str, Any], given).get("url") if isinstance(given, Mapping) else given) or source.get("url") or "")
    if url.startswith("data:") and ";base64," in url:
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        return {"type": "image", "base64": data, "mime_type": kind}
    if url.startswith(("https://", "http://")):
        return {"type": "image", "url": url}
    if source.get("data"):
        return {"type": "image", "base64": source["data"], "mime_type": source.get("media_type") or "image/png"}
    raise HTTPProblem(422, "A picture needs its data (base64) or an address on the web.")


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or parts."""
    if isinstance(content, list):
        parts = [cast(Mapping[str, Any], part) for part in cast(list[Any], content) if isinstance(part, Mapping)]
        return "\n".join(str(part["text"]) for part in parts if part.get("text"))
    return str(content or "")


def _answers(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return a client's answers to calls that wait, in any of the forms that clients have; ``None`` if it gives none."""
    found: list[Mapping[str, Any]] = []
    for message in body.get("messages") or ():
        if message.get("type") == "approval" or ("approve" in message and "role" not in message):
            given = message.get("approvals")
            older = {"type": "approval", "approve": message.get("approve"), "reason": message.get("reason")}
            found += given or [older]
        elif message.get("type") == "tool_return":
            found += [{"type": "tool", **one} for one in message.get("tool_returns") or ()]
    return found or None


def _decision(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return LangChain's decision of a client's answer to an approval."""
    if answer.get("type") == "tool":
        kind = "reject" if answer.get("status") == "error" else "respond"
        return {"decisions": [{"type": kind, "message": text_of(answer.get("tool_return"))}]}
    if answer.get("approve"):
        edited = answer.get("arguments")
        return {"decisions": [{"type": "edit", "edited_action": {"args": edited}} if edited is not None else {"type": "approve"}]}
    return {"decisions": [{"type": "reject", "message": answer.get("reason") or ""}]}
