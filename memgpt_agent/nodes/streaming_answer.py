"""An answer while it streams: assembles its calls and counts its length."""

import json
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.utils import message_chunk_to_message

from memgpt_agent.models.failures import BrokenAnswer
from memgpt_agent.models.stops import Stop, stop_of, tells_end
from memgpt_agent.nodes.reading import ReadCall, checked, read_call

_CHARS_A_TOKEN = 8
"""No tokenizer's tokens are longer on average: an answer of more characters exceeds its token limit."""
_SAID = ("text", "thinking", "reasoning", "refusal")
"""Keys of content blocks that hold a model's own words; signatures, ids and encrypted contents are not part of its answer."""


class StreamingAnswer:
    """An answer while it arrives; assembling it takes time linear in its length."""

    def __init__(self, limit_tokens: int) -> None:
        self._chunks: list[AIMessageChunk] = []
        self._whole: AIMessage | None = None
        self._by_index: dict[int, dict[str, Any]] = {}
        self._by_id: dict[str, dict[str, Any]] = {}
        self._limit_chars = limit_tokens * _CHARS_A_TOKEN
        self._chars = 0
        self.tool_call_chunks: list[dict[str, Any]] = []
        """The parts of each call's name, arguments and id that have arrived."""

    @property
    def endless(self) -> bool:
        """Whether the answer grew beyond its limit and was abandoned."""
        return self._chars > self._limit_chars

    def add(self, piece: Any) -> bool:
        """Add a piece of the stream; return whether more may follow: not if the answer has grown beyond its limit."""
        if not isinstance(piece, AIMessageChunk):  # a model that cannot stream gives its whole answer
            self._whole = cast(AIMessage, piece)
            whole = [{"name": c["name"], "args": json.dumps(c["args"], default=str)} for c in self._whole.tool_calls]
            self.tool_call_chunks = whole + [{"name": c["name"] or "", "args": c["args"] or ""} for c in self._whole.invalid_tool_calls]
            return True
        self._chunks.append(piece)
        self._chars += _said_chars(piece)
        for part in piece.tool_call_chunks:
            self._chars += len(part["args"] or "")
            self._grow(part["index"], part["id"] or "", part["name"] or "", part["args"] or "")
        return not self.endless

    def _grow(self, index: int | None, call_id: str, name: str, arguments: str) -> None:
        """Add a piece to the call that it belongs to, by its id, else by its index, else to the newest one."""
        known = self._by_id.get(call_id)
        if known is not None and name and _is_whole(known["args"].strip()):  # a server that gives every call one id
            if arguments == known["args"]:
                return  # or says the whole call again
            if arguments.lstrip().startswith("{") or (index is not None and self._by_index.get(index) is not known):
                known = {"name": "", "args": "", "id": call_id}
                self.tool_call_chunks.append(known)
        if known is None:
            known = self._by_index.get(index) if index is not None else None
            if known is None and index is None and not name and not call_id and self.tool_call_chunks:
                known = self.tool_call_chunks[-1]
            if known is None or _begins_another(known, call_id, name, arguments):
                name = name or (known["name"] if known else "")
                known = {"name": "", "args": "", "id": call_id}
                self.tool_call_chunks.append(known)
        if call_id:
            known["id"] = known["id"] or call_id
            self._by_id[call_id] = known
        if index is not None:
            self._by_index[index] = known
        if name and name != known["name"] and not known["args"]:  # a server may say it again with every piece
            known["name"] = name if name.startswith(known["name"]) else known["name"] + name
        known["args"] += arguments

    def message(self) -> AIMessage:
        """Return the part of the answer that has arrived."""
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

    def stop(self) -> Stop:
        """Return how the answer ended, by the provider or by our own limit."""
        stop = stop_of([self._whole] if self._whole is not None else [*self._chunks])
        return Stop("cut_off", "endless") if self.endless and stop.kind != "refused" else stop

    @property
    def says_end(self) -> bool:
        """Whether the answer's end is known: the provider told it, or the agent made it."""
        return self._whole is not None or self.endless or tells_end(self._chunks)

    def check_not_failed(self) -> None:
        """Check that the server does not call the answer a failure.

        Raises:
            BrokenAnswer: it does.
        """
        stop = self.stop()
        if stop.kind == "failed":
            raise BrokenAnswer(f"the server ended the answer with {stop.reason!r}")

    def calls(self) -> list[ReadCall]:
        """Return the calls in order; arguments that are no JSON object are an error.

        LangChain completes JSON that breaks off, so that an answer cut short by its length would be carried out as
        far as it went; a call that is not whole must fail instead.
        """
        if self._whole is None:
            return [read_call(c["name"], c["args"]) for c in self.tool_call_chunks]
        good = [checked(call["name"], call["args"]) for call in self._whole.tool_calls]
        return good + [read_call(bad["name"] or "", bad["args"] or "") for bad in self._whole.invalid_tool_calls]


def _said_chars(piece: AIMessageChunk) -> int:
    """Return the length of a piece's text, without its wrapping."""
    kwargs = cast(dict[str, Any], piece.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    chars = len(str(kwargs.get("reasoning_content") or ""))
    if isinstance(piece.content, str):
        return chars + len(piece.content)
    for block in cast(list[Any], piece.content):
        chars += len(block) if isinstance(block, str) else _block_chars(cast(dict[str, Any], block))
    return chars


def _block_chars(block: dict[str, Any]) -> int:
    summary: Any = block.get("summary")
    parts: list[Any] = cast(list[Any], summary) if isinstance(summary, list) else []
    texts = [block.get(key) for key in _SAID] + [p.get("text") for p in parts if isinstance(p, dict)]
    return sum(len(said) for said in texts if isinstance(said, str))


def _begins_another(known: dict[str, Any], call_id: str, name: str, arguments: str) -> bool:
    """Whether a piece at the place of a call begins another one: servers give every parallel call the index 0.

    Others say name and id again with every piece of one call, the id even again: such a piece continues where its arguments do.
    """
    so_far: str = known["args"].strip()
    anew = arguments.lstrip().startswith("{")
    if call_id and known["id"] and call_id != known["id"]:
        return not so_far or _is_whole(so_far) or not arguments or anew
    return anew and bool(name or not call_id) and _is_whole(so_far)


def _is_whole(arguments: str) -> bool:
    if not arguments.endswith("}"):
        return False
    try:
        return isinstance(json.loads(arguments, strict=False), dict)
    except (ValueError, RecursionError):
        return False
