"""Long texts in chunks that an embedding can see."""

from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.text.cleaning import CHUNK_CHARS, MAX_CHUNKS, chunk_with_most, chunks_of, embedded_chunks

WORDS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=1_500), max_size=40).map(
    " ".join
)


@given(WORDS)
def test_chunks_hold_the_whole_text_in_order_and_none_is_too_long(text: str) -> None:
    """Nothing but white space is lost between them."""
    chunks = chunks_of(text)
    assert all(len(chunk) <= CHUNK_CHARS for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())


def test_a_chunk_ends_at_white_space() -> None:
    """No word is cut where there is a space in the second half of a chunk."""
    assert all(set(chunk.split()) == {"twelve"} for chunk in chunks_of("twelve " * 1_000))


def test_of_very_many_chunks_the_first_and_the_last_are_embedded() -> None:
    """Sixteen in all, so that one message costs a second at most."""
    text = " ".join(f"{n:04}" for n in range(10_000))
    chunks = embedded_chunks(text)
    assert len(chunks) == MAX_CHUNKS
    assert chunks[0].startswith("0000")
    assert chunks[-1].endswith("9999")
    assert embedded_chunks("short") == ["short"]


def test_the_chunk_with_most_of_the_words_begins_where_it_stands() -> None:
    """The first of several that hold as many; the beginning where none holds any."""
    text = "bla " * 300 + "red fox " + "bla " * 300
    start = chunk_with_most(text, {"red", "fox"})
    assert "red fox" in text[start : start + CHUNK_CHARS]
    assert chunk_with_most(text, {"zebra"}) == 0
