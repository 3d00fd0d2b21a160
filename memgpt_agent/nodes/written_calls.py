"""Tool calls that a model wrote as text: found among prose, read in the forms that models use, told from what is meant for the user."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from memgpt_agent.nodes.reading import ReadCall, checked, no_number

_NAME_KEYS = ("name", "function", "tool", "tool_name", "function_name", "action", "recipient_name", "call")
_KIND_KEY = "type"
"""Where a weak model puts a tool's name in the place of the word ``function``."""
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "params", "kwargs")
_CONTROLS = ("thinking", "request_heartbeat")
_MARK = (
    r"</?(?:tool_calls?|function_calls?|tool_code|functions?|function=[\w.-]+|invoke(?: name=\"?[\w.-]+\"?)?)>|\[/?TOOL_CALLS?\]|\[ARGS\]"
    r"|<\|/?(?:python_tag|tool_calls?(?:_section)?(?:_begin|_end|_argument_begin)?|eom_id|eot_id|im_end|call|message|constrain|channel|start|end)\|>"
    r"|<｜[^｜<>]{1,40}｜>"
)
"""Hermes and Qwen, Mistral, Llama, Kimi, gpt-oss, DeepSeek, Anthropic's older form."""
_OPENING = re.compile(
    r"<(?:tool_calls?|function_calls?|tool_code|function=|invoke )"
    r"|\[TOOL_CALLS?\]|<\|(?:python_tag|tool_calls?(?:_section)?(?:_begin)?)\|>|<｜tool[^｜]*begin｜>",
    re.IGNORECASE,
)
_NOISE = re.compile(rf"{_MARK}|```\w*|^\s*(?:Action|Action Input|Tool|Function|Arguments):", re.IGNORECASE | re.MULTILINE)
_GAP = rf"(?:{_MARK}|[\s>:(=]|```\w*|Action Input|Arguments|\bjson\b|:\d+)*"
_XML = re.compile(r"<(?:function=|invoke name=)\"?(?P<name>[\w.-]+)\"?>(?P<body>.*?)(?:</(?:function|invoke)>|\Z)", re.DOTALL)
_GLM = re.compile(r"<tool_call>\s*(?P<name>[\w.-]+)\s*(?P<body><arg_key>.*?)(?:</tool_call>|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter(?:=| name=)\"?([\w.-]+)\"?>\n?(.*?)\n?</parameter>|<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL
)
_LEAD = re.compile(
    rf"(?:{_MARK}|[\s>:(=\[,]|```\w*|(?:Thought:[^\n]*\n)?Action:|Action Input:?"
    r"|<function=|\b(?:function|commentary|functions\.|to=functions\.|default_api\.|print\())*\Z",
    re.IGNORECASE,
)
"""What stands before a call and belongs to it."""
_INLINE = re.compile(r"(?<!`)`[^`\n]+`(?!`)")
_MAX_STARTS = 64
_MAX_CALLS = 16
_MAX_CHARS = 200_000


@dataclass(frozen=True)
class Written:
    """What an answer's text holds of calls."""

    calls: list[ReadCall] = field(default_factory=list[ReadCall])
    """Those that could be read, in order."""
    text: str = ""
    """The prose around them."""
    unreadable: bool = False
    """Whether none could be read although the text names a tool in call syntax."""


@dataclass(frozen=True)
class _Found:
    start: int
    end: int
    calls: list[ReadCall]


