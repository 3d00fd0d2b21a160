"""Erasing an agent, or things that it shall forget, so that no byte is left in the files; resumes after a kill."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.errors import ConversationBusy, StoreError
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions, deletion, namespaces
from memgpt_agent.memory.forgetting import Forgetting
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.store.base import MemoryStore

Tell = Callable[[str], None]
"""Called before each part of the work with its description and about how long it takes."""
REWRITTEN_BYTES_PER_SECOND = 60_000_000
"""Used to estimate the time beforehand: about half of what was measured (ADR 0135)."""
_LEASE = "~erasing".ljust(1_001, "~")
"""The lease for erasing, one at a time. It is longer than any conversation's name, so that none can have this name and wait for itself."""
_AGENT = "agent:"
"""Before an agent's id: the key of the note that its memory is deleted, and its conversations perhaps not yet."""
_REWRITE = "rewrite"
"""The key of the note that everything is deleted, but that bytes of it may be left in the store's files."""
_log = logging.getLogger(__name__)


def erase(store: MemoryStore, checkpointer: Checkpointer, agent_id: str, wait_seconds: float, tell: Tell) -> None:
    """Erase an agent, once the turns that are being taken are over; see ``delete_agent``.

    Its memory goes in one transaction, which also notes what is still to be done.

    Raises:
        AgentNotFound: there is no such agent, nor one that a kill left half erased.
        ConversationBusy: a turn, or another erasing, took too long; nothing was deleted.
        StoreError: the agent is deleted, and bytes of it may be left; it is called again, or an agent opened, to finish.
    """
    leases = Leases(store)
    with leases.hold(_LEASE, wait_seconds):
        resumed = _AGENT + agent_id in _noted(store)
        _finish(store, checkpointer, tell)
        if definitions.load(store, agent_id) is None and resumed:
            return
        known = definitions.existing(store, agent_id)
        threads = [thread for thread in known.threads if thread not in _threads_of_others(store, agent_id)]
        with ExitStack() as held:
            for thread_id in threads:
                held.enter_context(leases.hold(thread_id, wait_seconds))
            tell("Deleting its memory")
            note = PutOp(namespaces.ERASURES, _AGENT + agent_id, {"threads": threads}, index=False)
            deletion.delete(store, agent_id, [note])
            _delete_threads(checkpointer, threads, tell)
        _finish(store, checkpointer, tell)


def forget(forgetting: Forgetting, note: ForgetNote, wait_seconds: float, tell: Tell) -> None:
    """Erase what a note says, once the turns of its conversations are over; see ``ForgetPlan.erase``.

    Raises:
        ConversationBusy: a turn, or another erasing, took too long; nothing was erased.
        StoreError: it is erased, and bytes of it may be left; the next opening of an agent finishes it.
    """
    with Leases(forgetting.store).hold(_LEASE, wait_seconds):
        earlier = forgetting.noted()
        with ExitStack() as held:
            leases = forgetting.fence(note, wait_seconds, held)
            forgetting.note(note)
            forgetting.carry_out(note, leases, tell)
        _forget_noted(forgetting, earlier, wait_seconds, tell)
        _end(forgetting, [*earlier, note], tell)


def forget_requested(forgetting: Forgetting, wait_seconds: float) -> None:
    """Erase what finished turns asked for; an error is logged, and the next opening tries again."""
    if not _noted(forgetting.store):
        return
    try:
        with Leases(forgetting.store).hold(_LEASE, wait_seconds):
            if notes := forgetting.noted():
                _forget_noted(forgetting, notes, wait_seconds, _log.info)
                _end(forgetting, notes, _log.info)
            elif _REWRITE in _noted(forgetting.store):  # killed when nothing but bytes was left
                _rewrite(forgetting.store, _log.info)
    except (ConversationBusy, StoreError) as error:
        _log.warning("What was to be erased is not erased yet; the next opening tries again: %s", error)


