"""Kill a writing process at random, and let processes crowd one file, and check that the store kept what it had acknowledged."""

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from benchmarks.faults_store.check import Checked, check
from benchmarks.faults_store.crowd import crowd
from benchmarks.faults_store.writer import write_for_ever
from benchmarks.killing import PROCESSES, grown, kill_once

LONGEST_LIFE_SECONDS = 0.4
LIVES_A_FILE = 20
"""A file lives through so many kills, so that damage by an earlier one would be met later; then a new one begins."""


def run(kills: int, seed: int, seconds: float = float("inf")) -> tuple[int, Checked]:
    """Kill so often, or for so long, and return how many kills there were and what was checked.

    Raises:
        AssertionError: something acknowledged is gone, or a part of a batch is there.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_store.writer"])
    dice = random.Random(seed)
    total = Checked()
    end = time.monotonic() + seconds
    done = 0
    while done < kills and time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="faults-store-") as name:
            folder = Path(name)
            for _ in range(LIVES_A_FILE):
                if done >= kills or time.monotonic() >= end:
                    break
                begun = grown(folder / "journal")
                kill_once(write_for_ever, folder, dice.randrange(1 << 30), dice.uniform(0, LONGEST_LIFE_SECONDS), begun)
                total = total.plus(check(folder))
                done += 1
    return done, total


def main() -> None:
    """Run from the command line and print what was checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults_store", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often to kill; 0 leaves this part out")
    parser.add_argument(
        "--processes", type=int, default=8, help="how many use one file at once; 0 leaves this part out"
    )
    parser.add_argument("--operations", type=int, default=1000, help="of each process")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other operations and other moments")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    given = parser.parse_args()
    if given.kills:
        kill(given)
    if given.processes:
        began = time.monotonic()
        seen = crowd(given.processes, given.operations, given.seed)
        print(
            f"{given.processes} processes x {given.operations:,} operations on one file in {time.monotonic() - began:.0f} s "
            f"(seed {given.seed}): {seen.writes:,} acknowledged writes, {seen.wins:,} compare-and-set writes ({seen.losses:,} lost to "
            f"another process and tried again), {seen.reads:,} reads that showed what they must; no error, nothing lost."
        )


def kill(given: argparse.Namespace) -> None:
    """Kill as often as asked, and print what was checked."""
    began = time.monotonic()
    done, total = run(given.kills, given.seed, given.seconds)
    print(
        f"{done} kills in {time.monotonic() - began:.0f} s (seed {given.seed}, {os.cpu_count()} cores): "
        f"{total.batches:,} acknowledged batches; {total.items:,} items compared after the kills; "
        f"{total.in_flight} kills met a batch in flight, of which {total.kept} had been committed whole; {total.half_snapshots} met a "
        f"snapshot half written, and {total.snapshots:,} whole ones were opened again. Nothing was lost."
    )


if __name__ == "__main__":
    main()
