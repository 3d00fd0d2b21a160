"""The document that holds one agent: versioned, deterministic to write, strict to read, and without secrets."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from memgpt_agent.errors import AgentFileError

FORMAT = "memgpt-agent"
VERSION = 1


class StoredItem(BaseModel):
    """One item of long-term memory."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(description="Its key in its tier.")]
    value: Annotated[dict[str, Any], Field(description="What the tier keeps under it.")]
    index: Annotated[list[str] | None, Field(description="The paths that searches see; null: it is not searched.")] = (
        None
    )
    vectors: Annotated[dict[str, str], Field(description="Its vectors by path: float32, little-endian, base64.")] = {}


class Conversation(BaseModel):
    """The running conversation of one thread, as its newest checkpoint holds it."""

    model_config = ConfigDict(extra="forbid")

    next: Annotated[list[str], Field(description="The step that is pending; empty between turns.")] = []
    values: Annotated[dict[str, Any], Field(description="The state: the queue, the summary, the registers.")]


class EmbeddingUsed(BaseModel):
    """The embedding that made the vectors."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(description="Its name.")]
    dims: Annotated[int, Field(description="The length of its vectors.", ge=1, le=65_536)]


class AgentDocument(BaseModel):
    """One agent, complete: what it is made of, all it remembers, and where its conversations stand. No secrets."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["memgpt-agent"] = FORMAT
    """What this file is."""
    version: Literal[1] = VERSION
    """The version of the form; a newer one is refused."""
    agent_id: Annotated[str, Field(description="The agent's id.", min_length=1, max_length=200)]
    definition: Annotated[dict[str, Any], Field(description="Profile, model, settings, tools by name, threads.")]
    embedding: Annotated[EmbeddingUsed | None, Field(description="What made the vectors, where there are any.")] = None
    memory: Annotated[dict[str, list[StoredItem]], Field(description="The tiers by their namespace under the agent.")]
    threads: Annotated[dict[str, Conversation], Field(description="The conversations by their id.")] = {}

    @field_validator("definition")
    @classmethod
    def _names_threads(cls, definition: dict[str, Any]) -> dict[str, Any]:
        threads: Any = definition.get("threads", [])
        if not isinstance(threads, list) or not all(isinstance(t, str) and t for t in cast(list[Any], threads)):
            raise ValueError("threads is no list of names")
        return definition


@dataclass(frozen=True)
class Source:
    """An agent to be imported: its document, and what of its file is not in it."""

    document: AgentDocument
    """The agent."""
    not_carried: tuple[str, ...] = ()
    """What could not be carried over into the document."""


def schema() -> dict[str, Any]:
    """Return the JSON schema of the document."""
    return AgentDocument.model_json_schema()


def lines(
    agent_id: str,
    definition: dict[str, Any],
    embedding: EmbeddingUsed | None,
    memory: Iterable[tuple[str, Iterable[dict[str, Any]]]],
    threads: Iterable[tuple[str, dict[str, Any]]],
) -> Iterator[str]:
    """Yield the document line by line, an item to a line, so that it is never whole in memory.

    The tiers and threads must come sorted, the items as they were stored; what stands in one line is sorted here: the same
    agent gives the same bytes.
    """
    head = {"format": FORMAT, "version": VERSION, "agent_id": agent_id, "definition": definition}
    yield "{\n"
    for name, value in head.items():
        yield f'"{name}": {_compact(value)},\n'
    yield f'"embedding": {_compact(embedding.model_dump() if embedding else None)},\n"memory": {{'
    yield from _joined(f"{_compact(tier)}: [{''.join(_joined(map(_compact, items)))}]" for tier, items in memory)
    yield '},\n"threads": {'
    yield from _joined(f"{_compact(thread)}: {_compact(values)}" for thread, values in threads)
    yield "}\n}\n"


def _joined(parts: Iterable[str]) -> Iterator[str]:
    between = "\n"
    for part in parts:
        yield between + part
        between = ",\n"
    if between != "\n":
        yield "\n"


def _compact(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # Half an emoji is legal in a Python string and in JSON's escapes, and in no UTF-8 file.
    return (
        json.dumps(value, sort_keys=True, separators=(",", ":"))
        if any("\ud800" <= c <= "\udfff" for c in text)
        else text
    )


def validated(data: dict[str, Any], name: str) -> AgentDocument:
    """Return the document that a file's content is.

    Raises:
        AgentFileError: it is not one, or of a version that this program does not know; each fault is named.
    """
    version = data.get("version")
    if version != VERSION:
        raise AgentFileError(
            f"{name} has version {version!r} of the {FORMAT} form; this program reads version {VERSION}. Update memgpt-agent to import it."
        )
    try:
        return AgentDocument.model_validate(data)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise AgentFileError(f"{name} is damaged: {'; '.join(found[:5])}{more}. Nothing was imported.") from error


_NAMES = re.compile(
    r"(?i)(api_?-?key|secret|passw(or)?d|token|credential|authorization|bearer|private_?key|cookie)$|^(env|headers|environment)$"
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def without_secrets(value: Any, place: str, found: list[str]) -> Any:
    """Return settings without secrets; the places of those that were left out are added to ``found``."""
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for name, one in cast(dict[str, Any], value).items():
            where = f"{place}.{name}" if place else name
            if _NAMES.search(name) and one not in (None, "", [], {}, False):
                found.append(where)
            else:
                kept[name] = without_secrets(one, where, found)
        return kept
    if isinstance(value, list | tuple):
        return [without_secrets(one, f"{place}[{i}]", found) for i, one in enumerate(cast(list[Any], value))]
    if isinstance(value, str) and _LOGIN.search(value):
        found.append(place)
        return _LOGIN.sub("", value)
    return value
