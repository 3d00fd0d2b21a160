"""A prompt that is refused for something in it: that part is left out, the user is told, and the next message works."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.errors import ModelError
from memgpt_agent.events import mark_of
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.models.failures import refuses_content
from memgpt_agent.testing import ScriptedModel, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
BOTH = pytest.mark.parametrize("how", ["sync", "async"])
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Refusal(Exception):
    """A provider's refusal with its status."""

    def __init__(self, text: str, status_code: int = 400) -> None:
        super().__init__(text)
        self.status_code = status_code


BAD_IMAGE = Refusal("messages.1.content.1: Could not process image")


def photo(text: str, count: int = 1, message_id: str = "photo") -> HumanMessage:
    """Return a message with pictures."""
    blocks = [{"type": "image", "base64": PIXEL, "mime_type": "image/png"}] * count
    return HumanMessage([{"type": "text", "text": text}, *blocks], id=message_id)


def agent(*script: Any, saver: Any = None) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a graph, its model and its store."""
    model, store = ScriptedModel(script), InMemoryStore()
    return create_graph(model=model, store=store, checkpointer=saver or InMemorySaver()), model, store


async def ask(graph: Any, how: str, said: Any) -> list[Any]:
    """Say something; return the queue."""
    given: Any = {"messages": [said if isinstance(said, HumanMessage) else ("user", said)]}
    context: Any = {"context_window_tokens": 32_768, "retry_wait_seconds": 0}
    final = graph.invoke(given, THREAD, context=context) if how == "sync" else await graph.ainvoke(given, THREAD, context=context)
    return final["messages"]


def pictures(sent: list[Any]) -> int:
    """Return how many pictures a prompt holds."""
    blocks = [b for m in sent if m.type == "human" and isinstance(m.content, list) for b in m.content]
    return sum(b.get("type") != "text" for b in blocks)


@BOTH
async def test_an_attachment_that_is_refused_is_left_out_and_the_user_is_told(how: str) -> None:
    """Two requests; the next message sends it no more; the original stays in the queue and in recall memory."""
    graph, model, store = agent(BAD_IMAGE, say("I cannot see it"), say("Yes"))
    queue = await ask(graph, how, photo("Look at this"))
    assert queue[-1].text == "I cannot see it"
    assert any("refused an image (image/png)" in m.text and "Could not process image" in m.text for m in queue if m.type == "ai")
    assert [pictures(sent) for sent in model.calls] == [1, 0]
    assert "Here stood an image (image/png)" in str(model.calls[1][-1].content)
    assert (await ask(graph, how, "And now?"))[-1].text == "Yes"
    assert pictures(model.calls[2]) == 0
    assert any(m.type == "human" and isinstance(m.content, list) and len(m.content) == 2 for m in queue)
    assert [m.text for m in RecallMemory(store, "ann").search("", roles=["user"])][-1] == "Look at this"


@BOTH
async def test_if_the_newest_is_not_to_blame_all_are_left_out(how: str) -> None:
    """Three requests at most."""
    graph, model, _ = agent(say("Nice"), BAD_IMAGE, BAD_IMAGE, say("Without"), say("Next"))
    await ask(graph, how, photo("One", message_id="one"))
    assert (await ask(graph, how, photo("Two", 2, message_id="two")))[-1].text == "Without"
    assert [pictures(sent) for sent in model.calls] == [1, 3, 2, 0]
    assert (await ask(graph, how, "More"))[-1].text == "Next"


@BOTH
async def test_where_no_smaller_prompt_is_taken_everything_is_as_it_was(how: str) -> None:
    """The refusal is reported; what was attached is sent again with the next message."""
    graph, model, _ = agent(BAD_IMAGE, BAD_IMAGE, BAD_IMAGE, say("I see it now"))
    with pytest.raises(ModelError, match="Could not process image"):
        await ask(graph, how, photo("Look", 2))
    assert (await ask(graph, how, "Again"))[-1].text == "I see it now"
    assert [pictures(sent) for sent in model.calls] == [2, 1, 0, 2]


@BOTH
async def test_a_bare_refusal_does_not_block_the_conversation(how: str) -> None:
    """Nothing is attached and nothing is named: the event is left out; if that is not to blame, all is as it was."""
    graph, model, _ = agent(say("Hi"), Refusal("Bad Request"), say("Please say it again"), say("Next"), Refusal(""), Refusal(""), say("Last"))
    for said, answer in (("Hello", "Hi"), ("bad text", "Please say it again"), ("good text", "Next")):
        assert (await ask(graph, how, said))[-1].text == answer
    assert "bad text" not in str(model.calls[3])
    with pytest.raises(ModelError):
        await ask(graph, how, "more")
    assert (await ask(graph, how, "again"))[-1].text == "Last"
    assert "more" in str(model.calls[-1])


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("Incorrect API key provided", 401), Refusal("API key not valid. Please pass a valid API key.", 400),
        Refusal("The model `gpt-x` does not exist", 404), Refusal("Unsupported parameter: 'temperature'", 400),
        Refusal("Your credit balance is too low to access the API", 400), Refusal("does not support tools", 400),
    ],
)  # fmt: skip
def test_what_another_prompt_would_not_mend_is_reported_at_once(refusal: Refusal) -> None:
    """A dead key, an unknown model, an option: one request, and nothing is left out."""
    graph, model, _ = agent(refusal)
    with pytest.raises(ModelError):
        graph.invoke({"messages": [photo("Look")]}, THREAD, context={"context_window_tokens": 8_192})
    assert len(model.calls) == 1


def test_a_text_that_is_refused_is_left_out_where_there_is_nothing_else() -> None:
    """The conversation goes on."""
    graph, model, _ = agent(say("Hi"), Refusal("messages[3].content: invalid unicode code point"), say("Please say it again"), say("Next"))
    context: Any = {"context_window_tokens": 8_192}
    for said, answer in (("Hello", "Hi"), ("bad text", "Please say it again"), ("good text", "Next")):
        assert graph.invoke({"messages": [("user", said)]}, THREAD, context=context)["messages"][-1].text == answer
    assert "bad text" not in str(model.calls[2])
    assert "bad text" not in str(model.calls[3])


def test_a_refusal_by_policy_is_told_after_one_request_and_not_sent_again() -> None:
    """As an error, as Azure and DashScope give it."""
    filtered = Refusal("The response was filtered due to the prompt triggering the content management policy. code: content_filter")
    graph, model, _ = agent(filtered, say("Fine"))
    context: Any = {"context_window_tokens": 8_192}
    first = graph.invoke({"messages": [("user", "a bad wish")]}, THREAD, context=context)["messages"][-1]
    assert "refused" in first.text
    assert mark_of(first).get("stopped") == "refused"
    assert graph.get_state(THREAD).values["turn"]["step"] == 1
    assert graph.invoke({"messages": [("user", "a good wish")]}, THREAD, context=context)["messages"][-1].text == "Fine"
    assert "a bad wish" not in str(model.calls[1])


def test_what_was_left_out_stays_so_after_a_restart(tmp_path: Path) -> None:
    """The mark is in the checkpoint."""
    context: Any = {"context_window_tokens": 8_192}
    for script, said in (([BAD_IMAGE, say("No")], photo("Look")), ([say("Yes")], HumanMessage("Hello"))):
        with open_checkpointer(tmp_path / "checkpoints.db") as saver:
            graph, model, _ = agent(*script, saver=saver)
            graph.invoke({"messages": [said]}, THREAD, context=context)
    assert pictures(model.calls[-1]) == 0


def test_a_request_of_too_many_bytes_loses_its_attachments_first() -> None:
    """413 is a length where there are none."""
    graph, model, _ = agent(Refusal("Request exceeds the maximum size", 413), say("Smaller"))
    queue = graph.invoke({"messages": [photo("Look")]}, THREAD, context={"context_window_tokens": 8_192})["messages"]
    assert queue[-1].text == "Smaller"
    assert [pictures(sent) for sent in model.calls] == [1, 0]


def test_short_refusals_are_taken_for_the_content_where_something_is_attached_and_bare_ones_always() -> None:
    """A bare "Bad request" may be about anything; one that names a thing that nobody knows may be about an option."""
    assert refuses_content(Refusal("Invalid parameter: frobnicate"), attached=True)
    assert not refuses_content(Refusal("Invalid parameter: frobnicate"), attached=False)
    wordless = "Error code: 400 - {'error': {'message': 'Provider returned error'}}"
    for bare in ("Bad request", wordless, "Request contains an invalid argument.", ""):
        assert refuses_content(Refusal(bare), attached=False)
    assert refuses_content(Refusal("image: unknown format", 500), attached=True)
    assert not refuses_content(Refusal("internal error", 500), attached=True)


def test_a_picture_that_no_provider_takes_and_a_thought_of_another_key_are_the_prompts_fault() -> None:
    """A router answers 404 where no provider of the model takes pictures; a model that is not there answers 404 as well."""
    pictures = Refusal("No endpoints found that support image input", 404)
    assert refuses_content(pictures, attached=True)
    assert not refuses_content(pictures, attached=False)
    assert not refuses_content(Refusal("The model `vision-7` does not exist", 404), attached=True)
    assert refuses_content(Refusal("The encrypted content gAAA could not be verified. " + "It is of another organization. " * 6), attached=False)
