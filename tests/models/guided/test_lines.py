"""The lines of a block brought up to date, with a judge that knows the answers."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.memory.core.blocks import inserted, replaced
from memgpt_agent.models.guided.lines import Lines, Said, without_questions

DAY = "2026-11-21"


@dataclass
class KnowingJudge:
    """Answers by lists: facts by message, and the pairs that are outdated or the same."""

    told: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    ended: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    alike: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    asked: list[str] = field(default_factory=list[str])

    def facts(self, message: str) -> list[str]:
        """Note that it was asked."""
        self.asked.append(message)
        return self.told.get(message, [])

    def outdated(self, line: str, message: str) -> float:
        """Sure where the pair is listed."""
        return 0.9 if (line, message) in self.ended else 0.1

    def same(self, line: str, fact: str) -> float:
        """Sure where the pair is listed."""
        return 0.9 if (line, fact) in self.alike else 0.1

    def merged(self, line: str, fact: str, message: str, day: str) -> str:
        """Merge nothing: the old line stays behind, as past."""
        return f"{fact} Before: {line.rstrip('.')} (until {day})."


def after(value: str, judge: KnowingJudge, *said: str, limit: int = 2_000) -> tuple[list[str], list[str]]:
    """Return the block's lines after the edits were carried out, and what was filed."""
    lines = Lines(value, judge)
    lines.tidy()
    for text in said:
        lines.hear(Said(DAY, text))
    filed: list[str] = []
    for name, arguments in lines.calls("human", limit):
        if name == "memory_replace":
            value = replaced("human", value, arguments["old_string"], arguments["new_string"])
        elif name == "memory_insert":
            value = inserted("human", value, arguments["new_string"], -1)
        else:
            filed.append(arguments["content"])
    return value.split("\n") if value else [], filed


def test_what_is_new_is_added_once() -> None:
    """A fact that is said again in fewer or in the same words adds nothing."""
    judge = KnowingJudge(
        {
            "I bake bread in Rome.": ["The user bakes bread in Rome."],
            "I bake bread, you know.": ["The user bakes bread."],
        }
    )
    assert after("", judge, *judge.told) == (["The user bakes bread in Rome."], [])


def test_what_is_said_in_more_words_takes_the_shorter_lines_place() -> None:
    """One line holds both."""
    judge = KnowingJudge({"I bake bread in Rome.": ["The user bakes bread in Rome."]})
    assert after("The user bakes bread.\nThe user sails.", judge, *judge.told)[0] == [
        "The user bakes bread in Rome.",
        "The user sails.",
    ]


def test_the_same_in_other_words_is_left_as_it_stands() -> None:
    """The judge says so."""
    judge = KnowingJudge({"My Ana is a maths teacher.": ["The user's Ana is a maths teacher."]})
    judge.alike = {("The user's Ana teaches maths.", "The user's Ana is a maths teacher.")}
    assert after("The user's Ana teaches maths.", judge, *judge.told) == (["The user's Ana teaches maths."], [])


def test_a_fact_takes_the_place_of_a_quotation_that_says_it() -> None:
    """What could not be put in the third person awake is a line like the others then."""
    judge = KnowingJudge({"I bake bread, as you know.": ["The user bakes bread."]})
    assert after('The user said: "Bread, bread: I bake all day."', judge, *judge.told)[0] == ["The user bakes bread."]


def test_a_change_replaces_the_line_that_it_ends_and_files_it() -> None:
    """With the day; also where the two share no word. Other lines stay."""
    message = "I moved to Faro."
    judge = KnowingJudge({message: ["The user moved to Faro."]})
    judge.ended = {("The user lives in Porto.", text) for text in (message, "The user moved to Faro.")}
    lines, filed = after("The user sails.\nThe user lives in Porto.", judge, message)
    assert lines == ["The user sails.", f"The user moved to Faro. (as of {DAY})"]
    assert filed == [f"Until {DAY}: The user lives in Porto."]
    assert after("\n".join(lines), judge, message) == (lines, [])


def test_another_number_replaces_the_old_one() -> None:
    """Nothing need speak of a change."""
    message = "My number is 55."
    judge = KnowingJudge({message: ["The user's number is 55."]}, {("The user's number is 44.", message)})
    assert after("The user's number is 44.", judge, message)[0] == [f"The user's number is 55. (as of {DAY})"]


