"""A chat that remembers nothing."""

from typing import Any

from memgpt_agent.testing import call, say
from tests.memory.forgetting.conftest import Left, Opened

WORD = "Quenchwell"


def test_a_temporary_chat_leaves_no_byte(opened: Opened, left: Left) -> None:
    """It knows the agent's blocks, can edit its copy of them, and is gone when it ends; the agent knows nothing of it."""
    edit = call("core_memory_append", label="human", content=f"In {WORD}", request_heartbeat=True)
    with opened([say("Hello."), edit, say(f"Noted {WORD}"), say("Again."), say("Who?")], human="Likes pears.", tools=["tasks"]) as agent:
        agent.step("I was here before")
        with agent.temporary() as chat:
            assert chat.core_memory["human"] == "Likes pears."
            assert chat.step(f"I live in {WORD}").message == f"Noted {WORD}"
            assert chat.core_memory["human"] == f"Likes pears.\nIn {WORD}"
            chat.step("And now?")
            model: Any = agent._model
            assert WORD in str(model.calls[-1])
            assert "I was here before" not in str(model.calls[-1])
            assert left(WORD) == {}
        assert agent.core_memory["human"] == "Likes pears."
        agent.step("Go on")
        assert WORD not in str(model.calls[-1])
        assert [m.text for m in agent.messages()] == ["I was here before", "Hello.", "Go on", "Who?"]
    assert left(WORD) == {}
