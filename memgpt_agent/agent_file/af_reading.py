"""Reading an Agent File in both of its forms: lenient where files differ, strict where memory would be lost."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from memgpt_agent.agent_file.document import without_secrets
from memgpt_agent.errors import AgentFileError

Data = dict[str, Any]
_SHARED = ("groups", "sources", "mcp_servers", "metadata")
"""Parts of the newer form that belong to all of its agents; kept for the next export."""
_KNOWN = {"agents", "blocks", "tools", "files", "created_at", *_SHARED}
"""The parts of the newer form. An agent may also have ``passages``, texts of its archival memory; only a server's interface gives them."""
_ENVIRONMENT = ("tool_exec_environment_variables", "secrets", "tool_environment_variables")


@dataclass
class ForeignAgent:
    """An agent as an Agent File describes it."""

    name: str
    """Its name in the file."""
    agent: Data
    """What the file says of it, without its blocks, messages and tools, and without secrets."""
    blocks: list[Data]
    """Its memory blocks, in order."""
    messages: list[Data]
    """Its messages, in order, each with an id."""
    in_context: list[str]
    """The ids of the messages that were in context."""
    tools: list[Data]
    """Its tools."""
    files: list[Data] = field(default_factory=list[Data])
    """The files of its sources."""
    passages: list[Data] = field(default_factory=list[Data])
    """The texts of its archival memory, each with its tags and when it was made."""
    shared: Data = field(default_factory=dict[str, Any])
    """What belongs to all agents of the file."""
    not_carried: list[str] = field(default_factory=list[str])
    """What this agent cannot take over, each with the reason."""

    @property
    def system(self) -> str:
        """Its system prompt."""
        return text_of(self.agent.get("system"))


def read_agents(data: Data, name: str) -> list[ForeignAgent]:
    """Return the agents of an Agent File.

    Raises:
        AgentFileError: it is none, or something that an agent is made of is missing in it.
    """
    if isinstance(data.get("agents"), list):
        return _newer(data, name)
    if isinstance(data.get("core_memory"), list) and isinstance(data.get("messages"), list):
        return [_older(data, name)]
    raise AgentFileError(
        f'{name} is neither an export of memgpt\'s ("format") nor an Agent File ("agents", or "core_memory" and "messages"); '
        f"it has: {', '.join(sorted(data)[:10]) or 'nothing'}. Nothing was imported."
    )


def _newer(data: Data, name: str) -> list[ForeignAgent]:
    agents = objects(data, "agents", name)
    if not agents:
        raise AgentFileError(f"{name} holds no agent. Nothing was imported.")
    blocks, tools = _by_id(data, "blocks", name), _by_id(data, "tools", name)
    dropped: list[str] = []
    shared_objects: Data = {part: objects(data, part, name) for part in _SHARED[:3]}
    shared: Data = without_secrets({**shared_objects, "metadata": data.get("metadata") or {}}, "", dropped)
    unknown = [f"{key!r}: this program does not know it" for key in sorted(data.keys() - _KNOWN) if data[key]]
    found: list[ForeignAgent] = []
    for place, agent in enumerate(agents):
        where = f"{name}: agents[{place}]"
        missing = [i for i in strings(agent, "block_ids") if i not in blocks]
        if missing:
            raise AgentFileError(
                f"{where} has a block {missing[0]!r} that the file does not hold. Nothing was imported."
            )
        own_blocks = [*(blocks[i] for i in strings(agent, "block_ids")), *objects(agent, "memory_blocks", where)]
        own_tools = [tools[i] for i in strings(agent, "tool_ids") if i in tools]
        foreign = ForeignAgent(
            str(agent.get("name") or f"agent-{place}"), _kept(agent, dropped), own_blocks, objects(agent, "messages", where),
            strings(agent, "in_context_message_ids"), own_tools, objects(data, "files", name), objects(agent, "passages", where), shared,
            list(unknown),
        )  # fmt: skip
        foreign.not_carried += [
            f"tool {i!r}: the file does not hold it" for i in strings(agent, "tool_ids") if i not in tools
        ]
        foreign.not_carried += [f"tool {t!r}: only its name is in the file" for t in strings(agent, "tools")]
        foreign.not_carried += [
            f"{part}: {len(shared[part])} of them; there is nothing here that they would be"
            for part in _SHARED[:3]
            if shared[part]
        ]
        _note(foreign, agent, dropped)
        found.append(foreign)
    if len(found) > 1:
        for foreign in found:
            foreign.not_carried.append("shared blocks: each agent of the file has its own copy from here on")
    return found


