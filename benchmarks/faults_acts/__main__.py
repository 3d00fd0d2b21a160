"""Kill a process at random in sleep, erasing, a backup, a reindex or a migration; finish the work, and check that nothing was lost."""

import argparse
import contextlib
import os
import random
import tempfile
import time
from pathlib import Path

from benchmarks.faults_acts.acts import ACTS, copy_home, prepare
from benchmarks.killing import PROCESSES, START_TIMEOUT_SECONDS


def run(name: str, kills: int, seed: int, prepared: Path) -> int:
    """Kill an act so often, each time on a fresh copy; return how many kills came before it ended by itself.

    Raises:
        AssertionError: something was lost, or is there twice, or a file is damaged.
    """
    PROCESSES.set_forkserver_preload(["benchmarks.faults_acts.warm"])
    dice, act, met = random.Random(f"{name} {seed}"), ACTS[name], 0
    for _ in range(kills):
        with tempfile.TemporaryDirectory(prefix="faults-acts-") as folder:
            copy_home(prepared, Path(folder, "home"))
            process = PROCESSES.Process(target=act.work, args=(folder, seed))
            process.start()
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while not Path(folder, "journal").exists():
                assert process.is_alive(), f"{name} did not begin"
                assert time.monotonic() < deadline
                time.sleep(0.001)
            process.join(dice.uniform(0, act.life_seconds))
            met += process.is_alive()
            assert process.exitcode in {None, 0}, f"{name} failed by itself"
            process.kill()
            process.join()
            for _again in range(dice.randrange(2)):  # a second kill while it is finished
                again = PROCESSES.Process(target=act.finish, args=(Path(folder, "home"),))
                again.start()
                again.join(dice.uniform(0.2, 1.0))
                again.kill()
                again.join()
            with contextlib.chdir(folder):
                act.finish(Path(folder, "home"))
    return met


def main() -> None:
    """Run from the command line and print what was checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults_acts", description=__doc__)
    parser.add_argument("acts", nargs="*", default=list(ACTS), help=f"of {', '.join(ACTS)}")
    parser.add_argument("--kills", type=int, default=50, help="how often to kill each")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other moments")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-acts-") as name:
        prepare(Path(name, "home"))
        for act in given.acts:
            began = time.monotonic()
            met = run(act, given.kills, given.seed, Path(name, "home"))
            print(
                f"{act}: {given.kills} kills in {time.monotonic() - began:.0f} s (seed {given.seed}, {os.cpu_count()} cores), {met} before its "
                "end; each time it was finished, all that was said and filed was there once, and every file whole.",
                flush=True,
            )


if __name__ == "__main__":
    main()
