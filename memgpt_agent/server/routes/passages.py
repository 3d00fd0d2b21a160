"""Archival memory: texts that an agent keeps without limit; and searching messages and passages of all agents."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival import Passage, StoreArchive
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.server import letta_messages
from memgpt_agent.server.ids import Paged
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.tools import NewPassage, PassageAnswer, Words
from memgpt_agent.store.plain import count, newest

router = APIRouter(prefix="/v1", tags=["archival memory"])
Tags = Annotated[list[str] | None, Query(title="Tags")]


def _archive(served: Served, agent_id: str) -> StoreArchive:
    served.agents.definition(agent_id)
    return StoreArchive(served.agents.store, agent_id)


def _letta_passage(passage: Passage, agent_id: str) -> Data:
    return {
        "id": passage.id, "text": passage.text, "tags": list(passage.tags), "created_at": passage.time, "updated_at": passage.time,
        "metadata": {}, "archive_id": f"archive-{agent_id}", "file_name": passage.source or None, "embedding": None, "embedding_config": None,
        "is_deleted": False,
    }  # fmt: skip


@router.post("/agents/{agent_id}/archival-memory", response_model=list[PassageAnswer], summary="Keep a text")
def create(served: Serving, agent_id: str, body: NewPassage) -> Any:
    """File a passage; the same text again only gets the new tags."""
    served.agents.writable(agent_id)
    passage, _ = _archive(served, agent_id).insert(body.text, body.tags or ())
    return [_letta_passage(passage, agent_id)]


@router.get("/agents/{agent_id}/archival-memory", response_model=list[PassageAnswer], summary="List texts")
def list_passages(
    served: Serving,
    agent_id: str,
    page: Paged,
    search: Annotated[str | None, Query(title="Words", description="Only texts that fit; the best first.")] = None,
    ascending: Annotated[bool | None, Query(title="Oldest first")] = None,
) -> Any:
    """Return passages, the oldest first unless another order is asked for."""
    archive, wanted = _archive(served, agent_id), 50 if page.limit is None else page.limit
    if search:
        return [_letta_passage(one, agent_id) for one in archive.search(search, limit=wanted)]
    store, namespace = served.agents.store, namespaces.of(agent_id, "archival")
    descending = page.order == "desc" or (page.order is None and ascending is False)
    return [_letta_passage(one, agent_id) for one in _page(store, namespace, page.after, page.before, wanted, descending=descending)]


def _page(store: Any, namespace: tuple[str, ...], after: str | None, before: str | None, limit: int, *, descending: bool) -> list[Passage]:
    """Return a page of passages by their time; ids order those of the same time."""
    total = count(store, namespace)
    found = [Passage(**_fields(item.value)) for item in newest(store, namespace, limit=total)] if total else []
    found.sort(key=lambda one: (one.time, one.id), reverse=descending)
    ids = [one.id for one in found]
    if after is not None:
        found = found[ids.index(after) + 1 :] if after in ids else []
    elif before is not None:
        end = ids.index(before) if before in ids else 0
        return found[max(0, end - limit) : end]
    return found[:limit]


def _fields(value: Data) -> Data:
    known = {name: value[name] for name in ("id", "text", "time", "source", "cause") if name in value}
    return {**known, "tags": tuple(value.get("tags", ()))}


@router.get("/agents/{agent_id}/archival-memory/search", summary="Search texts")
def search(
    served: Serving,
    agent_id: str,
    query: Annotated[str, Query(title="Words")],
    tags: Tags = None,
    tag_match_mode: Annotated[str, Query(title="Any or all tags")] = "any",
    top_k: Annotated[int | None, Query(title="How many", ge=1, le=1_000)] = None,
    start_datetime: Annotated[str | None, Query(title="From")] = None,
    end_datetime: Annotated[str | None, Query(title="Until")] = None,
) -> Any:
    """Return the passages that fit best, by meaning and by words."""
    dates = range_filter(start_datetime, end_datetime)
    match = "all" if tag_match_mode == "all" else "any"
    found = _archive(served, agent_id).search(query, tags=tags or (), match=match, dates=dates, limit=top_k or 10)
    results = [{"id": one.id, "timestamp": one.time, "content": one.text, "tags": list(one.tags)} for one in found]
    return {"results": results, "count": len(results)}


@router.delete("/agents/{agent_id}/archival-memory/{passage_id}", summary="Delete a text")
def delete(served: Serving, agent_id: str, passage_id: str) -> Data:
    """Delete a passage. One of a file goes with the file."""
    served.agents.writable(agent_id)
    place = namespaces.of(agent_id, "archival")
    found = served.agents.store.get(place, passage_id)
    if found is None:
        raise not_found("passage", passage_id)
    if found.value.get("file"):
        raise HTTPProblem(409, f"The passage {passage_id!r} is part of a file; detach the folder, or delete the file.")
    served.agents.store.delete(place, passage_id)
    return {"message": f"Passage {passage_id} was deleted."}


@router.post("/passages/search", summary="Search the texts of all agents")
def search_all(served: Serving, body: Words) -> Any:
    """Return the passages that fit best, of one agent or of each."""
    agents = [served.agents.definition(body.agent_id)] if body.agent_id else served.agents.every()
    limit, match = body.limit or 10, "all" if body.tag_match_mode == "all" else "any"
    found = [
        (one.agent_id, rank, passage) for one in agents
        for rank, passage in enumerate(StoreArchive(served.agents.store, one.agent_id).search(
            body.query or "", tags=body.tags or (), match=match, limit=limit))
    ]  # fmt: skip
    found.sort(key=lambda one: one[1])
    return [{"passage": _letta_passage(passage, agent), "score": 1 / (60 + rank), "metadata": {}} for agent, rank, passage in found[:limit]]


@router.post("/messages/search", summary="Search messages")
@router.post("/agents/messages/search", summary="Search messages", include_in_schema=False)
def search_messages(served: Serving, body: Words) -> Any:
    """Return the messages that fit best, of one agent or of each."""
    agents = [served.agents.definition(body.agent_id)] if body.agent_id else served.agents.every()
    limit = body.limit or 10
    found = [
        (one.agent_id, rank, record) for one in agents
        for rank, record in enumerate(served.agents.recall(one.agent_id).search(body.query or "", limit=limit))
    ]  # fmt: skip
    found.sort(key=lambda one: one[1])
    return [
        {**letta_messages.messages_of(record)[-1], "message_id": letta_messages.message_id(record), "agent_id": agent, "created_at": record.time}
        for agent, _, record in found[:limit]
    ]