def written_calls(text: str, tools: Sequence[Mapping[str, Any]]) -> Written:
    """Return the calls that a model wrote into its text, instead of making them.

    JSON objects and lists of calls in the shapes that models use, behind marks of theirs or bare; names before arguments; XML
    parameters; Python calls on lines of their own; arguments alone where they are the whole answer and fit one tool. Code in
    backticks within a line, code that does more than call tools, and JSON that names no tool are for the user.

    Args:
        text: the answer's text, without thoughts.
        tools: the tools that are offered, in OpenAI's form.

    **Limits**: at most 16 calls; a text beyond 200,000 characters is not searched.
    """
    if not text or len(text) > _MAX_CHARS:
        return Written(text=text)
    reader = _CallReader({str(t["function"]["name"]): dict(t["function"].get("parameters") or {}) for t in tools})
    found = list(reader.found(text))
    calls = [call for one in found for call in one.calls][:_MAX_CALLS]
    if not calls:
        return Written(text=text, unreadable=reader.looks_like_call(text))
    rest, at = "", 0
    for one in found:
        rest, at = f"{rest}{_LEAD.sub('', text[at : one.start])}\n", one.end
    rest += text[at:]
    prose = re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", rest)).strip(" \n\t,;[]()`")
    return Written(calls, "" if reader.looks_like_call(rest) else prose)


class _CallReader:
    """Reads calls of the tools that are offered."""

    def __init__(self, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self._tools = tools
        names = "|".join(sorted(map(re.escape, tools), key=len, reverse=True)) or r"(?!)"
        self._head = re.compile(
            rf"(?:(?P<line>^|\n)[ \t]*(?:Action:|Tool:|Function:)?\s*|[>\]=|｜.])\s*(?:functions?\.|default_api\.)?(?P<name>{names})\"?{_GAP}\Z"
        )
        self._python = re.compile(
            rf"(?m)^[ \t`]*(?:[-*] )?\[?(?:print\()?(?:\w+\.)?(?P<name>{names})\(|(?<=python_tag\|>)(?:\w+\.)?(?P<tag>{names})(?:\.call)?\("
        )
        self._named = re.compile(
            rf"[\"'](?:{'|'.join((*_NAME_KEYS, _KIND_KEY))})[\"']\s*:\s*[\"'](?:functions?\.)?(?:{names})[\"']|[\"'](?:{names})[\"']\s*:\s*\{{"
        )
        self._begun = re.compile(rf"(?m)^[ \t]*(?:functions?\.)?(?:{names})\s*[(:=]?\s*[{{(]")

    def found(self, text: str) -> Iterator[_Found]:
        """Yield what can be read, in order, nothing twice."""
        hidden = _masked(text)
        at = 0
        for one in sorted([*self._xml(hidden), *self._json(text, hidden), *self._called(text, hidden)], key=lambda f: (f.start, -f.end)):
            if one.start >= at:
                yield one
                at = one.end

    def looks_like_call(self, rest: str) -> bool:
        """Whether what is left names a tool in call syntax, or bears a mark that begins a call."""
        shown = _masked(rest)
        if _OPENING.search(shown):
            return True
        alone, end = _value_at(rest.strip().strip("`").removeprefix("json").strip(), 0)
        if end > 0 and isinstance(alone, dict) and len(self._fitting(cast(dict[str, Any], alone))) > 1:
            return True
        argued = re.search(rf"[\"'](?:{'|'.join(_ARGUMENT_KEYS)})[\"']\s*:", shown)
        if self._named.search(shown) and (argued or shown.lstrip().startswith(("{", "["))):
            return True
        return any(not self._is_code_around(shown, begun.start()) for begun in self._begun.finditer(shown))

    def _xml(self, text: str) -> Iterator[_Found]:
        for pattern in (_XML, _GLM):
            for match in pattern.finditer(text):
                pairs = [(k or key, v if k else value) for k, v, key, value in _PARAMETER.findall(match["body"])]
                if pairs:
                    name = self._own(match["name"]) or match["name"]
                    arguments = {key.strip(): self._typed(name, key.strip(), value) for key, value in pairs}
                    yield _Found(match.start(), match.end(), [checked(name, arguments)])

    def _typed(self, name: str, key: str, value: str) -> Any:
        """Return an XML parameter as the type that the tool's schema names; a text stays one."""
        kind = cast(dict[str, Any], self._tools.get(name, {}).get("properties", {}).get(key) or {}).get("type", "string")
        if kind == "string":
            return value
        try:
            return json.loads(value.strip().lower() if kind == "boolean" else value)
        except ValueError:
            return value

    def _json(self, text: str, hidden: str) -> Iterator[_Found]:
        at = tried = 0
        while tried < _MAX_STARTS and (start := _next_bracket(hidden, at)) >= 0:
            tried += 1
            value, end = _value_at(text, start)
            if end < 0:
                at = start + 1
                continue
            calls, begin = self._of_value(text, hidden, start, end, value)
            if calls:
                yield _Found(begin, end, calls)
            at = end if calls or isinstance(value, dict) else start + 1

    def _of_value(self, text: str, hidden: str, start: int, end: int, value: Any) -> tuple[list[ReadCall], int]:
        """Return the calls that a JSON value is, and where they begin: a name may stand before arguments."""
        before = hidden[:start]
        marked = bool(_OPENING.search(before[max(0, len(before) - 200) :]))
        if calls := self._shaped(value, anything=marked):
            return calls, start
        if not isinstance(value, dict):
            return [], start
        head = self._head.search(before[max(0, len(before) - 300) :])
        if head:
            return [checked(head["name"], cast(dict[str, Any], value))], max(0, len(before) - 300) + head.start("name")
        alone = not _NOISE.sub("", text[:start] + text[end:]).strip(" \n\t`")
        names = self._fitting(cast(dict[str, Any], value)) if alone or marked else []
        return ([checked(names[0], cast(dict[str, Any], value))] if len(names) == 1 else []), start

    def _shaped(self, value: Any, *, anything: bool) -> list[ReadCall]:
        """Return the calls of a value that has the shape of one or more; all of a list must have it."""
        if isinstance(value, list):
            each = [self._shaped(one, anything=anything) for one in cast(list[Any], value)]
            return [call for calls in each for call in calls] if all(each) else []
        if not isinstance(value, dict):
            return []
        fields = cast(dict[str, Any], value)
        for key in ("tool_calls", "function_call", "function", "tool_call", "tool_uses"):
            if isinstance(fields.get(key), dict | list):
                return self._shaped(fields[key], anything=anything)
        if len(fields) == 1 and self._own(only := next(iter(fields))) and isinstance(fields[only], dict):
            return [checked(self._own(only), fields[only])]
        key = next((k for k in _NAME_KEYS if isinstance(fields.get(k), str)), "")
        if not key and isinstance(kind := fields.get(_KIND_KEY), str) and self._own(kind):
            key = _KIND_KEY
        given_name = str(fields.get(key, ""))
        name = self._own(given_name) or (given_name if anything else "")
        if not name:
            return []
        arguments = self._arguments(name, fields, key)
        return [] if arguments is None else [checked(name, arguments)]

    def _arguments(self, name: str, fields: Mapping[str, Any], name_key: str) -> dict[str, Any] | None:
        key = next((k for k in _ARGUMENT_KEYS if k in fields), "")
        given: Any = fields.get(key, {})
        if isinstance(given, str):
            given = _value_at(given.strip() or "{}", 0)[0]
        if key:
            return cast(dict[str, Any], given) if isinstance(given, dict) else None
        flat = {k: v for k, v in fields.items() if k not in {name_key, "type", "id"}}
        return flat if self._fits(name, flat) else None

    def _own(self, name: str) -> str:
        """Return the tool's own name, which models write behind the namespace of all functions; empty where it is none."""
        bare = re.sub(r"\A(?:functions?|default_api)\.", "", name.strip())
        return bare if bare in self._tools else ""

    def _fits(self, name: str, arguments: Mapping[str, Any]) -> bool:
        schema = self._tools.get(name, {})
        required = set(schema.get("required", ())) - set(_CONTROLS)
        return required <= set(arguments) <= set(schema.get("properties", ())) | set(_CONTROLS)

    def _fitting(self, arguments: Mapping[str, Any]) -> list[str]:
        """Return the tools whose arguments these could be."""
        own = set(arguments) - set(_CONTROLS)
        return [name for name in self._tools if own and self._fits(name, arguments)]

    def _called(self, text: str, hidden: str) -> Iterator[_Found]:
        """Yield Python calls that stand on lines of their own, of no code that does more."""
        for match in self._python.finditer(hidden):
            group = "name" if match["name"] else "tag"
            end = _closing(text, match.end() - 1)
            call = self._python_call(match[group], text[match.end() - 1 : end]) if end > 0 else None
            tail = text[end:].split("\n", 1)[0] if end > 0 else ""
            if call and not tail.strip(" \t)],;`") and not self._is_code_around(hidden, match.start()):
                yield _Found(match.start(group), end + len(tail) - len(tail.lstrip(")],; ")), [call])

    def _python_call(self, name: str, brackets: str) -> ReadCall | None:
        try:
            call = ast.parse(f"f{brackets}", mode="eval").body
            assert isinstance(call, ast.Call)  # noqa: S101  the text begins with a name and a bracket
            given: dict[str, Any] = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords if word.arg}
            places = [p for p in self._tools[name].get("properties", {}) if p not in _CONTROLS and p not in given]
            values = [ast.literal_eval(one) for one in call.args]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if len(values) == 1 and isinstance(values[0], dict) and not given:
            return checked(name, cast(dict[str, Any], values[0]))
        return checked(name, {**dict(zip(places, values, strict=False)), **given}) if len(values) <= len(places) else None

    def _is_code_around(self, text: str, place: int) -> bool:
        """Whether a place lies in a fenced block that does more than call tools: code for the user."""
        fences = [m.start() for m in re.finditer("```", text)]
        before = [f for f in fences if f < place]
        if len(before) % 2 == 0:
            return False
        block = text[before[-1] + 3 : next((f for f in fences if f > place), len(text))]
        return bool(re.search(r"(?m)^\s*(?:def|import|from|class|for|while|if|return|const|let|var|function|#include|\w+\s*=[^=])", block))


def _masked(text: str) -> str:
    """Return a text of the same length with code in backticks within a line blanked: it speaks of calls."""
    return text if _INLINE.fullmatch(text.strip()) else _INLINE.sub(lambda m: " " * len(m[0]), text)


def _next_bracket(text: str, at: int) -> int:
    found = re.compile(r"[{\[]").search(text, at)
    return found.start() if found else -1


def _value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON value, or the Python literal, that begins at a place, and where it ends; -1 where there is none."""
    try:
        return json.JSONDecoder(strict=False, parse_constant=no_number).raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    end = _closing(text, start)
    if end < 0:
        return None, -1
    try:
        return ast.literal_eval(text[start:end]), end
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return None, -1


def _closing(text: str, start: int) -> int:
    """Return the place behind the bracket that closes the one at ``start``, strings left out; -1 where it is not closed."""
    depth, quote, at = 0, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif text.startswith(quote, at):
                at += len(quote) - 1
                quote = ""
        elif char in "\"'":
            quote = char * 3 if text.startswith(char * 3, at) else char
            at += len(quote) - 1
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return -1
