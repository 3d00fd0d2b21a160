"""Text made safe for every store, provider and terminal, and cut into overlapping chunks."""

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


CHUNK_CHARS = 1_000
"""About 256 tokens of English, which is what the embedded model reads."""
MAX_CHUNKS = 16
"""How many chunks of a text are embedded at most (about a second on two cores). Of a longer text: its first 12 and its last 4."""
_LAST_CHUNKS = 4


def chunks_of(text: str) -> list[str]:
    """Return the text in chunks of at most 1,000 characters, cut at white space if there is any in a chunk's second half."""
    found: list[str] = []
    start = 0
    while len(text) - start > CHUNK_CHARS:
        end = start + CHUNK_CHARS
        cut = max(text.rfind(space, start + CHUNK_CHARS // 2, end) for space in (" ", "\n"))
        end = cut + 1 if cut > 0 else end
        found.append(text[start:end].strip())
        start = end
    found.append(text[start:].strip())
    return [chunk for chunk in found if chunk] or [text]


def embedded_chunks(text: str) -> list[str]:
    """Return the chunks that get a vector: all of them, or the first and the last of very many."""
    chunks = chunks_of(text)
    return chunks if len(chunks) <= MAX_CHUNKS else [*chunks[: MAX_CHUNKS - _LAST_CHUNKS], *chunks[-_LAST_CHUNKS:]]


def chunk_with_most(text: str, words: set[str]) -> int:
    """Return where the chunk begins that holds most of these lower-case words; 0 if none holds any."""
    best, most, start = 0, 0, 0
    for chunk in chunks_of(text):
        start = text.index(chunk, start)
        folded = chunk.lower()
        held = sum(word in folded for word in words)
        if held > most:
            best, most = start, held
        start += len(chunk)
    return best
