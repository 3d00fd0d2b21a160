"""Write the part of docs/cli.md that lists every command, its arguments and options, from the commands themselves.

`python scripts/cli_reference.py` rewrites it; with `--check` it exits with 1 where the page is not today's.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from memgpt_agent.cli.app import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BEGIN = "<!-- commands: written by `python scripts/cli_reference.py` -->"
END = "<!-- end of commands -->"


def main() -> int:
    """Rewrite the list in the page, or say whether it is today's."""
    before = PAGE.read_text()
    for marker in (BEGIN, END):
        if marker not in before:
            raise ValueError(f"{PAGE} has no line {marker!r}; put it where the commands stand.")
    head, rest = before.split(BEGIN, 1)
    after = f"{head}{BEGIN}\n\n{render()}\n{END}{rest.split(END, 1)[1]}"
    if "--check" in sys.argv[1:]:
        return int(before != after)
    PAGE.write_text(after)
    return 0


def render() -> str:
    """Return every command in the order of the help."""
    return "\n".join(section(path, command) for path, command in commands("memgpt", typer.main.get_command(app)))


def commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a command and those below it, each with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(f"{path} {name}", below)


def section(path: str, command: Any) -> str:
    """Return one command: what it does, then a table of what it takes."""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [name_of(parameter) for parameter in shown if parameter.param_type_name == "argument"]
    usage = " ".join([path, *arguments])
    lines = [f"### `{usage}`", "", inspect.cleandoc(command.help or ""), ""]
    rows = [f"| `{name_of(parameter)}` | {meaning(parameter)} |" for parameter in shown]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def name_of(parameter: Any) -> str:
    """Return how an argument or option is written."""
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
        return name if parameter.required else f"[{name}]"
    spelled = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        return f"{spelled}, {', '.join(parameter.secondary_opts)}"
    return spelled if parameter.is_flag else f"{spelled} {parameter.metavar or parameter.name.upper()}"


def meaning(parameter: Any) -> str:
    """Return an argument's or option's help, with its default where it has one."""
    text = (parameter.help or "").replace("|", "\\|")
    default = parameter.default
    if default is None or isinstance(default, bool) or callable(default) or default == () or parameter.required:
        return text
    return f"{text} Default: `{default}`."


if __name__ == "__main__":
    sys.exit(main())
