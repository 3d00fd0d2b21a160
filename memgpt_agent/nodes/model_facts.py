"""What using a model teaches about it: how its provider counts tokens, and how large its window truly is."""

from typing import Any

from langchain_core.messages import AIMessage

from memgpt_agent.models.failures import TooLong
from memgpt_agent.nodes.session import Session, name_of
from memgpt_agent.state import AgentState, ModelFacts
from memgpt_agent.tokens.resolve import ModelTokenCounter

_MAX_FACTOR = 3.0
_PLAUSIBLE = (0.25, 4.0)
"""A figure outside of this share of our count is about something else, such as the tokens that were not in a cache."""
_FORGETTING = 0.2
_FORGETTING_UNSEEN = 0.05
"""What a refusal made us assume fades where the provider gives no figures, or a wrong refusal would hold for ever."""
_ROOM = 1.3
"""However low our count, a refusal leaves the conversation some room: the fixed part times this fits the budget."""
_MAX_MODELS = 8
_MIN_WINDOW = 512


def after_answer(session: Session, state: AgentState, answer: AIMessage, counted: int) -> dict[str, Any]:
    """Return the state's update where the provider's own figure of what it was sent corrects our count.

    A larger figure counts at once; a smaller one lets the factor sink slowly, never below 1: that fewer tokens were
    counted than we thought is no reason to fill the window to its edge. A model that counts for itself is exact.
    """
    if counted <= 0 or isinstance(session.counter, ModelTokenCounter):
        return {}
    known, used = session.facts["factor"], answer.usage_metadata
    ratio = used["input_tokens"] / counted if used else 0.0
    if not _PLAUSIBLE[0] <= ratio <= _PLAUSIBLE[1]:
        factor = known + _FORGETTING_UNSEEN * (1.0 - known)
    else:
        factor = ratio if ratio > known else known + _FORGETTING * (ratio - known)
    factor = round(min(_MAX_FACTOR, max(1.0, factor)), 3)
    return {} if factor == known else {"model_facts": _with(session, state, {**session.facts, "factor": factor})}


def after_refusal(session: Session, state: AgentState, told: TooLong, counted: int) -> dict[str, ModelFacts]:
    """Return what is known of the models once a provider has refused a prompt as too long.

    A window smaller than we took it for is learned. Otherwise our count was too low: by the provider's figure where
    it gives one, else by a quarter.
    """
    facts = session.facts
    if told.window and _MIN_WINDOW <= told.window < session.window_tokens:
        return _with(session, state, {**facts, "window": told.window})
    seen = told.sent / counted * 1.05 if told.sent and counted else 0.0
    factor = seen if facts["factor"] < seen <= _MAX_FACTOR else facts["factor"] * 1.25
    usage = state.get("context_usage", {})
    fixed = (usage.get("total", 0) - usage.get("messages", 0)) / facts["factor"]
    most = session.provider_budget_tokens / (fixed * _ROOM) if fixed > 0 else _MAX_FACTOR
    return _with(session, state, {**facts, "factor": round(max(1.0, min(_MAX_FACTOR, most, factor)), 3)})


def _with(session: Session, state: AgentState, facts: ModelFacts) -> dict[str, ModelFacts]:
    name = name_of(session.model)
    others = {known: f for known, f in (state.get("model_facts") or {}).items() if known != name}
    return {**dict(list(others.items())[1 - _MAX_MODELS :]), name: facts}
