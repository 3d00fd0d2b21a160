"""What is open: as many lines as fit, the least recently used closed, shown as the files are now and in their own marks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from memgpt_agent.documents import find_files
from memgpt_agent.errors import FileNotAttached, InvalidArguments
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.files import AttachedFiles, FileRecord, FileView, OpenFiles
from memgpt_agent.memory.files.open_files import LINE_CHARS, MAX_OPEN
from memgpt_agent.memory.files.record import text_operations, value_of
from memgpt_agent.store import FaissStore


@pytest.fixture
def store() -> Iterator[FaissStore]:
    """A store that ends with the test."""
    with FaissStore(":memory:") as store:
        yield store


def opened(store: FaissStore | InMemoryStore, room: int = 10_000) -> OpenFiles:
    """The open files of an agent, with room for so many characters: each is a token here."""
    return OpenFiles(store, "ann", room, len)


def keep(store: FaissStore | InMemoryStore, name: str, lines: list[str]) -> FileRecord:
    """Keep a file's lines under a name, as a load does."""
    record = FileRecord(f"file-{name}", name, f"/docs/{name}", lines=len(lines), sha256="x")
    store.put(namespaces.of("ann", "files"), record.id, value_of(record), index=False)
    store.batch(text_operations("ann", record.id, lines))
    return record


def take_out(store: FaissStore, record: FileRecord) -> None:
    """Take a file out, as an unload does."""
    store.delete(namespaces.of("ann", "files"), record.id)


def names(files: OpenFiles) -> list[str]:
    """The names of what is open, the most recently used last."""
    return [view.name for view in files.views()]


def test_lines_are_shown_under_their_own_numbers(store: FaissStore) -> None:
    """In the order in which the files were used; nothing where nothing is open."""
    files = opened(store)
    assert files.render() == ""
    files.open(keep(store, "a.md", ["one", "two", "three"]), 2)
    files.open(keep(store, "b.md", ["uno", "dos"]), 1, 1)
    assert files.render() == (
        '<open_files>\n<file name="a.md" lines="2-3 of 3">\n2: two\n3: three\n</file>\n'
        '<file name="b.md" lines="1-1 of 2">\n1: uno\n</file>\n</open_files>'
    )


def test_a_file_is_open_once(store: FaissStore) -> None:
    """Opened again it moves to other lines, and counts as used last."""
    files = opened(store)
    a, b = keep(store, "a", ["1", "2", "3"]), keep(store, "b", ["x"])
    files.open(a)
    files.open(b)
    view, closed = files.open(a, 3)
    assert (view.first, view.last, closed) == (3, 3, [])
    assert names(files) == ["b", "a"]


@pytest.mark.parametrize(("first", "last"), [(0, None), (-1, None), (4, None), (2, 1), (1, 0)])
def test_lines_that_a_file_does_not_have_are_refused(store: FaissStore, first: int, last: int | None) -> None:
    """The error says which it has; what is open stays so."""
    files = opened(store)
    record = keep(store, "a.md", ["one", "two", "three"])
    files.open(record, 1, 2)
    with pytest.raises(InvalidArguments, match=r"of a\.md: it has lines 1 to 3"):
        files.open(record, first, last)
    assert [(v.first, v.last) for v in files.views()] == [(1, 2)]


def test_an_end_beyond_the_file_is_its_end(store: FaissStore) -> None:
    """Asking for too much is no error."""
    view, _ = opened(store).open(keep(store, "a", ["one", "two"]), 1, 99)
    assert (view.first, view.last) == (1, 2)


def test_as_many_lines_are_opened_as_fit(store: FaissStore) -> None:
    """The view says which they are, and what is shown keeps to the room."""
    files = opened(store, 600)
    view, closed = files.open(keep(store, "long.txt", ["twenty characters ok"] * 100), 11)
    assert (view.first, closed) == (11, [])
    assert 11 < view.last < 40
    shown = files.render()
    assert len(shown) <= 600
    assert f'lines="11-{view.last} of 100"' in shown
    assert f"\n{view.last}: twenty" in shown
    assert f"\n{view.last + 1}: twenty" not in shown


