"""Long texts in chunks that an embedding can read whole: it reads only about the first 1,000 characters of a text."""

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
