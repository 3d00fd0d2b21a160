"""The process that is killed while it forgets: one word after another goes from an agent that has each of them in five places."""

import json
import time
from pathlib import Path
from typing import NamedTuple, TextIO

from benchmarks.faults_agent.talker import AGENT, open_agent, open_store
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.memory.recall import Message

PLACES = 4
"""A word stands in a message, its answer, a passage and a line of a block."""


class Forgetting(NamedTuple):
    """What was found of the words after kills."""

    done: int = 0
    """Acknowledged, and not a byte of them is left."""
    finished: int = 0
    """Cut off by a kill, and gone since the next opening."""
    untouched: int = 0
    """Cut off before anything was noted, and there in every place."""
    kept: int = 0
    """Not yet to be forgotten, and there in every place."""


def words_of(seed: int, count: int) -> list[str]:
    """Return words that stand in nothing else."""
    return [f"zq{seed:03d}x{number:03d}k" for number in range(count)]


def make(folder: Path, words: list[str]) -> None:
    """Let an agent have each word in each place."""
    with open_store(folder) as store, open_checkpointer(folder / "checkpoints.db") as saver:
        agent = open_agent(folder, store, saver)
        for number, word in enumerate(words):
            moment = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000000+00:00"
            said = Message(f"m-{number}", "user", f"It is {word} now", moment, AGENT, f"t-{number}")
            answer = Message(f"a-{number}", "assistant", f"Noted {word} well", moment, AGENT, f"t-{number}", 1)
            agent.memory.recall.add([said, answer])
            agent.memory.archival.insert(f"A passage about {word} alone")
            agent.core_memory.append("notes", f"line {word}")
        agent.step(f"{words[0]} say")


def forget_for_ever(folder: str, _seed: int) -> None:
    """Forget one word after the other, each named in the journal before and after."""
    place = Path(folder)
    told = read_journal(place)
    with (
        (place / "forgetting").open("a", buffering=1) as journal, open_store(place) as store,
        open_checkpointer(place / "checkpoints.db") as saver,
    ):  # fmt: skip
        agent = open_agent(place, store, saver)
        for word in json.loads((place / "words").read_text()):
            if told.get(word):
                continue
            _write(journal, {"word": word, "done": False})
            agent.forget(word).erase()
            _write(journal, {"word": word, "done": True})
    while True:  # nothing is left to be forgotten
        time.sleep(60)


def read_journal(folder: Path) -> dict[str, bool]:
    """Return the words that were begun, each with whether it was acknowledged."""
    path = folder / "forgetting"
    entries = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    begun = {str(entry["word"]): False for entry in entries}
    return begun | {str(entry["word"]): True for entry in entries if entry["done"]}


def check_forgotten(folder: Path) -> Forgetting:
    """Open the agent, which finishes what was cut off, and look at every word.

    Raises:
        AssertionError: a byte of a forgotten word is left, a word is half forgotten, or another one has lost a place.
    """
    told = read_journal(folder)
    with open_store(folder) as store, open_checkpointer(folder / "checkpoints.db") as saver:
        agent = open_agent(folder, store, saver)
        texts = [str(item.value["text"]) for tier in ("recall", "archival") for item in store.search((AGENT, tier), limit=10_000)]
        texts += agent.core_memory["notes"].split("\n")
    files = b"".join(path.read_bytes() for path in folder.iterdir() if path.name not in ("forgetting", "words"))
    found = Forgetting()
    for word in json.loads((folder / "words").read_text()):
        places, left = sum(word in text for text in texts), word.encode() in files
        if told.get(word):
            assert not left, f"{word} was forgotten and is left in {places} places, or in bytes"
            found = found._replace(done=found.done + 1)
        elif word in told and not left:
            found = found._replace(finished=found.finished + 1)
        else:
            assert places >= PLACES, f"{word} is half forgotten: {places} places"
            name = "untouched" if word in told else "kept"
            found = found._replace(**{name: getattr(found, name) + 1})
    return found


def _write(journal: TextIO, entry: dict[str, object]) -> None:
    print(json.dumps(entry), file=journal, flush=True)
