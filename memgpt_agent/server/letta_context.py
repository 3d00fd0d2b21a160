"""The context window in Letta's schema: the prompt by section, with its tokens."""

from collections.abc import Mapping
from typing import Any

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.prompts import render_blocks
from memgpt_agent.server import letta_agents, letta_models
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.state import SentMemory
from memgpt_agent.store.plain import count
from memgpt_agent.tokens import resolve_token_counter


def system_text(agents: OpenAgents, definition: AgentDefinition, thread_id: str, state: Mapping[str, Any]) -> str:
    """Return the system message of a conversation in this state: the prompt, memory as it was last sent, and metadata for clients.

    The metadata at its end is not part of what the model gets.
    """
    sent: Mapping[str, SentMemory] = state.get("sent_memory") or {}
    parts = next((one["sections"] for one in sent.values()), {"core_memory": _core_memory(agents, definition)})
    name = "default" if thread_id == definition.agent_id else thread_id
    summary: Mapping[str, Any] = state.get("summary") or {}
    compiled = summary.get("until") or definition.served.get("updated_at") or definition.created
    metadata = f"- AGENT_ID: {definition.agent_id}\n- CONVERSATION_ID: {name}\n- System prompt last recompiled: {compiled}"
    texts = [letta_agents.prompt_of(definition), *parts.values(), f"<memory_metadata>\n{metadata}\n</memory_metadata>"]
    return "\n\n".join(filter(None, texts))


def _core_memory(agents: OpenAgents, definition: AgentDefinition) -> str:
    core = CoreMemory(agents.store, definition.agent_id).blocks()
    rows = [(b.label, b.description, b.value, b.limit_chars, b.read_only) for b in core]
    return render_blocks(rows, numbered=agents.profile_of(definition).numbers_lines)


def overview(agents: OpenAgents, agent_id: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context window of a conversation in this state: the last compiled context, or the first if there was none yet."""
    definition = agents.definition(agent_id)
    system, profile = letta_agents.prompt_of(definition), agents.profile_of(definition)
    shown = _core_memory(agents, definition)
    usage: dict[str, int] = state.get("context_usage") or {}
    counted_as = resolve_token_counter().count_text
    messages: list[Any] = state.get("messages") or []
    summary: dict[str, Any] = state.get("summary") or {}
    counted = {
        "num_tokens_system": usage.get("system") or counted_as(system), "num_tokens_core_memory": usage.get("core_memory") or counted_as(shown),
        "num_tokens_summary_memory": usage.get("summary") or 0, "num_tokens_messages": usage.get("messages") or 0,
        "num_tokens_functions_definitions": usage.get("tools") or 0, "num_tokens_external_memory_summary": 0, "num_tokens_memory_filesystem": 0,
        "num_tokens_tool_usage_rules": usage.get("tool_rules") or 0, "num_tokens_directories": 0,
    }  # fmt: skip
    return {
        "context_window_size_max": letta_models.window_of(definition),
        "context_window_size_current": usage.get("total") or sum(counted.values()),
        "num_messages": len(messages) + 1, "num_archival_memory": count(agents.store, namespaces.of(agent_id, "archival")),
        "num_recall_memory": count(agents.store, namespaces.of(agent_id, "recall")), "system_prompt": system, "core_memory": shown,
        "summary_memory": summary.get("text"), "external_memory_summary": "", "memory_filesystem": None, "tool_usage_rules": None,
        "directories": None, "functions_definitions": [tool.schema(thinking=True) for tool in profile.tools], **counted,
        "messages": [_message(one) for one in messages],
    }  # fmt: skip


def _message(message: Any) -> dict[str, Any]:
    role = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system"}.get(message.type, "user")
    return {"id": f"message-{message.id}", "role": role, "content": [{"type": "text", "text": message.text}]}
