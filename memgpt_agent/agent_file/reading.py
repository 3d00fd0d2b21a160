"""Reading a file that may hold an agent: JSON, also within a JSON string, within limits."""

import json
from pathlib import Path
from typing import Any, cast

from memgpt_agent.agent_file.bounds import check_values
from memgpt_agent.errors import AgentFileError

MAX_BYTES = 1 << 30
_MAX_WRAPPINGS = 4
"""Some files are a JSON text within a JSON string; deeper than this it is no accident."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file holds.

    Raises:
        AgentFileError: it is not JSON object, not UTF-8, or longer than 1 GB.
        FileNotFoundError: there is no such file.
    """
    if path.exists() and not path.is_file():
        raise AgentFileError(f"{path.name} is no ordinary file. Nothing was imported.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise AgentFileError(f"{path.name} has {size:,} bytes; {MAX_BYTES:,} are read at most.")
    try:
        data: Any = path.read_text(encoding="utf-8-sig")
        for _ in range(_MAX_WRAPPINGS):
            if not isinstance(data, str):
                break
            data = json.loads(data, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise AgentFileError(
            f"{path.name} is no text in UTF-8 ({error.reason} at byte {error.start:,}). Nothing was imported."
        ) from error
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise AgentFileError(f"{path.name} is no JSON: {error}. Nothing was imported.") from error
    if not isinstance(data, dict):
        raise AgentFileError(f"{path.name} holds a JSON {type(data).__name__}, not an object. Nothing was imported.")
    check_values(data, path.name)
    return cast(dict[str, Any], data)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; one that is there twice says two things, and readers differ on which holds."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(n for n in names if names.count(n) > 1)[:60]!r} is there twice in one object")
    return fields
