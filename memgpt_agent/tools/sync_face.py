"""Calling an async-only tool from sync code: its coroutine runs in a loop of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache, wraps
from typing import Any, TypeVar, cast

from langchain_core.tools import BaseTool, StructuredTool

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T], timeout_seconds: float | None = None) -> T:
    """Run a coroutine to its end in this process's one loop for such work, and return what it returns.

    Raises:
        TimeoutError: it took longer; it was cancelled.
        RuntimeError: it was called by a coroutine that runs in this very loop, which would wait for itself.
    """
    if _runs_there():
        work.close()
        raise RuntimeError(
            "An async tool called sync code that needs the tools' loop, in which it runs. Use asyncio.to_thread for it."
        )
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(timeout_seconds)
    except BaseException:
        future.cancel()
        raise


def _runs_there() -> bool:
    try:
        return asyncio.get_running_loop() is _loop()
    except RuntimeError:  # no loop runs in this thread
        return False


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="tools with an async face", daemon=True).start()
    return loop


def with_sync_face(tool: BaseTool) -> BaseTool:
    """Return the tool with a sync face where it has only an async one; any other tool as it is."""
    if not isinstance(tool, StructuredTool) or tool.func is not None or tool.coroutine is None:
        return tool
    coroutine = tool.coroutine

    @wraps(coroutine)  # what LangChain and LangGraph inject is found by the signature
    def face(*positional: Any, **named: Any) -> Any:
        work: Any = coroutine(*positional, **named)
        return run_in_loop(cast(Coroutine[Any, Any, Any], work))

    return tool.model_copy(update={"func": face})
