"""Configuration: Context holds the settings of one run, shown in Studio; Settings those of the process, from its environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, field_validator

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.node_names import CALL_LLM, SUMMARIZE_OVERFLOW

MIN_CONTEXT_WINDOW_TOKENS = 4_096
"""Below this the system prompt, the tools and an answer leave no room for a conversation."""

DEFAULT_PROMPT_TOKENS = 32_768
"""The most that a new agent sends in one prompt if nobody chose a window: so a turn costs the same from the first day."""

Window = int | Literal["max"]
"""A context window in tokens, or all of the model's."""

Reasoning = Literal["auto", "thinking", "native", "off"]
"""Where inner thoughts come from: as the model's profile decides, a ``thinking`` argument of each tool, the model itself, or nowhere."""

PageFaults = Literal["auto", "on", "off"]
"""When to offer memories with an event: if something outside main context shares words with it, always, or never."""

MemoryScope = Literal["user", "assistant", "thread", "server"]
"""Whose memory a run uses if nobody names an agent: one for each user whom the server authenticates, for each of the server's
assistants, or for each thread. ``server`` means ``user`` if the server authenticates its users, else ``assistant``."""


def _shown(node: str, kind: str | None = None) -> dict[str, Any]:
    """Studio's annotations: the node on which a field is offered, and its editor."""
    return {"langgraph_nodes": [node], **({"langgraph_type": kind} if kind else {})}


_OF_LANGGRAPH = re.compile(r"(thread|run|assistant|graph|cron)_id\Z|(__|langgraph_|checkpoint_|x-)")
"""Names of LangGraph's in a run's ``configurable``."""
_TITLES = {
    "agent_id": "Agent", "memory_scope": "Memory of", "user_id": "Speaker", "model": "Chat model",
    "summarizer_model": "Model for summaries", "fallback_model": "Model in reserve", "context_window_tokens": "Context window (tokens)",
    "prompt_tokens": "Largest prompt (tokens)", "answer_tokens": "Room for the answer (tokens)", "persona": "Persona", "human": "The user",
    "memory_pressure_share": "Warn at (share of the budget)", "eviction_target_share": "Evict down to (share of the budget)",
    "max_steps": "Steps in a turn", "max_unusable_answers": "Unusable answers in a turn", "model_attempts": "Tries of a model call",
    "retry_wait_seconds": "First wait between tries (seconds)", "model_timeout_seconds": "Longest model call (seconds)",
    "page_faults": "Memories that come by themselves", "page_fault_share": "Room for such memories (share of the budget)",
    "reasoning": "Inner thoughts", "time_zone": "Time zone",
}  # fmt: skip
"""What forms call the fields of :class:`Context`."""


