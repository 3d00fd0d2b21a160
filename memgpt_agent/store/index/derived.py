"""Caches beside a namespace's index: filter fields of its items, and the places of frequent words."""

import threading
from weakref import WeakKeyDictionary

from memgpt_agent.store.index.facets import Facets
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.postings import PostingsCache
from memgpt_agent.store.index.sizes import Sizes


class Derived:
    """The two of one index. Both are derived from the file, and grow with the index."""

    def __init__(self, sizes: Sizes) -> None:
        self.facets = Facets(sizes.facet_bytes)
        self.postings = PostingsCache(sizes.words_kept_from, sizes.words_bytes)


class DerivedCache:
    """What is kept beside each index in memory; it goes when its index goes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._by_index: WeakKeyDictionary[NamespaceIndex, Derived] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def of(self, index: NamespaceIndex) -> Derived:
        """Return what is kept beside an index."""
        with self._guard:
            derived = self._by_index.get(index)
            if derived is None:
                derived = self._by_index[index] = Derived(self._sizes)
            return derived
