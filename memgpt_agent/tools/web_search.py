"""The tool with which an agent searches the web; off by default: results bounded, and marked as written by others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from memgpt_agent.errors import MissingDependency, install_command
from memgpt_agent.tools.definition import outside

MAX_RESULTS = 10
_TITLE_CHARS = 200
_SNIPPET_CHARS = 500

Search = Callable[[str, int], Sequence[Mapping[str, Any]]]
"""Takes a query and how many results are wanted; gives mappings with ``title``, ``href`` and ``body``."""


def web_search(search: Search | None = None, *, timeout_seconds: float = 20.0) -> BaseTool:
    """Return the tool ``web_search``, to be given to an agent.

    Args:
        search: another search, such as one of yours with a key; ``ddgs`` (several engines, no key) if none is given.
        timeout_seconds: for one search with ``ddgs``.

    Raises:
        MissingDependency: no search was given and ddgs is not installed.
    """
    find = search or _ddgs(timeout_seconds)

    def web_search(query: str, limit: int = 5) -> str:
        """Search the web. Each result is a title, an address and a few words; others wrote them.

        Args:
            query: What to look for.
            limit: How many results to show, ten at most.
        """
        if not query.strip():
            raise ToolException("The query is empty; say what to look for.")
        wanted = min(max(1, limit), MAX_RESULTS)
        try:
            found = find(query, wanted)
        except Exception as error:
            raise ToolException(
                f"The search failed: {type(error).__name__}: {error}. Try again, or do without it."
            ) from error
        if not found:
            return f"Nothing found for {query!r}."
        return outside("\n".join(_line(n, result) for n, result in enumerate(found[:wanted], start=1)), "a web search")

    return StructuredTool.from_function(web_search, parse_docstring=True)


def _line(number: int, result: Mapping[str, Any]) -> str:
    title, address, body = (" ".join(str(result.get(key, "")).split()) for key in ("title", "href", "body"))
    return f"{number}. {title[:_TITLE_CHARS]} ({address[:_TITLE_CHARS]})\n   {body[:_SNIPPET_CHARS]}"


def _ddgs(timeout_seconds: float) -> Search:
    try:
        import ddgs
        from ddgs.exceptions import DDGSException
    except ImportError as error:
        raise MissingDependency(f"Searching the web needs ddgs. Run: {install_command('tools')}") from error

    def search(query: str, limit: int) -> Sequence[Mapping[str, Any]]:
        try:
            engines: Any = cast(Any, ddgs).DDGS(timeout=int(timeout_seconds))
            found: Sequence[Mapping[str, Any]] = engines.text(query, max_results=limit)
        except DDGSException as error:
            if "No results" in str(error):
                return []
            raise
        return found

    return search
