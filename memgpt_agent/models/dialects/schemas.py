"""Tool schemas in the part of JSON Schema that a provider takes, and tool names in its alphabet."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Schema = dict[str, Any]
_CHOICES = ("anyOf", "oneOf", "allOf")
_ASIDE = frozenset({"$defs", "definitions", "$schema", "$id", "$comment"})
_MAY_BE_NULL = frozenset({"default", "const", "examples"})
_TYPES = {
    **{name: name for name in ("string", "number", "integer", "boolean", "array", "object", "null")},
    "str": "string", "text": "string", "date": "string", "datetime": "string", "uuid": "string", "file": "string",
    "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
    "bool": "boolean", "list": "array", "tuple": "array", "set": "array",
    "dict": "object", "map": "object",
}  # fmt: skip
"""JSON Schema's types, by what tools of other makers call them; any other word says nothing."""
_MAX_DEPTH = 16
_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_GEMINI_KEYS = (
    "type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "minItems", "maxItems",
    "minimum", "maximum", "minLength", "maxLength", "pattern", "anyOf",
)  # fmt: skip
_OF_TYPE = {"array": ("items",), "object": ("properties", "required"), "string": ("enum",)}
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


def described(tools: Sequence[Schema], limit: int) -> list[Schema]:
    """Return the tools with descriptions of at most so many characters; the rest of a longer one describes its parameters."""
    put: list[Schema] = []
    for tool in tools:
        function = cast(Schema, tool["function"])
        text = str(function.get("description") or "")
        if len(text) > limit:
            cut = text.rfind(" ", limit // 2, limit - 1)
            cut = cut if cut > 0 else limit - 1
            parameters = cast(Schema, function.get("parameters") or {})
            rest = "\n\n".join(filter(None, [text[cut:].strip(), str(parameters.get("description") or "")]))
            function = {**function, "description": f"{text[:cut].rstrip()}\u2026", "parameters": {**parameters, "description": rest}}
        put.append({**tool, "function": function})
    return put


def keyed(schema: Schema) -> Schema:
    """Return parameters whose names have letters, digits, ``_``, ``.`` and ``-`` only, 64 at most; :func:`own_keys` gives them back.

    Source: Anthropic's refusal "Property keys should match pattern", which looks at the outermost ones only
    (github.com/beautyfree/appstore-connect-mcp/issues/2; github.com/decocms/studio/pull/6874).
    """
    changed = {name: fitting for name in schema["properties"] if (fitting := _fitting_key(name)) != name}
    if not changed:
        return schema
    properties = {changed.get(name, name): one for name, one in schema["properties"].items()}
    required = [changed.get(name, name) for name in cast(list[str], schema.get("required") or [])]
    return {**schema, "properties": properties, "required": required}


def own_keys(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by the names that a tool's own schema gives them, where they came by fitting ones."""
    own = {_fitting_key(name): name for name in cast(Schema, parameters.get("properties") or {})}
    return {own.get(name, name): value for name, value in arguments.items()}


def _fitting_key(name: str) -> str:
    return name if _KEY.fullmatch(name) else fitting_name(name)


def rooted(schema: Schema) -> Schema:
    """Return parameters as OpenAI and Anthropic take them: an object without a choice at its root, arrays with items, no references.

    Source: platform.openai.com/docs/guides/function-calling; docs.anthropic.com/en/api/messages (``input_schema``).
    """
    put = inlined(schema)
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
    """Return a schema that every provider can read: what it refers to in its place, known types, arrays with items, no keyword without a value.

    A reference to itself becomes any object; what is not a schema becomes one that takes anything.
    """
    definitions = {**cast(Schema, schema.get("$defs") or {}), **cast(Schema, schema.get("definitions") or {})}
    return _sound(schema, definitions, ())


def _sound(part: Any, definitions: Schema, within: tuple[str, ...]) -> Schema:
    if not isinstance(part, dict):
        return {}
    given = {k: v for k, v in cast(Schema, part).items() if k not in _ASIDE and (v is not None or k in _MAY_BE_NULL)}
    target = str(given.pop("$ref", "")).rpartition("/")[2]
    if target:
        known = target not in within and len(within) <= _MAX_DEPTH and target in definitions
        there = _sound(definitions[target], definitions, (*within, target)) if known else {"type": "object"}
        given = {**there, **given}
    put: Schema = {}
    for key, value in given.items():
        if key in {"properties", "patternProperties"}:
            named_parts = cast(Schema, value) if isinstance(value, dict) else {}
            put[key] = {name: _sound(one, definitions, within) for name, one in named_parts.items()}
        elif key in {*_CHOICES, "prefixItems"}:
            if isinstance(value, list) and value:
                put[key] = [_sound(one, definitions, within) for one in cast(list[Any], value)]
        elif key == "items" and isinstance(value, list):  # a tuple's older form
            put[key] = {"anyOf": [_sound(one, definitions, within) for one in cast(list[Any], value)]} if value else {}
        elif key in {"items", "not"} or (key == "additionalProperties" and isinstance(value, dict)):
            put[key] = _sound(value, definitions, within)
        else:
            put[key] = value
    return _typed(put)


def _typed(put: Schema) -> Schema:
    """Return a schema with types of JSON Schema's, and what belongs to them."""
    given: Any = put.get("type")
    words = cast(list[Any], given if isinstance(given, list) else [given])
    kinds = [*dict.fromkeys(kind for one in words if (kind := _TYPES.get(str(one).lower())))]
    put.pop("type", None)
    if kinds:
        put = {"type": kinds if len(kinds) > 1 else kinds[0], **put}
    if "array" in kinds:
        put.setdefault("items", {})
    for key in ("required", "enum"):
        if key in put and not (isinstance(put[key], list) and (put[key] or key == "required")):
            del put[key]
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
    if part.get("anyOf"):
        return _choice([_gemini(choice, depth + 1) for choice in part["anyOf"]], part)
    kind = str(part.get("type") or ("object" if part.get("properties") else "array" if part.get("items") else "string"))
    put: Schema = {k: v for k, v in part.items() if k in _GEMINI_KEYS} | {"type": kind}
    if "enum" in put:
        put["enum"] = [str(value) for value in put["enum"] if value not in (None, "")]
        kind = put["type"] = "string"
    if put.get("format") not in _GEMINI_FORMATS.get(kind, set()):
        put.pop("format", None)
    if kind == "array":
        put["items"] = _gemini(put.get("items"), depth + 1)
    else:
        put.pop("items", None)
    if kind == "object":
        properties = cast(Schema, put.get("properties") or {})
        put["properties"] = {name: _gemini(value, depth + 1) for name, value in properties.items()}
        put["required"] = [name for name in cast(list[str], put.get("required") or []) if name in properties]
        if not properties and depth:
            return {"type": "string", "description": f"{put.get('description', '')} (a JSON object)".strip()}
    else:
        put.pop("properties", None)
        put.pop("required", None)
    return {k: v for k, v in put.items() if v != []}


def _choice(choices: list[Schema], part: Schema) -> Schema:
    """Return a choice; its description and whether null is allowed stand with each branch, since nothing may stand beside the branches.

    LangChain's client writes the last branch's type beside them all the same, and an array without items is refused: the last is none,
    or its items stand beside as well.

    Source: Vertex AI's refusal "When using any_of, it must be the only field set" (github.com/langchain-ai/langchain-google/issues/1216);
    langchain-google-genai 3.2, ``_function_utils._get_properties_from_schema``.
    """
    beside = {key: part[key] for key in ("description", "nullable") if part.get(key)}
    branches = sorted(({**beside, **choice} for choice in choices), key=lambda branch: branch.get("type") not in {"array", "object", None})
    items = branches[-1].get("items") if branches[-1].get("type") == "array" else None
    return {"anyOf": branches, **({"items": items} if items else {})}


def _one_type(part: Schema) -> Schema:
    """Return a schema with one type, and whether null is allowed beside it."""
    for _ in range(_MAX_DEPTH):
        simpler = _simpler(dict(part))
        if simpler == part:
            break
        part = simpler
    return part


def _simpler(part: Schema) -> Schema:
    choices: list[Any] = [c for key in ("anyOf", "oneOf") for c in cast(list[Any], part.pop(key, None) or [])]
    for whole in cast(list[Any], part.pop("allOf", None) or []):
        properties = {**cast(Schema, whole).get("properties", {}), **part.get("properties", {})}
        part = {**cast(Schema, whole), **part, **({"properties": properties} if properties else {})}
    kinds = cast(list[Any], part["type"]) if isinstance(part.get("type"), list) else []
    single = [kind for kind in kinds if kind != "null"]
    if kinds:
        del part["type"]
        if len(single) > 1 and not choices:
            own = {key: part.pop(key) for key in ("items", "properties", "required", "enum") if key in part}
            choices = [{"type": kind, **{k: v for k, v in own.items() if k in _OF_TYPE.get(kind, ())}} for kind in single]
        else:
            part["type"] = single[0] if single else "string"
    others = [choice for choice in choices if choice not in ({"type": "null"}, {"const": None}, {"enum": [None]})]
    if "null" in kinds or len(others) < len(choices) or part.get("type") == "null":
        part["nullable"] = True
    if part.get("type") == "null":
        part["type"] = "string"
    if len(others) == 1:
        return {**cast(Schema, others[0]), **part}
    return {**part, "anyOf": others} if others else part