class Context(BaseModel):
    """The settings of one run. Every field has a default; unknown fields and invalid values are refused.

    ``persona`` and ``human`` seed a new agent only; stored blocks take precedence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Whose memory to use. When empty, memory_scope decides.")
    ] = None
    memory_scope: Annotated[
        MemoryScope | None,
        Field(
            description="Whose memory to use if no agent_id is given: one for each authenticated user, for each assistant, or for each "
            "thread; 'server' means user if there is one, else assistant. A thread keeps its first agent. When empty, as the graph was made."
        ),
    ] = None
    user_id: Annotated[
        str | None,
        Field(
            min_length=1, max_length=200,
            description="Who is speaking; recorded with each message. All who speak to one agent share its memory: give each user an agent.",
        ),
    ] = None
    model: Annotated[
        str | None,
        {"__template_metadata__": {"kind": "llm"}},
        Field(
            description="The chat model, as provider:model, 'local', or 'local:/path/to/file.gguf'. When empty, the graph's own.",
            json_schema_extra=_shown(CALL_LLM),
        ),
    ] = None
    summarizer_model: Annotated[
        str | None,
        {"__template_metadata__": {"kind": "llm"}},
        Field(description="The model that writes the summary. When empty, the chat model.", json_schema_extra=_shown(SUMMARIZE_OVERFLOW)),
    ] = None
    fallback_model: Annotated[
        str | None,
        {"__template_metadata__": {"kind": "llm"}},
        Field(description="The model to ask if the chat model keeps failing.", json_schema_extra=_shown(CALL_LLM)),
    ] = None
    context_window_tokens: Annotated[
        Annotated[int, Field(ge=MIN_CONTEXT_WINDOW_TOKENS, le=10_000_000)] | Literal["max"] | None,
        Field(
            description="The most tokens of prompt and answer together; 'max' is the model's whole window. When empty, the model's window, "
            "of which a new conversation's prompts use prompt_tokens."
        ),
    ] = None
    prompt_tokens: Annotated[
        int | None,
        Field(
            ge=1_024, le=10_000_000,
            description="The most tokens of one prompt. When empty, 32,768 in a new conversation without a chosen window; "
            "else as many as the window holds.",
        ),
    ] = None
    answer_tokens: Annotated[
        int | None, Field(ge=64, le=100_000, description="Tokens reserved for the answer. When empty, a quarter of the window, at most 4,096.")
    ] = None
    persona: Annotated[
        str | None,
        Field(description="Who the agent is. Seeds a new agent's persona block.", json_schema_extra=_shown(CALL_LLM, "prompt")),
    ] = None
    human: Annotated[
        str | None,
        Field(description="What the agent knows about the user. Seeds a new agent's human block.", json_schema_extra=_shown(CALL_LLM, "prompt")),
    ] = None
    memory_pressure_share: Annotated[
        float, Field(gt=0, le=1, description="The agent is warned when this share of the budget is used.")
    ] = 0.8
    eviction_target_share: Annotated[
        float, Field(gt=0, le=1, description="Eviction stops when this share of the budget is used.")
    ] = 0.5
    max_steps: Annotated[int, Field(ge=1, le=500, description="The most model calls in one turn; the last may only speak.")] = 20
    max_unusable_answers: Annotated[
        int, Field(ge=0, le=20, description="How often in one turn an empty or unusable answer is sent back.")
    ] = 2
    model_attempts: Annotated[
        int, Field(ge=1, le=10, description="How often to try a model call if the provider is busy or cannot be reached.")
    ] = 4
    retry_wait_seconds: Annotated[
        float, Field(ge=0, le=60, description="The first wait between two attempts; it doubles, with jitter, up to a minute.")
    ] = 1.0
    model_timeout_seconds: Annotated[float, Field(gt=0, le=3_600, description="How long one model call may take.")] = 600.0
    page_faults: Annotated[
        PageFaults, Field(description="Whether to offer the model memories that an event refers to before it answers.")
    ] = "auto"
    page_fault_share: Annotated[
        float, Field(gt=0, le=0.3, description="The share of the budget that such memories may fill.")
    ] = 0.05
    reasoning: Annotated[
        Reasoning, Field(description="Inner thoughts: auto, a 'thinking' argument on each tool, the model's own, or off.")
    ] = "auto"
    time_zone: Annotated[str, Field(description="The agent's time zone, such as Europe/Lisbon.")] = "UTC"

    def __init__(self, **values: Any) -> None:
        """Take the fields by name.

        LangGraph's own names, such as ``thread_id``, are left out: some clients (AG-UI's) send all of a run's ``configurable`` as its context.
        Nothing, and the empty text that a form sends for a field that was left empty, count as not given; an empty ``persona`` or
        ``human`` is one that was emptied.

        Raises:
            ConfigurationError: a field is unknown or its value out of range; the message names each one. LangGraph
                creates the context of a run in this way, so a mistake in its ``context`` raises the same error.
        """
        empty = {name for name, value in values.items() if value is None or (value == "" and name in _TITLES.keys() - {"persona", "human"})}
        given = {name: value for name, value in values.items() if name not in empty and not _OF_LANGGRAPH.match(name)}
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ConfigurationError(_explain(error, sorted(type(self).model_fields))) from error

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema with titles and without nulls: a field may be left out, and a form offers one editor for each."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, field in schema["properties"].items():
            kinds = [kind for kind in field.pop("anyOf", ()) if kind != {"type": "null"}]
            field.update({"title": _TITLES[name], **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})})
            if field.get("default", "") is None:
                del field["default"]
        return schema

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {name!r}; give an IANA name such as 'UTC' or 'Europe/Lisbon'") from error
        return name

    @classmethod
    def from_values(cls, values: "Mapping[str, Any] | Context | None") -> Self:
        """Return a context from a mapping, another context or nothing.

        Raises:
            ConfigurationError: a field is unknown or its value out of range; the message names each one.
        """
        return values if isinstance(values, cls) else cls(**dict(values or {}))

    @classmethod
    def of_run(cls, given: Any) -> Self:
        """Return the context of a run. In a parent graph it has that graph's form; of it the fields with names of ours are taken.

        LangGraph hands a parent's context (a mapping, a dataclass, a model) on to the graphs in it as it is; the rest of it is for others.

        Raises:
            ConfigurationError: the value of one of our fields is out of range; the message names each one.
        """
        if given is None or isinstance(given, cls):
            return cls.from_values(given)
        own = cls.model_fields
        fields = cast(Mapping[str, Any], given) if isinstance(given, Mapping) else {name: getattr(given, name, None) for name in own}
        return cls(**{name: fields[name] for name in own if name in fields})


def _explain(error: ValidationError, known: list[str], of: str = "Context") -> str:
    """Put each of pydantic's findings in one sentence, and name the fields."""
    found = [f"{e['loc'][0] if e['loc'] else of} = {_without_password(repr(e['input']))}: {e['msg']}" for e in error.errors()]
    return f"{of}: " + "; ".join(found) + f". The fields are: {', '.join(known)}."


