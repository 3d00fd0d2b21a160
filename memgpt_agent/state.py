"""The agent's state: the queue and the registers, their reducer, and the graph's input and output."""

from typing import Annotated, Any, Literal, NotRequired, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langgraph.channels import UntrackedValue  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages  # pyright: ignore[reportMissingTypeStubs]
from pydantic import ConfigDict
from typing_extensions import TypedDict

from memgpt_agent.events import Event, EventType, Mark, digest_of, mark_of, merged_marks, with_mark

HeartbeatReason = Literal[
    "requested", "tool_failed", "memory_read", "unanswered", "unusable_answer", "context_too_long", "cut_off", "rule", "told",
]  # fmt: skip
"""Why the agent thinks on: it asked to, must correct itself, has read memory, owes an answer, gave none that can be used,
its provider refused the prompt as too long, so that it is compiled again, its reply was cut at its length limit, a rule asks for
another call, or a tool told it something."""


class TokenUsage(TypedDict):
    """What model calls took, in the provider's tokens."""

    calls: int
    """How many calls."""
    input: int
    """Tokens of the prompts, what was cached included."""
    cached: int
    """Of these: served from the provider's prompt cache."""
    cache_written: int
    """Of these: put into that cache, where the provider tells."""
    output: int
    """Tokens of the answers, reasoning included."""
    reasoning: int
    """Of these: reasoning, where the provider tells."""
    counted_by_us: int
    """Calls for which the provider gave no figures, so that ours stand in."""


class Turn(TypedDict):
    """The registers of one turn: from an event until the agent has nothing more to do."""

    id: str
    """The id of the event that began it."""
    type: EventType
    """The type of that event."""
    step: int
    """Model calls made in it so far."""
    answered: bool
    """Whether the user was sent a message in it."""
    reminded: bool
    """Whether the agent was reminded that the user still waits."""
    unusable: int
    """Empty or unusable answers in it so far."""
    over: bool
    """Whether it has ended."""
    checked: NotRequired[bool]
    """Whether a draft of the answer was put to the model to be checked."""
    received: NotRequired[str]
    """The id of the checkpoint at which its event was received: what was received up to then is in this conversation's past."""
    agent: NotRequired[str]
    """Which agent of the conversation plays it; missing in what earlier versions wrote."""
    shrunk: NotRequired[int]
    """Times in it so far that the provider refused the prompt as too long."""
    ends: NotRequired[bool]
    """Whether a tool of the newest answer wants the turn to end."""
    handoffs: NotRequired[list[dict[str, Any]]]
    """Where in the parent graph to go on when the newest answer is done: each with ``goto`` and ``update``."""
    calls_left: NotRequired[bool]
    """Whether calls of the newest answer are still to be carried out: those without a result in the queue."""
    structuring: NotRequired[bool]
    """Whether its next step gives its result in the provider's own format."""
    continued: NotRequired[int]
    """Times in it so far that the model was asked for the rest of a reply that its length limit cut."""
    usage: NotRequired[dict[str, TokenUsage]]
    """What its model calls took so far, by the model's name; the summarizer's are among them."""


class Summary(TypedDict):
    """What is left in main context of the messages that were evicted."""

    text: str
    """The summary itself."""
    messages: int
    """How many messages it stands for."""
    until: str
    """The time of the newest of them, ISO 8601."""
    pages: NotRequired[int]
    """The number of the newest page that has left main context in this way, at least in part."""
    stale: NotRequired[bool]
    """Whether it has to be made again: a message that it drew on was corrected."""


class ModelFacts(TypedDict):
    """What was learned of a model by using it."""

    factor: float
    """The provider's count of tokens for one of ours, 1.0 or more."""
    window: int
    """The true context window in tokens, as a refusal of the provider told it; 0 while it is unknown."""
    fits: NotRequired[int]
    """The tokens of a prompt that are assumed to fit after a refusal without figures, in the provider's count."""
    refused: NotRequired[int]
    """The tokens of the prompt that was refused so."""
    answer: NotRequired[int]
    """The most tokens that may be asked for an answer, as a refusal told it."""


class SentMemory(TypedDict):
    """What of memory stands in the system message: as it was put there when the queue was last cut, whatever has changed since."""

    fold: int
    """Its number in the conversation; what rides with messages bears the number that it was sent behind."""
    message_tokens: int
    """One message or tool result may fill so much."""
    sections: dict[str, str]
    """Core memory and what stands behind it, as it is shown, by section."""
    known: dict[str, str]
    """The digest of each part that is shown: a block, or a section."""


