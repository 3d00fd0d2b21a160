"""All that the store holds of one agent, read once, for finding in it what is to be forgotten and what was made of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from langgraph.store.base import BaseStore

from memgpt_agent.memory import namespaces
from memgpt_agent.store.plain import all_items

Value = dict[str, Any]
_NAMESPACES = 10_000
TASK_LISTS = ("open", "leaving", "closed")
"""Where the item of all tasks holds them."""
SAID = ("recall", "journal")
"""The tiers of messages: of conversations, and of runs in the background."""
STRUCTURE = frozenset(
    {
        "act", "actor", "agent", "at", "beside", "block", "by", "cause", "causes", "chain", "checkpoint", "children", "closed_by",
        "created", "ends", "file", "folder", "id", "ids", "indexed", "key", "kind", "label", "letters", "level", "names", "object_id",
        "parent", "parts", "path", "reading", "redo", "replaced_by", "role", "same_as", "seen", "session", "sha256", "shared", "since",
        "slot", "subject_id", "thread", "thread_id", "time", "tool", "turn", "until", "updated_at", "user_id", "valid_from", "valid_until",
    }
)  # fmt: skip
"""Fields that say where an item belongs and when it was made, or repeat others for the search; they are not its text."""


@dataclass(frozen=True)
class StoredItems:
    """Items by their tier and key."""

    agent_id: str
    """Whose they are."""
    tiers: Mapping[str, dict[str, Value]]
    """The values by tier, each by key."""

    @classmethod
    def of(cls, store: BaseStore, agent_id: str) -> "StoredItems":
        """Read everything that is stored under an agent."""
        tiers: dict[str, dict[str, Value]] = {}
        for namespace in store.list_namespaces(prefix=namespaces.under(agent_id), limit=_NAMESPACES):
            tiers["/".join(namespace[1:])] = items_in(store, namespace)
        return cls(agent_id, tiers)

    def tier(self, name: str) -> dict[str, Value]:
        """Return the items of a tier by key; none if there is no such tier."""
        return self.tiers.get(name, {})

    @cached_property
    def messages(self) -> dict[str, Value]:
        """All that was said and done, by its key in recall memory or a journal."""
        return {key: value for tier in SAID for key, value in self.tier(tier).items()}

    @cached_property
    def with_gone(self) -> dict[str, Value]:
        """The same with what has left recall memory, as what was said in a branch that was given up: memory keeps what was written there."""
        gone = {key: value["gone"] for key, value in self.tier("corrections").items() if value.get("gone")}
        return {**gone, **self.messages}

    @cached_property
    def threads(self) -> list[str]:
        """The conversations of which something was stored."""
        return list(dict.fromkeys(str(m.get("thread_id", "")) for m in self.messages.values() if m.get("thread_id")))

    def calls_of(self, turns: set[str]) -> set[str]:
        """Return the keys of the tool calls that were made in these turns: what they wrote names them as its cause."""
        return {key for key, value in self.with_gone.items() if value.get("turn") in turns and value.get("role") in ("tool", "assistant")}

    @cached_property
    def tasks(self) -> dict[str, Value]:
        """The tasks, each by its name ``task:NUMBER``; the store holds them in one item."""
        lists = [value.get(name, ()) for value in self.tier("tasks").values() for name in TASK_LISTS]
        return {task_name(task): task for tasks in lists for task in tasks}

    def things(self, tier: str) -> dict[str, Value]:
        """Return the things of a tier that can be forgotten one by one, by key."""
        return self.tasks if tier == "tasks" else self.tier(tier)

    def texts(self, tier: str, key: str, value: Value) -> Iterator[str]:
        """Yield the texts in a thing; of an upload also its bytes in base64, and the lines of the document that was read from them.

        The bytes of a Word document or a PDF are compressed: its words are in the lines only.
        """
        yield from texts_of(value)
        if tier != "uploads":
            return
        yield from self.pieces(key).values()
        digest = key.removeprefix("upload-")
        read = {key for key, file in self.tier("files").items() if digest and str(file["sha256"]).startswith(digest)}
        for place, page in self.tier("file_text").items() if read else ():
            if place.rpartition(":")[0] in read:
                yield "\n".join(page["lines"])

    def pieces(self, upload_id: str) -> dict[str, str]:
        """Return the keys of the data of an upload, each with its text of base64."""
        data = self.tier("upload_data")
        return {key: str(data[key]["data"]) for key in data if key.rpartition(":")[0] == upload_id}

    def versions(self) -> dict[str, list[Value]]:
        """Return the versions of each block of the agent's own, oldest first."""
        found: dict[str, list[Value]] = {}
        for value in self.tier("core_history").values():
            found.setdefault(str(value["label"]), []).append(value)
        return {label: sorted(versions, key=lambda v: v["version"]) for label, versions in found.items()}


def items_in(store: BaseStore, namespace: namespaces.Namespace) -> dict[str, Value]:
    """Return the items of exactly this namespace by key."""
    return {item.key: item.value for item in all_items(store, namespace)}


def texts_of(value: object) -> Iterator[str]:
    """Yield the texts in a value: what it says, not where it belongs."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in cast(dict[str, Any], value).items():
            if name == "arguments" and isinstance(part, str):
                yield from texts_of(list(_arguments(part).values()) or part)
            elif name not in STRUCTURE:
                yield from texts_of(part)
    elif isinstance(value, list | tuple):
        for part in cast(list[Any], value):
            yield from texts_of(part)


def _arguments(text: str) -> dict[str, Any]:
    """Return a call's arguments by name; nothing if the text is not a JSON object."""
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], read) if isinstance(read, dict) else {}


def task_name(task: Mapping[str, Any]) -> str:
    """Return the name by which a task is forgotten."""
    return f"task:{task['number']}"


def main_text(tier: str, value: Value) -> str:
    """Return an item's text in one piece, for people."""
    if tier in SAID:
        called = f"{value.get('tool')}({value.get('arguments', '')}): " if value.get("tool") else ""
        return f"{called}{value.get('text', '')}"
    for name in ("text", "title", "name", "value"):
        if value.get(name):
            return str(value[name])
    return " ".join(texts_of(value))
