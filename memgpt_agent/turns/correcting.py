"""The facade's methods on corrections: editing messages, passages and facts, and undoing a turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AnyMessage

from memgpt_agent.errors import ConfigurationError, NothingToUndo, ToolError
from memgpt_agent.events import begins_turn, mark_of, removal
from memgpt_agent.faces import in_thread
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import Passage, RetiredPassages
from memgpt_agent.memory.core import Block, Cause
from memgpt_agent.memory.corrections import Change, Corrections, kind_of
from memgpt_agent.memory.hierarchy import SummaryTree
from memgpt_agent.memory.knowledge import Fact
from memgpt_agent.memory.knowledge.correcting import FactCorrections
from memgpt_agent.memory.recall import Message
from memgpt_agent.nodes.corrected import edits_of, stale_summary, without_memories
from memgpt_agent.persona import Persona
from memgpt_agent.turns.turns import Turns
from memgpt_agent.turns.undo import TurnUndo, UndoneTurn, last_said


@dataclass(frozen=True)
class Edit:
    """One earlier state of a message, a passage or a fact."""

    text: str
    """Its text until then."""
    how: str
    """What happened to it: ``edited``, ``removed``, ``replaced``, ``taken back`` or ``restored``."""
    time: str
    """When, ISO 8601, UTC; empty if it is not known."""
    actor: str = "user"
    """Who did it: ``user``, or ``client`` through the state of the graph."""


class Correcting:
    """The facade's methods on corrections; every correction keeps the earlier text."""

    memory: AgentMemory
    """Its memory."""
    thread_id: str
    """Its conversation."""
    _turns: Turns
    """The turns of its conversation."""

    def edit_message(self, message_id: str, text: str) -> Message:
        """Change the text of a message of any conversation of this agent, in recall memory and in the conversation; return it.

        What the agent derived from it (blocks, passages, facts, its replies) does not change.

        Args:
            message_id: its id in recall memory; for a reply, this is not the chat message's id (:meth:`transcript` with ``ids=True``).
            text: the new text.

        Raises:
            ToolError: there is no such message, or the text is empty: :meth:`forget` removes a message.
            ConversationBusy: a turn of its conversation is unfinished; nothing was changed.
        """
        if not text.strip():
            raise ToolError("The text is empty; nothing was changed. To take the message out, forget it.")
        redactor = self._turns.never_store
        text = redactor(text) if redactor else text
        record = self._message(message_id)
        corrections = self._corrections()
        self._change_message(record, lambda: corrections.edit({message_id: Change(text)}), lambda: text)
        return self._message(message_id)

    def edit_passage(self, passage_id: str, text: str) -> Passage:
        """Change the text of an archival passage; return it under its new id, which follows from the text.

        Raises:
            UnknownPassage: there is none with this id, or it was corrected before.
            ToolError: the text cannot be a passage, or the passage is part of a file: correct that in the file.
            ConfigurationError: archival memory is a store of your own: correct it there.
        """
        return self._retired().correct(passage_id, text, cause="user")

    def edit_fact(
        self, fact_id: str, *, subject: str | None = None, relation: str | None = None, object: str | None = None
    ) -> Fact:
        """Correct a wrong fact; return the right one, which holds for the same period.

        The wrong one held at no time from then on, and facts that it had ended hold again.

        Raises:
            ToolError: there is no such fact, it was corrected before, or a name or the relation cannot be one.
        """
        return self._facts().correct(fact_id, subject=subject, relation=relation, object=object)

    def undo_edit(self, what_id: str) -> Message | Passage | Fact:
        """Undo the last correction of a message, a passage or a fact, by its current id; return it.

        Raises:
            NothingToUndo: it was not corrected.
            ToolError: there is no such passage or fact, or it was itself corrected later; nothing was changed.
            ConversationBusy: a turn of the message's conversation is unfinished; nothing was changed.
        """
        if kind_of(what_id) == "passage":
            return self._retired().undo(what_id)
        if kind_of(what_id) == "fact":
            return self._facts().undo(what_id)
        corrections = self._corrections()
        known = corrections.of([what_id]).get(what_id)
        if known is None or not known.undo:
            raise NothingToUndo(f"There is nothing to undo in message {what_id!r}: it is as it was said.")
        if known.gone:
            return corrections.undo(what_id)  # it comes back to recall memory; the conversation has gone on without it
        undone: list[Message] = []
        self._change_message(self._message(what_id), lambda: undone.append(corrections.undo(what_id)), lambda: undone[0].text)
        return undone[0]

    def edits(self, what_id: str) -> list[Edit]:
        """Return the earlier states of a message, a passage or a fact, oldest first; none if it was never corrected."""
        if kind_of(what_id) == "passage":
            return [Edit(r.text, "edited", r.time) for r in self._retired().earlier(what_id)]
        if kind_of(what_id) == "fact":
            return [Edit(f"{f.subject} {f.relation} {f.object}", "edited", "") for f in self._facts().earlier(what_id)]
        known = self._corrections().of([what_id]).get(what_id)
        return [Edit(e.text, e.how, e.time, e.actor) for e in known.entries] if known else []

    def set_persona(self, persona: Persona | str) -> Block:
        """Change the agent's persona from its next turn on; what it has learned stays. The block's history keeps the earlier persona."""
        return self.memory.core.overwrite("persona", str(persona), Cause(tool="revise"))

    def undo_turn(self) -> UndoneTurn:
        """Undo everything from the user's last message on, and what was written to memory because of it.

        The messages leave the conversation and recall memory, and stay in the history of corrections. Blocks return to their earlier
        text, unless somebody has edited them since; filed passages are retired, new facts held at no time. What tools
        did elsewhere cannot be undone: the result names those calls.

        Raises:
            NothingToUndo: the user said nothing, or the message has left main context.
            ConversationBusy: other turns held the conversation for too long; nothing was changed.
        """
        undone: list[UndoneTurn] = []

        def without(values: Mapping[str, Any]) -> dict[str, Any]:
            messages = last_said(cast(list[AnyMessage], values.get("messages") or []))
            turns = frozenset(str(m.id) for m in messages if begins_turn(m)) | {mark_of(m).get("turn", "") for m in messages} - {""}
            undone_turn = TurnUndo(self.memory, frozenset(turns)).undo(messages[0].text)
            drew = self._corrections().remove([m.id for m in undone_turn.messages], how="taken back").spans
            undone.append(undone_turn)
            left = [m for m in values["messages"] if m not in messages]
            gone = [*without_memories(left, [m.text for m in undone_turn.messages]), *(removal(str(m.id)) for m in messages)]
            # What was sent of memory is made again: it may hold what was taken back.
            return {"messages": gone, "sent_memory": {}, **stale_summary(values, self._tree(), drew, self.thread_id)}

        self._turns.change(without, ends=True)
        return undone[0]

    aedit_message = in_thread(edit_message)
    aedit_passage = in_thread(edit_passage)
    aedit_fact = in_thread(edit_fact)
    aundo_edit = in_thread(undo_edit)
    aedits = in_thread(edits)
    aset_persona = in_thread(set_persona)
    aundo_turn = in_thread(undo_turn)

    def _change_message(self, record: Message, change: Callable[[], Any], text: Callable[[], str]) -> None:
        """Change a message in recall memory, and then where its conversation has it, while no turn is taken there."""

        def changed(values: Mapping[str, Any]) -> dict[str, Any]:
            change()
            spans = self._tree().drew_on([record.id])
            edited = edits_of(cast(list[AnyMessage], values.get("messages") or []), record.id, record.text, text())
            return {**({"messages": edited} if edited else {}), **stale_summary(values, self._tree(), spans, record.thread_id)}

        if record.thread_id:
            self._turns.change(changed, record.thread_id)
        else:
            change()

    def _message(self, message_id: str) -> Message:
        found = self.memory.recall.get([message_id]).get(message_id)
        if found is None:
            raise ToolError(f"There is no message {message_id!r} in recall memory. `memgpt transcript --ids` shows the ids.")
        return found

    def _corrections(self) -> Corrections:
        memory = self.memory
        return Corrections(memory.recall, memory.store, memory.agent_id, memory.clock, memory.time_zone)

    def _tree(self) -> SummaryTree:
        return SummaryTree(self.memory.store, self.memory.agent_id, self.memory.clock, self.memory.time_zone)

    def _retired(self) -> RetiredPassages:
        if self.memory.archive is not None:
            raise ConfigurationError("Archival memory is a store of your own (archival_store=): correct the passage there.")
        return RetiredPassages(self.memory.store, self.memory.agent_id, self.memory.clock)

    def _facts(self) -> FactCorrections:
        return FactCorrections(self.memory.store, self.memory.agent_id, self.memory.clock)