class CompiledPrompt(TypedDict):
    """What one model call is sent."""

    messages: list[BaseMessage]
    """System message first, then the queue as the model sees it."""
    tools: list[dict[str, Any]]
    """The tool schemas, OpenAI form."""


_WHOLE = {AIMessage, HumanMessage, SystemMessage, ToolMessage}


def merge_queue(left: list[AnyMessage], right: Any) -> list[AnyMessage]:
    """Return the queue with new messages added, replaced by id, or removed.

    It is LangGraph's ``add_messages`` but for this: A message that a client sends again without the agent's mark keeps its mark.
    Where it says the same, or what it said before an edit, the message stands as it is, so that resending a whole history changes
    nothing; else it is edited, and the agent sees that by its mark. The agent also finds noted what others have removed. A message
    that one agent receives keeps what the others have noted on it. And a message removed and given again in one update moves to
    the end.
    """
    given = cast(list[Any], right if isinstance(right, list) else [right])
    if all(type(m) in _WHOLE and m.id for m in given):  # whole messages with ids; where all are new they are just added
        fresh = {m.id for m in given}
        if len(fresh) == len(given) and not any(m.id in fresh for m in left):
            return [*left, *cast(list[AnyMessage], given)]
    fresh = _whole(given)
    there = {m.id: m for m in left if mark_of(m)}
    removals = {m.id for m in fresh if isinstance(m, RemoveMessage)}
    given_again = set(there) if REMOVE_ALL_MESSAGES in removals else removals
    changed = [(m, _resent(there[m.id], m) if m.id in there else m) for m in fresh]
    fresh = [there[m.id] if now is None else now for m, now in changed if now is not None or m.id in given_again]
    from_outside = any(isinstance(m, RemoveMessage) and not mark_of(m) for m in fresh)
    moved = [m for m in fresh if not isinstance(m, RemoveMessage) and m.id in removals]
    merged = left
    if moved:
        fresh = [m for m in fresh if m not in moved]
        merged = _added(merged, fresh)
        fresh = moved
    merged = _added(merged, fresh)
    own = {m.id for m in fresh if isinstance(m, RemoveMessage) and mark_of(m)}
    return _with_removals(left, merged, own) if from_outside else merged


def _whole(given: list[Any]) -> list[BaseMessage]:
    messages = [m if isinstance(m, BaseMessage) else convert_to_messages([_of_a_kind(m)])[0] for m in given]
    return [message_chunk_to_message(m) if isinstance(m, BaseMessageChunk) else m for m in messages]


def _of_a_kind(given: Any) -> Any:
    """Return a message as data; a client of JavaScript may give back the chunk of an answer, which LangChain does not read."""
    if not isinstance(given, dict):
        return given
    data = cast(dict[str, Any], given)
    kind = data.get("type")
    return {**data, "type": kind.removesuffix("MessageChunk").lower()} if isinstance(kind, str) and kind.endswith("MessageChunk") else data


def _added(left: list[AnyMessage], fresh: list[BaseMessage]) -> list[AnyMessage]:
    return cast(list[AnyMessage], add_messages(cast(Any, left), cast(Any, fresh)))


def _resent(known: AnyMessage, message: BaseMessage) -> BaseMessage | None:
    """Return what takes the place of a message that the agent knows; ``None`` if that stands as it is."""
    if isinstance(message, RemoveMessage):
        return message
    mark = mark_of(known)
    if mark_of(message):
        return with_mark(message, merged_marks(mark, mark_of(message)))
    if message.type != known.type or mark.get("erased"):
        return None
    calls = message.tool_calls if isinstance(message, AIMessage) and isinstance(known, AIMessage) else []
    called = bool(calls) and calls != cast(AIMessage, known).tool_calls
    same = _says_the_same(known, message)
    if same and not called:
        return None
    content = known.content if same else message.content
    edited = known.model_copy(update={"content": content, **({"tool_calls": calls} if called else {})})
    before, now = digest_of(known), digest_of(edited)
    said = mark.get("said", before)
    if now != before and now in {said, *mark.get("was", ())}:
        return None  # a copy from before an edit, which is not taken back by it
    return with_mark(edited, {**mark, "said": said})


