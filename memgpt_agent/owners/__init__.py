"""Who may use which agent: identities, who owns what, with whom it is shared, and tokens."""

from memgpt_agent.owners.identity import SCOPES, Identity, Scope, agent_id_for
from memgpt_agent.owners.ownership import (
    EVERYBODY,
    OWNERS,
    Ownership,
    Right,
    Walls,
    assign,
    check,
    claim,
    owner_of,
    owners_of,
    ownership,
    reading,
    right,
    share,
    unknown,
    walled,
)

__all__ = [
    "EVERYBODY",
    "OWNERS",
    "SCOPES",
    "Identity",
    "Ownership",
    "Right",
    "Scope",
    "Walls",
    "agent_id_for",
    "assign",
    "check",
    "claim",
    "owner_of",
    "owners_of",
    "ownership",
    "reading",
    "right",
    "share",
    "unknown",
    "walled",
]
