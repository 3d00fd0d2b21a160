"""`memgpt import-letta`: bringing a Letta server's agents over: reading the server, and making each whole or not at all."""

import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from memgpt_agent.agent_file import import_agents
from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MemGPTError, NotAllowed, UnknownBlock
from memgpt_agent.events import utc_now
from memgpt_agent.memory import definitions
from memgpt_agent.memory.core.shared_blocks import SharedBlocks
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import letta_agents, letta_folders, letta_tools
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.groups import catalogue

Data = dict[str, Any]
_PAGE = 100
_TIMEOUT_SECONDS = 60
_IN_CONTEXT = 20
"""So many of the newest messages are in context where the server's own list names none of them."""
_AGENT_LISTS = ("blocks", "memory", "tools", "sources", "folders", "messages", "message_ids", "identities")


@dataclass(frozen=True)
class LettaServer:
    """A Letta server, or one that answers as it does."""

    url: str
    """Its address, without a path."""
    token: str = ""
    """Sent as ``Authorization: Bearer``."""

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a GET.

        Raises:
            ConfigurationError: the server cannot be reached, refuses, or answers something else.
        """
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url.rstrip('/')}{path}{'?' + urllib.parse.urlencode(given) if given else ''}"
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ConfigurationError(f"{self.url!r} is no address of a server; it begins with http:// or https://.")
        headers = {"accept": "application/json", **({"authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
                return clean(json.load(answer))
        except urllib.error.HTTPError as error:
            error.close()
            raise ConfigurationError(f"{address} answered {error.code} {error.reason}. Is a token missing (--token)?") from error
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{address} cannot be read: {error}") from error

    def every(self, path: str, **query: Any) -> Iterator[Data]:
        """Yield the items of a list, page by page, each once: a server that ignores ``after`` does not make it endless."""
        seen: dict[str, None] = {}
        after: str | None = None
        while page := cast(list[Data], self.get(path, limit=_PAGE, after=after, **query)):
            fresh = [one for one in page if str(one.get("id")) not in seen]
            yield from page if fresh else ()
            seen |= dict.fromkeys(str(one.get("id")) for one in page)
            after = str(page[-1].get("id"))
            if not fresh:
                return

    def agents(self) -> list[Data]:
        """Return all agents, oldest first."""
        return list(self.every("/v1/agents/", order="asc"))

    def folders(self) -> list[Data]:
        """Return all folders, each with its ``files``, whose ``content`` is their text."""
        return [
            {**folder, "files": list(self.every(f"/v1/folders/{folder['id']}/files", include_content="true"))}
            for folder in self.every("/v1/folders/")
        ]

    def agent_file(self, agent: Data) -> Data:
        """Return an agent as an Agent File that also holds its archival memory, and messages that are not in context any more."""
        agent_id = str(agent["id"])
        messages = file_messages(self.every(f"/v1/agents/{agent_id}/messages", order="asc", use_assistant_message="false"))
        passages = self.every(f"/v1/agents/{agent_id}/archival-memory", ascending="true")
        blocks = blocks_of(agent)
        known = {one["id"] for one in messages}
        listed: list[str] = agent.get("message_ids") or []
        tools: list[Data] = agent.get("tools") or []
        wanted = [one for one in listed if one in known and _role(messages, one) != "system"]
        own: Data = {
            **{name: value for name, value in agent.items() if name not in _AGENT_LISTS}, "messages": messages,
            "in_context_message_ids": wanted or [one["id"] for one in messages[-_IN_CONTEXT:]],
            "block_ids": [one["id"] for one in blocks], "tool_ids": [one["id"] for one in tools],
            "passages": [{name: one.get(name) for name in ("text", "tags", "created_at")} for one in passages if not one.get("file_name")],
        }  # fmt: skip
        return {"agents": [own], "blocks": blocks, "tools": tools}

    def has_conversations(self, agent_id: str) -> bool:
        """Return whether an agent has conversations beside its first one; older servers know none."""
        try:
            return bool(self.get("/v1/conversations/", agent_id=agent_id, limit=1))
        except ConfigurationError:
            return False


def blocks_of(agent: Mapping[str, Any]) -> list[Data]:
    """Return an agent's blocks; older servers show them within its memory only."""
    memory: Data = agent.get("memory") or {}
    return agent.get("blocks") or memory.get("blocks") or []


def _role(messages: Iterable[Data], message_id: str) -> str:
    return next((str(one["role"]) for one in messages if one["id"] == message_id), "")


def file_messages(listed: Iterable[Mapping[str, Any]]) -> list[Data]:
    """Return messages of the interface as an Agent File has them: what one step thought, called and said is one message there."""
    return [
        message for message_id, group in groupby(listed, key=lambda one: str(one.get("id"))) if (message := _message(message_id, list(group)))
    ]


