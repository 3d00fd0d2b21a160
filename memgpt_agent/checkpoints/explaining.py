"""Explaining an error of the checkpoint file to the user."""

import sqlite3

from memgpt_agent.errors import StoreCorrupt, StoreError

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a write waits for another process's."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explained(error: Exception, path: str) -> StoreError:
    """Say what a database error means for whoever meets it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreCorrupt(
            f"{path} is damaged or no database ({error}). It was left as it is. Restore a copy, or move it away."
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreError(
            f"{path} is in use by another process and was not free within {BUSY_TIMEOUT_SECONDS:.0f} s. "
            "Nothing was written. End that process, or try again."
        )
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError(f"{path} cannot be used ({error}). Open it again with open_checkpointer(path).")
    return StoreError(f"{path}: {error}. Nothing was written. See that its folder may be written to and has room.")
