"""Folders in Letta's schema, and their files in the agents that have them."""

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memgpt_agent.documents import find_files, load_documents
from memgpt_agent.documents.passages import read_sections
from memgpt_agent.errors import FileNotAttached
from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.files import AttachedFiles, FileRecord
from memgpt_agent.server import ids
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.store.plain import all_items

MAX_BYTES = 50_000_000
"""A file that is uploaded has this many bytes at most."""


def every(agents: OpenAgents) -> list[dict[str, Any]]:
    """Return all folders as they are stored, oldest first."""
    found = (item.value for item in all_items(agents.store, namespaces.FOLDERS) if agents.mine(item.value))
    return sorted(found, key=lambda one: (one["created_at"], one["id"]))


def folder_at(agents: OpenAgents, folder_id: str) -> dict[str, Any] | None:
    """Return a folder; ``None`` if it is not there any more."""
    found = agents.folder(folder_id)
    return letta_folder(agents, found) if found else None


def letta_folder(agents: OpenAgents, folder: Mapping[str, Any]) -> dict[str, Any]:
    """Return a folder as clients see it."""
    from memgpt_agent.server.letta_agents import embedding

    return {"description": None, "instructions": None, "metadata": {}, **folder, "embedding_config": embedding(agents)}


def existing(agents: OpenAgents, folder_id: str) -> dict[str, Any]:
    """Return a folder as it is stored.

    Raises:
        HTTPProblem: there is none of this id.
    """
    found = agents.folder(folder_id)
    if found is None:
        raise not_found("folder", folder_id)
    return found


def put(agents: OpenAgents, folder: dict[str, Any]) -> dict[str, Any]:
    """Keep a folder."""
    agents.store.put(namespaces.FOLDERS, folder["id"], {**folder, "updated_at": stamp(utc_now())}, index=False)
    return folder


def files_of(agents: OpenAgents, folder_id: str) -> list[dict[str, Any]]:
    """Return the files of a folder as they are stored, oldest first."""
    found = (item.value for item in all_items(agents.store, namespaces.FOLDER_FILES, {"folder_id": folder_id}))
    return sorted(found, key=lambda one: (one["created_at"], one["id"]))


def letta_file(file: Mapping[str, Any], *, content: str | None = None) -> dict[str, Any]:
    """Return a file as clients see it."""
    return {
        "id": file["id"], "source_id": file["folder_id"], "folder_id": file["folder_id"], "file_name": file["name"], "file_size": file["size"],
        "original_file_name": file["name"], "file_type": file["type"], "processing_status": "completed", "error_message": None,
        "total_chunks": file.get("passages"), "chunks_embedded": file.get("passages"), "created_at": file["created_at"], "content": content,
    }  # fmt: skip


def text_of(agents: OpenAgents, file: Mapping[str, Any]) -> str:
    """Return what a file says."""
    with _Written(agents, {"id": file["folder_id"]}, [dict(file)]) as paths:
        return "\n".join(section.text for found in find_files(paths) for section in read_sections(found))


def upload(agents: OpenAgents, folder: Mapping[str, Any], name: str, kind: str, raw: bytes, duplicates: str | None) -> dict[str, Any]:
    """Keep a file in a folder and load it into every agent that has the folder; return it as it is stored.

    Raises:
        HTTPProblem: 409 for a name that is taken, where that is to be an error; 413 for a file that is too large.
        DocumentError: it cannot be read, or holds no text; nothing was kept.
    """
    if len(raw) > MAX_BYTES:
        raise HTTPProblem(413, f"The file has {len(raw):,} bytes; the most is {MAX_BYTES:,}.")
    name = Path(name.replace("\\", "/")).name or "file.txt"
    same = [file for file in files_of(agents, folder["id"]) if file["name"] == name]
    if same and duplicates == "error":
        raise HTTPProblem(409, f"The folder has a file {name!r} already.")
    if same and duplicates == "skip":
        return same[0]
    if same and duplicates != "replace":
        name = _free(name, {file["name"] for file in files_of(agents, folder["id"])})
    new = same[0]["id"] if same and duplicates == "replace" else ids.new("file")
    file = {
        "id": new, "folder_id": folder["id"], "name": name, "type": kind, "size": len(raw), "created_at": stamp(utc_now()),
        "content": base64.b64encode(raw).decode(),
    }  # fmt: skip
    with _Written(agents, folder, [file]) as paths:
        found = find_files(paths)
        holders = holders_of(agents, folder["id"])
        if not holders:  # read it once, so that what cannot be read is refused now
            file["passages"] = sum(1 for _ in load_documents(paths))
        for agent in holders:
            file["passages"] = sum(load.record.passages for load in AttachedFiles(agents.store, agent.agent_id).load(found))
    agents.store.put(namespaces.FOLDER_FILES, new, file, index=False)
    return file