def _message(message_id: str, group: list[Mapping[str, Any]]) -> Data | None:
    kinds = {str(one.get("message_type")) for one in group}
    first = group[0]
    whole: Data = {"id": message_id, "created_at": first.get("date"), "name": first.get("name")}
    if "tool_return_message" in kinds:
        returns = [one for part in group for one in part.get("tool_returns") or [part] if "tool_return" in one]
        return {**whole, "role": "tool", "tool_returns": [_returned(one) for one in returns]}
    if roles := kinds & _ROLES.keys():
        return {**whole, "role": _ROLES[roles.pop()], "content": first.get("content") or first.get("summary")}
    parts: list[Data] = [{"type": "reasoning", "reasoning": one["reasoning"]} for one in group if one.get("reasoning")]
    parts += [part for one in group if one.get("message_type") == "assistant_message" for part in _content(one.get("content"))]
    calls = [call for one in group for call in one.get("tool_calls") or filter(None, [one.get("tool_call")])]
    if not parts and not calls:
        return None  # an answer to a request, whose result follows
    named = [{"id": one["tool_call_id"], "function": {"name": one["name"], "arguments": one.get("arguments")}} for one in calls]
    return {**whole, "role": "assistant", "content": parts, "tool_calls": named}


_ROLES = {"user_message": "user", "system_message": "system", "summary_message": "summary"}


def _content(content: Any) -> list[Data]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else cast(list[Data], content or [])


def _returned(one: Mapping[str, Any]) -> Data:
    return {"tool_call_id": one.get("tool_call_id"), "func_response": one.get("tool_return"), "status": one.get("status")}


@dataclass
class Plan:
    """What a server has, and what of it is here already."""

    agents: list[Data]
    """Its agents, as it shows them."""
    folders: list[Data]
    """Its folders with their files."""
    known: set[str]
    """The ids of the agents that are here already; they are left as they are."""


@dataclass
class BroughtOver:
    """What was brought over."""

    agents: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """By agent: how many items of each tier."""
    skipped: list[str] = field(default_factory=list[str])
    """The agents that were here already."""
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """By agent: why it was not brought over; nothing of it was."""
    folders: int = 0
    """How many folders are new here."""
    notes: list[str] = field(default_factory=list[str])
    """What is not carried over, each with its agent and the reason."""


def plan(server: LettaServer, settings: Settings) -> Plan:
    """Return what would be brought over. Nothing is written.

    Raises:
        ConfigurationError: the server cannot be read.
        NotAllowed: the settings name an owner; the agents' ids may be those of others here.
    """
    if settings.owner:
        raise NotAllowed(f"{settings.owner!r} (MEMGPT_OWNER) is an owner; only the admin brings a server's agents here. Unset MEMGPT_OWNER.")
    agents, folders = server.agents(), server.folders()
    with closing(OpenAgents(settings)) as here:
        return Plan(agents, folders, {one.agent_id for one in definitions.every(here.store)} & {str(one["id"]) for one in agents})


def bring_over(
    server: LettaServer, planned: Plan, settings: Settings, on_agent: Callable[[str, int, int], None]
) -> BroughtOver:
    """Bring over what was planned: blocks, messages, passages, tools, files. Ids stay, so doing it again brings only what is missing.

    Args:
        server: where the agents are.
        planned: what it has.
        settings: where they are to be.
        on_agent: called before each agent with its name, its number and how many there are.
    """
    done = BroughtOver()
    with closing(OpenAgents(settings)) as here:
        for folder in planned.folders:
            done.folders += _folder(here, folder, done)
        for number, agent in enumerate(planned.agents, 1):
            agent_id, name = str(agent["id"]), str(agent.get("name") or agent["id"])
            on_agent(name, number, len(planned.agents))
            if definitions.load(here.store, agent_id) is None:
                try:
                    _agent(here, server, agent, done)
                except (MemGPTError, HTTPProblem) as error:
                    done.failed[agent_id] = str(error)
                    continue
            else:
                done.skipped.append(agent_id)
            _finish(here, agent, done)
        _share(here, planned.agents, done)
    return done


def _agent(here: OpenAgents, server: LettaServer, agent: Data, done: BroughtOver) -> None:
    agent_id = str(agent["id"])
    try:
        file = server.agent_file(agent)
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"the server shows it in another form than Letta's: {type(error).__name__}: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{agent_id[:60]}.af"
        path.write_text(json.dumps(file, ensure_ascii=False), encoding="utf-8")
        with here.claimed(agent_id):
            made = import_agents(path, agent_id=agent_id, settings=here.settings, store=here.store, checkpointer=here.checkpointer)[0]
    done.agents[agent_id] = made.items
    done.notes += [f"{agent.get('name') or agent_id}: {note}" for note in made.not_carried if not note.startswith(_CARRIED_HERE)]
    if server.has_conversations(agent_id):
        done.notes.append(f"{agent.get('name') or agent_id}: conversations beside the first are not carried over")


