"""Undoing a turn: its messages and what it wrote into memory. What its tools did elsewhere is listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from langchain_core.messages import AnyMessage

from memgpt_agent.errors import NothingToUndo
from memgpt_agent.events import begins_turn, mark_of
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival.retired import RetiredPassages
from memgpt_agent.memory.core import Cause
from memgpt_agent.memory.core.history import Version
from memgpt_agent.memory.knowledge.correcting import FactCorrections
from memgpt_agent.memory.recall import Message
from memgpt_agent.store.plain import find
from memgpt_agent.tools.messages import SEND_MESSAGE

ACT = "undo_turn"
"""The tool name that the history shows for undone turns."""
_VERSIONS = 500
"""How many versions are searched for those that the turn made."""
_ASKED_AT_ONCE = 50
_FOUND = 1_000


@dataclass(frozen=True)
class UndoneTurn:
    """What was undone, and what stays."""

    text: str
    """The user's message."""
    messages: tuple[Message, ...]
    """The messages that left the conversation and recall memory, calls among them; kept in the history of corrections."""
    blocks: tuple[str, ...] = ()
    """The labels of the restored blocks."""
    passages: tuple[str, ...] = ()
    """The ids of its passages, which are now retired."""
    facts: tuple[str, ...] = ()
    """The ids of its facts, which now held at no time."""
    stays: tuple[str, ...] = ()
    """The calls whose effect stays, such as ``send_mail({"to": "bob"})``: no one can take a mail back."""


def last_said(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages of the queue from the user's last message on.

    Raises:
        NothingToUndo: there is no message of the user's in main context.
    """
    places = [n for n, m in enumerate(messages) if begins_turn(m) and mark_of(m).get("type") == "user_message"]
    if not places:
        raise NothingToUndo("There is no turn to take back: nothing was said in this conversation, or it has left main context.")
    return list(messages[places[-1] :])


@dataclass(frozen=True)
class TurnUndo:
    """Undoes what turns wrote to an agent's memory. Repeating it changes nothing more."""

    memory: AgentMemory
    """Whose memory it is."""
    turns: frozenset[str]
    """The ids of the turns."""

    def records(self) -> list[Message]:
        """Return what recall memory holds of the turns, oldest first."""
        found = [m for turn in sorted(self.turns) for m in self.memory.recall.of_turn(turn) if m.turn in self.turns]
        return sorted(found, key=lambda m: (m.time, m.ordinal))

    def undo(self, text: str) -> UndoneTurn:
        """Undo what the turns wrote; their messages are not changed yet."""
        records = self.records()
        calls = {m.id for m in records if m.tool and not m.failed}
        blocks, acts = self._blocks()
        passages = self._passages(calls)
        facts = self._facts(calls)
        undone = {*acts, *passages.values(), *facts.values(), *self._ended(calls)}
        stays = tuple(
            f"{m.tool}({m.arguments})" for m in records
            if m.tool and not (m.failed or m.echo or m.tool == SEND_MESSAGE or m.id in undone)
        )  # fmt: skip
        return UndoneTurn(text, tuple(records), tuple(blocks), tuple(passages), tuple(facts), stays)

    def _blocks(self) -> tuple[list[str], set[str]]:
        """Restore the blocks whose newest versions the turns made; return their labels, and the acts that this undoes."""
        core = self.memory.core
        by_label: dict[str, list[Version]] = {}
        for version in core.log(limit=_VERSIONS):
            by_label.setdefault(version.label, []).append(version)
        labels: list[str] = []
        acts: set[str] = set()
        for label, versions in by_label.items():
            made = list(takewhile(lambda v: v.turn in self.turns, versions))
            if not made or made[-1].parent is None:
                continue
            core.restore(made[-1].version - 1, label, Cause(tool=ACT))
            labels.append(label)
            acts |= {version.act for version in made}
        return labels, acts

    def _passages(self, calls: set[str]) -> Mapping[str, str]:
        """Retire the passages that the calls filed; return their ids with the calls'."""
        if self.memory.archive is not None:
            return {}
        found = self._found(namespaces.of(self.memory.agent_id, "archival"), {"cause": "$in"}, calls)
        retired = RetiredPassages(self.memory.store, self.memory.agent_id, self.memory.clock)
        for key in found:
            retired.retire(key, "its turn was taken back", cause=ACT)
        return {key: str(value["cause"]) for key, value in found.items()}

    def _facts(self, calls: set[str]) -> Mapping[str, str]:
        """Withdraw the facts that the calls added; return their ids with the calls'."""
        known = self._found(namespaces.of(self.memory.agent_id, "facts"), {"causes": "$any"}, calls)
        found = {key: value for key, value in known.items() if value["causes"][0] in calls}
        corrections = FactCorrections(self.memory.store, self.memory.agent_id, self.memory.clock)
        for key in found:
            corrections.withdraw(key)
        return {key: str(value["causes"][0]) for key, value in found.items()}

    def _ended(self, calls: set[str]) -> set[str]:
        """Let the facts hold again that the calls ended; return those calls."""
        found = self._found(namespaces.of(self.memory.agent_id, "facts"), {"closed_by": "$in"}, calls)
        acts = {str(value["closed_by"]) for value in found.values()}
        corrections = FactCorrections(self.memory.store, self.memory.agent_id, self.memory.clock)
        for act in acts:
            corrections.reopen(act)
        return acts

    def _found(self, place: namespaces.Namespace, by: Mapping[str, str], calls: set[str]) -> dict[str, dict[str, Any]]:
        keys = sorted(calls)
        found: dict[str, dict[str, Any]] = {}
        for first in range(0, len(keys), _ASKED_AT_ONCE):
            condition = {name: {operator: keys[first : first + _ASKED_AT_ONCE]} for name, operator in by.items()}
            found |= {item.key: item.value for item in find(self.memory.store, place, "", filter=condition, limit=_FOUND)}
        return found
