"""An agent's knowledge graph: facts between named entities, each with the period in which it holds."""

from memgpt_agent.memory.knowledge.entities import Entity
from memgpt_agent.memory.knowledge.facts import Fact
from memgpt_agent.memory.knowledge.graph import Inserted, KnowledgeGraph

__all__ = ["Entity", "Fact", "Inserted", "KnowledgeGraph"]
