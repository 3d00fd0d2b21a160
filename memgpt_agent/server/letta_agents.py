"""Agents in Letta's schema: showing, creating and changing them."""

import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from fastapi import UploadFile

from memgpt_agent.agent_file import import_agents
from memgpt_agent.agent_file.af_rules import read_rules, written_rules
from memgpt_agent.agent_file.importing import read_json
from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, MIN_CONTEXT_WINDOW_TOKENS, Context
from memgpt_agent.events import utc_now
from memgpt_agent.memory import definitions
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.prompts import system_prompt
from memgpt_agent.server import letta_blocks, letta_models, letta_tools
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.store.plain import embedding_of
from memgpt_agent.tools.profiles import PROFILES
from memgpt_agent.tools.rules import rules_to_data

PROFILE_OF = {
    "memgpt_agent": "memgpt", "memgpt_v2_agent": "memgpt_v2", "letta_v1_agent": "memgpt_v2", "sleeptime_agent": "memgpt_v2",
}  # fmt: skip
"""The types of agents that can be made, and the profile that each has here."""
DEFAULT_TYPE = "letta_v1_agent"
_TYPE_OF = {"memgpt": "memgpt_agent"}
KEPT = (
    "name", "description", "metadata", "hidden", "embedding", "model_settings", "response_format", "compaction_settings", "max_files_open",
    "per_file_view_window_char_limit", "message_buffer_autoclear", "enable_sleeptime", "project_id", "template_id", "base_template_id",
    "identity_ids", "parallel_tool_calls",
)  # fmt: skip
"""What a client gives that is kept and told, whatever it changes here."""


def letta_agent(agents: OpenAgents, definition: AgentDefinition) -> dict[str, Any]:
    """Return an agent as clients see it."""
    served, agent_id = definition.served, definition.agent_id
    handle = letta_models.model_of(definition, agents.settings)
    settings = letta_models.model_settings(handle, served.get("model_settings"))
    blocks = letta_blocks.blocks_of(agents, agent_id)
    kept: dict[str, Any] = {name: served.get(name) for name in KEPT} | {"identities": [], "secrets": [], "tool_exec_environment_variables": []}
    folders = folders_of(agents, definition)
    type_ = served.get("agent_type") or _TYPE_OF.get(definition.profile, "memgpt_v2_agent")
    return {
        **kept, "id": agent_id, "name": served.get("name") or agent_id, "agent_type": type_, "system": prompt_of(definition),
        "blocks": blocks, "memory": {"blocks": blocks, "file_blocks": [], "prompt_template": "", "agent_type": type_},
        "tools": letta_tools.tools_of(agents, definition), "sources": folders, "folders": folders, "tags": list(definition.tags),
        "model": handle, "model_settings": settings, "embedding": served.get("embedding"),
        "llm_config": letta_models.llm_config(handle, letta_models.window_of(definition), settings),
        "embedding_config": embedding(agents), "tool_rules": written_rules(definition.rules, served.get("tool_rules")),
        "message_ids": [system_message_id(agent_id)], "timezone": (definition.context or {}).get("time_zone", "UTC"),
        "metadata": served.get("metadata") or {}, "identity_ids": served.get("identity_ids") or [],
        "message_buffer_autoclear": bool(served.get("message_buffer_autoclear")), "hidden": served.get("hidden"),
        "enable_sleeptime": bool(served.get("enable_sleeptime")), "created_at": definition.created,
        "updated_at": served.get("updated_at") or definition.created, "created_by_id": None, "last_updated_by_id": None,
        "last_run_completion": None, "last_run_duration_ms": None, "last_stop_reason": None,
        "multi_agent_group": None, "managed_group": None, "pending_approval": None,
    }  # fmt: skip


def system_message_id(thread_id: str) -> str:
    """Return the id of the system message that stands first in a conversation."""
    from memgpt_agent.server import ids

    return ids.packed("message", "system", thread_id)


def prompt_of(definition: AgentDefinition) -> str:
    """Return an agent's system prompt, without its memory."""
    if definition.system:
        return definition.system
    profile = PROFILES.get(definition.profile, PROFILES["memgpt_v2"])
    names = [tool.name for tool in profile.tools if tool.name not in definition.without]
    return system_prompt(names, profile.system_prompt)


