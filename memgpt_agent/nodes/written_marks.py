"""The marks between which models write tool calls as text, calls that are written as XML, and texts that only speak of calls."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from memgpt_agent.text.literals import value_at

NAMESPACE = r"(?:[\w-]+:)?"
_TAGS = (
    r"(?:tool_?calls?|tools?_?code|tool_use|use_mcp_tool|tool|functions?|function_?calls?|invoke"
    r"|toolcall|start_function_call|longcat_tool_call)"
)
MARK = (
    rf"</?(?:[|｜]DSML[|｜]|\s*){NAMESPACE}{_TAGS}\b[^<>\n]{{0,200}}>|<[|｜][^|｜<>\n\"]{{1,40}}[|｜]?>|<[a-z_]{{1,30}}\|>|<end_function_call>"
    r"|\[/?[A-Z_]*(?:TOOL|CALL|ARGS|FUNC)[A-Z_]*\]"
    r"|\bfunctools\b|>>>"
)
"""Hermes, Qwen, GLM, MiniMax, Anthropic's older form; Llama, Kimi, gpt-oss, DeepSeek, Cohere, Phi; Gemma 4; Mistral; Functionary.

Source: the parsers in github.com/vllm-project/vllm (vllm/tool_parsers) and github.com/ggml-org/llama.cpp (common/chat.cpp).
"""
OPENING = re.compile(
    rf"<\s*{NAMESPACE}(?!/){_TAGS}\b(?!\s*/)(?<!<function)(?<!<functions)(?<!<tool)[^<>\n]{{0,200}}(?<!\|)>"
    rf"|<\s*{NAMESPACE}(?:function|tool)\s*[=\s][^<>\n]{{1,200}}>|<\|(?!/|end)[^|<>\n]{{0,20}}(?:tool|python_tag|python_start|ACTION|action_start|plugin)"
    r"(?:(?!end\b|suffix|response|result|output|_end|END)[^|<>\n]){0,30}\|?>|\[[A-Z_]*TOOL_?CALLS?\]|<\|channel\|>[^<>]{0,40}\bto=|\bto=functions\.\w",
    re.IGNORECASE,
)
"""Marks that begin a call."""
NOISE = re.compile(
    rf"{MARK}|```\w*|^[ \t>*]*(?:Action|Action Input|Tool|Function|Arguments)\W{{0,3}}:\W{{0,3}}|^[ \t]*print\(\w*\)[ \t]*$|<\?xml[^<>]*\?>",
    re.IGNORECASE | re.MULTILINE,
)
GAP = (
    rf"(?:\[CALL_ID\]\w+|{MARK}|[\s>:(=*`\"]|```\w*|\bAction Input|\b(?:with )?(?:the )?(?:arguments?|args|parameters?|params|input)\b"
    r"|\bwith\b|\bjson\b|\bcode\b|:\d+|#\d+)*"
)
"""What may stand between a name and its arguments."""
LEAD = re.compile(
    rf"(?:{MARK}|[\s>:(=\[,;*`]|```\w*|Thought:[^\n]*\n|Action Input:?|(?<!\w)\w+\s*=(?=\s*\Z)|<function="
    r"|\b(?:Action|Tool|Function|Call(?:ing)?|function|commentary|assistant|await|tools?\.|tool_call|functions\.|to=functions\.|to=|default_api\.|call:|print\())*\Z",
    re.IGNORECASE,
)
"""Text before a call that belongs to it."""
_INLINE = re.compile(r"(?<!`)`[^`\n]+`(?!`)")
_FENCED = re.compile(r"^[ \t]{0,8}```(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)(?:```|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?m)^\s*(?:def|import|from|class|for|while|if|try|with|return|const|let|var|function|#include|<\?php)\b|^\s*\w+\s*=[^=]")
_DEFINES = re.compile(r"(?m)^\s*(?:def|import|from|class|const|function|#include)\b")
_SHOWN = re.compile(
    r"\b(?:examples?|for instance|you (?:can|could|would|might|may|should)|use this|try this|snippet|script|usage|like this|how to|sample"
    r"|(?:the|some|your) code)\b",
    re.IGNORECASE,
)
"""Words that introduce code shown to a person."""
_BEFORE_CHARS = 300


def masked(text: str, names: str) -> str:
    """Return a text of the same length in which what speaks of calls is blanked, and DeepSeek's wide signs are plain ones.

    Blanked are code in backticks within a line, and blocks of code for the user: those that do more than call tools, and those that
    words before them show to a person.

    Args:
        text: what a model said.
        names: a pattern of the tools' names.
    """
    plain = text.replace("｜", "|").replace("▁", "_")
    plain = re.sub(r"\|DSML\|", lambda m: " " * len(m[0]), plain)
    if not _INLINE.fullmatch(plain.strip()):
        plain = _INLINE.sub(lambda m: m[0] if re.fullmatch(rf"(?i)`(?:{names})`", m[0]) else " " * len(m[0]), plain)
    return _FENCED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if _is_for_user(plain, m, names) else m[0], plain)


def _is_for_user(text: str, block: re.Match[str], names: str) -> bool:
    if block["language"].lower() in {"tool_code", "tool_call", "tool"}:
        return False
    if _DEFINES.search(block["code"]):
        return True
    around = f"{text[: block.start()]} {text[block.end() :]}".strip(" \n\t.:")
    if not around:
        return False
    if _SHOWN.search(text[max(0, block.start() - _BEFORE_CHARS) : block.start()]):
        return True
    return bool(_CODE.search(re.sub(rf"(?mi)^\s*\w+\s*=\s*(?:await\s+)?(?:\w+\.)?(?:{names})\(", "call(", block["code"])))


_TAG = re.compile(
    rf"<\s*{NAMESPACE}(?P<tag>[A-Za-z][\w.-]*)(?:\s*=\s*[\"']?(?P<named>[\w.-]+)[\"']?)?"
    r"(?P<attributes>(?:\s+[\w-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(?P<closed>/)?>"
)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CALLING = re.compile(r"tool|function|invoke|call", re.IGNORECASE)
_NAMES = re.compile(
    rf"\s*(?:<server_name>[^<>]*</server_name>\s*)?<{NAMESPACE}(?:(?:tool_|function_)?name|tool|function)>\s*(?P<name>[\w.-]+)\s*</",
    re.IGNORECASE,
)
_GLM = re.compile(r"\s*(?P<name>[\w.-]+)\s*(?=<arg_key>|\Z)")
_PAIRS = re.compile(
    rf"<\s*{NAMESPACE}(?:parameter|param|arg|argument)(?:=|\s+name\s*=\s*)[\"']?(?P<key>[\w.-]+)[\"']?[^<>]*>\n?(?P<value>.*?)\n?</\s*{NAMESPACE}(?:parameter|param|arg|argument)>"
    r"|<arg_key>\s*(?P<k>.*?)\s*</arg_key>\s*<arg_value>(?P<v>.*?)</arg_value>",
    re.DOTALL,
)
_HTML = frozenset({"a", "b", "code", "data", "form", "i", "input", "link", "map", "meta", "p", "pre", "search", "table", "time", "title"})
"""Tags of web pages, which are no calls of tools that happen to have such a name."""
_OBJECTS = ("arguments", "parameters", "args", "input", "params")
_MOST_TAGS = 64
"""The most calls that are looked for, and the most elements of one of them."""
_CHILD = re.compile(r"<(?P<key>[A-Za-z][\w.-]*)>\n?(?P<value>.*?)\n?</(?P=key)>", re.DOTALL)


@dataclass(frozen=True)
class Element:
    """A call in XML."""

    start: int
    """Where it begins."""
    end: int
    """Where it ends."""
    name: str
    """The tool's name as it is written, or our own for it."""
    arguments: dict[str, Any]
    """Its arguments; texts where nothing else is known of their types."""


