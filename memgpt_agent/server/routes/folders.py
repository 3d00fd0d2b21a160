"""Folders of files, by their newer name and by their older one (sources), and the files that an agent has open."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Query, UploadFile

from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.files import OpenFiles
from memgpt_agent.server import ids, letta_agents, letta_folders
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.tools import FolderAnswer, FolderFields
from memgpt_agent.tokens import resolve_token_counter

router = APIRouter(prefix="/v1", tags=["folders"])
_ROOM_TOKENS = 8_192
"""What the open files of an agent may take together where a client opens them."""


def _file(served: Served, folder_id: str, file_id: str) -> Data:
    letta_folders.existing(served.agents, folder_id)
    found = served.agents.store.get(namespaces.FOLDER_FILES, file_id)
    if found is None or found.value["folder_id"] != folder_id:
        raise not_found("file", file_id)
    return found.value


@router.post("/folders", response_model=FolderAnswer, summary="Make a folder")
@router.post("/sources", response_model=FolderAnswer, summary="Make a folder", include_in_schema=False)
def create(served: Serving, body: FolderFields) -> Any:
    """Make a folder for files. The data folder's embedding does the work, whatever is named."""
    given = {name: value for name, value in body.given().items() if name in ("name", "description", "instructions", "metadata")}
    if not given.get("name"):
        raise HTTPProblem(422, "A folder needs a name.")
    made = {"id": ids.new("source"), "created_at": stamp(utc_now()), **given, **served.agents.owned()}
    return letta_folders.letta_folder(served.agents, letta_folders.put(served.agents, made))


@router.get("/folders", response_model=list[FolderAnswer], summary="List folders")
@router.get("/sources", response_model=list[FolderAnswer], summary="List folders", include_in_schema=False)
def list_folders(served: Serving, page: Paged, name: Annotated[str | None, Query(title="Name")] = None) -> Any:
    """Return folders, the newest first unless another order is asked for."""
    found = [one for one in letta_folders.every(served.agents) if name is None or one["name"] == name]
    return [letta_folders.letta_folder(served.agents, one) for one in cut(found, page, lambda one: one["id"])]


@router.get("/folders/count", response_model=int, summary="Count folders")
@router.get("/sources/count", response_model=int, summary="Count folders", include_in_schema=False)
def count(served: Serving) -> int:
    """Return how many folders there are."""
    return len(letta_folders.every(served.agents))


@router.get("/folders/name/{name}", response_model=str, summary="Find a folder by its name")
@router.get("/sources/name/{name}", response_model=str, summary="Find a folder by its name", include_in_schema=False)
def by_name(served: Serving, name: str) -> str:
    """Return the id of the folder of a name."""
    found = [one for one in letta_folders.every(served.agents) if one["name"] == name]
    if not found:
        raise not_found("folder", name)
    return str(found[-1]["id"])


@router.get("/folders/{folder_id}", response_model=FolderAnswer, summary="Look at a folder")
@router.get("/sources/{folder_id}", response_model=FolderAnswer, summary="Look at a folder", include_in_schema=False)
def retrieve(served: Serving, folder_id: str) -> Any:
    """Return a folder."""
    return letta_folders.letta_folder(served.agents, letta_folders.existing(served.agents, folder_id))


@router.patch("/folders/{folder_id}", response_model=FolderAnswer, summary="Change a folder")
@router.patch("/sources/{folder_id}", response_model=FolderAnswer, summary="Change a folder", include_in_schema=False)
def update(served: Serving, folder_id: str, body: FolderFields) -> Any:
    """Change what is said of a folder."""
    given = {name: value for name, value in body.given().items() if name in ("name", "description", "instructions", "metadata")}
    changed = letta_folders.put(served.agents, {**letta_folders.existing(served.agents, folder_id), **given})
    return letta_folders.letta_folder(served.agents, changed)


