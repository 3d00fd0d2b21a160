"""Drawing the knowledge graph from the command line."""

import json
from pathlib import Path

import pytest

from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.testing import say


@pytest.fixture
def knowing(memgpt):
    """Return a command line whose agent knows where Ann lived and lives."""
    memgpt.script(say("Hello."))
    memgpt.ok("run", "Hello.")
    from memgpt_agent.config import Settings
    from memgpt_agent.memory.opening import open_configured_store

    with open_configured_store(Settings.load(home=memgpt.home)) as store:
        graph = KnowledgeGraph(store, "default")
        graph.insert("Ann", "lives in", "Porto", valid_from="2019-01-01")
        graph.insert("Ann", "lives in", "Lisbon", valid_from="2024-01-01")
        graph.insert("Zoe", "likes", "tea", valid_from="2024-02-01")
    return memgpt


def test_the_graph_is_printed_as_mermaid(knowing) -> None:
    """With what is past dotted; one may ask for an entity, a time, or what holds only."""
    assert knowing.ok("memory", "graph") == (
        'flowchart LR\n    n0["Ann"]\n    n1["Lisbon"]\n    n2["Porto"]\n    n3["Zoe"]\n    n4["tea"]\n'
        '    n0 -. "lives in (2019-01-01 to 2024-01-01)" .-> n2\n    n0 -- "lives in" --> n1\n    n3 -- "likes" --> n4\n'
    )
    assert "Zoe" not in knowing.ok("memory", "graph", "ann")
    assert "Porto" not in knowing.ok("memory", "graph", "--no-past")
    assert "Lisbon" not in knowing.ok("memory", "graph", "--as-of", "2020")


def test_the_graph_is_written_as_the_files_ending_says(knowing, tmp_path: Path) -> None:
    """A picture, text or data."""
    for name, begins in (("g.svg", "<svg "), ("g.mmd", "flowchart LR"), ("g.json", "[")):
        knowing.ok("memory", "graph", "--output", str(tmp_path / name))
        assert (tmp_path / name).read_text().startswith(begins)
    assert [fact["object"] for fact in json.loads((tmp_path / "g.json").read_text())] == ["Porto", "Lisbon", "tea"]
    assert json.loads(knowing.ok("memory", "graph", "Zoe", "--format", "json"))[0]["relation"] == "likes"


def test_an_ending_that_says_nothing_is_an_error(knowing) -> None:
    """It names those that do."""
    result = knowing("memory", "graph", "-o", "picture.png")
    assert result.exit_code == 1
    assert "end it in .svg, .json, .mmd, .mermaid, .md, or give --format" in result.stderr
