"""Write the file trees from the first line of each module's docstring: the README's in short, docs/modules.md in full.

`python scripts/file_tree.py` rewrites both; with `--check` it exits with 1 where one of them is not today's.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {ROOT / "README.md": False, ROOT / "docs" / "modules.md": True}
"""Where a tree stands, and whether it goes down to every module or stops at the folders."""
PACKAGE = "memgpt_agent"
BEGIN = "<!-- file tree: written by `python scripts/file_tree.py` -->"
END = "<!-- end of file tree -->"


def main() -> int:
    """Rewrite the trees, or say whether they are today's."""
    stale = 0
    for page, whole in PAGES.items():
        before = page.read_text()
        after = with_tree(before, render(ROOT / PACKAGE, whole=whole))
        if "--check" in sys.argv[1:]:
            stale += before != after
        else:
            page.write_text(after)
    return int(stale > 0)


def with_tree(readme: str, tree: str) -> str:
    """Return the page with `tree` between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    for marker in (BEGIN, END):
        if marker not in readme:
            raise ValueError(f"The page has no line {marker!r}; put it where the file tree stands.")
    head, rest = readme.split(BEGIN, 1)
    return f"{head}{BEGIN}\n```\n{tree}```\n{END}{rest.split(END, 1)[1]}"


def render(package: Path, *, whole: bool = True) -> str:
    """Return the tree of a package: a folder's line is its `__init__`'s, and folders stand after files.

    Not whole, it names the modules at the top and the folders only.
    """
    rows = [(name, line) for name, line in _rows(package, 0) if whole or name.endswith("/") or not name.startswith("    ")]
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:<{width}}{line}".rstrip() + "\n" for name, line in rows)


def first_line(module: Path) -> str:
    """Return the first line of a module's docstring, empty where it has none."""
    return (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]


def _rows(folder: Path, depth: int) -> list[tuple[str, str]]:
    rows = [("  " * depth + folder.name + "/", first_line(folder / "__init__.py"))]
    files = [file for file in sorted(folder.glob("*.py")) if file.name != "__init__.py"]
    rows += [("  " * (depth + 1) + file.name, first_line(file)) for file in files]
    for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
        rows += _rows(inner, depth + 1)
    return rows


if __name__ == "__main__":
    sys.exit(main())