@router.delete("/folders/{folder_id}", summary="Delete a folder")
@router.delete("/sources/{folder_id}", summary="Delete a folder", include_in_schema=False)
def delete(served: Serving, folder_id: str) -> Data:
    """Delete a folder with its files; agents that have it lose them."""
    letta_folders.existing(served.agents, folder_id)
    for agent in letta_folders.holders_of(served.agents, folder_id):
        letta_folders.detach_folder(served.agents, agent.agent_id, folder_id)
    for file in letta_folders.files_of(served.agents, folder_id):
        served.agents.store.delete(namespaces.FOLDER_FILES, file["id"])
    served.agents.store.delete(namespaces.FOLDERS, folder_id)
    return {"message": f"Folder {folder_id} was deleted."}


@router.post("/folders/{folder_id}/upload", response_model=Data, summary="Upload a file")
@router.post("/sources/{folder_id}/upload", response_model=Data, summary="Upload a file", include_in_schema=False)
def upload(
    served: Serving,
    folder_id: str,
    file: Annotated[UploadFile, File(title="File", description="Text, source code, Markdown, PDF, HTML, Word, CSV or a notebook.")],
    duplicate_handling: Annotated[str | None, Query(title="Name taken", description="skip, error, suffix or replace.")] = None,
    name: Annotated[str | None, Query(title="Name", description="In place of the file's own.")] = None,
) -> Any:
    """Keep a file; it is read and cut into passages at once, for every agent that has the folder."""
    folder = letta_folders.existing(served.agents, folder_id)
    raw, kind = file.file.read(), file.content_type or "text/plain"
    return letta_folders.letta_file(letta_folders.upload(served.agents, folder, name or file.filename or "", kind, raw, duplicate_handling))


@router.get("/folders/{folder_id}/files", response_model=list[Data], summary="List a folder's files")
@router.get("/sources/{folder_id}/files", response_model=list[Data], summary="List a folder's files", include_in_schema=False)
def list_files(served: Serving, folder_id: str, page: Paged) -> Any:
    """Return the files of a folder, the newest first unless another order is asked for."""
    letta_folders.existing(served.agents, folder_id)
    found = cut(letta_folders.files_of(served.agents, folder_id), page, lambda one: one["id"], limit=1_000)
    return [letta_folders.letta_file(one) for one in found]


@router.get("/folders/{folder_id}/files/{file_id}", response_model=Data, summary="Look at a file")
@router.get("/sources/{folder_id}/files/{file_id}", response_model=Data, summary="Look at a file", include_in_schema=False)
def retrieve_file(served: Serving, folder_id: str, file_id: str, include_content: Annotated[bool, Query(title="Content")] = False) -> Any:
    """Return a file; its text too, where it is asked for."""
    file = _file(served, folder_id, file_id)
    return letta_folders.letta_file(file, content=letta_folders.text_of(served.agents, file) if include_content else None)


@router.get("/folders/{folder_id}/agents", response_model=list[str], summary="List a folder's agents")
@router.get("/sources/{folder_id}/agents", response_model=list[str], summary="List a folder's agents", include_in_schema=False)
def agents_of(served: Serving, folder_id: str) -> Any:
    """Return the ids of the agents that have a folder."""
    letta_folders.existing(served.agents, folder_id)
    return [one.agent_id for one in letta_folders.holders_of(served.agents, folder_id)]


@router.delete("/folders/{folder_id}/{file_id}", summary="Delete a file")
@router.delete("/sources/{folder_id}/{file_id}", summary="Delete a file", include_in_schema=False)
def delete_file(served: Serving, folder_id: str, file_id: str) -> Data:
    """Delete a file; agents that have the folder lose it."""
    file = _file(served, folder_id, file_id)
    letta_folders.delete_file(served.agents, letta_folders.existing(served.agents, folder_id), file)
    return {"message": f"File {file_id} was deleted."}


@router.get("/agents/{agent_id}/folders", response_model=list[FolderAnswer], summary="List an agent's folders")
@router.get("/agents/{agent_id}/sources", response_model=list[FolderAnswer], summary="List an agent's folders", include_in_schema=False)
def list_of_agent(served: Serving, agent_id: str, page: Paged) -> Any:
    """Return the folders that an agent has."""
    return cut(letta_agents.folders_of(served.agents, served.agents.definition(agent_id)), page, lambda one: one["id"])


