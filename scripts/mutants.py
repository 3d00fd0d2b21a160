"""Change a sample of places in the code, one at a time, and list the changes that no test notices (docs/adr/0238).

    python scripts/mutants.py                      judge the sample; a run that was cut short goes on where it ended
    python scripts/mutants.py --again tests/a.py   judge the survivors once more, on today's code, by these tests alone

`[tool.mutmut]` in pyproject.toml says what is changed; mutmut makes the changes. All happens on a copy, in build/mutants.
"""

import argparse
import difflib
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "mutants"
TREE, TOLD, RESULTS, SECONDS = HOME / "tree", HOME / "told.json", HOME / "results.json", HOME / "seconds.json"
LEFT_OUT = ("server", "serving", "postgres", "providers", "mcp_server", "documents", "models", "embeddings", "cli", "backups")
"""Folders whose tests start servers and other processes, or hardly reach what is changed."""
LONGEST, TOGETHER, AT_FIRST, IN_ALL = 10.0, 25.0, 20, 60
"""Seconds that a test may take to be used, and those of one mutant together; how many tests run at first, and in all."""
PREPARED = ("pytest", "numpy", "faiss", "sqlite3", "langgraph.graph", "langchain_core.tools", "langchain_openai")
"""Imported once: each run of tests is a fork that has them."""
OPTIONS = ["-q", "-pno:cacheprovider", "-pno:xdist", "--hypothesis-seed=0", "-Wignore::pytest.PytestAssertRewriteWarning"]
ALIVE = ("survived", "reached by no test")


class Mutant(NamedTuple):
    """One change."""

    path: str
    lines: range  # that it stands in
    function: range  # the lines of its function
    name: str
    code: str  # the file with the change


class Watcher:
    """A plugin of pytest's that keeps how long each test took and what failed."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add one phase of a test."""
        self.seconds[report.nodeid] += report.duration
        self.failed += [report.nodeid] * report.failed

    def pytest_collectreport(self, report: Any) -> None:
        """Note a file of tests that cannot be imported."""
        self.failed += [report.nodeid] * report.failed


def run(arguments: Sequence[str], seconds: float) -> tuple[int, dict[str, float], list[str]]:
    """Run pytest in a fork of this process; return its exit code (-9: out of time), each test's seconds, the failures."""
    TOLD.unlink(missing_ok=True)
    if (child := os.fork()) == 0:
        _run_here(arguments)
    end, ended, status = time.monotonic() + seconds, 0, 0
    while not ended and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0 if ended else 0.05)
    with suppress(ProcessLookupError):  # what tests left running, too
        os.killpg(child, signal.SIGKILL)
    status = status if ended else os.waitpid(child, 0)[1]
    seconds_of, failed = json.loads(TOLD.read_text()) if TOLD.exists() else ({}, [])
    return os.waitstatus_to_exitcode(status), seconds_of, failed


