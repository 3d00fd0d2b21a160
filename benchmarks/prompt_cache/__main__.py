"""Prints how much of each request repeats the one before, and what a cache serves of it."""

import argparse
from pathlib import Path

from benchmarks.machine import publish
from benchmarks.prompt_cache.life import SIZES
from benchmarks.prompt_cache.measure import WINDOW_TOKENS, report


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_cache", description=__doc__)
    parser.add_argument("--turns", type=int, default=150)
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    sizes = ", ".join(f"{kind} {least} to {most}, mostly {usual}" for kind, (least, usual, most) in SIZES.items())
    how = f"{given.turns} turns in a window of {WINDOW_TOKENS:,} tokens with the default profile; words: {sizes}."
    publish("Prompt caches", how, report(given.turns), out=given.out)


if __name__ == "__main__":
    main()