@router.patch("/agents/{agent_id}/folders/attach/{folder_id}", response_model=AgentAnswer, summary="Attach a folder")
@router.patch("/agents/{agent_id}/sources/attach/{folder_id}", response_model=AgentAnswer, include_in_schema=False)
def attach(served: Serving, agent_id: str, folder_id: str) -> Any:
    """Give an agent the files of a folder, and the tools to open, close and search them."""
    served.agents.definition(agent_id)
    letta_folders.attach_folder(served.agents, agent_id, folder_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


@router.patch("/agents/{agent_id}/folders/detach/{folder_id}", response_model=AgentAnswer, summary="Detach a folder")
@router.patch("/agents/{agent_id}/sources/detach/{folder_id}", response_model=AgentAnswer, include_in_schema=False)
def detach(served: Serving, agent_id: str, folder_id: str) -> Any:
    """Take the files of a folder from an agent."""
    letta_folders.detach_folder(served.agents, agent_id, folder_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


def _open_files(served: Served, agent_id: str) -> OpenFiles:
    return OpenFiles(served.agents.store, agent_id, _ROOM_TOKENS, resolve_token_counter().count_text)


@router.get("/agents/{agent_id}/files", summary="List an agent's files")
def list_agent_files(served: Serving, agent_id: str, page: Paged, is_open: Annotated[bool | None, Query(title="Open")] = None) -> Any:
    """Return the files of an agent's folders, with whether each is open."""
    views = {view.id: view for view in _open_files(served, agent_id).views()}
    found: list[Data] = []
    for folder in letta_agents.folders_of(served.agents, served.agents.definition(agent_id)):
        for file in letta_folders.files_of(served.agents, folder["id"]):
            record = letta_folders.record_of(served.agents, agent_id, file)
            view = views.get(record.id) if record else None
            found.append({
                "id": f"file_agent-{file['id']}", "file_id": file["id"], "file_name": file["name"], "folder_id": folder["id"],
                "folder_name": folder["name"], "is_open": view is not None, "start_line": view.first if view else None,
                "end_line": view.last if view else None, "last_accessed_at": file["created_at"], "visible_content": None,
            })  # fmt: skip
    shown = cut([one for one in found if is_open is None or one["is_open"] == is_open], page, lambda one: one["id"], newest_first=False)
    return {"files": shown, "next_cursor": shown[-1]["id"] if shown else None, "has_more": False}


@router.patch("/agents/{agent_id}/files/close-all", response_model=list[str], summary="Close all files")
def close_all(served: Serving, agent_id: str) -> Any:
    """Take all files out of the agent's view; return their names."""
    served.agents.definition(agent_id)
    files = _open_files(served, agent_id)
    return [files.close(view.name).name for view in files.views()]


def _name(served: Served, agent_id: str, file_id: str) -> str:
    served.agents.definition(agent_id)
    found = served.agents.store.get(namespaces.FOLDER_FILES, file_id.removeprefix("file_agent-"))
    record = letta_folders.record_of(served.agents, agent_id, found.value) if found else None
    if record is None:
        raise not_found("file", file_id)
    return record.name


@router.patch("/agents/{agent_id}/files/{file_id}/open", response_model=list[str], summary="Open a file")
def open_file(served: Serving, agent_id: str, file_id: str) -> Any:
    """Put a file into the agent's view; return the names of those that were closed to make room."""
    name, files = _name(served, agent_id, file_id), _open_files(served, agent_id)
    _, closed = files.open(served.agents.files(agent_id).record(name))
    return [view.name for view in closed]


@router.patch("/agents/{agent_id}/files/{file_id}/close", summary="Close a file")
def close_file(served: Serving, agent_id: str, file_id: str) -> Data:
    """Take a file out of the agent's view."""
    closed = _open_files(served, agent_id).close(_name(served, agent_id, file_id))
    return {"message": f"{closed.name} was closed."}
