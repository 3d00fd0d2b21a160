"""Anthropic's Messages API.

Sources: docs.anthropic.com/en/api/messages; .../build-with-claude/extended-thinking ("Preserving thinking blocks");
.../build-with-claude/tool-use ("Handling tool use results"); .../build-with-claude/prompt-caching.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.providers.strict.server import Heard, Refused, Reply, data, pieces

_ID = re.compile(r"\A[a-zA-Z0-9_-]+\Z")
_NAME = re.compile(r"\A[a-zA-Z0-9_-]{1,128}\Z")
_BLOCKS = {
    "user": {"text", "image", "document", "tool_result"}, "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}  # fmt: skip
_KEYS = {
    "text": {"type", "text", "cache_control", "citations"}, "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "cache_control", "title", "context", "citations"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control"}, "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}  # fmt: skip


def refused(message: str, status: int = 400, kind: str = "invalid_request_error") -> Refused:
    """Return a refusal in Anthropic's form."""
    return Refused(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CStrict"})


def signed(thought: str) -> str:
    """Return the signature under which a thought is taken back."""
    return base64.b64encode(hashlib.sha256(f"claude:{thought}".encode("utf-8", "surrogatepass")).digest()).decode()


@dataclass
class Anthropic:
    """The protocol."""

    redacts: bool = False
    """Whether a redacted thought comes behind each thought."""
    content_type: str = "text/event-stream"

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        if not path.startswith("/v1/messages"):
            raise refused("Not found", 404, "not_found_error")
        if "x-api-key" not in headers and "authorization" not in headers:
            raise refused("x-api-key header is required", 401, "authentication_error")
        if "max_tokens" not in body:
            raise refused("max_tokens: Field required")
        self._options(body)
        self._system(body.get("system"))
        self._tools(body.get("tools"))
        messages: list[dict[str, Any]] = body.get("messages") or []
        if not messages:
            raise refused("messages: at least one message is required")
        if messages[0]["role"] != "user":
            raise refused('messages: first message must use the "user" role')
        thinking = (body.get("thinking") or {}).get("type")
        for place, message in enumerate(messages):
            self._message(place, message, last=place == len(messages) - 1)
            if message["role"] == "assistant":
                self._calls(place, messages)
                self._thoughts(place, message, thinking)
            else:
                self._results(place, messages)
        if messages[-1]["role"] == "assistant":
            raise refused("This model does not support assistant message prefill. The conversation must end with a user message.")
        if sum("cache_control" in block for block in _every_block(body)) > 4:
            raise refused("A maximum of 4 blocks with cache_control may be provided. Found 5.")

    def _options(self, body: dict[str, Any]) -> None:
        thinking = body.get("thinking") or {}
        if thinking.get("type") == "enabled":
            if thinking.get("budget_tokens", 0) < 1024:
                raise refused("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
            if thinking["budget_tokens"] >= body["max_tokens"]:
                raise refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
            if body.get("temperature", 1) != 1:
                raise refused("`temperature` may only be set to 1 when thinking is enabled.")
            if (body.get("tool_choice") or {}).get("type", "auto") not in {"auto", "none"}:
                raise refused("Thinking may not be enabled when tool_choice forces tool use.")

    def _system(self, system: Any) -> None:
        for block in system if isinstance(system, list) else []:
            if block.get("type") != "text" or not block["text"]:
                raise refused("system: text content blocks must be non-empty")

    def _tools(self, tools: list[dict[str, Any]] | None) -> None:
        names: set[str] = set()
        for place, tool in enumerate(tools or []):
            if not _NAME.match(tool["name"]):
                raise refused(f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
            if tool["name"] in names:
                raise refused("tools: Tool names must be unique.")
            names.add(tool["name"])
            schema = tool["input_schema"]
            if schema.get("type") != "object":
                raise refused(f"tools.{place}.custom.input_schema.type: Field required")
            if {"oneOf", "allOf", "anyOf"} & set(schema):
                raise refused(f"tools.{place}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
            if not all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key) for key in schema.get("properties") or {}):
                raise refused(f"tools.{place}.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'")

    def _message(self, place: int, message: dict[str, Any], *, last: bool) -> None:
        role, content = message["role"], message["content"]
        if role not in _BLOCKS:
            raise refused(f"messages.{place}.role: Input should be 'user' or 'assistant'")
        if not content and not (last and role == "assistant"):
            raise refused(f"messages.{place}: all messages must have non-empty content except for the optional final assistant message")
        if isinstance(content, str):
            if not content.strip():
                raise refused(f"messages.{place}: text content blocks must contain non-whitespace text")
            return
        for nth, block in enumerate(content):
            self._block(f"messages.{place}.content.{nth}", block, role)

    def _block(self, where: str, block: dict[str, Any], role: str) -> None:  # noqa: C901  a list of rules
        kind = block["type"]
        if kind not in _BLOCKS[role]:
            raise refused(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        if extra := set(block) - _KEYS[kind]:
            raise refused(f"{where}.{kind}.{min(extra)}: Extra inputs are not permitted")
        if kind == "text" and not block["text"].strip():
            raise refused("messages: text content blocks must be non-empty")
        if kind == "tool_use" and not (_ID.match(block["id"]) and _NAME.match(block["name"])):
            raise refused(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if kind == "tool_use" and not isinstance(block["input"], dict):
            raise refused(f"{where}.tool_use.input: Input should be a valid dictionary")
        if kind == "thinking":
            if not block.get("signature"):
                raise refused(f"{where}.thinking.signature: Field required")
            if block["signature"] != signed(block["thinking"]):
                raise refused(f"{where}: Invalid `signature` in `thinking` block")
        if kind in {"image", "document"}:
            self._source(where, block["source"], kind)
        if kind == "tool_result":
            inner = block.get("content")
            for part in inner if isinstance(inner, list) else []:
                if part["type"] not in {"text", "image", "document"}:
                    raise refused(f"{where}.tool_result.content: Input tag '{part['type']}' is not expected")

    def _source(self, where: str, source: dict[str, Any], kind: str) -> None:
        if source["type"] == "base64":
            types = {"image/jpeg", "image/png", "image/gif", "image/webp"} if kind == "image" else {"application/pdf"}
            if source["media_type"] not in types:
                raise refused(f"{where}.{kind}.source.base64.media_type: Input should be one of {sorted(types)}")
            try:
                base64.b64decode(source["data"], validate=True)
            except binascii.Error:
                raise refused(f"{where}.{kind}.source.base64.data: invalid base64 data") from None

    def _calls(self, place: int, messages: list[dict[str, Any]]) -> None:
        ids = [b["id"] for b in _blocks(messages[place]) if b["type"] == "tool_use"]
        if len(set(ids)) < len(ids):
            raise refused("messages: `tool_use` ids must be unique")
        after = _blocks(messages[place + 1]) if place + 1 < len(messages) else []
        results = {b["tool_use_id"] for b in after if b["type"] == "tool_result"}
        if missing := [i for i in ids if i not in results]:
            raise refused(
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. "
                "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )

    def _results(self, place: int, messages: list[dict[str, Any]]) -> None:
        blocks = _blocks(messages[place])
        ids = {b["id"] for b in _blocks(messages[place - 1]) if b["type"] == "tool_use"} if place else set[str]()
        for nth, block in enumerate(blocks):
            if block["type"] != "tool_result":
                continue
            if block["tool_use_id"] not in ids:
                raise refused(
                    f"messages.{place}.content.{nth}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            if any(b["type"] != "tool_result" for b in blocks[:nth]):
                raise refused("messages: `tool_result` blocks must come first in the content of a user message")

    def _thoughts(self, place: int, message: dict[str, Any], thinking: str | None) -> None:
        kinds = [block["type"] for block in _blocks(message)]
        if thinking == "enabled" and "tool_use" in kinds and kinds[0] not in {"thinking", "redacted_thinking"}:
            raise refused(
                f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`. When `thinking` "
                "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` "
                "and `tool_result` blocks)."
            )
        if kinds and kinds[-1] in {"thinking", "redacted_thinking"}:
            raise refused(f"messages.{place}: The final block in an assistant message cannot be `thinking`.")

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        system = body.get("system") or ""
        told = [Heard("system", system if isinstance(system, str) else "".join(b["text"] for b in system))]
        for message in body["messages"]:
            blocks = _blocks(message)
            text = "".join(b["text"] for b in blocks if b["type"] == "text")
            calls = tuple((b["name"], b["input"]) for b in blocks if b["type"] == "tool_use")
            told += [Heard("tool", _text(b.get("content"))) for b in blocks if b["type"] == "tool_result"]
            if text or calls or any(b["type"] in {"image", "document"} for b in blocks):
                told.append(Heard(message["role"], text, calls, sum(b["type"] in {"image", "document"} for b in blocks)))
        return told

    def _content(self, body: dict[str, Any], reply: Reply, number: int) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        if (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}:
            thought = reply.thinking or f"Thought number {number}, long enough to be cut."
            content.append({"type": "thinking", "thinking": thought, "signature": signed(thought)})
            if self.redacts:
                content.append({"type": "redacted_thinking", "data": "RW1wdHk="})
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        for nth, (name, args) in enumerate(reply.calls):
            content.append({"type": "tool_use", "id": f"toolu_{number:08d}{nth:02d}", "name": name, "input": args})
        return content

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        stop = reply.finish or ("tool_use" if reply.calls else "end_turn")
        return {
            "id": f"msg_{number:08d}", "type": "message", "role": "assistant", "model": body["model"], "stop_reason": stop,
            "stop_sequence": None, "content": self._content(body, reply, number),
            "usage": {**_usage(reply), "output_tokens": 20},
        }  # fmt: skip

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        def event(kind: str, **told: Any) -> bytes:
            return data({"type": kind, **told}, kind)

        empty = {**self.whole(body, reply, number), "content": [], "stop_reason": None, "usage": {**_usage(reply), "output_tokens": 1}}
        yield event("message_start", message=empty)
        yield event("ping")
        for index, block in enumerate(self._content(body, reply, number)):
            yield from self._streamed(event, index, block)
        if reply.fault == "error":
            yield event("error", error={"type": "overloaded_error", "message": "Overloaded"})
            return
        stop = reply.finish or ("tool_use" if reply.calls else "end_turn")
        yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={**_usage(reply), "output_tokens": 20})
        yield event("message_stop")

    def _streamed(self, event: Any, index: int, block: dict[str, Any]) -> Iterator[bytes]:
        kind = block["type"]
        begin = {"text": {"text": ""}, "tool_use": {"input": {}}, "thinking": {"thinking": "", "signature": ""}}.get(kind, {})
        yield event("content_block_start", index=index, content_block={**block, **begin})
        if kind == "thinking":
            for piece in pieces(block["thinking"], 11):
                yield event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": piece})
            yield event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": block["signature"]})
        elif kind == "text":
            for piece in pieces(block["text"], 11):
                yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        elif kind == "tool_use":
            yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": ""})
            for piece in pieces(json.dumps(block["input"]), 11):
                yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=index)


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])


def _every_block(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools") or []
    yield from body["system"] if isinstance(body.get("system"), list) else []
    for message in body["messages"]:
        yield from _blocks(message)


def _usage(reply: Reply) -> dict[str, int]:
    return {"input_tokens": reply.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
