"""Values as models write them: JSON, Python's and JavaScript's literals, and the arguments of a call between brackets."""

import json
import re
from collections.abc import Callable
from typing import Any

_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": ""}
_SPACE = re.compile(r"(?:\s|#[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w-]*")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*)(?:\.\d*)?(?:[eE][+-]?\d+)?(?!\w)")
_QUOTES = ('"""', "'''", '<|"|>', "<escape>", '"', "'", "`", "“", "‘")
"""What encloses a text; Gemma's models use the marks."""
_ENDS = {"“": "”", "‘": "’"}
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_MAX_DEPTH = 40


class NoLiteral(ValueError):
    """What stands at a place is not a value."""


def value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins at a place, and where it ends; -1 if there is none.

    JSON is read as JSON. Else keys may stand without quotes, texts between any quotes and with line breaks in them, and a comma
    may be missing its next value. Nothing is evaluated.
    """
    try:
        return json.JSONDecoder(strict=False, parse_constant=_no_number).raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    try:
        reader = _Literals(text, start)
        return reader.value(), reader.at
    except NoLiteral:
        return None, -1


def arguments_at(text: str, start: int) -> tuple[list[Any], dict[str, Any], int]:
    """Return the arguments of a call whose bracket opens at ``start``, by place and by name, and where it closes; -1 where that fails."""
    try:
        reader = _Literals(text, start)
        places, names = reader.arguments()
        return places, names, reader.at
    except NoLiteral:
        return [], {}, -1


def _no_number(name: str) -> Any:
    raise NoLiteral(f"{name} is no JSON number")


class _Literals:
    """Reads one value after the other; ``at`` is the place behind what was read."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self.at, self._depth = text, at, 0

    def value(self) -> Any:
        """Read a value."""
        self._space()
        if self._begins(*_QUOTES):
            return self._texts()
        if self._begins("{", "[", "("):
            return self._container()
        if self._text[self.at : self.at + 2] in {'f"', "f'", 'r"', "r'"}:
            self.at += 1
            return self._texts()
        if number := _NUMBER.match(self._text, self.at):
            self.at = number.end()
            digits = number[0].replace("_", "")
            return float(digits) if re.search(r"[.eE]", digits) else int(digits[:400])
        word = self._word()
        if word.lower() not in _WORDS:
            raise NoLiteral(word)
        return _WORDS[word.lower()]

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Read what stands between round brackets."""
        places: list[Any] = []
        names: dict[str, Any] = {}

        def argument() -> None:
            begin, name = self.at, self._word() if _NAME.match(self._text, self.at) else ""
            self._space()
            if name and self._begins("=", ":") and self._text[self.at : self.at + 2] != "==":
                self.at += 1
                names[name] = self.value()
            else:
                self.at = begin
                places.append(self.value())

        self._until(")", argument)
        return places, names

    def _container(self) -> Any:
        opening = self._text[self.at]
        if opening == "{":
            return self._object()
        values: list[Any] = []
        self._until(_CLOSING[opening], lambda: values.append(self.value()))
        return values[0] if opening == "(" and len(values) == 1 else values

    def _object(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}

        def pair() -> None:
            key = self._texts() if self._begins(*_QUOTES) else self._word()
            self._space()
            if not self._begins(":", "="):
                raise NoLiteral("a key without a value")
            self.at += 2 if self._begins("=>") else 1
            fields[key] = self.value()

        self._until("}", pair)
        return fields

    def _until(self, closing: str, read: Callable[[], Any]) -> None:
        """Read what stands between an opening bracket and its closing one, parted by commas."""
        self.at, self._depth = self.at + 1, self._depth + 1
        if self._depth > _MAX_DEPTH:
            raise NoLiteral("nested too deep")
        self._space()
        while not self._begins(closing):
            read()
            self._space()
            if self._begins(",", ";"):
                self.at += 1
                self._space()
            elif not self._begins(closing):
                raise NoLiteral(f"no {closing}")
        self.at, self._depth = self.at + 1, self._depth - 1

    def _texts(self) -> str:
        """Read a text, or several that stand one behind the other, as Python joins them."""
        text = self._one_text()
        while True:
            end = self.at
            self._space()
            if not self._begins('"', "'"):
                self.at = end
                return text
            text += self._one_text()

    def _one_text(self) -> str:
        quote = next(q for q in _QUOTES if self._text.startswith(q, self.at))
        self.at += len(quote)
        quote = _ENDS.get(quote, quote)
        characters: list[str] = []
        plain = re.compile(rf"[^\\{re.escape(quote[0])}]+")
        while not self._text.startswith(quote, self.at):
            if self.at >= len(self._text):
                raise NoLiteral("a text without its end")
            if run := plain.match(self._text, self.at):
                characters.append(run[0])
                self.at = run.end()
            elif self._text[self.at] == "\\":
                characters.append(self._escaped())
            else:
                characters.append(self._text[self.at])
                self.at += 1
        self.at += len(quote)
        return "".join(characters)

    def _escaped(self) -> str:
        if code := re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8}))").match(self._text, self.at):
            self.at = code.end()
            number = int(next(group for group in code.groups() if group), 16)
            return chr(number) if number <= 0x10FFFF else "\ufffd"
        char = self._text[self.at + 1 : self.at + 2]
        self.at += 2
        return _ESCAPES.get(char, char)

    def _word(self) -> str:
        found = _NAME.match(self._text, self.at)
        if not found:
            raise NoLiteral(self._text[self.at : self.at + 20])
        self.at = found.end()
        return found[0]

    def _space(self) -> None:
        found = _SPACE.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def _begins(self, *signs: str) -> bool:
        return self._text.startswith(signs, self.at)