def _without_password(text: str) -> str:
    return re.sub(r"(//[^/@\s:]*:)[^/\s]*@", r"\1***@", text)


class Settings(BaseModel):
    """The configuration of the process. Arguments take precedence over environment variables, and those over defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path
    """The data folder: memory, checkpoints, models. ``MEMGPT_HOME``, else the platform's user data folder."""
    model: str | None = None
    """The default chat model. ``MEMGPT_MODEL``."""
    embedding: str | None = None
    """The default embedding. ``MEMGPT_EMBEDDING``."""
    store: str | None = None
    """The store's URL, else ``database_url``, else a file in ``home``. ``MEMGPT_STORE_URL``, or ``MEMGPT_STORE``."""
    checkpoint_url: str | None = None
    """Where conversations are: ``postgresql://...`` or a file, else ``database_url``, else a file in ``home``. ``MEMGPT_CHECKPOINT_URL``."""
    database_url: str | None = None
    """One ``postgresql://...`` for the store and the conversations. ``MEMGPT_DATABASE_URL``."""
    owner: str | None = None
    """The owner that this process acts for: it opens only that owner's agents. If empty, everybody's. ``MEMGPT_OWNER``."""
    allowed_models: str = ""
    """The models that a server's clients may name, separated by commas; ``*``: all but files. ``MEMGPT_ALLOWED_MODELS``."""
    oidc_issuer: str = ""
    """The issuer whose JWTs a server accepts beside its own tokens: their ``iss``. ``MEMGPT_OIDC_ISSUER``."""
    oidc_audience: str = ""
    """The ``aud`` that they must have. ``MEMGPT_OIDC_AUDIENCE``."""
    oidc_keys_url: str = ""
    """Where the provider's public keys (JWKS) are. ``MEMGPT_OIDC_KEYS_URL``."""
    prices: Path | None = None
    """A table of token prices as JSON. Default: ``prices.json`` in ``home``, if it exists. ``MEMGPT_PRICES``."""
    limits: Path | None = None
    """A table of what each owner may use, as TOML. Default: ``limits.toml`` in ``home``, if it exists. ``MEMGPT_LIMITS``."""
    audit: Literal["on", "off"] = "off"
    """``on``: who did what when with which agent is logged in the store; see ``memgpt audit``. ``MEMGPT_AUDIT``."""
    tracing: Literal["on", "off"] = "on"
    """``off``: nothing is sent to LangSmith, whatever ``LANGSMITH_TRACING`` says. ``on``: as LangChain decides. ``MEMGPT_TRACING``."""
    history_turns: Annotated[int, Field(ge=1, le=100_000)] = 10
    """How many turns of history to keep; older checkpoints are deleted. ``MEMGPT_HISTORY_TURNS``."""
    retention_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    """Memories older than this many days are erased when an agent is opened, once a day. If empty, none are. ``MEMGPT_RETENTION_DAYS``."""
    never_store: str = ""
    """What is kept out of conversation and memory: ``secrets``, and patterns (RE2) with white space between. ``MEMGPT_NEVER_STORE``."""
    deleted_threads: Literal["keep", "forget"] = "keep"
    """What happens to memory when a server deletes a thread: ``forget`` erases what was said and written in it. ``MEMGPT_DELETED_THREADS``."""
    turn_wait_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """How long a turn waits for earlier turns, in any process. ``MEMGPT_TURN_WAIT_SECONDS``."""
    letter_wait_seconds: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """How long an agent that writes to another waits for its answer. ``MEMGPT_LETTER_WAIT_SECONDS``."""

    @field_validator("database_url")
    @classmethod
    def _on_postgres(cls, url: str | None) -> str | None:
        if url and not is_postgres(url):
            raise ValueError("one database for both is on Postgres: postgresql://USER@HOST/DATABASE. A file is named by home")
        return url

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """Return the settings, ignoring arguments that are ``None``. Reads the environment, creates no folder.

        Raises:
            ConfigurationError: a value is invalid; the message names it.
        """
        given = {key: value for key, value in arguments.items() if value is not None}
        names = {field: f"MEMGPT_{field.upper()}" for field in cls.model_fields}
        read = {key: os.environ[name] for key, name in names.items() if os.environ.get(name)}
        if url := os.environ.get("MEMGPT_STORE_URL"):
            read["store"] = url
        values: dict[str, Any] = {**read, **given}
        if "home" not in values:
            from platformdirs import user_data_path

            values["home"] = user_data_path("memgpt-agent")
        values["home"] = Path(values["home"]).expanduser()
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error, sorted(cls.model_fields), "Settings")) from error

    @property
    def models_folder(self) -> Path:
        """Where ``memgpt model pull`` puts model files."""
        return self.home / "models"

    @property
    def store_url(self) -> str:
        """The URL of the store."""
        return self.store or self.database_url or f"sqlite:///{self.home / 'memory.db'}"

    @property
    def memory_is_in_home(self) -> bool:
        """Whether the memory is the file in ``home``, and nowhere else."""
        return self.store is None and self.database_url is None

    @property
    def tokens_path(self) -> Path:
        """The file of the tokens that identify a server's clients: hashes only."""
        return self.home / "tokens.jsonl"

    @property
    def checkpoints_path(self) -> Path:
        """The file of the checkpoints in the data folder."""
        return self.home / "checkpoints.db"

    @property
    def checkpoints_url(self) -> str:
        """Where the checkpoints are: a URL on Postgres, or that of a file."""
        return self.checkpoint_url or self.database_url or f"sqlite:///{self.checkpoints_path}"


def is_postgres(url: str) -> bool:
    """Whether a URL names a database on Postgres."""
    return url.startswith(("postgresql://", "postgres://"))


def shown(url: str) -> str:
    """Return a URL without its password, to show to people."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it is malformed
        return _without_password(url)
    hidden = parts.netloc.replace(f":{parts.password}@", ":***@", 1) if parts.password else parts.netloc
    query = "&".join("password=***" if one.startswith("password=") else one for one in parts.query.split("&"))
    return urlunsplit(parts._replace(netloc=hidden, query=query)) if "://" in url and is_postgres(url) else url
