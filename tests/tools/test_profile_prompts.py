"""The prompts of all profiles name only tools that their agents have, and every tool where that is promised."""

import re

import pytest

from memgpt_agent.prompts import CHECK_ANSWER, REFLECT_NOW, render_blocks, render_tasks, system_prompt
from memgpt_agent.tools.profiles import MEMGPT_REACT, MEMGPT_V2, PROFILES

WORDS = {"request_heartbeat", "user_message", "system_alert", "open_questions"}


@pytest.mark.parametrize("name", list(PROFILES))
def test_a_prompt_names_only_tools_that_there_are(name: str) -> None:
    """One that is not there would teach the model to fail."""
    names = {tool.name for tool in PROFILES[name].tools}
    prompt = system_prompt(names, PROFILES[name].system_prompt)
    assert set(re.findall(r"`(\w+_\w+)`", prompt)) - WORDS <= names
    assert "{" not in prompt


@pytest.mark.parametrize("profile", [MEMGPT_V2, MEMGPT_REACT], ids=lambda profile: profile.name)
def test_the_later_prompts_name_every_tool_of_memory_tasks_and_reflection(profile) -> None:
    """So that the model knows what each is for."""
    names = {tool.name for tool in profile.tools}
    prompt = system_prompt(names, profile.system_prompt)
    assert [name for name in sorted(names) if f"`{name}`" not in prompt] == []


def test_what_the_agent_is_told_in_a_turn_names_tools_by_argument() -> None:
    """The reminder gets the tool's own name; the check of an answer names none."""
    assert "`" not in CHECK_ANSWER
    assert "call reflect:" in REFLECT_NOW.format(turns=3, tool="reflect")


def test_numbered_lines_do_not_count_as_characters() -> None:
    """The limit is about the text; an empty block has no line."""
    shown = render_blocks([("human", "", "a\nb", 10, False), ("plans", "", "", 10, False)], numbered=True)
    assert '<block label="human" characters="3/10">' in shown
    assert "<value>\n1→ a\n2→ b\n</value>" in shown
    assert shown.count("→") == 2


def test_tasks_that_do_not_fit_are_counted() -> None:
    """Whole tasks only, the most urgent first."""
    rows = [(n, "normal", "x" * 20, "", [("step", n == 1)]) for n in (1, 2, 3)]
    shown = render_tasks(rows, overdue=0, limit_chars=100)
    assert "1. [normal] " in shown
    assert "   1 [x] step" in shown
    assert "3. [normal]" not in shown
    assert "(1 more of lower priority; they come into view when these are done.)" in shown
