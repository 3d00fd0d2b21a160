"""What changes in mid-life: thinking is switched on, stored items are gone, answers stem from an older version."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import tool

from benchmarks.providers.faults import refusal
from benchmarks.providers.life import Living, agent_at, odd, picture, say
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.anthropic import Anthropic
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from memgpt_agent.models.dialects import Wanted, speak

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


def test_thinking_can_be_switched_on_and_off_in_mid_life(tmp_path: Path):
    """Claude refuses a call without a signed thought once thinking is on: what was called before is told in words."""
    with StrictServer(Anthropic(), Living()) as server:
        for n, name in enumerate(["anthropic", "anthropic", "anthropic-thinking", "anthropic-thinking", "anthropic", "anthropic-thinking"]):
            with agent_at(tmp_path, PROVIDERS[name].model(server.url)) as agent:
                assert odd(n, say(agent, n, None)) == ""
    assert server.refusals == []


def test_a_thought_that_is_too_long_for_the_window_never_blocks_the_conversation(tmp_path: Path):
    """It is shown whole or not at all, and its call is not left without it."""

    def long(heard: list[Heard]) -> Reply:
        if heard[-1].role == "tool" or "Its result:" in heard[-1].text:
            return Reply(calls=(("send_message", {"message": "done", "request_heartbeat": False}),), thinking="Short.")
        look = ("conversation_search", {"query": "x", "request_heartbeat": True})
        return Reply(calls=(look,), thinking="A very long thought indeed. " * 700)

    with StrictServer(Anthropic(), long) as server, agent_at(tmp_path, PROVIDERS["anthropic-thinking"].model(server.url)) as agent:
        for _ in range(3):
            assert agent.step("Go on.").message == "done"
    assert server.refusals == []


OWN = {
    "gemini": (400, "Corrupted thought signature.", lambda body: "thoughtSignature" in _without_any(str(body["contents"]))),
    "responses": (
        404, "Item with id 'rs_0a1b2c3d' not found. Items are not persisted when `store` is set to false.",
        lambda body: any(item.get("type") == "reasoning" for item in body["input"]),
    ),
    "anthropic-thinking": (
        400, "messages.1.content.0: Invalid `signature` in `thinking` block",
        lambda body: any("signature" in str(message["content"]) for message in body["messages"]),
    ),
    "deepseek": (
        400, "The encrypted reasoning could not be verified.",
        lambda body: any(message.get("reasoning_content") for message in body["messages"]),
    ),
}  # fmt: skip
"""What a provider says of a part of its own that it does not take any more, and whether a request holds one."""


def _without_any(contents: str) -> str:
    return contents.replace("'thoughtSignature': 'skip_thought_signature_validator'", "").replace(
        "'thoughtSignature': 'skip/thought/signature/validator'", ""
    )


@pytest.mark.parametrize("name", OWN)
def test_a_part_of_its_own_that_a_provider_does_not_take_any_more_is_left_out(name: str, tmp_path: Path):
    """One refused request; then the answers stand as plain ones, also in the next turn."""
    status, words, holds = OWN[name]
    spoken = Reply(calls=(("send_message", {"message": "done", "request_heartbeat": False}),), thinking="A thought.")
    forgotten: list[bool] = []

    def answers(heard: list[Heard]) -> Reply | Refused:
        return refusal(name, status, words) if forgotten and holds(server.requests[-1]) else spoken

    provider = PROVIDERS[name]
    with StrictServer(provider.wire(), answers) as server, agent_at(tmp_path, provider.model(server.url), **provider.options) as agent:
        assert agent.step("One.").message == "done"
        forgotten.append(True)
        response = agent.step("Two.")
        told, said = response.message.rsplit("\n\n", 1)
        assert (said, len(server.requests), told.startswith("[The model's provider refused parts of earlier answers")) == ("done", 3, True)
        assert holds(server.requests[1])
        forgotten.clear()
        assert agent.step("Three.").message == "done"
        assert len(server.requests) == 4
    assert server.refusals == []


@pytest.mark.parametrize("name", ["openai", "mistral", "anthropic", "gemini", "ollama", "responses", "deepseek", "llama.cpp"])
def test_a_picture_in_a_tools_result_costs_no_text(name: str, tmp_path: Path):
    """The result's words stand in it, and the picture behind it where the model can see it (DeepSeek's and this Qwen cannot)."""

    @tool
    def camera() -> list[dict[str, Any]]:
        """Take a picture."""
        return [{"type": "text", "text": "A photo of the cat Tom."}, {"type": "image", "base64": picture(), "mime_type": "image/png"}]

    def looks(heard: list[Heard]) -> Reply:
        if not any("Tom" in h.text for h in heard if h.role == "tool"):
            return Reply(calls=(("camera", {"request_heartbeat": True}),))
        return Reply(calls=(("send_message", {"message": str(sum(h.images for h in heard)), "request_heartbeat": False}),))

    provider = PROVIDERS[name]
    with StrictServer(provider.wire(), looks) as server, agent_at(tmp_path, provider.model(server.url), tools=[camera]) as agent:
        assert agent.step("Look.").message == ("0" if name in {"deepseek", "llama.cpp"} else "1")
        assert agent.step("Again.").message
    assert server.refusals == []


def test_native_thoughts_are_shown_and_are_why_memory_changed(tmp_path: Path):
    """Without a thinking argument the model's own reasoning is the cause in core memory's history."""

    def edits(heard: list[Heard]) -> Reply:
        if heard[-1].role == "tool":
            return Reply(calls=(("send_message", {"message": "noted", "request_heartbeat": False}),))
        note = {"label": "human", "content": "Likes tea.", "request_heartbeat": True}
        return Reply(calls=(("core_memory_append", note),), thinking="Tea matters to them.")

    provider = PROVIDERS["anthropic-native"]
    with StrictServer(Anthropic(), edits) as server, agent_at(tmp_path, provider.model(server.url), reasoning="native") as agent:
        events = list(agent.stream("I like tea."))
        assert "Tea matters to them." in [event.text for event in events if event.type == "thinking"]
        assert "Tea matters to them." in str(agent.core_memory.history("human")[-1])
        assert "thinking" not in server.requests[0]["tools"][0]["input_schema"]["properties"]


def _answered(answer: AIMessage) -> list[Any]:
    result = ToolMessage("ok", name="look", tool_call_id=answer.tool_calls[0]["id"] or "")
    return [SystemMessage("You are."), HumanMessage("Go."), answer, result]


def _reply(model: Any, answer: AIMessage) -> Any:
    return speak(model, _answered(answer), [], Wanted(native=True, window_tokens=8_192)).invoke({})


def test_items_that_only_the_server_stored_are_left_out():
    """An ``rs_`` id that the server does not know is a refused request; its call goes without it."""
    call = ToolCall(name="look", args={}, id="call_1", type="tool_call")
    blocks: list[Any] = [{"type": "reasoning", "id": "rs_old", "summary": []}, {"type": "text", "text": "Hm.", "id": "msg_old"}]
    answer = AIMessage(blocks, tool_calls=[call], response_metadata={"model_provider": "openai", "id": "resp_old"})
    with StrictServer(PROVIDERS["responses"].wire(), lambda _: Reply(text="fine")) as server:
        assert _reply(PROVIDERS["responses"].model(server.url), answer).text == "fine"
    assert [item["type"] for item in server.requests[0]["input"]] == [
        "message", "message", "message", "function_call", "function_call_output",
    ]  # fmt: skip


def test_signatures_of_an_older_version_find_their_calls_by_their_order():
    """Where the provider's ids were not noted, the first signature belongs to the first call."""
    from benchmarks.providers.strict.gemini import _signature  # pyright: ignore[reportPrivateUsage]
    from memgpt_agent.models.dialects.google_genai import SIGNATURES

    signature = _signature({"name": "look", "args": {}})
    call = ToolCall(name="look", args={}, id="call_ours", type="tool_call")
    kwargs = {SIGNATURES: {"theirs": signature}}
    answer = AIMessage("", tool_calls=[call], additional_kwargs=kwargs, response_metadata={"model_provider": "google_genai"})
    with StrictServer(PROVIDERS["gemini"].wire(), lambda _: Reply(text="fine")) as server:
        assert _reply(PROVIDERS["gemini"].model(server.url), answer).text == "fine"
    assert server.requests[0]["contents"][1]["parts"][0]["thoughtSignature"] == signature


