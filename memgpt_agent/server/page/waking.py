"""Sleep and heartbeats: when the agent last slept or woke by itself, what it changed, when it will next, and doing it now."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Form
from starlette.responses import Response

from memgpt_agent.events import Event, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core.history import Version
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import Message, message_of
from memgpt_agent.memory.waking import Rhythm, SleepDiary
from memgpt_agent.server.background import EVERY, QUIET
from memgpt_agent.server.page.blocks import changes_of, core_of
from memgpt_agent.server.page.chat import begun as turn_begun
from memgpt_agent.server.page.jobs import Job, begun, jobs_of
from memgpt_agent.server.page.view import Agent, AgentView, of_agent, pages
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.store.plain import newest
from memgpt_agent.turns.sleeper import thread_of

router = pages()
_CHANGES = 10
_BEATS, _BEAT_DAYS = 10, 7
_UNREAD = 200
"""So many messages that were not read yet are counted."""


@router.get("/a/{agent}/waking")
def shown(seen: Agent) -> Response:
    """Show what the agent did by itself and when it will next."""
    store, agent_id = seen.served.agents.store, seen.agent_id
    pulse = store.get(namespaces.of(agent_id, "pulse"), "state")
    sleep = store.get(namespaces.of(agent_id, "sleep"), "state")
    asleep = newest(store, namespaces.of(agent_id, "core_history"), filter={"actor": "sleeptime"}, limit=_CHANGES)
    journal = newest(store, namespaces.of(agent_id, "journal"), limit=1)
    chosen: dict[str, Any] = seen.definition.served.get("metadata") or {}
    return seen.page(
        "waking.html",
        tab="waking",
        pulse=pulse.value if pulse else {},
        sleep=sleep.value if sleep else {},
        unread=SleepDiary(store, agent_id).unread(_UNREAD),
        last=str(journal[0].value["time"]) if journal else "",
        changes=changes_of(core_of(seen), [Version.from_value(one.value) for one in asleep]),
        beats=_beats(seen),
        every=chosen.get(EVERY, ""),
        quiet=chosen.get(QUIET) or "",
        jobs=jobs_of(seen.request).of(agent_id),
        sleep_thread=thread_of(agent_id),
        asleep=bool(seen.definition.served.get("enable_sleeptime")),
    )


def _beats(seen: AgentView) -> list[Message]:
    """Return the newest heartbeats and other events of the last days. Older ones stand among the turns."""
    since = stamp(utc_now() - timedelta(days=_BEAT_DAYS))
    condition = {"role": "system", "time": {"$gte": since}}
    items = newest(seen.served.agents.store, namespaces.of(seen.agent_id, "recall"), filter=condition, limit=_BEATS)
    return [message_of(item) for item in items]


@router.post("/a/{agent}/sleep")
def sleep(seen: Agent) -> Response:
    """Let the agent put its memory in order now."""
    agent = seen.agent()

    def work(job: Job) -> str:
        job.words = "Reading what was said since it last slept"
        report = agent.sleep()
        return f"Read {report.messages_read:,} messages in {len(report.tool_calls)} calls; {report.messages_left:,} are left."

    return begun(seen, jobs_of(seen.request).start(seen.agent_id, "Sleeping", of_agent(seen.agent_id, "waking"), work))


@router.post("/a/{agent}/heartbeat")
async def beat(seen: Agent, text: Annotated[str, Form()] = "") -> Response:
    """Wake the agent now, with nothing said by anybody."""
    agent = await asyncio.to_thread(seen.agent)
    live = await seen.served.runs.start(
        agent, lambda run_id: agent.asend(Event(type="heartbeat", text=text.strip(), id=run_id)), text=""
    )
    if seen.by_htmx:
        return seen.back("chat")
    return await turn_begun(seen, live)


@router.post("/a/{agent}/rhythm")
def rhythm(
    seen: Agent,
    every: Annotated[str, Form()] = "",
    quiet: Annotated[str, Form()] = "",
    sleeps: Annotated[str, Form()] = "",
) -> Response:
    """Choose how often the heart beats, and whether the agent sleeps between turns."""
    seen.check_writable()
    every, quiet = every.strip(), quiet.strip()
    if quiet and not every:
        raise HTTPProblem(422, "Quiet hours keep a beating heart still: say how often it beats as well.")
    if every:
        Rhythm.of(every, quiet=quiet or None, time_zone=seen.zone)
    known: dict[str, Any] = seen.definition.served.get("metadata") or {}
    kept = {name: value for name, value in known.items() if name not in (EVERY, QUIET)}
    chosen = {**({EVERY: every} if every else {}), **({QUIET: quiet} if quiet else {})}
    seen.served.agents.serve(seen.agent_id, metadata={**kept, **chosen}, enable_sleeptime=bool(sleeps))
    return seen.back("waking", note="saved")
