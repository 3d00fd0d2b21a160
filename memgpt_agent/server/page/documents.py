"""Documents: uploading with progress, reading what the agent reads of them, unloading."""

from typing import Annotated

from fastapi import File, Form, UploadFile
from langgraph.store.base import BaseStore
from starlette.responses import Response

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import Passage, passage_of
from memgpt_agent.memory.files import FileRecord
from memgpt_agent.memory.files.attached import LoadProgress
from memgpt_agent.memory.files.record import record_of
from memgpt_agent.server.letta_folders import MAX_BYTES
from memgpt_agent.server.page.jobs import Job, begun, jobs_of
from memgpt_agent.server.page.view import Agent, Place, of_agent, pages
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.store.plain import find, newest

router = pages()
PAGE = 50
_PASSAGES = 20


def _page(store: BaseStore, agent_id: str, offset: int) -> list[FileRecord]:
    return [
        record_of(item.value) for item in newest(store, namespaces.of(agent_id, "files"), limit=PAGE + 1, offset=offset)
    ]


@router.get("/a/{agent}/documents")
def listed(seen: Agent, after: Place = 0) -> Response:
    """List the documents, those loaded last first."""
    found = _page(seen.served.agents.store, seen.agent_id, after)
    further = after + PAGE if len(found) > PAGE else None
    return seen.page(
        "documents.html",
        tab="documents",
        files=found[:PAGE],
        further=further,
        jobs=jobs_of(seen.request).of(seen.agent_id),
    )


@router.post("/a/{agent}/documents")
def upload(seen: Agent, files: Annotated[list[UploadFile] | None, File()] = None) -> Response:
    """Load files; they are read while the page shows how far that is."""
    seen.check_writable()
    given = [
        (one.filename or "file", one.content_type or "", one.file.read(MAX_BYTES + 1))
        for one in files or ()
        if one.filename
    ]
    if not given:
        raise HTTPProblem(422, "Choose a file first.")
    if large := [name for name, _, content in given if len(content) > MAX_BYTES]:
        raise HTTPProblem(413, f"{large[0]} has more than {MAX_BYTES:,} bytes, which is the most.")
    attached = seen.served.agents.files(seen.agent_id)

    def work(job: Job) -> str:
        reports: list[str] = []
        for name, mime, content in given:

            def progress(one: LoadProgress, name: str = name) -> None:
                job.words, job.done, job.total = f"{name}: {one.done:,} {one.unit}", one.done, one.total

            job.words = f"{name}: reading"
            load = attached.attach(name, content, mime, on_progress=progress)
            reports.append(
                f"{load.record.name}: {load.record.passages:,} passages"
                if load.state != "unchanged"
                else f"{load.record.name} was there already"
            )
        return "; ".join(reports)

    title = f"Loading {len(given)} files" if len(given) > 1 else f"Loading {given[0][0]}"
    return begun(seen, jobs_of(seen.request).start(seen.agent_id, title, of_agent(seen.agent_id, "documents"), work))


@router.get("/a/{agent}/document")
def one(seen: Agent, id: str, after: Place = 0) -> Response:
    """Show a document as the agent finds it: its passages."""
    store = seen.served.agents.store
    item = store.get(namespaces.of(seen.agent_id, "files"), id)
    if item is None:
        raise not_found("document", id)
    hits = find(
        store,
        namespaces.of(seen.agent_id, "archival"),
        "",
        filter={"file": id},
        limit=_PASSAGES + 1,
        offset=after,
    )
    passages: list[Passage] = [passage_of(hit.value) for hit in hits[:_PASSAGES]]
    further = after + _PASSAGES if len(hits) > _PASSAGES else None
    return seen.page(
        "document.html",
        tab="documents",
        file=record_of(item.value),
        passages=passages,
        after=after,
        further=further,
    )


@router.post("/a/{agent}/documents/unload")
def unload(seen: Agent, name: Annotated[str, Form()]) -> Response:
    """Take a document out of the agent's memory."""
    seen.check_writable()
    seen.served.agents.files(seen.agent_id).unload(seen.served.agents.files(seen.agent_id).record(name).name)
    return seen.back("documents", note="unloaded")
