"""The recipes of docs/extending.md are carried out: each change is applied to a copy of the package, and its program runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECIPE = re.compile(r"^## (?P<title>A .+?)$(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?P<kind>diff|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> list[object]:
    """Return each recipe's blocks, named by its heading."""
    page = (ROOT / "docs" / "extending.md").read_text()
    return [pytest.param(BLOCK.findall(one["text"]), id=one["title"]) for one in RECIPE.finditer(page)]


def carry_out(change: str, folder: Path) -> None:
    """Make the files that a change calls new, and replace each place of the others, which must stand there once."""
    for part in re.split(r"^\+\+\+ ", change, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        file = folder / name.removeprefix("new ")
        if name.startswith("new "):
            assert not file.exists(), name
            file.write_text("".join(line.removeprefix("+") for line in body.splitlines(keepends=True)))
            continue
        text = file.read_text()
        for place in re.split(r"^@@\n", body, flags=re.MULTILINE)[1:]:
            lines = place.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            assert text.count(old) == 1, f"{name}: {text.count(old)} places are like\n{old}"
            text = text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
        file.write_text(text)


@pytest.mark.parametrize("blocks", recipes())
def test_a_recipe_works_as_it_stands(blocks: list[tuple[str, str]], tmp_path: Path) -> None:
    """Its change fits today's files, and what it adds does what the page says."""
    (_, change), (_, program) = blocks
    shutil.copytree(ROOT / "memgpt_agent", tmp_path / "memgpt_agent", ignore=shutil.ignore_patterns("__pycache__"))
    carry_out(change, tmp_path)
    own = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=own)
    assert ran.returncode == 0, ran.stderr


def test_there_is_a_recipe_for_each_kind_of_part() -> None:
    """Those that the contributors' page promises."""
    titles = [one["title"] for one in RECIPE.finditer((ROOT / "docs" / "extending.md").read_text())]
    assert titles == ["A tool", "A memory tier", "A node", "A store", "A provider", "A profile"]
