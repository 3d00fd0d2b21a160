"""What a client reads of our errors: LangGraph's server puts an error into words by its type."""

import json

import pytest
from langgraph_api.serde import json_dumpb

from memgpt_agent import errors

NAMES = sorted(name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.MemGPTError))


@pytest.mark.parametrize("name", NAMES)
def test_a_client_reads_the_words_of_every_error(name: str) -> None:
    """By the server's own function, which hides the words of types that it does not know."""
    told = json.loads(json_dumpb(getattr(errors, name)("what to do next")))
    assert (told["error"], "what to do next" in told["message"]) == (name, True)
