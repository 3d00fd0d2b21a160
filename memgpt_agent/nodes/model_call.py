"""One resilient model call: bounded in time and length, retried while the provider is busy, then another model."""

import asyncio
import contextvars
import queue
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from memgpt_agent.config import Context
from memgpt_agent.errors import MemGPTError, ModelError
from memgpt_agent.faces import Face
from memgpt_agent.models.advice import advice
from memgpt_agent.models.dialects import Spoken, in_turn, speak
from memgpt_agent.models.failures import BrokenAnswer, is_busy, is_oversized, refuses_content, retry_after_seconds
from memgpt_agent.models.too_long import TooLong, too_long
from memgpt_agent.nodes.session import Session, name_of
from memgpt_agent.nodes.speech import SpeechStream
from memgpt_agent.nodes.streaming_answer import StreamingAnswer
from memgpt_agent.state import CompiledPrompt

_T = TypeVar("_T")

NOSTREAM = "nostream"
"""LangGraph's tag for a model whose raw tokens are not part of the messages stream."""
_UNSEEN = {"emit-messages": False, "emit-tool-calls": False}
"""The same for AG-UI's adapter, which reads the events of the model itself (ag-ui-langgraph 0.0.47)."""
_SILENT_ENDS = 2
"""A server that ends an answer so often in one call without saying why never says it."""
MAX_WAIT_SECONDS = 60.0
"""The agent gives up on a provider that asks for a longer wait; what the turn has done is kept."""


class PromptTooLong(Exception):
    """The provider refused the prompt as too long; carries what it said about the window."""

    def __init__(self, refusal: TooLong) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class ContentRefused(Exception):
    """The provider refused the prompt for good because of its content; carries the error to raise if it accepts no smaller one."""

    def __init__(self, failure: Exception, refusal: Exception) -> None:
        super().__init__(str(failure))
        self.failure, self.refusal = failure, refusal


@dataclass
class ModelCall:
    """The inputs of one step's model call."""

    session: Session
    prompt: CompiledPrompt
    speech: SpeechStream
    config: RunnableConfig
    limit_tokens: int
    tool_names: Mapping[str, str] = field(default_factory=dict[str, str])
    """The agent's own names of tools that the answering model knows under another name."""
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state, for middleware to look at."""
    updates: dict[str, Any] = field(default_factory=dict[str, Any])
    """The changes that middleware makes to the state."""
    fallback: str = ""
    """The name of the model that answered, if it is not the chat model."""
    silent_ends: int = 0
    """How many answers to this call ended in good order, but without a reason."""

    async def answer(self, face: Face) -> StreamingAnswer:
        """Return the answer that the middleware around the call leaves.

        Raises:
            PromptTooLong, ContentRefused, ModelError: see :meth:`asked`.
        """
        hooks = self.session.resources.hooks
        return await (hooks.around(face, self) if hooks else self.asked(face))

    async def asked(self, face: Face) -> StreamingAnswer:
        """Return the model's answer, or the fallback model's.

        Raises:
            PromptTooLong: the provider refused the prompt as too long for its model.
            ContentRefused: the provider refused the prompt for something in it.
            ModelError: no model gave an answer; nothing of it is kept, and the same call can be made again.
        """
        failures: list[tuple[Any, Exception]] = []
        pause = partial(face.either, _sleep, _asleep)
        for place, given in enumerate(self._candidates()):
            self.fallback = name_in_words(given) if place else ""
            try:
                async for attempt in AsyncRetrying(**retry_policy(self.session.context), sleep=pause):
                    with attempt:
                        model = await face.call(self._model, given)
                        return await self._heard(face, model)
            except Exception as error:  # noqa: BLE001  whatever a provider raises
                self._note(failures, given, error)
        refusals = [error for _, error in failures if refuses_content(error, attached=self._attached)]
        if refusals:
            raise ContentRefused(_failure(failures), refusals[0])
        raise _failure(failures)

    @property
    def _attached(self) -> bool:
        """Whether the prompt holds foreign content that may be the reason for a refusal."""
        messages = self.prompt["messages"]
        return isinstance(messages[-1], ToolMessage) or any(m.type == "human" and isinstance(m.content, list) for m in messages)

    def _candidates(self) -> list[Any]:
        """The models to ask, in order: the chat model, those that it is wrapped to fall back to, and the one that the context names."""
        first, *wrapped = in_turn(self.session.model)
        fallback = self.session.context.fallback_model
        return [first, *wrapped, *([fallback] if fallback else [])]

    def _model(self, given: Any) -> Any:
        return self.session.resources.caches.chat_model(given, None) if isinstance(given, str) else given

    def _spoken(self, model: Any) -> Spoken:
        """Return the call in the model's dialect, and note the names of its tools there."""
        spoken = speak(model, self.prompt["messages"], self.prompt["tools"], self.session.wanted)
        self.tool_names = spoken.names
        return spoken

    def _note(self, failures: list[tuple[Any, Exception]], given: Any, error: Exception) -> None:
        """Keep a provider's failure; the program's own mistakes and questions to a person pass through."""
        if isinstance(error, AssertionError | GraphBubbleUp):
            raise error
        refusal = too_long(error)
        if refusal and not failures and not (is_oversized(error) and self._attached):
            raise PromptTooLong(refusal) from error
        failures.append((given, error))

    async def _heard(self, face: Face, model: Any) -> StreamingAnswer:
        growing = StreamingAnswer(self.limit_tokens)
        spoken = await face.call(self._spoken, model)
        try:
            async with face.stream(self._pieces, self._apieces, spoken) as pieces:
                async for piece in pieces:
                    more = growing.add(piece)
                    self.speech.watch(growing)
                    if not more:
                        break
            if spoken.reports_end:
                self._check_whole(growing, name_of(model))
        except RecursionError:
            pass  # LangChain read an answer that is nested too deep; what has come says so
        except BaseException:
            self.speech.withdraw("the model failed")
            raise
        return growing

    def _check_whole(self, growing: StreamingAnswer, model_name: str) -> None:
        """Check an answer of a client that hands on why answers end: one that only stops may have broken off, so it is asked for again.

        Raises:
            BrokenAnswer: it may be incomplete, or the server says that it failed.
        """
        growing.check_not_failed()
        silent = self.session.resources.caches.silent_models
        if growing.says_end:
            silent.discard(model_name)
            return
        self.silent_ends += 1
        if self.silent_ends >= min(_SILENT_ENDS, self.session.context.model_attempts):
            silent.add(model_name)
        if model_name not in silent:
            raise BrokenAnswer("the answer may be incomplete: the server did not say why it ended")

    def _pieces(self, spoken: Spoken) -> Generator[Any]:
        return within(self.session.context.model_timeout_seconds, lambda: spoken.stream(tagged(self.config)))

    def _apieces(self, spoken: Spoken) -> AsyncGenerator[Any]:
        return awithin(self.session.context.model_timeout_seconds, lambda: spoken.astream(tagged(self.config)))


