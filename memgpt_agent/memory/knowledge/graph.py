"""The knowledge graph over a store: inserting facts, closing contradicted ones, and finding facts by name, words or meaning."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.errors import ToolError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.knowledge.entities import Entities, Entity
from memgpt_agent.memory.knowledge.facts import FOREVER, Fact, valid_at
from memgpt_agent.memory.knowledge.words import (
    MAX_RELATION_CHARS,
    entity_id,
    is_value,
    normal_name,
    normal_relation,
    slot_of,
)
from memgpt_agent.store.plain import Filter, find, put_if
from memgpt_agent.store.update import until_written, update

MAX_HOPS = 3
MAX_FACTS = 200
"""The most facts that a search returns."""
_PER_HOP = 1_000
"""How many facts are examined for one hop."""
_ENTITIES_PER_HOP = 32
_PERIODS = 1_000
"""How often one fact may begin again."""
_KEPT_CAUSES = 16


@dataclass(frozen=True)
class Inserted:
    """The result of an insertion."""

    fact: Fact
    """The fact as it is stored."""
    new: bool
    """Whether this act created it; a known fact is not stored twice."""
    closed: tuple[Fact, ...] = ()
    """The contradicting facts that it ended."""


class KnowledgeGraph:
    """Facts between entities, over a store.

    Of facts of one subject and one single-valued relation at most one holds at a time: they are put in a row by the
    time from which they hold, and each ends where the next begins. Nothing is deleted. An act that was done before
    (the same cause) changes nothing.

    A name is looked up by its key, and the facts of an entity in ``FaissStore``'s index of their ends: neither costs more in
    a graph that knows more.

    **Limits**: a search by name reads 1,000 facts of a hop, the store's own filter deciding which; on a plain
    ``BaseStore`` the whole tier is scanned for them.
    """

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._namespace = namespaces.of(agent_id, "facts")
        self._clock = clock
        self.entities = Entities(store, agent_id)

    def insert(
        self,
        subject: str,
        relation: str,
        object: str,
        *,
        valid_from: str | None = None,
        valid_until: str | None = None,
        replaces: bool | None = None,
        cause: str = "",
    ) -> Inserted:
        """Store a fact, and end the facts that it contradicts.

        Args:
            subject: whom or what it is about.
            relation: how they are related, such as ``lives in``.
            object: another entity, or a value.
            valid_from: from when it holds, ISO 8601, UTC; now, if nobody knows.
            valid_until: until when it held; of a fact that is known and still holds, the end.
            replaces: whether it is the only object of this relation; decided by the relation if ``None``.
            cause: the act, to recognise it when it is done again.

        Raises:
            ToolError: a name or the relation is empty or too long; nothing was stored.
        """
        relation = " ".join(relation.split())
        if not relation or len(relation) > MAX_RELATION_CHARS:
            raise ToolError(
                f"The relation {relation[:60]!r} has {len(relation)} characters; it has 1 to {MAX_RELATION_CHARS}."
            )
        if valid_from and valid_until and valid_until < valid_from:
            raise ToolError(f"A fact cannot end ({valid_until[:10]}) before it begins ({valid_from[:10]}); swap them.")
        now = stamp(self._clock())
        slot, single = slot_of(relation)
        ends = self._ends(subject, object, now)
        wanted = Fact(
            "", ends[0].label, relation, ends[1].label, ends[0].id, "" if is_value(object) else ends[1].id, slot,
            valid_from or now, valid_until or FOREVER, now, causes=(cause,) if cause else (),
        )  # fmt: skip
        fact, new = self._keep(wanted, given_from=valid_from is not None)
        closed = self.close_contradicted(fact, newest=True) if (single if replaces is None else replaces) else ()
        return Inserted(self.read(fact.id) or fact, new, closed)

    def _ends(self, subject: str, object: str, now: str) -> tuple[Entity, Entity]:
        if is_value(object):
            value = " ".join(object.split())
            if not value or len(value) > MAX_RELATION_CHARS:
                raise ToolError(
                    f"The object {object[:60]!r} has {len(value)} characters; a value has 1 to {MAX_RELATION_CHARS}."
                )
            return self.entities.add(subject, now), Entity("", value)
        if not normal_name(object):
            raise ToolError(f"The object {object!r} is no name.")
        return self.entities.add(subject, now), self.entities.add(object, now)

    def _keep(self, wanted: Fact, *, given_from: bool) -> tuple[Fact, bool]:
        """Store a period of a fact, or add to the known one."""
        said = f"{wanted.subject_id}\x1f{wanted.slot}\x1f{wanted.object_id or normal_name(wanted.object)}"
        key = hashlib.sha256(said.encode()).hexdigest()[:16]

        def attempt() -> tuple[Fact, bool] | None:
            periods = self._periods(key)
            free = f"fact-{key}-{len(periods) + 1}"
            periods += [f for f in self._rivals(wanted) if f not in periods and self._same_object(f, wanted)]
            again = next((p for p in periods if set(wanted.causes) & set(p.causes)), None)
            if again is not None:
                return again, again.causes[0] == wanted.causes[0]
            known = next((p for p in periods if _same_period(p, wanted, given_from=given_from)), None)
            if known is not None:
                changed = _said_again(known, wanted, given_from=given_from)
                return (changed, False) if changed == known or self._change(known, changed) else None
            made = replace(wanted, id=free)
            written = put_if(self._store, self._namespace, made.id, made.as_value(), expected=None, index=["text"])
            return (made, True) if written else None

        return until_written(f"the fact {wanted.subject!r} {wanted.relation!r}", attempt)

    def _periods(self, key: str) -> list[Fact]:
        found: list[Fact] = []
        for ordinal in range(1, _PERIODS):
            fact = self.read(f"fact-{key}-{ordinal}")
            if fact is None:
                return found
            found.append(fact)
        raise ToolError(f"This fact has begun {_PERIODS} times; keep it in archival memory instead.")

    def _rivals(self, fact: Fact) -> list[Fact]:
        """The other facts of the same subject, under whatever name, and the same relation.

        Earlier versions knew fewer relations, and stored the others under their own words.
        """
        ids = self._all_ids([fact.subject_id])
        slots = list(dict.fromkeys([fact.slot, normal_relation(fact.relation)]))
        return [f for f in self.where(_about(ids) | {"slot": {"$in": slots}}) if f.id != fact.id]

    def close_contradicted(self, fact: Fact, *, newest: bool) -> tuple[Fact, ...]:
        """Put the facts that contradict this one in a row by time: each ends where the next begins.

        ``newest``: of two that begin and were told at the same moment, this one is the later.
        """
        closed: list[Fact] = []
        for rival in self._rivals(fact):
            if self._same_object(rival, fact) or fact.closed_by == rival.id:
                continue
            tie = newest and rival.order[:2] == fact.order[:2]
            earlier, later = (rival, fact) if tie else sorted((rival, fact), key=lambda f: f.order)
            if earlier.id == fact.id:
                fact = self.close(fact.id, later)
            elif rival.valid_until > fact.valid_from:
                closed.append(self.close(rival.id, fact))
            elif rival.closed_by == fact.id:
                closed.append(rival)
        return tuple(closed)

    def _same_object(self, one: Fact, other: Fact) -> bool:
        if not one.object_id or not other.object_id:
            return normal_name(one.object) == normal_name(other.object)
        roots = self.entities.resolve([one.object_id, other.object_id])
        return len({root.id for root in roots.values()}) == 1

    def close(self, key: str, by: Fact) -> Fact:
        """End a fact where another one begins; return it."""
        return self._end(key, by.valid_from, by.id)

    def end(self, subject: str, relation: str, object: str, *, cause: str = "") -> list[Fact]:
        """End a fact now and put none in its place; return its periods that held. The same cause done again returns the same.

        Args:
            subject: whom or what it is about, under any name.
            relation: how they are related, in any wording that is known for it.
            object: the other entity, or the value.
            cause: the act.

        Raises:
            ToolError: no such fact holds.
        """
        now = stamp(self._clock())
        ends = [entity_id(subject), "" if is_value(object) else entity_id(object)]
        found: list[Fact] = []
        if set(self.entities.resolve(filter(None, ends))) == set(filter(None, ends)):
            wanted = Fact("", subject, relation, object, ends[0], ends[1], slot_of(relation)[0], now)
            found = [f for f in self._rivals(wanted) if self._same_object(f, wanted)]
        found = [f for f in found if f.valid_until > now or (cause and f.closed_by == cause)]
        if not found:
            raise ToolError(f"No fact {subject} - {relation} - {object} holds. Search for it again.")
        return [self._end(fact.id, now, cause) for fact in found]

    def _end(self, key: str, moment: str, closed_by: str = "") -> Fact:
        def ended(value: dict[str, Any] | None) -> dict[str, Any]:
            assert value is not None, "facts are never deleted"  # noqa: S101  the tier offers no way to
            known = Fact.from_value(value)
            return value if known.valid_until <= moment else known.ended(moment, closed_by).as_value()

        return Fact.from_value(update(self._store, self._namespace, key, ended, index=["text"]).after)

    def merge(self, kept: str, other: str) -> Entity:
        """Make two names mean one entity, shown by ``kept``; facts that contradict each other then are put in a row."""
        entity = self.entities.merge(kept, other, stamp(self._clock()))
        ids = self.entities.ids(entity)
        for fact in self.where(_about(ids[:64])):
            if slot_of(fact.relation)[1]:
                self.close_contradicted(self.read(fact.id) or fact, newest=False)
        return entity

    def search(
        self, query: str, *, hops: int = 1, as_of: str | None = None, past: bool = False, limit: int = 30
    ) -> list[Fact]:
        """Return the facts about the entities that a query names, and those that fit it by words and meaning.

        Args:
            query: an entity's name, or any words.
            hops: how far to go from the entities: 1 for their own facts, 2 for those of their neighbours, 3 at most.
            as_of: the moment at which the facts must have held; now, if omitted.
            past: also facts that no longer hold.
            limit: how many facts, 200 at most.
        """
        limit = min(limit, MAX_FACTS)
        condition = {} if past else valid_at(as_of or stamp(self._clock()))
        named = self.entities.mentioned(query)
        exact = len(named) == 1 and self.entities.named(query) is not None
        found: dict[str, Fact] = {}
        if not exact and query.strip():
            hits = find(self._store, self._namespace, query, filter=condition, limit=limit)
            found = {item.key: Fact.from_value(item.value) for item in hits}
        starts = [e.id for e in named]
        if not starts and hops > 1:
            starts = [end for fact in list(found.values())[:3] for end in (fact.subject_id, fact.object_id) if end]
        near = self._near(starts, min(hops, MAX_HOPS), condition, limit)
        both = {fact.id: fact for fact in near if fact.id in found}
        return self.shown([*both.values(), *near, *found.values()])[:limit]

    def _near(self, starts: Sequence[str], hops: int, condition: Filter, limit: int) -> list[Fact]:
        """Facts within so many hops, the nearest first, the newest of each hop first."""
        reached, found, edge = set[str](), dict[str, Fact](), self._all_ids(starts)
        for _ in range(hops):
            reached |= set(edge)
            facts = self.where({"ends": {"$any": edge}, **condition}) if edge else []
            found |= {f.id: f for f in sorted(facts, key=lambda f: f.order, reverse=True) if f.id not in found}
            if len(found) >= limit:
                break
            ends = dict.fromkeys(
                end for f in facts for end in (f.subject_id, f.object_id) if end and end not in reached
            )
            edge = [i for i in self._all_ids(list(ends)[:_ENTITIES_PER_HOP]) if i not in reached]
        return list(found.values())

    def _all_ids(self, ids: Sequence[str]) -> list[str]:
        """The ids of all names of the entities that these names belong to; 64 at most, as many as a filter takes."""
        roots = {root.id: root for root in self.entities.resolve(ids).values()}
        return list(
            dict.fromkeys(
                i for root in roots.values() for i in (root.id, *(self.entities.ids(root) if root.names else ()))
            )
        )[:64]

    def shown(self, facts: Iterable[Fact]) -> list[Fact]:
        """Return facts with each entity under the name it is shown by; what became the same by a merge once."""
        given = list(facts)
        roots = self.entities.resolve([end for f in given for end in (f.subject_id, f.object_id) if end])
        named: dict[tuple[str, str, str, str, str], Fact] = {}
        for fact in given:
            subject, target = roots.get(fact.subject_id), roots.get(fact.object_id)
            renamed = replace(
                fact, subject=subject.label if subject else fact.subject, subject_id=subject.id if subject else fact.subject_id,
                object=target.label if target else fact.object, object_id=target.id if target else fact.object_id,
            )  # fmt: skip
            named.setdefault(
                (
                    renamed.subject_id,
                    renamed.slot,
                    renamed.object_id or renamed.object,
                    fact.valid_from,
                    fact.valid_until,
                ),
                renamed,
            )
        return list(named.values())

    def every(self, *, as_of: str | None = None, past: bool = True, limit: int = 10_000) -> list[Fact]:
        """Return all facts, or those that hold at a moment, in the order of the time from which they hold."""
        condition = {} if past else valid_at(as_of or stamp(self._clock()))
        return self.shown(sorted(self.where(condition, limit), key=lambda f: f.order))

    def where(self, condition: Filter, limit: int = _PER_HOP) -> list[Fact]:
        """Return the facts that pass a filter, as they are stored."""
        found = find(self._store, self._namespace, "", filter=condition, limit=limit)
        return [Fact.from_value(item.value) for item in found]

    def read(self, key: str) -> Fact | None:
        """Return the fact of an id, as it is stored."""
        item = self._store.get(self._namespace, key)
        return Fact.from_value(item.value) if item else None

    def _change(self, known: Fact, changed: Fact) -> bool:
        return put_if(
            self._store, self._namespace, known.id, changed.as_value(), expected=known.as_value(), index=["text"]
        )


def _about(ids: list[str]) -> Filter:
    """The facts of which one of these is the subject: its ends hold it, and these a store may have an index of."""
    return {"ends": {"$any": ids}, "subject_id": {"$in": ids}}


def _same_period(known: Fact, wanted: Fact, *, given_from: bool) -> bool:
    """Whether a new fact is a known period: they overlap, or it says when the open one ended."""
    if known.open and (not given_from or wanted.valid_from <= known.valid_from or not wanted.open):
        return True
    return known.valid_from <= wanted.valid_from < known.valid_until


def _said_again(known: Fact, wanted: Fact, *, given_from: bool) -> Fact:
    """Merge a fact with a repetition of it: adds a missing end, and takes an earlier beginning."""
    begins = min(known.valid_from, wanted.valid_from) if given_from else known.valid_from
    ends = wanted.valid_until if known.open else known.valid_until
    causes = tuple(dict.fromkeys([*known.causes, *wanted.causes]))
    kept = (*causes[:1], *causes[1:][-_KEPT_CAUSES:])
    return replace(known, valid_from=begins, valid_until=max(ends, begins), causes=kept)
