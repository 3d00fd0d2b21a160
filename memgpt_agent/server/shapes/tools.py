"""The schemas of tools, passages, folders and conversations."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from memgpt_agent.server.shapes.base import Data, RequestBody, ResponseBody

_SOURCE = 'def add(a: int, b: int) -> int:\n    """Add two numbers."""\n    return a + b\n'


class ToolFields(RequestBody):
    """What may be said of a tool."""

    model_config = ConfigDict(json_schema_extra={"example": {"source_code": _SOURCE, "tags": ["sums"]}})
    source_code: Annotated[str | None, Field(title="Source code", description="A Python function with type hints and a docstring.")] = None
    source_type: Annotated[str | None, Field(title="Language", examples=["python"])] = None
    name: Annotated[str | None, Field(title="Name", description="Else the function's.")] = None
    description: Annotated[str | None, Field(title="Description", description="Else the docstring's first part.")] = None
    json_schema: Annotated[Data | None, Field(title="Schema", description="Name, description and parameters; else read off the source.")] = None
    args_json_schema: Data | None = None
    tags: Annotated[list[str] | None, Field(title="Tags")] = None
    return_char_limit: Annotated[int | None, Field(title="Most characters of a result", ge=1)] = None
    default_requires_approval: Annotated[bool | None, Field(title="Approval", description="Whether a person decides on each call.")] = None
    enable_parallel_execution: bool | None = None
    pip_requirements: list[Data] | None = None
    npm_requirements: list[Data] | None = None
    metadata_: Data | None = None
    tool_type: str | None = None


class ToolAnswer(ResponseBody):
    """A tool."""

    id: str
    name: str
    tool_type: str
    description: str | None = None
    tags: list[str]
    json_schema: Data | None = None
    source_code: str | None = None


class ToolCallShape(RequestBody):
    """Arguments of a call."""

    args: Annotated[Data | None, Field(title="Arguments", examples=[{"a": 1, "b": 2}])] = None


class SourceCall(ToolCallShape):
    """A call of a tool that is not kept."""

    source_code: str
    name: str | None = None
    args_json_schema: Data | None = None
    json_schema: Data | None = None


class ApprovalShape(RequestBody):
    """Whether calls of a tool wait for a person."""

    requires_approval: Annotated[bool, Field(title="Approval")]


class NewPassage(RequestBody):
    """A text to be kept."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "The wedding is on 12 June.", "tags": ["dates"]}})
    text: Annotated[str, Field(title="Text", min_length=1)]
    tags: Annotated[list[str] | None, Field(title="Tags")] = None
    created_at: str | None = None


class PassageAnswer(ResponseBody):
    """A text that is kept."""

    id: str
    text: str
    tags: list[str]
    created_at: str | None = None


class FolderFields(RequestBody):
    """What may be said of a folder."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "papers", "description": "What I read."}})
    name: Annotated[str | None, Field(title="Name", examples=["papers"])] = None
    description: Annotated[str | None, Field(title="Description")] = None
    instructions: Annotated[str | None, Field(title="Instructions", description="How the agent is to use it.")] = None
    metadata: Annotated[Data | None, Field(title="Metadata")] = None
    embedding: str | None = None
    embedding_config: Data | None = None
    embedding_chunk_size: int | None = None


class FolderAnswer(ResponseBody):
    """A folder of files."""

    id: str
    name: str
    embedding_config: Data


class ConversationFields(RequestBody):
    """What may be said of a conversation."""

    summary: Annotated[str | None, Field(title="Summary", description="What it is about.", examples=["The wedding"])] = None
    model: str | None = None
    model_settings: Data | None = None
    archived: bool | None = None
    description: str | None = None


class NewConversation(ConversationFields):
    """A conversation to be made."""

    agent_id: Annotated[str | None, Field(title="Agent")] = None
    isolated_block_labels: list[str] | None = None


class ConversationAnswer(ResponseBody):
    """A conversation."""

    id: str
    agent_id: str
    summary: str | None = None


class Words(RequestBody):
    """What is searched for."""

    query: Annotated[str | None, Field(title="Words", examples=["wedding"])] = None
    limit: Annotated[int | None, Field(title="Limit", ge=1, le=1_000)] = None
    agent_id: str | None = None
    tags: list[str] | None = None
    tag_match_mode: str | None = None
    start_date: Any = None
    end_date: Any = None
