"""Mistral's API, which checks a request by its own package ``mistral-common``.

Source: mistral-common (``mistral_common.protocol.instruct.validator``); docs.mistral.ai/api.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mistral_common.exceptions import MistralCommonException
from mistral_common.protocol.instruct.messages import UATS
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.validator import MistralRequestValidatorV13, ValidationMode
from pydantic import ValidationError

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Refused, Reply, data

_CODES = {
    "InvalidMessageStructureException": "3230", "InvalidFunctionCallException": "3280", "InvalidAssistantMessageException": "3240",
    "InvalidToolSchemaException": "3250", "InvalidToolException": "3250", "InvalidToolMessageException": "3230",
}  # fmt: skip
_PARTS = {"text", "image_url", "thinking"}


@dataclass
class Mistral(OpenAIChat):
    """The protocol: OpenAI's shapes, Mistral's order of roles and ids."""

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        for message in body["messages"]:
            content = message.get("content")
            for part in content if isinstance(content, list) else []:
                if part["type"] not in _PARTS:
                    raise Refused(422, {"object": "error", "message": f"Input tag '{part['type']}' is not expected", "code": None})
                if part["type"] == "image_url" and not self.sees:
                    raise _refused("Image input is not enabled for this model", "3051")
        try:
            asked: ChatCompletionRequest[UATS] = ChatCompletionRequest.from_openai(
                messages=[_as_openai(m) for m in body["messages"]], tools=body.get("tools"), model=body["model"]
            )
            MistralRequestValidatorV13(ValidationMode.serving).validate_request(asked)
        except MistralCommonException as error:
            raise _refused(str(error), _CODES.get(type(error).__name__, "3051")) from error
        except (ValidationError, ValueError) as error:
            raise Refused(422, {"object": "error", "message": {"detail": str(error)[:500]}, "type": "invalid_request_error"}) from error
        for before, after in zip(body["messages"], body["messages"][1:], strict=False):
            if before["role"] == "tool" and after["role"] == "user":
                raise _refused("Unexpected role 'user' after role 'tool'", "3230")

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        """Mistral sends a call in one piece, and the usage with the last one."""
        head = self._head(body, number, "chat.completion.chunk")
        finish = reply.finish or ("tool_calls" if reply.calls else "stop")

        def chunk(delta: dict[str, Any], last: str | None = None, **told: Any) -> bytes:
            return data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": last}], **told})

        yield chunk({"role": "assistant", "content": ""})
        for start in range(0, len(reply.text), 9):
            yield chunk({"content": reply.text[start : start + 9]})
        if reply.fault == "error":
            yield data({"object": "error", "message": "Service unavailable.", "type": "internal_server_error", "code": "3700"})
            return
        calls = [
            {"id": f"{number:06d}{nth:03d}", "function": {"name": name, "arguments": json.dumps(args)}, "index": nth}
            for nth, (name, args) in enumerate(reply.calls)
        ]
        usage = {"prompt_tokens": reply.input_tokens, "completion_tokens": 20, "total_tokens": reply.input_tokens + 20}
        yield chunk({"content": "", **({"tool_calls": calls} if calls else {})}, finish, usage=usage)
        yield data("[DONE]")


def _refused(message: str, code: str) -> Refused:
    told = {"object": "error", "message": message, "type": "invalid_request_message_order", "param": None, "code": code}
    return Refused(400, told)


def _as_openai(message: dict[str, Any]) -> dict[str, Any]:
    calls = [{"type": "function", **call} for call in message.get("tool_calls") or []]
    kept = {k: v for k, v in message.items() if k != "tool_calls"}
    return {**kept, "tool_calls": calls} if calls else kept
