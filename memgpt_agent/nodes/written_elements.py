"""Tool calls that a model wrote as XML: the tool named by an attribute, by the tag itself, or by what stands first in it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from memgpt_agent.nodes.written_marks import NAMESPACE
from memgpt_agent.text.literals import value_at

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