def elements(text: str, hidden: str, own: Callable[[str], str], alone: Callable[[str, str], dict[str, Any] | None]) -> Iterator[Element]:
    """Yield the calls in a text, in order.

    Args:
        text: what a model said.
        hidden: the same with what is not a call blanked.
        own: returns our own name of a tool; empty if it is none.
        alone: returns the arguments that a text alone is for a tool; None if it can be none.
    """
    tried = at = 0
    for tag in _TAG.finditer(hidden):
        if tag.start() < at or tried >= _MOST_TAGS:
            continue
        body, end = _body(hidden, tag)
        inner, name = hidden[body:end], ""
        calling, attributes = bool(_CALLING.search(tag["tag"])), _attributes(tag["attributes"])
        if calling:
            name = tag["named"] or attributes.pop("name", "") or attributes.pop("tool", "")
            found = None if name else _NAMES.match(inner) or _GLM.match(inner)
            name = name or (found["name"] if found else "")
        name = own(name) or name if name else "" if tag["tag"] in _HTML else own(tag["tag"])
        if not name:
            continue
        tried += 1
        whole = tag["closed"] or end < len(hidden)
        arguments = _arguments(text[body:end], inner) or _of_attributes(attributes)
        if arguments is None and whole and own(name):
            arguments = alone(name, "" if _GLM.fullmatch(inner) and own(inner) else text[body:end].strip())
        if arguments is not None:
            closing = re.compile(r"</[^<>]*>").match(hidden, end)
            at = closing.end() if closing else end
            yield Element(tag.start(), at, name, arguments)


