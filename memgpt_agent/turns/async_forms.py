"""The async form of a method that waits for files: it does the same in a thread, so that the loop is not held up."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def in_thread(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Return the async form of a method, to be bound to the method's name with an ``a`` before it.

    **Limits**: cancelled, it leaves the work to end in its thread.
    """

    @wraps(method)
    async def form(self: S, /, *given: P.args, **named: P.kwargs) -> R:
        return await asyncio.to_thread(method, self, *given, **named)

    form.__name__ = f"a{method.__name__}"
    form.__qualname__ = method.__qualname__.replace(method.__name__, form.__name__)
    form.__doc__ = f"The same as :meth:`{method.__name__}` in an asyncio loop."
    return form
