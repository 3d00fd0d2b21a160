"""Ollama's own API.

Source: github.com/ollama/ollama/blob/main/docs/api.md and api/types.go (what Go's decoder takes), docs.ollama.com/capabilities/thinking.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.providers.strict.server import Heard, Refused, Reply, pieces

_KEYS = {"role", "content", "images", "tool_calls", "thinking", "tool_name", "tool_call_id"}


@dataclass
class Ollama:
    """The protocol."""

    thinks: bool = False
    """Whether its model can think."""
    sees: bool = True
    """Whether its model takes pictures."""
    window: int = 4_096
    """The window where a request names none; a longer prompt loses its beginning."""
    content_type: str = "application/x-ndjson"

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        return bool(body.get("stream", True))

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:  # noqa: C901  a list of rules
        if path != "/api/chat":
            raise Refused(404, {"error": "not found"})
        if body.get("think") and not self.thinks:
            raise Refused(400, {"error": f"\"{body['model']}\" does not support thinking"})
        for message in body["messages"]:
            if set(message) - _KEYS:
                raise Refused(400, {"error": f"json: unknown field {min(set(message) - _KEYS)!r}"})
            if message["role"] not in {"system", "user", "assistant", "tool"}:
                raise Refused(400, {"error": "invalid role"})
            if not isinstance(message.get("content", ""), str):
                raise Refused(400, {"error": "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"})
            if message.get("images") and not self.sees:
                raise Refused(400, {"error": "this model is missing data required for image input"})
            for call in message.get("tool_calls") or []:
                if not isinstance(call["function"]["arguments"], dict):
                    raise Refused(400, {"error": "json: cannot unmarshal string into Go struct field .arguments of type map"})
        if len(json.dumps(body["messages"])) / 5 > (body.get("options") or {}).get("num_ctx", self.window):
            raise Refused(400, {"error": "test: num_ctx is too small for this prompt, Ollama would cut it in silence"})

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        return [
            Heard(
                m["role"], m.get("content") or "", tuple((c["function"]["name"], c["function"]["arguments"]) for c in m.get("tool_calls") or []),
                len(m.get("images") or []),
            )
            for m in body["messages"]
        ]  # fmt: skip

    def _line(self, body: dict[str, Any], message: dict[str, Any], **told: Any) -> dict[str, Any]:
        head = {"model": body["model"], "created_at": "2026-11-28T06:00:00.123456Z"}
        return {**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **told}

    def _end(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        counts = {"prompt_eval_count": reply.input_tokens, "eval_count": 20, "total_duration": 1, "load_duration": 1, "eval_duration": 1}
        return self._line(body, {}, done=True, done_reason=reply.finish or "stop", prompt_eval_duration=1, **counts)

    def _calls(self, reply: Reply) -> list[dict[str, Any]]:
        return [{"function": {"name": name, "arguments": args}} for name, args in reply.calls]

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.calls:
            message["tool_calls"] = self._calls(reply)
        if body.get("think"):
            message["thinking"] = reply.thinking
        return {**self._end(body, reply), "message": message}

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        def line(told: dict[str, Any]) -> bytes:
            return json.dumps(told).encode() + b"\n"  # half a character stands as an escape

        if body.get("think"):
            for piece in pieces(reply.thinking, 6):
                yield line(self._line(body, {"thinking": piece}))
        for piece in pieces(reply.text, 6):
            yield line(self._line(body, {"content": piece}))
        for call in self._calls(reply):
            yield line(self._line(body, {"tool_calls": [call]}))
        if reply.fault == "error":
            yield line({"error": "an error was encountered while running the model: unexpected EOF"})
            return
        yield line(self._end(body, reply))
