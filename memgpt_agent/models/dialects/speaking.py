"""One model call in its provider's dialect, ready to be streamed."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from memgpt_agent.models.dialects.attempts import asks_for_more, tried_once
from memgpt_agent.models.dialects.choosing import bound_options, dialect_of, reports_end, unwrapped
from memgpt_agent.models.dialects.dialect import CallToSend, Dialect, Wanted
from memgpt_agent.models.dialects.sequence import pictures_behind, with_fitting_names


@dataclass(frozen=True)
class Spoken:
    """A call as its provider takes it."""

    client: Runnable[Any, Any]
    """The client with its tools and options bound."""
    messages: list[BaseMessage]
    """What it is sent."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """The agent's own names of the tools that are offered under another one."""
    sync_only: bool = False
    """Whether the client's async face cannot be used: its sync one is run in a thread."""
    reports_end: bool = False
    """Whether the client hands on why an answer ended, so that one without a reason may be incomplete."""

    def stream(self, config: RunnableConfig) -> Iterator[Any]:
        """Return the pieces of the answer."""
        return self.client.stream(self.messages, config)

    def astream(self, config: RunnableConfig) -> AsyncIterator[Any]:
        """The same in an asyncio loop."""
        return streamed_in_thread(lambda: self.stream(config)) if self.sync_only else self.client.astream(self.messages, config)

    def invoke(self, config: RunnableConfig) -> Any:
        """Return the whole answer."""
        return self.client.invoke(self.messages, config)


def speak(
    model: Any, messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]] = (), wanted: Wanted | None = None
) -> Spoken:
    """Return the call in the dialect of a model, which may be wrapped in bindings; what is given stays as it is."""
    options, config = bound_options(model)
    client = unwrapped(model)
    dialect = dialect_of(client)
    said = list(messages) if type(dialect) is Dialect else worded(messages)
    once = tried_once(client)
    if wanted and wanted.answer_tokens and (less := asks_for_more(client, options, wanted.answer_tokens)):
        fields = cast(dict[str, Any], once.__dict__)
        once = once.model_copy(update={name: value for name, value in less.items() if name in fields})
        options.update({name: value for name, value in less.items() if name in options or name not in fields})
    put = dialect.put(CallToSend(once, said, [dict(tool) for tool in tools]), wanted or Wanted())
    spoken: Runnable[Any, Any] = put.model.bind_tools(put.tools) if put.tools else put.model
    if given := with_options(put.options, options):
        spoken = spoken.bind(**given)
    if config:
        spoken = spoken.with_config(cast(RunnableConfig, config))
    return Spoken(spoken, put.messages, put.names, dialect.sync_only(client), reports_end(client))


def worded(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages in the form with which every dialect begins: fitting names of tools, pictures where a user's would be."""
    return pictures_behind(with_fitting_names(messages))


def with_options(put: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dialect's options with those of the caller, which take precedence except in what is written out."""
    both = {**put, **given}
    if "extra_body" in put and "extra_body" in given:
        both["extra_body"] = {**given["extra_body"], **put["extra_body"]}
    return both


async def streamed_in_thread(begin: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
    """Yield in an asyncio loop what an iterator gives, which runs in a thread; left early, it ends with its next item."""
    loop, left = asyncio.get_running_loop(), threading.Event()
    items: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def put(kind: str, item: Any = None) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(items.put_nowait, (kind, item))

    def work() -> None:
        try:
            for item in begin():
                put("item", item)
                if left.is_set():
                    return
            put("end")
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            put("error", error)

    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="memgpt-model", daemon=True).start()
    try:
        while True:
            kind, item = await items.get()
            if kind == "end":
                return
            if kind == "error":
                raise cast(BaseException, item)
            yield item
    finally:
        left.set()
