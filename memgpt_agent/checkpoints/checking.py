"""A full check of a checkpoint file: SQLite's own check, and whether every conversation can be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from memgpt_agent.checkpoints.message_table import ROW_TYPE, RowSerializer, digests_of
from memgpt_agent.sqlite_files import problems

_SHOWN = 5


def conversation_problems(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a file of checkpoints, and what to do; reads all of it and changes nothing."""
    if found := problems(path, in_use=True):
        yield f"{path.name} is damaged: {'; '.join(found[:_SHOWN])}", "Restore a backup (memgpt restore). The memory is in another file."
        return
    bad: dict[str, str] = {}
    serde = RowSerializer()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as seen:
        seen.execute("BEGIN")
        tables = {str(name) for (name,) in seen.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "checkpoints" not in tables:
            return
        kept = _kept(seen) if "queue_messages" in tables else set[tuple[str, bytes]]()
        for thread, kind, row in seen.execute("SELECT thread_id, type, checkpoint FROM checkpoints"):
            try:
                serde.loads_typed((kind, row))
                if kind == ROW_TYPE and any((thread, digest) not in kept for digest in digests_of(row)):
                    bad[str(thread)] = "messages are missing"
            except Exception as error:  # noqa: BLE001 - whatever makes a row unreadable is what is looked for
                bad[str(thread)] = f"{type(error).__name__}: {error}"
    for thread, reason in list(bad.items())[:_SHOWN]:
        yield f"the conversation {thread!r} cannot be read ({reason})", "Restore a backup, or begin another with --thread; the memory stays."
    if len(bad) > _SHOWN:
        yield f"{len(bad) - _SHOWN:,} more conversations cannot be read", "The same."


def _kept(seen: sqlite3.Connection) -> set[tuple[str, bytes]]:
    return {(str(thread), bytes(digest)) for thread, digest in seen.execute("SELECT thread_id, digest FROM queue_messages")}
