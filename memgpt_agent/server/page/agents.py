"""The list of agents, and making one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Form
from langgraph.store.base import SearchItem
from starlette.responses import Response

from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.owners import Walls
from memgpt_agent.server import letta_agents
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.page.view import Agent, Place, Viewing, of_agent, pages, plain, title_of
from memgpt_agent.server.runs import Runs
from memgpt_agent.store.plain import count, newest
from memgpt_agent.stored_agents import check_name

router = pages()
PAGE = 25
"""How many agents are shown at once."""
_SCAN = 500


@dataclass(frozen=True)
class AgentRow:
    """One agent in the list."""

    definition: AgentDefinition
    """The agent."""
    title: str
    """What people call it."""
    model: str
    """Its chat model; empty if none was named."""
    last: str
    """When something was last said, ISO 8601; empty: never."""
    sizes: tuple[tuple[str, int], ...]
    """How much it remembers, by kind."""
    waits: str
    """The conversation in which a call waits for a person; empty if none does."""
    running: bool
    """Whether a turn is being taken here."""
    error: str
    """Why its last run failed; empty if it did not."""


def found(agents: OpenAgents, words: str, offset: int, limit: int) -> tuple[list[AgentDefinition], int | None]:
    """Return a page of the agents that whoever asks may see, the newest first, and where the next page begins.

    Without words and owners only the page itself is read.
    """
    wanted = words.casefold().split()
    taken: list[AgentDefinition] = []
    for place, definition in _seen(agents, offset, _SCAN if wanted or agents.who else limit + 1):
        if all(word in _about(definition) for word in wanted):
            if len(taken) == limit:
                return taken, place
            taken.append(definition)
    return taken, None


def _seen(agents: OpenAgents, offset: int, page: int) -> Iterator[tuple[int, AgentDefinition]]:
    walls = Walls(agents.store, agents.who, "")
    while items := _page(agents, offset, page):
        read = [definitions.read(item.value) for item in items]
        reached = walls.reach((one.agent_id for one in read), "read")
        yield from ((offset + n, one) for n, one in enumerate(read) if one.agent_id in reached)
        if len(items) < page:
            return
        offset += page


def _page(agents: OpenAgents, offset: int, limit: int) -> Sequence[SearchItem]:
    return newest(agents.store, namespaces.AGENTS, by="created", limit=limit, offset=offset)


def _about(definition: AgentDefinition) -> str:
    return " ".join([title_of(definition), definition.agent_id, definition.model or "", *definition.tags]).casefold()


def row(agents: OpenAgents, runs: Runs, definition: AgentDefinition) -> AgentRow:
    """Return an agent as the list shows it."""
    store, agent_id = agents.store, definition.agent_id
    said = newest(store, namespaces.of(agent_id, "recall"), limit=1)
    ran = newest(store, namespaces.of(agent_id, "runs"), by="created", limit=1)
    run: dict[str, Any] = ran[0].value if ran else {}
    blocks = CoreMemory(store, agent_id).blocks()
    sizes = (
        ("characters in blocks", sum(len(block.value) for block in blocks)),
        ("messages", count(store, namespaces.of(agent_id, "recall"))),
        ("passages", count(store, namespaces.of(agent_id, "archival"))),
        ("facts", count(store, namespaces.of(agent_id, "facts"))),
    )
    last: dict[str, Any] = said[0].value if said else {}
    running = any(one.agent_id == agent_id for one in runs.live.values())
    return AgentRow(
        definition, title_of(definition), definition.model or agents.settings.model or "", str(last.get("time", "")), sizes,
        waits="" if running else _waits(agents, agent_id, last, run), running=running,
        error=str(run.get("error") or "") if run.get("status") == "failed" else "",
    )  # fmt: skip


def _waits(agents: OpenAgents, agent_id: str, last: dict[str, Any], run: dict[str, Any]) -> str:
    """Return the conversation in which a call waits for a person; empty if none does.

    Only where a turn may have stopped its conversation is read: where a run says so, or where the last thing said is not an answer.
    """
    asked = str(run.get("thread_id", "")) if (run.get("request") or {}).get("pending") else ""
    open_end = str(last.get("thread_id", "")) if last.get("role") in ("user", "tool") else ""
    return next((thread for thread in dict.fromkeys([asked, open_end]) if thread and agents.questions(agent_id, thread)), "")


@router.get("/agents")
def listed(seen: Viewing, q: str = "", after: Place = 0) -> Response:
    """List the agents."""
    agents = seen.served.agents
    page, further = found(agents, q, after, PAGE)
    rows = [row(agents, seen.served.runs, one) for one in page]
    return seen.page("agents.html", rows=rows, q=q, after=after, further=further, models=agents.settings.model or "")


@router.get("/agents/new")
def new(seen: Viewing) -> Response:
    """Ask what a new agent is to be."""
    return seen.page("new_agent.html", given={}, default=seen.served.agents.settings.model or "")


@router.post("/agents")
def make(
    seen: Viewing, name: Annotated[str, Form()] = "", model: Annotated[str, Form()] = "", persona: Annotated[str, Form()] = "",
    human: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Make an agent, once the model that was named for it has answered."""
    name, model = name.strip(), model.strip()
    check_name(name)
    blocks = [
        {"label": label, "value": plain(text), "description": about}
        for label, text, about in (
            ("persona", persona, "Who you are."),
            ("human", human, "What you know about the person you talk with."),
        )
    ]
    given: dict[str, Any] = {
        "memory_blocks": blocks,
        "agent_type": "memgpt_v2_agent",
        **({"name": name} if name else {}),
        **({"model": seen.served.agents.answering_model(model)} if model else {}),
    }
    made = letta_agents.create(seen.served.agents, given)
    return seen.go(of_agent(made.agent_id, "chat"))


@router.get("/a/{agent}")
def one(seen: Agent) -> Response:
    """Go to an agent's core memory."""
    return seen.back("blocks")
