"""Other languages than English: which one a text is in, and what its words are looked up by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.store import FaissStore
from memgpt_agent.text.languages import LANGUAGES, languages_of
from memgpt_agent.text.words import looked_up, terms_of, tokens


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Meine Schwester wohnt seit Mai in Bremen.", "de"),
        ("Mi hermana vive desde mayo en Bilbao.", "es"),
        ("Ma soeur habite depuis mai à Lyon.", "fr"),
        ("Mia sorella vive a Torino da maggio.", "it"),
        ("Mijn zus woont sinds mei in Gent.", "nl"),
        ("Minha irmã mora em Recife desde maio.", "pt"),
        ("Моя сестра живёт в Казани с мая.", "ru"),
        ("أختي تسكن في تونس منذ مايو", "ar"),
    ],
)
def test_a_sentence_is_in_its_language(text: str, language: str) -> None:
    """By its script, or by its function words."""
    assert languages_of(text, tokens(text)) == (language,)


def test_english_and_what_says_nothing_are_in_no_other_language() -> None:
    """Nothing is added to their words."""
    for text in ("My sister has lived in Leeds since May.", "Bremen", "", "42", "I am at the die-in in Rome"):
        assert languages_of(text, tokens(text)) == ()


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Wir haben drei Hunde und zwei Vögel", "Hund Vogel"),
        ("Der Haustürschlüssel liegt unter der Matte", "Schlüssel der Haustür"),
        ("Die Gärtnerei ist in der Nähe von uns", "Gaertnerei"),
        ("Ayer vendimos la casa de los abuelos", "vender casas"),
        ("Nous avons acheté des pommes chez lui", "acheter pomme"),
        ("Мы купили дом в деревне", "дома деревня"),
        ("우리는 제주도에서 결혼했어요", "제주도"),
        ("نسكن في المدينة القديمة", "مدينة قديمة"),
        ("昨天我的狗病了", "狗"),
    ],
)
def test_a_word_is_found_in_another_form(said: str, asked: str) -> None:
    """Inflected, in a compound, without its article, spelt with two letters for one."""
    with FaissStore(":memory:") as store:
        store.put(("n",), "other", {"text": "Ein anderer Satz, another sentence, otra frase."}, index=["text"])
        store.put(("n",), "it", {"text": said}, index=["text"])
        assert [hit.key for hit in store.find(("n",), asked, mode="words")] == ["it"]


def test_a_query_asks_only_for_languages_that_are_there() -> None:
    """Among English texts it costs nothing."""
    assert looked_up("red house", ()) == [("red",), ("house",)]
    assert len(looked_up("red house", ("de", "es"))[0]) > 1


@given(st.text(max_size=200))
def test_any_text_has_terms_and_can_be_asked_for(text: str) -> None:
    """Its words stand first, and no term holds white space."""
    found = terms_of(text)
    assert found.words[: found.length] == tokens(text)
    assert not any(term.split() != [term] for term in found.words)
    for word, *_ in looked_up(text, LANGUAGES):
        assert word
