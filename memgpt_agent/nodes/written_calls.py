"""Tool calls that a model wrote as text: found among prose, read in the forms that models use, told from what is meant for the user."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from itertools import islice
from typing import Any, cast

from memgpt_agent.nodes.reading import ReadCall, checked, letters, own_name
from memgpt_agent.nodes.written_marks import GAP, LEAD, NOISE, OPENING, elements, masked
from memgpt_agent.text.literals import arguments_at, value_at

_NAME_KEYS = ("name", "function", "tool", "toolname", "functionname", "action", "recipientname", "call")
_KIND_KEY = "type"
"""The key in which a weak model puts a tool's name instead of the word ``function``."""
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "toolinput", "actioninput", "params", "kwargs")
_WRAPPERS = (
    "toolcalls", "functioncall", "function", "toolcall", "tooluses", "command", "action", "actions", "calls", "functions", "tools", "tool",
)  # fmt: skip
"""Keys of a call, by their letters: models vary their capitals and signs."""
_CONTROLS = ("thinking", "request_heartbeat")
_PLACEHOLDER = re.compile(r"\.\.\.|…|<[\w ]+>")
"""The placeholder for a text in an example."""
_PREFIX = r"(?:\w+\s*=\s*)?(?:await\s+)?\[?(?:print\()?(?:\w+\.){0,2}"
_HINT = r"(?:Action|Tool|Function|Call(?:ing)?|Tool call|Function call|Using|Use|Invok(?:e|ing)|Execut(?:e|ing)|Name)"
_INTENT = r"(?:[.!?:…]\s+|(?:\bI'll|\bI will|\bI(?:'m| am) (?:going to|now)|\b[Ll]et me|\b[Ll]et's|\b[Nn]ow|\b[Cc]alling)\b[^.!?\n]{0,60}?\s)"
"""The words before a call within a line that show that it should be made."""
_MADE = re.compile(r"(?m)^\W{0,3}[A-Za-z]\w*\((?=\s*(?:name|tool|function)\s*=)")
_OBSERVED = re.compile(r"\n\W{0,3}Observation\W{0,3}:")
_PLAIN_INPUTS = ("actioninput", "toolinput", "input")
_MAX_STARTS = 64
"""How many places of one kind are tried: each may be read to the end of the text."""
_MAX_CALLS = 16
_MAX_CHARS = 200_000


