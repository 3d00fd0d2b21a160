"""What is older than the settings allow is forgotten when an agent is opened, once a day; and a conversation by whoever deletes it elsewhere."""

from datetime import UTC, datetime, timedelta

from memgpt_agent import MemGPTAgent, Settings, forget_thread
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say
from tests.memory.forgetting.conftest import Left, Opened

WORD = "Oldershaw"


def test_retention_is_kept_to_when_an_agent_is_opened(settings: Settings, left: Left) -> None:
    """Not before the time is over; then everything that is older goes, and what is newer stays."""
    kept = settings.model_copy(update={"retention_days": 30})
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def opened(at: datetime) -> MemGPTAgent:
        model = ScriptedModel([say("Yes.")] * 2)
        return MemGPTAgent(agent_id="ann", model=model, embedding=HashingEmbedder(), settings=kept, clock=lambda: at)

    with opened(now) as agent:
        agent.step(f"I know {WORD}")
    with opened(now + timedelta(days=20)) as agent:
        agent.step("I like pears")
        assert left(WORD)
    with opened(now + timedelta(days=31)) as agent:
        assert left(WORD) == {}
        assert [m.text for m in agent.messages()] == ["I like pears", "Yes."]
        actors = [i.value.get("actor") for i in agent.memory.store.search(("ann", "forgotten"), limit=20) if i.key.startswith("log-")]
        assert actors == ["retention"]


def test_a_conversation_is_forgotten_by_all_who_took_part(settings: Settings, opened: Opened, left: Left) -> None:
    """By its id alone, for whoever deletes conversations elsewhere."""
    for name in ("ann", "bob"):
        with opened([say("Yes.")], agent_id=name, thread_id="both") as agent:
            agent.step(f"{name} knows {WORD}")
    with opened([say("Fine.")], agent_id="eve") as agent:
        agent.step("I like pears")
    assert sorted(forget_thread("both", settings)) == ["ann", "bob"]
    assert left(WORD) == {}
    assert left("I like pears")
    assert forget_thread("nobody's", settings) == []


def test_a_conversation_whose_messages_are_forgotten_already_goes_all_the_same(settings: Settings, opened: Opened, left: Left) -> None:
    """Its checkpoints, and what says that there was one; to forget it once more, or one that never was, changes nothing."""
    with opened([say("Yes.")], thread_id="talk-7", user_id="zoltan") as agent:
        agent.step("Hello.")
        agent.forget(user_id="zoltan").erase()
    assert left("talk-7")["checkpoints.db"]
    for thread, who in (("talk-7", ["ann"]), ("talk-7", []), ("never-was", [])):
        assert forget_thread(thread, settings) == who
    assert "checkpoints.db" not in left("talk-7")
    with opened([say("Here.")]) as agent:
        for asked in ({"user_id": "zoltan"}, {"thread_id": "talk-7"}, {"before": "2001-01-01"}):
            assert agent.forget(**asked).erase().counts == {}
        assert agent.step("Still there?").message == "Here."
