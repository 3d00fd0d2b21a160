"""Files in an agent's memory: loaded once, again where they changed, resumed after an interrupt, gone when taken out."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.documents import find_files
from memgpt_agent.errors import FileNotAttached, InvalidArguments
from memgpt_agent.memory.files import AttachedFiles
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder


@pytest.fixture
def embedder() -> HashingEmbedder:
    """Counts what it embeds."""
    return HashingEmbedder()


@pytest.fixture
def store(tmp_path: Path, embedder: HashingEmbedder) -> Any:
    """A store on disk."""
    with FaissStore(tmp_path / "memory.db", index={"embed": embedder, "dims": 64, "fields": ["text"]}) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files."""
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# Alpha\n\nThe heron stands in the river.\n")
    (folder / "b.py").write_text("import os\n\n\ndef harbour():\n    return os.sep\n")
    (folder / "sub" / "a.md").write_text("Another note about the ferry.\n")
    return folder


def load(store: FaissStore, *paths: Path, tags: Sequence[str] = ()) -> dict[str, str]:
    """Load and return each file's state by name."""
    files = AttachedFiles(store, "ann")
    return {done.record.name: done.state for done in files.load(find_files(paths), tags)}


def sources(store: FaissStore) -> list[str]:
    """The sources of all passages."""
    return sorted(item.value["source"] for item in store.search(("ann", "archival"), limit=100))


def test_only_what_changed_is_loaded_again(store: FaissStore, folder: Path, embedder: HashingEmbedder) -> None:
    """The second time nothing is embedded; a changed file loses the passages and lines that it has no more."""
    assert load(store, folder) == {"a.md": "new", "b.py": "new", "sub/a.md": "new"}
    before = len(embedder.texts)
    assert load(store, folder) == {"a.md": "unchanged", "b.py": "unchanged", "sub/a.md": "unchanged"}
    assert len(embedder.texts) == before
    (folder / "a.md").write_text("Only the kingfisher is left.\n")
    assert load(store, folder)["a.md"] == "changed"
    files = AttachedFiles(store, "ann")
    assert list(files.lines(files.record("a.md"), 1, 99)) == [(1, "Only the kingfisher is left.")]
    assert sources(store) == ["a.md, lines 1-1", "b.py, lines 1-5", "sub/a.md, lines 1-1"]
    assert [item.value["text"] for item in files.search("heron")] != []
    assert "heron" not in " ".join(item.value["text"] for item in files.search("heron"))


def test_a_load_that_was_cut_off_goes_on_where_it_was(
    store: FaissStore, tmp_path: Path, embedder: HashingEmbedder
) -> None:
    """What was embedded before the interrupt is not embedded again; until then the file is marked incomplete."""
    (tmp_path / "long.txt").write_text(
        "\n".join(f"Line {n} speaks of the {n}th of the lanterns on the quay." for n in range(6_000))
    )
    files, seen = AttachedFiles(store, "ann"), 0

    def stop(passages: int) -> None:
        nonlocal seen
        seen += passages
        if seen > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(files.load(find_files(tmp_path / "long.txt"), on_passages=stop))
    embedded = len(embedder.texts)
    assert embedded > 300
    assert files.record("long.txt").sha256 == ""
    (done,) = files.load(find_files(tmp_path / "long.txt"))
    assert done.state == "new"
    assert len(embedder.texts) == done.record.passages
    assert len(sources(store)) == 100
    assert files.record("long.txt").lines == 6_000


def test_two_files_of_one_name_are_told_apart(store: FaissStore, folder: Path, tmp_path: Path) -> None:
    """The second gets the name of its folder in front; both can be read."""
    other = tmp_path / "elsewhere" / "a.md"
    other.parent.mkdir()
    other.write_text("Not the same at all.\n")
    assert list(load(store, folder / "a.md", other)) == ["a.md", "elsewhere/a.md"]
    files = AttachedFiles(store, "ann")
    assert list(files.lines(files.record("elsewhere/a.md"), 1, 1)) == [(1, "Not the same at all.")]
    assert files.record("a.md").path == str(folder / "a.md")


