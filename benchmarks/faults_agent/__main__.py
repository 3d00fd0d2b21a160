"""Kill a talking process at random, again and again, and check that all it had acknowledged is there, once."""

import argparse
import json
import os
import random
import tempfile
import time
from pathlib import Path

from benchmarks.faults_agent.check import Checked, check
from benchmarks.faults_agent.forgetter import Forgetting, check_forgotten, forget_for_ever, make, words_of
from benchmarks.faults_agent.talker import talk_for_ever
from benchmarks.killing import PROCESSES, grown, kill_once

LONGEST_LIFE_SECONDS = 1.5
LONGEST_FORGETTING_SECONDS = 0.6
WORDS_A_FOLDER = 30
LIVES_A_FOLDER = 20
"""An agent lives through so many kills, so that damage by an earlier one would be met later; then a new one begins."""


def run(kills: int, seed: int) -> Checked:
    """Kill so often and return what was checked.

    Raises:
        AssertionError: something acknowledged is gone, or there twice.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_agent.warm"])
    dice = random.Random(seed)
    total, done = Checked(), 0
    while done < kills:
        with tempfile.TemporaryDirectory(prefix="faults-agent-") as name:
            folder = Path(name)
            checked = Checked()
            in_flight = 0
            for _ in range(min(LIVES_A_FOLDER, kills - done)):
                begun = grown(folder / "journal")
                kill_once(talk_for_ever, folder, dice.randrange(1 << 30), dice.uniform(0, LONGEST_LIFE_SECONDS), begun)
                checked = check(folder)
                in_flight += checked.in_flight
                done += 1
            total = total.plus(checked._replace(in_flight=in_flight))
    return total


def run_forgetting(kills: int, seed: int, words: int = WORDS_A_FOLDER) -> Forgetting:
    """Kill a process that forgets so often; return what was found: cut off by each kill, the others after the last of each folder.

    Raises:
        AssertionError: a byte of a forgotten word is left, a word is half forgotten, or another one has lost a place.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_agent.warm"])
    dice, done, total = random.Random(seed), 0, Forgetting()
    while done < kills:
        with tempfile.TemporaryDirectory(prefix="faults-forgetting-") as name:
            folder, found = Path(name), Forgetting()
            (folder / "words").write_text(json.dumps(words_of(done, words)))
            make(folder, words_of(done, words))
            while done < kills and found.done + found.finished < words:
                begun = grown(folder / "forgetting")
                kill_once(forget_for_ever, folder, done, dice.uniform(0, LONGEST_FORGETTING_SECONDS), begun)
                found = check_forgotten(folder)
                total = total._replace(finished=total.finished + found.finished, untouched=total.untouched + found.untouched)
                done += 1
            total = total._replace(done=total.done + found.done, kept=total.kept + found.kept)
    return total


def main() -> None:
    """Run from the command line and print what was checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults_agent", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how often to kill")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other messages and other moments")
    parser.add_argument("--forgetting", action="store_true", help="kill a process that forgets instead")
    given = parser.parse_args()
    if given.forgetting:
        _tell_forgetting(given.kills, given.seed)
        return
    began = time.monotonic()
    total = run(given.kills, given.seed)
    print(
        f"{given.kills} kills in {time.monotonic() - began:.0f} s (seed {given.seed}, {os.cpu_count()} cores): "
        f"{total.messages:,} messages, {total.edits:,} memory edits and {total.passages:,} passages acknowledged or completed, "
        f"each found once, each message with its own answer and in order; {total.in_flight} kills met a message in flight."
    )


def _tell_forgetting(kills: int, seed: int) -> None:
    began = time.monotonic()
    found = run_forgetting(kills, seed)
    print(
        f"{kills} kills while forgetting in {time.monotonic() - began:.0f} s (seed {seed}, {os.cpu_count()} cores): {found.done} words "
        f"acknowledged, {found.finished} cut off and finished by the next opening, no byte of them left; {found.untouched} cut off before "
        f"anything was noted and {found.kept} not begun, each in all its places."
    )


if __name__ == "__main__":
    main()