@dataclass(frozen=True)
class Written:
    """The calls in an answer's text."""

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

    JSON objects and lists of calls in the shapes that models use, behind marks of theirs or bare, also with JavaScript's or Python's
    keys and quotes; names before arguments; XML; Python calls; ReAct's lines; arguments alone where they are the whole answer and fit
    one tool. A tool's name may be written in other capitals or with other signs between its words. Code in backticks within a line,
    code for the user, and JSON that names no tool are no calls.

    Args:
        text: the answer's text, without thoughts.
        tools: the tools that are offered, in OpenAI's form.

    **Limits**: at most 16 calls; a text beyond 200,000 characters is not searched.
    """
    if not text or len(text) > _MAX_CHARS:
        return Written(text=text)
    text = _unpacked(text)
    reader = _CallReader({str(t["function"]["name"]): dict(t["function"].get("parameters") or {}) for t in tools})
    asked = reader.before_observed(text)
    found = list(reader.found(asked))
    calls = [call for one in found for call in one.calls][:_MAX_CALLS]
    if not calls:
        return Written(text=text, unreadable=reader.looks_like_call(text))
    rest, at = "", 0
    for one in found:
        rest, at = f"{rest}{LEAD.sub('', asked[at : one.start])}\n", one.end
    rest += asked[at:]
    prose = re.sub(r"\n{3,}", "\n\n", NOISE.sub("", rest)).strip(" \n\t,;[]()`")
    return Written(calls, "" if reader.looks_like_call(rest) or not re.search(r"[^\W\d]", prose) else prose)


def _unpacked(text: str) -> str:
    """Return a text without what hides its calls: signs of web pages in the place of brackets, or one whole JSON string around it."""
    if "&lt;" in text and OPENING.search(plain := unescape(text)) and not OPENING.search(text):
        return plain
    if text.startswith('"') and text.endswith('"'):
        inner, end = value_at(text, 0)
        if end == len(text) and isinstance(inner, str) and inner.lstrip().startswith(("{", "[", "<")):
            return inner
    return text


class _CallReader:
    """Reads calls of the tools that are offered."""

    def __init__(self, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self._tools = tools
        self._by_letters = {letters(name): name for name in tools}
        longest = sorted(tools, key=len, reverse=True)
        names = self._names = "|".join(re.sub(r"(?:\\?[\W_])+", "[-_. ]?", re.escape(name)) for name in longest) or r"(?!)"
        exact = "|".join(map(re.escape, longest)) or r"(?!)"
        self._head = re.compile(
            rf"(?i)(?:(?:^|\n)[ \t>@#/`]*(?:\*\*)?(?:{_HINT}\b\W{{0,3}}:?\W{{0,4}})?|[>\]=:.])"
            rf"\s*(?:functions?\.|default_api\.|tools?\.)?(?P<name>{names}){GAP}\Z"
        )
        self._call = re.compile(rf"(?mi)(?:^[ \t`]*(?:[-*] )?(?:{_HINT}\W{{1,3}})?|(?<=[>\]|])[ \t]*|\A){_PREFIX}(?P<name>{names})(?:\.call)?\(")
        self._inline = re.compile(rf"{_INTENT}(?P<name>{exact})\(")
        self._next = re.compile(rf"(?i)\s*[,;\n]\s*{_PREFIX}(?P<name>{names})\(")
        self._react = re.compile(
            rf"(?mis)^\W{{0,4}}Action\W{{0,3}}:\W{{0,4}}(?P<name>{names})(?:\W*\n\W{{0,4}}Action Input\W{{0,3}}:\**|\[)(?P<input>.*?)"
            r"(?=\n\W{0,4}(?:Observation|Thought|Action|Final Answer|PAUSE)\b|\Z)"
        )
        keys = "|".join((*_NAME_KEYS, _KIND_KEY))
        self._named = re.compile(
            rf"(?i)(?:[\"'](?:{keys})[\"']|[{{,]\s*(?:{keys}))\s*:\s*[\"']?(?:functions?\.)?(?:{names})\b|[\"'](?:{names})[\"']\s*:\s*\{{"
        )
        self._begun = re.compile(
            rf"(?mi)(?:^|(?<=[>\]|]))[ \t`]*(?:functions?\.)?(?:{_PREFIX}(?P<name>{names})(?:\.call)?(?P<open>\()|(?:{names})\s*[(:=]?\s*\{{)"
            rf"|<(?:{names})>\s*[<{{]|</(?:{names})>|>\s*(?:{names})\s*</|(?:^|\n)\W{{0,4}}Action\W{{1,4}}(?:{names})\W*(?:\n|\Z)"
        )

        self._begins = re.compile(rf"(?i)\A\W*(?:\w{{1,12}}\W{{1,4}})?(?P<name>{names})\b(?P<rest>.{{1,200}})", re.DOTALL)

    def before_observed(self, text: str) -> str:
        """Return a text up to an invented result of a call."""
        observed = _OBSERVED.search(text)
        acts = observed and re.search(r"(?m)^\W{0,4}Action\W{0,3}:", text[: observed.start()])
        return text[: observed.start()] if observed and acts else text

    def found(self, text: str) -> Iterator[_Found]:
        """Yield the readable calls in order, none twice."""
        hidden = masked(text, self._names)
        elements = [*self._elements(text, hidden), *self._reacted(text, hidden)]
        at = 0
        for one in sorted([*elements, *self._json(text, hidden), *self._called(text, hidden)], key=lambda f: (f.start, -f.end)):
            if one.start >= at:
                yield one
                at = one.end

    def looks_like_call(self, rest: str) -> bool:
        """Whether the rest names a tool in call syntax, or has a mark that begins a call."""
        shown = masked(rest, self._names)
        if OPENING.search(shown):
            return True
        alone, end = value_at(rest.strip().strip("`").removeprefix("json").strip(), 0)
        if end > 0 and isinstance(alone, dict) and len(self._fitting(cast(dict[str, Any], alone))) > 1:
            return True
        argued = re.search(rf"(?:[\"']|[{{,]\s*)(?:{'|'.join(_ARGUMENT_KEYS)})[\"']?\s*:", shown)
        if self._named.search(shown) and (argued or shown.lstrip().startswith(("{", "["))):
            return True
        return self._begins_with_call(shown) or any(not self._is_mention(shown, begun) for begun in self._begun.finditer(shown))

    def _begins_with_call(self, text: str) -> bool:
        """Whether a text begins with a tool's name, and one of its parameters is given a value, in whatever syntax."""
        begun = self._begins.match(text)
        own = [p for p in self._tools.get(self._own(begun["name"]), {}).get("properties", {}) if p not in _CONTROLS] if begun else []
        return bool(begun and any(re.search(rf"(?:^|[\n{{(,\s]\W?){re.escape(p)}\W?\s*[:=](?!=)", begun["rest"]) for p in own))

    def _is_mention(self, text: str, begun: re.Match[str]) -> bool:
        """Whether a name and its bracket only say how a tool is called: its parameters without values, among other words."""
        if not begun["open"]:
            return False
        brackets = re.compile(r"\(([\w\s,|*=:\[\]]*)\)").match(text, begun.end() - 1)
        properties = self._tools.get(self._own(begun["name"]), {}).get("properties", {})
        words = re.split(r"\s*,\s*", brackets[1].strip()) if brackets else []
        named = all(re.split(r"\W", word)[0] in {"", *properties} and "=" not in word for word in words)
        return bool(brackets) and named and bool(re.search(r"\w", text[: begun.start()] + text[brackets.end() :]))

    def _elements(self, text: str, hidden: str) -> Iterator[_Found]:
        for one in elements(text, hidden, self._own, self._alone):
            arguments = {key.strip(): self._typed(one.name, key.strip(), value) for key, value in one.arguments.items()}
            yield _Found(one.start, one.end, [checked(one.name, arguments)])

    def _typed(self, name: str, key: str, value: Any) -> Any:
        """Return an XML parameter as the type that the tool's schema names; a text stays one."""
        schema = cast(dict[str, Any], self._tools.get(name, {}).get("properties", {}).get(key) or {})
        choices = cast(list[dict[str, Any]], schema.get("anyOf") or [])
        kinds = {str(one.get("type") or "") for one in (schema, *choices)} - {""}
        if not isinstance(value, str) or "string" in kinds or not kinds:
            return value
        read, end = value_at(value.strip(), 0)
        return read if end == len(value.strip()) else value

    def _alone(self, name: str, text: str) -> dict[str, Any] | None:
        """Return the arguments that a text alone is: the only one that a tool must have."""
        schema = self._tools.get(name, {})
        required = [key for key in schema.get("required", ()) if key not in _CONTROLS]
        if not text:
            return None if required else {}
        own = [key for key in schema.get("properties", {}) if key not in _CONTROLS]
        only = required if len(required) == 1 else own if len(own) == 1 else []
        return {only[0]: self._typed(name, only[0], text)} if only and not text.startswith(("<", "{", "[")) else None

    def _reacted(self, text: str, hidden: str) -> Iterator[_Found]:
        for match in self._react.finditer(hidden):
            name, given = self._own(match["name"]), text[slice(*match.span("input"))].strip().strip("`").strip()
            value, end = value_at(given, 0)
            if isinstance(value, dict) or (end > 0 and given[end:].strip()):
                continue  # an object is read as one
            plain = value if isinstance(value, str) else given.removesuffix("]").strip("\"'")
            if (arguments := self._alone(name, plain)) is not None:
                yield _Found(match.start(), match.end(), [checked(name, arguments)])

    def _json(self, text: str, hidden: str) -> Iterator[_Found]:
        at = tried = 0
        while tried < _MAX_STARTS and (start := _next_bracket(hidden, at)) >= 0:
            tried += 1
            value, end = value_at(text, start)
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
        marked = bool(OPENING.search(before[max(0, len(before) - 200) :]))
        if calls := self._shaped(value, anything=marked):
            return calls, start
        if not isinstance(value, dict):
            return [], start
        head = self._head.search(before[max(0, len(before) - 300) :])
        if head:
            return [checked(self._own(head["name"]), cast(dict[str, Any], value))], max(0, len(before) - 300) + head.start("name")
        alone = not NOISE.sub("", text[:start] + text[end:]).strip(" \n\t`")
        names = self._fitting(cast(dict[str, Any], value)) if alone or marked else []
        return ([checked(names[0], cast(dict[str, Any], value))] if len(names) == 1 else []), start

    def _shaped(self, value: Any, *, anything: bool) -> list[ReadCall]:
        """Return the calls of a value that has the shape of one or more; all of a list must have it."""
        if isinstance(value, list):
            each = [self._shaped(one, anything=anything) for one in cast(list[Any], value)]
            return [call for calls in each for call in calls] if all(each) else []
        if not isinstance(value, dict):
            return []
        given = cast(dict[str, Any], value)
        fields = {letters(key): one for key, one in given.items()}
        for key in _WRAPPERS:
            if isinstance(fields.get(key), dict | list):
                return self._shaped(fields[key], anything=anything)
        if len(given) == 1 and self._own(only := next(iter(given))) and isinstance(given[only], dict):
            return [checked(self._own(only), given[only])]
        key = next((k for k in _NAME_KEYS if isinstance(fields.get(k), str)), "")
        if not key and isinstance(kind := fields.get(_KIND_KEY), str) and self._own(kind):
            key = _KIND_KEY
        given_name = str(fields.get(key, ""))
        name = self._own(given_name) or (given_name if anything else "")
        if not name:
            return []
        arguments = self._arguments(name, fields, given, key)
        return [] if arguments is None else [checked(name, arguments)]

    def _arguments(self, name: str, fields: Mapping[str, Any], given: Mapping[str, Any], name_key: str) -> dict[str, Any] | None:
        key = next((k for k in _ARGUMENT_KEYS if k in fields), "")
        if not key:
            flat = {k: v for k, v in given.items() if letters(k) not in {name_key, "type", "id"}}
            return flat if self._fits(name, flat) else None
        value: Any = fields[key]
        if isinstance(value, str):
            read = cast("object", value_at(value.strip() or "{}", 0)[0])
            if not isinstance(read, dict):
                return self._alone(name, value.strip()) if key in _PLAIN_INPUTS else None
            value = cast(Any, read)
        if isinstance(value, list):
            value = _of_list(cast(list[Any], value))
        return cast(dict[str, Any], value) if isinstance(value, dict) else None

    def _own(self, name: str) -> str:
        """Return the tool's own name, which models write in other capitals and signs, and behind a namespace; empty if it is none."""
        return own_name(name, self._tools, self._by_letters)

    def _fits(self, name: str, arguments: Mapping[str, Any]) -> bool:
        schema = self._tools.get(name, {})
        required = set(schema.get("required", ())) - set(_CONTROLS)
        return required <= set(arguments) <= set(schema.get("properties", ())) | set(_CONTROLS)

    def _fitting(self, arguments: Mapping[str, Any]) -> list[str]:
        """Return the tools whose arguments these could be."""
        own = set(arguments) - set(_CONTROLS)
        return [name for name in self._tools if own and self._fits(name, arguments)]

    def _called(self, text: str, hidden: str) -> Iterator[_Found]:
        """Yield Python calls: on lines of their own, in a list, or at the end of a line that says that they are made."""
        for match in islice(self._call.finditer(hidden), _MAX_STARTS):
            calls, end = self._chain(text, hidden, match)
            tail = NOISE.sub("", text[end:].split("\n", 1)[0]) if end > 0 else ""
            if calls and not re.sub(r"#.*|//.*", "", tail).strip(" \t)],;.`"):
                closing = re.compile(r"[)\],; ]*").match(text, end)
                yield _Found(match.start("name"), closing.end() if closing else end, calls)
        for match in islice(_MADE.finditer(hidden), _MAX_STARTS):
            _, named, end = arguments_at(text, match.end() - 1)
            if end > 0 and (calls := self._shaped(named, anything=False)):
                yield _Found(match.start(), end, calls)
        for match in islice(self._inline.finditer(hidden), _MAX_STARTS):
            places, named, end = arguments_at(text, match.end() - 1)
            call = self._python_call(match["name"], places, named) if end > 0 else None
            tail = text[end:].split("\n", 1)[0].strip(" \t.!`") if end > 0 else ""
            if call and not tail and self._fits(call.name, call.arguments) and not _PLACEHOLDER.search(str(list(call.arguments.values()))):
                yield _Found(match.start("name"), end, [call])

    def _chain(self, text: str, hidden: str, first: re.Match[str]) -> tuple[list[ReadCall], int]:
        """Return consecutive calls and where they end; an unreadable one among others fails by itself."""
        calls: list[ReadCall] = []
        match, end = first, -1
        while match and len(calls) < _MAX_CALLS:
            places, named, closed = arguments_at(text, match.end() - 1)
            name = self._own(match["name"])
            call = self._python_call(name, places, named) if closed > 0 else None
            if call is None:
                return calls, end
            calls, end = [*calls, call], closed
            match = self._next.match(hidden, end)
        return calls, end

    def _python_call(self, name: str, places: list[Any], named: dict[str, Any]) -> ReadCall | None:
        free = [p for p in self._tools[name].get("properties", {}) if p not in _CONTROLS and p not in named]
        if len(places) == 1 and isinstance(places[0], dict) and not named:
            return checked(name, cast(dict[str, Any], places[0]))
        return checked(name, {**dict(zip(free, places, strict=False)), **named}) if len(places) <= len(free) else None


def _of_list(parts: list[Any]) -> Any:
    """Return the arguments that a list of them is: the only object, or pairs of names and values."""
    pairs = [cast(dict[str, Any], part) for part in parts if isinstance(part, dict)]
    if len(pairs) == len(parts) and all({"name", "value"} <= set(pair) for pair in pairs):
        return {str(pair["name"]): pair["value"] for pair in pairs}
    return pairs[0] if len(parts) == len(pairs) == 1 else None


def _next_bracket(text: str, at: int) -> int:
    found = re.compile(r"[{\[]").search(text, at)
    return found.start() if found else -1
