"""The process that parses documents, within limits that the operating system enforces. It reads jobs from its input."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from memgpt_agent.documents.loaders import PARSERS
from memgpt_agent.documents.opening import Limits
from memgpt_agent.documents.sections import Attached, BeyondLimits, DocumentSource, ReadingNote, too_much_text
from memgpt_agent.errors import DocumentError, MissingDependency


def main() -> None:
    """Read jobs until the input ends: a line of JSON and the file's bytes; answer each with lines of JSON."""
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := given.readline():
        job: dict[str, Any] = json.loads(line)
        limits = Limits(**job["limits"])
        _bound(limits)
        for answer in _answers(given.read(job["size"]), job, limits):
            attached = answer.pop("data", b"")
            _tell(answers, {**answer, "size": len(attached)} if "attached" in answer else answer)
            answers.write(attached)
            answers.flush()


def _answers(data: bytes, job: dict[str, Any], limits: Limits) -> Iterator[dict[str, Any]]:
    name = str(job["name"])
    try:
        yield from _parsed(data, str(job["kind"]), DocumentSource(name, str(job["suffix"]), limits, job["depth"]))
        yield {"end": "done"}
    except (DocumentError, MissingDependency) as error:
        yield {"end": type(error).__name__, "said": str(error)}
    except ImportError as error:
        yield {"end": "MissingDependency", "said": f"Reading {name} needs {error.name}, which is not installed. Run: pip install {error.name}"}
    except MemoryError:
        yield {"end": "memory"}
    except RecursionError:
        yield {"end": "DocumentError", "said": f"{name} cannot be read: it is nested too deeply. The rest was not read."}
    except Exception as error:  # noqa: BLE001 - a damaged file can make a parser raise anything
        cause = error.__cause__ or error
        said = f"{name} cannot be read: {str(cause)[:500] or type(cause).__name__}. The rest was not read."
        yield {"end": "DocumentError", "said": said}


def _parsed(data: bytes, kind: str, source: DocumentSource) -> Iterator[dict[str, Any]]:
    chars = parts = 0
    last: int | None = None  # a long page or sheet comes in several sections, one behind the other
    limits = source.limits
    for found in PARSERS[kind](data, source):
        if isinstance(found, ReadingNote):
            yield {"note": found.text[:1_000]}
            continue
        if isinstance(found, Attached):
            yield {"attached": found.name, "data": found.data}
            continue
        chars += len(found.text)
        parts += found.page is not None and found.page != last
        last = found.page
        if chars > limits.text_chars:
            raise too_much_text(source)
        if parts > limits.parts:
            raise BeyondLimits(f"{source.name} has more than {limits.parts:,} {found.unit}s. Split it.")
        yield asdict(found)


def _tell(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    answers.flush()


def _bound(limits: Limits) -> None:
    """Let the system hold this process to its memory and time; no file is written, and no core left behind."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is what holds there
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds) + 2
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0),
    ):  # fmt: skip
        hard = resource.getrlimit(what)[1]
        try:
            resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        except (OSError, ValueError):  # a system that does not know this one
            continue


if __name__ == "__main__":
    main()
