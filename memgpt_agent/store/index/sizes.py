"""The thresholds at which the store changes its method; tests lower them to exercise large stores cheaply."""

from dataclasses import dataclass

from memgpt_agent.store.index.facets import MAX_VALUES_BYTES
from memgpt_agent.store.index.postings import KEPT_FROM, MAX_BYTES
from memgpt_agent.store.index.upkeep import SNAPSHOT_DOCS
from memgpt_agent.store.index.vectors import SEGMENT_ROWS
from memgpt_agent.store.sqlite.tombstones import KEPT

WHOLE_DOCS = 50_000
"""The most documents of which ``find`` takes every cosine; beyond, it takes those of the candidates by words and by meaning."""


@dataclass(frozen=True)
class Sizes:
    """What a store answers is the same for all of them, but for the approximation beyond ``segment_rows`` and ``whole_docs``."""

    segment_rows: int = SEGMENT_ROWS
    """How many vectors share one approximate index."""
    snapshot_docs: int = SNAPSHOT_DOCS
    """How many changes to collect before a snapshot is written."""
    whole_docs: int = WHOLE_DOCS
    """The most documents of which every cosine is taken."""
    facet_bytes: int = MAX_VALUES_BYTES
    """A field whose distinct values are larger together is read from the file."""
    words_kept_from: int = KEPT_FROM
    """A word in fewer documents is read from the file each time."""
    words_bytes: int = MAX_BYTES
    """How much memory the places of words may take in one namespace."""
    tombstones_kept: int = KEPT
    """How many tombstones of a namespace to keep at least."""


DEFAULT_SIZES = Sizes()
"""Those of a store that is given none."""