def before_opening(
    store: BaseStore, checkpointer: BaseCheckpointSaver[Any], agent_id: str, *, home: Path | None
) -> None:
    """Finish an erasing that a kill cut off, if nobody else is doing so; an error is logged.

    Args:
        store: the store that an agent is opened on.
        checkpointer: its checkpoints.
        agent_id: the agent.
        home: the data folder, where both are the settings' own; ``None`` if they are others.

    Raises:
        ConversationBusy: the agent itself is being erased: a new one of its name would find the old conversations.
    """
    noted = _noted(store)
    if noted:
        try:
            if home is not None and isinstance(store, MemoryStore) and isinstance(checkpointer, Checkpointer):
                with Leases(store).hold(_LEASE, 0):
                    _finish(store, checkpointer, _log.info)
        except ConversationBusy:
            _log.info("Another process is erasing an agent.")
        except StoreError as error:
            _log.warning("A deleted agent is not erased yet; the next opening tries again: %s", error)
        forget_requested(Forgetting(store, checkpointer, home), 0)
        noted = _noted(store)
    if _AGENT + agent_id in noted:
        raise ConversationBusy(f"The agent {agent_id!r} is being erased. Try again when `memgpt agents delete {agent_id}` is done.")


def _forget_noted(forgetting: Forgetting, notes: Sequence[ForgetNote], wait_seconds: float, tell: Tell) -> None:
    """Carry out notes that a kill left unfinished or that nobody has begun."""
    for note in notes:
        with ExitStack() as held:
            forgetting.carry_out(note, forgetting.fence(note, wait_seconds, held), tell)


def _end(forgetting: Forgetting, notes: Sequence[ForgetNote], tell: Tell) -> None:
    """Rewrite the files behind notes that were carried out: first the conversations', then, without the notes, the memory's."""
    store, checkpointer = forgetting.store, forgetting.checkpointer
    if isinstance(checkpointer, Checkpointer):
        tell(_rewriting("the conversations", checkpointer.size_bytes()))
        checkpointer.compact()
    ends = [op for note in notes for op in forgetting.done(note)]
    store.batch([*ends, PutOp(namespaces.ERASURES, _REWRITE, {}, index=False)])
    _rewrite(store, tell)


def _finish(store: MemoryStore, checkpointer: Checkpointer, tell: Tell) -> None:
    """Carry out the notes on deleted agents, in an order in which every part can be repeated."""
    noted = _noted(store)
    agents = [key.removeprefix(_AGENT) for key in noted if key.startswith(_AGENT)]
    threads = [thread for key in noted if key.startswith(_AGENT) for thread in noted[key] if thread not in _threads_of_others(store, "")]
    for agent_id in agents:
        if definitions.load(store, agent_id) is None:
            deletion.delete_memory(store, agent_id)
    if agents:
        _delete_threads(checkpointer, threads, tell)
        tell(_rewriting("the conversations", checkpointer.size_bytes()))
        checkpointer.compact()
        done = [PutOp(namespaces.ERASURES, _AGENT + agent_id, None) for agent_id in agents]
        leases = [op for thread_id in threads for op in deletion.thread_deletions(thread_id)]
        store.batch([*leases, *done, PutOp(namespaces.ERASURES, _REWRITE, {}, index=False)])
    if agents or _REWRITE in noted:
        _rewrite(store, tell)


def _rewrite(store: BaseStore, tell: Tell) -> None:
    """Rewrite the store's files, if it has files of ours, and note that nothing is left to do."""
    if isinstance(store, MemoryStore):
        tell(_rewriting("the memory", store.sizes().bytes))
        store.compact()
    store.delete(namespaces.ERASURES, _REWRITE)


def _delete_threads(checkpointer: Checkpointer, threads: list[str], tell: Tell) -> None:
    tell(f"Deleting its conversations ({len(threads)})")
    for thread_id in threads:
        checkpointer.delete_thread(thread_id)


def _rewriting(what: str, size_bytes: int) -> str:
    seconds = size_bytes / REWRITTEN_BYTES_PER_SECOND
    return f"Rewriting {what} ({size_bytes / 1e6:,.1f} MB, about {max(1, round(seconds)):,} s)"


def _noted(store: BaseStore) -> dict[str, list[str]]:
    """Return the keys of the pending notes, each with its conversations."""
    return {item.key: item.value.get("threads", []) for item in store.search(namespaces.ERASURES, limit=1_000)}


def _threads_of_others(store: BaseStore, agent_id: str) -> set[str]:
    return {thread for other in definitions.every(store) if other.agent_id != agent_id for thread in other.threads}
