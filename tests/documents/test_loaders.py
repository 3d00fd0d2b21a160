"""Each kind of file: what is read of it, and on which lines it says to stand; which files of a folder are read."""

import json
from pathlib import Path

import pytest

from memgpt_agent.documents import find_files, load_documents
from memgpt_agent.errors import DocumentError


def passages(path: Path) -> list[tuple[str, str]]:
    """Source and text of each passage."""
    return [(p.source, p.text) for p in load_documents(path)]


def test_html_shows_what_a_reader_sees_on_the_files_own_lines(tmp_path: Path) -> None:
    """Scripts, styles and the head are not text; entities are read; the title is kept."""
    path = tmp_path / "page.html"
    path.write_text(
        "<html><head><title>The  Mill</title><style>p {color: red}</style></head>\n<body><script>steal()</script>\n"
        "<p>Grain &amp; flour</p>\n<table><tr><td>oats</td><td>12</td></tr></table></body></html>\n"
    )
    (passage,) = load_documents(path)
    assert passage.text.split("\n") == ["Grain & flour", "oats 12"]
    assert (passage.source, passage.title) == ("page.html, lines 3-4", "The Mill")


def test_a_table_is_read_row_by_row_with_its_lines(tmp_path: Path) -> None:
    """A cell may hold line breaks; the delimiter is found out."""
    path = tmp_path / "stock.csv"
    rows = "\n".join(f"item {n};{n};shelf {n % 7}, far end" for n in range(60))
    path.write_text(f'name;count;"where\nexactly"\n"lamp\nlarge";2;attic\n{rows}\n')
    found = passages(path)
    assert found[0][1].startswith("name: lamp\nlarge; count: 2; where\nexactly: attic\nname: item 0; count: 0")
    assert found[0][0].startswith("stock.csv, lines 3-")
    assert found[-1][0].endswith("-64")
    assert "name: item 59; count: 59; where\nexactly: shelf 3, far end" in found[-1][1]


def test_a_sign_that_ends_no_line_of_the_file_ends_no_row(tmp_path: Path) -> None:
    """A form feed or a line separator stands in its cell, and what follows is on the file's own line."""
    path = tmp_path / "odd.csv"
    path.write_text("name;note\nlamp;one\u2028two\nrope;three\x0cfour\n", encoding="utf-8")
    assert passages(path) == [("odd.csv, lines 2-3", "name: lamp; note: one\u2028two\nname: rope; note: three\x0cfour")]


def test_a_notebook_is_read_cell_by_cell(tmp_path: Path) -> None:
    """Prose, code and what the code printed."""
    path = tmp_path / "study.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["# Rain\n", "in Porto"]},
        {"cell_type": "code", "source": "print('hail')", "outputs": [{"output_type": "stream", "text": ["hail\n"]}]},
    ]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}))
    assert passages(path) == [("study.ipynb, cell 1", "# Rain\nin Porto"), ("study.ipynb, cell 2", "print('hail')\nhail")]
    path.write_text("[]")
    with pytest.raises(DocumentError, match=r"study\.ipynb is not a notebook"):
        passages(path)


def test_a_word_document_is_read(tmp_path: Path) -> None:
    """Its paragraphs, in order."""
    import zipfile

    path = tmp_path / "letter.docx"
    words = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in ("Dear Ann,", "the roof is mended."))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{words}"><w:body>{body}</w:body></w:document>')
    ((source, text),) = passages(path)
    assert text.split() == ["Dear", "Ann,", "the", "roof", "is", "mended."]
    assert source.startswith("letter.docx, lines 1-")
    path.write_bytes(b"no archive")
    with pytest.raises(DocumentError, match=r"letter\.docx is damaged, or is not what its name says"):
        passages(path)


def test_source_code_is_cut_before_its_definitions(tmp_path: Path) -> None:
    """A function stands whole in a passage where it fits, on its own lines."""
    path = tmp_path / "code.py"
    path.write_text("\n\n".join(f"def f{n}(x):\n" + "\n".join(f"    x += {i}" for i in range(20)) for n in range(12)))
    found = list(load_documents(path))
    lines = path.read_text().split("\n")
    for passage in found:
        assert passage.text.strip().startswith("def f")
        assert passage.line_start is not None
        assert passage.text.strip().split("\n")[0] in lines[passage.line_start - 1 : passage.line_end]


def test_a_folder_is_read_as_git_sees_it(tmp_path: Path) -> None:
    """Nested rules, negations and folders; hidden files; links that lead out are not followed."""
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    root = tmp_path / "tree"
    for name in (
        "keep.py",
        "drop.log",
        "keep.log",
        "build/x.py",
        "sub/local.txt",
        "sub/deep/local.txt",
        "sub/other.txt",
        ".env.txt",
        "Makefile",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (root / "sub" / ".gitignore").write_text("/local.txt\n")
    (root / "out.txt").symlink_to(outside)
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "inside.txt").symlink_to(root / "sub" / "other.txt")
    assert [file.name for file in find_files(root)] == [
        "Makefile",
        "inside.txt",
        "keep.log",
        "keep.py",
        "sub/deep/local.txt",
    ]
