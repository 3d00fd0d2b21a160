"""Write docs/reference.md: every public name, with the first line of its docstring.

`python scripts/reference.py` rewrites it; with `--check` it exits with 1 where the page is not today's.
"""

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
MODULES = ("memgpt_agent", "memgpt_agent.errors", "memgpt_agent.store", "memgpt_agent.testing")
"""The modules whose names a user may import. Everything else may change without notice."""
HEADER = """\
# Reference

Every public name, written from the code by `make docs`. A name that is not here may change without notice.
`help(name)` tells the rest: arguments, units, what is raised, limits.
"""


def main() -> int:
    """Rewrite the page, or say whether it is today's."""
    text = render()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


def render() -> str:
    """Return the whole page."""
    parts = [HEADER]
    for name in MODULES:
        module = importlib.import_module(name)
        rows = [f"| `{public}` | {first_line(getattr(module, public))} |" for public in public_names(module)]
        if rows:
            parts.append("\n".join([f"## {name}\n", "| name | what it is |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def public_names(module: ModuleType) -> list[str]:
    """Return `__all__`, or where a module has none the classes and functions defined in it."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    own = {
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    }
    return sorted(name for name in own if not name.startswith("_"))


def first_line(thing: object) -> str:
    """Return the first line of what a thing says of itself, fit for a table's cell."""
    if inspect.isclass(thing) and not vars(thing).get("__doc__"):
        return ""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return "A type."
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
