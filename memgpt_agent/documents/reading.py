"""Reading documents within limits: plain text in this process, everything else in a separate one."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, cast

from memgpt_agent.documents.loaders import kind_of, parse_text
from memgpt_agent.documents.opening import DEFAULT_LIMITS, Limits, printable
from memgpt_agent.documents.sections import Attached, DocumentSection, DocumentSource, ReadingNote
from memgpt_agent.errors import DocumentError, MissingDependency
from memgpt_agent.faces import Closing

_PACKAGES = Path(__file__).resolve().parents[2]
_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV",
)  # fmt: skip
"""Of the environment; keys of providers are no business of a parser's."""


class DocumentReader(Closing):
    """Reads files, one after another; its process begins with the first file that needs it. Close it, or use it in a ``with``.

    **Limits**: the system holds the memory on Linux; elsewhere only the file's size, its expansion, its text and the time are held.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int | None:
        """The number of its process; None while it has none."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End its process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    cast(IO[bytes], pipe).close()

    def parse(self, data: bytes, path: Path, kind: str, limits: Limits = DEFAULT_LIMITS) -> Iterator[DocumentSection | ReadingNote]:
        """Yield the sections and notes of a file's bytes; ``path`` is only its name.

        Raises:
            DocumentError: it cannot be parsed, or exceeds the limits.
            MissingDependency: the package that reads this kind is not installed.
        """
        yield from self._read(data, DocumentSource(printable(str(path)), path.suffix.lower(), limits), kind, _Left(limits))

    def _read(self, data: bytes, source: DocumentSource, kind: str, left: "_Left") -> Iterator[DocumentSection | ReadingNote]:
        """Yield what a document holds, then what the documents attached to it hold: each is read by itself."""
        attached: list[Attached] = []
        for found in self._by_itself(data, source, kind, left):
            if isinstance(found, Attached):
                attached.append(found)
            else:
                yield found
        for one in attached:
            name = one.name
            try:
                inner = source.inner(name, left.limits())
                if not (inner_kind := kind_of(inner.suffix)):
                    yield ReadingNote(f"the attachment {name!r} is of a kind that is not read")
                    continue
                for found in self._read(one.data, inner, inner_kind, left):
                    if isinstance(found, ReadingNote):
                        yield ReadingNote(f"attachment {name!r}: {found.text}")
                    else:
                        yield DocumentSection(f"Attachment {name}:\n{found.text}", title=name)
            except (DocumentError, MissingDependency) as error:
                yield ReadingNote(f"the attachment {name!r} cannot be read to the end: {error}")

    def _by_itself(
        self, data: bytes, source: DocumentSource, kind: str, left: "_Left"
    ) -> Iterator[DocumentSection | ReadingNote | Attached]:
        limits = source.limits
        if kind == "text" and len(data) <= limits.text_chars and _is_utf8(data):
            yield from parse_text(data, source)
            left.chars -= len(data)
            return
        complete = False
        try:
            for answer in self._answers(data, source, kind, left):
                if "end" in answer:
                    complete = True
                    self._raise(answer, source)
                    return
                elif "note" in answer:
                    yield ReadingNote(str(answer["note"]))
                elif "attached" in answer:
                    yield Attached(str(answer["attached"]), answer["data"])
                else:
                    left.chars -= len(answer["text"])
                    yield _section(answer)
        finally:
            if not complete:  # the process is in the middle of a file whose reader stopped, or has died
                self.close()

    def _raise(self, answer: dict[str, Any], source: DocumentSource) -> None:
        match answer["end"]:
            case "done":
                return
            case "memory":
                self.close()
                raise _too_much_memory(source)
            case "MissingDependency":
                raise MissingDependency(str(answer["said"]))
            case _:
                raise DocumentError(str(answer["said"]))

    def _answers(self, data: bytes, source: DocumentSource, kind: str, left: "_Left") -> Iterator[dict[str, Any]]:
        process = self._started()
        given, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        head: dict[str, Any] = {"kind": kind, "name": source.name, "suffix": source.suffix, "size": len(data), "depth": source.depth}
        head["limits"] = asdict(source.limits)
        late = threading.Event()
        sending = True
        while True:
            began = time.monotonic()
            with _deadline(process, min(left.seconds, source.limits.part_seconds), late):
                if sending:
                    with suppress(BrokenPipeError):  # it has died: the answer's absence says so
                        given.write(json.dumps(head).encode() + b"\n")
                        given.write(data)
                        given.flush()
                    sending = False
                line = answers.readline()
                answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
                if "attached" in answer:
                    answer["data"] = answers.read(answer["size"])
            left.seconds -= time.monotonic() - began
            if not answer or len(answer.get("data", b"")) < answer.get("size", 0):
                raise self._died(process, source, late)
            yield answer

    def _died(self, process: "subprocess.Popen[bytes]", source: DocumentSource, late: threading.Event) -> DocumentError:
        code = process.wait()
        if late.is_set() or (os.name == "posix" and code == -signal.SIGXCPU):
            return DocumentError(
                f"{source.name} takes too long to read: more than {source.limits.part_seconds:,.0f} seconds for one part of it, or "
                f"{source.limits.seconds:,.0f} in all. It was not read. If you trust it, raise the limit (memgpt load --max-seconds)."
            )
        if os.name == "posix" and code in {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGBUS}:
            return _too_much_memory(source)
        return DocumentError(f"{source.name} cannot be read: it ended the process that read it (exit code {code}).")

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.close()
            environment = {name: value for name in _KEPT if (value := os.environ.get(name))}
            environment["PYTHONPATH"] = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
            self._process = subprocess.Popen(  # this very interpreter and a module of ours
                # -P: not the folder one stands in, which may be the stranger's and hold a csv.py of his own
                [sys.executable, "-P", "-B", "-X", "utf8", "-W", "ignore", "-m", "memgpt_agent.documents.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
                start_new_session=True,  # Ctrl-C is for the parent, which ends this one
            )  # fmt: skip
        return self._process


class _Left:
    """What is left of the limits of a document and of all that is attached to it."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self.seconds, self.chars = limits, limits.seconds, limits.text_chars

    def limits(self) -> Limits:
        """Return the limits of the next document."""
        return replace(self._limits, seconds=max(self.seconds, 0.0), text_chars=max(self.chars, 0))


@contextmanager
def _deadline(process: "subprocess.Popen[bytes]", seconds: float, late: threading.Event) -> Generator[None]:
    """End the process, and note that it was late, where the block takes longer."""

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(max(seconds, 0.0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_utf8(data: bytes) -> bool:
    try:
        return b"\0" not in data and bool(data.decode() or True)
    except UnicodeDecodeError:
        return False


def _too_much_memory(source: DocumentSource) -> DocumentError:
    return DocumentError(f"{source.name} needs more than {source.limits.memory_bytes:,} bytes of memory to be read. It was not read.")


def _section(answer: dict[str, Any]) -> DocumentSection:
    lines: Any = answer["lines"]
    named: dict[str, Any] = {**answer, "lines": (lines[0], lines[1]) if lines else None}
    return DocumentSection(**named)
