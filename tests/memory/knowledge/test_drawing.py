"""The knowledge graph drawn: Mermaid text, boxes that do not overlap, and the SVG."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.memory.knowledge.picture import drawing_of, place, to_mermaid, to_svg
from memgpt_agent.testing import Clock


@pytest.fixture
def graph() -> KnowledgeGraph:
    """Return a graph in which Ann has moved."""
    graph = KnowledgeGraph(InMemoryStore(), "ann", Clock())
    graph.insert("Ann", "lives in", "Porto", valid_from="2019-01-01")
    graph.insert("Ann", "lives in", "Lisbon", valid_from="2024-01-01")
    graph.insert("Ann", "likes", "Lisbon", valid_from="2024-02-01")
    graph.insert("Ann", "age", "42", valid_from="2024-03-01")
    return graph


def parsed(svg: str) -> ET.Element:
    """Return the picture as XML; raises where it is not well formed."""
    return ET.fromstring(svg)  # noqa: S314  our own text


def test_mermaid_text_has_a_node_for_each_entity_and_a_line_for_each_pair(graph: KnowledgeGraph) -> None:
    """What holds is a line, what has ended is dotted with its time, a value is rounded."""
    assert to_mermaid(drawing_of(graph.every())) == (
        'flowchart LR\n    n0["Ann"]\n    n1["Lisbon"]\n    n2(["42"])\n    n3["Porto"]\n'
        '    n0 -. "lives in (2019-01-01 to 2024-01-01)" .-> n3\n'
        '    n0 -- "lives in#59; likes" --> n1\n    n0 -- "age" --> n2\n'
    )


def test_names_cannot_break_out_of_the_mermaid_text() -> None:
    """Quotes, brackets of markup and line feeds become entities."""
    graph = KnowledgeGraph(InMemoryStore(), "ann", Clock())
    graph.insert('A"]; click n0 "javascript:x', "is <b>\nfond` of", "B --> C")
    lines = to_mermaid(drawing_of(graph.every())).splitlines()
    assert len(lines) == 4
    assert all(line.count('"') in (0, 2) for line in lines)
    assert "<b>" not in "".join(lines)


def test_of_too_many_facts_the_best_connected_are_drawn(graph: KnowledgeGraph) -> None:
    """And it is said how many are not."""
    graph.insert("Zoe", "likes", "tea")
    drawing = drawing_of(graph.every(), limit=3)
    assert (drawing.left_out, [node.label for node in drawing.nodes]) == (2, ["Ann", "Lisbon", "42"])
    assert to_mermaid(drawing).endswith("%% 2 more facts are not drawn\n")


@pytest.mark.parametrize("count", [0, 1, 2, 40, 150])
def test_no_two_boxes_overlap(count: int) -> None:
    """Whatever their sizes and links, and the same each time."""
    random = np.random.default_rng(count)
    sizes = random.uniform([30, 20], [180, 60], size=(count, 2))
    links = [(int(a), int(b)) for a, b in random.integers(0, max(count, 1), size=(count, 2))]
    at = place(sizes, links)
    assert np.array_equal(at, place(sizes, links))
    gaps = (np.abs(at[:, None] - at[None]) - (sizes[:, None] + sizes[None]) / 2).max(axis=2)
    assert (gaps + np.eye(count) * 1e9 >= 0).all()


def test_the_picture_is_well_formed_and_dashes_what_is_past(graph: KnowledgeGraph) -> None:
    """An SVG with a box for each node, a curve for each line, and the labels as text."""
    root = parsed(to_svg(drawing_of(graph.every()), 'What "Ann" knows & likes'))
    space = "{http://www.w3.org/2000/svg}"
    paths = [p for p in root.iter(f"{space}path") if p.get("fill") == "none"]
    assert [("stroke-dasharray" in p.attrib) for p in paths] == [True, False, False]
    words = [t.text for t in root.iter(f"{space}text")]
    assert {"Ann", "Lisbon", "Porto", "42", "lives in", "likes", "age"} <= set(words)
    assert words[0] == 'What "Ann" knows & likes'
    assert words[-1] == "4 nodes, 4 facts; dashed: no longer holds."


def test_an_empty_graph_and_a_name_of_odd_characters_can_be_drawn() -> None:
    """Nothing to draw is a picture that says so; what XML cannot hold is shown as a mark."""
    parsed(to_svg(drawing_of([])))
    graph = KnowledgeGraph(InMemoryStore(), "ann", Clock())
    graph.insert("Bell\x07 <Co> & Söhne 東京", "knows", "Bell\x07 <Co> & Söhne 東京")
    parsed(to_svg(drawing_of(graph.every())))
