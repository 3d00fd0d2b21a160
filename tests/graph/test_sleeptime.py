"""The second graph: the same nodes and routers with another profile, named by `langgraph.json`."""

import json
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_both_graphs_are_named_for_the_server_and_drawn_alike() -> None:
    """A client of either finds the same four nodes; only the profile differs."""
    named = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert list(named) == ["memgpt", "sleeptime"]
    graphs = {name: import_module(path.partition(":")[0]).graph for name, path in named.items()}
    assert {name: graph.name for name, graph in graphs.items()} == {"memgpt": "memgpt", "sleeptime": "sleeptime"}
    drawings = {graph.get_graph().draw_mermaid() for graph in graphs.values()}
    assert len(drawings) == 1


def test_asleep_there_is_no_tool_that_speaks() -> None:
    """Whatever the model asks for, nobody is spoken to."""
    from memgpt_agent.tools.profiles import SLEEPTIME

    names = {tool.name for tool in SLEEPTIME.tools}
    assert "send_message" not in names
    assert {"memory_rethink", "archival_memory_retire", "knowledge_insert", "memory_finish_edits"} <= names
