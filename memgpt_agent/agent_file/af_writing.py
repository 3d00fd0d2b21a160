"""Writing an agent as an Agent File in the newer form, and listing what that form has no place for."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from memgpt_agent.agent_file.af_rules import written_rules
from memgpt_agent.agent_file.conversation import read_conversation
from memgpt_agent.agent_file.document import without_secrets
from memgpt_agent.agent_file.exporting import Exported, write_whole
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.recall import Message
from memgpt_agent.memory.tiers import ORIGINAL, TIERS
from memgpt_agent.owners import Identity
from memgpt_agent.prompts import system_prompt
from memgpt_agent.store.plain import count, items_of
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.profiles import PROFILES

_SYSTEM_LABELS = ("system", "system_prompt", "system_instructions", "agent_file_system")
_TYPES = {"send_message": "letta_core", "conversation_search": "letta_core", "archival_memory_insert": "letta_core",
          "archival_memory_search": "letta_core", "core_memory_append": "letta_memory_core", "core_memory_replace": "letta_memory_core",
          "memory_insert": "letta_sleeptime_core", "memory_replace": "letta_sleeptime_core", "memory_rethink": "letta_sleeptime_core",
          "memory_finish_edits": "letta_sleeptime_core"}  # fmt: skip
Data = dict[str, Any]


def export_agent_file(
    agent_id: str,
    target: Path | TextIO,
    *,
    settings: Settings | None = None,
    store: BaseStore | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> Exported:
    """Write an agent as an Agent File (``.af``, the newer form); the result lists what that form has no place for.

    Raises:
        AgentNotFound: there is no such agent.
        AgentFileError: its conversation is in the middle of a turn.

    **Limits**: of several conversations the messages of all are in it, and the queue of the agent's own only.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = store if store is not None else opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = checkpointer or opened.enter_context(open_configured_checkpointer(settings))
        definition = definitions.existing(store, agent_id, Identity.of(settings.owner))
        done = Exported(agent_id)
        data = _file(definition, store, checkpointer, done)
        text = json.dumps(data, ensure_ascii=not _is_utf8(data), indent=2) + "\n"
        if isinstance(target, Path):
            write_whole(target, iter([text]))
        else:
            target.write(text)
        return done


def _file(
    definition: AgentDefinition, store: BaseStore, checkpointer: BaseCheckpointSaver[Any], done: Exported
) -> Data:
    agent_id = definition.agent_id
    item = store.get(namespaces.of(agent_id, "agent_file"), ORIGINAL)
    original: Data = item.value if item else {}
    blocks = CoreMemory(store, agent_id).blocks()
    prompt = next(
        (b for label in _SYSTEM_LABELS for b in blocks if b.label == label and b.read_only and original), None
    )
    kept = [block for block in blocks if block is not prompt]
    system = prompt.value if prompt else _own_prompt(definition)
    stored = [Message(**_fields(item.value)) for item in items_of(store, namespaces.of(agent_id, "recall"))]
    records = sorted(stored, key=lambda m: m.time)  # of one time in the order in which they were said
    conversation = read_conversation(create_graph(checkpointer=checkpointer, store=store), agent_id)
    in_view = {m["data"]["id"] for m in conversation.values.get("messages", [])} if conversation else set[str]()
    messages, in_context = _messages(records, in_view, system, definition.created)
    tools = _tools(definition, original)
    done.items = {"core": len(kept), "recall": len(records)}
    _list_left_out(store, agent_id, done, conversation.values if conversation else {})
    agent: Data = {
        **_defaults(), **original.get("agent", {}), "id": "agent-0", "system": system,
        "tool_ids": [tool["id"] for tool in tools], "block_ids": [f"block-{i}" for i in range(len(kept))],
        "messages": messages, "in_context_message_ids": in_context,
    }  # fmt: skip
    agent["tool_rules"] = written_rules(definition.rules, agent["tool_rules"])
    agent.setdefault("name", agent_id)
    agent["timezone"] = (definition.context or {}).get("time_zone") or agent.get("timezone") or "UTC"
    if definition.model and not original:
        agent["llm_config"] = {
            "model": definition.model.partition(":")[2] or definition.model,
            "handle": definition.model.replace(":", "/", 1),
        }
    found: list[str] = []
    file: Data = {
        "agents": [without_secrets(agent, "agent", found)], "groups": [], "blocks": [_block(b, i) for i, b in enumerate(kept)],
        "files": [], "sources": [], "tools": tools, "mcp_servers": [],
        "metadata": {"exported_by": "memgpt-agent"}, "created_at": definition.created, **_shared(original),
    }  # fmt: skip
    done.left_out += [f"{place}: it looks like a secret" for place in found]
    return file


def _shared(original: Data) -> Data:
    shared: Data = original.get("shared") or {}
    return {part: value for part, value in shared.items() if value}


