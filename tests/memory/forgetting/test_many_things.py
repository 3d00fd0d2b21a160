"""A conversation, a user, and all that is older than a date are forgotten, with what was made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.testing import call, say
from tests.memory.forgetting.conftest import Left, Opened

WORD = "Grellwick"


def noting(text: str) -> list[Any]:
    """A turn in which the agent writes down what was said."""
    return [
        call("core_memory_append", label="human", content=f"Note: {text}", request_heartbeat=True),
        call("archival_memory_insert", content=f"Filed: {text}", request_heartbeat=True),
        say("Noted."),
    ]


def test_a_conversation_goes_with_what_was_written_in_it(opened: Opened, left: Left) -> None:
    """Its messages, checkpoints and lease, its pages and summaries, the passages and lines of its turns; the other one stays."""
    with opened([*noting(WORD), *[say("Words. " * 60)] * 16], thread_id="talk-1", context_window=6_000) as agent:
        agent.step(f"It is {WORD}")
        for n in range(10):
            agent.step(f"{WORD} {n} " + "and more " * 60)
    with opened([*noting("pears"), say("Fine.")], thread_id="talk-2") as agent:
        agent.step("I like pears")
        plan = agent.forget(thread_id="talk-1")
        assert {one.kind for one in plan.ticked} == {"message", "passage", "line"}
        plan.erase()
        assert left(WORD) == {}
        assert left("talk-1") == {}
        assert agent.core_memory["human"] == "Note: pears"
        assert [p.text for p in agent.memory.archival.search("", limit=9)] == ["Filed: pears"]
        assert [item.value["thread_id"] for item in agent.memory.store.search(("ann", "summaries"), limit=9)] == []
        assert agent.step("Go on").message == "Fine."
    with opened([say("Who are you?")], thread_id="talk-1") as agent:
        assert agent.messages() == []
        assert agent.step("Hi").message == "Who are you?"


def test_an_agents_own_conversation_begins_anew(opened: Opened, left: Left) -> None:
    """The agent that is open goes on, and deleting it still deletes the conversation."""
    from memgpt_agent import delete_agent

    with opened([say("Yes."), say("A new beginning.")]) as agent:
        agent.step(f"It is {WORD}")
        agent.forget(thread_id="ann").erase()
        assert left(WORD) == {}
        assert agent.step("Hi Quillon").message == "A new beginning."
        settings = agent._settings
    delete_agent("ann", settings)
    assert left("Quillon") == {}


def test_a_user_goes_with_the_turns_in_which_that_user_spoke(opened: Opened, left: Left) -> None:
    """Also the name, from messages and the agent's choices; what another user said stays."""
    with opened([*noting(WORD)], user_id="zoltan") as agent:
        agent.step(f"I am from {WORD}")
    with opened([*noting("pears"), say("Fine.")], user_id="bea") as agent:
        agent.step("I like pears")
        agent.forget(user_id="zoltan").erase()
        assert left(WORD) == {}
        assert left("zoltan") == {}
        assert [m.text for m in agent.messages() if m.role != "tool"] == ["I like pears", "Noted."]
        assert agent.core_memory["human"] == "Note: pears"
        agent.step("Go on")
        model: Any = agent._model
        assert "I like pears" in str(model.calls[-1])


def test_what_is_older_than_a_date_goes(opened: Opened, left: Left) -> None:
    """Messages, passages, facts and older versions of blocks; blocks stay as they are, and what was said since."""
    now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    with opened(noting(WORD), clock=lambda: now, tools=["knowledge"]) as agent:
        agent.step(f"It is {WORD}")
        agent.tools.knowledge_insert(subject="Ann", relation="visited", object=WORD)
        agent.tools.core_memory_replace(label="human", old_content=f"Note: {WORD}", new_content="Note: travels")
    now += timedelta(days=40)
    with opened([*noting("pears"), say("Fine.")], clock=lambda: now) as agent:
        agent.step("I like pears")
        plan = agent.forget(before="2026-04-01")
        assert {one.kind for one in plan.ticked} == {"message", "passage", "fact", "name"}
        plan.erase()
        assert left(WORD) == {}
        assert agent.core_memory["human"] == "Note: travels\nNote: pears"
        assert [m.text for m in agent.messages() if m.role != "tool"] == ["I like pears", "Noted."]
        assert [p.text for p in agent.memory.archival.search("", limit=9)] == ["Filed: pears"]
        assert agent.step("Go on").message == "Fine."


def test_what_is_no_text_is_refused_in_words(opened: Opened) -> None:
    """A list in the place of its words, also by the other names."""
    with opened([]) as agent:
        for given in ({"what": ["tea"]}, {"thread_id": ["talk-1"]}, {"user_id": 7}, {"before": datetime(2026, 4, 1, tzinfo=UTC)}):
            words: Any = [given.pop("what")] if "what" in given else []
            options: Any = given
            with pytest.raises(ConfigurationError, match="takes texts, not a"):
                agent.forget(*words, **options)
