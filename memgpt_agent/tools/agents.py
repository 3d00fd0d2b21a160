"""The tools with which an agent writes to other agents; their talk is bounded."""

import hashlib
from collections.abc import Sequence

from memgpt_agent.errors import InvalidArguments, ToolError
from memgpt_agent.events import EventType, local_time
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.waking import Inbox, Letter
from memgpt_agent.memory.waking.inbox import MAX_HOPS
from memgpt_agent.prompts import LETTER, as_data
from memgpt_agent.tools.definition import MAX_CHARS, memory_tool, outside

MAX_RECIPIENTS = 20


def list_agents(memory: AgentMemory) -> str:
    """List the other agents that you can write to, with their tags."""
    others = _others(memory)
    if not others:
        return "There are no other agents."
    return "\n".join(_named(other) for other in others)


def send_message_to_agent(memory: AgentMemory, agent_id: str, message: str, wait: bool = True) -> str:
    """Write to another agent.

    Args:
        agent_id: The other agent.
        message: What it is to read; say what you need to know or want done.
        wait: True to get its answer as the result, false to go on at once.
    """
    letter = _letter(memory, agent_id, message)
    if wait and agent_id in letter.chain:
        raise ToolError(
            f"{agent_id} is waiting for your answer: give it by send_message. You cannot wait for it at the same time."
        )
    return _send(memory, letter, wait=wait)


def send_message_to_agents_with_tags(memory: AgentMemory, tags: list[str], message: str) -> str:
    """Write to every other agent that has all of these tags, without waiting for answers.

    Args:
        tags: The tags.
        message: What they are to read.
    """
    if not tags:
        raise InvalidArguments("No tags were given; name one at least.")
    found = _tagged(memory, tags)
    return "\n".join(_send(memory, _letter(memory, one.agent_id, message), wait=False) for one in found)


def send_message_to_agent_and_wait_for_reply(memory: AgentMemory, message: str, other_agent_id: str) -> str:
    """Write to another agent and wait for its answer.

    Args:
        message: What it is to read; say what you need to know or want done.
        other_agent_id: The other agent.
    """
    return str({"agent_id": other_agent_id, "response": [send_message_to_agent(memory, other_agent_id, message)]})


def send_message_to_agent_async(memory: AgentMemory, message: str, other_agent_id: str) -> str:
    """Write to another agent and go on at once.

    Args:
        message: What it is to read.
        other_agent_id: The other agent.
    """
    return send_message_to_agent(memory, other_agent_id, message, wait=False)


def send_message_to_agents_matching_tags(memory: AgentMemory, message: str, match_all: list[str], match_some: list[str]) -> str:
    """Write to every other agent with certain tags and wait for their answers, one after the other.

    Args:
        message: What they are to read.
        match_all: Tags of which an agent has all.
        match_some: Tags of which an agent has one at least; none to ask for no more.
    """
    answers: list[dict[str, object]] = []
    for one in _tagged(memory, match_all, match_some):
        try:
            said = _send(memory, _letter(memory, one.agent_id, message), wait=True)
        except ToolError as error:
            said = str(error)
        answers.append({"agent_id": one.agent_id, "response": [said]})
    return str(answers)


def _tagged(memory: AgentMemory, every: Sequence[str], some: Sequence[str] = ()) -> list[AgentDefinition]:
    """Return the other agents that have all of the first tags and one of the second, if there are any.

    Raises:
        ToolError: there are none, or too many.
    """
    found = [one for one in _others(memory) if set(every) <= set(one.tags) and (not some or set(some) & set(one.tags))]
    if not found:
        raise ToolError(f"No other agent has the tags {', '.join((*every, *some))}. See who there is with list_agents.")
    if len(found) > MAX_RECIPIENTS:
        raise ToolError(f"{len(found)} agents have these tags; {MAX_RECIPIENTS} can be written to at once. Give more tags.")
    return found


def read_letters(memory: AgentMemory, event: EventType) -> str:
    """Return the waiting letters as the agent sees them when a turn begins; in the same turn always the same."""
    letters = Inbox(memory.store, memory.agent_id).read_for(memory.cause.turn)
    return "\n\n".join(
        LETTER.format(sender=letter.sender, time=local_time(letter.time, memory.time_zone), text=_shown(letter))
        for letter in letters
    )


def _others(memory: AgentMemory) -> list[AgentDefinition]:
    """Return the other agents that this one may write to."""
    every = [other for other in definitions.every(memory.store) if other.agent_id != memory.agent_id]
    reached = memory.walls.reach(other.agent_id for other in every)
    return [other for other in every if other.agent_id in reached]


def _letter(memory: AgentMemory, recipient: str, message: str) -> Letter:
    if not message.strip():
        raise InvalidArguments("The message is empty; say what the other agent is to read.")
    if recipient == memory.agent_id:
        raise ToolError("This is you. Write to another agent; list_agents shows those there are.")
    known: AgentDefinition | None = definitions.load(memory.store, recipient)
    if known is None or not memory.walls.reach([recipient]):
        raise ToolError(f"There is no agent {recipient!r}. list_agents shows those there are.")
    led_here = _led_here(memory)
    hops = max((letter.hops for letter in led_here), default=-1) + 1
    if hops >= MAX_HOPS:
        raise ToolError(
            f"{hops} letters led to this one; {MAX_HOPS} are the limit, so that agents do not talk for ever. Finish now."
        )
    chain = tuple(dict.fromkeys([*(name for letter in led_here for name in letter.chain), memory.agent_id]))
    source = "\0".join((memory.cause.key or stamp(memory.clock()), recipient, message))
    letter_id = f"letter-{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    return Letter(letter_id, memory.agent_id, recipient, message, stamp(memory.clock()), chain, hops)


def _led_here(memory: AgentMemory) -> Sequence[Letter]:
    """The letters that the running turn is about."""
    inbox = Inbox(memory.store, memory.agent_id)
    own = inbox.get(memory.cause.turn) if memory.cause.turn else None
    return [*([own] if own else []), *(inbox.of_turn(memory.cause.turn) if memory.cause.turn else [])]


def _send(memory: AgentMemory, letter: Letter, *, wait: bool) -> str:
    Inbox(memory.store, letter.recipient).put(letter)
    if memory.post is None:
        return f"{letter.recipient} will read it when it wakes next."
    answer = memory.post.deliver(letter, wait=wait)
    return f"Sent to {letter.recipient}." if answer is None else outside(answer, f"agent {letter.recipient}")


def _named(other: AgentDefinition) -> str:
    tags = f" (tags: {', '.join(other.tags)})" if other.tags else ""
    return f"- {other.agent_id}{tags}"


def _shown(letter: Letter) -> str:
    rest = len(letter.text) - MAX_CHARS
    text = letter.text if rest <= 0 else f"{letter.text[:MAX_CHARS]} [... {rest:,} more characters]"
    return as_data(text, "letter")


TOOLS = (
    memory_tool(list_agents, reads_memory=True),
    memory_tool(send_message_to_agent),
    memory_tool(send_message_to_agents_with_tags),
)
LETTA_TOOLS = (
    memory_tool(send_message_to_agent_and_wait_for_reply),
    memory_tool(send_message_to_agent_async),
    memory_tool(send_message_to_agents_matching_tags),
)
"""The same under the names, and with the results, that Letta's clients and prompts know."""
