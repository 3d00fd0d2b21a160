"""The facade's methods on conversations: messages, transcripts, a new conversation, the agent's name and its model."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.store.base import BaseStore

from memgpt_agent.config import Context, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import local_time
from memgpt_agent.faces import in_thread
from memgpt_agent.graph.builder import AgentGraph
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.models import default_model_name, resolve_chat_model
from memgpt_agent.models.advice import try_out
from memgpt_agent.models.dialects import name_of, unwrapped
from memgpt_agent.node_names import SUMMARIZE_OVERFLOW
from memgpt_agent.state import AgentState
from memgpt_agent.stored_agents import rename_agent
from memgpt_agent.turns.turns import Turns

TranscriptForm = Literal["text", "markdown", "json"]
"""How a transcript is written."""
_PAGE = 2_000
_FULL_TOKENS = 10**9
"""More than any budget: everything that may leave the queue does."""
_MACHINERY = {"beyond", "checkpoint", "echo", "ordinal"}


def messages_of(recall: RecallMemory, thread_id: str, *, tools: bool) -> Iterator[Message]:
    """Yield what was said in a conversation, oldest first; with ``tools`` also calls, their results, alerts and heartbeats."""
    pages: list[list[Message]] = []
    while page := recall.of_thread(thread_id, limit=_PAGE, offset=sum(map(len, pages))):
        pages.append(page)
    for page in reversed(pages):
        yield from (m for m in page if tools or m.role in ("user", "assistant"))


def transcript_of(
    recall: RecallMemory, thread_id: str, form: TranscriptForm, time_zone: str, *, thoughts: bool, tools: bool, ids: bool
) -> str:
    """Return a conversation written out; empty (in JSON an empty list) where nothing was said in it.

    Raises:
        ConfigurationError: there is no such form.
    """
    if form not in _FORMS and form != "json":
        raise ConfigurationError(f"A transcript is written as 'text', 'markdown' or 'json'; got {form!r}.")
    messages = messages_of(recall, thread_id, tools=tools)
    if form == "json":
        return json.dumps([_as_data(m, thoughts=thoughts) for m in messages], ensure_ascii=False, indent=2)
    written = [_FORMS[form](m, local_time(m.time, time_zone), thoughts and bool(m.thinking), ids) for m in messages]
    return "\n\n".join(written)


def _as_data(message: Message, *, thoughts: bool) -> dict[str, Any]:
    left_out = _MACHINERY if thoughts else {*_MACHINERY, "thinking"}
    return {name: value for name, value in asdict(message).items() if name not in left_out}


def _who(message: Message) -> str:
    return f"tool {message.tool}" if message.tool else message.user_id or message.role


def _notes(message: Message, *, ids: bool) -> str:
    return "".join([" (edited)" if message.edited else "", f" [{message.id}]" if ids else ""])


def _text(message: Message, time: str, thoughts: bool, ids: bool) -> str:
    lines = [f"[{time}] {_who(message)}{_notes(message, ids=ids)}:"]
    lines += [f"  (thinks: {message.thinking})"] if thoughts else []
    lines += [f"  > {message.tool}({message.arguments})"] if message.tool else []
    text = f"failed: {message.text}" if message.failed else message.text
    return "\n".join([*lines, *(f"  {line}" for line in text.splitlines())])


def _markdown(message: Message, time: str, thoughts: bool, ids: bool) -> str:
    head = f"**{_who(message)}**{_notes(message, ids=ids)} · {time}"
    thinking = [f"> *{line}*" for line in message.thinking.splitlines()] if thoughts else []
    if not message.tool:
        return "\n\n".join(filter(None, [head, "\n".join(thinking), message.text]))
    called = _fenced(f"{message.tool}({message.arguments})\n{'failed: ' if message.failed else ''}{message.text}")
    return "\n\n".join(filter(None, [head, "\n".join(thinking), called]))


def _fenced(text: str) -> str:
    """Return a text as a block of code, whatever fences it holds itself."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


