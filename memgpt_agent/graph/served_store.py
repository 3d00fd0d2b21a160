"""The store that ``langgraph.json`` names: opened when the server starts, closed when it stops."""

import asyncio
import ipaddress
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from langgraph.store.base import BaseStore

from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.nodes.run_agent import authenticates

_log = logging.getLogger(__name__)
_opened: list[BaseStore] = []


def opened() -> BaseStore | None:
    """Return the store of the server that runs in this process; ``None`` if none does."""
    return _opened[-1] if _opened else None


def exposure(environ: Mapping[str, str]) -> str:
    """Return a warning if other machines may reach the server and it authenticates nobody; otherwise an empty text.

    LangGraph's server says in its environment where it listens and whether it has an ``auth``.
    """
    if authenticates(environ) or environ.get("LANGGRAPH_AUTH_TYPE", "noop") != "noop":
        return ""
    host = urlsplit(environ.get("LANGGRAPH_API_URL", "")).hostname or ""
    if host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        return ""
    return (
        f"THIS SERVER LISTENS ON {host or 'AN UNKNOWN ADDRESS'} AND AUTHENTICATES NOBODY: whoever reaches it reads and changes every memory. "
        'Let it listen on 127.0.0.1, or give it an auth: "auth": {"path": "memgpt_agent.graph.served_auth:auth"}. See docs/owners.md.'
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def store() -> AsyncGenerator[BaseStore]:
    """Open the configured store (``MEMGPT_HOME``, ``MEMGPT_STORE``, ``MEMGPT_EMBEDDING``) for the server's life.

    If other machines can reach the server and it has no ``auth``, logs a warning.
    """
    if warning := exposure(os.environ):
        _log.warning(warning)
    served = await asyncio.to_thread(lambda: open_configured_store(Settings.load()))
    _opened.append(served)
    try:
        yield served
    finally:
        _opened.remove(served)
        await asyncio.to_thread(served.close)
