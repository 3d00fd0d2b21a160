"""Generated answers of bad models: broken JSON, wrong types, unknown tools, echoes, thoughts without end, failing providers."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.messages import AIMessage

TOOLS = [
    "send_message",
    "core_memory_append",
    "core_memory_replace",
    "conversation_search",
    "archival_memory_insert",
    "page_out",
    "page_in",
]
_NAMES = [*TOOLS, "send_message", "reply", "", "send message", "python", "tools.send_message", "a" * 200, "❤"]
_FIELDS = [
    "message",
    "label",
    "content",
    "query",
    "page_number",
    "request_heartbeat",
    "thinking",
    "limit",
    "__proto__",
    "memory",
    "",
]
_WORDS = [
    "hello",
    "Rex",
    "7",
    "human",
    "persona",
    "2026-01-01",
    "ünï",
    "😀",
    "\ud83d",
    "\x00",
    "<|im_end|>",
    '"',
    "\\",
    "{",
    "}",
]


def answers(seed: int, count: int) -> Iterator[AIMessage | Exception]:
    """Yield ``count`` answers, the same for the same seed; each is of one kind of badness, drawn at random."""
    draw = random.Random(seed)
    for _ in range(count):
        yield draw.choice(KINDS)(draw)


def _text(draw: random.Random, most: int = 12) -> str:
    return " ".join(draw.choice(_WORDS) for _ in range(draw.randint(0, most)))


def _value(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randint(0, 8 if depth < 4 else 6)
    if kind == 7:
        return [_value(draw, depth + 1) for _ in range(draw.randint(0, 4))]
    if kind == 8:
        return {_text(draw, 1): _value(draw, depth + 1) for _ in range(draw.randint(0, 4))}
    return [
        None,
        draw.random() < 0.5,
        draw.randint(-5, 10 ** draw.randint(0, 25)),
        draw.random() * 1e9,
        _text(draw),
        "",
        float("nan"),
    ][kind]


def _arguments(draw: random.Random) -> dict[str, Any]:
    return {draw.choice(_FIELDS): _value(draw) for _ in range(draw.randint(0, 5))}


def _called(draw: random.Random, *given: tuple[str, str], text: str = "") -> AIMessage:
    """An answer whose calls' arguments are given as the text that the provider would send."""
    calls = [
        {"name": name, "args": arguments, "id": draw.choice(["x", "", None, f"id{n}"]), "error": None}
        for n, (name, arguments) in enumerate(given)
    ]
    return AIMessage(text, invalid_tool_calls=calls)  # pyright: ignore[reportArgumentType]


def _wrong_types(draw: random.Random) -> AIMessage:
    return _called(draw, (draw.choice(TOOLS), json.dumps(_arguments(draw))))


def _unknown_tool(draw: random.Random) -> AIMessage:
    return _called(draw, (draw.choice(_NAMES), json.dumps(_arguments(draw))))


def _broken_json(draw: random.Random) -> AIMessage:
    whole = json.dumps(_arguments(draw))
    place = draw.randint(0, len(whole))
    broken = draw.choice(
        [
            whole[:place],
            whole[place:],
            whole[:place] + _text(draw, 2) + whole[place:],
            _text(draw),
            "null",
            "[1]",
            '"x"',
            "]" * 50,
        ]
    )
    return _called(draw, (draw.choice(TOOLS), broken))


def _several(draw: random.Random) -> AIMessage:
    made = [(draw.choice(_NAMES), json.dumps(_arguments(draw))) for _ in range(draw.randint(2, 12))]
    return _called(draw, *made, text=_text(draw))


def _deep(draw: random.Random) -> AIMessage:
    levels = draw.choice([10, 50, 2_000, 50_000])
    return _called(draw, (draw.choice(TOOLS), '{"message": ' + "[" * levels + "]" * levels + "}"))


def _huge(draw: random.Random) -> AIMessage:
    text = draw.choice(["word ", "x", "😀", "\n", '"']) * draw.choice([2_000, 40_000])
    return _called(
        draw, (draw.choice(TOOLS), json.dumps({draw.choice(["message", "content", "query"]): text, "label": "human"}))
    )


def _text_only(draw: random.Random) -> AIMessage:
    return AIMessage(draw.choice(["", " ", "\n\n", _text(draw), _text(draw, 300), "```\n```", "null", "{}"]))


def _written_call(draw: random.Random) -> AIMessage:
    call = json.dumps({"name": draw.choice(_NAMES), draw.choice(["arguments", "parameters", "args"]): _value(draw)})
    return AIMessage(
        draw.choice([call, f"<tool_call>{call}</tool_call>", f"```json\n{call}\n```", f"I will call {call}", call[:-3]])
    )


def _echo(draw: random.Random) -> AIMessage:
    event = {"type": "user_message", "message": _text(draw), "time": "2026-01-01"}
    result = {"status": "OK", "message": "Sent.", "time": ""}
    said = draw.choice(
        [
            json.dumps(event),
            json.dumps(result),
            "You are an agent with a long memory that you manage yourself, as an operating system",
        ]
    )
    return draw.choice([AIMessage(said), _called(draw, ("send_message", json.dumps({"message": said})))])


def _endless_thoughts(draw: random.Random) -> AIMessage:
    thoughts = draw.choice(["<think>", "<thinking>", ""]) + "Let me think about it again. " * draw.choice([10, 20_000])
    return AIMessage(thoughts, response_metadata={"finish_reason": draw.choice(["length", "stop", "max_tokens"])})


def _blocks(draw: random.Random) -> AIMessage:
    some: list[Any] = [
        {"type": "text", "text": _text(draw)}, {"type": "reasoning", "reasoning": _text(draw)}, {"type": "thinking", "thinking": "hm"},
        {"type": "tool_use", "id": "t", "name": "send_message", "input": {}}, {"type": "image_url", "image_url": {"url": "x"}}, _text(draw),
    ]  # fmt: skip
    return AIMessage(draw.sample(some, draw.randint(0, len(some))))


def _same_again(draw: random.Random) -> AIMessage:
    return _called(draw, ("core_memory_append", '{"label": "nowhere", "content": "x", "request_heartbeat": true}'))


def _busy_body(draw: random.Random) -> AIMessage:
    text = _text(draw, 80) or "x"
    page = draw.randint(-1, 9)
    acts: list[tuple[str, dict[str, Any]]] = [
        ("core_memory_append", {"label": "human", "content": text}),
        ("page_out", {"content": "x", "page_number": page}),
        ("page_in", {"page_number": page, "start": draw.randint(-1, 900)}),
        ("conversation_search", {"query": text, "limit": 50}),
        ("archival_memory_insert", {"content": text, "tags": [_text(draw, 2)]}),
        ("send_message", {"message": text}),
    ]
    name, given = draw.choice(acts)
    return _called(draw, (name, json.dumps({**given, "request_heartbeat": draw.random() < 0.7})))


def _provider(draw: random.Random) -> Exception:
    window = draw.choice([6_000, 7_000, 100_000])
    return draw.choice(
        [
            TimeoutError("read timed out"), ConnectionError("reset by peer"), ValueError("malformed chunk"), KeyError("choices"),
            RuntimeError(f"This model's maximum context length is {window} tokens. However, your messages resulted in {window + 900} tokens."),
        ]
    )  # fmt: skip


KINDS: list[Callable[[random.Random], AIMessage | Exception]] = [
    _wrong_types, _unknown_tool, _broken_json, _several, _deep, _huge, _text_only, _written_call, _echo, _endless_thoughts, _blocks,
    _same_again, _busy_body, _provider,
]  # fmt: skip
