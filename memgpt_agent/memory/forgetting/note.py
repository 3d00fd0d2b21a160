"""What is to be erased, as it is noted in the store until nothing of it is left: a kill in the middle loses none of it."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from langgraph.store.base import BaseStore

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.forgetting.words import Needles
from memgpt_agent.memory.recall import SECRET, keyed
from memgpt_agent.store.update import update

Reference = tuple[str, str]
"""A tier and a key in it."""


@dataclass(frozen=True)
class ForgetNote:
    """One act of forgetting. It holds the words to search for, so it is deleted when the act is done."""

    id: str
    """The note's id."""
    agent_id: str
    """Whose memory it is about."""
    items: tuple[Reference, ...] = ()
    """Items that go as a whole."""
    said: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """The messages that go, by their ids, each with its conversation and time: also out of conversations."""
    literal: tuple[str, ...] = ()
    """Words that must not remain anywhere."""
    quoted: tuple[str, ...] = ()
    """Texts of erased items, which others may quote."""
    lines: tuple[str, ...] = ()
    """Lines of blocks that go as a whole, each behind its block's label and a line break."""
    kept: tuple[str, ...] = ()
    """Ids of messages, and texts in their normal form, that hold the words and stay all the same."""
    names: tuple[str, ...] = ()
    """The names of forgotten users."""
    threads: tuple[str, ...] = ()
    """The conversations from which something may go."""
    gone_threads: tuple[str, ...] = ()
    """The conversations that go as a whole."""
    versions_before: str = ""
    """Older versions of blocks than this moment go, but for the newest of each."""
    place: str = ""
    """Where the checkpoints concerned are stored."""
    log: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What is kept of it in the end: when, who, how much of what."""

    def as_value(self) -> dict[str, Any]:
        """Return the note as it is stored."""
        value = asdict(self)
        return cast(dict[str, Any], _as_json(value))

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "ForgetNote":
        """Return the note that was stored."""
        known = {one.name for one in fields(cls)}
        read: dict[str, Any] = {k: tuple(cast(list[str], v)) if isinstance(v, list) else v for k, v in value.items() if k in known}
        read["items"] = tuple((str(tier), str(key)) for tier, key in value["items"])
        read["said"] = {key: (str(one[0]), str(one[1])) for key, one in value["said"].items()}
        return cls(**read)

    def without_lines(self, label: str, text: str) -> str:
        """Return a block's text without the lines that go."""
        return "\n".join(line for line in text.split("\n") if f"{label}\n{line}" not in self.lines) if self.lines else text

    def needles(self) -> Needles:
        """Return what to search for in texts."""
        return Needles(self.literal, self.quoted)


def _as_json(value: Any) -> Any:
    """Return a value with lists in place of tuples."""
    if isinstance(value, dict):
        return {name: _as_json(part) for name, part in cast(dict[str, Any], value).items()}
    return [_as_json(part) for part in cast(list[Any], value)] if isinstance(value, list | tuple) else value


def secret_of(store: BaseStore, agent_id: str) -> str:
    """Return the secret by which an agent's forgotten journal keys are hashed; one is made if there is none."""
    made = secrets.token_hex(32)
    after = update(store, namespaces.of(agent_id, "forgotten"), SECRET, lambda known: known or {"secret": made}).after
    return str(after.get("secret", ""))


def stub_of(key: str, value: Mapping[str, Any], secret: str) -> tuple[str, dict[str, Any]]:
    """Return what is kept of a message that is erased: a keyed hash of its key, and what tells a replay that it was handled."""
    kept = {name: value.get(name, "") for name in ("role", "time", "thread_id", "turn", "checkpoint")}
    return keyed(secret, key), {**kept, "spoken": value.get("role") == "assistant" and not value.get("tool")}


