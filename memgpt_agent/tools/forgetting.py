"""The tool with which the agent asks to forget something; a person approves it, and it is erased when the turn ends."""

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.forgetting import ForgetPlanner, Forgetting
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.rules import RequiresApprovalRule

FORGET = "forget"


def forget(memory: AgentMemory, what: str) -> str:
    """Have something erased for good, and all that was made of it, at the user's wish only. It happens when this turn ends.

    Args:
        what: The shortest words that it is told by, exactly as they were said, such as a name or a number; or the id of a passage.
    """
    planner = ForgetPlanner(
        Forgetting(memory.store, None), memory.agent_id, memory.archival, memory.archive is None, actor=memory.cause.actor,
        time_zone=memory.time_zone, clock=memory.clock,
    )  # fmt: skip
    plan = planner.thing([what])
    counts = plan.request(memory.cause.key)
    if not counts:
        near = [f"- {one.kind} {one.id}" for one in plan.found]
        hint = "\n".join(["These come near; name one by its id:", *near]) if near else "Nothing comes near."
        return f"Nothing holds these words, so nothing will be erased. {hint}"
    counted = ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in counts.items())
    stays = f" These stay: {' '.join(plan.stays)}" if plan.stays else ""
    return f"When this turn ends these are erased, with all that repeats them: {counted}.{stays} Do not say it again in your answer."


TOOLS = (memory_tool(forget),)
RULES = (RequiresApprovalRule(FORGET),)