def _older(data: Data, name: str) -> ForeignAgent:
    messages = objects(data, "messages", name)
    for place, message in enumerate(messages):
        message.setdefault("id", f"message-{place}")
    indices: Any = data.get("in_context_message_indices") or []
    in_context = [str(messages[i]["id"]) for i in _listed(indices) if isinstance(i, int) and 0 <= i < len(messages)]
    dropped: list[str] = []
    foreign = ForeignAgent(
        str(data.get("name") or "agent"), _kept(data, dropped), objects(data, "core_memory", name), messages, in_context,
        objects(data, "tools", name),
    )  # fmt: skip
    tags = _listed(data.get("tags"))
    foreign.agent["tags"] = [str(cast(Data, tag).get("tag") if isinstance(tag, dict) else tag) for tag in tags]
    if data.get("multi_agent_group"):
        foreign.not_carried.append("multi_agent_group: there is nothing here that it would be")
    _note(foreign, data, dropped)
    return foreign


def _kept(agent: Data, dropped: list[str]) -> Data:
    """What is said of an agent, without what is carried over elsewhere; of variables only the names are left."""
    left_out = {
        "messages",
        "core_memory",
        "tools",
        "memory_blocks",
        "in_context_message_indices",
        "in_context_message_ids",
        "block_ids",
        "tool_ids",
        "passages",
    }
    kept = {key: value for key, value in agent.items() if key not in left_out}
    for part in _ENVIRONMENT:
        if kept.get(part):
            kept[part] = dict.fromkeys(_variables(kept[part]), "")
    return without_secrets({k: v for k, v in kept.items() if k not in _ENVIRONMENT}, "agent", dropped) | {
        k: kept[k] for k in _ENVIRONMENT if k in kept
    }


def _note(foreign: ForeignAgent, agent: Data, dropped: list[str]) -> None:
    """List what is kept for the next export but has no effect here."""
    add = foreign.not_carried.append
    for part in _ENVIRONMENT:
        for variable in _variables(agent.get(part)):
            add(f"{part} {variable!r}: its value is not stored; set it where the tool runs")
    for place in dict.fromkeys(dropped):
        add(f"{place}: it looks like a secret")
    for flag in ("enable_sleeptime", "message_buffer_autoclear", "template"):
        if agent.get(flag):
            add(f"{flag}: it has no effect here")
    for part in (
        "identity_ids",
        "group_ids",
        "source_ids",
        "folder_ids",
        "response_format",
        "memory_variables",
        "files_agents",
    ):
        if agent.get(part):
            add(f"{part}: kept in the file only")
    if tags := _listed(foreign.agent.get("tags")):
        add(f"tags {', '.join(map(str, tags))}: kept in the file only")


def _variables(value: Any) -> list[str]:
    """The names of variables, which files give as a mapping or as a list."""
    if isinstance(value, dict):
        return list(cast(Data, value))
    return [str(cast(Data, one).get("key", "?")) if isinstance(one, dict) else str(one) for one in _listed(value)]


def _listed(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _by_id(data: Data, part: str, name: str) -> dict[str, Data]:
    return {str(one.get("id", place)): one for place, one in enumerate(objects(data, part, name))}


def objects(data: Mapping[str, Any], part: str, name: str) -> list[Data]:
    """Return a list of objects of a file; nothing if it is missing.

    Raises:
        AgentFileError: it is not a list, or holds something else.
    """
    found: Any = data.get(part)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in cast(list[Any], found)):
        raise AgentFileError(f"{name}: {part!r} is no list of objects. Nothing was imported.")
    return [dict(one) for one in cast(list[Data], found)]


def strings(data: Mapping[str, Any], part: str) -> list[str]:
    """Return a list of texts of a file; what is none is left out."""
    found: Any = data.get(part)
    return [one for one in cast(list[Any], found) if isinstance(one, str)] if isinstance(found, list) else []


def text_of(content: Any) -> str:
    """Return the text of a content: a string, or a list of parts of which the texts count."""
    if isinstance(content, str):
        return content
    texts = [part if isinstance(part, str) else _field(part, "text") for part in _listed(content)]
    return "\n".join(text for text in texts if text)


def thoughts_of(content: Any) -> str:
    """Return the reasoning among the parts of a content."""
    return "\n".join(filter(None, (_field(part, "reasoning") for part in _listed(content))))


def _field(part: Any, name: str) -> str:
    return str(cast(Data, part).get(name) or "") if isinstance(part, dict) else ""


def unpacked(text: str) -> Data:
    """Return the object that a message's text is, as such servers pack events and results; nothing if it is plain text."""
    if not re.match(r"\s*\{", text):
        return {}
    try:
        data: Any = json.loads(text, strict=False)
    except (json.JSONDecodeError, RecursionError):
        return {}
    return cast(Data, data) if isinstance(data, dict) else {}
