"""One turn at a time in a conversation, across threads, event loops and processes."""

from memgpt_agent.leases.lease import Lease, Leases

__all__ = ["Lease", "Leases"]
