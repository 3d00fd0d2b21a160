"""Rendering messages and tools as a prompt for a local model, and parsing its answer into text or a tool call."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from memgpt_agent.errors import ModelError
from memgpt_agent.models.engine import LlamaEngine

CALL_START = "<tool_call>\n"
CALL_END = "}\n</tool_call>"
"""The model stops before this: the grammar ends with the arguments."""

_HEAD = re.compile(r'<tool_call>\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ', re.DOTALL)
_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class PromptTurn:
    """One message as chat templates know it."""

    role: Literal["system", "user", "assistant"]
    content: str


def tokens_of(engine: LlamaEngine, turns: Sequence[PromptTurn], *, tail: str = "") -> list[int]:
    """Return the prompt in the model's own chat format, ready for the assistant to go on after ``tail``.

    What a message says is tokenized apart from the format, so that a text such as ``<|im_end|>`` cannot end it.

    Raises:
        ModelError: the file's chat template refuses the messages.
    """
    turns = _merged(turns)
    try:
        text = _rendered(engine, turns)
    except Exception:  # noqa: BLE001 - templates raise what they like; many know no system message
        text = _rendered(engine, turns := _without_system(turns))
    tokens: list[int] = []
    for part in re.split("(\ue000[0-9]+\ue001)", text):
        if part.startswith("\ue000"):
            tokens += engine.tokenize(turns[int(part[1:-1])].content)
        elif part:
            tokens += engine.tokenize(part, special=True)
    return tokens + (engine.tokenize(tail) if tail else [])


def turns_of(messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]]) -> list[PromptTurn]:
    """Return messages as turns; the tools stand before the system text, which changes more often than they do."""
    turns = [PromptTurn("system", _tools_text(tools))] if tools else []
    for message in messages:
        if isinstance(message, SystemMessage):
            first = not any(t.role != "system" for t in turns)
            turns.append(PromptTurn("system" if first else "user", message.text))
        elif isinstance(message, AIMessage):
            turns.append(PromptTurn("assistant", _spoken(message)))
        elif isinstance(message, ToolMessage):
            turns.append(PromptTurn("user", f"<tool_response>\n{message.text}\n</tool_response>"))
        else:
            turns.append(PromptTurn("user", message.text))
    return turns


def read_answer(pieces: Iterator[str], *, head: str = "") -> Iterator[tuple[Literal["text", "name", "arguments"], str]]:
    """Yield what an answer is made of, as early as it is known; ``head`` is what the prompt already began it with."""
    held, state = head, "open"
    for piece in pieces:
        if state == "text":
            yield "text", piece
        elif state == "arguments":
            yield "arguments", piece
        else:
            held += piece
            if not CALL_START.startswith(held[: len(CALL_START)]):
                state = "text"
                yield "text", held
            elif found := _HEAD.match(held):
                state = "arguments"
                yield "name", cast(str, json.loads(found.group(1)))
                if rest := held[found.end() :]:
                    yield "arguments", rest
    if state == "open" and held != head:
        yield "text", held


def call_head(name: str) -> str:
    """Return how a call of a tool begins, up to its arguments."""
    return f'{CALL_START}{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def _spoken(message: AIMessage) -> str:
    calls = [
        call_head(call["name"]) + json.dumps(call["args"], ensure_ascii=False) + CALL_END for call in message.tool_calls
    ]
    return "\n".join([part for part in [message.text, *calls] if part])


def _tools_text(tools: Sequence[Mapping[str, Any]]) -> str:
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return (
        f"# Tools\n\nYou may call a function. The functions, as JSON schemas:\n<tools>\n{lines}\n</tools>\n\n"
        'A call is written as\n<tool_call>\n{"name": <function name>, "arguments": <arguments object>}\n</tool_call>'
    )


def _rendered(engine: LlamaEngine, turns: Sequence[PromptTurn]) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> None:
        raise ModelError(f"The chat template of {engine.path.name} refuses the messages: {reason}")

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(engine.metadata.get("tokenizer.chat_template") or _CHATML)
    messages = [{"role": turn.role, "content": f"\ue000{i}\ue001"} for i, turn in enumerate(turns)]
    text = template.render(
        messages=messages, add_generation_prompt=True, bos_token="", eos_token="", raise_exception=refuse
    )
    if any(f"\ue000{i}\ue001" not in text for i in range(len(turns))):
        raise ModelError(f"The chat template of {engine.path.name} leaves a message out.")
    return text


def _merged(turns: Sequence[PromptTurn]) -> list[PromptTurn]:
    """Join neighbours of one role: many templates insist that roles alternate."""
    merged: list[PromptTurn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = PromptTurn(turn.role, f"{merged[-1].content}\n\n{turn.content}")
        else:
            merged.append(turn)
    return merged


def _without_system(turns: Sequence[PromptTurn]) -> list[PromptTurn]:
    return _merged([PromptTurn("user" if turn.role == "system" else turn.role, turn.content) for turn in turns])
