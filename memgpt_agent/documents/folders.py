"""Selecting the files of a folder: known kinds, not hidden, not ignored by git, not outside of it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from memgpt_agent.documents.loaders import LOADERS, NAMED_LOADERS, BoundedLoader, Loader
from memgpt_agent.documents.opening import DEFAULT_LIMITS, Limits, printable, read_bytes, what_else
from memgpt_agent.errors import DocumentError

_RULES_BYTES = 200_000
_RULES_LINES = 3_000
_RULE_CHARS = 500
"""Of a ``.gitignore``: no project's has more, and a forged one must not take long."""


@dataclass(frozen=True)
class DocumentFile:
    """A file that is to be read."""

    path: Path
    """Where it is."""
    name: str
    """The file's name; in a folder, its path from there, with slashes."""
    loader: Loader
    """What reads it."""
    named: bool
    """Whether it was asked for by name, so that it must be readable and hold text."""
    folder: Path | None = None
    """The folder it was found in."""
    real: Path | None = None
    """Where it was when its folder was searched, without links; from there on no link is followed."""
    limits: Limits = DEFAULT_LIMITS
    """What it may take."""


@dataclass(frozen=True)
class Skipped:
    """A file, folder or ``.gitignore`` that was skipped, though it looked like one to read."""

    path: Path
    """What was skipped."""
    reason: str
    """Why, in a sentence that names it."""


