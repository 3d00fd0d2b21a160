"""Carrying out a note of forgetting, from the fences to the rewritten files and the prompt's history; after a kill it goes on."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.backups import drop_upgrade_copies
from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.leases import Lease, Leases
from memgpt_agent.memory import deletion, namespaces
from memgpt_agent.memory.forgetting.conversation_changes import ConversationChanges
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.store_changes import StoreChanges
from memgpt_agent.memory.forgetting.stored_items import StoredItems
from memgpt_agent.memory.forgetting.summaries import digest_of
from memgpt_agent.memory.forgetting.words import Needles

FORGET = "forget:"
"""Before a note's id: its key among what is still to be erased."""
Tell = Callable[[str], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forgetting:
    """Carries out notes on one store and one place of checkpoints."""

    store: BaseStore
    """Where memory lives."""
    checkpointer: BaseCheckpointSaver[Any] | None
    """Where conversations live; ``None`` within a turn, where forgetting is only asked for."""
    home: Path | None = None
    """The data folder, in which the history of the prompt lies; ``None`` if both are somebody else's."""

    @property
    def place(self) -> str:
        """What names the place of the checkpoints, so that a note is not carried out beside others; empty if it is not known yet."""
        if self.checkpointer is None:
            return ""
        if self.home is not None:
            return "home"  # also when the folder is moved
        return self.checkpointer.path if isinstance(self.checkpointer, Checkpointer) else type(self.checkpointer).__name__

    def note(self, note: ForgetNote) -> None:
        """Store a note: from now on it is carried out, by whoever opens the agent next if not by us."""
        self.store.put(namespaces.ERASURES, FORGET + note.id, note.as_value(), index=False)

    def noted(self) -> list[ForgetNote]:
        """Return the notes that are still to be carried out here."""
        found = self.store.search(namespaces.ERASURES, limit=1_000)
        notes = [ForgetNote.from_value(item.value) for item in found if item.key.startswith(FORGET)]
        return [note for note in notes if note.place in ("", self.place)]

    def fence(self, note: ForgetNote, wait_seconds: float, held: ExitStack) -> dict[str, Lease]:
        """Take the leases of a note's conversations, once their turns are over; nobody else's turn writes from then on.

        Raises:
            ConversationBusy: a turn took too long; nothing was done.
        """
        leases = Leases(self.store)
        held_leases = {thread: held.enter_context(leases.hold(thread, wait_seconds)) for thread in sorted({*note.threads, *note.gone_threads})}
        if isinstance(self.checkpointer, Checkpointer):
            for lease in held_leases.values():
                self.checkpointer.raise_fence(lease)
        return held_leases

    def carry_out(self, note: ForgetNote, leases: Mapping[str, Lease], tell: Tell) -> None:
        """Erase what a note says from memory and conversations. What is left are bytes in free pages."""
        tell("Erasing from memory")
        changes = StoreChanges(self.store, note)
        note = changes.erase()
        held = StoredItems.of(self.store, note.agent_id)

        def digest(thread_id: str, until: str, limit_chars: int) -> str:
            return digest_of(held, note, thread_id, until, limit_chars)

        tell(f"Erasing from conversations ({len(leases)})")
        conversations = ConversationChanges(note, changes.keyed, digest)
        for thread_id, lease in leases.items():
            if self.checkpointer is not None and thread_id in note.gone_threads:
                self.checkpointer.delete_thread(thread_id)
            elif isinstance(self.checkpointer, Checkpointer):
                self.checkpointer.rewrite(thread_id, conversations, lease)
            elif self.checkpointer is not None:
                rewrite_newest(self.checkpointer, thread_id, conversations)
        if self.home is not None:
            forget_lines(self.home / "history", note.needles())
            drop_upgrade_copies(self.home)

    def done(self, note: ForgetNote) -> list[PutOp]:
        """Return the writes that put what is kept of an act in the place of its note: when, by whom, how much."""
        log = PutOp(namespaces.of(note.agent_id, "forgotten"), f"log-{note.id}", dict(note.log), index=False)
        leases = [op for thread in note.gone_threads for op in deletion.thread_deletions(thread)]
        return [*leases, log, PutOp(namespaces.ERASURES, FORGET + note.id, None)]


def rewrite_newest(saver: BaseCheckpointSaver[Any], thread_id: str, changes: ConversationChanges) -> None:
    """Put the changed newest state of a thread in the place of all its checkpoints, on a saver that can change none.

    **Limits**: earlier checkpoints are gone; states of subgraphs start over.
    """
    config: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    found = saver.get_tuple(config)
    if found is None:
        return
    before = dict(found.checkpoint["channel_values"])
    checkpoint = {**found.checkpoint, "channel_values": changes.values(thread_id, before)}
    writes = [(task, channel, changes.written(channel, value)) for task, channel, value in found.pending_writes or ()]
    saver.delete_thread(thread_id)
    versions: Any = found.checkpoint["channel_versions"]
    at = saver.put(config, checkpoint, changes.about(dict(found.metadata)), versions)  # pyright: ignore[reportArgumentType]
    for task, channel, value in writes:
        saver.put_writes(at, [(channel, value)], task)


def forget_lines(path: Path, needles: Needles) -> None:
    """Take the entries that hold what is to be forgotten out of a prompt's history; the file is replaced in one step."""
    if not path.exists():
        return
    text = path.read_text("utf-8", "surrogateescape")
    entries = _entries(text)
    kept = [entry for entry in entries if not needles.within("\n".join(line[1:] for line in entry if line.startswith("+")))]
    if len(kept) == len(entries):
        return
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("".join("\n" + "\n".join(entry) + "\n" for entry in kept))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _entries(text: str) -> list[list[str]]:
    """Return the entries of a history as prompt_toolkit writes it: a line with the time, then lines that begin with a plus."""
    entries: list[list[str]] = []
    for line in text.split("\n"):
        if line.startswith("#"):
            entries.append([line])
        elif line.startswith("+") and entries:
            entries[-1].append(line)
    return entries
