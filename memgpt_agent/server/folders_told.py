"""Folders."""

from typing import Any

from memgpt_agent.server.open_agents import OpenAgents


def told_folder(agents: OpenAgents, folder_id: str) -> dict[str, Any] | None:
    """Return a folder."""
    return None


def attach_folder(agents: OpenAgents, agent_id: str, folder_id: str) -> None:
    """Attach."""


def set_folders(agents: OpenAgents, agent_id: str, folder_ids: list[str]) -> None:
    """Set."""