def find_files(
    paths: Iterable[str | Path] | str | Path,
    *,
    loaders: Mapping[str, Loader] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_skipped: Callable[[Skipped], None] | None = None,
) -> list[DocumentFile]:
    """Return the files of files and folders, in the order given; a folder's in the order of their names.

    Folders are searched in all depths. Hidden files, kinds that no loader reads, what a ``.gitignore`` of the folder or
    below names, and links that lead out of the folder are skipped. No file comes twice.

    Args:
        paths: files and folders.
        loaders: by suffix, in lower case with its dot; `LOADERS` by default.
        limits: what each file, and a folder's search, may take.
        on_skipped: called for each pipe, socket and device, and for each folder and ``.gitignore`` that cannot be read.

    Raises:
        DocumentError: a file is missing or of a kind that cannot be read, or a folder holds none that can.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    known = LOADERS if loaders is None else loaders
    found: dict[Path, DocumentFile] = {}
    for path in map(Path, given):
        if path.is_dir():
            inside = list(_Search(path, known, limits, on_skipped or (lambda _: None)).files())
            if not inside:
                raise DocumentError(f"The folder {path} holds no document that can be read ({_kinds(known)}).")
            for file in inside:
                found.setdefault(file.real or file.path, file)
        else:
            found.setdefault(path.resolve(), _named(path, known, limits))
    return list(found.values())


def _named(path: Path, loaders: Mapping[str, Loader], limits: Limits) -> DocumentFile:
    if not path.exists():
        raise DocumentError(f"There is no file {path}. Check the name; relative names start at {Path.cwd()}.")
    if kind := what_else(path.stat().st_mode):
        raise DocumentError(f"{path} is {kind}, not a file. It was not read.")
    loader = _loader(path, loaders) or (BoundedLoader("text") if loaders is LOADERS and not path.suffix else None)
    if loader is None:
        raise DocumentError(
            f"{path} is of a kind that cannot be read. The kinds are {_kinds(loaders)}; convert it to one of them."
        )
    return DocumentFile(path, printable(path.name), loader, named=True, limits=limits)


_Ignored = tuple[tuple[Path, GitIgnoreSpec], ...]


@dataclass
class _Search:
    """One folder's search."""

    root: Path
    loaders: Mapping[str, Loader]
    limits: Limits
    on_skipped: Callable[[Skipped], None]
    _looked_at: int = 0
    _real_root: Path = field(init=False)

    def files(self) -> Iterator[DocumentFile]:
        self._real_root = self.root.resolve()
        yield from self._inside(self.root, self._real_root, (), 0)

    def _inside(self, folder: Path, real: Path, ignored: _Ignored, depth: int) -> Iterator[DocumentFile]:
        if depth > self.limits.folder_depth:
            self._skip(folder, f"The folder {folder} lies more than {self.limits.folder_depth} folders deep.")
            return
        ignored = self._with_rules(folder, real, ignored)
        try:
            with os.scandir(real) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            self._skip(folder, f"The folder {folder} cannot be read: {error.strerror or error}.")
            return
        for name in names:
            self._looked_at += 1
            if self._looked_at > self.limits.folder_files:
                if self._looked_at == self.limits.folder_files + 1:
                    self._skip(folder, f"{self.root} holds more than {self.limits.folder_files:,} files; the rest was skipped from {folder} on.")
                return
            if name.startswith("."):
                continue
            try:
                yield from self._entry(folder / name, real / name, ignored, depth)
            except OSError as error:
                self._skip(folder / name, f"{folder / name} cannot be read: {error.strerror or error}.")

    def _entry(self, path: Path, real: Path, ignored: _Ignored, depth: int) -> Iterator[DocumentFile]:
        mode = real.lstat().st_mode
        is_link, is_folder = real.is_symlink(), real.is_dir()
        if _is_ignored(path, is_folder, ignored):
            return
        if is_folder and not is_link:
            yield from self._inside(path, real, ignored, depth + 1)
            return
        loader = _loader(path, self.loaders)
        if is_folder or loader is None:
            return
        if is_link:
            real = real.resolve()
            if not real.is_relative_to(self._real_root) or not real.exists():
                return
            mode = real.lstat().st_mode
        if kind := what_else(mode):
            self._skip(path, f"{path} is {kind}, not a file.")
            return
        name = printable(path.relative_to(self.root).as_posix())
        yield DocumentFile(path, name, loader, named=False, folder=self.root, real=real, limits=self.limits)

    def _with_rules(self, folder: Path, real: Path, ignored: _Ignored) -> _Ignored:
        """Add a folder's ``.gitignore``, searched for by RE2, whose time is bounded whatever the pattern."""
        rules = real / ".gitignore"
        try:
            if not os.path.lexists(rules):
                return ignored
            return (*ignored, (folder, _rules(rules)))
        except (DocumentError, OSError, ValueError) as error:
            self._skip(folder / ".gitignore", f"The rules of {folder / '.gitignore'} were not applied: {error}")
            return ignored

    def _skip(self, path: Path, reason: str) -> None:
        self.on_skipped(Skipped(path, printable(reason)))


def _rules(path: Path) -> GitIgnoreSpec:
    lines = read_bytes(path, Limits(file_bytes=_RULES_BYTES), follow_links=False).decode("utf-8", "replace").splitlines()
    if len(lines) > _RULES_LINES or any(len(line) > _RULE_CHARS for line in lines):
        raise DocumentError(f"It has more than {_RULES_LINES:,} lines, or one of more than {_RULE_CHARS} characters.")
    return GitIgnoreSpec.from_lines(lines, backend="re2")


def _is_ignored(path: Path, is_folder: bool, ignored: _Ignored) -> bool:
    """Judge as git does: the rules of the folder nearest to the entry count first."""
    for folder, rules in reversed(ignored):
        name = printable(path.relative_to(folder).as_posix()) + ("/" if is_folder else "")
        verdict = rules.check_file(name).include
        if verdict is not None:
            return verdict
    return False


def _loader(path: Path, loaders: Mapping[str, Loader]) -> Loader | None:
    if path.suffix or loaders is not LOADERS:
        return loaders.get(path.suffix.lower())
    return NAMED_LOADERS.get(path.name.lower())


def _kinds(loaders: Mapping[str, Loader]) -> str:
    return ", ".join(sorted(loaders))
