"""Gemini's ``generateContent``, as JSON.

Source: ai.google.dev/api/generate-content; .../gemini-api/docs/function-calling; .../gemini-api/docs/thought-signatures;
ai.google.dev/api/caching#Schema.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.providers.strict.server import Heard, Refused, Reply, data

_NAME = re.compile(r"\A[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}\Z")
_KINDS = {1: "STRING", 2: "NUMBER", 3: "INTEGER", 4: "BOOLEAN", 5: "ARRAY", 6: "OBJECT"}
_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}
_SCHEMA = {
    "type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "minItems", "maxItems", "minimum",
    "maximum", "minLength", "maxLength", "pattern", "anyOf", "example", "default", "propertyOrdering", "minProperties", "maxProperties",
}  # fmt: skip
_ANY = base64.b64encode(base64.urlsafe_b64decode("skip_thought_signature_validator")).decode()
_MIMES = re.compile(r"image/(png|jpeg|webp|heic|heif)|audio/|video/|application/pdf|text/")


def refused(message: str, status: int = 400, kind: str = "INVALID_ARGUMENT") -> Refused:
    """Return a refusal in Google's form."""
    return Refused(status, {"error": {"code": status, "message": message, "status": kind}})


@dataclass
class Gemini:
    """The protocol."""

    content_type: str = "text/event-stream"
    events: bool = True
    """Whether the last request asked for server-sent events; without them a stream is one JSON array."""

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        self.events = "alt=sse" in path
        return "streamGenerateContent" in path

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        model = re.search(r"models/([^:]+):", path)
        assert model, path
        signed = bool(re.match(r"gemini-[3-9]", model[1]))
        for tool in body.get("tools") or []:
            for function in tool.get("functionDeclarations") or []:
                if not _NAME.match(function["name"]):
                    raise refused("Invalid function name. Must start with a letter or an underscore.")
                if function.get("parameters"):
                    self.check_schema(f"function_declarations[{function['name']}].parameters", function["parameters"])
        contents = body["contents"]
        if contents[0].get("role") != "user":
            raise refused("Please ensure that multiturn requests begin with a user turn.")
        if contents[-1].get("role") == "model":
            raise refused("Please use a valid role: the last turn must be the user's.")
        for place in range(len(contents)):
            self._content(place, contents)
        if signed:
            self._signatures(contents)

    def _content(self, place: int, contents: list[dict[str, Any]]) -> None:  # noqa: C901  a list of rules
        content = contents[place]
        if content.get("role") not in {"user", "model"}:
            raise refused("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise refused(f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.")
        for part in content["parts"]:
            if not set(part) & {"text", "inlineData", "functionCall", "functionResponse", "fileData"} or part.get("text") == "":
                raise refused(f"Unable to submit request because it must have a text parameter. contents[{place}]")
            inline = part.get("inlineData") or {}
            if inline and not _MIMES.match(inline.get("mimeType") or inline.get("mime_type") or ""):
                raise refused(f"Unsupported MIME type: {inline.get('mimeType')}")
        calls = [p["functionCall"]["name"] for p in content["parts"] if "functionCall" in p]
        answers = [p["functionResponse"]["name"] for p in content["parts"] if "functionResponse" in p]
        before = contents[place - 1] if place else {}
        if calls and before.get("role") != "user":
            raise refused("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
        if answers:
            asked = [p["functionCall"]["name"] for p in before.get("parts", []) if "functionCall" in p]
            if len(asked) != len(answers):
                raise refused(
                    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
                    "function call turn."
                )
            if sorted(asked) != sorted(answers):
                raise refused("Please ensure that function response turn comes immediately after a function call turn.")
        if calls and not any("functionResponse" in p for p in (contents[place + 1 : place + 2] or [{}])[0].get("parts", [])):
            raise refused("Please ensure that function response turn comes immediately after a function call turn.")

    def _signatures(self, contents: list[dict[str, Any]]) -> None:
        """In the running turn, the first call of each step carries the signature that came with it."""
        starts = [n for n, c in enumerate(contents) if c["role"] == "user" and not any("functionResponse" in p for p in c["parts"])]
        for place, content in enumerate(contents):
            calls = [p for p in content["parts"] if "functionCall" in p]
            for nth, part in enumerate(calls):
                signature = _standard(part.get("thoughtSignature") or "")
                call = part["functionCall"]
                if not signature and nth == 0 and place > starts[-1]:
                    raise refused(
                        f"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly. "
                        f"Additional data, function call `default_api:{call['name']}` , position {place}."
                    )
                if signature and signature != _ANY and signature != _signature(call):
                    raise refused("Corrupted thought signature.")

    def check_schema(self, where: str, schema: dict[str, Any]) -> None:  # noqa: C901  a list of rules
        if extra := set(schema) - _SCHEMA:
            raise refused(f'Invalid JSON payload received. Unknown name "{min(extra)}" at \'tools[0].{where}\': Cannot find field.')
        kind = _KINDS.get(schema.get("type", 0), schema.get("type"))  # the older client sends numbers for names
        for choice in schema.get("anyOf") or []:
            self.check_schema(where, choice)
        if kind is None and schema.get("anyOf"):
            return
        if not isinstance(kind, str) or kind.upper() not in _TYPES:
            raise refused(f"Invalid value at 'tools[0].{where}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), {kind!r}")
        if kind.upper() == "OBJECT" and "properties" in schema and not schema["properties"]:
            raise refused(f"* GenerateContentRequest.tools[0].{where}.properties: should be non-empty for OBJECT type")
        if kind.upper() == "ARRAY" and "items" not in schema:
            raise refused(f"* GenerateContentRequest.tools[0].{where}.items: missing field.")
        if "enum" in schema and (kind.upper() != "STRING" or not all(schema["enum"])):
            raise refused(f"* GenerateContentRequest.tools[0].{where}.enum: only allowed for STRING type")
        if schema.get("format") not in {None, "enum", "date-time", "int32", "int64", "float", "double", ""}:
            raise refused(f"* GenerateContentRequest.tools[0].{where}.format: only 'enum' and 'date-time' are supported for STRING type")
        if missing := set(schema.get("required") or []) - set(schema.get("properties") or {}):
            raise refused(f"* GenerateContentRequest.tools[0].{where}.required: property is not defined: {min(missing)}")
        for name, value in (schema.get("properties") or {}).items():
            self.check_schema(f"{where}.properties[{name}]", value)
        if schema.get("items"):
            self.check_schema(f"{where}.items", schema["items"])

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        told = [Heard("system", "".join(p.get("text", "") for p in (body.get("systemInstruction") or {}).get("parts", [])))]
        for content in body["contents"]:
            parts = content["parts"]
            told += [Heard("tool", json.dumps(p["functionResponse"].get("response"))) for p in parts if "functionResponse" in p]
            text = "".join(p.get("text", "") for p in parts if not p.get("thought"))
            calls = tuple((p["functionCall"]["name"], p["functionCall"].get("args") or {}) for p in parts if "functionCall" in p)
            if text or calls:
                role = "assistant" if content["role"] == "model" else "user"
                told.append(Heard(role, text, calls, sum("inlineData" in p for p in parts)))
        return told

    def _parts(self, body: dict[str, Any], reply: Reply) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        if (body.get("generationConfig") or {}).get("thinkingConfig", {}).get("includeThoughts"):
            parts.append({"text": reply.thinking or "A thought.", "thought": True})
        half = len(reply.text) // 2
        parts += [{"text": piece} for piece in (reply.text[:half], reply.text[half:]) if piece]
        for nth, (name, args) in enumerate(reply.calls):
            call = {"name": name, "args": args}
            parts.append({"functionCall": call, **({"thoughtSignature": _signature(call)} if nth == 0 else {})})
        return parts

    def _chunk(self, parts: list[dict[str, Any]], reply: Reply, finish: str | None) -> dict[str, Any]:
        usage = {"promptTokenCount": reply.input_tokens, "candidatesTokenCount": 20, "totalTokenCount": reply.input_tokens + 20}
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-strict", "responseId": "r"}

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        return _in_utf8(self._chunk(self._parts(body, reply), reply, reply.finish or "STOP"))

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        chunks = [_in_utf8(chunk) for chunk in self._chunks(body, reply)]
        if self.events:
            yield from map(data, chunks)
            return
        for nth, chunk in enumerate(chunks):
            yield ("[" if nth == 0 else ",\r\n").encode() + json.dumps(chunk).encode()
        yield b"]"

    def _chunks(self, body: dict[str, Any], reply: Reply) -> Iterator[Any]:
        parts = self._parts(body, reply)
        for nth, part in enumerate(parts):
            last = nth == len(parts) - 1
            if last and reply.fault == "error":
                yield {"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}
                return
            yield self._chunk([part], reply, (reply.finish or "STOP") if last else None)


def _in_utf8(told: Any) -> Any:
    """Return a body without half characters: its strings are protobuf's, which are UTF-8."""
    return json.loads(json.dumps(told, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _signature(call: dict[str, Any]) -> str:
    call = _in_utf8(call)
    return base64.b64encode(json.dumps([call["name"], call.get("args")], sort_keys=True).encode()[:60]).decode()


def _standard(signature: str) -> str:
    return signature.replace("-", "+").replace("_", "/")