_FORMS: Mapping[str, Callable[[Message, str, bool, bool], str]] = {"text": _text, "markdown": _markdown}


@dataclass(frozen=True)
class Compaction:
    """What compacting a conversation did."""

    before: int
    """How many messages the queue had."""
    after: int
    """How many it has now."""
    summary: str
    """The summary that stands for what left it, and for what had left before."""


def _evicted(graph: AgentGraph, values: Mapping[str, Any], context: Context, thread_id: str) -> dict[str, Any]:
    """Return the update by which all but the newest exchange leaves the queue, as the graph's own node makes it."""
    made: dict[str, Any] = {}
    known: dict[str, int] = values.get("context_usage") or {}
    usage = {"messages": 0, "budget": 0, **known, "total": _FULL_TOKENS}

    def evict(state: AgentState, config: RunnableConfig) -> dict[str, Any]:
        made.update(graph.nodes[SUMMARIZE_OVERFLOW].bound.invoke({**state, "context_usage": usage}, config))
        return {}

    alone = StateGraph(AgentState, context_schema=Context)
    cast(Any, alone).add_node("evict", evict)
    alone.add_edge(START, "evict")
    run = cast(Any, alone.compile(store=graph.store))  # pyright: ignore[reportUnknownMemberType]
    run.invoke(dict(values), {"configurable": {"thread_id": thread_id}}, context=context)
    return made


class Conversations:
    """The facade's methods on conversations."""

    agent_id: str
    """Its id."""
    thread_id: str
    """Its conversation."""
    memory: AgentMemory
    """Its memory."""
    _store: BaseStore
    """Where it is stored."""
    _settings: Settings
    """The process's settings."""
    _turns: Turns
    """The turns of the conversation."""

    def _in_conversation(self, thread_id: str) -> Self:
        """Return the same agent in another conversation."""
        raise NotImplementedError

    def messages(self, limit: int = 100) -> list[Message]:
        """Return the newest messages of this conversation from recall memory, oldest first."""
        return self.memory.recall.of_thread(self.thread_id, limit=limit)

    def transcript(
        self, form: TranscriptForm = "text", *, thread_id: str | None = None, thoughts: bool = False, tools: bool = False, ids: bool = False
    ) -> str:
        """Return a transcript of a conversation, as recall memory holds it.

        Args:
            form: ``text``, ``markdown`` or ``json``.
            thread_id: which conversation; this one if omitted.
            thoughts: include inner thoughts.
            tools: include tool calls and their results, alerts and heartbeats.
            ids: include the ids that corrections take; JSON always has them.

        Raises:
            ConfigurationError: there is no such form.
        """
        thread = thread_id or self.thread_id
        return transcript_of(self.memory.recall, thread, form, self.memory.time_zone, thoughts=thoughts, tools=tools, ids=ids)

    def new_conversation(self, thread_id: str | None = None) -> Self:
        """Return the same agent in a new conversation: with its memory, model and tools, and an empty queue.

        Close it before this one, whose files it uses. Without ``thread_id`` the conversation gets a new id; pass that as
        ``thread_id`` to continue it later.
        """
        return self._in_conversation(thread_id or f"{self.agent_id}-{uuid.uuid4().hex[:8]}")

    def fork(self, thread_id: str | None = None, *, until: str = "") -> str:
        """Copy this conversation into another one of this agent, and return its id. The two go on separately over one memory.

        Args:
            thread_id: the id of the copy; a new one if omitted.
            until: the time (ISO 8601) of the last message to copy, with the results of its calls; the newest if omitted.

        Raises:
            ConfigurationError: there is a conversation ``thread_id`` already; nothing was copied.
            ConversationBusy: a turn is unfinished, or waits for an answer; nothing was copied.
        """
        copy = thread_id or f"{self.agent_id}-{uuid.uuid4().hex[:8]}"
        self._turns.fork(copy, until)
        return copy

    def recompile(self) -> None:
        """Put memory as it is now into the system message of the next model call; what changes later rides with newer messages again.

        Raises:
            ConversationBusy: a turn is unfinished, or waits for an answer; nothing was changed.
        """
        self._turns.change(lambda _: {"sent_memory": {}})

    def compact(self) -> Compaction:
        """Evict all but the newest exchange from the queue into the summary now, whatever room is left. Recall memory keeps everything.

        Costs what the summarizer takes. If there is nothing to evict, nothing changes.

        Raises:
            ConversationBusy: as :meth:`fork`.
        """
        done = Compaction(0, 0, "")

        def evicted(values: Mapping[str, Any]) -> dict[str, Any]:
            nonlocal done
            queue: list[AnyMessage] = values.get("messages") or []
            update = _evicted(self._turns.graph(), values, self._turns.context, self.thread_id) if queue else {}
            gone = sum(isinstance(m, RemoveMessage) for m in update.get("messages", ()))
            summary: dict[str, Any] = update.get("summary") or values.get("summary") or {}
            done = Compaction(len(queue), len(queue) - gone, summary.get("text", ""))
            return update

        self._turns.change(evicted)
        return done

    def rename(self, name: str) -> None:
        """Give this agent a name that the command line accepts; its id does not change. See :func:`memgpt_agent.rename_agent`.

        Raises:
            AgentExists: another agent has this name or id. ConfigurationError: this is not a valid name.
        """
        rename_agent(self.agent_id, name, self._settings, store=self._store)

    amessages = in_thread(messages)
    atranscript = in_thread(transcript)
    anew_conversation = in_thread(new_conversation)
    afork = in_thread(fork)
    acompact = in_thread(compact)
    arecompile = in_thread(recompile)
    arename = in_thread(rename)


