"""Identifying this process, and checking whether another process is still alive."""

import os
import socket
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

_PROC = Path("/proc")
_BOOT_ID = "sys/kernel/random/boot_id"


class ProcessName(TypedDict):
    """What tells a process from every other, on every machine, now and after its number is used again."""

    host: str
    """The machine since it was started, and the space in which its process numbers hold."""
    pid: int
    """The process's number there."""
    started: str
    """When it was started, in the kernel's own count; empty if that is not told."""


def this_process() -> ProcessName:
    """Return the name of the process that asks; a fork has a name of its own."""
    pid = os.getpid()
    return ProcessName(host=_host(), pid=pid, started=_own_start(pid))


def surely_dead(name: Mapping[str, Any]) -> bool:
    """Whether the named process is known to have ended.

    **Limits**: of a process on another machine (or in another container) nothing is known, nor on Windows, so the
    answer is no. Where the kernel does not tell when a process began (all but Linux), a number that was given to a
    new process counts as alive.
    """
    if name.get("host") != _host():
        return False
    pid = int(name["pid"])
    if (_PROC / "self" / "stat").exists():
        status = _status(pid)
        return status is None or status[0] in "ZX" or bool(name["started"] and status[1] != name["started"])
    if sys.platform == "win32":
        return False  # os.kill would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def same_boot(name: Mapping[str, Any]) -> bool:
    """Whether the named process runs on this machine since it was started last, so that both read the same steady clock.

    **Limits**: known on Linux only; elsewhere the answer is no.
    """
    return name.get("host") == _host() and (_PROC / _BOOT_ID).exists()


def _status(pid: int) -> tuple[str, str] | None:
    """The state and the start of a process, from the kernel's table; ``None`` if there is no such process."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], fields[19]


@lru_cache(maxsize=4)
def _own_start(pid: int) -> str:
    status = _status(pid)
    return status[1] if status else ""


@lru_cache(maxsize=1)
def _host() -> str:
    parts = [socket.gethostname()]
    for about, read in (("boot_id", Path.read_text), ("pid", Path.readlink)):
        place = _PROC / (_BOOT_ID if about == "boot_id" else "self/ns/pid")
        try:
            parts.append(str(read(place)).strip())
        except OSError:  # not Linux: the name alone
            continue
    return " ".join(parts)
