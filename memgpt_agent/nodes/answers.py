"""Reading a model's answer: its text and thoughts, whether it is usable, and how to keep it."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, ToolCall

from memgpt_agent.events import MARK
from memgpt_agent.memory.dates import stamp
from memgpt_agent.models.dialects import BRIDGE
from memgpt_agent.nodes.reading import ReadCall
from memgpt_agent.nodes.session import Session, key_of, turn_key
from memgpt_agent.prompts import CUT_OFF, ECHO, UNREADABLE_CALL, UNUSABLE
from memgpt_agent.state import Turn
from memgpt_agent.text.cleaning import clean

_TAG = r"(?:[\w-]+:)?(?i:think|thinking|thought|reasoning)"
_PARTS = re.compile(
    rf"(?<!`)<(?P<tag>{_TAG})>(?P<a>.*?)(?:</(?P=tag)>|\Z)"
    r"|\[THINK\](?P<b>.*?)(?:\[/THINK\]|\Z)|◁think▷(?P<c>.*?)(?:◁/think▷|\Z)|<unused94>(?:thought)?(?P<d>.*?)(?:<unused95>|\Z)"
    r"|<\|START_THINKING\|>(?P<e>.*?)(?:<\|END_THINKING\|>|\Z)|<\|begin_of_thought\|>(?P<f>.*?)(?:<\|end_of_thought\|>|\Z)"
    r"|<\|channel>thought(?P<g>.*?)(?:<channel\|>|\Z)"
    r"|(?:<\|start\|>\w*)?<\|channel\|>analysis(?:(?!<\|message\|>).){0,80}<\|message\|>(?P<h>.*?)(?:<\|(?:end|return)\|>|(?=<\|(?:start|channel)\|>)|\Z)"
    r"|\Aanalysis(?=[A-Z\s])(?P<i>.*?)(?:assistant(?=final|commentary)|\Z)",
    re.DOTALL,
)
"""Qwen, DeepSeek and others; Mistral; Kimi-VL; MedGemma; Cohere; OpenThinker; Gemma 4; gpt-oss, with its marks and without.

Source: the models' chat templates on huggingface.co; cookbook.openai.com/articles/openai-harmony.
"""
_STRAY = re.compile(rf"\A(?P<thought>.*?)(?:</{_TAG}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>)(?!`)", re.DOTALL)
"""A template began the thought itself, so that only its end stands in the answer."""
_SAYS = re.compile(
    r"(?:<\|start\|>\s*(?:assistant)?\s*)?<\|channel\|>\s*(?:final|commentary)(?:(?!to=|<\|message\|>).){0,40}<\|message\|>"
    r"|\A(?:assistant)?final(?=[A-Z])|<\|(?:START|END)_RESPONSE\|>|\A<\|im_start\|>\s*assistant\s*|<\|(?:begin|end)_of_solution\|>"
)
"""Marks around what is said."""
_END = re.compile(
    r"\s{0,9}(?:<\|(?:end|return|im_end|eot_id|eom_id|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>|</s>|<end_of_turn>|<turn\|>|<｜end▁of▁sentence｜>)\s{0,9}\Z"
)
_ANSWERED = re.compile(
    r"\A\s{0,9}(?:Thought:(?:(?!^[ \t]*Action:).)*)?^[ \t*]{0,4}Final Answer\*{0,2}:[ \t*]{0,4}", re.DOTALL | re.MULTILINE
)
"""ReAct's way to say something."""
_MOST_ENDS = 4


def thought_and_said(text: str) -> tuple[list[str], str]:
    """Return the thoughts that stand between marks in an answer's text, also those that never end, and what is said beside them."""
    thoughts: list[str] = []

    def taken(match: re.Match[str]) -> str:
        thoughts.append(next((part for key, part in match.groupdict().items() if key != "tag" and part), "").strip())
        return ""

    said = _PARTS.sub(taken, text)
    if stray := _STRAY.match(said):
        thoughts.append(stray["thought"].strip())
        said = said[stray.end() :]
    said = _SAYS.sub("", said)
    for _ in range(_MOST_ENDS):
        said = _END.sub("", said)
    if "Final Answer" in said:
        said = _ANSWERED.sub("", said)
    return [thought for thought in thoughts if thought], said


_CALL_BLOCKS = {"tool_use", "tool_call", "function_call", "input_json_delta"}
_NOTHING = re.compile(r"(?:```(?:json)?\s*)?(?:\{\s*\}|\[\s*(?:\{\s*\})?\s*\]|null|\"\"|''|\{\s*|\[\s*)(?:\s*```)?", re.IGNORECASE)
_ECHOED_EVENT = {"type", "message", "time"}
_ECHOED_RESULT = {"status", "message", "time"}
_ECHO_CHARS = 60


def spoken_text(text: str) -> str:
    """Return an answer's text without the thoughts that a server left in it."""
    return unstripped_text(text).strip()


