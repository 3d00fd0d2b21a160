"""What is kept in memory beside a namespace's index: fields of its items for filters, places of its frequent words."""

import threading
from weakref import WeakKeyDictionary

from memgpt_agent.store.index.facets import Facets
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.postings import PostingsCache
from memgpt_agent.store.index.sizes import Sizes


class Side:
    """The two of one index. Both are derived from the file, and grow with the index."""

    def __init__(self, sizes: Sizes) -> None:
        self.facets = Facets(sizes.facet_bytes)
        self.postings = PostingsCache(sizes.words_kept_from, sizes.words_bytes)


class Sides:
    """The sides of the indexes in memory; one goes when its index goes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._sides: WeakKeyDictionary[NamespaceIndex, Side] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def of(self, index: NamespaceIndex) -> Side:
        """Return the side of an index."""
        with self._guard:
            side = self._sides.get(index)
            if side is None:
                side = self._sides[index] = Side(self._sizes)
            return side