def tagged(config: RunnableConfig) -> RunnableConfig:
    """Return the configuration for a model whose raw tokens are not part of the messages stream."""
    return {**config, "tags": [*(config.get("tags") or []), NOSTREAM], "metadata": {**(config.get("metadata") or {}), **_UNSEEN}}


def within(seconds: float, begin: Callable[[], Iterator[_T]]) -> Generator[_T]:
    """Yield an iterator's items; it runs in a thread of its own, so that the caller can leave it when its time is over.

    Raises:
        ModelError: it took longer altogether. Its thread ends at its next item, or when its own connection gives up.
    """
    items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            for item in begin():
                items.put(("item", item))
                if left.is_set():
                    return
            items.put(("end", None))
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            items.put(("error", error))

    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="memgpt-model", daemon=True).start()
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                kind, item = items.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise _slow(seconds) from None
            if kind == "end":
                return
            if kind == "error":
                raise cast(BaseException, item)
            yield item
    finally:
        left.set()


async def awithin(seconds: float, begin: Callable[[], AsyncIterator[_T]]) -> AsyncGenerator[_T]:
    """Yield an async iterator's items; it ends when the caller leaves it.

    Raises:
        ModelError: it took longer altogether.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    async with aclosing(_each(begin)) as items:
        while True:
            limit = asyncio.timeout_at(deadline)
            try:
                async with limit:
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if limit.expired():
                    raise _slow(seconds) from error
                raise
            yield item


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


async def _asleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _each(begin: Callable[[], AsyncIterator[_T]]) -> AsyncGenerator[_T]:
    async for item in begin():
        yield item


def _slow(seconds: float) -> ModelError:
    return ModelError(
        f"The model gave no whole answer within {seconds:g} seconds. Raise model_timeout_seconds, or choose a faster model."
    )


def retry_policy(context: Context) -> dict[str, Any]:
    """How often a call is tried and how far apart; tenacity's arguments, the same for sync and async."""
    jittered = wait_random_exponential(multiplier=context.retry_wait_seconds, max=MAX_WAIT_SECONDS)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = retry_after_seconds(error) if error else None
        return max(asked or 0.0, jittered(state))

    return {
        "stop": stop_after_attempt(context.model_attempts), "wait": wait, "retry": retry_if_exception(_worth_another_try), "reraise": True,
    }  # fmt: skip


def _worth_another_try(error: BaseException) -> bool:
    if isinstance(error, MemGPTError) or too_long(error):
        return False
    return is_busy(error) and (retry_after_seconds(error) or 0.0) <= MAX_WAIT_SECONDS


def name_in_words(given: Any) -> str:
    """Return the name of a model, or of a model's name, for a message."""
    return given if isinstance(given, str) else name_of(given)


def _failure(failures: list[tuple[Any, Exception]]) -> Exception:
    """Return one error for all attempts; this package's own error about a single model stays as it is."""
    _, last = failures[-1]
    if len(failures) == 1 and isinstance(last, MemGPTError):
        return last
    causes = "; ".join(f"{name_in_words(given)}: {type(error).__name__}: {str(error)[:300].rstrip('. ')}" for given, error in failures)
    helps = " ".join(dict.fromkeys(filter(None, (advice(error, name_in_words(given), given) for given, error in failures))))
    error = ModelError(
        f"No answer from the model ({causes}). What was said is kept: the next message finds the conversation as it is. "
        f"{helps or 'Try again later, or name a fallback_model.'}"
    )
    error.__cause__ = last
    return error
