"""Building agents from an Agent File: the tiers write them into a temporary store, which is then exported."""

import re
from collections.abc import Iterable
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from langchain_core.messages import message_to_dict
from langgraph.store.base import Op, PutOp, Result
from langgraph.store.memory import InMemoryStore

from memgpt_agent.agent_file.af_messages import Translated, moment_of, translate
from memgpt_agent.agent_file.af_reading import Data, ForeignAgent, read_agents, strings
from memgpt_agent.agent_file.af_rules import notes_on, read_rules
from memgpt_agent.agent_file.document import AgentDocument, Conversation, Source, StoredItem
from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, MIN_CONTEXT_WINDOW_TOKENS, Settings
from memgpt_agent.errors import AgentFileError, MemGPTError
from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival import MAX_PASSAGE_CHARS, StoreArchive
from memgpt_agent.memory.core import SYSTEM_DESCRIPTION, Block, Cause, CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.memory.tiers import ORIGINAL
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.tools.profiles import PROFILES, Profile
from memgpt_agent.tools.rules import rules_to_data

_DEFAULT_LIMIT_CHARS = 5_000
_SYSTEM_LIMIT_CHARS = 20_000
_FILE_PART_CHARS = 2_000
_LATER_TOOLS = {
    "memory_insert",
    "memory_replace",
    "memory_rethink",
    "memory_finish_edits",
    "memory_apply_patch",
    "memory",
}


_SEARCHES = {"conversation_search", "archival_memory_search"}


class _Staging(InMemoryStore):
    """A store in memory that remembers what of each item is indexed."""

    def __init__(self) -> None:
        super().__init__()
        self.indexes: dict[tuple[tuple[str, ...], str], list[str] | None] = {}

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations, and note what the puts index."""
        ops = list(ops)
        for op in ops:
            if isinstance(op, PutOp):
                self.indexes[op.namespace, op.key] = list(op.index) if op.index else None
        return super().batch(ops)

    def tiers(self, root: str) -> dict[str, list[StoredItem]]:
        """Return all that was put under a root, as a document holds it."""
        tiers: dict[str, list[StoredItem]] = {}
        for (namespace, key), index in self.indexes.items():
            item = self.get(namespace, key)
            if item is not None and namespace[0] == root:
                tiers.setdefault("/".join(namespace[1:]), []).append(StoredItem(key=key, value=item.value, index=index))
        return tiers


def sources_of(data: Data, name: str, agent_id: str | None, settings: Settings) -> list[Source]:
    """Return the agents of an Agent File as documents of ours, each with what could not be carried over.

    Raises:
        AgentFileError: the file is not an Agent File, or damaged.
    """
    agents = read_agents(data, name)
    sources: list[Source] = []
    for agent in agents:
        own = _slug(agent.name)
        key = own if agent_id is None else agent_id if len(agents) == 1 else f"{agent_id}-{own}"
        sources.append(_source(agent, key, name, settings))
    return sources


def _source(agent: ForeignAgent, agent_id: str, name: str, settings: Settings) -> Source:
    store, now = _Staging(), stamp(utc_now())
    translated = translate(agent, agent_id, now, name)
    notes = agent.not_carried
    try:
        CoreMemory(store, agent_id).create(_blocks(agent), Cause(actor="import", tool="import"))
        RecallMemory(store, agent_id).add(translated.records)
        notes += _file_passages(agent, StoreArchive(store, agent_id))
        _passages(agent, store, agent_id)
    except MemGPTError as error:
        raise AgentFileError(f"{name}: {error} Nothing was imported.") from error
    rest = {"agent": agent.agent, "tools": agent.tools, "shared": agent.shared}
    store.put(namespaces.of(agent_id, "agent_file"), ORIGINAL, rest, index=False)
    profile = _profile(agent)
    rules, tools = read_rules(agent.agent.get("tool_rules")), [tool.name for tool in profile.tools]
    definition: dict[str, Any] = {
        "created": now, "profile": profile.name, "model": None, "embedding": None, "tools": tools,
        "context": {"prompt_tokens": DEFAULT_PROMPT_TOKENS},
        "threads": [agent_id], "rules": rules_to_data([one.rule for one in rules if one.rule]),
    }  # fmt: skip
    _choose_model(agent, definition, settings)
    _choose_zone(agent, definition)
    _note_tools(agent, profile)
    notes += notes_on(rules, tools)
    notes += translated.not_carried
    root = namespaces.encode_label(agent_id)
    document = AgentDocument(
        agent_id=agent_id, definition=definition, memory=store.tiers(root), threads=_threads(agent_id, translated)
    )
    return Source(document, tuple(notes))


def _threads(thread_id: str, translated: Translated) -> dict[str, Conversation]:
    if not translated.queue:
        return {}
    values: dict[str, Any] = {"messages": [message_to_dict(m) for m in translated.queue]}
    return {thread_id: Conversation(next=[], values=values)}


def _blocks(agent: ForeignAgent) -> list[Block]:
    """Return the file's blocks, and its system prompt as one; a text that is longer than its limit raises the limit."""
    blocks: list[Block] = []
    for place, given in enumerate(agent.blocks):
        label, value = str(given.get("label") or f"block-{place}"), str(given.get("value") or "")
        limit = given.get("limit") if isinstance(given.get("limit"), int) else _DEFAULT_LIMIT_CHARS
        if len(value) > int(limit or 0):
            agent.not_carried.append(
                f"block {label!r}: its limit of {limit} characters is now {len(value)}, which its text has"
            )
        blocks.append(
            Block(
                label,
                value,
                str(given.get("description") or ""),
                max(int(limit or 0), len(value), 1),
                bool(given.get("read_only")),
            )
        )
    labels = {block.label for block in blocks}
    if agent.system.strip():
        label = next(
            name
            for name in ("system", "system_prompt", "system_instructions", "agent_file_system")
            if name not in labels
        )
        limit = max(_SYSTEM_LIMIT_CHARS, len(agent.system))
        blocks.append(Block(label, agent.system, SYSTEM_DESCRIPTION, limit, read_only=True))
        agent.not_carried.append(
            f"system prompt: it is the read-only block {label!r}, behind the profile's own system prompt"
        )
    return blocks


