"""Cleaning text and values for every store, provider and terminal: no half characters, NULs, endless nesting, or what is never stored."""

from typing import Any, cast

from memgpt_agent.text.never_stored import redacted

_MAX_DEPTH = 32
_MAX_INT = 2**63 - 1


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that can be stored everywhere: no half characters, no NULs, whole numbers of 64 bits.

    Raises:
        ValueError: it is nested too deep, or holds a number that is too large.
    """
    if isinstance(value, str):
        return redacted(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", ""))
    if isinstance(value, int) and not -_MAX_INT <= value <= _MAX_INT:
        raise ValueError(f"the number {str(value)[:20]}... is too large")
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {clean(str(k)): clean(v, depth + 1) for k, v in cast(dict[Any, Any], value).items()}
    return [clean(v, depth + 1) for v in cast(list[Any], value)] if isinstance(value, list | tuple) else value


def clean_content(content: Any) -> Any:
    """Return a message's content with its texts cleaned; other blocks stay as they are."""
    if isinstance(content, str):
        return clean(content)
    blocks = cast(list[Any], content)
    return [
        clean(b) if isinstance(b, str) else {**b, "text": clean(b["text"])} if isinstance(b.get("text"), str) else b
        for b in blocks
    ]