def test_unloading_leaves_nothing(store: FaissStore, folder: Path) -> None:
    """A folder's files, their passages and their lines are gone; the others stay."""
    load(store, folder)
    files = AttachedFiles(store, "ann")
    assert [record.name for record in files.unload(folder / "sub")] == ["sub/a.md"]
    assert sources(store) == ["a.md, lines 1-3", "b.py, lines 1-5"]
    assert len(store.search(("ann", "file_text"), limit=100)) == 2
    assert [record.name for record in files.unload("b.py")] == ["b.py"]
    with pytest.raises(FileNotAttached, match="Nothing was loaded from 'b.py'"):
        files.unload("b.py")


def test_a_name_is_found_by_its_end_and_a_wrong_one_told_with_those_like_it(store: FaissStore, folder: Path) -> None:
    """No path on the disk is ever read for a name."""
    load(store, folder)
    files = AttachedFiles(store, "ann")
    assert files.record("./b.py").name == "b.py"
    with pytest.raises(FileNotAttached, match=r"no file 'b\.pyx'.*b\.py"):
        files.record("b.pyx")
    for outside in ("../memory.db", "/etc/passwd", "sub/../../memory.db"):
        with pytest.raises(FileNotAttached, match="There is no file"):
            files.record(outside)


def test_grep_gives_the_files_own_line_numbers(store: FaissStore, folder: Path) -> None:
    """With context lines around, in the order of files and lines; a limit is told."""
    load(store, folder)
    files = AttachedFiles(store, "ann")
    found = files.grep(r"def \w+\(", context=1)
    assert [(m.name, m.line, m.text, m.matches) for m in found.lines] == [
        ("b.py", 3, "", False),
        ("b.py", 4, "def harbour():", True),
        ("b.py", 5, "    return os.sep", False),
    ]
    assert (found.complete, found.files_read) == (True, 3)
    cut = files.grep("e", limit=2)
    assert (cut.matches, cut.complete, cut.why) == (2, False, "2 matches are shown")
    with pytest.raises(InvalidArguments, match="no regular expression"):
        files.grep("(unclosed")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("((((b{999}){999}){99}){9})", "invalid repetition size"),  # gigabytes, where a pattern is compiled without bounds
        ("(((x{60}){60}){9})" * 20, "invalid repetition size|too large"),
        (r"(?=her)on", r"invalid perl operator.*no lookahead"),
        (r"(a)\1", "invalid escape sequence.*no backreference|no lookahead"),
        ("half \ud83d", "half a character"),
        ("(" * 900, "missing|nesting"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_in_bounds_is_refused(
    store: FaissStore, folder: Path, pattern: str, why: str
) -> None:
    """At once and with the reason, whatever the model wrote."""
    load(store, folder)
    began = time.process_time()
    with pytest.raises(InvalidArguments, match=f"no regular expression that can be searched for: (?s:.)*({why})"):
        AttachedFiles(store, "ann").grep(pattern)
    assert time.process_time() - began < 1


def test_a_pattern_that_backtracks_elsewhere_is_searched_to_the_end(store: FaissStore, tmp_path: Path) -> None:
    """In linear time: exponential patterns do not exist here. Of a line without an end the beginning is searched, and that is said."""
    (tmp_path / "trap.txt").write_text("x" * 5_000 + "\n")
    load(store, tmp_path / "trap.txt")
    files = AttachedFiles(store, "ann")
    found = files.grep(r"(x+x+)+y", seconds=2)
    assert (found.complete, found.files_read, found.why) == (True, 1, "")
    (tmp_path / "long.txt").write_text("x" * 60_000 + "y \ud83d".encode("utf-8", "replace").decode() + "\n")
    load(store, tmp_path / "long.txt")
    found = files.grep("xy", ["long.txt"], seconds=2)
    assert (found.lines, found.complete) == ([], False)
    assert found.why == "of lines longer than 50,000 characters the beginning was searched"


def test_a_search_ends_when_its_time_is_over(store: FaissStore, folder: Path) -> None:
    """Looked at between lines."""
    load(store, folder)
    found = AttachedFiles(store, "ann").grep("e", seconds=-1)
    assert (found.complete, found.why) == (False, "-1 seconds were over")


def test_agents_have_files_of_their_own(store: FaissStore, folder: Path) -> None:
    """One agent's files are not another's."""
    load(store, folder)
    other = AttachedFiles(store, "ben")
    assert other.records() == []
    assert other.search("heron") == []
