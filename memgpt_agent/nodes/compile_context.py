"""The node that receives input and compiles main context: the prompt of the next model call."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import Mark, mark_of, with_mark
from memgpt_agent.memory.core import HUMAN_DESCRIPTION, PERSONA_DESCRIPTION, Block, Cause, default_blocks
from memgpt_agent.memory.main_context import PAGE_SHARE, choose_evicted, next_page, pages_of
from memgpt_agent.nodes.corrected import QueueEdits, apply_edits
from memgpt_agent.nodes.main_context import compile_prompt, squeeze
from memgpt_agent.nodes.other_agents import Others, signed, view_of_agent
from memgpt_agent.nodes.profile_rules import ended, reminders
from memgpt_agent.nodes.receiving import alert, apology, no_turn, receive
from memgpt_agent.nodes.sent_memory import bring_up_to_date, with_sent
from memgpt_agent.nodes.session import Resources, Session, default_prompt_tokens
from memgpt_agent.prompts import CUT_OFF_REPLY, memory_pressure
from memgpt_agent.state import AgentState, Turn, merge_queue
from memgpt_agent.tools.structured import STRUCTURED

_CALM_SHARE = 0.75
"""The agent may be warned again once less than this share of the warning's own share is in use."""


def compile_context(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Receive a new event, if there is one, and compile what the model sees; or end a turn that has nothing to do."""
    session = Session.of(runtime, config, resources, state)
    seen, others = view_of_agent(state, session)
    edits = apply_edits(seen, session, config)
    edits.others_turn = bool(state.get("turn")) and not seen.get("turn")
    return signed(_compiled(edits, session, others, config), session)


def _compiled(edits: QueueEdits, session: Session, others: Others, config: RunnableConfig) -> dict[str, Any]:
    received, turn = receive(edits, session, others, config)
    state, update = edits.state, {**_chosen(edits.state, session), **edits.update}
    if turn is not None and session.cut_off_twice:
        sorry = apology(CUT_OFF_REPLY, session, turn)
        return {**update, "messages": [*edits.messages, *received, *sorry], "turn": ended(session, turn), "prompt": None}
    received = _paged(session, state, received, turn)
    received += reminders(session, turn)
    messages = merge_queue(state["messages"], received)
    if turn is None:
        over: Turn = {**no_turn(), **(state.get("turn") or {}), "over": True}  # pyright: ignore[reportAssignmentType]
        return {**update, "messages": [*edits.messages, *received], "turn": over, "prompt": None}
    if session.resources.structured and not turn["step"]:
        update[STRUCTURED] = None  # the result of the turn before is none of this one
    blocks = stored_blocks(session)
    state, received, messages = _up_to_date(session, state, received, messages, blocks, turn)
    prompt, usage = compile_prompt(session, state, messages, blocks, turn)
    warning = _warning(session, state, messages, usage, turn)
    if warning is not None:
        received.append(warning)
        messages = merge_queue(messages, [warning])
        prompt, usage = compile_prompt(session, state, messages, blocks, turn)
        update["memory_pressure_warned"] = True
    elif (
        state.get("memory_pressure_warned")
        and usage["total"] < usage["budget"] * session.context.memory_pressure_share * _CALM_SHARE
    ):
        update["memory_pressure_warned"] = False  # pages were taken out: it can fill up again
    if usage["total"] > usage["budget"] and not choose_evicted(messages, lambda _: 1, 1):
        state, received, messages = _up_to_date(session, state, received, messages, blocks, turn, anew=True)
        prompt, usage = compile_prompt(session, state, messages, blocks, turn)
        if usage["total"] > usage["budget"]:
            prompt, usage = squeeze(session, state, prompt, usage, messages)
    return {
        **update, "messages": [*edits.messages, *received], "turn": turn, "prompt": prompt, "context_usage": usage,
        "sent_memory": state.get("sent_memory"), "core_memory": {block.label: block.value for block in blocks},
    }  # fmt: skip


def _up_to_date(
    session: Session, state: AgentState, received: list[AnyMessage], messages: list[AnyMessage], blocks: Sequence[Block], turn: Turn,
    *, anew: bool = False,
) -> tuple[AgentState, list[AnyMessage], list[AnyMessage]]:  # fmt: skip
    """Return the state, the input received, and the queue, in which a message carries the changes to memory."""
    last = turn["step"] + 1 >= session.context.max_steps
    sent, riders = bring_up_to_date(session, state, messages, blocks, turn, anew=anew, last=last)
    by_id = {m.id: m for m in riders}
    known = {m.id for m in received if not isinstance(m, RemoveMessage)}
    received = [m if isinstance(m, RemoveMessage) else by_id.get(m.id, m) for m in received]
    received += [m for m in riders if m.id not in known]
    with_memory: AgentState = {**state, "sent_memory": with_sent(state, session, sent)}
    return with_memory, received, [by_id.get(m.id, m) for m in messages]


def _chosen(state: AgentState, session: Session) -> dict[str, Any]:
    """Return the beginning of the update: whose memory the conversation uses and how large its prompts are, if it does not know yet."""
    update: dict[str, Any] = {"event": None, "heartbeat_reason": None}
    if (whose := session.memory.agent_id) != state.get("agent_id"):
        update["agent_id"] = whose
    if most := default_prompt_tokens(state):
        update["prompt_tokens"] = most
    return update


def _paged(session: Session, state: AgentState, received: list[AnyMessage], turn: Turn | None) -> list[AnyMessage]:
    """Return the input received, with the page noted on the event that begins the turn."""
    summary = state.get("summary")
    last = summary.get("pages", 0) if summary else 0
    size = int(session.budget_tokens * PAGE_SHARE)

    def numbered(message: AnyMessage) -> AnyMessage:
        if turn is None or message.id != turn["id"] or isinstance(message, RemoveMessage):
            return message
        mark: Mark = {**mark_of(message), "page": next_page(state["messages"], last, session.counter.count_text, size)}
        return cast(AnyMessage, with_mark(message, mark))

    return [numbered(m) for m in received]


def _warning(
    session: Session, state: AgentState, messages: Sequence[AnyMessage], usage: dict[str, int], turn: Turn
) -> AnyMessage | None:
    """Return the alert that context is running out, if it is and the agent has had none since the last eviction."""
    share = usage["total"] / usage["budget"]
    if state.get("memory_pressure_warned") or not session.context.memory_pressure_share < share <= 1:
        return None
    text = memory_pressure(share, session.resources.tools.names, list(pages_of(messages)))
    return alert(text, session, turn, "pressure")


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
