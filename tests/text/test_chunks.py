"""Long texts in parts that an embedding can see."""

from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.text.chunks import MAX_PARTS, PART_CHARS, embedded_parts, part_with_most, parts_of

WORDS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=1_500), max_size=40).map(
    " ".join
)


@given(WORDS)
def test_parts_hold_the_whole_text_in_order_and_none_is_too_long(text: str) -> None:
    """Nothing but white space is lost between them."""
    parts = parts_of(text)
    assert all(len(part) <= PART_CHARS for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_part_ends_at_white_space() -> None:
    """No word is cut where there is a space in the second half of a part."""
    assert all(set(part.split()) == {"twelve"} for part in parts_of("twelve " * 1_000))


def test_of_very_many_parts_the_first_and_the_last_are_embedded() -> None:
    """Sixteen in all, so that one message costs a second at most."""
    text = " ".join(f"{n:04}" for n in range(10_000))
    parts = embedded_parts(text)
    assert len(parts) == MAX_PARTS
    assert parts[0].startswith("0000")
    assert parts[-1].endswith("9999")
    assert embedded_parts("short") == ["short"]


def test_the_part_with_most_of_the_words_begins_where_it_stands() -> None:
    """The first of several that hold as many; the beginning where none holds any."""
    text = "bla " * 300 + "red fox " + "bla " * 300
    start = part_with_most(text, {"red", "fox"})
    assert "red fox" in text[start : start + PART_CHARS]
    assert part_with_most(text, {"zebra"}) == 0
