"""One turn at a time in a conversation, across threads, event loops and processes."""

from memgpt_agent.leases.lease import LEASES, Lease
from memgpt_agent.leases.leases import Leases

__all__ = ["LEASES", "Lease", "Leases"]
