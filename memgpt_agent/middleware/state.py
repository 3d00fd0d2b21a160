"""The middleware's part of the agent's state, and the form in which it shows the queue to the model: unchanged, with our notes behind."""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware.types import AgentState as LangChainState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import BaseMessage, HumanMessage
from typing_extensions import TypedDict

from memgpt_agent.events import local_time, mark_of
from memgpt_agent.prompts import alert_note, as_data, memory_note
from memgpt_agent.state import ModelFacts, SentMemory, Summary, Turn


class _AsSaid:
    def event(self, message: BaseMessage, *, time_zone: str, extra: dict[str, Any]) -> BaseMessage:
        """Return the message; behind a user's stands when it was said, and what memory has to offer."""
        time = mark_of(message).get("time", "")
        if isinstance(message, HumanMessage) and time:
            memories = [as_data(text, "memory") for text in cast(Sequence[str], extra.get("memories") or ())]
            note = memory_note(local_time(time, time_zone), str(extra.get("in_memory") or ""), memories)
            message = with_text_behind(message, note)
        return with_text_behind(message, changes) if (changes := _changes(extra)) else message

    def result(self, text: str, *, failed: bool, time: str, time_zone: str, extra: dict[str, Any]) -> str:
        """Return a result's text as it is: the agent's prompt is its developer's; what has changed of memory stands behind it."""
        return "\n\n".join(filter(None, [text, _changes(extra)]))


def _changes(extra: dict[str, Any]) -> str:
    notes = cast(Sequence[str], extra.get("notes") or ())
    return alert_note("\n".join(as_data(text, "memory") for text in notes)) if notes else ""


AS_SAID = _AsSaid()
"""The form of an agent that is not ours."""


def with_text_behind(message: BaseMessage, text: str) -> BaseMessage:
    """Return the message with a text behind all that it holds."""
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": f"{content}\n\n{text}" if content else text})
    return message.model_copy(update={"content": [*cast(list[Any], content), {"type": "text", "text": text}]})


KEY = "memgpt"
"""The key of the agent's state."""


class MiddlewareRegisters(TypedDict, total=False):
    """The registers of one conversation; those of our own graph's state have the same names and meaning."""

    agent_id: str
    """Whose memory this conversation uses, where it was chosen for it."""
    prompt_tokens: int
    """The most tokens of a prompt."""
    turn: Turn
    """The running turn; of it the middleware uses the id, the step and the agent."""
    summary: Summary | None
    """The recursive summary of what was evicted."""
    memory_pressure_warned: bool
    """Whether the agent was warned since the last eviction."""
    alerts: dict[str, str]
    """What the system told the agent, by the id of the message, or of the tool call, behind which it stands."""
    context_usage: dict[str, int]
    """Tokens of the last prompt by section, with ``total`` and ``budget``."""
    model_facts: dict[str, ModelFacts]
    """What was learned of each model."""
    sent_memory: dict[str, SentMemory]
    """What of memory the system message shows."""
    core_memory: dict[str, str]
    """The blocks as last compiled, for whoever looks."""
    unkept: list[str]
    """The ids of answers that are not in recall memory yet: they go there once they are checkpointed."""


class MemGPTState(LangChainState):
    """The state of an agent with the middleware."""

    memgpt: NotRequired[Annotated[MiddlewareRegisters, PrivateStateAttr]]
    """The middleware's registers."""
