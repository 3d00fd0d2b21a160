"""What rides with messages, the texts of blocks and memories, is forgotten as well: erasing goes before what was sent."""


from memgpt_agent.testing import ScriptedModel, call, say
from tests.memory.forgetting.conftest import Left, Opened

PHRASE = "the Quillon harbour deal"


def test_a_blocks_text_that_rode_with_a_message_goes_and_the_next_prompt_is_without_it(opened: Opened, left: Left) -> None:
    """Also where it rode with the user's own words, and the system message is made anew."""
    edit = call("core_memory_append", label="human", content=f"Works on {PHRASE}", request_heartbeat=True)
    with opened([say("Hello."), edit, say("Yes."), say("Yes again."), say("Fine."), say("Tea.")]) as agent:
        agent.step("Hello")
        agent.step("Note what I work on.")
        agent.core_memory.append("human", f"Also likes {PHRASE} a lot")
        agent.core_memory.append("persona", f"Knows {PHRASE}")
        agent.step("Go on.")
        agent.core_memory.append("human", "Likes tea")
        agent.step("And now?")
        agent.forget(PHRASE).erase()
        assert left(PHRASE) == {}
        agent.step("What do I like?")
        assert isinstance(agent._model, ScriptedModel)
        assert PHRASE not in str(agent._model.calls[-1])
        assert "Likes tea" in str(agent._model.calls[-1])
        assert left(PHRASE) == {}