def unstripped_text(text: str) -> str:
    """The same with the space around it, for joining the text to another one."""
    return clean(thought_and_said(text)[1])


def is_echo(text: str, system_prompt: str) -> bool:
    """Whether a text repeats what the model was sent: an event, a tool's result or the system prompt."""
    if text.strip() == BRIDGE or (len(text) >= _ECHO_CHARS and system_prompt.startswith(text[:_ECHO_CHARS])):
        return True
    if not text.startswith("{"):
        return False
    try:
        read: Any = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    keys = set(cast(dict[str, Any], read)) if isinstance(read, dict) else set[str]()
    return keys >= _ECHOED_EVENT or keys >= _ECHOED_RESULT


def says_nothing(text: str) -> bool:
    """Whether a text is empty, or only an empty piece of JSON, as weak models write instead of a call."""
    return not text or bool(_NOTHING.fullmatch(text))


def why_unusable(text: str, system_prompt: str, *, cut_off: bool, unreadable: bool) -> str:
    """Return what to tell the model about an answer without calls; empty if its text is usable."""
    if unreadable or says_nothing(text):
        return CUT_OFF if cut_off else UNREADABLE_CALL if unreadable else UNUSABLE
    return ECHO if is_echo(text, system_prompt) else ""


def identified(
    answer: AIMessage, calls: Iterable[ReadCall], text: str, session: Session, turn: Turn, fallback: str = ""
) -> AIMessage:
    """Return the answer under ids of our own, which follow from the turn, the step and what it says.

    A call whose arguments were not JSON is kept as a call without arguments, with the error noted, so that it gets a
    result like any other. A name that providers would refuse in a history is changed to one that they accept.
    """
    calls = list(calls)
    said = json.dumps([text, [(c.name, c.arguments, c.error) for c in calls]], sort_keys=True, default=str)
    message_id = key_of(session.thread_id, turn_key(turn), turn["step"], said)
    made: list[ToolCall] = []
    unread: dict[str, str] = {}
    for ordinal, call in enumerate(calls):
        call_id = f"call_{key_of(message_id, ordinal).replace('-', '')[:24]}"
        known = call.name in session.resources.tools.names
        name = call.name if known else re.sub(r"[^a-zA-Z0-9_-]", "_", call.name)[:64] or "unnamed"
        made.append(ToolCall(name=name, args=call.arguments, id=call_id, type="tool_call"))
        if call.error:
            unread[call_id] = call.error
    mark: dict[str, Any] = {"kind": "action", "time": stamp(session.resources.clock()), "turn": turn["id"]}
    if unread:
        mark["unread"] = unread
    if fallback:
        mark["fallback"] = fallback
    mark |= _as_given(answer, [call["id"] or "" for call in made])
    given = cast(dict[str, Any], answer.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    kwargs = clean({k: v for k, v in given.items() if k != "tool_calls"})
    if "reasoning_content" not in kwargs and (tagged := thought_and_said(answer.text)[0]):
        kwargs["reasoning_content"] = clean("\n\n".join(tagged))
    return answer.model_copy(
        update={
            "id": message_id, "tool_calls": made, "invalid_tool_calls": [], "content": _content(answer, text),
            "additional_kwargs": {**kwargs, MARK: mark},
        }
    )  # fmt: skip


def _as_given(answer: AIMessage, ids: Sequence[str]) -> dict[str, Any]:
    """Return the provider's ids of the calls and their places among its content blocks: dialects restore both."""
    given = [call["id"] or "" for call in answer.tool_calls]
    if answer.invalid_tool_calls or len(given) != len(ids):
        return {}
    blocks = cast(list[Any], answer.content) if isinstance(answer.content, list) else []
    kinds = [cast(dict[str, Any], b).get("type") in _CALL_BLOCKS if isinstance(b, dict) else False for b in blocks]
    places = [kinds[:nth].count(False) for nth, is_call in enumerate(kinds) if is_call]
    return {"given": dict(zip(ids, given, strict=True)), **({"places": places} if len(places) == len(ids) else {})}


def _content(answer: AIMessage, text: str) -> Any:
    """Return the content to store: without calls, and without the text from which calls were read."""
    if isinstance(answer.content, str):
        return text
    blocks: list[Any] = [b for b in cast(list[Any], answer.content) if _kind(b) not in _CALL_BLOCKS]
    if text != answer.text.strip():
        blocks = [b for b in blocks if _kind(b) not in {"", "text"}] + ([{"type": "text", "text": text}] if text else [])
    return [_cleaned(block) for block in blocks]


def _cleaned(block: Any) -> Any:
    """Return a block that can be stored; if that changes the block, it loses the provider's signature."""
    cleaned = clean(block)
    if _kind(block) and cleaned != block:
        cast(dict[str, Any], cleaned).pop("signature", None)
    return cleaned


def _kind(block: Any) -> str:
    return str(cast(dict[str, Any], block).get("type") or "") if isinstance(block, dict) else ""
