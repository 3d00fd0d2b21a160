"""The knowledge graph of an agent: facts between named entities, each with the time in which it holds."""

from memgpt_agent.memory.knowledge.entities import Entity
from memgpt_agent.memory.knowledge.facts import Fact
from memgpt_agent.memory.knowledge.graph import Inserted, KnowledgeGraph

__all__ = ["Entity", "Fact", "Inserted", "KnowledgeGraph"]
