"""Long texts in parts that an embedding can see: it reads the first 1,000 characters or so of what it is given."""

PART_CHARS = 1_000
"""About 256 tokens of English, which is what the embedded model reads."""
MAX_PARTS = 16
"""So many parts of a text are embedded at most (about a second on two cores); beyond, its first 12 and its last 4."""
_LAST_PARTS = 4


def parts_of(text: str) -> list[str]:
    """Return the text in parts of at most 1,000 characters, cut at white space where there is some in a part's second half."""
    found: list[str] = []
    start = 0
    while len(text) - start > PART_CHARS:
        end = start + PART_CHARS
        cut = max(text.rfind(space, start + PART_CHARS // 2, end) for space in (" ", "\n"))
        end = cut + 1 if cut > 0 else end
        found.append(text[start:end].strip())
        start = end
    found.append(text[start:].strip())
    return [part for part in found if part] or [text]


def embedded_parts(text: str) -> list[str]:
    """Return the parts that get a vector: all of them, or the first and last of very many."""
    parts = parts_of(text)
    return parts if len(parts) <= MAX_PARTS else [*parts[: MAX_PARTS - _LAST_PARTS], *parts[-_LAST_PARTS:]]


def part_with_most(text: str, words: set[str]) -> int:
    """Return where the part begins that holds most of these words (in small letters); 0 where none holds any."""
    best, most, start = 0, 0, 0
    for part in parts_of(text):
        start = text.index(part, start)
        folded = part.lower()
        held = sum(word in folded for word in words)
        if held > most:
            best, most = start, held
        start += len(part)
    return best
