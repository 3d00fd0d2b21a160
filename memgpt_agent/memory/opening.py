"""Opening the configured store and conversations, once in a process, and embedding the store again with another embedding."""

import os
import threading
import warnings
import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from langchain_core.embeddings import Embeddings

from memgpt_agent.backups import copy_before_upgrade, refuse_lost_memory
from memgpt_agent.checkpoints import Checkpointer, open_configured_checkpointer
from memgpt_agent.config import Settings, is_postgres, shown
from memgpt_agent.embeddings import embedding_dims, embedding_name, missing_install, resolve_embedding
from memgpt_agent.errors import (
    ConfigurationError,
    MissingCredential,
    MissingDependency,
    MissingEmbedding,
    StoreError,
    StoreUnreachable,
)
from memgpt_agent.private import private_folder, stop_tracing, tighten
from memgpt_agent.store import Fields, MemoryStore, open_store, store_file
from memgpt_agent.text.never_stored import Redactor


def reindex_configured_store(
    settings: Settings, embedding: Embeddings | str | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[str, int]:
    """Embed all memories of these settings' store again; return the embedding's name and how many documents it embedded.

    It embeds by ``embedding``, else the settings' one, else the one that made the store's vectors: no store changes its embedding unasked.

    Raises:
        StoreError: there is no store yet.
        ConfigurationError: the embedding's name is unknown, or nobody names one and the store's own is an object of a program's.
    """
    with open_store(settings.store_url, create=False) as store:
        given = embedding if embedding is not None else settings.embedding
        identity = store.embedding()
        try:
            chosen = resolve_embedding(given if given is not None or identity is None else identity.name)
        except ConfigurationError as error:
            if given is not None or identity is None:
                raise
            words = f"The memories were embedded by {identity.name}. Name the embedding to use: --embedding. {error}"
            raise ConfigurationError(words) from error
        return embedding_name(chosen), store.reindex(chosen, progress=progress)


TIER_FIELDS = Fields(ordered="time", grouped="thread_id", counted="tags", listed="ends")
"""The fields that the tiers read quickly: messages in order, all of them and by conversation; tags with their number; an entity's facts."""


MOVING = ("moving",)
"""The namespace of a move's target that says where the move comes from; it is deleted at the move's end."""


def open_configured_store(settings: Settings, embedding: Embeddings | str | None = None, *, searches: bool = True) -> MemoryStore:
    """Return the store of these settings, in the data folder unless a URL says otherwise; makes the folder.

    Where no embedding is named, it is the one that made the store's vectors; a new store gets the default. One that is unavailable is done
    without, with a warning. Where nothing is to be searched or indexed (``searches=False``), no embedding is made and none has to fit the file.

    Raises:
        StoreCorrupt: the file is damaged, or was lost while conversations stand beside where it was; nothing is changed.
        EmbeddingMismatch: it was written with another embedding than the one that is named.
        ConfigurationError: it is the target of a move that is not done.
    """
    return _redacted(settings, _open(settings, embedding, searches=searches))


def _open(settings: Settings, embedding: Embeddings | str | None, *, searches: bool = True) -> MemoryStore:
    if settings.tracing == "off":
        stop_tracing()
    _open_home(settings)
    embed = None
    if searches:
        embed = resolve_embedding(embedding) if embedding is not None else _embedding(settings)
    index = {"dims": embedding_dims(embed), "embed": embed, "fields": ["$"]} if embed is not None else None
    store = open_store(settings.store_url, index=index, fields=TIER_FIELDS)
    try:
        _refuse_half_moved(store)
    except BaseException:
        store.close()
        raise
    return store


def _redacted(settings: Settings, store: MemoryStore) -> MemoryStore:
    redactor = Redactor.of(settings.never_store)
    return store.redacting(redactor) if redactor else store


def _refuse_half_moved(store: MemoryStore) -> None:
    if (moving := store.get(MOVING, "from")) is not None:
        source = moving.value["from"]
        raise ConfigurationError(f"Here is only a part of what was to move from {source}. Give that `memgpt move` again to finish it.")


def _embedding(settings: Settings) -> Embeddings | None:
    """Return the embedding to open the store with if omitted: the settings' one, else the one that made its vectors, else the default.

    None if the one that made its vectors is unavailable here: its package or its key is missing, or it is an object of a program's own.
    Nothing fails for that: the store is searched by words, what is written meanwhile waits for its vectors, and a warning says what to do.
    """
    known = _embedding_in(settings.store_url)
    if known is None:
        return resolve_embedding(settings.embedding)
    try:
        found = resolve_embedding(settings.embedding or known)
        if (command := missing_install(found)) is None:
            return found
        why = f"is not installed. Run: {command}"
    except (MissingCredential, MissingDependency) as error:
        why = f"cannot be had: {' '.join(str(error).split()).rstrip('.')}"
    except ConfigurationError:
        if settings.embedding:
            raise
        why = "has no name by which it can be had here. A program gives it as embedding=; memgpt reindex --embedding NAME chooses another"
    warnings.warn(
        f"The memories in {shown(settings.store_url)} were embedded by {known}, which {why}. Until then they are searched by words only.",
        MissingEmbedding,
        stacklevel=6,
    )
    return None


def _embedding_in(url: str) -> str | None:
    """Return the name of the embedding that made a store's vectors; None if there is no store or no vector."""
    try:
        with open_store(url, fields=TIER_FIELDS, create=False) as store:
            identity = store.embedding()
    except StoreUnreachable:  # it was waited for, and would be again
        raise
    except StoreError:  # there is none, or it cannot be read: opening it says so
        return None
    return identity.name if identity else None


def _open_home(settings: Settings) -> None:
    """Make the data folder, private to its owner; one that is there and holds an agent's files is made so.

    Raises:
        StoreCorrupt: the store was lost, and a new one would hide that.
    """
    refuse_lost_memory(settings)
    private_folder(settings.home)
    copy_before_upgrade(settings)
    if (settings.home / "memory.db").exists() or settings.checkpoints_path.exists():
        keys = settings.home / "keys"
        for place in (settings.home, settings.checkpoints_path, settings.home / "history", keys, *keys.glob("*")):
            tighten(place)


class _Closes(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closes)


class _Shared(Generic[T]):
    """What one place was opened as, and how many use it."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.opened: T | None = None
        self.users = 0
        self.file: tuple[int, int] | None = None


class OpenedOnce(Generic[T]):
    """Opens each place once in this process, for all who use it at the same time; the last one closes it.

    Their writes then queue here instead of waiting for a file's lock, their pages stay cached, and what waits to be embedded is one batch
    (ADR 0234). Whoever is forgotten without being closed keeps nothing open: what is opened lives as long as somebody refers to it.
    A file that was replaced or deleted meanwhile is opened anew, and so is everything in a forked child.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._shared: weakref.WeakValueDictionary[Hashable, _Shared[T]] = weakref.WeakValueDictionary()
        self._pid = os.getpid()

    def joined(self, place: Hashable, file: Path | None) -> _Shared[T]:
        """Return what this place is opened as, or will be, as one of its users; ``file`` tells whether it is still there."""
        if self._pid != os.getpid():  # the parent's connections are not to be used here, and its lock may be held
            self.__init__()
        with self._guard:
            shared = self._shared.get(place)
            if shared is None or (shared.opened is not None and shared.file != _known_as(file)):
                shared = self._shared[place] = _Shared()
            shared.users += 1
            return shared

    def left(self, place: Hashable, shared: _Shared[T]) -> None:
        """Be no user any more; the last one closes it."""
        with self._guard:
            shared.users -= 1
            last = not shared.users
            if last and self._shared.get(place) is shared:
                del self._shared[place]
        if last and shared.opened is not None:
            shared.opened.close()


class _Use(AbstractContextManager[T]):
    """A use of a place: it is opened at the block's beginning unless somebody has it open, and closed at the end unless somebody goes on.

    A class and not a generator, which would close it while garbage is collected.
    """

    def __init__(self, once: OpenedOnce[T], place: Hashable, file: Path | None, open_it: Callable[[], T], seen: Callable[[T], T]) -> None:
        self._once, self._place, self._file, self._open_it, self._seen = once, place, file, open_it, seen
        self._shared: _Shared[T] | None = None

    def __enter__(self) -> T:
        self._shared = shared = self._once.joined(self._place, self._file)
        try:
            with shared.opening:
                if shared.opened is None:
                    shared.opened, shared.file = self._open_it(), _known_as(self._file)
            return self._seen(shared.opened)
        except BaseException:
            self._once.left(self._place, shared)
            raise

    def __exit__(self, *_: object) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            self._once.left(self._place, shared)


def _known_as(file: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from another one at its place."""
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


_STORES: OpenedOnce[MemoryStore] = OpenedOnce()
_CONVERSATIONS: OpenedOnce[Checkpointer] = OpenedOnce()


def shared_store(settings: Settings, embedding: Embeddings | str | None = None) -> AbstractContextManager[MemoryStore]:
    """Return the store of these settings as :func:`open_configured_store` opens it, once for all here that name the same embedding."""
    url, file = settings.store_url, store_file(settings.store_url)
    if file is None and not is_postgres(url):  # a temporary store is its opener's own
        return open_configured_store(settings, embedding)
    named = embedding if embedding is None or isinstance(embedding, str) else id(embedding)
    place = (str(file or url), settings.home, settings.embedding, named)
    return _Use(_STORES, place, file, partial(_open, settings, embedding), partial(_redacted, settings))


def shared_conversations(settings: Settings) -> AbstractContextManager[Checkpointer]:
    """Return the checkpoints of these settings, opened once for all in this process."""
    url = settings.checkpoints_url
    if url.startswith("memory://"):
        return open_configured_checkpointer(settings)
    file = None if is_postgres(url) else Path(url.removeprefix("sqlite:///")).absolute()
    return _Use(_CONVERSATIONS, str(file or url), file, partial(open_configured_checkpointer, settings), lambda saver: saver)
