"""Correcting facts: a wrong fact held at no time, and the right one takes its place."""

from langgraph.store.base import BaseStore

from memgpt_agent.errors import NothingToUndo, ToolError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.knowledge.facts import FOREVER, Fact
from memgpt_agent.memory.knowledge.graph import KnowledgeGraph
from memgpt_agent.memory.knowledge.words import slot_of
from memgpt_agent.store.update import update


class FactCorrections:
    """The corrections of one agent's facts. Nothing is deleted: a wrong fact ends where it begins, and names the one that replaces it."""

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store, self._namespace = store, namespaces.of(agent_id, "facts")
        self._graph = KnowledgeGraph(store, agent_id, clock)

    def correct(
        self, fact_id: str, *, subject: str | None = None, relation: str | None = None, object: str | None = None, cause: str = ""
    ) -> Fact:
        """Put the right fact in the place of a wrong one, for the same time; return it. What the wrong one had ended holds again.

        Raises:
            ToolError: there is no such fact, it was corrected before, or a name or the relation cannot be one; nothing was changed.
        """
        old = self.standing(fact_id)
        names = (subject or old.subject, relation or old.relation, object or old.object)
        if names == (old.subject, old.relation, old.object):
            return old
        until = None if old.open else old.valid_until
        new = self._graph.insert(*names, valid_from=old.valid_from, valid_until=until, replaces=False, cause=cause).fact
        if new.id != old.id:
            self._end(old, new.id)
        self.reopen(old.id)
        if slot_of(new.relation)[1]:
            self._graph.close_contradicted(new, newest=True)
        return self._graph.read(new.id) or new

    def withdraw(self, fact_id: str) -> Fact:
        """Mark a fact as never true; facts that it had ended hold again. Repeating this changes nothing."""
        ended = self._end(self._known(fact_id), "")
        self.reopen(fact_id)
        return ended

    def earlier(self, fact_id: str) -> list[Fact]:
        """Return the facts that one was corrected from, the oldest first."""
        found: list[Fact] = []
        while before := [f for f in self._graph.where({"closed_by": fact_id}) if f.valid_until == f.valid_from and f not in found]:
            found.append(max(before, key=lambda f: f.time))
            fact_id = found[-1].id
        return found[::-1]

    def undo(self, fact_id: str, *, cause: str = "") -> Fact:
        """Undo the correction of a fact.

        Raises:
            NothingToUndo: it was not corrected.
            ToolError: there is no such fact, or it was itself corrected later.
        """
        self.standing(fact_id)
        before = self.earlier(fact_id)
        if not before:
            raise NothingToUndo(f"There is nothing to undo in fact {fact_id!r}: it was not corrected.")
        old = before[-1]
        return self.correct(fact_id, subject=old.subject, relation=old.relation, object=old.object, cause=cause)

    def _known(self, fact_id: str) -> Fact:
        fact = self._graph.read(fact_id)
        if fact is None:
            raise ToolError(f"There is no fact {fact_id!r}. `memgpt memory graph --format json` shows the ids.")
        return fact

    def standing(self, fact_id: str) -> Fact:
        """Return a fact that was not corrected.

        Raises:
            ToolError: there is none with this id; if it was corrected, the error names the one that stands in its place.
        """
        fact, seen = self._known(fact_id), {"", fact_id}
        while fact.valid_until == fact.valid_from and fact.closed_by not in seen and (now := self._graph.read(fact.closed_by)):
            seen.add(now.id)
            fact = now
        if fact.id != fact_id:
            stands = f"{fact.subject} - {fact.relation} - {fact.object}"
            raise ToolError(f"The fact {fact_id!r} was corrected: it is {fact.id!r} now ({stands}). Use that id.")
        return fact

    def _end(self, fact: Fact, closed_by: str) -> Fact:
        def ended(value: dict[str, object] | None) -> dict[str, object] | None:
            known = Fact.from_value(value) if value else None
            return known.ended(known.valid_from, closed_by).as_value() if known else None

        return Fact.from_value(update(self._store, self._namespace, fact.id, ended, index=["text"]).after)

    def reopen(self, by: str) -> None:
        """Let facts hold again that were ended by an act, or by a fact that has ended itself."""
        for ended in self._graph.where({"closed_by": by}):
            if ended.valid_until == ended.valid_from:
                continue  # it was wrong, and is an earlier form of this fact

            def opened(value: dict[str, object] | None) -> dict[str, object] | None:
                known = Fact.from_value(value) if value else None
                return known.ended(FOREVER).as_value() if known else None

            update(self._store, self._namespace, ended.id, opened, index=["text"])
