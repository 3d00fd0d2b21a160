"""The image that `langgraph dockerfile` describes: it keeps its data on a volume, and holds the package and nothing else."""

import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("config", ["langgraph.json", "langgraph.auth.json"])
def test_the_recipe_of_the_image_names_the_data_folder(config: str, tmp_path: Path) -> None:
    """Written by LangGraph's own command; the store and the graphs are in it."""
    command = [sys.executable, "-m", "langgraph_cli", "dockerfile", str(tmp_path / "Dockerfile"), "-c", str(ROOT / config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    recipe = (tmp_path / "Dockerfile").read_text()
    assert "ENV MEMGPT_HOME=/data" in recipe
    assert "VOLUME /data" in recipe
    assert "memgpt_agent.graph.memgpt:graph" in recipe


def test_the_image_holds_what_the_package_is_built_from_and_nothing_else() -> None:
    """Neither tests nor an environment nor the history are sent to the builder."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert lines[0] == "*"
    assert [name for name in kept if not (ROOT / name).exists()] == []
    assert {"memgpt_agent", "pyproject.toml", "langgraph.json", "README.md", "LICENSE"} <= set(kept)
    assert not any(fnmatch.fnmatch(name, pattern) for name in (".venv", ".git", "tests", "build") for pattern in kept)