def _file_passages(agent: ForeignAgent, archive: StoreArchive) -> list[str]:
    """Keep the text of the file's documents as passages; return what is said of them."""
    said: list[str] = []
    for place, file in enumerate(agent.files):
        file_name, content = (
            str(file.get("file_name") or file.get("original_file_name") or f"file-{place}"),
            file.get("content"),
        )
        if not isinstance(content, str) or not content.strip():
            said.append(f"file {file_name!r}: its text is not in the file")
            continue
        parts = _parts(content)
        for part in parts:
            archive.insert(part, ["file"], source=file_name)
        said.append(
            f"file {file_name!r}: its text is in archival memory, in {len(parts)} passages; it cannot be opened as a file"
        )
    return said


def _passages(agent: ForeignAgent, store: _Staging, agent_id: str) -> None:
    """Keep the texts of the agent's archival memory, with their tags and their times."""
    for passage in agent.passages:
        moment = moment_of(passage.get("created_at")) or utc_now()
        archive = StoreArchive(store, agent_id, lambda moment=moment: moment)
        for part in _parts(str(passage.get("text") or "")):
            archive.insert(part, strings(passage, "tags"))


def _parts(text: str) -> list[str]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=min(_FILE_PART_CHARS, MAX_PASSAGE_CHARS), chunk_overlap=0)
    return splitter.split_text(text)


def _profile(agent: ForeignAgent) -> Profile:
    later = {str(tool.get("name")) for tool in agent.tools} & _LATER_TOOLS
    return PROFILES["memgpt_v2"] if later and "memgpt_v2" in PROFILES else PROFILES["memgpt"]


def _note_tools(agent: ForeignAgent, profile: Profile) -> None:
    here = {tool.name for tool in profile.tools}
    for tool in agent.tools:
        name = str(tool.get("name") or "?")
        if name in here:
            continue
        if name in _SEARCHES and "recall" in here:
            why = "`recall` searches what it did, and more"
        elif tool.get("source_code"):
            why = f"its code is kept in the file and never run here; give it again with tools=[{name}]"
        else:
            why = f"the profile {profile.name!r} has none of this name; give one with tools="
        agent.not_carried.append(f"tool {name!r} ({tool.get('tool_type') or 'unknown'}): {why}")


def _choose_model(agent: ForeignAgent, definition: dict[str, Any], settings: Settings) -> None:
    """Take the file's chat model and its window over if it can be had here, else say so."""
    found: Any = agent.agent.get("llm_config")
    config: Data = cast(Data, found) if isinstance(found, dict) else {}
    handle = str(agent.agent.get("model") or config.get("handle") or config.get("model") or "")
    if not handle:
        return
    provider, _, model = handle.partition("/")
    wanted = f"{provider}:{config.get('model') or model}" if model else handle
    note = agent.not_carried.append
    try:
        resolve_chat_model(wanted, settings=settings)
    except MemGPTError as error:
        note(
            f"model {handle!r}: it cannot be had here ({' '.join(str(error).split())}); the default model answers until you choose one"
        )
        return
    definition["model"] = wanted
    window: Any = agent.agent.get("context_window_limit") or config.get("context_window")
    if isinstance(window, int) and window >= MIN_CONTEXT_WINDOW_TOKENS:
        definition["context"] = {"context_window_tokens": window}
    note(f"temperature and other settings of {handle!r}: kept in the file only")


def _choose_zone(agent: ForeignAgent, definition: dict[str, Any]) -> None:
    zone = str(agent.agent.get("timezone") or "")
    if not zone or zone == "UTC":
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        agent.not_carried.append(f"time zone {zone!r}: it is not known here")
        return
    definition["context"]["time_zone"] = zone


def _slug(name: str) -> str:
    """Return an agent's name as an id."""
    return re.sub(r"[^\w-]+", "-", name.strip()).strip("-").lower()[:100] or "agent"
