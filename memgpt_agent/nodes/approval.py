"""Waiting for a person's decision on a tool call: a LangGraph interrupt in the form that Studio and agent inboxes expect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from langgraph.types import interrupt

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.prompts import REJECTED

DECISIONS = ("approve", "edit", "reject")
MAX_ANSWERS = 20
"""After this many answers that are not decisions, the last counts as a rejection."""


@dataclass(frozen=True)
class Decision:
    """A person's decision on a call."""

    type: Literal["approve", "edit", "reject", "respond"]
    """To carry it out as it is, with other arguments, or not at all; or to answer in the tool's place."""
    arguments: dict[str, Any] | None = None
    """For an edit: all the arguments."""
    reason: str = ""
    """For a rejection: why, for the model."""
    result: str = ""
    """For an answer in the tool's place: what the model reads as its result."""

    @property
    def refusal(self) -> str:
        """What to tell the model about a rejection."""
        return REJECTED.format(reason=self.reason.strip() or "no reason was given")


def ask(
    name: str, arguments: Mapping[str, Any], call_id: str, description: str, *, refuse_by_default: bool = False
) -> Decision:
    """Stop the graph until somebody decides; return the decision.

    The request is LangChain's for human-in-the-loop: ``action_requests`` and ``review_configs``, with our ``call_id`` beside them. It is
    resumed with ``{"decisions": [{"type": "approve"}]}``, ``{"type": "edit", "edited_action": {"name": ..., "args": ...}}`` or ``{"type":
    "reject", "message": ...}``; LangChain's ``respond``, whose ``message`` stands for the tool's result, and the older answers of agent
    inboxes (``accept``, ``response``, ``ignore``) are understood as well.

    To what is not a decision the same is asked again, with what was wrong in the description. An error instead would be for good: LangGraph
    keeps an answer with the step and gives it again, first, whatever the client resumes with next.

    Agent Chat UI begins with ``approve`` where that is offered, and sends it for a rejection whose reason was left empty:
    with ``refuse_by_default`` it is not offered.
    """
    offered = [one for one in DECISIONS if not (refuse_by_default and one == "approve")]
    problem = ""
    for _ in range(MAX_ANSWERS):
        shown = f"{problem}\n\n{description}".strip() if problem else description
        request = {
            "action_requests": [{"name": name, "args": dict(arguments), "description": shown}],
            "review_configs": [{"action_name": name, "allowed_decisions": offered}],
            "call_id": call_id,
        }
        try:
            return decision_of(interrupt(request), name)
        except ConfigurationError as unread:
            problem = str(unread)
    return Decision("reject", reason=problem)


def decision_of(answer: Any, name: str) -> Decision:
    """Read a decision. It may also be JSON in a text field, or a single word.

    Raises:
        ConfigurationError: it is none that we know.
    """
    given: Any = _written(answer) if isinstance(answer, str) else answer
    given = cast(dict[str, Any], given).get("decisions", given) if isinstance(given, dict) else given
    if isinstance(given, list):
        decisions = cast(list[Any], given)
        given = decisions[0] if len(decisions) == 1 else None  # of several, none is told to be this call's
    if isinstance(given, str):
        given = {"type": given.strip().lower()}
    if not isinstance(given, dict):
        raise _unknown(answer)
    decision = cast(dict[str, Any], given)
    kind = str(decision.get("type", ""))
    if kind in {"approve", "accept"}:
        return Decision("approve")
    if kind == "edit":
        return Decision("edit", _edited(decision, name))
    if kind in {"reject", "response", "ignore"}:
        return Decision("reject", reason=str(decision.get("message") or decision.get("args") or ""))
    if kind == "respond":
        return Decision("respond", result=str(decision.get("message") or ""))
    raise _unknown(answer)


def _written(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _edited(decision: Mapping[str, Any], name: str) -> dict[str, Any]:
    action: Any = decision.get("edited_action") or decision.get("args")
    if not isinstance(action, dict):
        raise _unknown(decision)
    edited = cast(dict[str, Any], action)
    if edited.get("name", edited.get("action", name)) != name:
        raise ConfigurationError(
            f"The call is one of {name!r}; an edit may change its arguments, not the tool. Reject it instead."
        )
    arguments: Any = edited.get("args", edited)
    return dict(cast(dict[str, Any], arguments))


def _unknown(answer: Any) -> ConfigurationError:
    return ConfigurationError(
        f"{answer!r} is no decision. Resume with {{'decisions': [{{'type': 'approve'}}]}}, with 'edit' and 'edited_action', or with "
        "'reject' and 'message'."
    )
