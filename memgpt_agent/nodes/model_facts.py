"""What the agent learns about a model by using it: its provider's token counts, and its true window."""

from typing import Any, cast

from langchain_core.messages import AIMessage

from memgpt_agent.models.too_long import TooLong
from memgpt_agent.nodes.session import Session, name_of
from memgpt_agent.state import AgentState, ModelFacts
from memgpt_agent.tokens.resolve import ModelTokenCounter

_MAX_FACTOR = 3.0
_PLAUSIBLE = (0.25, 4.0)
"""A figure outside this range of our count means something else, such as the tokens that were not in a cache."""
_FORGETTING = 0.2
_FORGETTING_UNSEEN = 0.05
"""A correction learned from a refusal fades if the provider gives no figures."""
_ROOM = 1.3
"""However low our count, a refusal leaves the conversation some room: the fixed part times this fits the budget."""
_FIRST_CUT, _SECOND_CUT = 2, 8
"""A refusal without figures leaves this part of what was sent; so the third call of a turn fits in an eighth of the window."""
_NEARLY_FULL, _GROWTH, _BELOW_REFUSED = 0.7, 1.1, 0.9
_FADING = 1.001
"""A wrong refusal must not hold forever: the refused size grows by a tenth after some 95 answers."""
_MAX_MODELS = 8
_MIN_WINDOW = 512


def after_answer(session: Session, state: AgentState, answer: AIMessage, counted: int) -> dict[str, Any]:
    """Return the state's update where an answer corrects our count, or shows that more fits than refusals had us assume.

    A larger figure of the provider's counts at once; a smaller one lets the factor sink slowly, never below 1: that fewer
    tokens were counted than we thought is no reason to fill the window to its edge. A model that counts for itself is exact.
    """
    facts: ModelFacts = _grown(session, state)
    known, used = facts["factor"], answer.usage_metadata
    if counted > 0 and not isinstance(session.counter, ModelTokenCounter):
        ratio = used["input_tokens"] / counted if used else 0.0
        if not _PLAUSIBLE[0] <= ratio <= _PLAUSIBLE[1]:
            factor = known + _FORGETTING_UNSEEN * (1.0 - known)
        else:
            factor = ratio if ratio > known else known + _FORGETTING * (ratio - known)
        facts = {**facts, "factor": round(min(_MAX_FACTOR, max(1.0, factor)), 3)}
    return {} if facts == session.facts else {"model_facts": _with(session, state, facts)}


def after_refusal(session: Session, state: AgentState, refusal: TooLong, counted: int, times: int) -> dict[str, ModelFacts]:
    """Return what is known of the models once a provider has refused a prompt as too long.

    A window smaller than we took it for is learned. Where the provider gives its figure of the prompt, our count was too low.
    Where more was asked for an answer than the model gives, that is asked for from now on.
    A refusal without figures halves what is sent; a second one in the same turn leaves an eighth, or what must be sent.
    """
    facts, usage = session.facts, state.get("context_usage", {})
    if refusal.answer:
        facts = cast(ModelFacts, {**facts, "answer": refusal.answer})
    if refusal.window and _MIN_WINDOW <= refusal.window < session.window_tokens:
        return _with(session, state, {**facts, "window": refusal.window})
    if refusal.answer:
        return _with(session, state, facts)
    seen = refusal.sent / counted * 1.05 if refusal.sent and counted else 0.0
    fixed = usage.get("total", 0) - usage.get("messages", 0)
    if facts["factor"] < seen <= _MAX_FACTOR:
        bare = fixed / facts["factor"]
        most = session.provider_budget_tokens / (bare * _ROOM) if bare > 0 else _MAX_FACTOR
        return _with(session, state, {**facts, "factor": round(max(1.0, min(_MAX_FACTOR, most, seen)), 3)})
    sent = min(usage.get("total", 0), session.provider_budget_tokens) or session.provider_budget_tokens
    fits = max(int(fixed * _ROOM), sent // (_FIRST_CUT if times == 1 else _SECOND_CUT))
    return _with(session, state, {**facts, "fits": fits, "refused": sent})


def _grown(session: Session, state: AgentState) -> ModelFacts:
    """Return the facts after an answer: the size assumed to fit grows towards the refused one, which fades."""
    facts, sent = session.facts, state.get("context_usage", {}).get("total", 0)
    fits, refused = facts.get("fits", 0), facts.get("refused", 0)
    if not fits:
        return facts
    refused = int(refused * _FADING) + 1
    if sent > fits * _NEARLY_FULL:
        fits = max(fits, min(int(fits * _GROWTH), int(refused * _BELOW_REFUSED)))
    if fits >= session.window_tokens - session.answer_tokens:
        return cast(ModelFacts, {key: value for key, value in facts.items() if key not in {"fits", "refused"}})
    return {**facts, "fits": fits, "refused": refused}


def _with(session: Session, state: AgentState, facts: ModelFacts) -> dict[str, ModelFacts]:
    name = name_of(session.model)
    others = {known: f for known, f in (state.get("model_facts") or {}).items() if known != name}
    return {**dict(list(others.items())[1 - _MAX_MODELS :]), name: facts}
