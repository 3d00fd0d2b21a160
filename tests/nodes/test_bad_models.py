"""Models and providers that misbehave: each answer gets something to act on, every turn ends in order, nothing is lost."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from benchmarks.bad_models.answers import answers
from benchmarks.bad_models.run import play
from memgpt_agent.errors import ConfigurationError, ModelError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.models import failures
from memgpt_agent.models.too_long import TooLong, too_long
from memgpt_agent.prompts import CUT_OFF, ECHO, NO_ANSWER_REPLY
from memgpt_agent.testing import ScriptedModel, call, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
FAST: dict[str, Any] = {"retry_wait_seconds": 0, "context_window_tokens": 8_192}


class Refusal(Exception):
    """A provider's error, with what the providers' own carry."""

    def __init__(self, text: str, status_code: int, retry_after: str | None = None, code: str | None = None) -> None:
        super().__init__(text)
        self.status_code, self.code = status_code, code
        self.response = type("Response", (), {"headers": {"retry-after": retry_after}, "status_code": status_code})()


BUSY = Refusal("Rate limit reached", 429)


def agent(*script: Any, **options: Any) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a graph, its model and its store."""
    model, store = ScriptedModel(script), InMemoryStore()
    summarizer = ScriptedModel(["Summary."] * 50)
    return (
        create_graph(model=model, store=store, checkpointer=InMemorySaver(), summarizer=summarizer, **options),
        model,
        store,
    )


async def ask(graph: Any, how: str = "sync", text: str = "Hello", **context: Any) -> list[Any]:
    """Say something as the user; return the queue."""
    given: Any = {"messages": [("user", text)]}
    context = {**FAST, **context}
    final = (
        graph.invoke(given, THREAD, context=context)
        if how == "sync"
        else await graph.ainvoke(given, THREAD, context=context)
    )
    return final["messages"]


BOTH = pytest.mark.parametrize("how", ["sync", "async"])


@BOTH
async def test_a_busy_provider_is_tried_again(how: str) -> None:
    """A few times, then it works; what was streamed before is withdrawn."""
    graph, model, _ = agent(BUSY, TimeoutError("slow"), ConnectionError("reset"), say("Hi"))
    assert (await ask(graph, how))[-1].text == "Hi"
    assert len(model.calls) == 4


@BOTH
async def test_after_so_many_tries_the_error_is_clear_and_the_next_message_just_works(how: str) -> None:
    """The state is as it was; nothing is answered twice."""
    graph, model, store = agent(*[BUSY] * 2, say("Here again"))
    with pytest.raises(ModelError, match="429|Rate limit reached.*What was said is kept.*fallback_model"):
        await ask(graph, how, model_attempts=2)
    queue = await ask(graph, how, "Are you there?")
    assert [m.text for m in queue if m.type == "human"] == ["Hello", "Are you there?"]
    assert queue[-1].text == "Here again"
    assert [m.text for m in reversed(RecallMemory(store, "ann").search("", roles=["user"]))] == [
        "Hello",
        "Are you there?",
    ]
    assert len(model.calls) == 3


@BOTH
async def test_where_the_model_fails_for_good_the_fallback_answers(how: str) -> None:
    """The next message goes to the first model again."""
    fallback = ScriptedModel([say("I am the other one")])
    graph, model, _ = agent(Refusal("no such key", 401), say("I am back"))
    resources: Any = _resources(graph)
    resources.caches._models["other:model"] = fallback
    assert (await ask(graph, how, fallback_model="other:model"))[-1].text == "I am the other one"
    assert (await ask(graph, how, fallback_model="other:model"))[-1].text == "I am back"
    assert len(model.calls) == 2


def _resources(graph: Any) -> Any:
    return graph.nodes["compile_context"].bound.func.keywords["resources"]


@BOTH
async def test_what_cannot_get_better_is_not_tried_again(how: str) -> None:
    """A wrong key stays wrong."""
    graph, model, _ = agent(Refusal("Incorrect API key provided", 401))
    with pytest.raises(ModelError, match="Incorrect API key provided"):
        await ask(graph, how)
    assert len(model.calls) == 1