def _body(text: str, tag: re.Match[str]) -> tuple[int, int]:
    """Return where an element's content begins and ends; an unclosed one ends with the text."""
    if tag["closed"]:
        return tag.end(), tag.end()
    closing = re.compile(rf"</\s*{NAMESPACE}{re.escape(tag['tag'])}\s*>").search(text, tag.end())
    return tag.end(), closing.start() if closing else len(text)


def _attributes(tag_text: str) -> dict[str, str]:
    return {key: one or other for key, one, other in _ATTRIBUTE.findall(tag_text or "")}


def _of_attributes(attributes: dict[str, str]) -> dict[str, Any] | None:
    """Return the arguments that a tag's attributes are, each by itself or as one object."""
    if len(attributes) == 1 and (object_text := next((attributes[key] for key in _OBJECTS if key in attributes), "")):
        value, end = value_at(object_text, 0)
        return cast(dict[str, Any], value) if end > 0 and isinstance(value, dict) else None
    return dict(attributes) or None


def _arguments(body: str, hidden: str) -> dict[str, Any] | None:
    """Return the arguments that stand in an element, as pairs, as an object, or as elements of their own."""
    if hidden.count("<") > 4 * _MOST_TAGS:
        return None
    pairs = list(_PAIRS.finditer(hidden))
    if pairs:
        spans = [("key", "value") if pair["key"] else ("k", "v") for pair in pairs]
        return {pair[key]: body[slice(*pair.span(value))] for pair, (key, value) in zip(pairs, spans, strict=True)}
    children = {child["key"]: body[slice(*child.span("value"))] for child in _CHILD.finditer(hidden)}
    held = next((children[key] for key in _OBJECTS if key in children), body)
    begin = re.search(r"\{", held)
    if begin and not re.search(r"[^\s<>\w/:`|]", held[: begin.start()]):
        value, end = value_at(held, begin.start())
        if end > 0 and isinstance(value, dict):
            return cast(dict[str, Any], value)
    children = {key: value for key, value in children.items() if key not in {"name", "tool_name", "function_name", "server_name"}}
    if held is not body:
        return {child["key"]: child["value"] for child in _CHILD.finditer(held)} or None
    return children or None
