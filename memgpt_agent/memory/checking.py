"""Comparing data of a file with the class that reads it: every field there, of its type as JSON has it, nothing made to fit."""

import json
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import TypeAdapter, ValidationError, create_model

from memgpt_agent.errors import AgentFileError


def check_as(kind: Any, value: Any, place: str) -> None:
    """Refuse a value that is not what a dataclass, a ``TypedDict`` or another type says; more fields than it has are no fault.

    Raises:
        AgentFileError: it is not; the message begins with the place of the first fault.
    """
    try:
        _reader(kind)(_as_bytes(value))
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged(".".join([place, *map(str, first["loc"])]), first["msg"]) from error


def damaged(place: str, fault: str) -> AgentFileError:
    """Return the error that something in a file is not as it must be."""
    return AgentFileError(f"{place}: {fault.rstrip('.')}. Nothing was imported.")


def _as_bytes(value: Any) -> bytes:
    # Half an emoji is legal in a Python string; which character it is does not matter here.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


@cache
def _reader(kind: Any) -> Callable[[bytes], Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(_readable(kind))
    # of JSON and not of Python's values: there a list is what a tuple is written as
    return lambda data: adapter.validate_json(data, strict=True)


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
