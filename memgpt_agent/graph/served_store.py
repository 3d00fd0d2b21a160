"""The store that ``langgraph.json`` names: opened when the server starts, closed when it stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from langgraph.store.base import BaseStore

from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store


@asynccontextmanager
async def store() -> AsyncGenerator[BaseStore]:
    """Open the configured store (``MEMGPT_HOME``, ``MEMGPT_STORE``, ``MEMGPT_EMBEDDING``) for the server's life."""
    opened = await asyncio.to_thread(lambda: open_configured_store(Settings.load()))
    try:
        yield opened
    finally:
        await asyncio.to_thread(opened.close)
