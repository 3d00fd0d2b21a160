"""Ctrl-C while the model speaks: stops the running call at its next token."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import FrameType
from typing import Any

_handler: ContextVar[Any] = ContextVar("memgpt_interrupt", default=None)


@contextmanager
def interruptible() -> Generator[None]:
    """Make Ctrl-C raise KeyboardInterrupt here and at the next token of a model call in any thread.

    LangGraph runs a node in a thread and waits for it when interrupted; without this the whole answer would be
    waited for (measured with the embedded model: more than six seconds).

    **Limits**: reading the prompt is one call into the model's library and is not stopped. Outside the main thread,
    where signals do not arrive, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = threading.Event()

    def press(_number: int, _frame: FrameType | None) -> None:
        pressed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    token = _handler.set(_handler_class()(pressed))
    try:
        yield
    finally:
        _handler.reset(token)
        signal.signal(signal.SIGINT, before)


@cache
def _handler_class() -> Any:
    """Return the callback that watches a model's tokens, known to LangChain from then on."""
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.tracers.context import register_configure_hook

    class StopAtNextToken(BaseCallbackHandler):
        """Raises in the model's own thread once Ctrl-C was pressed."""

        raise_error = True
        run_inline = True

        def __init__(self, pressed: threading.Event) -> None:
            self._pressed = pressed

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            """Stop the call. KeyboardInterrupt, because LangChain logs and may swallow an ordinary exception."""
            if self._pressed.is_set():
                raise KeyboardInterrupt

    register_configure_hook(_handler, inheritable=True)
    return StopAtNextToken
