"""Kill a process that writes snapshots at random, and check that what a search finds afterwards is what the file holds."""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.faults_snapshots.writer import BEGUN, DIMS, FILE, indexes, vector_of, write_for_ever
from benchmarks.killing import PROCESSES, kill_once
from memgpt_agent.store.sqlite.database import Database

LONGEST_LIFE_SECONDS = 0.5
LIVES_A_FILE = 20
QUERIES = 20
LEAST_RECALL = 0.9
"""Of ten on a segment of 256 vectors; what a wrong index finds is far below."""


class Checked(NamedTuple):
    """What was seen after kills."""

    openings: int = 0
    from_snapshot: int = 0
    interrupted: int = 0
    """Kills that left an unfinished snapshot behind."""


def check(folder: Path, dice: random.Random) -> Checked:
    """Open the file as a new process would and compare searches with multiplying what the tables hold.

    Raises:
        AssertionError: a document too many or too few, or a search that finds the wrong ones.
    """
    database = Database(folder / FILE)
    cache = indexes(database)
    interrupted = len(list((folder / f"{FILE}.indexes").glob(".new-*")))
    with database.read() as connection:
        rows = connection.execute(
            "SELECT docs.id, items.value FROM docs JOIN items ON items.doc = docs.id ORDER BY docs.id"
        ).fetchall()
        matrix = np.stack([vector_of(int(json.loads(value)["n"])) for _, value in rows])
        with cache.current(connection, 1, DIMS) as index:
            assert index.docs[index.alive].tolist() == [doc for doc, _ in rows]
            used = bool(index.vectors and index.vectors.segments[0].stored is not None)
            found = 0
            for _ in range(QUERIES):
                query = vector_of(dice.randrange(1 << 30))
                exact = matrix @ query
                scores, places = index.closest(query, 10)
                own = np.searchsorted([doc for doc, _ in rows], index.docs[places])
                np.testing.assert_allclose(scores, exact[own], atol=1e-5)
                found += int((scores >= np.sort(exact)[-10] - 1e-6).sum())
            assert found >= LEAST_RECALL * 10 * QUERIES, f"{found} of {10 * QUERIES} found"
    cache.close()
    database.close()
    return Checked(1, int(used), int(interrupted > 0))


def run(kills: int, seed: int) -> Checked:
    """Kill so often and return what was seen.

    Raises:
        AssertionError: see :func:`check`.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_snapshots.writer"])
    dice = random.Random(seed)
    total = Checked()
    done = 0
    while done < kills:
        with tempfile.TemporaryDirectory(prefix="faults-snapshots-") as name:
            folder = Path(name)
            mark = folder / BEGUN
            for _ in range(min(LIVES_A_FILE, kills - done)):
                mark.unlink(missing_ok=True)
                kill_once(
                    write_for_ever, folder, dice.randrange(1 << 30), dice.uniform(0, LONGEST_LIFE_SECONDS), mark.exists
                )
                seen = check(folder, dice)
                total = Checked(*(a + b for a, b in zip(total, seen, strict=True)))
                done += 1
    return total


def main() -> None:
    """Read the options, kill, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults_snapshots", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    seen = run(asked.kills, asked.seed)
    print(
        f"{asked.kills} kills in {time.monotonic() - started:.0f} s (seed {asked.seed}): {seen.interrupted} in the middle of a "
        f"snapshot; {seen.from_snapshot} of {seen.openings} openings used one; every search found what the file holds."
    )


if __name__ == "__main__":
    main()
