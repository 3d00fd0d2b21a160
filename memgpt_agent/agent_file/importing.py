"""Importing agents from a file: reads and checks the whole file first, then writes all of it or nothing."""

import base64
import binascii
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.agent_file.af_rules import Rule, notes_on
from memgpt_agent.agent_file.bounds import check_bounds, check_fits, check_values, check_vector
from memgpt_agent.agent_file.conversation import check_conversation, write_conversation
from memgpt_agent.agent_file.document import FORMAT, EmbeddingUsed, Source, StoredItem, validated
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Context, Settings
from memgpt_agent.errors import AgentExists, AgentFileError, ConfigurationError, MissingDependency, NotAllowed
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import definitions, deletion, namespaces
from memgpt_agent.memory.checking import check_as, damaged
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.quota import admitted, bounded
from memgpt_agent.memory.stored import DefinitionItem
from memgpt_agent.memory.tiers import TIERS
from memgpt_agent.owners import Identity
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.store.plain import embedding_of, put_all
from memgpt_agent.store.protocol import EmbeddingIdentity, IndexedItem, Progress
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.profiles import PROFILES
from memgpt_agent.tools.rules import rules_from_data
from memgpt_agent.turns.sleeper import thread_of

MAX_BYTES = 1 << 30
_MAX_WRAPPINGS = 4
"""Some files are a JSON text within a JSON string; deeper than this, it is no accident."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file holds.

    Raises:
        AgentFileError: it is not a JSON object, not UTF-8, or longer than 1 GiB.
        FileNotFoundError: there is no such file.
    """
    if path.exists() and not path.is_file():
        raise AgentFileError(f"{path.name} is not an ordinary file. Nothing was imported.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise AgentFileError(f"{path.name} has {size:,} bytes; the limit is {MAX_BYTES:,}. Nothing was imported.")
    try:
        data: Any = path.read_text(encoding="utf-8-sig")
        for _ in range(_MAX_WRAPPINGS):
            if not isinstance(data, str):
                break
            data = json.loads(data, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise AgentFileError(
            f"{path.name} is not text in UTF-8 ({error.reason} at byte {error.start:,}). Nothing was imported."
        ) from error
    except RecursionError as error:
        raise AgentFileError(f"{path.name} is nested too deeply to be read as JSON. Nothing was imported.") from error
    except ValueError as error:  # also a number of more digits than Python reads
        raise AgentFileError(f"{path.name} is not JSON: {error}. Nothing was imported.") from error
    if not isinstance(data, dict):
        raise AgentFileError(f"{path.name} holds a JSON {type(data).__name__}, not an object. Nothing was imported.")
    check_values(data, path.name)
    return cast(dict[str, Any], data)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; one that is there twice says two things, and readers differ on which holds."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(n for n in names if names.count(n) > 1)[:60]!r} is there twice in one object")
    return fields


@dataclass
class Imported:
    """What an import made."""

    agent_id: str
    """The new agent's id."""
    items: dict[str, int] = field(default_factory=dict[str, int])
    """How many items of each tier."""
    threads: list[str] = field(default_factory=list[str])
    """Its conversations."""
    not_carried: list[str] = field(default_factory=list[str])
    """What the file holds and the agent does not have, or not as it was, each with the reason."""


def import_agents(
    source: Path,
    *,
    agent_id: str | None = None,
    owner: Identity | str | None = None,
    settings: Settings | None = None,
    store: BaseStore | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    progress: Progress | None = None,
) -> list[Imported]:
    """Make the agents that a file holds: one of our own export, or an Agent File (``.af``) in either of its forms.

    Args:
        source: the file.
        agent_id: the new agent's id; the file's own, if omitted. A file of several agents takes it as their prefix.
        owner: for a program that gives out ids itself: whose the agents are from now on. ``agent_id`` is then one that nobody chose.
        settings: where the store and the checkpoints are, if these are not given.
        store: where its memory is to lie.
        checkpointer: where its conversations are to lie.
        progress: called with the number of texts embedded so far, and of all.

    Raises:
        AgentFileError: the file is not such a file, or damaged; nothing was imported.
        AgentExists: there is an agent, or a conversation, of this id; nothing was changed.
        LimitReached: there is no room for it; nothing was imported.
        NotAllowed: the settings name an owner, and the id is not one of that owner's.

    **Limits**: the whole file is held in memory. A tool is carried by its name: its code is never run.
    """
    settings = settings or Settings.load()
    sources = _sources(source, agent_id, settings)
    with ExitStack() as opened:
        store = store if store is not None else opened.enter_context(open_configured_store(settings))
        checkpointer = checkpointer or opened.enter_context(open_configured_checkpointer(settings))
        taken = _Taken(store, checkpointer)
        if agent_id and len(sources) == 1:
            sources = [_renamed(sources[0], agent_id, taken, source.name)]
        if owner is None:
            _check_owner(sources, settings)
        who, limits, opened_store = Identity.of(owner or settings.owner), limits_of(settings), store
        store = bounded(store, store, limits, who)
        writings = [_AgentWriter(one, store, checkpointer, taken, source.name) for one in sources]
        _check_different([writing.done.agent_id for writing in writings], source.name)
        with ExitStack() as undoing:
            for writing in writings:
                with admitted(opened_store, limits, who, writing.done.agent_id, claims=owner is not None):
                    writing.write(progress)
                undoing.callback(writing.undo)
            undoing.pop_all()
        return [writing.done for writing in writings]


def _check_different(ids: list[str], name: str) -> None:
    if len(set(ids)) < len(ids):
        raise AgentFileError(f"{name} holds two agents of one name: {', '.join(ids)}. Nothing was imported.")


def _check_owner(sources: list[Source], settings: Settings) -> None:
    who = Identity.of(settings.owner)
    for source in sources:
        if who is not None and not who.has(source.document.agent_id):
            raise NotAllowed(f"Import the agent under an id of your own, such as {who.agent_named(source.document.agent_id)!r} (--as).")


def _sources(path: Path, agent_id: str | None, settings: Settings) -> list[Source]:
    data = read_json(path)
    if (redactor := Redactor.of(settings.never_store)) is not None:
        data = redactor.in_value(data)
    if data.get("format") == FORMAT:
        return [Source(validated(data, path.name))]
    from memgpt_agent.agent_file.af_agents import sources_of

    return sources_of(data, path.name, agent_id, settings)


def _renamed(source: Source, agent_id: str, taken: "_Taken", name: str) -> Source:
    """Return an agent under another id: the conversation that bears the agent's id bears the new one, others if need be."""
    document = source.document
    old = document.agent_id
    if old == agent_id:
        return source
    listed = list(dict.fromkeys([*document.definition.get("threads", []), *document.threads]))
    new = {thread: f"{agent_id}/{thread}" for thread in listed if taken.has(thread)} | {old: agent_id}
    if {new.get(thread, thread) for thread in listed if thread != old} & {agent_id}:
        raise AgentFileError(f"{name} holds a conversation {agent_id!r}; choose another id for the agent.")
    memory = {
        tier: [_moved(tier, item, new) for item in items] for tier, items in document.memory.items()
    }  # fmt: skip
    threads = {new.get(thread, thread): state for thread, state in document.threads.items()}
    definition = {**document.definition, "threads": [new.get(thread, thread) for thread in listed]}
    moved = [f"conversation {t!r}: there is one of this name here; it is {n!r} now" for t, n in new.items() if t != old]
    renamed = document.model_copy(
        update={"agent_id": agent_id, "memory": memory, "threads": threads, "definition": definition}
    )
    return Source(renamed, (*source.not_carried, *moved))


class _Taken:
    """The conversations that there are, or that belong to an agent that has not spoken yet."""

    def __init__(self, store: BaseStore, checkpointer: BaseCheckpointSaver[Any]) -> None:
        self._checkpointer = checkpointer
        known = definitions.every(store)
        self._named = {thread for one in known for thread in (one.agent_id, *one.threads)}
        self.names = {name for one in known for name in (one.agent_id, one.name)}
        """The names that find an agent."""

    def has(self, thread_id: str) -> bool:
        return thread_id in self._named or self._checkpointer.get_tuple({"configurable": {"thread_id": thread_id}}) is not None


def _moved(tier: str, item: StoredItem, new: dict[str, str]) -> StoredItem:
    """Return an item in which each conversation bears its new name."""
    named = {name: str(item.value[name]) for name in ("thread_id", "thread") if isinstance(item.value.get(name), str)}
    renamed = {name: new.get(thread, thread) for name, thread in named.items()}
    key = item.key
    if tier in TIERS and TIERS[tier].keyed_by == "thread":
        old = next((thread for thread in new if key == thread or key.startswith(f"{thread}:")), "")
        key = f"{new.get(old, '')}{key[len(old) :]}"
    return item.model_copy(update={"key": key, "value": {**item.value, **renamed}})


class _AgentWriter:
    """Writes one agent; everything is checked before."""

    def __init__(self, source: Source, store: BaseStore, checkpointer: BaseCheckpointSaver[Any], taken: _Taken, name: str) -> None:
        document = source.document
        self._document, self._store, self._checkpointer, self._taken = document, store, checkpointer, taken
        self.done = Imported(document.agent_id, not_carried=list(source.not_carried))
        self._root = namespaces.encode_label(document.agent_id)
        check_bounds(document, name)
        self._check_free()
        self._items = [
            self._item(tier, i, item, name)
            for tier, items in sorted(document.memory.items())
            for i, item in enumerate(items)
        ]
        if len({(item.namespace, item.key) for item in self._items}) < len(self._items):
            raise AgentFileError(f"{name} holds a key twice in one tier. Nothing was imported.")
        self._threads = {thread: check_conversation(thread, state, name) for thread, state in document.threads.items()}
        self._definition = self._checked_definition(name)
        self._vectors_by = self._same_embedding(document.embedding)

    def _check_free(self) -> None:
        agent_id = self.done.agent_id
        if definitions.load(self._store, agent_id) is not None:
            raise AgentExists(
                f"There is an agent {agent_id!r} already. Import it under another id (--as), or delete that one first."
            )
        begun = self._store.get(namespaces.IMPORTS, agent_id)
        if begun is not None:  # a crash cut an import off before the agent was there
            for thread in begun.value["threads"]:
                self._checkpointer.delete_thread(thread)
        if self._store.list_namespaces(prefix=(self._root,), limit=1):
            raise AgentExists(
                f"There is memory of an agent {agent_id!r} already, without a definition. Import it under another id (--as)."
            )
        for thread in {*self._document.threads, agent_id}:
            if self._taken.has(thread):
                raise AgentExists(
                    f"There is a conversation {thread!r} already. Import the agent where there is none, or under another id (--as)."
                )

    def _item(self, tier: str, place: int, item: StoredItem, name: str) -> IndexedItem:
        if not all(label and "." not in label for label in tier.split("/")):
            raise AgentFileError(f"{name}: memory has a tier {tier!r}, which is no namespace. Nothing was imported.")
        if tier in TIERS:
            TIERS[tier].check(item.key, item.value, f"{name}: memory.{tier}[{place}]")
        try:
            vectors = {path: base64.b64decode(text, validate=True) for path, text in item.vectors.items()}
        except binascii.Error as error:
            raise AgentFileError(f"{name}: memory.{tier}[{place}].vectors: {error}. Nothing was imported.") from error
        if used := self._document.embedding:
            for path, vector in vectors.items():
                check_vector(vector, used.dims, f"{name}: memory.{tier}[{place}].vectors.{path}")
        self.done.items[tier] = self.done.items.get(tier, 0) + 1
        if tier == "core" and item.value.get("shared"):
            self.done.not_carried.append(
                f"shared block {item.key!r}: its text is not in the file; attach it where it is, or export the agent again"
            )
        index = tuple(item.index) if item.index is not None else None
        return IndexedItem((self._root, *tier.split("/")), item.key, item.value, index, vectors)

    def _checked_definition(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = {**self._document.definition, "agent_id": self.done.agent_id}
        listed = list(dict.fromkeys([*value.get("threads", ()), *self._threads]))
        own = {self.done.agent_id, thread_of(self.done.agent_id), *self._threads}
        value["threads"] = [thread for thread in listed if thread in own]
        self.done.not_carried += [
            f"conversation {thread!r}: the file names it and does not hold it" for thread in listed if thread not in own
        ]
        unknown = sorted(value.keys() - {f.name for f in fields(AgentDefinition)})
        if unknown:
            raise AgentFileError(f"{name}: definition has an unknown field {unknown[0]!r}. Nothing was imported.")
        check_as(DefinitionItem, value, f"{name}: definition")
        self._keep_name(value)
        definition = AgentDefinition(**value)
        try:
            check_fits(self._document, Context.from_values(definition.context), name)
            rules = rules_from_data(definition.rules)
        except ConfigurationError as error:
            raise damaged(f"{name}: definition", " ".join(str(error).split())) from error
        if "agent_file" not in self._document.memory:  # an Agent File's own rules are listed already
            self.done.not_carried += notes_on([Rule({"type": rule.kind, "tool_name": rule.tool}, rule) for rule in rules], definition.tools)
        self.done.threads = list(self._threads)
        if definition.profile not in PROFILES:
            self.done.not_carried.append(
                f"profile {definition.profile!r}: none of this name is here; open the agent with profile="
            )
        known = {tool.name for profile in PROFILES.values() for tool in profile.tools} | _of_groups(definition.groups, self.done)
        self.done.not_carried += [
            f"tool {tool!r}: it is carried by name only; give it again with tools="
            for tool in definition.tools
            if tool not in known
        ]
        return value

    def _keep_name(self, value: dict[str, Any]) -> None:
        """Take the name out of a definition where another agent has it, or has it as its id: a name finds one agent."""
        own = str(value.get("name") or "")
        if own and own in self._taken.names:
            value["name"] = ""
            self.done.not_carried.append(f"name {own!r}: another agent here has it; memgpt agents rename gives one")

    def _same_embedding(self, used: EmbeddingUsed | None) -> EmbeddingIdentity | None:
        """Return the embedding of the file's vectors if the store here uses it too; else say that they are left behind."""
        if used is None:
            return None
        here = embedding_of(self._store)
        if here == (used.name, used.dims):
            return here
        named = here.name if here else "no embedding"
        self.done.not_carried.append(f"vectors: made by {used.name}, and here is {named}; the texts are embedded again")
        return None

    def write(self, progress: Progress | None) -> None:
        """Write the conversations, then all of memory with the definition in one batch."""
        agent_id = self.done.agent_id
        self._store.batch([PutOp(namespaces.IMPORTS, agent_id, {"threads": list(self._threads)}, index=False)])
        try:
            graph = create_graph(checkpointer=self._checkpointer, store=self._store)
            for thread, values in self._threads.items():
                write_conversation(graph, thread, values, self._document.threads[thread].next)
            last = [
                PutOp(namespaces.AGENTS, agent_id, self._definition, index=False),
                PutOp(namespaces.IMPORTS, agent_id, None),
            ]
            put_all(self._store, self._items, last, vectors_by=self._vectors_by, progress=progress)
        except BaseException:
            self._delete_threads()
            raise

    def undo(self) -> None:
        """Delete the agent again that this import has made, because another of the same file could not be made."""
        deletion.delete(self._store, self.done.agent_id)
        self._delete_threads()

    def _delete_threads(self) -> None:
        for thread in self._threads:
            self._checkpointer.delete_thread(thread)
        self._store.delete(namespaces.IMPORTS, self.done.agent_id)


def _of_groups(names: Sequence[str], done: Imported) -> set[str]:
    """Return the tools of the groups that the agent had by name; a group that is not available here is noted."""
    found: set[str] = set()
    for name in names:
        try:
            found |= {tool.name for tool in with_groups(PROFILES["memgpt"], [name]).tools}
        except (ConfigurationError, MissingDependency) as error:
            done.not_carried.append(f"group of tools {name!r}: {error}")
    return found
