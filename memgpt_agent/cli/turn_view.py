"""Showing one turn on the terminal: the reply while it streams, dimmed thoughts and tool calls, and Ctrl-C."""

import json
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from memgpt_agent.cli.terminal import plain, shortened
from memgpt_agent.errors import MemGPTError, ModelError

if TYPE_CHECKING:
    from memgpt_agent.turns.turn_reader import AgentResponse, Approval, StreamEvent

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


SPEAKING_TOOL = "send_message"
"""Its call is not shown: the reply is."""
_ARGUMENTS_CHARS = 300
_RESULT_CHARS = 300


class TurnView:
    """Shows the events of a turn.

    Args:
        out: where the reply goes.
        aside: where thoughts and tool calls go.
        live: show the reply while it is spoken; else once, when the turn is over and nothing can be taken back.
        thoughts: show inner thoughts and tool calls; may be changed between turns.
    """

    def __init__(self, out: Console, aside: Console, *, live: bool, thoughts: bool) -> None:
        self.thoughts = thoughts
        self._out, self._aside, self._live = out, aside, live
        self._mid_line = False
        self._spoken = ""

    def show(self, events: "Iterator[StreamEvent]") -> "AgentResponse":
        """Show a turn and return the outcome.

        Raises:
            ModelError: something that is not this package's own error broke the turn (a provider's, a network's).
            KeyboardInterrupt: the user stopped it; the stream is closed.
        """
        self._mid_line, self._spoken = False, ""
        status = self._out.status("thinking", spinner="dots")
        try:
            with interruptible(), closing(cast("Generator[StreamEvent]", events)):
                self._wait(status, on=True)
                for event in events:
                    self._wait(status, on=False)
                    self._event(event)
                    if event.response is not None:
                        return event.response
                    self._wait(status, on=event.type != "delta")
        except MemGPTError:
            raise
        except Exception as error:
            raise ModelError(f"The turn broke off: {type(error).__name__}: {error}") from error
        finally:
            self._wait(status, on=False)
            self._end_line()
        raise ModelError("The turn ended without a response. Say it again, or run: memgpt doctor")

    @property
    def is_live(self) -> bool:
        """Whether the reply is shown while it is spoken."""
        return self._live

    def tell_waiting(self, approval: "Approval") -> None:
        """Say that a call waits for a decision, and how to decide."""
        line = f"waits for approval: {approval.tool}({arguments_line(approval.arguments)}). Decide with: memgpt approve"
        self._aside.print(plain(line, "yellow"), soft_wrap=True)

    def _wait(self, status: Any, *, on: bool) -> None:
        """Start or stop the sign that the model is at work."""
        if self._live and self._out.is_terminal:
            (status.start if on else status.stop)()

    def _event(self, event: "StreamEvent") -> None:
        if event.type == "delta":
            self._delta(event)
            return
        self._end_line()
        if event.type == "withdrawn":
            self._withdrawn()
        elif event.type == "message" and self._live:
            self._out.print(plain(event.text), soft_wrap=True)
        elif event.type == "done":
            self._done(event)
        elif self.thoughts:
            self._inner(event)

    def _delta(self, event: "StreamEvent") -> None:
        if not self._live:
            return
        if self._spoken != event.reply_id:
            self._end_line()
            self._spoken = event.reply_id
        self._out.print(plain(event.text), end="", soft_wrap=True)
        self._mid_line = True

    def _withdrawn(self) -> None:
        if self._spoken:
            self._out.print(plain("(taken back)", "dim"))
            self._spoken = ""

    def _done(self, event: "StreamEvent") -> None:
        if not self._live and event.response is not None and event.response.message:
            self._out.print(plain(event.response.message), soft_wrap=True)

    def _inner(self, event: "StreamEvent") -> None:
        if event.type == "thinking":
            self._aside.print(plain(f"  ~ {event.text}", "dim italic"), soft_wrap=True)
        elif event.name == SPEAKING_TOOL and not event.failed:
            return
        elif event.type == "tool_call":
            self._aside.print(plain(f"  > {event.name}({arguments_line(event.arguments)})", "dim"), soft_wrap=True)
        elif event.type == "tool_result":
            style = "dim red" if event.failed else "dim"
            self._aside.print(plain(f"  < {shortened(event.text, _RESULT_CHARS)}", style), soft_wrap=True)

    def _end_line(self) -> None:
        if self._mid_line:
            self._out.print()
            self._mid_line = False


def arguments_line(arguments: dict[str, Any]) -> str:
    """Return a call's arguments as one line, long ones cut."""
    shown = (f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in arguments.items())
    return shortened(", ".join(shown), _ARGUMENTS_CHARS)
