"""Which texts hold what is to be forgotten."""

import base64
import json

import pytest

from memgpt_agent.memory.forgetting.words import Needles, says_the_same, telling, without


@pytest.mark.parametrize(
    ("words", "text", "held"),
    [
        ("Brindlemoor", "in BRINDLEMOOR.", True),
        ("Brindlemoor", "Brindlemoorstraße 5", True),
        ("ann", "planned for Ann", True),
        ("ann", "planned annually", False),
        ("北京", "我住在北京路", True),
        ("Straße", "STRASSE 5", True),
        ("ﬁne arts", "Fine  \n arts", True),
        ("4471", "badge 44712", False),
        ('say "hi"', 'he said: say "hi" now', True),
        ("a.b", "aXb", False),
        ("Brindlemoor", "in Brin\u200bdle\u00admo\u2060or.", True),
        ("Brin\u00addlemoor", "in brindlemoor", True),
        ("Brindlemoor", "in Brindle-moor", True),
        ("Brindlemoor", "in Brindle-\nmoor", True),
        ("Brindle-moor", "in Brindlemoor or so", True),
        ("Brindle\u2011moor", "in brindle moor", True),
        ("Brindle moor", "in Brindle-moor", True),
        ("Zo\u00eb Quil\u00edn", "Zoe\u0308 Quili\u0301n", True),
        ("Zoe\u0308 Quilin", "ZO\u00cb \u200fQUILIN", True),
        ("İnönü", "i\u0307nönü caddesi", True),
        ("4471", "44-71", False),
        ("ann", "an-n", False),
        ("\U0001d401\U0001d42b\U0001d422ndlemoor", "Brindlemoor", True),
        ("Brindlemoor", "B\U000e0041rindlemoor", True),
    ],
)
def test_words_are_found_as_people_write_them(words: str, text: str, *, held: bool) -> None:
    """In any case, width and spacing; a short word only whole; in JSON and base64 as well."""
    needles = Needles([words])
    assert needles.literally_in(text) == held
    assert needles.literally_in(json.dumps({"content": text, "n": 1})) == held
    encoded = base64.b64encode(text.encode()).decode()
    assert needles.literally_in(encoded) == (held and len(encoded) >= 16)


def test_an_emoji_is_found_in_json() -> None:
    """It is written as two escapes there."""
    assert Needles(["party 🎉 tonight"]).literally_in(json.dumps("the party 🎉 tonight!"))


def test_quotations_are_known_by_a_run_of_words() -> None:
    """Whole, cut, or a sentence of it; a phrase that says nothing is no quotation."""
    told = "Thank you! The old boiler in the cellar leaks since Tuesday, and nobody has come to repair it yet."
    needles = Needles(quoted=[told, "Ok then", ""])
    assert needles.quoted_in("memory: [2026-01-01] the old boiler in the cellar leaks since…")
    assert not needles.quoted_in("Thank you! The boiler is new. Ok then.")
    assert not Needles(quoted=["Yes", "I am"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("I live in Harrowgate street 5", "Lives in Harrowgate street 5.", True),
        ("Invoice 1041 was paid", "Invoice 1042 was paid", False),
        ("My sister Ann lives in Paris now", "My sister Bea lives in Paris now", False),
        ("Thank you", "Thank you", False),
    ],
)
def test_saying_the_same_is_having_the_same_words_and_numbers(one: str, other: str, *, same: bool) -> None:
    """Not being close by meaning."""
    assert says_the_same(telling(one), telling(other)) == same


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Has a dog.\nLives in Brindlemoor.\nDrinks tea.", "Has a dog.\nDrinks tea."),
        ("Has a dog. Lives in Brindlemoor! Drinks tea.", "Has a dog. Drinks tea."),
        ("Brindlemoor", ""),
        ("Nothing here.  \n", "Nothing here.  \n"),
    ],
)
def test_a_text_loses_the_sentences_that_hold_it(text: str, left: str) -> None:
    """Else the line; a text without it stays as it is, to the last space."""
    assert without(text, Needles(["brindlemoor"])) == left


def test_a_text_that_holds_it_across_lines_is_left_empty() -> None:
    """The words may be parted by a line break."""
    assert without("first green\nheron second", Needles(["green heron"])) == ""