def _says_the_same(known: AnyMessage, message: BaseMessage) -> bool:
    """Whether two contents have the same text; a client that drops pictures from its history has not edited it."""
    if known.text.strip() != message.text.strip():
        return False
    blocks: list[Any] = [] if isinstance(message.content, str) else cast(list[Any], message.content)
    return message.content == known.content or not any(isinstance(b, dict) and cast(dict[str, Any], b).get("type") != "text" for b in blocks)


def _with_removals(left: list[AnyMessage], merged: list[AnyMessage], own: set[str | None]) -> list[AnyMessage]:
    """Note what was removed from outside on the message behind it that stays, or on the last one before it."""
    stays = {m.id: place for place, m in enumerate(merged) if mark_of(m)}
    waiting: list[str] = []
    noted: dict[int, list[str]] = {}
    last: int | None = None
    for message in left:
        if message.id in stays:
            last = stays[message.id]
            noted[last] = [*noted.get(last, []), *waiting]
            waiting = []
        elif (mark := mark_of(message)) and message.id not in own:
            waiting += [i for i in (str(message.id), mark.get("call_id", ""), *mark.get("removed", [])) if i]
    if last is not None:
        noted[last] += waiting
    return [_with_removed(m, noted[place]) if noted.get(place) else m for place, m in enumerate(merged)]


def _with_removed(message: AnyMessage, ids: list[str]) -> Any:
    mark = mark_of(message)

    def noted(one: Any) -> Any:
        return {**one, "removed": list(dict.fromkeys([*one.get("removed", []), *ids]))}

    also = {agent: noted(one) for agent, one in (mark.get("also") or {}).items()}
    return with_mark(message, cast(Mark, {**noted(mark), **({"also": also} if also else {})}))


class AgentInput(TypedDict, total=False):
    """The graph's input: a chat client's messages, or an event, or both."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]

    messages: Annotated[list[AnyMessage], merge_queue]
    """New messages; a message without a known id wakes the agent."""
    event: Event | None
    """Another event that wakes it: a heartbeat, an alert, a login, another agent's message."""


class AgentOutput(TypedDict):
    """The graph's output; ``messages[-1]`` is the reply, if the turn had one."""

    messages: Annotated[list[AnyMessage], merge_queue]
    """The queue in main context."""
    context_usage: dict[str, int]
    """Tokens of the last prompt by section, with ``total`` and ``budget``."""


class AgentState(TypedDict):
    """The checkpointed state of one conversation."""

    messages: Annotated[list[AnyMessage], merge_queue]
    """The queue in main context, oldest first, as it was said; packaged for the model only when compiled."""
    event: NotRequired[Event | None]
    """An event not yet received; it becomes a message of the queue."""
    agent_id: NotRequired[str]
    """The agent whose memory this conversation, and each copy of it, uses if a run names none: named by a run, or chosen by the memory scope."""
    prompt_tokens: NotRequired[int]
    """The most tokens of a prompt if a run chooses none; missing in conversations from earlier versions."""
    turn: NotRequired[Turn]
    """The registers of the running turn."""
    heartbeat_reason: NotRequired[HeartbeatReason | None]
    """Why the agent gets another step; ``None`` ends the turn."""
    summary: NotRequired[Summary | None]
    """The recursive summary of what was evicted."""
    memory_pressure_warned: NotRequired[bool]
    """Whether the agent was warned since the last eviction."""
    context_usage: NotRequired[dict[str, int]]
    """Tokens of the compiled context by section, with ``total`` and ``budget``."""
    model_facts: NotRequired[dict[str, ModelFacts]]
    """What the agent has learned about each model, by its name."""
    sent_memory: NotRequired[dict[str, SentMemory]]
    """What of memory the system message shows, by agent of the conversation; compiled again where an agent has none."""
    core_memory: NotRequired[dict[str, str]]
    """A snapshot of the last compiled blocks, for debugging; the truth is in the store."""
    prompt: NotRequired[Annotated[CompiledPrompt | None, UntrackedValue]]
    """The prompt of the next model call; never checkpointed, compiled again if missing."""


class Registers(TypedDict):
    """The part of the state that routers read: without the queue, which LangGraph would merge again for each of them."""

    turn: NotRequired[Turn]
    """The registers of the running turn."""
    heartbeat_reason: NotRequired[HeartbeatReason | None]
    """Why the agent gets another step."""
    context_usage: NotRequired[dict[str, int]]
    """Tokens of the compiled context by section, with ``total`` and ``budget``."""