def embedding(agents: OpenAgents) -> dict[str, Any]:
    """Return the description of the embedding that the data folder uses."""
    used = embedding_of(agents.store)
    return letta_models.embedding_config(used.name if used else "multilingual", used.dims if used else 256)


def folders_of(agents: OpenAgents, definition: AgentDefinition) -> list[dict[str, Any]]:
    """Return the folders that are attached to an agent."""
    from memgpt_agent.server.letta_folders import folder_at

    found = (folder_at(agents, folder) for folder in definition.served.get("folder_ids", ()))
    return [folder for folder in found if folder is not None]


def create(agents: OpenAgents, given: Mapping[str, Any]) -> AgentDefinition:
    """Make an agent of what a client gives; return its definition.

    Raises:
        HTTPProblem: its type or a tool is unknown, or a block is not there; nothing was made.
        CoreMemoryFull: a block's text is longer than its limit; nothing was made.
    """
    type_ = given.get("agent_type") or DEFAULT_TYPE
    if type_ not in PROFILE_OF:
        raise HTTPProblem(400, f"There are no agents of the type {type_!r} here. The types are: {', '.join(PROFILE_OF)}.")
    agent_id = f"agent-{uuid.uuid4()}"
    blocks = [letta_blocks.new_block(block) for block in given.get("memory_blocks") or ()]
    if len({block.label for block in blocks}) < len(blocks):
        raise HTTPProblem(422, "Two of the memory_blocks have the same label.")
    for block_id in given.get("block_ids") or ():
        letta_blocks.place_of(agents, block_id)
    definition = AgentDefinition(
        agent_id, stamp(utc_now()), PROFILE_OF[type_], context=_context(given), threads=(agent_id,), tags=tuple(given.get("tags") or ()),
        system=given.get("system") or "", rules=_rules(given), served=_served(given) | {"agent_type": type_},
    )  # fmt: skip
    definition = letta_tools.with_tools(agents, _with_model(agents, definition, given), given)
    with agents.claimed(agent_id):
        CoreMemory(agents.store, agent_id).create(blocks)
        definition = definitions.save(agents.store, definition)
    for block_id in given.get("block_ids") or ():
        attach(agents, agent_id, block_id)
    for folder in (*(given.get("folder_ids") or ()), *(given.get("source_ids") or ())):
        from memgpt_agent.server.letta_folders import attach_folder

        attach_folder(agents, agent_id, folder)
    return agents.definition(agent_id)


def _served(given: Mapping[str, Any]) -> dict[str, Any]:
    served = {name: given[name] for name in KEPT if given.get(name) is not None}
    if given.get("agent_type") == "sleeptime_agent":
        served.setdefault("enable_sleeptime", True)
    if given.get("tool_rules"):
        served["tool_rules"] = given["tool_rules"]
    config = given.get("embedding_config")
    if config and not given.get("embedding"):
        served["embedding"] = config.get("handle") or f"{config.get('embedding_endpoint_type')}/{config.get('embedding_model')}"
    return served


def _with_model(agents: OpenAgents, definition: AgentDefinition, given: Mapping[str, Any]) -> AgentDefinition:
    """Return a definition with the model that a client names, in either of two ways."""
    config: Mapping[str, Any] = given.get("llm_config") or {}
    named: str | None = given.get("model") or config.get("handle")
    if not named and config.get("model"):
        named = f"{config.get('model_endpoint_type') or 'openai'}/{config['model']}"
    if not named:
        return definition
    agents.check_model(named)
    return replace(definition, model=letta_models.our_name(named), served={**definition.served, "model": named})


