"""The short form of `python -m benchmarks.faults_store`, which anyone can run longer and with another seed."""

import pytest

from benchmarks.faults_store.__main__ import run
from benchmarks.faults_store.crowd import crowd


@pytest.mark.parametrize("seed", [3])
def test_kills_at_random_lose_nothing_that_was_acknowledged(seed: int) -> None:
    """During puts, deletes and snapshots; a batch is there whole or not at all, and the file and its index agree."""
    done, checked = run(kills=8, seed=seed, seconds=60)
    assert done > 0
    assert checked.batches > 0


def test_processes_that_crowd_one_file_lose_nothing_and_see_their_own_writes() -> None:
    """Every acknowledged write of every process is in the file, every increment too, and no read was wrong."""
    seen = crowd(processes=3, operations=40, seed=3)
    assert seen.writes > 0
    assert seen.wins > 0
    assert seen.reads > 0
