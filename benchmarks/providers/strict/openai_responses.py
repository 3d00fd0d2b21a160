"""OpenAI's Responses API: items in their order, and what the server stored may be gone.

Source: platform.openai.com/docs/api-reference/responses/create; .../docs/guides/reasoning; community threads on
"provided without its required following item".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.providers.strict.openai_chat import check_schema, refused
from benchmarks.providers.strict.server import Heard, Reply, data, pieces

_NAME = re.compile(r"\A[a-zA-Z0-9_-]{1,64}\Z")
_REASONS = re.compile(r"\A(o\d|gpt-[5-9](?!.*chat))")
_KEYS = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "reasoning": {"type", "id", "summary", "encrypted_content", "content", "status"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
}  # fmt: skip
_PARTS = {
    "user": {"input_text", "input_image", "input_file"}, "system": {"input_text"}, "developer": {"input_text"},
    "assistant": {"output_text", "refusal"},
}  # fmt: skip


@dataclass
class OpenAIResponses:
    """The protocol; the server has stored nothing."""

    content_type: str = "text/event-stream"

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        if not path.endswith("/responses"):
            raise refused(f"Invalid URL (POST {path})", status=404)
        items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        reasons = bool(_REASONS.match(body["model"]))
        if "reasoning.encrypted_content" in (body.get("include") or []) and not reasons:
            raise refused("Encrypted content is not supported with this model.", "include")
        if body.get("reasoning") and not reasons:
            raise refused("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort")
        if body.get("previous_response_id"):
            raise refused(f"Previous response with id '{body['previous_response_id']}' not found.", "previous_response_id")
        for tool in body.get("tools") or []:
            if not _NAME.match(tool["name"]):
                raise refused("Invalid 'tools[0].name': string does not match pattern.", "tools[0].name", "invalid_value")
            check_schema(tool["name"], tool["parameters"], ())
        self._order(items)
        for place, item in enumerate(items):
            self._item(place, item)

    def _order(self, items: list[dict[str, Any]]) -> None:
        waiting: set[str] = set()
        for place, item in enumerate(items):
            kind = item.get("type", "message")
            after = items[place + 1].get("type", "message") if place + 1 < len(items) else ""
            own = after == "function_call" or (after == "message" and items[place + 1].get("role") == "assistant")
            if kind == "reasoning" and not own:
                raise refused(f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.", "input")
            if kind == "function_call":
                waiting.add(item["call_id"])
            if kind == "function_call_output":
                if item["call_id"] not in waiting:
                    raise refused(f"No tool call found for function call output with call_id {item['call_id']}.", "input")
                waiting.discard(item["call_id"])
            if kind == "message" and item.get("role") != "assistant" and waiting:
                raise refused(f"No tool output found for function call {min(waiting)}.", "input")
        if waiting:
            raise refused(f"No tool output found for function call {min(waiting)}.", "input")

    def _item(self, place: int, item: dict[str, Any]) -> None:
        kind = item.get("type", "message")
        if kind not in _KEYS:
            raise refused(f"Invalid value: '{kind}'.", f"input[{place}]", "invalid_value")
        if extra := set(item) - _KEYS[kind]:
            raise refused(f"Unknown parameter: 'input[{place}].{min(extra)}'.", f"input[{place}]", "unknown_parameter")
        if kind == "reasoning":
            if not item.get("encrypted_content"):
                raise refused(
                    f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. Try again with "
                    "`store` set to true, or remove this item from your input.", "input", status=404,
                )  # fmt: skip
            if item["encrypted_content"] != f"gAAAA-{item['id']}" or "summary" not in item:
                raise refused("The encrypted content could not be verified.", code="invalid_encrypted_content")
            return
        if item.get("id"):
            raise refused(f"Item with id '{item['id']}' not found.", "input", status=404)
        if kind == "function_call" and (not _NAME.match(item["name"]) or not isinstance(json.loads(item["arguments"]), dict)):
            raise refused(f"Invalid 'input[{place}].name'", f"input[{place}]")
        if kind != "message" and len(item["call_id"]) > 64:
            raise refused(f"Invalid 'input[{place}].call_id': string too long.", code="string_above_max_length")
        if kind == "message":
            self._message(place, item)

    def _message(self, place: int, item: dict[str, Any]) -> None:
        content = item["content"]
        for part in content if isinstance(content, list) else []:
            if part["type"] not in _PARTS[item["role"]]:
                raise refused(f"Invalid value: '{part['type']}'.", f"input[{place}].content", "invalid_value")
            if part["type"] == "input_image" and not re.match(r"https?://|data:image/(png|jpeg|gif|webp);base64,", part["image_url"]):
                raise refused("Invalid image_url", f"input[{place}].content", "invalid_value")
        if not content:
            raise refused(f"Invalid 'input[{place}].content': empty.", code="empty_array")

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        told: list[Heard] = []
        items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        for item in items:
            kind = item.get("type", "message")
            if kind == "function_call":
                told.append(Heard("assistant", "", ((item["name"], json.loads(item["arguments"])),)))
            elif kind == "function_call_output":
                told.append(Heard("tool", str(item["output"])))
            elif kind == "message":
                content = item["content"]
                parts = content if isinstance(content, list) else [{"type": "input_text", "text": content}]
                told.append(Heard(item["role"], "".join(p.get("text", "") for p in parts), (), sum("text" not in p for p in parts)))
        return told

    def _output(self, body: dict[str, Any], reply: Reply, number: int) -> list[dict[str, Any]]:
        output: list[dict[str, Any]] = []
        thinks = bool(_REASONS.match(body["model"]))
        encrypted = "reasoning.encrypted_content" in (body.get("include") or [])

        def thought(nth: int) -> dict[str, Any]:
            item_id = f"rs_{number:06d}{nth}"
            summary = [{"type": "summary_text", "text": reply.thinking or "A thought."}] if body.get("reasoning") else []
            return {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": f"gAAAA-{item_id}" if encrypted else None}

        if reply.text:
            content = [{"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}]
            output += [thought(9)] if thinks else []
            output.append({"type": "message", "id": f"msg_{number:06d}", "status": "completed", "role": "assistant", "content": content})
        for nth, (name, args) in enumerate(reply.calls):
            output += [thought(nth)] if thinks else []
            call_id = f"call_{number:06d}{nth}"
            output.append(
                {"type": "function_call", "id": f"fc_{number:06d}{nth}", "call_id": call_id, "name": name, "arguments": json.dumps(args),
                 "status": "completed"}
            )  # fmt: skip
        return output

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        usage = {
            "input_tokens": reply.input_tokens, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": reply.input_tokens + 20,
        }  # fmt: skip
        cut = {"reason": "max_output_tokens"} if reply.finish == "length" else None
        return {
            "id": f"resp_{number:08d}", "object": "response", "created_at": 1_764_300_000, "status": "incomplete" if cut else "completed",
            "error": None, "incomplete_details": cut, "instructions": None, "max_output_tokens": None, "model": body["model"],
            "output": self._output(body, reply, number), "parallel_tool_calls": True, "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None}, "store": body.get("store", True), "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": None, "metadata": {},
        }  # fmt: skip

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        count = iter(range(10_000))

        def event(kind: str, **told: Any) -> bytes:
            return data({"type": kind, "sequence_number": next(count), **told}, kind)

        whole = self.whole(body, reply, number)
        yield event("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None})
        for index, item in enumerate(whole["output"]):
            yield from self._streamed(event, index, item)
        if reply.fault == "error":
            yield event("error", code="server_error", message="The server had an error while processing your request.", param=None)
            return
        yield event("response.incomplete" if reply.finish == "length" else "response.completed", response=whole)

    def _streamed(self, event: Any, index: int, item: dict[str, Any]) -> Iterator[bytes]:
        kind, here = item["type"], {"item_id": item["id"], "output_index": index}
        begun = {"message": {"content": [], "status": "in_progress"}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}
        yield event("response.output_item.added", output_index=index, item={**item, **begun[kind]})
        if kind == "reasoning":
            for nth, part in enumerate(item["summary"]):
                yield event("response.reasoning_summary_part.added", **here, summary_index=nth, part={"type": "summary_text", "text": ""})
                for piece in pieces(part["text"], 4):
                    yield event("response.reasoning_summary_text.delta", **here, summary_index=nth, delta=piece)
                yield event("response.reasoning_summary_text.done", **here, summary_index=nth, text=part["text"])
                yield event("response.reasoning_summary_part.done", **here, summary_index=nth, part=part)
        elif kind == "message":
            part = item["content"][0]
            yield event("response.content_part.added", **here, content_index=0, part={**part, "text": ""})
            for piece in pieces(part["text"], 4):
                yield event("response.output_text.delta", **here, content_index=0, delta=piece, logprobs=[])
            yield event("response.output_text.done", **here, content_index=0, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **here, content_index=0, part=part)
        else:
            for piece in pieces(item["arguments"], 4):
                yield event("response.function_call_arguments.delta", **here, delta=piece)
            yield event("response.function_call_arguments.done", **here, arguments=item["arguments"], name=item["name"])
        yield event("response.output_item.done", output_index=index, item=item)
