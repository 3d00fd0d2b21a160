"""The schemas of messages and runs."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from memgpt_agent.server.shapes.base import Data, RequestBody, ResponseBody


class Speech(RequestBody):
    """What is said to an agent, or answered to a call that waits."""

    model_config = ConfigDict(json_schema_extra={"example": {"messages": [{"role": "user", "content": "Hello, I am Ada."}]}})
    messages: Annotated[list[Data] | None, Field(title="Messages", description="Of a user, or answers to calls that wait.")] = None
    input: Annotated[str | list[Any] | None, Field(title="Input", description="One message of a user.", examples=["Hello!"])] = None
    streaming: Annotated[bool | None, Field(title="Streamed", description="Whether messages come as they are made.")] = None
    stream_tokens: Annotated[bool | None, Field(title="Pieces", description="Whether what is said comes in pieces.")] = None
    background: Annotated[bool | None, Field(title="Background", description="Whether the run goes on when the client leaves.")] = None
    max_steps: Annotated[int | None, Field(title="Steps", description="Model calls at most.", ge=1, le=500)] = None
    use_assistant_message: Annotated[bool | None, Field(title="Replies as messages", description="Not as calls of send_message.")] = None
    include_return_message_types: Annotated[list[str] | None, Field(title="Types", description="Only messages of these types.")] = None
    client_tools: Annotated[list[Data] | None, Field(title="The client's tools", description="Name, description, parameters.")] = None
    client_skills: Annotated[
        list[Data] | None, Field(title="The client's skills", description="Name, description, location: shown to the model in this request.")
    ] = None
    override_model: Annotated[str | None, Field(title="Model", description="Another model for this request.")] = None
    override_system: Annotated[str | None, Field(title="System prompt", description="Another system prompt for this request.")] = None
    include_pings: bool | None = None
    agent_id: Annotated[str | None, Field(title="Agent", description="For the conversation `default`.")] = None


class CompactionAnswer(ResponseBody):
    """What compacting a conversation did."""

    summary: Annotated[str, Field(title="Summary", description="What stands for the messages that left.")]
    num_messages_before: int
    num_messages_after: int


class UsageStatistics(ResponseBody):
    """Tokens of a run."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    step_count: int = 0
    message_type: str = "usage_statistics"


class StopReason(ResponseBody):
    """Why a run ended."""

    stop_reason: Annotated[str, Field(examples=["end_turn"])]
    message_type: str = "stop_reason"


class Reply(ResponseBody):
    """What came of a run."""

    messages: list[Data]
    stop_reason: StopReason
    usage: UsageStatistics


class RunAnswer(ResponseBody):
    """A run: one turn that a client asked for."""

    id: str
    agent_id: str
    status: Annotated[str, Field(examples=["completed"])]
    created_at: str | None = None
    completed_at: str | None = None