def _run_here(arguments: Sequence[str]) -> None:
    code = 3
    try:
        os.setsid()
        os.chdir(TREE)
        log = os.open(HOME / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path.insert(0, str(TREE))
        sys.dont_write_bytecode = "--cov" not in arguments  # a mutant's bytecode would outlive it
        os.environ.update({"PYTHONDONTWRITEBYTECODE": "1"} if sys.dont_write_bytecode else {}, PYTHONPATH=str(TREE))
        watcher = Watcher()
        code = int(importlib.import_module("pytest").main([*OPTIONS, f"--basetemp={HOME / 'tmp'}", *arguments], plugins=[watcher]))
        TOLD.write_text(json.dumps([watcher.seconds, watcher.failed]))
    except BaseException:  # noqa: BLE001 - this is the end of the process
        traceback.print_exc()
    finally:
        os._exit(code)


def copy() -> str:
    """Copy the files under version control; return their digest."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    digest = hashlib.sha256()
    for name in filter(lambda name: (ROOT / name).is_file(), names):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def measure() -> dict[str, float]:
    """Run the tests on the unchanged copy, noting which lines each reaches; return the seconds of those that are used."""
    digest = copy()
    if SECONDS.exists() and (kept := json.loads(SECONDS.read_text()))[0] == digest:
        return kept[1]
    shutil.rmtree(HOME)
    copy()
    print("Running the tests once, to see which lines each of them reaches", flush=True)
    (HOME / "coveragerc").write_text(f"[run]\nsource = memgpt_agent\ndata_file = {HOME / 'coverage'}\n")
    options = ["--cov", f"--cov-config={HOME / 'coveragerc'}", "--cov-context=test", "--cov-report="]
    options += [f"--ignore=tests/{name}" for name in LEFT_OUT] + ["-m", "not live and not local and not server"]
    _, seconds, failed = run(["tests", *options], 7200)
    seconds = {test: took for test, took in seconds.items() if test not in failed and took < LONGEST}
    SECONDS.write_text(json.dumps([digest, seconds]))
    return seconds


def sample(most: int, seed: int) -> list[Mutant]:
    """Return the mutants whose names have the smallest digests: most stay in the sample when other code changes."""
    from libcst import FunctionDef
    from libcst.metadata import MetadataWrapper, PositionProvider
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import create_mutations

    drawn: list[tuple[bytes, Mutant, Any, Any]] = []
    for path in (file for given in config().source_paths for file in ([given] if given.suffix else given.rglob("*.py"))):
        module, mutations, *_ = create_mutations(str(path), (TREE / path).read_text())
        places = cast("dict[Any, Any]", MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider))
        times: Counter[str] = Counter()
        for one in mutations:
            function = one.contained_by_top_level_function
            if not isinstance(function, FunctionDef):
                continue  # a constant: no test is known to reach it
            before, after = map(module.code_for_node, (one.original_node, one.mutated_node))
            times[name := f"{path} {function.name.value}: {before} -> {after}"] += 1
            name += f" ({times[name]})" * (times[name] > 1)
            at = places.get(one.original_node, places[function])
            lines, whole = (range(place.start.line, place.end.line + 1) for place in (at, places[function]))
            mutant = Mutant(str(path), lines, whole, name, "")
            drawn.append((hashlib.sha256(f"{seed} {name}".encode()).digest(), mutant, module, one))
    print(f"{len(drawn)} mutants in {len({mutant.path for _, mutant, *_ in drawn})} files", flush=True)
    chosen = sorted(drawn, key=lambda one: one[0])[:most]
    return [mutant._replace(code=whole.deep_replace(one.original_node, one.mutated_node).code) for _, mutant, whole, one in chosen]


def tests_for(mutant: Mutant, reached: Any, seconds: dict[str, float]) -> list[str]:
    """Return the tests that reach the changed lines, or the nearest line above, or the function.

    Those in a file named after the changed one come first, then the quickest.
    """
    path = TREE / mutant.path
    contexts = reached.contexts_by_lineno(str(path))
    above = ([line] for line in range(mutant.lines.start - 1, mutant.function.start, -1))
    for lines in (mutant.lines, *above, mutant.function):
        found = {context.rpartition("|")[0] for line in lines for context in contexts.get(line, ())} & seconds.keys()
        if found:
            return sorted(found, key=lambda test: (path.stem not in test.partition("::")[0], seconds[test]))
    return []


def judge(mutant: Mutant, tests: Sequence[str], seconds: dict[str, float]) -> dict[str, Any]:
    """Run the tests on a mutant, the quickest first; say whether it survived, and if not, which test failed."""
    file, left = TREE / mutant.path, TOGETHER
    kept, times = file.read_text(), file.stat()
    chosen = [test for test in tests[:IN_ALL] if (left := left - seconds.get(test, 0)) > 0]
    verdict, by = ALIVE[not chosen], ""
    try:
        file.write_text(mutant.code)
        for batch in filter(None, (chosen[:AT_FIRST], chosen[AT_FIRST:])):
            code, _, failed = run(["-x", *batch], 60 + 5 * sum(seconds.get(test, 0) for test in batch))
            if code:
                verdict, by = ("out of time" if code == -signal.SIGKILL else "failed"), (failed or [""])[0]
                break
    finally:
        file.write_text(kept)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # what was compiled from it stays valid
    diff = list(difflib.unified_diff(kept.splitlines(), mutant.code.splitlines(), n=0, lineterm=""))[3:]
    return {"verdict": verdict, "by": by, "place": f"{mutant.path}:{mutant.lines.start}", "tests": len(chosen), "diff": diff}


def report(results: dict[str, dict[str, Any]]) -> int:
    """Print what survives and how many were noticed; the tests that noticed must pass on the unchanged code."""
    counts = Counter(result["verdict"] for result in results.values())
    witnesses = sorted({result["by"] for result in results.values() if "::" in result["by"]})
    wrong = run(witnesses, 3600)[2] if witnesses else []
    for result in (one for one in results.values() if one["verdict"] in ALIVE):
        print(f"\n{result['place']} ({result['verdict']}, {result['tests']} tests)", *result["diff"], sep="\n    ")
    noticed = counts["failed"] + counts["out of time"]
    print(f"\n{noticed} of {len(results)} noticed ({100 * noticed / max(len(results), 1):.1f} %): {dict(counts)}")
    for test in wrong:
        print(f"fails without a mutant: {test}, which noticed {[name for name, one in results.items() if one['by'] == test]}")
    return int(bool(wrong))


def main() -> int:
    """Judge the sample, or its survivors once more, and print the score and what survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=400, help="mutants in the sample")
    parser.add_argument("--seconds", type=float, default=7200, help="judge no further mutant after this long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", nargs="+", metavar="TEST", help="judge the survivors by these tests alone")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    seconds: dict[str, float] = {}
    if given.again:
        copy()
    else:
        seconds = measure()
    os.chdir(TREE)
    for name in PREPARED:
        importlib.import_module(name)
    reached = importlib.import_module("coverage").CoverageData(str(HOME / "coverage"))
    reached.read()
    results: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    alive = {name for name, result in results.items() if result["verdict"] in ALIVE}
    for mutant in sample(given.most, given.seed):
        if time.monotonic() > end or (mutant.name not in alive if given.again else mutant.name in results):
            continue
        results[mutant.name] = judge(mutant, given.again or tests_for(mutant, reached, seconds), seconds)
        RESULTS.write_text(json.dumps(results, indent=1))
        print(f"{len(results)} {results[mutant.name]['verdict']}: {results[mutant.name]['place']}", flush=True)
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
