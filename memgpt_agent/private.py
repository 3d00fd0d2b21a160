"""Files and folders that only their owner may read, and whether conversations are traced."""

import os
from pathlib import Path
from typing import Any, cast

_LOG_ENDINGS = ("", "-wal", "-shm")
"""A database, its log, and the index of its log; SQLite makes the latter two with the rights of the first."""
_OTHERS = 0o077


def private_folder(path: Path) -> None:
    """Make a folder for its owner alone; one that is there stays as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def new_private_file(path: Path) -> None:
    """Make an empty file for its owner alone, if there is none."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def tighten(path: Path) -> None:
    """Take from everybody but the owner every right to a file or folder of ours, and to a database's logs beside it.

    **Limits**: somebody else's file stays as it is, and so does a folder that is meant for many (sticky, as ``/tmp``). On Windows
    nothing is done: a user's folders are private there by inheritance.
    """
    if os.name != "posix":
        return
    for place in (path.with_name(path.name + ending) for ending in _LOG_ENDINGS):
        try:
            about = place.stat()
            if about.st_uid == os.geteuid() and about.st_mode & _OTHERS and not about.st_mode & 0o1000:
                place.chmod(about.st_mode & ~_OTHERS & 0o7777)
        except OSError:  # no log, or a file system without rights
            continue


def is_traced() -> bool:
    """Whether LangChain sends what is said to LangSmith, as the environment or a setting in code tells it to."""
    from langsmith import utils

    return bool(cast(Any, utils).tracing_is_enabled())


def stop_tracing() -> None:
    """Send nothing to LangSmith from this process, whatever the environment says."""
    import langsmith

    langsmith.configure(enabled=False)
