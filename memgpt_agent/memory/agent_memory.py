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
    """Return about how many tokens a text has: one for three bytes of UTF-8, a little more than most texts have."""
    return -(-len(text.encode("utf-8", "replace")) // 3)


@dataclass(frozen=True)
class AgentMemory:
    """What a memory tool is given: the tiers, the clock and the cause of the call."""

    store: BaseStore
    """Where the tiers live."""
    agent_id: str
    """Whose memory it is."""
    clock: Clock = utc_now
    """Gives the time."""
    time_zone: str = "UTC"
    """The zone in which days are meant."""
    cause: Cause = field(default_factory=Cause)
    """Who acts, and the key by which the same act is recognised."""
    archive: ArchivalMemory | None = None
    """Another place for archival memory; the store if ``None``."""
    budget_tokens: int = 28_672
    """What the model may be sent, where a tool shows as much as fits into a share of it."""
    count_tokens: Callable[[str], int] = _about
    """Counts a text's tokens; exactly, as the model's are, within a run."""
    post: Post | None = None
    """Brings letters to other agents; ``None`` if they read them when they wake next."""
    in_background: bool = False
    """Whether nobody said what this run says: its messages are kept in a journal apart."""
    queue: QueueView | None = None
    """The queue of the turn that is running; ``None`` if a tool is called outside of one."""
    rerank: BaseDocumentCompressor | None = None
    """Puts what a search of recall memory and of the archive finds into its own order; ``None``: the store's order stands."""
    who: Identity | None = None
    """Who acts; ``None`` if no owners are configured. Whoever makes this has checked that they may use the agent."""

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
        """Where this run's own messages are kept: recall memory, but for a run in the background, which nobody said."""
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
        """Return the same memory, acted on for this cause."""
        return replace(self, cause=cause)
