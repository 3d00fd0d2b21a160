"""The node that receives what came in and compiles main context: what the next model call is sent."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.memory.core import HUMAN_DESCRIPTION, PERSONA_DESCRIPTION, Block, Cause, default_blocks
from memgpt_agent.memory.queue import choose_evicted
from memgpt_agent.nodes.arrivals import alert, no_turn, receive
from memgpt_agent.nodes.main_context import compile_prompt, squeeze
from memgpt_agent.nodes.profile_rules import reminders
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.prompts import MEMORY_PRESSURE
from memgpt_agent.state import AgentState, Turn, merge_queue


def compile_context(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Receive a new event, if there is one, and compile what the model sees; or end a turn that has nothing to do."""
    session = Session.of(runtime, config, resources)
    update: dict[str, Any] = {"event": None, "heartbeat_reason": None}
    received, turn = receive(state, session)
    received += reminders(session, turn)
    messages = merge_queue(state["messages"], received)
    if turn is None:
        over: Turn = {**no_turn(), **(state.get("turn") or {}), "over": True}  # pyright: ignore[reportAssignmentType]
        return {**update, "messages": received, "turn": over, "prompt": None}
    blocks = stored_blocks(session)
    summary = state.get("summary")
    prompt, usage = compile_prompt(session, messages, blocks, summary, turn)
    pressed = usage["total"] > usage["budget"] * session.context.memory_pressure_share
    if pressed and not state.get("memory_pressure_warned") and usage["total"] <= usage["budget"]:
        warning = alert(MEMORY_PRESSURE.format(used=usage["total"] / usage["budget"]), session, turn, "pressure")
        received.append(warning)
        messages = merge_queue(messages, [warning])
        prompt, usage = compile_prompt(session, messages, blocks, summary, turn)
        update["memory_pressure_warned"] = True
    if usage["total"] > usage["budget"] and not choose_evicted(messages, lambda _: 1, 1):
        prompt, usage = squeeze(session, prompt, usage, messages)
    return {
        **update, "messages": received, "turn": turn, "prompt": prompt, "context_usage": usage,
        "core_memory": {block.label: block.value for block in blocks},
    }  # fmt: skip


def stored_blocks(session: Session) -> list[Block]:
    """Return the agent's blocks; a new agent's are seeded from the context first."""
    core = session.memory.core
    blocks = core.blocks()
    if blocks:
        return blocks
    given = {block.label: block for block in session.resources.blocks}
    defaults = {block.label: block for block in default_blocks(session.context.persona, session.context.human)}
    about = {"persona": PERSONA_DESCRIPTION, "human": HUMAN_DESCRIPTION}
    seeds = {**defaults, **given}
    for label, text in (("persona", session.context.persona), ("human", session.context.human)):
        if text is not None:
            seeds[label] = Block(label, text, about[label])
    core.create(list(seeds.values()), Cause(tool="create"), keep_existing=True)
    return core.blocks()
