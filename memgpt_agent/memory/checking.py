"""Checking data from a file against the class that reads it: every field, its JSON type and its bounds."""

import json
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from memgpt_agent.errors import AgentFileError

MAX_TEXT_CHARS = 1_000_000
"""The most characters of a text without a bound of its own."""
MAX_LONG_CHARS = 30_000_000
"""The most characters of a message or attachment: a message is kept whole, however long it is."""
MAX_NAME_CHARS = 200
"""The most characters of a name in a prompt: a label, a tag, a tool."""
_SHOWN_CHARS = 40


def one_line(text: str) -> str:
    """Return a text if nothing in it ends a line or steers a terminal.

    Raises:
        ValueError: there is such a character in it; the message gives its number.
    """
    if found := next((sign for sign in text if sign < " " or sign in "\x7f\x85\u2028\u2029"), ""):
        raise ValueError(f"a name is one line of text; it holds the character U+{ord(found):04X}")
    return text


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS), AfterValidator(one_line)]
"""A label, a tag, the name of a tool."""
Names = Annotated[tuple[Name, ...], Field(max_length=1_000)]
Long = Annotated[str, Field(max_length=MAX_LONG_CHARS)]
"""A message or an attachment."""


def check_as(kind: Any, value: Any, place: str) -> None:
    """Refuse a value that is not what a dataclass, a ``TypedDict`` or another type says; more fields than it has are no fault.

    Raises:
        AgentFileError: it is not; the message begins with the place of the first fault.
    """
    try:
        _reader(kind)(_as_bytes(value))
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged(".".join([place, *map(str, first["loc"][1:])]), _fault(first)) from error


def damaged(place: str, fault: str) -> AgentFileError:
    """Return the error for an invalid value in a file."""
    return AgentFileError(f"{place}: {fault.rstrip('.')}. Nothing was imported.")


def _fault(found: ErrorDetails) -> str:
    """Describe what is wrong, with the length of the value, or the value itself if it is short."""
    value, said = found["input"], found["msg"].removeprefix("Value error, ")
    if isinstance(value, str) and len(value) > _SHOWN_CHARS:
        return f"{said}; it has {len(value):,} ({value[:_SHOWN_CHARS]!r} ...)"
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"{said}; it is {value!r}"
    return said


def _as_bytes(value: Any) -> bytes:
    # Half an emoji is legal in a Python string; which character it is does not matter here.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


@cache
def _reader(kind: Any) -> Callable[[bytes], Any]:
    bounds = ConfigDict(str_max_length=MAX_TEXT_CHARS, allow_inf_nan=False)
    # A model around it, since a dataclass takes its bounds from what it stands in.
    model: type[BaseModel] = create_model("File", __config__=bounds, value=(_readable(kind), ...))
    # of JSON and not of Python's values: there a list is what a tuple is written as
    return lambda data: model.model_validate_json(b'{"value": %b}' % data, strict=True)


def _readable(kind: Any) -> Any:
    """Return a type that pydantic can read; before Python 3.12 it cannot read ``typing.TypedDict``."""
    if is_typeddict(kind):
        needed = cast(frozenset[str], kind.__required_keys__)
        hints = get_type_hints(kind)
        named: dict[str, Any] = {name: (_readable(of), ... if name in needed else None) for name, of in hints.items()}
        return create_model(kind.__name__, **named)
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(NoneType if one is NoneType else _readable(one) for one in get_args(kind))]  # noqa: UP007  of types that are computed
    if get_origin(kind) is dict:
        of_keys, of_values = get_args(kind)
        return dict[of_keys, _readable(of_values)]  # pyright: ignore[reportInvalidTypeArguments]
    return kind
