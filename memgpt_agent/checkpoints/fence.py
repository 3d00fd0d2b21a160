"""The fence before each checkpoint write: a turn that lost its conversation to another writes nothing more."""

import sqlite3
from typing import Protocol

FENCE = "__memgpt_fence"
"""The key of a config's ``configurable`` for the :class:`Fence` that each write has to pass."""
FENCES = "CREATE TABLE IF NOT EXISTS fences (thread_id TEXT PRIMARY KEY, number INTEGER NOT NULL)"
"""The highest fencing number that has written to each thread."""


class Fence(Protocol):
    """What a writer shows for its right to write: a lease, whose number rises whenever somebody takes it."""

    name: str
    """The conversation."""
    number: int
    """The number under which it is held."""

    def check(self) -> None:
        """Raise where the right may have run out and is lost."""
        ...

    def confirm(self) -> None:
        """Ask again whether the right is still held, and raise if it is not."""
        ...


def pass_fence(cursor: sqlite3.Cursor, fenced: tuple[str, Fence] | None) -> None:
    """Raise the thread's number to the writer's in the transaction that now begins, or refuse it."""
    if fenced is None:
        return
    thread_id, fence = fenced
    cursor.execute(
        "INSERT INTO fences (thread_id, number) VALUES (?, ?)"
        " ON CONFLICT (thread_id) DO UPDATE SET number = excluded.number WHERE excluded.number > number",
        fenced_row := (thread_id, fence.number),
    )
    (number,) = cursor.execute("SELECT number FROM fences WHERE thread_id = ?", (thread_id,)).fetchone()
    if number > fence.number:
        fence.confirm()  # the store knows better: it may have been restored from an older copy than this file
        cursor.execute("INSERT OR REPLACE INTO fences (thread_id, number) VALUES (?, ?)", fenced_row)
