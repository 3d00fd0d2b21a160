"""Thousands of malformed model outputs through the real graph: nothing raises, every turn ends, the invariants hold."""

import argparse
import time

from benchmarks.bad_models.answers import answers
from benchmarks.bad_models.run import play


def main() -> None:
    """Run it from the command line; the exit code says whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bad_models", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same answers")
    parser.add_argument("--count", type=int, default=5_000, help="bad answers to give")
    parser.add_argument("--turn", type=int, default=6, help="bad answers in one turn, at most")
    given = parser.parse_args()
    begun = time.monotonic()
    played = play(answers(given.seed, given.count), given.turn, given.seed)
    seconds = time.monotonic() - begun
    print(f"{played.answers:,} bad answers in {played.turns:,} turns, {seconds:.0f} s (seed {given.seed})")
    for how, times in played.ends.most_common():
        print(f"  {times:,} turns ended with {how}")
    print(f"  {len(played.problems)} problems")
    for problem in played.problems[:20]:
        print(f"    {problem}")
    raise SystemExit(bool(played.problems))


if __name__ == "__main__":
    main()