def _free(name: str, used: set[str]) -> str:
    stem, suffix = Path(name).stem, Path(name).suffix
    return next(one for n in range(1, len(used) + 2) if (one := f"{stem}_{n}{suffix}") not in used)


class _Written:
    """Files of a folder on disk for as long as they are read, always under the same paths: by these an agent knows them."""

    def __init__(self, agents: OpenAgents, folder: Mapping[str, Any], files: list[dict[str, Any]]) -> None:
        self._place, self._files = place_of(agents, folder), files

    def __enter__(self) -> list[Path]:
        self._place.mkdir(parents=True, exist_ok=True)
        paths = [self._place / str(file["name"]) for file in self._files]
        for path, file in zip(paths, self._files, strict=True):
            path.write_bytes(base64.b64decode(file["content"]))
        return paths

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


def place_of(agents: OpenAgents, folder: Mapping[str, Any]) -> Path:
    """Return where a folder's files lie while they are read."""
    return agents.settings.home / "uploads" / str(folder["id"])


def holders_of(agents: OpenAgents, folder_id: str) -> list[AgentDefinition]:
    """Return the agents that have a folder."""
    return [one for one in agents.every() if folder_id in one.served.get("folder_ids", ())]


def attach_folder(agents: OpenAgents, agent_id: str, folder_id: str) -> None:
    """Give an agent the files of a folder, and the tools to read them.

    Raises:
        HTTPProblem: there is no such folder.
    """
    folder, files = existing(agents, folder_id), files_of(agents, folder_id)
    if files:
        with _Written(agents, folder, files) as paths:
            for _ in AttachedFiles(agents.store, agent_id).load(find_files(paths)):
                pass
    have = agents.definition(agent_id).served.get("folder_ids", ())
    agents.serve(agent_id, folder_ids=list(dict.fromkeys([*have, folder_id])))


def detach_folder(agents: OpenAgents, agent_id: str, folder_id: str) -> None:
    """Take the files of a folder from an agent.

    Raises:
        HTTPProblem: the agent does not have the folder.
    """
    have = agents.definition(agent_id).served.get("folder_ids", ())
    if folder_id not in have:
        raise HTTPProblem(404, f"The agent {agent_id!r} does not have the folder {folder_id!r}.")
    _unload(agents, agent_id, place_of(agents, {"id": folder_id}))
    agents.serve(agent_id, folder_ids=[one for one in have if one != folder_id])


def _unload(agents: OpenAgents, agent_id: str, path: Path) -> None:
    try:
        AttachedFiles(agents.store, agent_id).unload(path)
    except FileNotAttached:  # an empty folder, or a file without text
        return


def set_folders(agents: OpenAgents, agent_id: str, folder_ids: list[str]) -> None:
    """Give an agent these folders and no others."""
    for folder_id in folder_ids:
        attach_folder(agents, agent_id, folder_id)
    for folder_id in agents.definition(agent_id).served.get("folder_ids", ()):
        if folder_id not in folder_ids:
            detach_folder(agents, agent_id, folder_id)


def delete_file(agents: OpenAgents, folder: Mapping[str, Any], file: Mapping[str, Any]) -> None:
    """Delete a file from a folder and from every agent that has it."""
    for agent in holders_of(agents, folder["id"]):
        _unload(agents, agent.agent_id, place_of(agents, folder) / str(file["name"]))
    agents.store.delete(namespaces.FOLDER_FILES, file["id"])


def record_of(agents: OpenAgents, agent_id: str, file: Mapping[str, Any]) -> FileRecord | None:
    """Return the record of a folder's file in an agent."""
    path = str((place_of(agents, {"id": file["folder_id"]}) / str(file["name"])).absolute())
    return next((one for one in AttachedFiles(agents.store, agent_id).records() if one.path == path), None)