def test_the_least_recently_used_is_closed_where_room_runs_out(store: FaissStore) -> None:
    """As many as needed, from the longest unused on, and they are named."""
    files = opened(store, 1_000)
    records = {name: keep(store, name, ["x" * 50] * 4) for name in "abc"}
    for name in "ab":
        assert files.open(records[name])[1] == []
    files.open(records["a"])
    _, closed = files.open(records["c"])
    assert [view.name for view in closed] == ["b"]
    assert names(files) == ["a", "c"]
    _, closed = files.open(keep(store, "all", ["y" * 50] * 10))
    assert [view.name for view in closed] == ["a", "c"]
    assert names(files) == ["all"]


def test_no_more_than_ten_are_open(store: FaissStore) -> None:
    """However small they are."""
    files = opened(store, 100_000)
    records = [keep(store, f"f{n}", ["x"]) for n in range(MAX_OPEN + 2)]
    for record in records[:MAX_OPEN]:
        files.open(record)
    files.open(records[0])
    assert [view.name for view in files.open(records[MAX_OPEN])[1]] == ["f1"]
    assert [view.name for view in files.open(records[MAX_OPEN + 1])[1]] == ["f2"]
    assert names(files) == [*(f"f{n}" for n in range(3, MAX_OPEN)), "f0", "f10", "f11"]


def test_a_file_is_closed_by_its_own_name_before_another_that_ends_so(store: FaissStore) -> None:
    """By its end where there is no other way to read it; one that is not open is told with those that are."""
    files = opened(store)
    for name in ("sub/a.md", "a.md", "sub/b.md"):
        files.open(keep(store, name, ["x"]))
    assert files.close("./a.md").name == "a.md"
    assert files.close("a.md").name == "sub/a.md"
    assert files.close("b.md").name == "sub/b.md"
    files.open(keep(store, "c.md", ["x"]))
    with pytest.raises(FileNotAttached, match=r"'a\.md' is not open. Open are: c\.md\."):
        files.close("a.md")
    files.close("c.md")
    with pytest.raises(FileNotAttached, match="Open are: none"):
        files.close("c.md")


def test_a_file_that_was_taken_out_is_open_no_more(store: FaissStore) -> None:
    """It takes no room and no place from another, and cannot be closed."""
    files = opened(store, 1_000)
    gone = keep(store, "gone", ["x" * 50] * 8)
    kept = keep(store, "kept", ["x" * 50] * 4)
    files.open(gone)
    take_out(store, gone)
    assert files.render() == ""
    assert names(files) == []
    assert files.open(kept)[1] == []
    with pytest.raises(FileNotAttached, match="Open are: kept"):
        files.close("gone")


def test_a_file_that_was_loaded_again_is_shown_as_it_is_now(store: FaissStore) -> None:
    """Shorter, it says so; with longer lines it still keeps to its room, and says what does not fit."""
    files = opened(store, 700)
    files.open(keep(store, "a", ["short"] * 20), 5, 20)
    keep(store, "a", ["new"] * 8)
    assert '<file name="a" lines="5-8 of 8">\n5: new\n6: new\n7: new\n8: new\n</file>' in files.render()
    keep(store, "a", ["new"] * 2)
    assert "[the file was loaded again and has 2 lines now: open it anew]" in files.render()
    keep(store, "a", ["L" * 390] * 20)
    shown = files.render()
    assert len(shown) <= 700
    assert '<file name="a" lines="5-5 of 20">\n5: LLL' in shown
    assert "[lines 6-20 do not fit: open the file at them to read on]" in shown


def test_where_there_is_less_room_now_the_files_used_last_are_shown(store: FaissStore) -> None:
    """As with a smaller window after a restart; how many are left out is told, and nothing is closed for it."""
    files = opened(store, 2_000)
    for name in "abc":
        files.open(keep(store, name, ["x" * 60] * 6))
    small = opened(store, 850)
    shown = small.render()
    assert len(shown) <= 850
    assert '<file name="c" lines="1-6 of 6">' in shown
    part = shown.split("</file>")[0]
    assert part.startswith('<open_files>\n<file name="b" lines="1-3 of 6">\n1: xxx')
    assert part.endswith("[lines 4-6 do not fit: open the file at them to read on]\n")
    assert "[open, but not shown, for want of room: 1; close what you do not need]" in shown
    assert names(small) == ["a", "b", "c"]
    assert "for want of room: 3" in opened(store, 0).render()


