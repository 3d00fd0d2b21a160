"""One implementation with sync and async forms: a coroutine whose waits run here or on an event loop."""

import asyncio
import sys
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from functools import wraps
from inspect import signature
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

S = TypeVar("S")
T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class Unsuspended(Generic[T]):
    """A generator in the form of an async one that never suspends."""

    def __init__(self, items: Generator[T]) -> None:
        self._items = items

    def __aiter__(self) -> "Unsuspended[T]":
        return self

    async def __anext__(self) -> T:
        for item in self._items:
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the generator."""
        self._items.close()


class _Entered(Generic[R]):
    """A context manager in its async form that never suspends."""

    def __init__(self, manager: AbstractContextManager[R]) -> None:
        self._manager = manager

    async def __aenter__(self) -> R:
        return self._manager.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._manager.__exit__(kind, error, trace)


class Face:
    """How a shared implementation waits. Whatever in it may block, and whatever has a sync and an async form, goes through this."""

    def __init__(self, *, on_loop: bool) -> None:
        self._on_loop = on_loop

    async def call(self, act: Callable[P, R], /, *given: P.args, **named: P.kwargs) -> R:
        """Do work that may block, such as reading a file."""
        return await asyncio.to_thread(act, *given, **named) if self._on_loop else act(*given, **named)

    async def either(
        self, sync: Callable[P, R], on_loop: Callable[P, Awaitable[R]], /, *given: P.args, **named: P.kwargs
    ) -> R:
        """Call the form that suits the face."""
        return await on_loop(*given, **named) if self._on_loop else sync(*given, **named)

    def within(
        self, sync: Callable[P, AbstractContextManager[R]], on_loop: Callable[P, AbstractAsyncContextManager[R]], /,
        *given: P.args, **named: P.kwargs,
    ) -> AbstractAsyncContextManager[R]:  # fmt: skip
        """Enter the context manager that suits the face."""
        return on_loop(*given, **named) if self._on_loop else _Entered(sync(*given, **named))

    def stream(
        self,
        sync: Callable[P, Generator[R]],
        on_loop: Callable[P, AsyncGenerator[R]],
        /,
        *given: P.args,
        **named: P.kwargs,
    ) -> AbstractAsyncContextManager[AsyncGenerator[R] | Unsuspended[R]]:
        """Iterate over what the suitable form yields; leaving the block closes it."""
        return aclosing(on_loop(*given, **named) if self._on_loop else Unsuspended(sync(*given, **named)))


SYNC = Face(on_loop=False)
"""The face of callers without an event loop: a coroutine that waits only through it never suspends."""
ON_LOOP = Face(on_loop=True)
"""The face of callers on an event loop, which it never blocks."""


def finished(work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that waits only through :data:`SYNC` to its end, in this thread, and return its result.

    A running event loop does not matter: the coroutine is none of its tasks.

    Raises:
        RuntimeError: the coroutine suspended; it waited past its face.
    """
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError(f"{work!r} suspended. Behind a sync face a coroutine may wait through its face only.")


def iterated(work: AsyncGenerator[T]) -> Generator[T]:
    """Yield what an async generator yields that waits only through :data:`SYNC`; closing one closes the other, at once."""
    try:
        while True:
            try:
                item = finished(_next(work))
            except StopAsyncIteration:
                return
            yield item
    finally:
        finished(work.aclose())


def _next(work: AsyncGenerator[T]) -> Coroutine[Any, Any, T]:
    """Return the next step of an async generator, hidden from the thread's event loop, which would try to close it at its own end."""
    hooks = sys.get_asyncgen_hooks()
    if hooks.firstiter is None:
        return anext(work)
    sys.set_asyncgen_hooks(None, None)
    try:
        return anext(work)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def in_thread(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Return the async form of a method that only waits for files, to be bound to its name with an ``a`` before it.

    **Limits**: cancelled, it leaves the work to end in its thread.
    """

    @wraps(method)
    async def form(self: S, /, *given: P.args, **named: P.kwargs) -> R:
        return await asyncio.to_thread(method, self, *given, **named)

    form.__name__ = f"a{method.__name__}"
    form.__qualname__ = method.__qualname__.replace(method.__name__, form.__name__)
    form.__doc__ = f"Async form of :meth:`{method.__name__}`."
    return form


def forms(
    work: Callable[Concatenate[S, Face, P], Coroutine[Any, Any, R]],
) -> tuple[Callable[Concatenate[S, P], R], Callable[Concatenate[S, P], Coroutine[Any, Any, R]]]:
    """Return the sync and the async form of a method ``_NAME`` that waits through the face it is given, to be bound to ``NAME, aNAME``."""
    name = work.__name__.removeprefix("_")
    hidden = signature(work)
    shown = hidden.replace(parameters=[one for place, one in enumerate(hidden.parameters.values()) if place != 1])

    def sync(self: S, /, *given: P.args, **named: P.kwargs) -> R:
        return finished(work(self, SYNC, *given, **named))

    async def on_loop(self: S, /, *given: P.args, **named: P.kwargs) -> R:
        return await work(self, ON_LOOP, *given, **named)

    for form, called, doc in ((sync, name, work.__doc__), (on_loop, f"a{name}", f"Async form of :meth:`{name}`.")):
        form.__name__, form.__doc__, form.__module__ = called, doc, work.__module__
        form.__qualname__ = work.__qualname__.replace(work.__name__, called)
        form.__dict__["__signature__"] = shown
    return sync, on_loop


class Closing:
    """A context manager of both faces that closes itself at the block's end."""

    @abstractmethod
    def close(self) -> None:
        """Close it. May be called twice; another thread's running operation is finished first."""

    def __enter__(self) -> Self:
        """Return the object itself; the block's end closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the object itself; the block's end closes it in a thread."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        await asyncio.to_thread(self.close)
