"""Agents as files: export and import of everything that belongs to an agent, and other servers' Agent File format."""

from memgpt_agent.agent_file.af_writing import export_agent_file
from memgpt_agent.agent_file.document import AgentDocument, schema
from memgpt_agent.agent_file.exporting import Exported, export_agent
from memgpt_agent.agent_file.importing import Imported, import_agents

__all__ = ["AgentDocument", "Exported", "Imported", "export_agent", "export_agent_file", "import_agents", "schema"]
