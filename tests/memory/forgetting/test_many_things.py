"""A conversation, a user, and all that is older than a date are forgotten, with what was made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

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


def test_what_was_written_in_a_branch_that_was_given_up_goes_too(opened: Opened, left: Left) -> None:
    """The messages have left recall memory; the passage and the line that the agent wrote then have not."""
    with opened([say("Hi."), *noting(WORD), say("Another way.")], thread_id="talk") as agent:
        agent.step("Hello")
        before = next(iter(agent.graph.get_state_history({"configurable": {"thread_id": "talk"}})))
        agent.step(f"It is {WORD}")
        agent.graph.invoke({"messages": [HumanMessage("Or not")]}, before.config, context=agent.context)
        assert [m.text for m in agent.messages()] == ["Hello", "Hi.", "Or not", "Another way."]
        agent.forget(thread_id="talk").erase()
        assert left(WORD) == {}


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


def test_what_others_said_before_stays_though_the_user_was_told_it(opened: Opened) -> None:
    """A reply, a search and a block's new text repeat what another user had the agent write down: that is the other user's."""
    wrote = call("core_memory_append", label="human", content="Vera plays the old cello.", request_heartbeat=True)
    filed = call("archival_memory_insert", content="Vera has a cat named Tom.", request_heartbeat=True)
    looked = call("archival_memory_search", query="cat", request_heartbeat=True)
    noted = call("core_memory_append", label="human", content="Ulrich asks about pets.", request_heartbeat=True)
    with opened([filed, wrote, say("Noted.")], user_id="vera") as agent:
        agent.step("My cat and my cello")
    with opened([looked, noted, say("Vera has a cat named Tom. Vera plays the old cello.")], user_id="ulrich") as agent:
        agent.step("Who has a cat?")
        agent.forget(user_id="ulrich").erase()
        assert agent.core_memory["human"] == "Vera plays the old cello."
        assert [p.text for p in agent.memory.archival.search("", limit=9)] == ["Vera has a cat named Tom."]
        assert [m.text for m in agent.messages() if m.role != "tool"] == ["My cat and my cello", "Noted."]


def test_by_date_what_is_newer_stays_though_it_repeats_what_goes(opened: Opened) -> None:
    """The block of today, a passage and a message of today say what was said long ago; nothing of them is cut."""
    now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    with opened([call("core_memory_append", label="human", content="I drink strong tea.", request_heartbeat=True), say("Yes.")],
                clock=lambda: now) as agent:  # fmt: skip
        agent.step("I drink strong tea.")
    now += timedelta(days=40)
    filed = call("archival_memory_insert", content="I drink strong tea.", request_heartbeat=True)
    with opened([filed, say("Filed.")], clock=lambda: now) as agent:
        agent.step("I drink strong tea.")
        agent.forget(before="2026-04-01").erase()
        assert agent.core_memory["human"] == "I drink strong tea."
        assert [p.text for p in agent.memory.archival.search("", limit=9)] == ["I drink strong tea."]
        assert [m.text for m in agent.messages() if m.role != "tool"] == ["I drink strong tea.", "Filed."]


def test_tasks_are_listed_and_go_like_everything_else(opened: Opened, left: Left) -> None:
    """A user's tasks go with the turns in which they were made; by date the closed ones go, and what is still to be done stays."""
    now = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def titled(agent: Any) -> list[str]:
        tasks = agent.memory.store.search(("ann", "tasks"))[0].value
        return [task["title"] for name in ("open", "closed") for task in tasks[name]]

    adding = [call("task_add", title=title, request_heartbeat=True) for title in (f"Ring {WORD}", "Water the ferns")]
    with opened([adding[0], say("Yes.")], user_id="zoltan", tools=["tasks"], clock=lambda: now) as agent:
        agent.step("Remind me")
        agent.tools.task_add(title="Pay the baker")
        agent.tools.task_complete(task=2, outcome="paid")
        agent.tools.task_add(title="Mow the lawn")
    with opened([adding[1], say("Yes.")], user_id="bea", tools=["tasks"], clock=lambda: now + timedelta(days=40)) as agent:
        agent.step("Remind me too")
        plan = agent.forget(user_id="zoltan")
        assert [(one.id, one.text) for one in plan.ticked if one.kind == "task"] == [("task:1", f"Ring {WORD}")]
        plan.erase()
        assert left(WORD) == {}
        assert sorted(titled(agent)) == ["Mow the lawn", "Pay the baker", "Water the ferns"]
        agent.forget(before="2026-04-01").erase()
        assert left("Pay the baker") == {}
        agent.forget("task:3").erase()
        assert titled(agent) == ["Water the ferns"]


def test_a_conversation_of_another_agent_is_out_of_reach(opened: Opened, left: Left) -> None:
    """Memory that names a conversation proves nothing: an import can name anybody's. That agent's checkpoints stay as they are."""
    with opened([say("I keep it."), say("Still here.")], agent_id="bob") as bob:
        bob.step(f"{WORD} is my secret")
    with opened([say("Hm.")]) as agent:
        agent.step(f"{WORD} is mine")
        place, key = ("ann", "recall"), agent.messages()[0].id
        said = agent.memory.store.get(place, key)
        assert said is not None
        forged = {**said.value, "id": "forged", "thread_id": "bob"}
        agent.memory.store.put(place, "forged", forged)
        mine = agent.forget(WORD)
        assert not any("'bob'" in what for what in mine.stays)
        mine.erase()
        plan = agent.forget(thread_id="bob")
        assert any("'bob' itself" in what for what in plan.stays)
        plan.erase()
    with opened([say("Still here.")], agent_id="bob") as bob:
        assert bob.step("And?").message == "Still here."
        model: Any = bob._model
        assert f"{WORD} is my secret" in str(model.calls[-1])


def test_a_plan_says_nothing_of_agents_who_share_no_conversation(opened: Opened) -> None:
    """Neither that they remember the words, nor that a conversation of theirs is called so; and it erases none of them."""
    with opened([say("I keep it.")], agent_id="bob", thread_id=f"bob:{WORD}") as bob:
        bob.step(f"{WORD} is my secret")
    with opened([say("Hm.")]) as agent:
        agent.step(f"{WORD} is mine")
        assert list(agent.forget(WORD).stays) == ["exports, backups and the documents themselves, wherever they lie."]
        plan = agent.forget(thread_id=f"bob:{WORD}")
        assert any("itself" in what for what in plan.stays)
        assert not plan.erases_more
