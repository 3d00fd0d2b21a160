"""Compiling tools' JSON schemas to a GBNF grammar that constrains tool calls and the order of their arguments."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from memgpt_agent.errors import ConfigurationError

Schema = Mapping[str, Any]

# Repetition is `*` only: a bounded one such as {1,260} multiplies the grammar's states and hangs the sampler.
_PRIMITIVES = {
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" hex hex hex hex)',
    "hex": "[0-9a-fA-F]",
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]*)',
    "number": '"-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" (string ": " value (", " string ": " value)*)? "}"',
    "array": '"[" (value (", " value)*)? "]"',
}
_NEEDS = {
    "char": ("hex",),
    "string": ("char",),
    "value": ("object", "array", "string", "number", "boolean", "null"),
    "object": ("string", "value"),
    "array": ("value",),
}


def tool_call_grammar(tools: Sequence[Schema], *, text_allowed: bool = False, prefix: str = "") -> str:
    """Return the grammar of one call, ``{"name": "...", "arguments": {...}``, without the closing brace.

    The call ends with its arguments, so that the model spends no tokens on what is always the same.

    Args:
        tools: OpenAI function schemas, ``{"name": ..., "parameters": {...}}``.
        text_allowed: whether plain text may be answered instead (``tool_choice="auto"``).
        prefix: what stands before a call, such as ``<tool_call>`` and a line break.

    Raises:
        ConfigurationError: there are no tools, or a schema uses what a grammar cannot say.
    """
    if not tools:
        raise ConfigurationError("A grammar of tool calls needs at least one tool; none was given.")
    grammar = _Grammar()
    calls: list[str] = []
    for number, tool in enumerate(tools):
        parameters: Schema = tool.get("parameters") or {"type": "object", "properties": {}}
        rule = grammar.rule(f"args{number}", _Converter(grammar, parameters).expression(parameters))
        head = prefix + '{"name": ' + json.dumps(tool["name"], ensure_ascii=False) + ', "arguments": '
        calls.append(f"{literal(head)} {rule}")
    if text_allowed:
        calls.append(r"[^<{`] [^\x00]*")
    return grammar.text(" | ".join(calls))


def schema_grammar(schema: Schema) -> str:
    """Return the grammar of JSON that fits a schema."""
    grammar = _Grammar()
    return grammar.text(_Converter(grammar, schema).expression(schema))


def literal(text: str) -> str:
    """Return a text as a GBNF literal."""
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


class _Grammar:
    """The rules met so far; each has a name of its own."""

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}

    def rule(self, name: str, body: str) -> str:
        name = f"{name}-{len(self._rules)}"
        self._rules[name] = body
        return name

    def define(self, name: str, body: str) -> None:
        self._rules[name] = body

    def primitive(self, name: str) -> str:
        if name not in self._rules:
            self._rules[name] = _PRIMITIVES[name]
            for needed in _NEEDS.get(name, ()):
                self.primitive(needed)
        return name

    def text(self, root: str) -> str:
        return "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in self._rules.items())])


class _Converter:
    """Turns one document's schemas into expressions; references are followed within the document."""

    def __init__(self, grammar: _Grammar, document: Schema) -> None:
        self._grammar = grammar
        self._document = document
        self._referenced: dict[str, str] = {}

    def expression(self, schema: Schema) -> str:
        """Return an expression for a schema; what a grammar cannot say (lengths, ranges, patterns) is left to validation."""
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if "const" in schema:
            return literal(json.dumps(schema["const"], ensure_ascii=False))
        if "enum" in schema:
            return _either([literal(json.dumps(value, ensure_ascii=False)) for value in schema["enum"]])
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return _either([self.expression(option) for option in schema[union]])
        if len(schema.get("allOf", ())) == 1:
            return self.expression(schema["allOf"][0])
        return self._typed(schema)

    def _typed(self, schema: Schema) -> str:
        kind: Any = schema.get("type", "object" if "properties" in schema else "value")
        if isinstance(kind, list):
            return _either([self._typed({**schema, "type": one}) for one in kind])  # pyright: ignore[reportUnknownVariableType]
        if kind == "object" and schema.get("properties"):
            return self._object(schema["properties"], set(schema.get("required", ())))
        if kind == "object" and schema.get("additionalProperties") is False:
            return literal("{}")
        if kind == "object" and "properties" in schema and "additionalProperties" not in schema:
            return literal("{}")
        if kind == "array" and "items" in schema:
            item = self._grammar.rule("item", self.expression(schema["items"]))
            some = f'"[" {item} (", " {item})* "]"'
            return some if schema.get("minItems") else f'({some} | "[]")'
        if kind not in _PRIMITIVES:
            raise ConfigurationError(f"A tool's schema has the type {kind!r}, which JSON schema does not know.")
        return self._grammar.primitive(kind)

    def _object(self, properties: Mapping[str, Schema], required: set[str]) -> str:
        """Properties in the order in which they stand, those that are not required each present or not."""
        pairs: list[tuple[str, bool]] = []
        for name, schema in properties.items():
            value = self._grammar.rule("value-of", self.expression(schema))
            pairs.append((f"{literal(json.dumps(name, ensure_ascii=False) + ': ')} {value}", name in required))
        rests = [""] * (len(pairs) + 1)  # what may follow once something has been written, from each place on
        for i in range(len(pairs) - 1, -1, -1):
            pair, must = pairs[i]
            own = f'", " {pair}' if must else f'(", " {pair})?'
            rests[i] = f"{own} {self._grammar.rule('rest', rests[i + 1])}" if rests[i + 1] else own
        starts: list[str] = []
        for i, (pair, must) in enumerate(pairs):
            starts.append(f"{pair} {rests[i + 1]}")
            if must:
                return f'"{{" {_either(starts)} "}}"'
        return f'"{{" ({_either(starts)})? "}}"'

    def _reference(self, reference: str) -> str:
        if reference not in self._referenced:
            target: Any = self._document
            for step in reference.removeprefix("#/").split("/"):
                if not isinstance(target, Mapping) or step not in target:
                    raise ConfigurationError(f"A tool's schema refers to {reference!r}, which is not in it.")
                target = target[step]  # pyright: ignore[reportUnknownVariableType]
            name = f"ref-{len(self._referenced)}"
            self._referenced[reference] = name
            self._grammar.define(name, self.expression(cast(Schema, target)))
        return self._referenced[reference]


def _either(options: Sequence[str]) -> str:
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"