@pytest.mark.parametrize("name", ["openai", "anthropic", "mistral", "llama.cpp", "ollama", "gemini", "deepseek", "responses"])
def test_a_tool_of_any_name_is_offered_called_and_answered(name: str, tmp_path: Path):
    """A name that the provider refuses is another one on the wire only."""
    from langchain_core.tools import StructuredTool

    def count(text: str) -> str:
        """Count letters."""
        return str(len(text))

    tool = StructuredTool.from_function(count, name="text.tools/count letters")

    def counts(heard: list[Heard]) -> Reply:
        if heard[-1].role == "tool":
            return Reply(calls=(("send_message", {"message": f"{heard[-1].text.count('Failed')} failed", "request_heartbeat": False}),))
        names = [made["name"] for made in _tools(server.requests[-1])]
        named = next(n for n in names if n.startswith("text_tools"))
        return Reply(calls=((named, {"text": "abc", "request_heartbeat": True}),))

    with (
        StrictServer(PROVIDERS[name].wire(), counts) as server,
        agent_at(tmp_path, PROVIDERS[name].model(server.url), tools=[tool]) as agent,
    ):
        assert [agent.step(text).message for text in ("Count.", "Again.")] == ["0 failed", "0 failed"]
    assert server.refusals == []


def _tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    tools = body["tools"]
    if "functionDeclarations" in tools[0]:
        return tools[0]["functionDeclarations"]
    return [tool.get("function", tool) for tool in tools]


