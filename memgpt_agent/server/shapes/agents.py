"""The schemas of agents and blocks."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from memgpt_agent.server.shapes.base import Data, RequestBody, ResponseBody


class BlockNotes(RequestBody):
    """What may be said of a block beside its text and its label."""

    limit: Annotated[int | None, Field(title="Limit", description="The most characters it may have.", ge=1, examples=[5000])] = None
    description: Annotated[str | None, Field(title="Description", description="What it is for; the model reads it.")] = None
    read_only: Annotated[bool | None, Field(title="Read only", description="Whether the agent may not edit it.")] = None
    metadata: Annotated[Data | None, Field(title="Metadata", description="Anything that a client keeps with it.")] = None
    tags: Annotated[list[str] | None, Field(title="Tags", description="Tags by which clients find it.")] = None
    hidden: bool | None = None
    is_template: bool | None = None
    template_name: str | None = None
    project_id: str | None = None
    base_template_id: str | None = None
    preserve_on_migration: bool | None = None


class BlockFields(BlockNotes):
    """What may be changed of a block."""

    value: Annotated[str | None, Field(title="Text", description="The block's text.", examples=["The human's name is Ada."])] = None
    label: Annotated[str | None, Field(title="Label", description="Its name, unique within an agent.", examples=["human"])] = None


class NewBlock(BlockNotes):
    """A block to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"label": "human", "value": "The human's name is Ada.", "limit": 5000}})
    label: Annotated[str, Field(title="Label", description="Its name, unique within an agent.", min_length=1, max_length=200)]
    value: Annotated[str, Field(title="Text", description="The block's text.")]


class BlockAnswer(ResponseBody):
    """A block."""

    id: Annotated[str, Field(title="Id")]
    label: Annotated[str | None, Field(title="Label", examples=["human"])] = None
    value: Annotated[str, Field(title="Text", examples=["The human's name is Ada."])]
    limit: Annotated[int | None, Field(title="Limit", examples=[5000])] = None
    description: str | None = None
    read_only: bool | None = None


class AgentFields(RequestBody):
    """What may be chosen for an agent."""

    name: Annotated[str | None, Field(title="Name", description="How people call it; need not be unique.", examples=["Ada's agent"])] = None
    description: Annotated[str | None, Field(title="Description")] = None
    model: Annotated[str | None, Field(title="Model", description="provider/name.", examples=["openai/gpt-4.1"])] = None
    embedding: Annotated[
        str | None,
        Field(
            title="Embedding", description="Kept and returned; the data folder's embedding does the work (embedding_config).",
            examples=["openai/text-embedding-3-small"],
        ),
    ] = None
    model_settings: Annotated[Data | None, Field(title="Model settings", description="Kept and returned.")] = None
    llm_config: Annotated[Data | None, Field(title="Model, older form")] = None
    embedding_config: Annotated[Data | None, Field(title="Embedding, older form")] = None
    context_window_limit: Annotated[int | None, Field(title="Context window", description="In tokens, 4,096 at least.", examples=[32000])] = None
    system: Annotated[str | None, Field(title="System prompt", description="In place of the one of the agent's type.")] = None
    tags: Annotated[list[str] | None, Field(title="Tags")] = None
    metadata: Annotated[Data | None, Field(title="Metadata", description="heartbeat_every here lets its heart beat while it is served.")] = None
    tools: Annotated[list[str] | None, Field(title="Tools", description="By their names.", examples=[["web_search", "run_code"]])] = None
    tool_ids: Annotated[list[str] | None, Field(title="Tools by id")] = None
    tool_rules: Annotated[list[Data] | None, Field(title="Tool rules")] = None
    block_ids: Annotated[list[str] | None, Field(title="Blocks to attach")] = None
    folder_ids: Annotated[list[str] | None, Field(title="Folders to attach")] = None
    source_ids: Annotated[list[str] | None, Field(title="Folders to attach, older name")] = None
    timezone: Annotated[str | None, Field(title="Time zone", examples=["Europe/Lisbon"])] = None
    enable_sleeptime: Annotated[bool | None, Field(title="Sleep", description="Whether it puts its memory in order between turns.")] = None
    response_format: Data | None = None
    compaction_settings: Data | None = None
    hidden: bool | None = None
    message_buffer_autoclear: bool | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None
    parallel_tool_calls: bool | None = None
    identity_ids: list[str] | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None


_EXAMPLE: Data = {
    "name": "Ada's agent", "agent_type": "memgpt_v2_agent", "model": "openai/gpt-4.1", "embedding": "openai/text-embedding-3-small",
    "memory_blocks": [{"label": "human", "value": "The human's name is Ada."}, {"label": "persona", "value": "My name is Sam."}],
    "tools": ["web_search", "run_code"],
}  # fmt: skip


class NewAgent(AgentFields):
    """An agent to be made."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})
    agent_type: Annotated[str | None, Field(title="Type", examples=["memgpt_v2_agent"])] = None
    memory_blocks: Annotated[list[NewBlock] | None, Field(title="Blocks of its core memory")] = None
    include_base_tools: Annotated[bool | None, Field(title="Base tools", description="Whether it has the tools of its type.")] = None
    include_multi_agent_tools: Annotated[bool | None, Field(title="Tools for other agents", description="Whether it can write to them.")] = None
    initial_message_sequence: list[Any] | None = None


class AgentAnswer(ResponseBody):
    """An agent."""

    id: Annotated[str, Field(title="Id", examples=["agent-7a0e"])]
    name: Annotated[str, Field(title="Name", examples=["Ada's agent"])]
    agent_type: Annotated[str, Field(title="Type", examples=["memgpt_v2_agent"])]
    system: str
    model: str | None = None
    embedding: str | None = None
    blocks: list[BlockAnswer]
    memory: Data
    tools: list[Data]
    sources: list[Data]
    tags: list[str]
    llm_config: Data
    embedding_config: Data


class ImportedAgents(ResponseBody):
    """The agents that a file held."""

    agent_ids: Annotated[list[str], Field(title="Ids", examples=[["agent-7a0e"]])]
