"""What must hold of the files after a kill: all that was acknowledged is there once; what was in flight, once or not at all."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.faults_agent.talker import AGENT, open_agent, open_store
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.events import mark_of
from memgpt_agent.memory import namespaces
from memgpt_agent.prompts import CUT_OFF_REPLY


class Checked(NamedTuple):
    """How much was checked."""

    messages: int = 0
    """Acknowledged and found once, with their answer."""
    edits: int = 0
    """Of core memory."""
    passages: int = 0
    """Of archival memory."""
    in_flight: int = 0
    """Kills that met a message between its beginning and its acknowledgement."""

    def plus(self, other: "Checked") -> "Checked":
        """Return the sum."""
        return Checked(*(one + two for one, two in zip(self, other, strict=True)))


class Told(NamedTuple):
    """What the journal says of one message."""

    word: str
    kind: str
    done: bool
    reply: str


def read_journal(folder: Path) -> list[Told]:
    """Return what was begun, in order, and what was acknowledged of it."""
    entries = [json.loads(line) for line in (folder / "journal").read_text().splitlines()]
    done = {e["word"]: e["reply"] for e in entries if e["what"] == "done"}
    begun = [(e["word"], e["kind"]) for e in entries if e["what"] == "begin"]
    assert len(begun) == len(set(begun)), "the journal itself names a message twice"
    told = [Told(word, kind, word in done, done.get(word, "")) for word, kind in begun]
    # A step that two kills met is given up, and says so: what it was to do may be done or not.
    return [one._replace(done=False) if one.reply == CUT_OFF_REPLY else one for one in told]


def check(folder: Path) -> Checked:
    """Compare what the files hold with the journal.

    Raises:
        AssertionError: something acknowledged is gone or there twice, or an answer is another's.
    """
    told = read_journal(folder)
    assert all(t.done or t.reply for t in told[:-1]), "only the last message can be in flight"
    with open_store(folder) as store, open_checkpointer(folder / "checkpoints.db") as saver:
        records = [item.value for item in _all(store, namespaces.of(AGENT, "recall"))]
        passages = Counter(item.value["text"] for item in _all(store, namespaces.of(AGENT, "archival")))
        agent = open_agent(folder, store, saver)
        history = [version["value"] for version in agent.core_memory.history("notes")]
        queue: list[Any] = agent.graph.get_state({"configurable": {"thread_id": AGENT}}).values.get("messages", [])
    words = [t for t in told if t.kind not in {"beat", "direct"}]
    _check_answers(words, records)
    _check_queue(words, queue)
    notes = history[-1].split() if history else []
    _same([t for t in told if t.kind in {"note", "both"}], notes, lambda t: t.word)
    assert len(history) == len(notes) + 1 or not history, "a version of the block is missing or there twice"
    filed = [text for text in passages.elements() if not text.startswith("beat")]
    _same(
        [t for t in told if t.kind in {"file", "both"}],
        [f for f in filed if f.startswith("passage")],
        lambda t: f"passage {t.word}",
    )
    _same(
        [t for t in told if t.kind == "direct"],
        [f for f in filed if f.startswith("direct")],
        lambda t: f"direct {t.word}",
    )
    beats = [t for t in told if t.kind == "beat"]
    assert sum(b.done for b in beats) <= passages.total() - len(filed) <= len(beats), (
        f"of {len(beats)} heartbeats {sum(b.done for b in beats)} were acknowledged and {passages.total() - len(filed)} handled"
    )
    acknowledged = sum(t.done for t in told)
    return Checked(acknowledged, len(notes), passages.total(), sum(not t.done for t in told))


def _all(store: Any, namespace: tuple[str, ...]) -> list[Any]:
    found = store.search(namespace, limit=100_000)
    return sorted(found, key=lambda item: (item.created_at, item.key))


def _same(told: list[Told], found: list[str], name: Any) -> None:
    """What was acknowledged is found once and nothing else is, but for what was in flight."""
    counted = Counter(found)
    assert max(counted.values(), default=1) == 1, f"there twice: {[f for f, n in counted.items() if n > 1]}"
    assert {name(t) for t in told if t.done} <= counted.keys() <= {name(t) for t in told}, (
        f"lost {[name(t) for t in told if t.done and name(t) not in counted]}, "
        f"unknown {sorted(counted.keys() - {name(t) for t in told})}"
    )


def _check_answers(told: list[Told], records: list[dict[str, Any]]) -> None:
    said = Counter(r["turn"] for r in records if r["role"] == "user")
    answers = Counter((r["turn"], r["text"]) for r in records if r["role"] == "assistant")
    assert max(said.values(), default=1) == 1
    for one in told:
        if one.done:
            assert one.reply == f"re {one.word}", f"{one.word} was answered {one.reply!r}"
            assert (said[one.word], answers[one.word, one.reply]) == (1, 1), f"{one.word}: {said[one.word]} x said"
    assert max(answers.values(), default=1) == 1, "an answer is there twice"
    assert {word for word, _ in answers} <= {t.word for t in told}


def _check_queue(told: list[Told], queue: list[Any]) -> None:
    """What is still in main context stands there in order, each message before its own answer and nothing between them twice."""
    spoken: list[tuple[str, str]] = [
        (str(mark_of(m).get("turn")), m.type)
        for m in queue
        if (mark_of(m).get("kind") in {"event", "reply"} or mark_of(m).get("fallback") == "system") and m.type != "system"
    ]
    expected = [(t.word, side) for t in told for side in ("human", "ai")]
    if not spoken:
        return
    beginning = expected.index(spoken[0])
    last = len(expected) - (0 if told[-1].done else 2)
    within = expected[beginning : beginning + len(spoken)]
    assert spoken == within, f"the queue is out of order: {spoken} and not {within}"
    assert beginning + len(spoken) >= last, f"the newest acknowledged message is missing: {spoken[-3:]}"