@pytest.mark.parametrize("name", ["openai", "anthropic-thinking", "mistral", "ollama-thinking", "gemini", "responses"])
def test_half_a_character_that_a_person_a_model_or_a_tool_says_raises_nothing(name: str, tmp_path: Path):
    """In a message, a thought, an argument and a result; nothing of it is sent on."""

    @tool
    def half() -> str:
        """Return half a character."""
        return "x\ud83dy"

    def answers(heard: list[Heard]) -> Reply:
        if heard[-1].role == "tool" or "Its result:" in heard[-1].text:
            return Reply(calls=(("send_message", {"message": "done \ude00", "request_heartbeat": False}),), thinking="So \ude00.")
        return Reply(calls=(("half", {"request_heartbeat": True}),), thinking="Hm \ud83d.")

    provider = PROVIDERS[name]
    options = {"tools": [half], **provider.options}
    with StrictServer(provider.wire(), answers) as server, agent_at(tmp_path, provider.model(server.url), **options) as agent:
        for said in ("Hello \ud83d!", "Again \udc00"):
            assert agent.step(said).message.endswith("done \ufffd")
    assert (len(server.requests), server.refusals) == (4, [])


@pytest.mark.parametrize(("name", "option"), [("openai", "max_completion_tokens"), ("anthropic", "max_tokens"), ("deepseek", "max_tokens")])
def test_a_limit_of_answers_is_asked_for_from_then_on(name: str, option: str, tmp_path: Path):
    """One refused request in the agent's life; the prompt stays as long as it was."""
    words = "max_tokens is too large: 9000. This model supports at most 2048 completion tokens, whereas you provided 9000."

    def answers(heard: list[Heard]) -> Reply | Refused:
        return refusal(name, 400, words) if server.requests[-1].get(option, 0) > 2_048 else Reply(text="done")

    provider = PROVIDERS[name]
    with StrictServer(provider.wire(), answers) as server:
        model = provider.model(server.url).model_copy(update={"max_tokens": 9_000})
        with agent_at(tmp_path, model) as agent:
            assert [agent.step(said).message for said in ("One.", "Two.")] == ["done", "done"]
    assert [request[option] for request in server.requests] == [9_000, 2_048, 2_048]
    assert len(str(server.requests[0])) == len(str(server.requests[1]))
    assert model.max_tokens == 9_000
