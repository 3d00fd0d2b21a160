"""The history of the terminal's prompt: what was typed there is erased from its file too."""

import os
from pathlib import Path

from memgpt_agent.memory.forgetting.words import Needles


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
