"""`memgpt backup`, `memgpt restore` and `memgpt doctor --deep` in the terminal."""

import json
from pathlib import Path

import pytest

from memgpt_agent.testing import say


def test_a_home_goes_to_a_backup_and_back(memgpt, tmp_path: Path) -> None:
    """Each step says what it did; a restore over something must be asked for."""
    memgpt.script(say("Noted."), say("Rex."))
    memgpt.ok("run", "My dog is Rex.")
    assert f"Backed up to {tmp_path / 'b'}: 2 files" in memgpt.ok("backup", str(tmp_path / "b"))
    assert "is whole: 2 files" in memgpt.ok("restore", str(tmp_path / "b"), "--check")
    refused = memgpt("restore", str(tmp_path / "b"))
    assert (refused.exit_code, "give --replace" in refused.stderr.replace("\n", " ")) == (1, True)
    restored = json.loads(memgpt.ok("restore", str(tmp_path / "b"), "--replace", "--json"))
    assert Path(restored["moved_to"]).is_dir()
    assert memgpt.ok("run", "What is my dog's name?").strip().endswith("Rex.")


def test_the_full_check_is_part_of_doctor(memgpt) -> None:
    """It reads every file and says that all are whole, or which is not."""
    memgpt.script(say("Noted."))
    memgpt.ok("run", "My dog is Rex.")
    checks = json.loads(memgpt("doctor", "--deep", "--json").stdout)
    assert [check["status"] for check in checks if check["name"] == "files"] == ["ok"]
    (memgpt.home / "other.db").write_bytes(b"SQLite format 3\x00" + bytes(5_000))
    checks = json.loads(memgpt("doctor", "--deep", "--json").stdout)
    assert [check["found"].split(":")[0] for check in checks if check["status"] == "failed" and check["name"] == "files"]


@pytest.mark.parametrize("lost", ["memory.db", "checkpoints.db"])
@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_a_database_that_was_lost_beside_the_other_is_a_finding(memgpt, lost: str, how: str) -> None:
    """Deleted or emptied: it is named, with what to do, and no traceback is shown."""
    memgpt.script(say("Hello."))
    memgpt.ok("run", "Hi")
    for file in memgpt.home.glob(f"{lost}*"):
        if file.is_file():
            file.unlink()
    if how == "emptied":
        (memgpt.home / lost).touch()
    result = memgpt("doctor", "--deep")
    told = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert f"{lost} is {'empty' if how == 'emptied' else 'not there'}" in told
    assert "memgpt restore" in told