def _in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


def test_a_wait_that_the_provider_asks_for_is_kept_unless_it_is_too_long() -> None:
    """By its Retry-After header, seconds or a date, or in words."""
    assert failures.retry_after_seconds(Refusal("busy", 429, "7")) == 7.0
    assert failures.retry_after_seconds(Refusal("busy", 429, "Wed, 21 Oct 2015 07:28:00 GMT")) == 0.0
    assert 3_000 < (failures.retry_after_seconds(Refusal("busy", 429, _in_an_hour())) or 0.0) <= 3_600
    assert failures.retry_after_seconds(Refusal("Please try again in 250ms.", 429)) == 0.25
    assert failures.retry_after_seconds(Refusal("Please try again in 1m7.5s.", 429)) == 67.5
    assert failures.retry_after_seconds(Refusal("Please try again later.", 429)) is None
    graph, model, _ = agent(Refusal("busy", 429, "86400"))
    with pytest.raises(ModelError, match="busy"):
        graph.invoke({"messages": [("user", "Hi")]}, THREAD, context=FAST)
    assert len(model.calls) == 1


@BOTH
async def test_a_model_that_is_too_slow_is_left(how: str) -> None:
    """On either face, within its time."""

    def sleeps(_: list[Any]) -> AIMessage:
        time.sleep(1.0)
        return say("Too late")

    graph, _, _ = agent(sleeps, say("In time"))
    begun = time.monotonic()
    with pytest.raises(ModelError, match="within 0.2 seconds. Raise model_timeout_seconds"):
        await ask(graph, how, model_timeout_seconds=0.2)
    assert time.monotonic() - begun < 0.9 or how == "async"  # a scripted model sleeps in the loop's own thread pool
    await asyncio.sleep(1.0)
    assert (await ask(graph, how))[-1].text == "In time"


@BOTH
@pytest.mark.parametrize(
    ("refusal", "window"),
    [
        ("This model's maximum context length is 6000 tokens. However, your messages resulted in 7001 tokens.", 6_000),
        ("prompt is too long: 7001 tokens > 6000 maximum", 6_000),
        ("the request exceeds the available context size (6000 tokens), try increasing the context size", 6_000),
        ("Requested tokens (7001) exceed context window of 6000", 6_000),
        ("The input token count (7001) exceeds the maximum number of tokens allowed (6000).", 6_000),
        ("context_length_exceeded", 0),
    ],
)
async def test_a_prompt_that_the_provider_finds_too_long_is_made_shorter_and_the_window_is_learned(
    how: str, refusal: str, window: int
) -> None:
    """Evicted and sent again in the same turn; in the next turns it fits at once."""
    script = [*[say("ok")] * 4, Refusal(refusal, 400), say("Got it"), say("Fits")]
    graph, _model, _ = agent(*script)
    for n in range(4):
        await ask(graph, how, f"{n} " + "word " * 600, context_window_tokens=16_000)
    assert (await ask(graph, how, "And now?", context_window_tokens=16_000))[-1].text == "Got it"
    facts = graph.get_state(THREAD).values["model_facts"]["ScriptedModel"]
    assert facts["window"] == window
    assert facts["factor"] == pytest.approx(1.0, rel=0.02)
    usage = graph.get_state(THREAD).values["context_usage"]
    assert usage["budget"] == 6_000 - 1_500 if window else usage["budget"] < facts["refused"] * 0.6
    assert (await ask(graph, how, "Again", context_window_tokens=16_000))[-1].text == "Fits"
    assert graph.get_state(THREAD).values["turn"].get("shrunk", 0) == 0


async def test_a_size_that_was_refused_is_forgotten_where_the_window_is_smaller_than_it() -> None:
    """The window alone bounds the prompt then, and nothing of the refusal is kept."""
    graph, _model, _ = agent(*[say("ok")] * 4, Refusal("context_length_exceeded", 400), say("Got it"), say("Fits"))
    for text in [*(f"{n} " + "word " * 600 for n in range(4)), "And now?"]:
        await ask(graph, text=text, context_window_tokens=16_000)
    assert {"fits", "refused"} < graph.get_state(THREAD).values["model_facts"]["ScriptedModel"].keys()
    await ask(graph, text="Again", context_window_tokens=4_096)
    assert graph.get_state(THREAD).values["model_facts"]["ScriptedModel"] == {"factor": 1.0, "window": 0}


