"""Which names and relations are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.memory.knowledge.words import entity_id, is_alias, is_value, normal_name, normal_relation, slot_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "ANN"),
        ("Ann  Meyer", " ann meyer. "),
        ("the Chess Club", "Chess Club"),
        ("O\u2019Neill", "o'neill"),
        ("Ａnn", "ann"),
    ],
)
def test_a_name_is_the_same_in_any_case_and_spacing(one: str, other: str) -> None:
    """Case, spaces, quotes, a closing mark and a leading article do not make another entity."""
    assert entity_id(one) == entity_id(other)


@pytest.mark.parametrize(("one", "other"), [("C", "C++"), ("C#", "C++"), ("Ann", "Anne"), ("Thea", "the a")])
def test_names_that_differ_in_letters_or_signs_are_two(one: str, other: str) -> None:
    """Nothing is guessed: what sounds alike is merged by whoever knows."""
    assert entity_id(one) != entity_id(other)


@given(st.text(max_size=60))
def test_a_normal_form_is_its_own_normal_form(name: str) -> None:
    """But for articles and marks that stood in front of each other, which come off one layer at a time."""
    once = normal_name(name)
    assert len(normal_name(once)) <= len(once)
    assert normal_name(once.upper().lower()) == normal_name(once.upper().lower().strip())


def test_ways_of_saying_a_relation_fill_one_slot() -> None:
    """A move and a residence are about the same thing."""
    assert {slot_of(said) for said in ("lives in", "Lives_in", "is living in", "has moved to", "is based in")} == {
        ("lives in", True)
    }
    assert slot_of("favorite colour") == slot_of("favourite colour is") == ("favourite colour", True)


@pytest.mark.parametrize(
    ("one", "other", "slot"),
    [
        ("wohnt in", "ist umgezogen nach", "lives in"), ("trabaja para", "empleada en", "works at"),
        ("est née à", "lieu de naissance", "born in"), ("compleanno", "data di nascita", "born on"),
        ("é casada com", "Casado com", "married to"), ("werkt_als", "beroep", "works as"), ("住在", "搬到了", "lives in"),
        ("電話番号", "手机号", "phone number"), ("가격", "costs", "costs"), ("E-Mail-Adresse", "e-mailadres", "email"),
    ],
)  # fmt: skip
def test_a_relation_fills_the_same_slot_in_ten_languages(one: str, other: str, slot: str) -> None:
    """Whichever the user speaks; what was, or is not listed, stays a relation of its own."""
    assert slot_of(one) == slot_of(other) == (slot, True)
    for said in ("Lieblingsfarbe", "color favorito", "couleur préférée", "最喜欢的颜色", "favoriete kleur"):
        assert slot_of(said) == (said.lower(), True)
    for said in ("wohnte in", "mag", "le gusta", "a habité à", "喜欢", "좋아하다"):
        assert slot_of(said) == (said, False)


@pytest.mark.parametrize(
    "relation", ["ist auch bekannt als", "es conocida como", "surnommé", "è anche nota come", "apelido", "bijnaam", "又名", "あだ名", "별명"]
)
def test_a_relation_joins_two_names_in_ten_languages(relation: str) -> None:
    """As 'also known as' does."""
    assert is_alias(relation)


def test_a_past_tense_contradicts_nothing() -> None:
    """Who was married once may be married now to somebody else."""
    assert slot_of("was married to") == ("was married to", False)
    assert slot_of("lived in") == ("lived in", False)


def test_an_unknown_relation_holds_many_objects() -> None:
    """One can like many things, and whatever is not on the list is taken for such."""
    assert slot_of("likes") == ("likes", False)
    assert normal_relation("is a-member-of") == "a member of"


def test_aliases_and_values_are_recognised() -> None:
    """A relation that says that two names are one; an object that names nobody."""
    assert is_alias("Also known as")
    assert is_alias("is the same as")
    assert not is_alias("knows")
    assert [is_value(text) for text in ("42", "2026-05-01", "+351 555", "yes", "Ann", "5 cats")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
