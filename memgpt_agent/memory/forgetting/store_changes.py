"""Changing the store as a note of forgetting says: items are deleted, texts shortened, and what was derived from them rebuilt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import namespaces, tiers
from memgpt_agent.memory.forgetting.note import ForgetNote, secret_of, stub_of
from memgpt_agent.memory.forgetting.stored_items import (
    SAID,
    STRUCTURE,
    TASK_LISTS,
    StoredItems,
    Value,
    task_name,
    texts_of,
)
from memgpt_agent.memory.forgetting.summaries import rebuilt
from memgpt_agent.memory.forgetting.words import Needles, normal, without
from memgpt_agent.memory.recall import CONTEXT_LINES, RecallMemory, is_pause, keyed, line_of, message_from
from memgpt_agent.prompts import FORGOTTEN
from memgpt_agent.store.update import update

_WHOLE = ("archival", "retired", "facts", "entities", "uploads", "corrections")
"""Tiers whose items go as a whole where they hold the words, beside those of messages."""
_ELSEWHERE = frozenset(
    {
        *SAID, *_WHOLE, "forgotten", "core", "core_history", "summaries", "pages", "inbox", "letters_waiting", "files", "open_files",
        "uploads", "upload_data", "tasks",
    }
)  # fmt: skip
"""Tiers that are changed in a way of their own, letters, which are the sender's too, and names of files. In all others texts are shortened."""
_BY_THREAD = ("events", "summary_heads")