def test_a_provider_that_always_finds_it_too_long_is_an_error_in_the_end() -> None:
    """It names the setting."""
    graph, _, _ = agent(*[Refusal("context_length_exceeded", 400)] * 4)
    with pytest.raises(ModelError, match="also after it was made smaller 3 times.*Set context_window_tokens"):
        graph.invoke({"messages": [("user", "Hi")]}, THREAD, context=FAST)


def test_a_limit_on_tokens_a_minute_is_no_refusal_of_the_length() -> None:
    """It is busy, and tried again."""
    error = Refusal("Rate limit reached: Limit 30000, Used 29000, Requested 4000. Reduce the length of the messages.", 429)
    assert too_long(error) is None
    assert failures.is_busy(error)
    alone = Refusal("Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 40000. The input must be reduced.", 429)
    assert too_long(alone) == TooLong(30_000, 40_000)
    assert not failures.is_busy(Refusal("You exceeded your current quota", 429, code="insufficient_quota"))


def test_a_response_that_failed_is_asked_for_again() -> None:
    """LangChain's client gives the error of the Responses API as the words of a ``ValueError``."""
    from openai.types.responses import ResponseError

    assert failures.is_busy(ValueError(str(ResponseError(code="server_error", message="Sorry."))))
    assert failures.is_busy(ValueError("rate_limit_exceeded: Slow down."))
    assert not failures.is_busy(ValueError(str(ResponseError(code="invalid_prompt", message="No."))))


def result(model: ScriptedModel, nth: int = -1) -> str:
    """Return the last thing that the model was told in a call."""
    return str(json.loads(str(model.calls[nth][-1].content))["message"])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (AIMessage("", response_metadata={"finish_reason": "length"}), CUT_OFF),
        (
            AIMessage("<think>I should consider this. And that. And", response_metadata={"finish_reason": "length"}),
            CUT_OFF,
        ),
        (AIMessage('{"type": "user_message", "message": "Hello", "time": "2026"}'), ECHO),
        (
            AIMessage(
                "You are an agent with a long memory that you manage yourself, as an operating system manages RAM"
            ),
            ECHO,
        ),
        (calls(("send_message", {"message": '{"status": "OK", "message": "Sent.", "time": ""}'})), ECHO),
    ],
)
async def test_an_answer_that_says_nothing_is_sent_back_with_what_is_wrong(answer: AIMessage, told: str) -> None:
    """And the next one counts."""
    graph, model, _ = agent(answer, say("Hi"))
    assert (await ask(graph))[-1].text == "Hi"
    assert told in result(model)


async def test_thoughts_between_tags_are_not_spoken() -> None:
    """The text behind them is."""
    graph, _, store = agent(AIMessage("<think>She said hello.</think>\n\nHi Ann"))
    assert (await ask(graph))[-1].text == "Hi Ann"
    assert [m.text for m in RecallMemory(store, "ann").search("", roles=["assistant"])] == ["Hi Ann"]


async def test_an_answer_without_end_is_left_at_its_limit() -> None:
    """The model is not heard out; a call that was not whole is not carried out."""
    endless = call("core_memory_append", label="human", content="x" * 200_000)
    graph, model, store = agent(endless, say("Short now"))
    assert (await ask(graph, answer_tokens=64))[-1].text == "Short now"
    assert "reached its length limit before this call was whole" in result(model)
    assert store.get(("ann", "core"), "human").value["value"] == ""  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    "written",
    [
        '{"name": "send_message", "arguments": {"message": "Hi"}}',
        '<tool_call>\n{"name": "send_message", "arguments": {"message": "Hi"}}\n</tool_call>',
        '```json\n{"name": "send_message", "parameters": {"message": "Hi"}}\n```',
    ],
)  # fmt: skip
async def test_a_call_that_was_written_as_text_is_carried_out(written: str) -> None:
    """Small models do so; the user would read JSON otherwise."""
    graph, _, _ = agent(written)
    assert (await ask(graph))[-1].text == "Hi"


