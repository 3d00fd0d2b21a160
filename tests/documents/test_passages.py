"""Documents: passages with their place, read lazily, the same at every load; what cannot be read is said."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memgpt_agent.documents import LOADERS, DocumentPassage, DocumentSection, load_documents
from memgpt_agent.errors import DocumentError

NOTES = "# Meeting notes\n\n" + "\n".join(
    f"Point {n}: the river rose by {n} metres, and Alice wrote it down." for n in range(60)
)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A Markdown file of 62 lines."""
    path = tmp_path / "notes.md"
    path.write_text(NOTES, encoding="utf-8")
    return path


def test_a_text_becomes_passages_with_their_lines(notes: Path) -> None:
    """Every passage stands in the file at the lines it names, and together they hold every line."""
    lines = NOTES.split("\n")
    passages = list(load_documents(notes))
    assert len(passages) > 3
    assert all(len(p.text) <= 800 for p in passages)
    for passage in passages:
        assert passage.line_start is not None
        assert passage.line_end is not None
        assert passage.text in "\n".join(lines[passage.line_start - 1 : passage.line_end])
    assert all(any(line in p.text for p in passages) for line in lines)
    assert (passages[0].line_start, passages[-1].line_end) == (1, 62)
    assert passages[0].source == f"notes.md, lines 1-{passages[0].line_end}"
    assert {(p.title, p.page, p.path, p.name) for p in passages} == {("Meeting notes", None, str(notes), "notes.md")}


def test_neighbours_overlap(notes: Path) -> None:
    """A passage begins with what the one before ends with, so that nothing is cut in two for good."""
    first, second, *_ = load_documents(notes)
    assert first.text.split("\n")[-1] == second.text.split("\n")[0]


def test_loading_again_gives_the_same_ids_and_other_text_others(notes: Path, tmp_path: Path) -> None:
    """An id depends on name, place and text, not on the folder, the day or the process."""
    once = [p.id for p in load_documents([notes])]
    assert [p.id for p in load_documents(str(notes))] == once
    assert len(set(once)) == len(once)
    moved = tmp_path / "elsewhere" / "notes.md"
    moved.parent.mkdir()
    moved.write_text(NOTES.replace("Point 59", "Point LIX"), encoding="utf-8")
    changed = [p.id for p in load_documents(moved)]
    assert (changed[:-1], changed[-1] == once[-1]) == (once[:-1], False)


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    """Known kinds in all depths; hidden, empty and unknown ones are passed over; a file named too is read once."""
    for name in ("b.md", "a.txt", "sub/c.TXT", ".hidden.md", ".git/config.txt", "picture.png", "empty.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("" if "empty" in name else f"I am {name}")
    passages = list(load_documents([tmp_path / "b.md", tmp_path]))
    assert [(p.name, p.text) for p in passages] == [
        ("b.md", "I am b.md"),
        ("a.txt", "I am a.txt"),
        ("sub/c.TXT", "I am sub/c.TXT"),
    ]


def test_reading_is_lazy_and_can_be_stopped(tmp_path: Path) -> None:
    """The second file is not opened before the first is used up, so progress shows and an interrupt is cheap."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("text")
    opened: list[str] = []

    def loader(path: Path) -> Iterator[DocumentSection]:
        opened.append(path.name)
        yield DocumentSection("page one", page=1)
        opened.append("second page")
        yield DocumentSection("page two", page=2)

    passages = load_documents(tmp_path, loaders={".txt": loader})
    assert opened == []
    assert next(passages).source == "a.txt, page 1"
    assert opened == ["a.txt"]
    assert [p.source for p in passages] == ["a.txt, page 2", "b.txt, page 1", "b.txt, page 2"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("\ufeffcafé".encode(), "café"),
        ("café".encode("utf-16"), "café"),
        (b"one\r\ntwo", "one\ntwo"),
        ("日本語 😀".encode(), "日本語 😀"),
    ],
)
def test_texts_are_read_in_unicode(tmp_path: Path, content: bytes, text: str) -> None:
    """UTF-8 with or without its mark, UTF-16 by its mark, and any line ends."""
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    assert [p.text for p in load_documents(path)] == [text]


def test_a_text_without_a_place_to_cut_is_cut_all_the_same(tmp_path: Path) -> None:
    """No passage is longer than asked, whatever the text."""
    path = tmp_path / "t.txt"
    path.write_text("x" * 5_000)
    passages = list(load_documents(path, passage_chars=300, overlap_chars=20))
    assert max(len(p.text) for p in passages) == 300
    assert {(p.line_start, p.line_end) for p in passages} == {(1, 1)}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xyz", b"x", r"of a kind that cannot be read\. The kinds are .*\.md, .*\.pdf, .*\.txt"),
        ("empty.txt", b" \n ", "holds no text"),
        ("binary.txt", b"MZ\x00\x01", "zero bytes"),
        ("notes.pdf", b"This is no PDF at all.", "cannot be read"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """An unknown kind, no text, something binary, a damaged PDF: each error names file and reason."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=reason) as raised:
        list(load_documents(path))
    assert name in str(raised.value)


def test_missing_files_and_empty_folders_are_told_before_anything_is_read(tmp_path: Path, notes: Path) -> None:
    """The call itself raises, though a good file comes first."""
    with pytest.raises(DocumentError, match=r"no file .*gone\.txt"):
        load_documents([notes, tmp_path / "gone.txt"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DocumentError, match=r"folder .* holds no document"):
        load_documents([notes, tmp_path / "folder"])


def test_an_encrypted_pdf_says_that_it_is_locked(tmp_path: Path) -> None:
    """A PDF with a password is an error, not an empty document."""
    from pypdf import PdfWriter

    path = tmp_path / "locked.pdf"
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)
    with pytest.raises(DocumentError, match=r"locked\.pdf is locked with a password"):
        list(load_documents(path))


def test_a_pdf_without_text_says_what_it_needs(tmp_path: Path) -> None:
    """A scan holds pictures only."""
    from pypdf import PdfWriter

    path = tmp_path / "scan.pdf"
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(path)
    with pytest.raises(DocumentError, match="text recognition"):
        list(load_documents(path))


def test_the_papers_passages_name_their_pages(shared_data: Path) -> None:
    """A real PDF of 13 pages: all pages in order, the title, whole words across line ends, nothing over the length."""
    passages = list(load_documents(shared_data / "documents" / "memgpt_paper.pdf"))
    assert list(dict.fromkeys(p.page for p in passages)) == list(range(1, 14))
    assert {p.title for p in passages} == {"MemGPT: Towards LLMs as Operating Systems"}
    assert max(len(p.text) for p in passages) <= 800
    (queue,) = [p for p in passages if p.text.startswith("2.2. Queue Manager")] or [passages[0]]
    assert isinstance(queue, DocumentPassage)
    assert any("recursive summary" in p.text and p.page == 3 for p in passages)
    assert passages[0].source == "memgpt_paper.pdf, page 1"


def test_importing_the_package_loads_no_parser(notes: Path) -> None:
    """Reading a text in UTF-8 starts no process and needs none of them either."""
    code = (
        "import sys\nfrom memgpt_agent.documents import load_documents\n"
        f"print(len(list(load_documents({str(notes)!r}))) > 3)\n"
        "print(sorted({'pypdf', 'python_calamine', 'striprtf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[]"], done.stdout


def test_each_kind_has_its_loader() -> None:
    """The kinds that the documentation names."""
    named = {".txt", ".md", ".pdf", ".html", ".docx", ".csv", ".ipynb", ".py", ".rst"}
    assert named <= set(LOADERS)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in LOADERS)
