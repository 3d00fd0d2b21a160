"""docs/cli.md is about the commands that there are."""

import re
import subprocess
import sys
from pathlib import Path

from memgpt_agent.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_lists_todays_commands() -> None:
    """Every command, argument and option, as its own help tells it."""
    check = subprocess.run([sys.executable, ROOT / "scripts" / "cli_reference.py", "--check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, f"run: python scripts/cli_reference.py\n{check.stderr}"


def test_the_page_lists_the_commands_of_a_conversation() -> None:
    """Each that begins with a slash has its row."""
    rows = re.findall(r"^\| `(/[a-z]+)", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert rows == list(COMMANDS)
