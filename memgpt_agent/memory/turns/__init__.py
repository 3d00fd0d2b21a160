"""One turn at a time in a conversation, across threads, event loops and processes."""

from memgpt_agent.memory.turns.lease import Lease, Leases

__all__ = ["Lease", "Leases"]
