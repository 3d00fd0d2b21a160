"""Opening the configured store and conversations, once in a process, and embedding the store again with another embedding."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from langchain_core.embeddings import Embeddings

from memgpt_agent.backups import copy_before_upgrade, refuse_lost_memory
from memgpt_agent.checkpoints import Checkpointer, open_configured_checkpointer
from memgpt_agent.config import Settings, is_postgres, shown
from memgpt_agent.databases.opened_once import OpenedOnce
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
    return _seen_by(settings, _open(settings, embedding, searches=searches))


def _open(settings: Settings, embedding: Embeddings | str | None, *, searches: bool = True) -> MemoryStore:
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


def _seen_by(settings: Settings, store: MemoryStore) -> MemoryStore:
    """Return the view of an open store that these settings ask for; one that others opened, who may trace, is traced no more either."""
    if settings.tracing == "off":
        stop_tracing()
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


_STORES: OpenedOnce[MemoryStore] = OpenedOnce()
_CONVERSATIONS: OpenedOnce[Checkpointer] = OpenedOnce()


def shared_store(settings: Settings, embedding: Embeddings | str | None = None) -> AbstractContextManager[MemoryStore]:
    """Return the store of these settings as :func:`open_configured_store` opens it, once for all here that name the same embedding."""
    url, file = settings.store_url, store_file(settings.store_url)
    if file is None and not is_postgres(url):  # a temporary store is its opener's own
        return open_configured_store(settings, embedding)
    named = embedding if embedding is None or isinstance(embedding, str) else id(embedding)
    place = (str(file or url), settings.home, settings.embedding, named)
    return _STORES.use(place, partial(_open, settings, embedding), file=file, seen=partial(_seen_by, settings))


def shared_conversations(settings: Settings) -> AbstractContextManager[Checkpointer]:
    """Return the checkpoints of these settings, opened once for all in this process."""
    url = settings.checkpoints_url
    if url.startswith("memory://"):
        return open_configured_checkpointer(settings)
    file = None if is_postgres(url) else Path(url.removeprefix("sqlite:///")).absolute()
    return _CONVERSATIONS.use(str(file or url), partial(open_configured_checkpointer, settings), file=file)