def test_a_change_that_is_noted_already_takes_out_what_it_ended() -> None:
    """The line of before goes and is filed."""
    message = "I moved to Faro."
    judge = KnowingJudge({message: ["The user moved to Faro."]})
    judge.ended = {("The user lives in Porto.", text) for text in (message, "The user moved to Faro.")}
    value = "The user lives in Porto.\nThe user moved to Faro."
    assert after(value, judge, message) == (["The user moved to Faro."], [f"Until {DAY}: The user lives in Porto."])


def test_two_facts_of_one_change_do_not_end_each_other() -> None:
    """Both are as new as the other."""
    message = "I left Acme and work for Lumen now."
    judge = KnowingJudge({message: ["The user left Acme.", "The user works for Lumen."]})
    judge.ended = {("The user works at Acme.", message), (f"The user left Acme. (as of {DAY})", message)}
    assert after("The user works at Acme.", judge, message)[0] == [
        f"The user left Acme. (as of {DAY})",
        "The user works for Lumen.",
    ]


@pytest.mark.parametrize(
    "said", ["The tram was late.", "I saw a heron today.", "I had soup.", "I am so tired.", "I am fond of herons."]
)
def test_passing_things_and_inventions_are_not_noted(said: str) -> None:
    """Nobody is spoken of, it is of today alone, it is a passing state, or the fact's words were not said."""
    judge = KnowingJudge(
        {
            "I saw a heron today.": ["The user saw a heron."],
            "I had soup.": ["The user had soup."],
            "I am so tired.": ["The user is tired."],
            "I am fond of herons.": ["The user works as an engineer."],
        }
    )
    assert after("", judge, said) == ([], [])


def test_what_somebody_else_did_is_not_the_users() -> None:
    """A message that begins with a name that the lines know, and says nothing of the user, is about that one."""
    judge = KnowingJudge(
        {"Nuno, my partner, bakes.": ["The user bakes."], "Nuno and I bake.": ["The user bakes with Nuno."]}
    )
    known = "The user's partner is Nuno."
    assert after(known, judge, "Nuno, my partner, bakes.") == ([known], [])
    assert after(known, judge, "Nuno and I bake.") == ([known, "The user bakes with Nuno."], [])


def test_the_left_hand_changes_nothing() -> None:
    """Nor does the way to the left: only leaving does."""
    told = {"I am left-handed.": ["The user is left-handed."], "My left knee hurts.": ["The user's left knee hurts."]}
    judge = KnowingJudge(
        told, {("The user sails.", text) for text in [*told, *(fact for facts in told.values() for fact in facts)]}
    )
    assert after("The user sails.", judge, *told)[0][0] == "The user sails."


def test_the_block_is_tidied() -> None:
    """Lines said twice, quotations of passing things, and what a line says to be past; other people's lines stay."""
    value = [
        "Name: Ida.",
        "Ida's mother lives in Rome.",
        "The user sails boats.",
        "The user sails boats.",
        'The user said: "Thanks, that was fun today."',
        "The user moved to Faro. Before: The user lives in Porto (until 2026-11-20).",
    ]
    assert after("\n".join(value), KnowingJudge()) == (
        ["Name: Ida.", "Ida's mother lives in Rome.", "The user sails boats.", "The user moved to Faro."],
        ["Until 2026-11-20: The user lives in Porto"],
    )


def test_what_has_no_room_in_the_block_is_filed() -> None:
    """Nothing that was said is lost to a full block."""
    judge = KnowingJudge({"I sail.": ["The user sails."], "I bake bread.": ["The user bakes bread."]})
    assert after("", judge, *judge.told, limit=16) == (["The user sails."], ["The user bakes bread."])


def test_questions_are_left_out_of_what_was_said() -> None:
    """A question behind a statement asks nothing about it; one that begins with a statement is none."""
    assert without_questions("I moved to Faro. Do you know it?") == "I moved to Faro."
    assert without_questions("What is the time?") == ""
    assert without_questions("I hate leeks, right?") == "I hate leeks, right?"


@given(st.lists(st.sampled_from(["a b", "a b", "a", "The user sails boats.", "", "The user is a b."]), max_size=8))
def test_every_edit_can_be_carried_out(value: list[str]) -> None:
    """Whatever stands in the block, each old text is there once, and at the end no line of two words is there twice."""
    lines, _ = after("\n".join(value), KnowingJudge())
    assert lines.count("The user sails boats.") <= 1
    assert set(lines) <= set(value)