class StoreChanges:
    """Carries out a note in the store; doing it again changes nothing more."""

    def __init__(self, store: BaseStore, note: ForgetNote) -> None:
        self._store, self._note, self._needles = store, note, note.needles()
        self._secret = secret_of(store, note.agent_id)
        self._kept = frozenset(note.kept)

    def erase(self) -> ForgetNote:
        """Change everything that lies under the agent; return the note with the messages that have come meanwhile.

        Blocks first, each by compare-and-set, as others may edit them; then all else in one batch.
        """
        held = StoredItems.of(self._store, self._note.agent_id)
        note = self._note = self._with_new(held)
        for label in held.tier("core"):
            update(self._store, self._namespace("core"), label, self._block)
        self._store.batch(list(self._operations(held, note)))
        return note

    def keyed(self, key: str) -> str:
        """Return an erased message's key as it is kept."""
        return keyed(self._secret, key)

    def _with_new(self, held: StoredItems) -> ForgetNote:
        """Add messages that hold the words and were not there yet when the note was made: the very request to forget them, say."""
        note, new, said = self._note, list[tuple[str, str]](), dict(self._note.said)
        known = {(tier, key) for tier, key in note.items}
        for tier in (*SAID, *_WHOLE):
            for key, value in held.tier(tier).items():
                if (tier, key) in known or key in note.kept:
                    continue
                if any(map(self._needles.literally_in, held.texts(tier, key, value))):
                    new.append((tier, key))
                    if tier in SAID:
                        said[key] = (str(value.get("thread_id", "")), str(value.get("time", "")))
        return replace(note, items=(*note.items, *new), said=said)

    def _operations(self, held: StoredItems, note: ForgetNote) -> Iterator[PutOp]:
        gone = {(tier, key) for tier, key in note.items if key in held.tier(tier)}
        for tier, key in gone:
            if tier in SAID and held.tier(tier)[key].get("thread_id") not in note.gone_threads:
                yield PutOp(self._namespace("forgotten"), *stub_of(key, held.tier(tier)[key], self._secret), index=False)
            if tier == "corrections" and (out := held.tier(tier)[key]["gone"]) is not None:
                yield PutOp(self._namespace("forgotten"), *stub_of(key, out, self._secret), index=False)
            yield PutOp(self._namespace(tier), key, None)
            if tier == "uploads":
                yield from (PutOp(self._namespace("upload_data"), piece, None) for piece in held.pieces(key))
        yield from self._neighbours(held, {key for tier, key in gone if tier == "recall"})
        yield from self._acts(held, gone)
        yield from self._versions(held)
        yield from self._tasks(held, {key for tier, key in note.items if tier == "tasks"})
        yield from rebuilt(held, note, self._needles)
        yield from self._of_threads(held, note)
        for tier, items in held.tiers.items():
            if tier not in _ELSEWHERE:
                for key, value in items.items():
                    changed = shortened(value, self._needles, self._kept, note.names)
                    if changed != value:
                        yield PutOp(self._namespace(tier), key, changed, index=False)
        yield from self._definition(note)

    def _namespace(self, tier: str) -> namespaces.Namespace:
        return namespaces.under(self._note.agent_id, tier)

    def _block(self, value: Value | None) -> Value | None:
        if value is None or value.get("shared"):
            return None
        return self._shorter_block(value)

    def _shorter_block(self, value: Value) -> Value:
        """Return a block, or a version of one, without what is to be forgotten."""
        label = str(value["label"])
        left = {**value, "value": self._note.without_lines(label, str(value["value"]))}
        return self._unkeyed({**shortened(left, self._needles, self._kept), "label": label})

    def _versions(self, held: StoredItems) -> Iterator[PutOp]:
        """Shorten the versions of blocks; those from before the note's moment go, but for the newest of each block."""
        newest = {str(v["label"]): v["version"] for v in held.tier("core").values()}
        for key, value in held.tier("core_history").items():
            if str(value["time"]) < self._note.versions_before and newest.get(str(value["label"])) != value["version"]:
                yield PutOp(self._namespace("core_history"), key, None)
                continue
            changed = self._shorter_block(value)
            if changed != value:
                yield PutOp(self._namespace("core_history"), key, changed, index=False)

    def _tasks(self, held: StoredItems, gone: set[str]) -> Iterator[PutOp]:
        """Take tasks out of the list of all, and words out of the other tasks."""
        for key, value in held.tier("tasks").items():
            lists = {
                name: [self._shorter_task(task) for task in value.get(name, ()) if task_name(task) not in gone] for name in TASK_LISTS
            }
            changed = self._unkeyed({**value, **lists})
            if changed != value:
                yield PutOp(self._namespace("tasks"), key, changed, index=False)

    def _shorter_task(self, task: Value) -> Value:
        return task if task_name(task) in self._kept else shortened(task, self._needles, self._kept, self._note.names)

    def _acts(self, held: StoredItems, gone: set[tuple[str, str]]) -> Iterator[PutOp]:
        """Let what stays no longer name an erased call by its key, which was made of the call's arguments."""
        for tier in _WHOLE:
            for key, value in held.tier(tier).items():
                if (tier, key) not in gone and (changed := self._unkeyed(value)) != value:
                    yield PutOp(self._namespace(tier), key, changed, index=_index(tier, changed))

    def _unkeyed(self, value: Value) -> Value:
        said = self._note.said
        if not said:
            return value

        def renamed(part: Any) -> Any:
            if isinstance(part, str):
                return self.keyed(part) if part in said else part
            if isinstance(part, dict):
                return {name: renamed(one) if name != "turn" else one for name, one in cast(Value, part).items()}
            return [renamed(one) for one in cast(list[Any], part)] if isinstance(part, list | tuple) else part

        return cast(Value, renamed(value))

    def _neighbours(self, held: StoredItems, gone: set[str]) -> Iterator[PutOp]:
        """Store the messages again that were indexed with an erased one as what was said before them."""
        threads: dict[str, list[Value]] = {}
        for value in held.tier("recall").values():
            threads.setdefault(str(value.get("thread_id", "")), []).append(value)
        recall = RecallMemory(self._store, self._note.agent_id)
        for messages in threads.values():
            said: list[str] = []
            until, stale = "", 0
            for value in sorted(messages, key=lambda v: (str(v["time"]), v.get("ordinal", 0))):
                spoken = value.get("role") in ("user", "assistant")
                if value["id"] in gone:
                    stale = CONTEXT_LINES + 1 if spoken else stale
                    continue
                if is_pause(until, str(value["time"])):
                    said = []
                beside = str(value.get("beside", ""))
                if value.get("role") != "tool" and (stale or self._needles.within(beside)):
                    yield recall.put_operation(message_from(value), said)
                if spoken:
                    said.append(line_of(str(value.get("user_id") or value["role"]), str(value["text"])))
                    until, stale = str(value["time"]), max(0, stale - 1)

    def _of_threads(self, held: StoredItems, note: ForgetNote) -> Iterator[PutOp]:
        """Take the erased messages out of the pages, and what was kept by conversation of those that go."""
        for key, value in held.tier("pages").items():
            ids = [one for one in value["ids"] if one not in note.said]
            if value["thread"] in note.gone_threads or not ids:
                yield PutOp(self._namespace("pages"), key, None)
            elif ids != value["ids"]:
                yield PutOp(self._namespace("pages"), key, {**value, "ids": ids}, index=False)
        for tier in _BY_THREAD:
            for key in held.tier(tier):
                if key in note.gone_threads:
                    yield PutOp(self._namespace(tier), key, None)

    def _definition(self, note: ForgetNote) -> Iterator[PutOp]:
        item = self._store.get(namespaces.AGENTS, note.agent_id)
        if item is None:
            return
        value = item.value
        context = shortened(dict(value.get("context") or {}), self._needles, self._kept, note.names)
        context = {name: one for name, one in context.items() if one != FORGOTTEN}
        threads = [thread for thread in value.get("threads", []) if thread not in note.gone_threads]
        changed = {**value, "threads": threads, **({"context": context} if value.get("context") is not None else {})}
        if changed != value:
            yield PutOp(namespaces.AGENTS, note.agent_id, changed, index=False)


def shortened(value: Value, needles: Needles, kept: frozenset[str] = frozenset(), names: Sequence[str] = ()) -> Value:
    """Return a value without what is to be forgotten: lists lose the entries, and texts the sentences, that hold it.

    Fields that say where a thing belongs stay as they are.
    """
    return {name: _shorter(name, part, needles, kept, names) for name, part in value.items()}


def _shorter(name: str, part: Any, needles: Needles, kept: frozenset[str], names: Sequence[str]) -> Any:
    if isinstance(part, str) and part in names:
        return FORGOTTEN
    if name in STRUCTURE:
        return part
    if isinstance(part, str):
        if not needles.within(part):
            return part
        if "\n" in part and kept:
            return "\n".join(line if normal(line) in kept else without(line, needles) for line in part.split("\n"))
        return part if normal(part) in kept else without(part, needles)
    if isinstance(part, Mapping):
        return shortened(cast(Value, part), needles, kept, names)
    if isinstance(part, list):
        listed = cast(list[Any], part)
        if name == "lines":
            return [_shorter("", one, needles, kept, names) for one in listed]
        return [
            _shorter("", one, needles, kept, names)
            for one in listed
            if not any(needles.within(text) and normal(text) not in kept for text in texts_of(one))
        ]
    return part


def _index(tier: str, value: Value) -> list[str] | Literal[False]:
    paths = tiers.TIERS[tier].index(value)
    return list(paths) if paths else False


