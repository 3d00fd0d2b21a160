"""docs/cli.md is about the commands that there are."""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from memgpt_agent.cli.commands import Conversation
from memgpt_agent.cli.turn_view import TurnView

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_lists_todays_commands() -> None:
    """Every command, argument and option, as its own help tells it."""
    check = subprocess.run([sys.executable, ROOT / "scripts" / "cli_reference.py", "--check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, f"run: python scripts/cli_reference.py\n{check.stderr}"


def test_the_page_lists_the_commands_of_a_conversation(memgpt) -> None:
    """Each that begins with a slash has its row."""
    console = Console(file=io.StringIO())
    talk = Conversation(None, console, TurnView(console, console, live=True, thoughts=True))  # type: ignore[arg-type]
    rows = re.findall(r"^\| `(/[a-z]+)", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert rows == talk.names()