class ModelChoice:
    """The facade's methods on the chat model."""

    memory: AgentMemory
    """Its memory."""
    _settings: Settings
    """Where keys are stored, and which model is the default."""
    _model: BaseChatModel | str | None
    """The chat model, or its name; ``None``: the default."""
    _reads_only: bool
    """Whether the agent may only be read."""
    _turns: Turns
    """Runs its turns."""
    _kept_model: str | None = None
    """The name that was stored last from here."""

    @property
    def context(self) -> Context:
        """The context of its runs."""
        raise NotImplementedError

    @property
    def currency(self) -> str:
        """The currency of costs, from the price table; empty without one."""
        return self._turns.prices.currency if self._turns.prices else ""

    @property
    def model(self) -> str:
        """The chat model's name: the given one, or the default's, or what the model object calls itself."""
        if self.context.model:
            return self.context.model
        if isinstance(self._model, str):
            return self._model
        return default_model_name(self._settings) if self._model is None else name_of(unwrapped(self._model)) or type(self._model).__name__

    def use_model(self, model: BaseChatModel | str) -> str:
        """Change the chat model, from the next turn on, after the new one has answered a short question; return its name.

        The agent keeps a name; a model object is used by this agent object only.

        Raises:
            ConfigurationError: the name cannot be used.
            ModelError: the new model did not answer; the agent keeps its model. The message says what would help.
        """
        if self.context.model:
            raise ConfigurationError(f"The model {self.context.model!r} was chosen in the agent's context: open the agent with another there.")
        try_out(resolve_chat_model(model, settings=self._settings), model if isinstance(model, str) else "")
        self._model = model
        self._forget_graphs()
        self._keep_model()
        return self.model

    ause_model = in_thread(use_model)

    def _forget_graphs(self) -> None:
        """Discard the graphs, so that the next use builds them with the current model."""
        raise NotImplementedError

    def _keep_model(self) -> None:
        """Store the model's name, now that it has answered."""
        if isinstance(self._model, str) and self._model != self._kept_model and not self._reads_only:
            definitions.keep_model(self.memory.store, self.memory.agent_id, self._model)
            self._kept_model = self._model
