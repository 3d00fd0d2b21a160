"""Editing a text in the user's own editor. The draft is never lost, whatever the editor, memory or others do meanwhile."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer

from memgpt_agent.cli.terminal import Terminal
from memgpt_agent.errors import ConfigurationError, EditConflict, MemGPTError
from memgpt_agent.private import new_private_file

_FALLBACKS = ("nano", "vim", "vi", "notepad")


def edit(terminal: Terminal, name: str, text: str, write: Callable[[str], None], *, empty: str) -> bool:
    """Let the user edit a text, and write what comes of it; return whether something was written.

    Where it cannot be written, or the editor fails, the draft stays in a file that the user is told of; on a terminal the user may edit it
    again. Unchanged or empty, nothing is written.

    Args:
        terminal: where messages are printed.
        name: what is edited: the file is called so.
        text: what it says now.
        write: writes the new text; its errors are printed.
        empty: what to do instead where the text is to be empty.

    Raises:
        ConfigurationError: there is no editor, or it failed.
        MemGPTError: what ``write`` raises, where the user does not edit again.
    """
    folder = Path(tempfile.mkdtemp(prefix="memgpt-"))  # for its owner alone; not in the data folder, of which much is promised
    draft = folder / f"{re.sub(r'[^0-9A-Za-z_-]', '_', name)[:60] or 'text'}.txt"
    new_private_file(draft)
    draft.write_text(text, encoding="utf-8", errors="replace", newline="")
    while True:
        edited = _edited(draft, text)
        if edited == text:
            return _end(terminal, folder, "Nothing was changed.")
        if not edited.strip():
            return _end(terminal, folder, f"The text is empty; nothing was changed. {empty}")
        try:
            write(edited)
        except MemGPTError as error:
            terminal.fail(error)
            if isinstance(error, EditConflict):
                terminal.note(error.difference)
            terminal.note(f"Your text is in {draft}", "yellow")
            if isinstance(error, EditConflict) or not terminal.out.is_terminal or not typer.confirm("Edit it again?", default=True):
                raise typer.Exit(1) from error
        else:
            shutil.rmtree(folder)
            return True


def _end(terminal: Terminal, folder: Path, notice: str) -> bool:
    shutil.rmtree(folder)
    terminal.note(notice, "dim")
    return False


def _edited(draft: Path, text: str) -> str:
    """Run the editor; return the text without the line end that it added."""
    command = _editor()
    try:
        code = subprocess.run([*command, str(draft)], check=False).returncode  # noqa: S603  the user names the editor
    except OSError as error:
        notice = f"The editor {command[0]!r} (VISUAL or EDITOR) cannot be run: {error.strerror}. The draft is {draft}"
        raise ConfigurationError(notice) from error
    try:
        edited = draft.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"What the editor left cannot be read ({error}). The draft is {draft}") from error
    if code and edited == text:
        shutil.rmtree(draft.parent)
        raise ConfigurationError(f"The editor {command[0]!r} ended with code {code}; nothing was changed.")
    if code:
        raise ConfigurationError(f"The editor {command[0]!r} ended with code {code}; nothing was changed. The draft is {draft}")
    return edited.removesuffix("\n") if edited.endswith("\n") and not text.endswith("\n") else edited


def _editor() -> list[str]:
    """Return the command of the user's editor.

    Raises:
        ConfigurationError: none is named and none is found.
    """
    for variable in ("VISUAL", "EDITOR"):
        if named := os.environ.get(variable, "").strip():
            return shlex.split(named)
    found = next((path for name in _FALLBACKS if (path := shutil.which(name))), None)
    if found is None:
        raise ConfigurationError("There is no editor. Set EDITOR, or give the text: memgpt memory set LABEL TEXT")
    return [found]
