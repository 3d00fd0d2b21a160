"""One agent's memory: its tiers over one store, and the actor of its writes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from langchain_core.documents import BaseDocumentCompressor
from langgraph.store.base import BaseStore

from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory.archival import ArchivalMemory, StoreArchive
from memgpt_agent.memory.core import Cause, CoreMemory
from memgpt_agent.memory.files import AttachedFiles
from memgpt_agent.memory.main_context import QueueView
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.memory.uploads import Uploads
from memgpt_agent.memory.waking import Journal, Post
from memgpt_agent.owners import Identity, Walls


def _about(text: str) -> int:
    """Estimate a text's tokens: one for three bytes of UTF-8, a little more than most texts have."""
    return -(-len(text.encode("utf-8", "replace")) // 3)


@dataclass(frozen=True)
class AgentMemory:
    """The first argument of a memory tool: the tiers, the clock and the cause of the call."""

    store: BaseStore
    """Where the tiers live."""
    agent_id: str
    """Whose memory it is."""
    clock: Clock = utc_now
    """Gives the time."""
    time_zone: str = "UTC"
    """The time zone of days."""
    cause: Cause = field(default_factory=Cause)
    """Who acts, and the key that identifies the act."""
    archive: ArchivalMemory | None = None
    """Another place for archival memory; the store if ``None``."""
    budget_tokens: int = 28_672
    """The budget of the model's prompt, for tools that show as much as fits into a share of it."""
    count_tokens: Callable[[str], int] = _about
    """Counts a text's tokens; within a run, exactly as the model does."""
    post: Post | None = None
    """Brings letters to other agents; ``None`` if they read them when they wake next."""
    in_background: bool = False
    """Whether this run is in the background, so that its messages go to a separate journal."""
    queue: QueueView | None = None
    """The queue of the running turn; ``None`` if a tool is called outside a turn."""
    rerank: BaseDocumentCompressor | None = None
    """Reorders the results of searches in recall and archival memory; ``None`` keeps the store's order."""
    who: Identity | None = None
    """Who acts; ``None`` if no owners are configured. The caller has checked that they may use the agent."""

    @property
    def walls(self) -> Walls:
        """Which other agents this one may reach."""
        return Walls(self.store, self.who, self.agent_id)

    @property
    def core(self) -> CoreMemory:
        """The blocks."""
        return CoreMemory(self.store, self.agent_id, self.clock, self.time_zone, self.walls)

    @property
    def recall(self) -> RecallMemory:
        """The messages."""
        return RecallMemory(self.store, self.agent_id, self.clock, self.time_zone, self.rerank)

    @property
    def journal(self) -> RecallMemory:
        """Where this run's own messages are kept: recall memory, or for a run in the background its journal."""
        return Journal(self.store, self.agent_id) if self.in_background else self.recall

    @property
    def archival(self) -> ArchivalMemory:
        """The passages."""
        return self.archive or StoreArchive(self.store, self.agent_id, self.clock, self.rerank)

    @property
    def uploads(self) -> Uploads:
        """The pictures and files that users sent, as they came."""
        return Uploads(self.store, self.agent_id)

    @property
    def files(self) -> AttachedFiles:
        """The files that were attached."""
        return AttachedFiles(self.store, self.agent_id, self.clock)

    def because(self, cause: Cause) -> "AgentMemory":
        """Return the same memory with this cause for its writes."""
        return replace(self, cause=cause)
