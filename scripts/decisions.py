"""Write the list of decisions in docs/README.md from the titles of the pages in docs/adr.

`python scripts/decisions.py` rewrites it; with `--check` it exits with 1 where the list is not today's.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
INDEX = DOCS / "README.md"
HEADING = "## Decisions\n\n"
"""The list is all that stands under this heading, to the end of the page."""


def main() -> int:
    """Rewrite the list, or say whether it is today's."""
    before = INDEX.read_text()
    head, _, _ = before.partition(HEADING)
    after = head + HEADING + "".join(map(entry, sorted((DOCS / "adr").glob("*.md"))))
    if "--check" in sys.argv[1:]:
        return int(before != after)
    INDEX.write_text(after)
    return 0


def entry(page: Path) -> str:
    """Return one line of the list: the page's title without its `#`, as a link."""
    title = page.read_text().partition("\n")[0].removeprefix("# ")
    return f"- [{title}](adr/{page.name})\n"


if __name__ == "__main__":
    sys.exit(main())
