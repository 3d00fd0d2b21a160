"""Folders of files as clients see them, and their files in the agents that have them."""

from typing import Any

from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import not_found


def told_folder(agents: OpenAgents, folder_id: str) -> dict[str, Any] | None:
    """Return a folder; ``None`` where it is not there any more."""
    found = agents.folder(folder_id)
    return {**found, "embedding_config": {}} if found else None


def attach_folder(agents: OpenAgents, agent_id: str, folder_id: str) -> None:
    """Give an agent the files of a folder.

    Raises:
        Problem: there is no such folder.
    """
    if told_folder(agents, folder_id) is None:
        raise not_found("folder", folder_id)
    agents.serve(agent_id, folder_ids=[folder_id])


def set_folders(agents: OpenAgents, agent_id: str, folder_ids: list[str]) -> None:
    """Give an agent these folders and no others."""
    for folder_id in folder_ids:
        attach_folder(agents, agent_id, folder_id)
