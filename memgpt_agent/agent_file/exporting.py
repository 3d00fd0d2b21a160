"""Exporting an agent: everything under its id in the store, and the state of its conversations, in one file."""

import base64
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from memgpt_agent.agent_file.conversation import read_conversation
from memgpt_agent.agent_file.document import EmbeddingUsed, StoredItem, lines, without_secrets
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.core.shared_blocks import as_own
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.tiers import index_of
from memgpt_agent.owners import Identity
from memgpt_agent.store.plain import embedding_of, items_of

MAX_TIERS = 10_000


@dataclass
class Exported:
    """What an export held."""

    agent_id: str
    """The agent."""
    items: dict[str, int] = field(default_factory=dict[str, int])
    """How many items of each tier."""
    threads: list[str] = field(default_factory=list[str])
    """The conversations."""
    left_out: list[str] = field(default_factory=list[str])
    """What was not written, and why."""


def export_agent(
    agent_id: str,
    target: Path | TextIO,
    *,
    vectors: bool = False,
    settings: Settings | None = None,
    store: BaseStore | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> Exported:
    """Write everything that an agent is to one file; exporting it again, or after an import, gives the same bytes.

    Args:
        agent_id: which agent.
        target: a file, which is there whole or not at all, or an open text stream.
        vectors: write the vectors too, so that an import need not embed again; much longer.
        settings: where the store and the checkpoints are, if these are not given.
        store: where its memory lies.
        checkpointer: where its conversations lie.

    Raises:
        AgentNotFound: there is no such agent.
        AgentFileError: a conversation is at a step that cannot be taken up elsewhere.
        ConversationBusy: a turn is being taken, and was not over in time.

    **Limits**: what lies outside the store is not in it: an archive that was given as a vector store, tools' own code.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = store if store is not None else opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = checkpointer or opened.enter_context(open_configured_checkpointer(settings))
        definition = definitions.existing(store, agent_id, Identity.of(settings.owner))
        for thread_id in definition.threads:
            opened.enter_context(Leases(store).hold(thread_id, settings.turn_wait_seconds))
        reading = _ExportReader(store, checkpointer, agent_id, vectors=vectors)
        if not isinstance(target, Path):
            target.writelines(reading.lines())
            return reading.done
        write_whole(target, reading.lines())
        return reading.done


def write_whole(target: Path, text: Iterator[str]) -> None:
    """Write a file that is there whole or, if this fails, as it was before."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class _ExportReader:
    """Reads an agent while it is being written."""

    def __init__(
        self, store: BaseStore, checkpointer: BaseCheckpointSaver[Any], agent_id: str, *, vectors: bool
    ) -> None:
        self._store, self._checkpointer, self._agent_id, self._vectors = store, checkpointer, agent_id, vectors
        self._vectors_by = embedding_of(store) if vectors else None
        self.done = Exported(agent_id)

    def lines(self) -> Iterator[str]:
        item = self._store.get(namespaces.AGENTS, self._agent_id)
        stored: dict[str, Any] = {
            key: value for key, value in (item.value if item else {}).items() if key != "agent_id"
        }
        found: list[str] = []
        definition = without_secrets(stored, "definition", found)
        self.done.left_out += [f"{place}: it looks like a secret" for place in found]
        if self._vectors and self._vectors_by is None:
            self.done.left_out.append("vectors: this store does not give them")
        used = EmbeddingUsed(**self._vectors_by._asdict()) if self._vectors_by else None
        yield from lines(self._agent_id, definition, used, self._tiers(), self._threads(stored.get("threads", [])))

    def _tiers(self) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        root = namespaces.encode_label(self._agent_id)
        for namespace in sorted(self._store.list_namespaces(prefix=(root,), limit=MAX_TIERS)):
            yield "/".join(namespace[1:]), self._items(namespace)

    def _items(self, namespace: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        tier = "/".join(namespace[1:])
        for item in items_of(self._store, namespace, vectors_by=self._vectors_by, index_of=index_of):
            self.done.items[tier] = self.done.items.get(tier, 0) + 1
            value = item.value
            if tier == "core" and value.get("shared") and (kept := self._store.get(namespace, item.key)) is not None:
                value = as_own(self._store, self._agent_id, kept)
                self.done.left_out.append(f"shared block {item.key!r}: its text is taken along as the agent's own; that it is shared is not")
            vectors = {path: base64.b64encode(vector).decode() for path, vector in item.vectors.items()}
            stored = StoredItem(
                key=item.key,
                value=value,
                index=list(item.index) if item.index is not None else None,
                vectors=vectors,
            )
            yield stored.model_dump(exclude_defaults=True)

    def _threads(self, threads: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        graph = create_graph(checkpointer=self._checkpointer, store=self._store)
        for thread_id in sorted(threads):
            conversation = read_conversation(graph, thread_id)
            if conversation is not None:
                self.done.threads.append(thread_id)
                yield thread_id, conversation.model_dump()