async def test_the_same_failing_call_again_and_again_is_pointed_out_and_then_ended() -> None:
    """In order: the user is told, and the next turn is as ever."""
    same = call("core_memory_append", label="humans", content="x")
    graph, model, _ = agent(*[same] * 5, say("Back"))
    queue = await ask(graph)
    assert "failed 5 times" in queue[-1].text
    assert len(model.calls) == 5
    assert "this very call" not in result(model, 2)
    assert "You have made this very call 3 times now" in result(model, 3)
    assert (await ask(graph))[-1].text == "Back"


async def test_failing_calls_that_differ_are_only_bounded_by_the_steps() -> None:
    """It is trying."""
    graph, model, _ = agent(*[call("core_memory_append", label=f"b{n}", content="x") for n in range(6)], say("Hi"))
    assert (await ask(graph))[-1].text == "Hi"
    assert len(model.calls) == 7


@pytest.mark.parametrize(
    "arguments", ['{"message": NaN}', '{"message": ' + "[" * 5_000 + "]" * 5_000 + "}", '{"n": 1' + "0" * 30 + "}"]
)
async def test_arguments_that_no_store_could_keep_fail(arguments: str) -> None:
    """Before anything is done with them."""
    bad = AIMessage("", invalid_tool_calls=[{"name": "send_message", "args": arguments, "id": "x", "error": None}])  # pyright: ignore[reportArgumentType]
    graph, model, _ = agent(bad, say("Hi"))
    assert (await ask(graph))[-1].text == "Hi"
    assert "could not be read" in result(model)


async def test_half_characters_are_replaced_and_names_made_such_as_providers_take() -> None:
    """What is kept can be sent and stored everywhere."""
    bad = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "send words!", "args": '{"message": "a\\ud83d \\u0000b"}', "id": "x", "error": None}
        ],
    )  # pyright: ignore[reportArgumentType]
    graph, model, _ = agent(bad, say("Hi"))
    await ask(graph)
    assert model.calls[1][2].tool_calls[0]["name"] == "send_words_"  # type: ignore[attr-defined]
    assert model.calls[1][2].tool_calls[0]["args"] == {"message": "a\ufffd b"}  # type: ignore[attr-defined]


async def test_a_model_that_cannot_stream_is_an_agent_too() -> None:
    """Its whole answer is read as well."""

    class Whole(FakeMessagesListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    graph: Any = create_graph(model=Whole(responses=[say("Hi Ann")]), store=InMemoryStore())
    assert graph.invoke({"messages": [("user", "Hello")]}, THREAD)["messages"][-1].text == "Hi Ann"


async def test_a_context_that_cannot_be_is_explained_by_the_bare_graph_too() -> None:
    """Field by field, with those there are."""
    graph, _, _ = agent()
    with pytest.raises(ConfigurationError, match="max_stepps.*The fields are: agent_id, answer_tokens"):
        await ask(graph, max_stepps=3)


async def test_an_apology_ends_what_nothing_else_ends() -> None:
    """After the last unusable answer."""
    graph, _, _ = agent(*[AIMessage(" ")] * 3)
    assert (await ask(graph))[-1].text == NO_ANSWER_REPLY


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_bad_answers_stop_nothing(seed: int) -> None:
    """The short form of the benchmark: every turn ends, every call has its result, everything fits."""
    found = play(answers(seed, 60), turn_answers=5)
    assert found.problems == []
    assert found.answers == 60


async def test_a_model_that_only_repeats_what_the_user_has_read_ends_the_turn() -> None:
    """It is told so once; after the second time the turn is over, with one reply."""
    graph, model, _ = agent(*[say("Hi", request_heartbeat=True)] * 3)
    queue = await ask(graph)
    assert len(model.calls) == 3
    assert [m.text for m in queue if m.type == "ai" and m.text] == ["Hi"]
