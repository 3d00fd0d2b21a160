"""What FaissStore adds to LangGraph's store: find, newest, count and put_if, each with an async face."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from langgraph.store.base import SearchItem, TTLConfig

from memgpt_agent.store.operations import Find, Newest, Planner
from memgpt_agent.store.protocol import SearchMode, Tally
from memgpt_agent.store.sqlite.engine import Engine, Vectors

Namespace = tuple[str, ...]


class MemoryFace:
    """The operations of ``MemoryStore``, over an engine. The two faces differ in how texts are embedded, and in the thread."""

    ttl_config: TTLConfig | None
    _engine: Engine
    _planner: Planner

    def find(
        self,
        namespace: Namespace,
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | None = None,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace that fit ``query`` best; see ``MemoryStore.find``."""
        asked = Find(namespace, query, mode, filter, limit, offset, near).checked()
        return self._engine.find(asked, self._queries(asked.texts))

    async def afind(
        self,
        namespace: Namespace,
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | None = None,
    ) -> list[SearchItem]:
        """Do as :meth:`find` does, without blocking the loop."""
        asked = Find(namespace, query, mode, filter, limit, offset, near).checked()
        vectors = await self._aqueries(asked.texts)
        return await asyncio.to_thread(self._engine.find, asked, vectors)

    def newest(
        self,
        namespace: Namespace,
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace by a field, highest first; see ``MemoryStore.newest``."""
        return self._engine.newest(Newest(namespace, by, filter, limit, offset).checked())

    async def anewest(
        self,
        namespace: Namespace,
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Do as :meth:`newest` does, without blocking the loop."""
        return await asyncio.to_thread(self._engine.newest, Newest(namespace, by, filter, limit, offset).checked())

    def count(self, namespace: Namespace, filter: dict[str, Any] | None = None) -> int:
        """Return how many items exactly this namespace holds; see ``MemoryStore.count``."""
        return self._engine.count(*_counted(namespace, filter))

    async def acount(self, namespace: Namespace, filter: dict[str, Any] | None = None) -> int:
        """Do as :meth:`count` does, without blocking the loop."""
        return await asyncio.to_thread(self._engine.count, *_counted(namespace, filter))

    def tally(self, namespace: Namespace, *, limit: int = 10) -> Tally:
        """Return how many items exactly this namespace holds, and its tags; see ``TallyStore.tally``."""
        return self._engine.tally(*_tallied(namespace, limit))

    async def atally(self, namespace: Namespace, *, limit: int = 10) -> Tally:
        """Do as :meth:`tally` does, without blocking the loop."""
        return await asyncio.to_thread(self._engine.tally, *_tallied(namespace, limit))

    def put_if(
        self,
        namespace: Namespace,
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
    ) -> bool:
        """Write ``value`` only if the stored value equals ``expected``; see ``MemoryStore.put_if``."""
        plan = self._planner.plan_put(namespace, key, value, index, self._default_ttl)
        return self._engine.put_if(plan, self._documents(plan.texts), expected, durable=durable)

    async def aput_if(
        self,
        namespace: Namespace,
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
    ) -> bool:
        """Do as :meth:`put_if` does, without blocking the loop."""
        plan = await asyncio.to_thread(self._planner.plan_put, namespace, key, value, index, self._default_ttl)
        vectors = await self._adocuments(plan.texts)
        return await asyncio.to_thread(lambda: self._engine.put_if(plan, vectors, expected, durable=durable))

    @property
    def _default_ttl(self) -> float | None:
        return (self.ttl_config or {}).get("default_ttl")

    def _documents(self, texts: Sequence[str]) -> Vectors:
        embedder = self._engine.embedder
        return embedder.documents(texts) if embedder and texts else {}

    async def _adocuments(self, texts: Sequence[str]) -> Vectors:
        embedder = self._engine.embedder
        return await embedder.adocuments(texts) if embedder and texts else {}

    def _queries(self, texts: Sequence[str]) -> Vectors:
        embedder = self._engine.embedder
        return embedder.queries(texts) if embedder and texts else {}

    async def _aqueries(self, texts: Sequence[str]) -> Vectors:
        embedder = self._engine.embedder
        return await embedder.aqueries(texts) if embedder and texts else {}


def _counted(namespace: Namespace, filter: dict[str, Any] | None) -> tuple[Namespace, dict[str, Any] | None]:
    asked = Newest(namespace, "time", filter, 0, 0).checked()
    return asked.namespace, asked.filter


def _tallied(namespace: Namespace, limit: int) -> tuple[Namespace, int]:
    asked = Newest(namespace, "time", None, limit, 0).checked()
    return asked.namespace, asked.limit
