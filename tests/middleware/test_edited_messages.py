"""Messages that a client edits in the state of an agent with the middleware: edited for the model, in recall memory and in the summary."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.corrections import Corrections
from memgpt_agent.testing import calls
from tests.middleware.agents import THREAD, answer_or_summary, built, recalled, told

SECRET = "zanzibar"


def edited(agent: Any, message: Any, text: str, *, marked: bool) -> None:
    """Edit a message of the state, with what stands in it or as a new one of the same id."""
    new = message.model_copy(update={"content": text}) if marked else type(message)(text, id=message.id)
    agent.update_state(THREAD, {"messages": [new]})


@pytest.mark.parametrize("marked", [True, False], ids=["the message, changed", "a new message"])
def test_an_edit_reaches_recall_with_history(marked: bool) -> None:
    """A person's message and an answer; the next turn is one turn, and the model and a search see the new words only."""
    agent, model, store = built(["My own is quokka.", "Fine."])
    said, answer = told(agent, f"My password is {SECRET}.")
    edited(agent, said, "My password is gone.", marked=marked)
    edited(agent, answer, "Mine is gone too.", marked=marked)
    told(agent, "How are you?")
    assert [m.text.partition("\n\n<memory")[0] for m in model.calls[-1][1:]] == ["My password is gone.", "Mine is gone too.", "How are you?"]
    assert sorted(recalled(store)) == sorted([
        ("user", "My password is gone."), ("assistant", "Mine is gone too."), ("user", "How are you?"), ("assistant", "Fine."),
    ])  # fmt: skip
    assert SECRET not in str([item.value for item in store.search(("ada", "recall"), limit=100)])
    memory = AgentMemory(store, "ada")
    notes = Corrections(memory.journal, store, "ada").of([str(said.id), str(answer.id)])
    assert [entry.text for note in notes.values() for entry in note.entries] == [f"My password is {SECRET}.", "My own is quokka."]


def test_an_edited_result_of_a_tool_and_an_edited_call_reach_recall() -> None:
    """The record of the call has both."""
    agent, _, store = built([calls(("weather", {"city": "Rome"})), "Sunny.", "Fine."])
    messages: list[Any] = told(agent, "How is Rome?")
    _, asked, result, _ = messages
    edited(agent, result, "Rain in Oslo.", marked=True)
    call = {**asked.tool_calls[0], "args": {"city": "Oslo"}}
    agent.update_state(THREAD, {"messages": [asked.model_copy(update={"tool_calls": [call]})]})
    told(agent, "Thanks")
    record = next(m for m in AgentMemory(store, "ada").recall.search("", limit=20, roles=["tool"]))
    assert (record.text, record.arguments) == ("Rain in Oslo.", '{"city": "Oslo"}')


def test_an_edit_reaches_the_summary() -> None:
    """A summary that drew on what was edited is made anew without it."""
    agent, model, store = built([answer_or_summary] * 60, context_window=8_192)
    said = told(agent, f"My password is {SECRET}.")[0]
    edited(agent, said, "My password is gone.", marked=True)
    for number in range(40):
        told(agent, f"Tell me more about number {number}.")
    assert not any(SECRET in message.text for sent in model.calls[1:] for message in sent)
    assert SECRET not in str([item.value for item in store.search(("ada",), limit=1_000) if "corrections" not in item.namespace])


def test_what_other_middleware_changes_before_it_is_stored_is_no_edit() -> None:
    """A result that is stored short and an answer that is redacted on its way: recall keeps the result whole, and the answer as it is stored."""
    from langchain.agents.middleware import AgentMiddleware

    class Shortening(AgentMiddleware[Any, Any]):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            return handler(request).model_copy(update={"content": "See file 7."})

        def after_model(self, state: Any, runtime: Any) -> Any:
            last = state["messages"][-1]
            return {"messages": [last.model_copy(update={"content": last.text.replace("sunny", "[weather]")})]} if last.text else None

    agent, _, store = built([calls(("weather", {"city": "Rome"})), "It is sunny.", "Fine.", "Fine."], others=[Shortening()])
    told(agent, "How is Rome?")
    told(agent, "Thanks")
    assert sorted(recalled(store)) == sorted([
        ("user", "How is Rome?"), ("tool", "Sunny in Rome."), ("assistant", "It is [weather]."), ("user", "Thanks"), ("assistant", "Fine."),
    ])  # fmt: skip
    assert store.search(("ada", "corrections"), limit=10) == []


def test_a_message_that_comes_again_with_other_words_is_answered_anew() -> None:
    """As the only thing that a run brings; recall memory has it once."""
    agent, model, store = built(["Hello Ada.", "Hello Eve."])
    first = HumanMessage("I am Ada.", id="m1")
    agent.invoke({"messages": [first]}, THREAD, durability="sync")
    agent.update_state(THREAD, {"messages": [HumanMessage("I am Eve.", id="m1")]})
    told(agent, "Who am I?")
    assert [text for role, text in recalled(store) if role == "user"] == ["I am Eve.", "Who am I?"]
    assert len(model.calls) == 2
    assert not any(isinstance(m, ToolMessage | AIMessage) and "Eve" in m.text for m in model.calls[-1])


def test_what_was_said_in_a_branch_that_a_client_left_is_found_no_longer() -> None:
    """Agent Chat UI edits a message so: a run from before it, with other words. A try that failed is no branch; its message comes again."""
    agent, _, store = built(["One.", "Two.", "Other.", ValueError("no"), "Last."])
    told(agent, "First")
    told(agent, "Second")
    before = next(s for s in agent.get_state_history(THREAD) if len(s.values.get("messages", [])) == 2 and not s.next)
    agent.invoke({"messages": [HumanMessage("Instead")]}, before.config, durability="sync")
    kept = [("user", "First"), ("assistant", "One."), ("user", "Instead"), ("assistant", "Other.")]
    assert recalled(store) == kept
    with pytest.raises(ValueError, match="no"):
        told(agent, "Again")
    told(agent, "Still there?")
    assert recalled(store) == [*kept, ("user", "Again"), ("user", "Still there?"), ("assistant", "Last.")]
