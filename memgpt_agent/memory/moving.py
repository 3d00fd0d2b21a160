"""Moving everything from one store to another, with conversations: copied, compared, and gone on with after an interruption."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, CheckpointTuple
from langgraph.store.base import PutOp
from typing_extensions import override

from memgpt_agent.checkpoints import Checkpointer, open_configured_checkpointer
from memgpt_agent.config import Settings, is_postgres, shown
from memgpt_agent.errors import ConfigurationError, NotAllowed, StoreError
from memgpt_agent.leases import LEASES, Leases
from memgpt_agent.memory import definitions
from memgpt_agent.memory.opening import MOVING, TIER_FIELDS
from memgpt_agent.store import MemoryStore, open_store
from memgpt_agent.store.fields import texts_at
from memgpt_agent.store.protocol import EmbeddingIdentity, IndexedItem, Namespace

_AT_ONCE = 500
_EVERY = 1 << 31
_PASSES = 5
"""How often changes made meanwhile are copied again."""
Tell = Callable[[int, int], None]
"""Called with how many items and conversations are done, of how many."""


@dataclass(frozen=True)
class Moved:
    """What a move has copied and compared."""

    target: str
    """Where it is now, without a password."""
    namespaces: int
    """Namespaces with items."""
    items: int
    """Items."""
    conversations: int
    """Conversations."""
    checkpoints: int
    """Their checkpoints."""
    digest: str
    """A digest of all items, with their vectors: the same on both sides."""


class _Carried(Embeddings):
    """Stands for the embedding that made the vectors, which are carried over: nothing is embedded."""

    def __init__(self, identity: EmbeddingIdentity) -> None:
        self.name, self.dims = identity.name, identity.dims

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise StoreError("What has no vector yet is embedded where it is next opened.")  # an outage: the store leaves it pending

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def move(settings: Settings, to: str, *, tell: Tell = lambda _done, _total: None, wait_seconds: float = 60.0) -> Moved:
    """Copy all agents, memories and conversations to another store, and compare both sides; the source stays as it is.

    The agents take no turn meanwhile: the leases of all conversations are held. What is written by hand meanwhile is copied again. Broken off,
    it continues where it was when it is called again.

    Args:
        settings: where it is now.
        to: ``postgresql://...`` for both, or a folder, or ``sqlite:///FOLDER/memory.db`` with conversations beside it.
        tell: told of progress.
        wait_seconds: how long to wait for turns that are being taken.

    Raises:
        ConfigurationError: the target holds something else, or is the source.
        ConversationBusy: a turn was not over in time; nothing was done.
        StoreError: what was copied is not what was there, in spite of trying again.

    **Limits**: times at which the store itself noted items, and TTLs, are those of the copy. Keys, tokens and files of the data folder
    stay there.
    """
    if settings.owner:
        raise NotAllowed(f"{settings.owner!r} (MEMGPT_OWNER) is an owner; a move takes every owner's agents. Unset MEMGPT_OWNER.")
    target = _target(settings, to)
    if (target.store_url, target.checkpoints_url) == (settings.store_url, settings.checkpoints_url):
        raise ConfigurationError(f"{shown(to)} is where the memory is already.")
    with ExitStack() as opened:
        source = opened.enter_context(open_store(settings.store_url, fields=TIER_FIELDS, create=False))
        identity = source.embedding()
        index = {"dims": identity.dims, "embed": _Carried(identity), "fields": ["$"]} if identity else None
        copy = opened.enter_context(open_store(target.store_url, index=index, fields=TIER_FIELDS))
        savers = [opened.enter_context(open_configured_checkpointer(one)) for one in (settings, target)]
        _begin(copy, source, shown(settings.store_url))
        with _still(source, savers[0], wait_seconds):
            done = _Move(source, copy, savers[0], savers[1], identity, tell).run()
        copy.delete(MOVING, "from")
    return Moved(shown(target.store_url), *done)


def _target(settings: Settings, to: str) -> Settings:
    if is_postgres(to):
        return settings.model_copy(update={"store": None, "checkpoint_url": None, "database_url": to})
    if "://" in to and not to.startswith("sqlite:///"):
        raise ConfigurationError(f"Nothing moves to {to.partition('://')[0]}://. Give postgresql://HOST/DATABASE or a folder.")
    file = Path(to.removeprefix("sqlite:///")).expanduser().absolute()
    if file.suffix != ".db":
        file = file / "memory.db"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"{file.parent} cannot be a folder: {error.strerror}. Name another folder.") from error
    beside = f"sqlite:///{file.with_name('checkpoints.db')}"
    return settings.model_copy(update={"store": f"sqlite:///{file}", "checkpoint_url": beside, "database_url": None})


def _begin(copy: MemoryStore, source: MemoryStore, name: str) -> None:
    """Note in the target where the move comes from.

    Raises:
        ConfigurationError: it holds something else.
    """
    noted = copy.get(MOVING, "from")
    if noted is None and any(namespace != LEASES for namespace in copy.list_namespaces(limit=2)):
        raise ConfigurationError("The target holds memories already. Name a database, a schema (?schema=NAME) or a folder that holds none.")
    if noted is not None and noted.value != {"from": name}:
        raise ConfigurationError(f"The target holds a part of a move from {noted.value['from']}. Go on with that, or name another.")
    if source.get(MOVING, "from") is not None:
        raise ConfigurationError(f"{name} is itself the target of a move that is not done. Finish that first.")
    copy.put(MOVING, "from", {"from": name}, index=False)


@contextmanager
def _still(source: MemoryStore, saver: Checkpointer, wait_seconds: float) -> Generator[None]:
    """Keep everybody from taking a turn in any conversation."""
    leases = Leases(source)
    threads = {thread for one in definitions.every(source) for thread in one.threads} | set(saver.threads())
    with ExitStack() as held:
        for thread in sorted(threads):
            saver.raise_fence(held.enter_context(leases.hold(thread, wait_seconds)))
        yield


class _Move:
    """Copies differences until there are none."""

    def __init__(
        self, source: MemoryStore, copy: MemoryStore, saver: Checkpointer, saver_copy: Checkpointer,
        identity: EmbeddingIdentity | None, tell: Tell,
    ) -> None:  # fmt: skip
        self._stores, self._savers, self._identity, self._tell = (source, copy), (saver, saver_copy), identity, tell
        self._done, self._total = 0, source.sizes().items + len(saver.threads())

    def run(self) -> tuple[int, int, int, int, str]:
        """Return how many namespaces, items, conversations and checkpoints there are, and the digest of the items."""
        for _ in range(_PASSES):
            namespaces, items, differ, whole = 0, 0, False, hashlib.sha256()
            for namespace in sorted({*self._namespaces(0), *self._namespaces(1)}):
                count, digest, copied = self._copy_namespace(namespace)
                namespaces, items, differ = namespaces + bool(count), items + count, differ or copied
                whole.update(repr(namespace).encode() + digest)
            conversations = self._savers[0].threads()
            checkpoints = 0
            for thread in sorted({*conversations, *self._savers[1].threads()}):
                count, copied = self._copy_thread(thread)
                checkpoints, differ = checkpoints + count, differ or copied
            if not differ:
                return namespaces, items, len(conversations), checkpoints, whole.hexdigest()
        raise StoreError("What is moved was changed again and again. Stop what uses it and give the same command again.")

    def _namespaces(self, side: int) -> list[Namespace]:
        return [one for one in self._stores[side].list_namespaces(limit=_EVERY) if one not in (LEASES, MOVING)]

    def _items(self, side: int, namespace: Namespace) -> Iterable[IndexedItem]:
        return self._stores[side].items(namespace, vectors_by=self._identity)

    def _copy_namespace(self, namespace: Namespace) -> tuple[int, bytes, bool]:
        """Copy a namespace where it differs; return its number of items, its digest, and whether it did."""
        count, digest = _digest(self._items(0, namespace))
        if _digest(self._items(1, namespace)) == (count, digest):
            self._progress(count)
            return count, digest, False
        copy = self._stores[1]
        old = [PutOp(item.namespace, item.key, None) for item in self._items(1, namespace)]
        copy.batch(old)
        for part in _parts(self._items(0, namespace)):
            if self._identity is not None and _waits(part[0]):
                copy.put_then_embed([PutOp(item.namespace, item.key, item.value, list(item.index or ())) for item in part])
            else:
                copy.put_items(part, vectors_by=self._identity)
            self._progress(len(part))
        return count, digest, True

    def _copy_thread(self, thread: str) -> tuple[int, bool]:
        """Copy a conversation where it differs; return its number of checkpoints, and whether it did."""
        where: RunnableConfig = {"configurable": {"thread_id": thread}}
        saver, copy = self._savers
        wanted = _without_retired(sorted(saver.list(where), key=_name))
        self._progress(1)
        if [_content(one) for one in sorted(copy.list(where), key=_name)] == [_content(one) for one in wanted]:
            return len(wanted), False
        copy.delete_thread(thread)
        for one in wanted:
            _put_checkpoint(copy, thread, one)
        return len(wanted), True

    def _progress(self, done: int) -> None:
        self._done += done
        self._tell(min(self._done, self._total), self._total)


def _parts(items: Iterable[IndexedItem]) -> Iterator[list[IndexedItem]]:
    """Yield the items in their order, some at a time: such that have their vectors, or such that wait for them."""
    part: list[IndexedItem] = []
    for item in items:
        if part and (len(part) == _AT_ONCE or _waits(item) != _waits(part[0])):
            yield part
            part = []
        part.append(item)
    if part:
        yield part


def _waits(item: IndexedItem) -> bool:
    """Whether a text of an item has no vector yet."""
    return bool(item.index) and any(field.embed and field.path not in item.vectors for field in texts_at(item.value, item.index or ()))


def _digest(items: Iterable[IndexedItem]) -> tuple[int, bytes]:
    """Return how many items there are, and a digest of them in their order."""
    count, digest = 0, hashlib.sha256()
    for item in items:
        count += 1
        value = json.dumps(item.value, sort_keys=True, ensure_ascii=True)
        digest.update(repr((item.key, value, item.index, sorted(item.vectors.items()))).encode("utf-8", "surrogatepass"))
    return count, digest.digest()


def _name(one: CheckpointTuple) -> tuple[str, str]:
    where = one.config.get("configurable", {})
    return str(where["checkpoint_ns"]), str(where["checkpoint_id"])


def _parent(one: CheckpointTuple) -> str | None:
    return (one.parent_config or {}).get("configurable", {}).get("checkpoint_id")


def _without_retired(conversation: list[CheckpointTuple]) -> list[CheckpointTuple]:
    """Leave the versions of channels out that a checkpoint has no value for, though another one has for the same version.

    A graph that no longer has a channel hands its version on without its value. Postgres keeps values by channel and version, and would
    give the old value back.
    """
    valued = {pair for one in conversation for pair in one.checkpoint["channel_versions"].items() if pair[0] in one.checkpoint["channel_values"]}

    def kept(one: CheckpointTuple) -> CheckpointTuple:
        values, versions = one.checkpoint["channel_values"], one.checkpoint["channel_versions"]
        left: ChannelVersions = {name: version for name, version in versions.items() if name in values or (name, version) not in valued}
        return one if len(left) == len(versions) else one._replace(checkpoint={**one.checkpoint, "channel_versions": left})

    return [kept(one) for one in conversation]


def _content(one: CheckpointTuple) -> tuple[Any, ...]:
    """Return all that a checkpoint says, to be compared."""
    writes = sorted(((task, channel, value) for task, channel, value in one.pending_writes or ()), key=lambda write: write[:2])
    return _name(one), _parent(one), one.checkpoint["channel_values"], one.checkpoint["channel_versions"], dict(one.metadata), writes


def _put_checkpoint(saver: Checkpointer, thread: str, one: CheckpointTuple) -> None:
    namespace, _ = _name(one)
    where: RunnableConfig = {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": _parent(one)}}
    at = saver.put(where, one.checkpoint, one.metadata, one.checkpoint["channel_versions"])
    tasks: dict[str, list[tuple[str, Any]]] = {}
    for task, channel, value in one.pending_writes or ():
        tasks.setdefault(task, []).append((channel, value))
    for task, writes in tasks.items():
        saver.put_writes(at, writes, task)