def _own_prompt(definition: AgentDefinition) -> str:
    profile = PROFILES.get(definition.profile) or PROFILES["memgpt"]
    return system_prompt([tool.name for tool in profile.tools], profile.system_prompt)


def _fields(value: Data) -> Data:
    return {name: value[name] for name in Message.__dataclass_fields__ if name in value}


def _defaults() -> Data:
    return {
        "agent_type": "memgpt_v2_agent", "description": None, "memory_blocks": [], "tools": [], "source_ids": [], "tool_rules": [], "tags": [],
        "initial_message_sequence": None, "include_base_tools": False, "include_multi_agent_tools": False, "include_base_tool_rules": False,
        "include_default_source": False, "metadata": None, "llm_config": None, "embedding_config": None, "message_buffer_autoclear": False,
        "tool_exec_environment_variables": {}, "files_agents": [], "group_ids": [],
    }  # fmt: skip


def _block(block: Block, place: int) -> Data:
    return {
        "id": f"block-{place}", "label": block.label, "value": block.value, "limit": block.limit_chars, "description": block.description,
        "read_only": block.read_only, "is_template": False, "preserve_on_migration": False, "metadata": {},
    }  # fmt: skip


def _tools(definition: AgentDefinition, original: Data) -> list[Data]:
    """The tools of the file that the agent came from, as they were, and the agent's own beside them."""
    before: list[Data] = original.get("tools") or []
    named = {str(tool.get("name")): tool for tool in before}
    profile = PROFILES.get(definition.profile) or PROFILES["memgpt"]
    for tool in profile.tools:
        if tool.name not in named:
            schema = tool.schema(thinking=False)["function"]
            named[tool.name] = {
                "name": tool.name, "tool_type": _TYPES.get(tool.name, "custom"), "description": schema.get("description", ""),
                "source_type": "python", "source_code": None, "json_schema": schema, "tags": [], "return_char_limit": 50_000,
            }  # fmt: skip
    for name in definition.tools:
        named.setdefault(
            name,
            {
                "name": name,
                "tool_type": "custom",
                "description": "",
                "source_type": "python",
                "source_code": None,
                "tags": [],
            },
        )
    return [{**tool, "id": f"tool-{i}"} for i, tool in enumerate(named.values())]


def _messages(records: Iterable[Message], in_view: set[str], system: str, created: str) -> tuple[list[Data], list[str]]:
    """The messages of the file, and the ids of those in context; a tool's record is a call and its result."""
    messages: list[Data] = [_message("message-0", "system", system, created)]
    in_context = ["message-0"]
    for record in records:
        made = _of_record(record, len(messages))
        messages += made
        in_context += [m["id"] for m in made] if record.id in in_view else []
    return messages, in_context


def _of_record(record: Message, number: int) -> list[Data]:
    key = f"message-{number}"
    if record.role in ("user", "system") and not record.tool:
        packed = {
            "type": "user_message" if record.role == "user" else "system_alert",
            "message": record.text,
            "time": record.time,
        }
        return [_message(key, "user", json.dumps(packed, ensure_ascii=False), record.time)]
    tool = record.tool or SEND_MESSAGE
    arguments = record.arguments if record.tool else json.dumps({"message": record.text}, ensure_ascii=False)
    call = {"id": f"call-{number}", "type": "function", "function": {"name": tool, "arguments": arguments or "{}"}}
    packed = {
        "status": "Failed" if record.failed else "OK",
        "message": record.text if record.tool else None,
        "time": record.time,
    }
    asked = {**_message(key, "assistant", record.thinking, record.time), "tool_calls": [call]}
    result = {
        **_message(f"message-{number + 1}", "tool", json.dumps(packed, ensure_ascii=False), record.time),
        "tool_call_id": call["id"],
        "name": tool,
    }
    return [asked, result]


def _message(key: str, role: str, text: str, time: str) -> Data:
    content = [{"type": "text", "text": text}] if text else []
    return {
        "type": "message", "id": key, "role": role, "content": content, "name": None, "agent_id": "agent-0", "model": None,
        "tool_calls": None, "tool_call_id": None, "tool_returns": [], "created_at": time,
    }  # fmt: skip


def _list_left_out(store: BaseStore, agent_id: str, done: Exported, state: Data) -> None:
    root = namespaces.encode_label(agent_id)
    for namespace in sorted(store.list_namespaces(prefix=(root,), limit=10_000)):
        tier = "/".join(namespace[1:])
        held = count(store, namespace)
        if held and not (tier in TIERS and TIERS[tier].in_agent_file):
            done.left_out.append(f"{held:,} {tier}: an Agent File has no place for them; the json form holds them")
    if state.get("summary"):
        done.left_out.append("the conversation's summary: an Agent File has no place for it; the json form holds it")


def _is_utf8(data: Data) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in json.dumps(data, ensure_ascii=False))
