"""Write the list of routes into docs/serve.md, out of the app itself."""

from collections.abc import Iterator
from pathlib import Path

from memgpt_agent.server import create_app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "serve.md"
BEGIN, END = "<!-- routes -->\n", "<!-- /routes -->\n"


def rows() -> Iterator[str]:
    """Yield the rows of the table."""
    yield "| route | what it does |"
    yield "|---|---|"
    for path, methods in create_app().openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"| `{method.upper()} {path}` | {operation['summary']} |"


def page(text: str) -> str:
    """Return the page with the list as it is now."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(rows()) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
