"""The nested key-value benchmark measures the agent's search, so its script must be able to solve the task."""

from uuid import NAMESPACE_OID, uuid5

from benchmarks.nested_kv.__main__ import solve
from memgpt_agent.testing import HashingEmbedder


def test_an_agent_that_only_searches_follows_a_chain_to_its_last_value() -> None:
    """A search shows several pairs, so there may be fewer searches than keys; the last one shows that the value is no key."""
    pairs = [[str(uuid5(NAMESPACE_OID, f"{what} {n}")) for what in ("key", "value")] for n in range(8)]
    right, searches = solve(pairs, [4, 1, 6], HashingEmbedder())
    assert right
    assert 2 <= searches <= 4
