"""OpenAI's Chat Completions, and the servers that speak it with rules of their own: llama.cpp, vLLM's templates, DeepSeek.

Sources: platform.openai.com/docs/api-reference/chat; llama-cpp-python's server (content is a string); Hugging Face chat
templates that raise "Conversation roles must alternate"; api-docs.deepseek.com/guides/thinking_mode.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.providers.strict.server import Heard, Refused, Reply, data, pieces

_NAME = re.compile(r"\A[a-zA-Z0-9_-]{1,64}\Z")
_PERSON = re.compile(r"\A[^\s<|\\/>]+\Z")
_PARTS = {
    "user": {"text", "image_url", "input_audio", "file"}, "assistant": {"text", "refusal"}, "tool": {"text"},
    "system": {"text"}, "developer": {"text"},
}  # fmt: skip
_KEYS = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"}
_ALWAYS_REASONS = re.compile(r"\A(o\d|gpt-5)")


def refused(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Refused:
    """Return a refusal in OpenAI's form."""
    return Refused(status, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})


@dataclass
class OpenAIChat:
    """The protocol; what a server is stricter or looser in is a field."""

    null_content: bool = True
    """Whether ``content`` may be null beside calls (llama-cpp-python: it may not)."""
    lists: bool = True
    """Whether an assistant's or tool's content may be a list of parts."""
    alternates: bool = False
    """Whether its template raises where user and assistant do not alternate, tool results left aside."""
    reasoning_back: bool = False
    """Whether a call without the ``reasoning_content`` that came with it is refused (DeepSeek's thinking mode)."""
    reasoning_field: str = ""
    """The field by which thoughts come: ``reasoning_content`` or ``reasoning``; none where the server shows none."""
    sees: bool = True
    """Whether its model takes images."""
    whole_calls: bool = False
    """Whether a call comes in one piece rather than cut."""
    content_type: str = "text/event-stream"

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        if not path.endswith("/chat/completions"):
            raise refused(f"Invalid URL (POST {path})", status=404)
        messages: list[dict[str, Any]] = body.get("messages") or []
        if not messages:
            raise refused("[] is too short - 'messages'", "messages")
        self._options(body)
        self._tools(body)
        waiting: dict[str, int] = {}
        for place, message in enumerate(messages):
            role = message.get("role")
            if role not in _PARTS:
                raise refused(f"Invalid value: '{role}'.", f"messages[{place}].role", "invalid_value")
            if waiting and role != "tool":
                raise refused(
                    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                    f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
                    f"messages.[{place}].role",
                )
            self._message(place, message, role)
            if role == "tool" and waiting.pop(message.get("tool_call_id", ""), None) is None:
                raise refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                    f"messages.[{place}].role",
                )
            waiting |= {call["id"]: place for call in message.get("tool_calls") or []}
        if waiting:
            raise refused(f"The following tool_call_ids did not have response messages: {', '.join(waiting)}", "messages")
        if self.alternates:
            self._alternate(messages)

    def _options(self, body: dict[str, Any]) -> None:
        if _ALWAYS_REASONS.match(body.get("model", "")):
            if "max_tokens" in body:
                raise refused(
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                    "max_tokens", "unsupported_parameter",
                )  # fmt: skip
            if body.get("temperature", 1) != 1:
                raise refused("Unsupported value: 'temperature' does not support 0 with this model.", "temperature", "unsupported_value")
        if "stream_options" in body and not body.get("stream"):
            raise refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")

    def _tools(self, body: dict[str, Any]) -> None:
        if "tools" not in body:
            return
        if not 0 < len(body["tools"]) <= 128:
            raise refused(f"Invalid 'tools': array of length {len(body['tools'])}. Expected 1 to 128.", "tools", "array_above_max_length")
        names = [tool["function"]["name"] for tool in body["tools"]]
        if len(set(names)) < len(names):
            raise refused("Tool names must be unique.", "tools")
        for place, tool in enumerate(body["tools"]):
            function = tool["function"]
            if not _NAME.match(function["name"]):
                raise refused(
                    f"Invalid 'tools[{place}].function.name': string does not match pattern. Expected a string that matches "
                    "the pattern '^[a-zA-Z0-9_-]+$'.", f"tools[{place}].function.name", "invalid_value",
                )  # fmt: skip
            if len(function.get("description") or "") > 1_024:
                what = f"tools[{place}].function.description"
                raise refused(f"Invalid '{what}': string too long. Expected a string with maximum length 1024", what, "string_above_max_length")
            check_schema(function["name"], function.get("parameters") or {"type": "object", "properties": {}}, ())

    def _message(self, place: int, message: dict[str, Any], role: str) -> None:
        extra = set(message) - _KEYS - ({"reasoning_content", "reasoning", "reasoning_details"} if self.reasoning_field else set())
        if extra:
            raise refused(f"Additional properties are not allowed ({min(extra)!r} was unexpected) - 'messages.{place}'", "messages")
        self._content(place, message, role)
        if "name" in message and not _PERSON.match(str(message["name"])):
            raise refused(
                f"Invalid 'messages[{place}].name': string does not match pattern. Expected a string that matches the pattern "
                "'^[^\\s<|\\\\/>]+$'.", f"messages[{place}].name", "invalid_value",
            )  # fmt: skip
        if message.get("tool_calls") == []:
            raise refused(f"Invalid 'messages[{place}].tool_calls': empty array.", "messages", "empty_array")
        for nth, call in enumerate(message.get("tool_calls") or []):
            where = f"messages[{place}].tool_calls[{nth}]"
            if len(call["id"]) > 40:
                raise refused(
                    f"Invalid '{where}.id': string too long. Expected a string with maximum length 40, but got a string with "
                    f"length {len(call['id'])} instead.", f"{where}.id", "string_above_max_length",
                )  # fmt: skip
            if not _NAME.match(call["function"]["name"]):
                raise refused(f"Invalid '{where}.function.name': string does not match pattern.", where, "invalid_value")
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                raise refused(f"Invalid '{where}.function.arguments'", where)
        if self.reasoning_back and role == "assistant" and message.get("tool_calls") and "reasoning_content" not in message:
            raise refused("The `reasoning_content` in the thinking mode must be passed back to the API.", code="invalid_request_error")

    def _content(self, place: int, message: dict[str, Any], role: str) -> None:
        content = message.get("content")
        if content is None:
            if role == "assistant" and message.get("tool_calls"):
                if self.null_content:
                    return
                told = {"detail": [{"type": "string_type", "loc": ["body", "messages", place, "assistant", "content"],
                        "msg": "Input should be a valid string", "input": None}]}  # fmt: skip
                raise Refused(500, told)
            raise refused("Invalid value for 'content': expected a string, got null.", f"messages.[{place}].content")
        if isinstance(content, str):
            return
        if not content:
            raise refused(f"Invalid 'messages[{place}].content': empty array. Expected an array with minimum length 1.", code="empty_array")
        if not self.lists and role in {"assistant", "tool", "system"}:
            raise Refused(422, {"detail": [{"msg": "Input should be a valid string", "loc": ["body", "messages", place, "content"]}]})
        for part in content:
            self._part(place, part, role)

    def _part(self, place: int, part: dict[str, Any], role: str) -> None:
        kind = part.get("type")
        if kind not in _PARTS[role]:
            raise refused(
                f"Invalid value: '{kind}'. Supported values are: {sorted(_PARTS[role])}", f"messages[{place}].content", "invalid_value"
            )
        keys = {"text": {"type", "text"}, "image_url": {"type", "image_url"}, "file": {"type", "file"}}.get(kind, set(part))
        if set(part) - keys:
            raise refused(f"Unknown parameter: 'messages[{place}].content.{min(set(part) - keys)}'.", code="unknown_parameter")
        if kind == "image_url":
            if not self.sees:
                raise refused("Invalid content type. image_url is only supported by certain models.", "messages.[1].content")
            url = part["image_url"]["url"]
            if not re.match(r"https?://|data:image/(png|jpe?g|gif|webp);base64,[A-Za-z0-9+/]+=*\Z", url):
                raise refused(f"Invalid 'messages[{place}].content.image_url.url'. Expected a valid URL.", code="invalid_value")
        if kind == "file" and not ({"file_data", "filename"} <= set(part["file"]) or "file_id" in part["file"]):
            raise refused("Missing required parameter: 'file.filename'.", code="missing_required_parameter")

    def _alternate(self, messages: list[dict[str, Any]]) -> None:
        """The check of Mistral's and Gemma's templates: calls and their results are passed over."""
        rest = messages[1:] if messages[0]["role"] == "system" else messages
        wanted = "user"
        for message in rest:
            if message["role"] == "system":
                raise refused("System message must be at the beginning.")
            if message["role"] == "tool" or message.get("tool_calls"):
                continue
            if message["role"] != wanted:
                raise refused("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...")
            wanted = "assistant" if wanted == "user" else "user"

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        told: list[Heard] = []
        for message in body["messages"]:
            content = message.get("content") or ""
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
            calls = tuple((c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or [])
            text = "".join(p.get("text", "") for p in parts if p["type"] == "text")
            told.append(Heard(message["role"], text, calls, sum(p["type"] != "text" for p in parts)))
        return told

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal or None}
        if reply.thinking and self.reasoning_field:
            message[self.reasoning_field] = reply.thinking
        if reply.calls:
            message["tool_calls"] = [_call(number, nth, name, json.dumps(args)) for nth, (name, args) in enumerate(reply.calls)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(reply)}
        return {**self._head(body, number, "chat.completion"), "choices": [choice], "usage": _usage(reply)}

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        head = self._head(body, number, "chat.completion.chunk")

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            return data({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

        yield chunk({"role": "assistant", "content": None if reply.calls else "", "refusal": None})
        if self.reasoning_field:
            for piece in pieces(reply.thinking, 5):
                yield chunk({"content": None, self.reasoning_field: piece})
        for said, text in (("content", reply.text), ("refusal", reply.refusal)):
            yield from (chunk({said: piece}) for piece in pieces(text, 5))
        for nth, (name, args) in enumerate(reply.calls):
            if self.whole_calls:
                yield chunk({"tool_calls": [{"index": nth, **_call(number, nth, name, json.dumps(args))}]})
                continue
            yield chunk({"tool_calls": [{"index": nth, **_call(number, nth, name, "")}]})
            for piece in pieces(json.dumps(args)):
                yield chunk({"tool_calls": [{"index": nth, "function": {"arguments": piece}}]})
        if reply.fault == "error":
            told = {"message": "The server had an error processing your request. Sorry about that!", "type": "server_error"}
            yield data({"error": {**told, "param": None, "code": None}})
            return
        yield chunk({}, self._finish(reply))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield data({**head, "choices": [], "usage": _usage(reply)})
        yield data("[DONE]")

    def _finish(self, reply: Reply) -> str:
        return reply.finish or ("tool_calls" if reply.calls else "stop")

    def _head(self, body: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{number:08x}", "object": kind, "created": 1_764_300_000, "model": body["model"]}


def _call(number: int, nth: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number:08d}{nth:02d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(reply: Reply) -> dict[str, Any]:
    told = {"prompt_tokens": reply.input_tokens, "completion_tokens": 20, "total_tokens": reply.input_tokens + 20}
    return {**told, "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}


def check_schema(name: str, schema: dict[str, Any], where: tuple[str, ...]) -> None:  # noqa: C901  a list of rules
    """OpenAI's check of a function's parameters (not strict mode)."""
    told = f"Invalid schema for function '{name}': In context={where}, "
    if not where and schema.get("type") != "object":
        raise refused(f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: None'.")
    if not where and {"oneOf", "anyOf", "allOf", "enum", "not"} & set(schema):
        raise refused(f"{told}schema must not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.")
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in {"string", "number", "integer", "boolean", "array", "object", "null"}:
            raise refused(f"{told}{kind!r} is not valid under any of the given schemas.", code="invalid_function_parameters")
    if "array" in kinds and "items" not in schema:
        raise refused(f"{told}array schema missing items.", code="invalid_function_parameters")
    if not isinstance(schema.get("required", []), list) or not isinstance(schema.get("enum", []), list) or isinstance(schema.get("items"), list):
        raise refused(f"{told}schema is not of the expected form.", code="invalid_function_parameters")
    for choice in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(choice) or []:
            check_schema(name, one, (*where, choice))
    for key, value in (schema.get("properties") or {}).items():
        if isinstance(value, dict):
            check_schema(name, value, (*where, "properties", key))
    if isinstance(schema.get("items"), dict):
        check_schema(name, schema["items"], (*where, "items"))