def _context(given: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    config: Mapping[str, Any] = given.get("llm_config") or {}
    window: int | None = given.get("context_window_limit") or config.get("context_window")
    chosen = dict(known) if known is not None else {"prompt_tokens": DEFAULT_PROMPT_TOKENS}
    if window is not None:
        chosen = {**chosen, "context_window_tokens": max(window, MIN_CONTEXT_WINDOW_TOKENS)}
        chosen.pop("prompt_tokens", None)
    if given.get("timezone"):
        chosen["time_zone"] = given["timezone"]
    Context.from_values(chosen)
    return chosen


def _rules(given: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    return tuple(rules_to_data([one.rule for one in read_rules(given.get("tool_rules")) if one.rule is not None]))


def modify(agents: OpenAgents, agent_id: str, given: Mapping[str, Any]) -> AgentDefinition:
    """Change an agent by what a client gives; a field that is not given, or is null, stays as it is."""
    from memgpt_agent.server import letta_folders

    known = agents.definition(agent_id)
    wanted = blocks_to_attach(agents, known, given.get("block_ids"))

    def changed(known: AgentDefinition) -> AgentDefinition:
        new = replace(
            known, context=_context(given, known.context or {}), served={**known.served, **_served(given), "updated_at": stamp(utc_now())}
        )
        if given.get("tags") is not None:
            new = replace(new, tags=tuple(given["tags"]))
        if given.get("system") is not None:
            new = replace(new, system=given["system"])
        if given.get("tool_rules") is not None:
            new = replace(new, rules=_rules(given), served={**new.served, "tool_rules": given["tool_rules"]})
        return letta_tools.with_tools(agents, _with_model(agents, new, given), given, at_creation=False)

    agents.change(agent_id, changed)
    for block_id in wanted:
        attach(agents, agent_id, block_id)
    folders = given.get("folder_ids") if given.get("folder_ids") is not None else given.get("source_ids")
    if folders is not None:
        letta_folders.set_folders(agents, agent_id, folders)
    return agents.definition(agent_id)


def blocks_to_attach(agents: OpenAgents, definition: AgentDefinition, wanted: Iterable[str] | None) -> list[str]:
    """Return the blocks that an agent does not have yet of those that it is to have."""
    have = {block["id"] for block in letta_blocks.blocks_of(agents, definition.agent_id)} if wanted else set[str]()
    missing = [block_id for block_id in wanted or () if block_id not in have]
    for block_id in missing:
        letta_blocks.place_of(agents, block_id)
    return missing


def attach(agents: OpenAgents, agent_id: str, block_id: str) -> None:
    """Give an agent a block that is there; another agent's own block is shared by it. Having it already is not an error."""
    place = letta_blocks.place_of(agents, block_id)
    if place.shared is None:
        if place.agent_id == agent_id:
            return
        agents.core(place.agent_id).share(place.label, block_id)
        place = letta_blocks.place_of(agents, block_id)
    if place.shared is not None and all(one.agent_id != agent_id for one in place.shared.attached):
        agents.core(agent_id).attach(place.shared.id)


def detach(agents: OpenAgents, agent_id: str, block_id: str) -> None:
    """Take a block from an agent; it stays, under its id, for others.

    Raises:
        HTTPProblem: the agent does not have it.
    """
    core = agents.core(agent_id)
    found = [block["label"] for block in letta_blocks.blocks_of(agents, agent_id) if block["id"] == block_id]
    if not found:
        raise HTTPProblem(404, f"The agent {agent_id!r} has no block {block_id!r}.")
    core.share(found[0], block_id)
    core.detach(found[0])


def import_file(agents: OpenAgents, file: UploadFile, name: str, suffix: str = "") -> tuple[list[str], list[str]]:
    """Make the agents that a file holds, each under an id of its own; return their ids, and what was not carried over.

    Args:
        agents: the agents.
        file: an Agent File, or this package's own export.
        name: what a single agent is called, in place of its name in the file.
        suffix: stands behind the name in the file.

    Raises:
        AgentFileError: it cannot be read; nothing was made.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _file_name(file.filename or "")  # errors name it
        with path.open("wb") as copy:
            shutil.copyfileobj(file.file, copy)
        title, new = _name_in(path), f"agent-{uuid.uuid4()}"
        made = import_agents(
            path, agent_id=new, owner=agents.who, settings=agents.settings, store=agents.store, checkpointer=agents.checkpointer
        )
    called = name or f"{title or 'agent'}{suffix}"
    for one in made:
        agents.serve(one.agent_id, name=called if len(made) == 1 else one.agent_id)
    return [one.agent_id for one in made], [note for one in made for note in one.not_carried]


def _file_name(given: str) -> str:
    """Return the name of an uploaded file without folders, signs that nobody sees, and what is longer than a name may be."""
    last = given.replace("\\", "/").rpartition("/")[2][-60:]
    shown = "".join(sign if sign.isprintable() else "_" for sign in last)
    return shown if shown.strip(". ") else "agent.af"


def _name_in(path: Path) -> str:
    read = read_json(path)
    listed: Any = read.get("agents")
    first: Any = next(iter(cast(list[Any], listed)), read) if isinstance(listed, list) else read
    return str(cast(dict[str, Any], first).get("name") or "") if isinstance(first, dict) else ""