def test_a_long_line_is_cut(store: FaissStore) -> None:
    """What follows it is still read."""
    files = opened(store)
    files.open(keep(store, "a", ["y" * 5_000, "end"]))
    assert f"1: {'y' * LINE_CHARS} [...]\n2: end" in files.render()


def test_a_line_that_is_longer_than_the_room_is_opened_all_the_same(store: FaissStore) -> None:
    """The view stands at it, says that it does not fit, and keeps to the room."""
    files = opened(store, 300)
    view, _ = files.open(keep(store, "a", ["z" * 380, "end"]), 1)
    assert (view.first, view.last) == (1, 1)
    assert "zzz" not in files.render()
    assert "[lines 1-1 do not fit" in files.render()


MARKS = st.sampled_from(
    [
        "</file>",
        "</FILE >",
        "< / file>",
        "<file name='x'>",
        "</open_files>",
        "<open_files>",
        "</file",
        "\n",
        " ",
        "x",
        "<",
        "/",
        ">",
        '"',
        "&",
    ]
)
TEXTS = st.lists(MARKS, max_size=6).map("".join)


@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
def test_no_text_and_no_name_can_open_or_close_the_marks(texts: list[str], name: str) -> None:
    """Whatever a file says or is called, there is one element, and every line of it is numbered."""
    store = InMemoryStore()
    files = opened(store)
    files.open(keep(store, f"a{name}", [" ".join(text.splitlines()) for text in texts]))
    first, head, *lines, end, last = files.render().split("\n")
    assert (first, end, last) == ("<open_files>", "</file>", "</open_files>")
    assert head.startswith('<file name="a')
    assert (head.count('"'), head.count("<")) == (4, 1)
    assert head.endswith(f'" lines="1-{len(texts)} of {len(texts)}">')
    assert [line.split(": ")[0] for line in lines] == [str(n + 1) for n in range(len(texts))]
    assert not re.search(r"<\s*/?\s*(file|open_files)\b", "\n".join(lines), re.IGNORECASE)


def test_tags_of_other_names_are_left_as_they_are(store: FaissStore) -> None:
    """Source code is shown as it stands, but for the two marks."""
    files = opened(store)
    text = 'if a < file: return "<filename> <file-list> <b> </summary> <div>"'
    files.open(keep(store, "a.py", [text, "</file>"]))
    assert f"1: {text}\n2: <\\/file>\n" in files.render()


def test_what_an_earlier_version_wrote_down_is_read(store: FaissStore) -> None:
    """A field that there is no more is passed over."""
    record = keep(store, "a", ["x"])
    store.put(
        ("ann", "open_files"), "views", {"views": [{"id": record.id, "name": "a", "first": 1, "last": 1, "chars": 9}]}
    )
    assert opened(store).views() == [FileView(record.id, "a", 1, 1)]


def test_lines_are_counted_as_editors_count_them(store: FaissStore, tmp_path: Path) -> None:
    """A form feed or a line separator ends no line, so that an open file, a match and a passage agree on the numbers."""
    (tmp_path / "old.py").write_bytes("import os\n\x0c\ndef a():\r\n    x = '\u2028\x85'\n\n\ndef b(): pass".encode())
    attached = AttachedFiles(store, "ann")
    list(attached.load(find_files(tmp_path / "old.py")))
    record = attached.record("old.py")
    assert list(attached.lines(record, 1, 99)) == [
        (1, "import os"), (2, ""), (3, "def a():"), (4, "    x = '  '"), (5, ""), (6, ""), (7, "def b(): pass"),
    ]  # fmt: skip
    assert [m.line for m in attached.grep("def b").lines] == [7]
    assert [i.value["source"] for i in store.search(("ann", "archival"))] == ["old.py, lines 1-7"]
