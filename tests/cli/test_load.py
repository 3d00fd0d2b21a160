"""Documents into archival memory."""

import json
from pathlib import Path


def test_a_document_is_found_with_its_place(memgpt, tmp_path: Path) -> None:
    """Its passages carry the file and the lines, and the tags that were given; a second time nothing is new."""
    notes = tmp_path / "notes.md"
    notes.write_text("# Boiler\n\nThe boiler was serviced in May.\n")
    assert memgpt.ok("load", str(notes), "--tag", "house") == "1 new passage from 1 file for agent default.\n"
    found = json.loads(memgpt.ok("memory", "search", "boiler service", "--in", "archival", "--json"))["archival"]
    assert [(passage["source"], passage["tags"]) for passage in found] == [("notes.md, lines 1-3", ["house"])]
    again = json.loads(memgpt.ok("load", str(notes), "--json"))
    assert again == {"agent_id": "default", "files": 1, "passages": 1, "new": 0}


def test_a_file_that_cannot_be_read_stops_it_all(memgpt, tmp_path: Path) -> None:
    """Nothing of the readable one is stored either."""
    (tmp_path / "good.txt").write_text("Readable.")
    (tmp_path / "empty.txt").write_text("")
    result = memgpt("load", str(tmp_path / "good.txt"), str(tmp_path / "empty.txt"))
    assert result.exit_code == 1
    assert result.stderr.startswith("DocumentError: ")
    assert json.loads(memgpt.ok("memory", "search", "", "--in", "archival", "--json"))["archival"] == []


def test_the_paper_is_loaded_and_found_by_page(memgpt, shared_data: Path) -> None:
    """A real PDF of 13 pages: a question in other words finds the page that answers it."""
    memgpt.ok("load", str(shared_data / "documents" / "memgpt_paper.pdf"))
    found = json.loads(memgpt.ok("memory", "search", "nested key-value retrieval task", "--in", "archival", "--limit", "3", "--json"))
    assert all(passage["source"].startswith("memgpt_paper.pdf, page ") for passage in found["archival"])
    assert any("key-value" in passage["text"] for passage in found["archival"])
