"""Documents into an agent's memory, out of it again, and what there is."""

import json
import os
from pathlib import Path

from memgpt_agent.testing import say


def test_a_document_is_found_with_its_place(memgpt, tmp_path: Path) -> None:
    """Its passages carry the file and the lines, and the tags that were given; a second time it is left alone."""
    notes = tmp_path / "notes.md"
    notes.write_text("# Boiler\n\nThe boiler was serviced in May.\n")
    assert memgpt.ok("load", str(notes), "--tag", "house") == "1 passage from 1 file for agent default.\n"
    found = json.loads(memgpt.ok("memory", "search", "boiler service", "--in", "archival", "--json"))["archival"]
    assert [(passage["source"], passage["tags"]) for passage in found] == [("notes.md, lines 1-3", ["house"])]
    again = json.loads(memgpt.ok("load", str(notes), "--tag", "house", "--json"))
    assert again == {"agent_id": "default", "files": 1, "passages": 0, "unchanged": 1}


def test_a_named_file_that_cannot_be_read_stops_it_all(memgpt, tmp_path: Path) -> None:
    """Nothing of the readable one is stored either."""
    (tmp_path / "good.txt").write_text("Readable.")
    (tmp_path / "empty.txt").write_text("")
    result = memgpt("load", str(tmp_path / "good.txt"), str(tmp_path / "empty.txt"))
    assert result.exit_code == 1
    assert result.stderr.startswith("DocumentError: ")
    assert json.loads(memgpt.ok("memory", "search", "", "--in", "archival", "--json"))["archival"] == []


def test_a_folder_goes_in_and_out_and_is_listed(memgpt, tmp_path: Path) -> None:
    """What cannot be read in a folder is skipped and reported; unloading takes passages and lines out."""
    folder = tmp_path / "project"
    (folder / "build").mkdir(parents=True)
    (folder / ".gitignore").write_text("build/\n")
    (folder / "build" / "made.py").write_text("made = 1\n")
    (folder / "main.py").write_text("def main():\n    return 'zanzibar'\n")
    (folder / "bad.txt").write_bytes(b"MZ\x00\x01")
    result = memgpt("load", str(folder))
    assert result.stdout == "1 passage from 1 file for agent default (1 could not be read).\n"
    assert "bad.txt" in result.stderr
    (listed,) = json.loads(memgpt.ok("files", "--json"))
    assert (listed["name"], listed["lines"], listed["passages"]) == ("main.py", 2, 1)
    assert memgpt.ok("files").startswith("main.py  2 lines, 1 passage, from ")
    assert memgpt.ok("unload", str(folder)) == "1 file taken out of the memory of agent default.\n"
    assert json.loads(memgpt.ok("files", "--json")) == []
    assert json.loads(memgpt.ok("memory", "search", "zanzibar", "--in", "archival", "--json"))["archival"] == []


def test_unloading_what_is_not_there_says_how_to_see_what_is(memgpt, tmp_path: Path) -> None:
    """The error names the next command."""
    (tmp_path / "a.txt").write_text("Something.")
    memgpt.ok("load", str(tmp_path / "a.txt"))
    result = memgpt("unload", "b.txt")
    assert result.exit_code == 1
    assert "memgpt files" in result.stderr


def test_the_paper_is_loaded_and_found_by_page(memgpt, shared_data: Path) -> None:
    """A real PDF of 13 pages: a question in other words finds the page that answers it."""
    memgpt.ok("load", str(shared_data / "documents" / "memgpt_paper.pdf"))
    found = json.loads(
        memgpt.ok("memory", "search", "nested key-value retrieval task", "--in", "archival", "--limit", "3", "--json")
    )
    assert all(passage["source"].startswith("memgpt_paper.pdf, page ") for passage in found["archival"])
    assert any("key-value" in passage["text"] for passage in found["archival"])


def test_what_was_sent_along_is_listed_and_saved_as_it_came(memgpt, tmp_path, monkeypatch) -> None:
    """Under its own name in the folder where the command is given, or another; nothing is written over."""
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n and more")
    memgpt.script(say("Seen."))
    memgpt.ok("run", "Look.", "--attach", str(picture))
    (listed,) = json.loads(memgpt.ok("uploads", "--json"))
    assert "dot.png" in memgpt.ok("uploads")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    memgpt.ok("uploads", listed["id"])
    assert (tmp_path / "elsewhere" / "dot.png").read_bytes() == picture.read_bytes()
    assert memgpt("uploads", listed["id"]).exit_code == 1
    assert memgpt("uploads", "upload-none").exit_code == 1


def test_names_that_are_no_text_are_loaded(memgpt, tmp_path: Path) -> None:
    """Two files whose names differ in a byte that is no character are two files."""
    folder = tmp_path / "f"
    folder.mkdir()
    for byte in (b"\xe8", b"\xe9"):
        with open(os.fsencode(folder) + b"/r" + byte + b".txt", "wb") as file:  # noqa: PTH123 - a name that is no text
            file.write(b"text of " + byte)
    memgpt.ok("load", str(folder))
    assert len(json.loads(memgpt.ok("files", "--json"))) == 2
    assert memgpt.ok("unload", str(folder)).startswith("2 files")


def test_each_file_that_cannot_be_read_is_named_with_its_reason(memgpt, tmp_path: Path) -> None:
    """The JSON lists what the text cuts short."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.txt").write_text("the harbour is quiet")
    for n in range(12):
        (folder / f"torn{n:02}.pdf").write_bytes(b"%PDF-1.4 torn")
    told = json.loads(memgpt.ok("load", str(folder), "--json"))
    assert (told["new"], told["unreadable"]) == (1, 12)
    assert [any(f"torn{n:02}.pdf" in reason for reason in told["skipped"]) for n in range(12)] == [True] * 12
