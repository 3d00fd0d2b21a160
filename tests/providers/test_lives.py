"""Lives of agents with each provider's real client, against a server that refuses what the provider refuses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.providers.life import Living, lived
from benchmarks.providers.makers import PROVIDERS, Provider
from benchmarks.providers.strict.server import StrictServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported
TURNS = int(os.environ.get("MEMGPT_TEST_TURNS", "21"))


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_turn_of_a_life_is_refused(name: str, tmp_path: Path):
    """Several tools, a failing one, text beside a call, pictures, eviction, a restart; sync, async, streamed."""
    provider: Provider = PROVIDERS[name]
    with StrictServer(provider.wire(), Living()) as server:
        make: Callable[[], Any] = lambda: provider.model(server.url)  # noqa: E731  one line
        assert lived(tmp_path, server, make, TURNS, **provider.options) == []
    assert any(not body.get("tools") for body in server.requests), "nothing was evicted and summarised"