_CARRIED_HERE = ("tags ", "tool ", "temperature and other settings")
"""What an Agent File leaves behind and this does not."""


def _finish(here: OpenAgents, agent: Data, done: BroughtOver) -> None:
    """Give an agent what its file does not carry: what clients see of it, its tags, its tools and its folders."""
    agent_id = str(agent["id"])
    type_ = agent.get("agent_type")
    served = {name: agent[name] for name in letta_agents.KEPT if agent.get(name) is not None}
    served |= {"model": agent["model"]} if agent.get("model") else {}
    served |= {"agent_type": type_} if type_ in letta_agents.PROFILE_OF else {}
    tools: list[Data] = []
    for one in agent.get("tools") or ():
        try:
            tools += filter(None, [_tool(here, one)])
        except (MemGPTError, HTTPProblem) as error:
            done.notes.append(f"{agent.get('name') or agent_id}: tool {one.get('name')!r} is not carried over: {error}")

    def changed(known: AgentDefinition) -> AgentDefinition:
        new = replace(known, served={**served, **known.served}, tags=tuple(agent.get("tags") or known.tags))
        for tool in tools:
            new = letta_tools.with_tool(new, tool)
        return new if new != known else known

    here.change(agent_id, changed)
    for folder in agent.get("folders") or agent.get("sources") or ():
        have = here.definition(agent_id).served.get("folder_ids", ())
        if folder["id"] not in have and here.folder(folder["id"]) is not None:
            letta_folders.attach_folder(here, agent_id, folder["id"])
    if type_ and type_ not in letta_agents.PROFILE_OF:
        done.notes.append(f"{agent.get('name') or agent_id}: there are no agents of the type {type_!r} here; it is one of the profile")


def _tool(here: OpenAgents, tool: Data) -> Data | None:
    """Return a tool of the server's, kept here under its id if somebody uploaded it; ``None`` if there is none of its name."""
    if tool.get("name") in catalogue() or tool.get("name") in letta_tools.ABSENT:
        return letta_tools.named(here, str(tool["name"]))
    if not tool.get("source_code"):
        return None
    known = here.tools.get(str(tool["id"]))
    kept = ("id", "source_code", "source_type", "json_schema", "name", "description", "tags", "return_char_limit", "default_requires_approval")
    return letta_tools.upload(here, {name: tool.get(name) for name in kept}, known or {"id": tool["id"]})


_PACKED = (".pdf", ".docx", ".pptx", ".xlsx", ".epub")
"""Files of which the server gives the text that it read, which is no such file any more."""


def _folder(here: OpenAgents, folder: Data, done: BroughtOver) -> bool:
    """Keep a folder under its id, and those of its files that are not here yet; return whether it is new."""
    known = here.folder(str(folder["id"]))
    kept = {name: folder[name] for name in ("id", "name", "description", "instructions", "metadata", "created_at") if folder.get(name)}
    stored = known or letta_folders.put(here, {"name": "folder", "created_at": stamp(utc_now()), **kept, **here.owned()})
    have = {file["name"] for file in letta_folders.files_of(here, stored["id"])}
    for file in folder["files"]:
        name = str(file.get("file_name") or file.get("original_file_name") or file["id"])
        if not file.get("content"):
            done.notes.append(f"folder {stored['name']}: the server does not give the text of {name!r}")
            continue
        name += ".txt" if name.lower().endswith(_PACKED) else ""
        if name not in have:
            try:
                letta_folders.upload(here, stored, name, str(file.get("file_type") or "text/plain"), str(file["content"]).encode(), "skip")
            except (MemGPTError, HTTPProblem) as error:
                done.notes.append(f"folder {stored['name']}: {name!r} is not carried over: {error}")
    return known is None


def _share(here: OpenAgents, agents: Iterable[Data], done: BroughtOver) -> None:
    """Let agents share the blocks that they shared: each got a copy of its own, the first one's becomes the block of them all."""
    holders: dict[str, list[tuple[str, str]]] = {}
    for agent in agents:
        for block in blocks_of(agent):
            if str(agent["id"]) not in done.failed:
                holders.setdefault(str(block["id"]), []).append((str(agent["id"]), str(block.get("label"))))
    for block_id, places in holders.items():
        if len(places) > 1:
            _share_one(here, block_id, places)


def _share_one(here: OpenAgents, block_id: str, places: list[tuple[str, str]]) -> None:
    shelf = SharedBlocks(here.store, here.who)
    try:
        attached = {one.agent_id for one in shelf.get(block_id).attached}
    except UnknownBlock:
        first, label = places[0]
        here.core(first).share(label, block_id)
        attached = {first}
    for agent_id, label in places:
        core = here.core(agent_id)
        if agent_id not in attached and label in core:
            read_only = core.block(label).read_only
            core.delete(label)
            core.attach(block_id, label, read_only=read_only)
