"""Which files of a folder are read: those of known kinds, not hidden, not ignored by git, not leading out of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from memgpt_agent.documents.loaders import LOADERS, NAMED_LOADERS, Loader
from memgpt_agent.errors import DocumentError


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


def find_files(
    paths: Iterable[str | Path] | str | Path, *, loaders: Mapping[str, Loader] | None = None
) -> list[DocumentFile]:
    """Return the files of files and folders, in the order given; a folder's in the order of their names.

    Folders are searched in all depths. Hidden files, kinds that no loader reads, what a ``.gitignore`` of the folder or
    below names, and links that lead out of the folder are passed over. No file comes twice.

    Raises:
        DocumentError: a file is missing or of a kind that cannot be read, or a folder holds none that can.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    known = LOADERS if loaders is None else loaders
    found: dict[Path, DocumentFile] = {}
    for path in map(Path, given):
        if path.is_dir():
            inside = list(_inside(path, path, known, ()))
            if not inside:
                raise DocumentError(f"The folder {path} holds no document that can be read ({_kinds(known)}).")
            for file in inside:
                found.setdefault(file.path.resolve(), file)
        else:
            found.setdefault(path.resolve(), _named(path, known))
    return list(found.values())


def _named(path: Path, loaders: Mapping[str, Loader]) -> DocumentFile:
    if not path.exists():
        raise DocumentError(f"There is no file {path}. Check the name; relative names start at {Path.cwd()}.")
    loader = _loader(path, loaders)
    if loader is None:
        raise DocumentError(
            f"{path} is of a kind that cannot be read. Kinds are {_kinds(loaders)}; convert it to one of them."
        )
    return DocumentFile(path, path.name, loader, named=True)


_Ignored = tuple[tuple[Path, GitIgnoreSpec], ...]


def _inside(root: Path, folder: Path, loaders: Mapping[str, Loader], ignored: _Ignored) -> Iterator[DocumentFile]:
    rules = folder / ".gitignore"
    if rules.is_file():
        lines = rules.read_text(encoding="utf-8", errors="replace").splitlines()
        ignored = (*ignored, (folder, GitIgnoreSpec.from_lines(lines)))
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.startswith(".") or _is_ignored(entry, ignored) or _leads_out(entry, root):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _inside(root, entry, loaders, ignored)
        elif entry.is_file() and (loader := _loader(entry, loaders)) is not None:
            yield DocumentFile(entry, entry.relative_to(root).as_posix(), loader, named=False, folder=root)


def _is_ignored(entry: Path, ignored: _Ignored) -> bool:
    """Judge as git does: the rules of the folder nearest to the entry count first."""
    for folder, rules in reversed(ignored):
        name = entry.relative_to(folder).as_posix() + ("/" if entry.is_dir() else "")
        verdict = rules.check_file(name).include
        if verdict is not None:
            return verdict
    return False


def _leads_out(entry: Path, root: Path) -> bool:
    return entry.is_symlink() and not entry.resolve().is_relative_to(root.resolve())


def _loader(path: Path, loaders: Mapping[str, Loader]) -> Loader | None:
    if path.suffix or loaders is not LOADERS:
        return loaders.get(path.suffix.lower())
    return NAMED_LOADERS.get(path.name.lower())


def _kinds(loaders: Mapping[str, Loader]) -> str:
    return ", ".join(sorted(loaders))
