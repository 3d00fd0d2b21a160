"""The image that `langgraph dockerfile` describes: it keeps its data on a volume, and holds the package and nothing else."""

import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("config", ["langgraph.json", "langgraph.auth.json"])
def test_the_recipe_of_the_image_names_the_data_folder(config: str, tmp_path: Path) -> None:
    """LangGraph's own command writes it; the store and the graphs are in it, and the base image and the day of the packages are fixed."""
    command = [sys.executable, "-m", "langgraph_cli", "dockerfile", str(tmp_path / "Dockerfile"), "-c", str(ROOT / config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    recipe = (tmp_path / "Dockerfile").read_text()
    pins = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#")
    assert recipe.startswith(f"FROM langchain/langgraph-api:{pins['langgraph-api']}-py3.11-wolfi\n")
    assert "ENV MEMGPT_HOME=/data UV_EXCLUDE_NEWER=20" in recipe
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
