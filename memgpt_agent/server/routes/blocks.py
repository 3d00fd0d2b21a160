"""Blocks: those of an agent's core memory, and those that stand by themselves and are shared by attaching them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from memgpt_agent.memory.core.shared_blocks import SharedBlocks
from memgpt_agent.server import letta_agents, letta_blocks
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.problems import not_found
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer, BlockAnswer, BlockFields, NewBlock
from memgpt_agent.server.shapes.base import Data

router = APIRouter(prefix="/v1", tags=["blocks"])


@router.post("/blocks", response_model=BlockAnswer, summary="Make a block")
def create(served: Serving, body: NewBlock) -> Any:
    """Make a block that no agent has yet."""
    return letta_blocks.create(served.agents, body.given())


@router.get("/blocks", response_model=list[BlockAnswer], summary="List blocks")
def list_blocks(
    served: Serving,
    page: Paged,
    label: Annotated[str | None, Query(title="Label", description="Only blocks of this label.")] = None,
    name: Annotated[str | None, Query(title="Template", description="Only blocks made of this template.")] = None,
    templates_only: Annotated[bool | None, Query(title="Templates")] = None,
    identity_id: Annotated[str | None, Query()] = None,
    value_search: Annotated[str | None, Query(title="Words in the text")] = None,
    label_search: Annotated[str | None, Query(title="Words in the label")] = None,
    description_search: Annotated[str | None, Query(title="Words in the description")] = None,
    tags: Annotated[list[str] | None, Query(title="Tags")] = None,
    match_all_tags: Annotated[bool | None, Query(title="All tags")] = None,
) -> Any:
    """Return blocks: those that stand by themselves, and those of agents."""
    wanted = {"label": label, "template_name": name, "is_template": templates_only or None}
    words = {"value": value_search, "label": label_search, "description": description_search}
    found = [
        one for one in letta_blocks.every(served.agents)
        if all(value is None or one.get(field) == value for field, value in wanted.items())
        and all(value is None or value.casefold() in (one.get(field) or "").casefold() for field, value in words.items())
        and _tagged(one, tags, match_all=bool(match_all_tags))
    ]  # fmt: skip
    return cut(found, page, lambda one: one["id"], newest_first=False)


def _tagged(block: Data, tags: list[str] | None, *, match_all: bool) -> bool:
    have = set(block.get("tags") or ())
    return not tags or (set(tags) <= have if match_all else bool(set(tags) & have))


@router.get("/blocks/count", response_model=int, summary="Count blocks")
def count(served: Serving) -> int:
    """Return how many blocks there are."""
    return len(letta_blocks.every(served.agents))


@router.get("/blocks/{block_id}", response_model=BlockAnswer, summary="Look at a block")
def retrieve(served: Serving, block_id: str) -> Any:
    """Return a block."""
    return letta_blocks.block_at(served.agents, block_id)


@router.patch("/blocks/{block_id}", response_model=BlockAnswer, summary="Change a block")
def update(served: Serving, block_id: str, body: BlockFields) -> Any:
    """Change a block for every agent that has it; the version before stays in its history."""
    return letta_blocks.block_at(served.agents, letta_blocks.change(served.agents, block_id, body.given()))


@router.delete("/blocks/{block_id}", summary="Delete a block")
def delete(served: Serving, block_id: str) -> Data:
    """Delete a block; agents that have it lose it."""
    place = letta_blocks.place_of(served.agents, block_id)
    if place.shared is None:
        served.agents.core(place.agent_id).delete(place.label)
        return {"message": f"Block {block_id} was deleted."}
    for holder in place.shared.attached:
        served.agents.core(holder.agent_id).detach(holder.label)
    SharedBlocks(served.agents.store, served.agents.who).delete(place.shared.id)
    return {"message": f"Block {block_id} was deleted."}


@router.get("/blocks/{block_id}/agents", response_model=list[AgentAnswer], summary="List a block's agents")
def agents_of(served: Serving, block_id: str, page: Paged) -> Any:
    """Return the agents that have a block."""
    found = letta_blocks.holders(served.agents, block_id)
    return [letta_agents.letta_agent(served.agents, one) for one in cut(found, page, lambda one: one.agent_id)]


def _block(served: Served, agent_id: str, label: str) -> Data:
    served.agents.definition(agent_id)
    found = [one for one in letta_blocks.blocks_of(served.agents, agent_id) if one["label"] == label]
    if not found:
        raise not_found("block", label)
    return found[0]


@router.get("/agents/{agent_id}/core-memory", summary="Look at core memory")
def core_memory(served: Serving, agent_id: str) -> Any:
    """Return an agent's core memory."""
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))["memory"]


@router.get("/agents/{agent_id}/core-memory/blocks", response_model=list[BlockAnswer], summary="List an agent's blocks")
def list_of_agent(served: Serving, agent_id: str, page: Paged) -> Any:
    """Return an agent's blocks in their order."""
    served.agents.definition(agent_id)
    return cut(letta_blocks.blocks_of(served.agents, agent_id), page, lambda one: one["id"], newest_first=False)


@router.get("/agents/{agent_id}/core-memory/blocks/{label:path}", response_model=BlockAnswer, summary="Look at an agent's block")
def retrieve_of_agent(served: Serving, agent_id: str, label: str) -> Any:
    """Return an agent's block by its label."""
    return _block(served, agent_id, label)


@router.patch("/agents/{agent_id}/core-memory/blocks/attach/{block_id}", response_model=AgentAnswer, summary="Attach a block")
def attach(served: Serving, agent_id: str, block_id: str) -> Any:
    """Give an agent a block; every agent that has it sees every edit."""
    served.agents.definition(agent_id)
    letta_agents.attach(served.agents, agent_id, block_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


@router.patch("/agents/{agent_id}/core-memory/blocks/detach/{block_id}", response_model=AgentAnswer, summary="Detach a block")
def detach(served: Serving, agent_id: str, block_id: str) -> Any:
    """Take a block from an agent; the block stays."""
    letta_agents.detach(served.agents, agent_id, block_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


@router.patch("/agents/{agent_id}/core-memory/blocks/{label:path}", response_model=BlockAnswer, summary="Change an agent's block")
def update_of_agent(served: Serving, agent_id: str, label: str, body: BlockFields) -> Any:
    """Change an agent's block by its label."""
    known = _block(served, agent_id, label)
    changed = letta_blocks.change(served.agents, known["id"], body.given())
    return letta_blocks.block_at(served.agents, changed)
