"""Cues by language: when, what time, what was said before, and whose words."""

from datetime import UTC, datetime

import pytest

from memgpt_agent.text.cues import asked_span, asks_when, in_first_person, refers_back, says_when

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("What did I say last week?", "2026-11-16", "2026-11-22"), ("Was war gestern?", "2026-11-27", "2026-11-27"),
        ("¿Qué hicimos el mes pasado?", "2026-10-01", "2026-10-31"), ("le 14 juillet 2025", "2025-07-14", "2025-07-14"),
        ("l'anno scorso", "2025-01-01", "2025-12-31"), ("em 3 de maio de 2024", "2024-05-03", "2024-05-03"),
        ("wat at ik eergisteren", "2026-11-26", "2026-11-26"), ("上周我们说了什么", "2026-11-16", "2026-11-22"),
        ("2025年2月", "2025-02-01", "2025-02-28"), ("昨日何を食べた", "2026-11-27", "2026-11-27"),
        ("지난주에 뭐 했지", "2026-11-16", "2026-11-22"), ("on October 13, 2023", "2023-10-13", "2023-10-13"),
        ("in December", "2025-12-01", "2025-12-31"), ("on 2026-02-28", "2026-02-28", "2026-02-28"),
    ],
)  # fmt: skip
def test_the_time_that_a_question_names_is_counted_from_now(question: str, first: str, last: str) -> None:
    """Whole days, the first and the last; a month without a year is the last one that has begun."""
    span = asked_span(question, NOW)
    assert span is not None
    assert [moment.date().isoformat() for moment in span] == [first, last]


@pytest.mark.parametrize("text", ["What may I eat?", "2026-02-30", "He marched on", "room 12", ""])
def test_what_names_no_day_of_the_calendar_names_no_time(text: str) -> None:
    """Neither a verb nor a number nor the thirtieth of February."""
    assert asked_span(text, NOW) is None


@pytest.mark.parametrize(
    "question",
    ["When did Ann move?", "Wann zieht sie um?", "¿Cuándo fue?", "Quand arrive-t-elle ?", "Da quando?", "Quando foi?", "Hoe lang al?",
     "她什么时候搬家？", "いつ引っ越しましたか", "언제 이사했어?"],
)  # fmt: skip
def test_a_question_after_a_time_is_told_from_one_that_only_mentions_when(question: str) -> None:
    """In ten languages; a clause with *when* is no such question."""
    assert asks_when(question)
    assert not asks_when("What did Ann do when she was young?")


def test_what_is_said_of_a_time_and_what_refers_back_is_found_in_each_language() -> None:
    """And plain sayings are neither."""
    dated = ["I went yesterday", "letzte Woche", "hace dos años", "il y a 3 jours", "due anni fa", "no mês passado", "vorige maand", "昨天",
             "先週", "지난달", "on Monday", "in March", "2024"]  # fmt: skip
    back = ["remember the dog", "weißt du noch", "te acuerdas", "tu te souviens", "ti ricordi", "lembra-se", "weet je nog", "你还记得",
            "覚えてる", "기억나"]  # fmt: skip
    assert [text for text in dated if not says_when(text)] == []
    assert [text for text in back if not refers_back(text)] == []
    plain = ["You may march on", "My dog is brown", "Mein Hund ist braun", "我的狗是棕色的"]
    assert [text for text in plain if says_when(text) or refers_back(text)] == []


def test_a_question_about_a_person_is_put_as_that_person_would_put_it() -> None:
    """Names in any case, possessives and pronouns in English."""
    assert in_first_person("When did Ann sell ann's bike to her sister?", "Ann") == "When did I sell my bike to my sister?"
    assert in_first_person("Was hat Anna gekauft?", "Anna") == "Was hat ich gekauft?"
    assert in_first_person("小明喜欢什么？", "小明") == "我喜欢什么？"
    assert in_first_person("Where is Annabel?", "Ann") == "Where is Annabel?"
