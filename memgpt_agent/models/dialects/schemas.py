"""Tool schemas in the part of JSON Schema that a provider takes, and tool names in its alphabet."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Schema = dict[str, Any]
_CHOICES = ("anyOf", "oneOf", "allOf")
_MAX_DEPTH = 16
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_GEMINI_KEYS = (
    "type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "minItems", "maxItems",
    "minimum", "maximum", "minLength", "maxLength", "pattern", "anyOf",
)  # fmt: skip
_GEMINI_FORMATS = {"string": {"enum", "date-time"}, "number": {"float", "double"}, "integer": {"int32", "int64"}}


def named(tools: Sequence[Mapping[str, Any]], *, limit: int = 64) -> tuple[list[Schema], dict[str, str]]:
    """Return the tools under names of letters, digits, ``_`` and ``-``, and the agent's own names by those that were changed."""
    put: list[Schema] = []
    own: dict[str, str] = {}
    for tool in tools:
        function = dict(cast(Mapping[str, Any], tool["function"]))
        name = fitting_name(function["name"], limit=limit)
        if name != function["name"]:
            own[name] = function["name"]
        put.append({"type": "function", "function": {**function, "name": name}})
    return put, own


def fitting_name(name: str, *, limit: int = 64) -> str:
    """Return a tool's name as providers take it: itself where it fits, else one that follows from it."""
    fitting = _NO_NAME.sub("_", name)
    if fitting == name and len(name) <= limit:
        return name
    return f"{fitting[: limit - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def shaped(tools: Sequence[Schema], shape: Callable[[Schema], Schema]) -> list[Schema]:
    """Return the tools with their parameters in another shape."""
    return [
        {**tool, "function": {**tool["function"], "parameters": shape(tool["function"].get("parameters") or {})}} for tool in tools
    ]


def rooted(schema: Schema) -> Schema:
    """Return parameters as OpenAI and Anthropic take them: an object without a choice at its root, arrays with items, no references.

    Source: platform.openai.com/docs/guides/function-calling; docs.anthropic.com/en/api/messages (``input_schema``).
    """
    put = cast(Schema, _with_items(inlined(schema)))
    for choice in _CHOICES:
        for branch in cast(list[Any], put.pop(choice, None) or []):
            if isinstance(branch, dict):
                put["properties"] = {**cast(Schema, branch).get("properties", {}), **put.get("properties", {})}
                if choice == "allOf":
                    put["required"] = [*put.get("required", []), *cast(Schema, branch).get("required", [])]
    for key in ("enum", "not", "const"):
        put.pop(key, None)
    return {**put, "type": "object", "properties": put.get("properties") or {}}


def inlined(schema: Schema) -> Schema:
    """Return a schema with what it refers to put in its place; a reference to itself becomes any object."""
    definitions = {**cast(Schema, schema.get("$defs") or {}), **cast(Schema, schema.get("definitions") or {})}

    def follow(part: Any, within: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [follow(p, within) for p in cast(list[Any], part)]
        if not isinstance(part, dict):
            return part
        given = cast(Schema, part)
        target = str(given.get("$ref") or "").rpartition("/")[2]
        if target:
            rest = {k: v for k, v in given.items() if k != "$ref"}
            if target in within or len(within) > _MAX_DEPTH or target not in definitions:
                return {"type": "object", **rest}
            return {**follow(definitions[target], (*within, target)), **rest}
        return {k: follow(v, within) for k, v in given.items() if k not in {"$defs", "definitions", "$schema", "$id"}}

    return cast(Schema, follow(schema, ()))


def _with_items(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_items(p) for p in cast(list[Any], part)]
    if not isinstance(part, dict):
        return part
    put = {k: _with_items(v) for k, v in cast(Schema, part).items()}
    if put.get("type") == "array" and "items" not in put:
        put["items"] = {}
    return put


def gemini(schema: Schema) -> Schema:
    """Return parameters in the subset of OpenAPI that Gemini's function declarations take.

    No references, no ``const``, no lists of types; an enumeration is of strings; a format is one of those it knows; an
    object names its properties.

    Source: ai.google.dev/api/caching#Schema; ai.google.dev/gemini-api/docs/function-calling.
    """
    return _gemini(rooted(schema), 0)


def _gemini(given: Any, depth: int) -> Schema:
    part: Schema = dict(cast(Schema, given)) if isinstance(given, dict) else {}
    if depth > _MAX_DEPTH:
        return {"type": "string"}
    part = _one_type(part)
    if "const" in part:
        part["enum"] = [part["const"]]
    kind = str(part.get("type") or ("object" if part.get("properties") else "array" if part.get("items") else "string"))
    if part.get("anyOf"):
        choices = [_gemini(choice, depth + 1) for choice in part["anyOf"]]
        return {"anyOf": choices, **{k: part[k] for k in ("description", "nullable") if part.get(k)}}
    put: Schema = {k: v for k, v in part.items() if k in _GEMINI_KEYS and v is not None} | {"type": kind}
    if "enum" in put:
        put["enum"] = [str(value) for value in put["enum"] if value not in (None, "")]
        kind = put["type"] = "string"
    if put.get("format") not in _GEMINI_FORMATS.get(kind, set()):
        put.pop("format", None)
    if kind == "array":
        put["items"] = _gemini(put.get("items"), depth + 1)
    if kind == "object":
        properties = cast(Schema, put.get("properties") or {})
        put["properties"] = {name: _gemini(value, depth + 1) for name, value in properties.items()}
        put["required"] = [name for name in cast(list[str], put.get("required") or []) if name in properties]
        if not properties and depth:
            return {"type": "string", "description": f"{put.get('description', '')} (a JSON object)".strip()}
    else:
        put.pop("properties", None)
        put.pop("required", None)
    return {k: v for k, v in put.items() if v != [] or k == "enum"}


def _one_type(part: Schema) -> Schema:
    """Return a schema with one type, and whether null is allowed beside it."""
    choices: list[Any] = [c for key in ("anyOf", "oneOf") for c in cast(list[Any], part.get(key) or [])]
    for whole in cast(list[Any], part.pop("allOf", None) or []):
        part = {**cast(Schema, whole), **part}
    kinds = cast(list[Any], part["type"]) if isinstance(part.get("type"), list) else []
    choices += [{"type": kind} for kind in kinds] if len([k for k in kinds if k != "null"]) > 1 else []
    if kinds:
        part["type"] = next((k for k in kinds if k != "null"), "string")
    others = [c for c in choices if c != {"type": "null"}]
    if "null" in kinds or len(others) < len(choices):
        part["nullable"] = True
    for key in ("anyOf", "oneOf"):
        part.pop(key, None)
    if len(others) == 1:
        return {**cast(Schema, others[0]), **part}
    return {**part, "anyOf": others} if others else part
