"""Reading a model's answer: as it grows, its calls, its text, and what makes it unusable."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall
from langchain_core.messages.utils import message_chunk_to_message

from memgpt_agent.events import MARK
from memgpt_agent.memory.dates import stamp
from memgpt_agent.nodes.session import Session, key_of
from memgpt_agent.prompts import CUT_OFF, ECHO, UNUSABLE
from memgpt_agent.state import Turn

_CHARS_A_TOKEN = 8
"""No tokenizer's tokens are longer on average: an answer of more characters has more tokens than it may have."""
_MAX_DEPTH = 32
_MAX_INT = 2**63 - 1
_CALL_BLOCKS = {"tool_use", "tool_call", "function_call", "input_json_delta"}
_THOUGHT = re.compile(r"<(think|thinking|thought)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"\A\s*(?:```(?:json|tool_call)?|<tool_call>)\s*(.*?)\s*(?:```|</tool_call>)?\s*\Z", re.DOTALL)
_ECHOED_EVENT = {"type", "message", "time"}
_ECHOED_RESULT = {"status", "message", "time"}
_ECHO_CHARS = 60


@dataclass(frozen=True)
class ReadCall:
    """One tool call of an answer."""

    name: str
    """The tool's name, as the model wrote it."""
    arguments: dict[str, Any]
    """Its arguments; empty where they could not be read."""
    error: str = ""
    """Why they could not be read."""


class Growing:
    """An answer while it comes, piece by piece; what has come so far is put together in time by its length."""

    def __init__(self, limit_tokens: int) -> None:
        self._chunks: list[AIMessageChunk] = []
        self._whole: AIMessage | None = None
        self._places: dict[int, int] = {}
        self._limit_chars = limit_tokens * _CHARS_A_TOKEN
        self._chars = 0
        self.tool_call_chunks: list[dict[str, Any]] = []
        """Name and arguments of each call as far as they have come."""

    def add(self, piece: Any) -> bool:
        """Take in a piece of the stream; return whether there may be more: not if the answer has grown beyond its limit."""
        if not isinstance(piece, AIMessageChunk):  # a model that cannot stream gives its whole answer
            self._whole = cast(AIMessage, piece)
            self.tool_call_chunks = [{"name": c.name, "args": json.dumps(c.arguments)} for c in self.calls()]
            return True
        self._chunks.append(piece)
        self._chars += len(str(piece.content)) + len(
            str(cast(Any, piece).additional_kwargs.get("reasoning_content") or "")
        )
        for part in piece.tool_call_chunks:
            self._chars += len(part["args"] or "")
            self._grow(part["index"], part["name"], part["args"])
        return self._chars <= self._limit_chars

    def _grow(self, index: int | None, name: str | None, arguments: str | None) -> None:
        if index is None or index not in self._places:
            self._places[len(self.tool_call_chunks) if index is None else index] = len(self.tool_call_chunks)
            self.tool_call_chunks.append({"name": name or "", "args": arguments or ""})
            return
        grown = self.tool_call_chunks[self._places[index]]
        grown["name"] += name or ""
        grown["args"] += arguments or ""

    def message(self) -> AIMessage:
        """Return the answer as far as it has come."""
        if self._whole is not None:
            return self._whole
        if not self._chunks:
            return AIMessage("")
        first, *rest = self._chunks
        try:
            whole = cast(AIMessageChunk, cast(Any, first) + rest) if rest else first
            return cast(AIMessage, message_chunk_to_message(whole))
        except RecursionError:  # LangChain reads the arguments too, and these are nested too deep
            return AIMessage("".join(chunk.text for chunk in self._chunks))

    def cut_off(self, answer: AIMessage) -> bool:
        """Whether the answer broke off at its length limit, the provider's or ours."""
        told = cast(Mapping[str, Any], answer.response_metadata)
        reason = str(told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason") or "").lower()
        return self._chars > self._limit_chars or reason in {"length", "max_tokens", "max_output_tokens"}

    def calls(self) -> list[ReadCall]:
        """Return the calls in order; arguments that are no JSON object are an error.

        LangChain completes JSON that breaks off, so that an answer cut short by its length would be carried out as
        far as it went; a call that is not whole must fail instead.
        """
        if self._whole is None:
            return [_read_call(c["name"], c["args"]) for c in self.tool_call_chunks]
        good = [_checked(call["name"], call["args"]) for call in self._whole.tool_calls]
        return good + [_read_call(bad["name"] or "", bad["args"] or "") for bad in self._whole.invalid_tool_calls]


def _read_call(name: str, given: str) -> ReadCall:
    try:
        read = json.loads(given.strip() or "{}", strict=False, parse_constant=_no_number)
    except (ValueError, RecursionError) as broken:
        return ReadCall(name, {}, f"not valid JSON ({broken or 'nested too deep'}): {clean(given[:200])}")
    if not isinstance(read, dict):
        return ReadCall(name, {}, f"no JSON object: {clean(given[:200])}")
    return _checked(name, cast(dict[str, Any], read))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _checked(name: str, arguments: Mapping[str, Any]) -> ReadCall:
    try:
        return ReadCall(name, cast(dict[str, Any], clean(dict(arguments))))
    except ValueError as error:
        return ReadCall(name, {}, str(error))


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that can be stored everywhere: no half characters, no NULs, whole numbers of 64 bits.

    Raises:
        ValueError: it is nested too deep, or holds a number that is too large.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    if isinstance(value, int) and not -_MAX_INT <= value <= _MAX_INT:
        raise ValueError(f"the number {str(value)[:20]}... is too large")
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {clean(str(k)): clean(v, depth + 1) for k, v in cast(dict[Any, Any], value).items()}
    return [clean(v, depth + 1) for v in cast(list[Any], value)] if isinstance(value, list | tuple) else value


def spoken_text(text: str) -> str:
    """Return an answer's text without thoughts between tags, also those that never end."""
    return clean(_THOUGHT.sub("", text)).strip()


def written_calls(text: str, tool_names: Sequence[str]) -> list[ReadCall]:
    """Return the call that a model wrote as text instead of making it; none where the text is something else."""
    found = _FENCED.match(text)
    try:
        read: Any = json.loads(found.group(1) if found else text, strict=False, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return []
    if not isinstance(read, dict):
        return []
    call = cast(dict[str, Any], read)
    arguments = call.get("arguments", call.get("parameters"))
    if call.get("name") not in tool_names or not isinstance(arguments, dict):
        return []
    return [_checked(str(call["name"]), cast(dict[str, Any], arguments))]


def is_echo(text: str, system_prompt: str) -> bool:
    """Whether a text repeats what the model was sent: an event, a tool's result or the system prompt."""
    if len(text) >= _ECHO_CHARS and system_prompt.startswith(text[:_ECHO_CHARS]):
        return True
    if not text.startswith("{"):
        return False
    try:
        read: Any = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    keys = set(cast(dict[str, Any], read)) if isinstance(read, dict) else set[str]()
    return keys >= _ECHOED_EVENT or keys >= _ECHOED_RESULT


def why_unusable(text: str, system_prompt: str, *, cut_off: bool) -> str:
    """Return what the model is told of an answer without calls; empty where its text can be used."""
    if not text:
        return CUT_OFF if cut_off else UNUSABLE
    return ECHO if is_echo(text, system_prompt) else ""


def identified(answer: AIMessage, calls: Iterable[ReadCall], text: str, session: Session, turn: Turn) -> AIMessage:
    """Return the answer under ids of our own, which follow from the turn, the step and what it says.

    A call whose arguments were no JSON is kept as a call without arguments, with the error noted, so that it gets a
    result like any other. A name that providers would refuse in a history is changed to one that they take.
    """
    calls = list(calls)
    said = json.dumps([text, [(c.name, c.arguments, c.error) for c in calls]], sort_keys=True, default=str)
    message_id = key_of(session.thread_id, turn["id"], turn["step"], said)
    made: list[ToolCall] = []
    unread: dict[str, str] = {}
    for ordinal, call in enumerate(calls):
        call_id = f"call_{key_of(message_id, ordinal).replace('-', '')[:24]}"
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.name)[:64] or "unnamed"
        made.append(ToolCall(name=name, args=call.arguments, id=call_id, type="tool_call"))
        if call.error:
            unread[call_id] = call.error
    mark: dict[str, Any] = {"kind": "action", "time": stamp(session.resources.clock()), "turn": turn["id"]}
    if unread:
        mark["unread"] = unread
    mark |= _as_given(answer, [call["id"] or "" for call in made])
    given = cast(dict[str, Any], answer.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    kwargs = clean({k: v for k, v in given.items() if k != "tool_calls"})
    return answer.model_copy(
        update={
            "id": message_id, "tool_calls": made, "invalid_tool_calls": [], "content": _content(answer, text),
            "additional_kwargs": {**kwargs, MARK: mark},
        }
    )  # fmt: skip


def _as_given(answer: AIMessage, ids: Sequence[str]) -> dict[str, Any]:
    """Return the provider's ids of the calls, and where they stood among its content blocks: dialects put them back so."""
    given = [call["id"] or "" for call in answer.tool_calls]
    if answer.invalid_tool_calls or len(given) != len(ids):
        return {}
    blocks = cast(list[Any], answer.content) if isinstance(answer.content, list) else []
    kinds = [cast(dict[str, Any], b).get("type") in _CALL_BLOCKS if isinstance(b, dict) else False for b in blocks]
    places = [kinds[:nth].count(False) for nth, is_call in enumerate(kinds) if is_call]
    return {"given": dict(zip(ids, given, strict=True)), **({"places": places} if len(places) == len(ids) else {})}


def _content(answer: AIMessage, text: str) -> Any:
    if isinstance(answer.content, str):
        return text
    blocks = cast(list[Any], answer.content)
    return clean(
        [b for b in blocks if not (isinstance(b, dict) and cast(dict[str, Any], b).get("type") in _CALL_BLOCKS)]
    )
