"""The entities of the knowledge graph: each name is a record, and names of the same entity point to one of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, cast

from langgraph.store.base import BaseStore, GetOp, Item

from memgpt_agent.errors import ToolError
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.knowledge.words import MAX_NAME_CHARS, entity_id, normal_name
from memgpt_agent.store.plain import all_items, put_if
from memgpt_agent.store.update import until_written

MAX_NAMES = 200
"""The most names of one entity."""
_MAX_LINKS = 64
"""Names are followed over at most this many links; each link leads to a smaller id, so there is no circle."""
_MENTION_WORDS = 4
"""A name of up to this many words is recognised within a question."""
_MAX_QUESTION_WORDS = 40


@dataclass(frozen=True)
class Entity:
    """One name, and what it belongs to."""

    id: str
    """Its key, made of the name's normal form."""
    name: str
    """The name as it was first written."""
    shown_as: str = ""
    """For the record that stands for several names: the one that is shown; else its own."""
    same_as: str = ""
    """The id of another name that means the same; empty for the record that stands for all of them."""
    names: tuple[str, ...] = ()
    """For the record that stands for all: the ids of the other names."""
    time: str = ""
    """When it was first mentioned, ISO 8601, UTC."""

    @property
    def label(self) -> str:
        """The name that is shown."""
        return self.shown_as or self.name

    def as_value(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Entity":
        """Return the record that was stored."""
        return namespaces.read_as(cls, value)


class Entities:
    """The names that an agent's knowledge graph knows.

    Two names are the same where their normal forms are, or where :meth:`merge` said so. Of two merged records the one
    with the smaller id stands for both: links only lead downwards, whatever is merged with what at the same time.
    """

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._namespace = namespaces.of(agent_id, "entities")

    def resolve(self, ids: Iterable[str]) -> dict[str, Entity]:
        """Return for each id the record that stands for its entity; unknown ids are left out."""
        wanted = list(dict.fromkeys(ids))
        found = self._get(wanted)
        for _ in range(_MAX_LINKS):
            further = {e.same_as for e in found.values() if e.same_as} - found.keys()
            if not further:
                break
            found |= self._get(sorted(further))
        return {i: _root(found[i], found) for i in wanted if i in found}

    def named(self, name: str) -> Entity | None:
        """Return the entity of a name, in whatever case or spelling, or ``None``."""
        key = entity_id(name)
        return self.resolve([key]).get(key)

    def ids(self, entity: Entity) -> list[str]:
        """Return the ids of all names of an entity."""
        roots = self.resolve([entity.id, *entity.names])
        return [i for i, root in roots.items() if root.id == entity.id]

    def names(self, entity: Entity) -> list[str]:
        """Return all names of an entity, its displayed one first."""
        found = self._get(self.ids(entity))
        return list(dict.fromkeys([entity.label, *(e.name for e in found.values())]))

    def mentioned(self, text: str) -> list[Entity]:
        """Return the entities whose names stand in a text, the longest names first; looks at 40 words."""
        whole = self.named(text)
        if whole:
            return [whole]
        words = [w for w in re.findall(r"[^\s,;:!?\"()]+", text)[:_MAX_QUESTION_WORDS] if normal_name(w)]
        spans = [
            " ".join(words[start : start + size])
            for size in range(_MENTION_WORDS, 0, -1)
            for start in range(len(words) - size + 1)
        ]
        spans += [span[:-2] for span in spans if normal_name(span).endswith("'s")]
        roots = self.resolve([entity_id(span) for span in spans])
        return list({root.id: root for root in roots.values()}.values())

    def add(self, name: str, time: str) -> Entity:
        """Return the entity of a name; create it if it is new.

        Raises:
            ToolError: the name is empty or longer than 200 characters.
        """
        shown = " ".join(name.split())
        if not normal_name(shown) or len(shown) > MAX_NAME_CHARS:
            raise ToolError(
                f"{shown[:60]!r} has {len(shown)} characters; a subject or object has 1 to {MAX_NAME_CHARS}. "
                "Put longer text into archival memory."
            )
        known = self.named(shown)
        if known:
            return known
        made = Entity(entity_id(shown), shown, time=time)
        put_if(self._store, self._namespace, made.id, made.as_value(), expected=None, index=["name"])
        return self.named(shown) or made

    def merge(self, kept: str, other: str, time: str) -> Entity:
        """Make two names mean one entity, displayed as ``kept``; repeating this changes nothing.

        Raises:
            ToolError: a name cannot be one, or the entity would have more than 200 names.
        """

        def attempt() -> Entity | None:
            first, second = self.add(kept, time), self.add(other, time)
            shown = " ".join(kept.split())
            low, high = sorted((first, second), key=lambda e: e.id)
            if low.id == high.id and (low.label == shown or not low.names):
                return low
            names = tuple(dict.fromkeys([*low.names, *(() if low.id == high.id else (high.id, *high.names))]))
            if len(names) >= MAX_NAMES:
                raise ToolError(f"{shown!r} would have {len(names)} names; an entity has fewer than {MAX_NAMES}.")
            joined = replace(low, shown_as=shown, names=names)
            if (joined == low or self._change(low, joined)) and (
                low.id == high.id or self._change(high, replace(high, same_as=low.id))
            ):
                return joined
            return None

        return until_written(f"the entities {kept!r} and {other!r}", attempt)

    def _change(self, known: Entity, changed: Entity) -> bool:
        return put_if(
            self._store, self._namespace, known.id, changed.as_value(), expected=known.as_value(), index=["name"]
        )

    def every(self, limit: int = 10_000) -> list[Entity]:
        """Return the records that stand for entities, oldest first."""
        entities = [Entity.from_value(item.value) for item in islice(all_items(self._store, self._namespace), limit)]
        return sorted((e for e in entities if not e.same_as), key=lambda e: (e.time, e.id))

    def _get(self, ids: Sequence[str]) -> dict[str, Entity]:
        items = cast(list[Item | None], self._store.batch([GetOp(self._namespace, i) for i in ids])) if ids else []
        return {item.key: Entity.from_value(item.value) for item in items if item is not None}


def _root(entity: Entity, found: Mapping[str, Entity]) -> Entity:
    for _ in range(_MAX_LINKS):
        if not entity.same_as or entity.same_as not in found:
            return entity
        entity = found[entity.same_as]
    return entity
