"""A knowledge graph as nodes and edges to draw, and as Mermaid text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from memgpt_agent.memory.knowledge.facts import Fact


@dataclass(frozen=True)
class Node:
    """The end of a line: an entity or a value."""

    key: str
    """An entity's id, or the text of a value."""
    label: str
    """Its label."""
    value: bool
    """Whether it is a value: a number, a date; it is drawn apart from entities."""


@dataclass(frozen=True)
class Edge:
    """A line from one node to another."""

    start: int
    """The place of the subject among the nodes."""
    end: int
    """The place of the object."""
    labels: tuple[str, ...]
    """The relations, and for those that no longer hold their time."""
    past: bool
    """Whether none of it holds any more; it is dashed."""


@dataclass(frozen=True)
class Drawing:
    """A knowledge graph to be drawn."""

    nodes: tuple[Node, ...]
    """Entities and values, the best connected first."""
    lines: tuple[Edge, ...]
    """Facts; those with the same ends and the same state are one line."""
    left_out: int
    """Facts that are not drawn because they are too many."""


def drawing_of(facts: Sequence[Fact], limit: int = 60) -> Drawing:
    """Return the drawing of at most ``limit`` facts, those of the best connected entities first."""
    count = Counter(key for fact in facts for key in _ends(fact))
    chosen = sorted(facts, key=lambda f: (not f.open, -sum(count[key] for key in _ends(f)), f.order))[:limit]
    labels: dict[str, Node] = {}
    for fact in chosen:
        start, end = _ends(fact)
        labels.setdefault(start, Node(start, fact.subject, value=False))
        labels.setdefault(end, Node(end, fact.object, value=not fact.object_id))
    nodes = sorted(labels.values(), key=lambda n: (-count[n.key], n.label, n.key))
    place = {node.key: i for i, node in enumerate(nodes)}
    grouped: dict[tuple[int, int, bool], list[str]] = {}
    for fact in sorted(chosen, key=lambda f: f.order):
        start, end = _ends(fact)
        label = fact.relation if fact.open else f"{fact.relation} ({fact.valid_from[:10]} to {fact.valid_until[:10]})"
        grouped.setdefault((place[start], place[end], not fact.open), []).append(label)
    lines = [Edge(start, end, tuple(dict.fromkeys(said)), past) for (start, end, past), said in grouped.items()]
    return Drawing(tuple(nodes), tuple(lines), len(facts) - len(chosen))


def _ends(fact: Fact) -> tuple[str, str]:
    """The keys of a fact's two nodes; a value has a node of its own for each fact, as it joins nothing."""
    return fact.subject_id, fact.object_id or f"{fact.subject_id} {fact.slot} {fact.object}"


def to_mermaid(drawing: Drawing) -> str:
    """Return the drawing as a Mermaid flowchart; what no longer holds is dotted."""
    text = ["flowchart LR"]
    for i, node in enumerate(drawing.nodes):
        shape = f'(["{_escaped(node.label)}"])' if node.value else f'["{_escaped(node.label)}"]'
        text.append(f"    n{i}{shape}")
    for line in drawing.lines:
        label = _escaped("; ".join(line.labels))
        text.append(
            f"    n{line.start} {f'-. {_quoted(label)} .->' if line.past else f'-- {_quoted(label)} -->'} n{line.end}"
        )
    if drawing.left_out:
        text.append(f"    %% {drawing.left_out} more facts are not drawn")
    return "\n".join(text) + "\n"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _escaped(text: str) -> str:
    """Text that Mermaid shows as it is: what it would read as markup becomes an entity."""
    line = " ".join(text.split())
    return "".join(f"#{ord(char)};" if char in '"#<>`\\&;*_~' or not char.isprintable() else char for char in line)
