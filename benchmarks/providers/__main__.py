"""Prints what every provider makes of an agent: lives, moves, failures, prompt caches."""

import argparse
import warnings
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import PACKAGES, about, publish
from benchmarks.providers.faults import faults, lengths, own_lengths
from benchmarks.providers.lives import ROUND, lives, moves
from benchmarks.providers.makers import PROVIDERS

PARTS = ("lives", "moves", "faults", "lengths", "caches")
CLIENTS = (
    "langchain-openai", "langchain-anthropic", "langchain-google-genai", "langchain-mistralai", "langchain-ollama", "langchain-deepseek",
    "mistral-common",
)  # fmt: skip


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.providers", description=__doc__)
    parser.add_argument("--turns", type=int, default=70, help="turns of a life (70)")
    parser.add_argument("--only", choices=PARTS, action="append", help="only these parts")
    parser.add_argument("--provider", choices=list(PROVIDERS), action="append", help="only these providers")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # Google's packages speak of grpcio's version
    names, wanted = tuple(given.provider or PROVIDERS), given.only or PARTS
    between = tuple(name for name in names if name in ROUND) if given.provider else ROUND
    parts = [f"Clients: {about((*PACKAGES[:2], *CLIENTS)).rpartition('; ')[2]}"]
    if "lives" in wanted:
        parts += [f"## Lives of {given.turns} turns in a window of 8,192 tokens", lives(names, given.turns)]
    if "moves" in wanted:
        parts += ["## Moved in mid-life: two turns before, two after", moves(between)]
    if "faults" in wanted:
        parts += ["## Failures: requests made, and what the user got", faults(names)]
    if "lengths" in wanted:
        parts += ["## A prompt that is too long, in each wording", lengths(), own_lengths(names)]
    if "caches" in wanted:
        parts += ["## Prompt caches", _caches()]
    publish("Providers", *parts, out=given.out)


def _caches() -> str:
    if find_spec("benchmarks.prompt_cache") is None:
        return "Not measured here: there is no benchmarks/prompt_cache."
    from benchmarks.prompt_cache.measure import report

    return report(150)


if __name__ == "__main__":
    main()
