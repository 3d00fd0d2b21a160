"""Drawing a knowledge graph as Mermaid text or as SVG, without a drawing library or a network."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

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


Positions = NDArray[np.float64]
"""(n, 2) float64: the centres of the boxes."""

_STEPS, _STEPS_A_BOX = 300, 12
"""A part of the graph is laid out in so many steps at most, and in so many for each box: pairs, of which there may be many, settle soon."""
_PUSHES = 2_000
_WIDE = 1.5
"""Pictures are wider than they are high by about this."""


def place(sizes: Positions, links: Sequence[tuple[int, int]], margin: float = 14.0) -> Positions:
    """Return the centres (n, 2) of boxes of these sizes (n, 2), linked in pairs; no two boxes overlap, the same each time.

    What no link joins lies side by side, in rows.

    **Limits**: made for some hundred boxes; each step looks at every pair. Were boxes so many that pushing does not
    come to an end in 2,000 rounds, some overlap is left.

    **Source**: the forces are those of Fruchterman and Reingold (1991).
    """
    parts = sorted(_parts(len(sizes), links), key=lambda part: (-len(part), part[0]))
    placed = [_placed(sizes[part], _within(part, links), margin) for part in parts]
    corners = [(at - sizes[part] / 2).min(axis=0) - margin for part, at in zip(parts, placed, strict=True)]
    extents = [
        (at + sizes[part] / 2).max(axis=0) + margin - low for part, at, low in zip(parts, placed, corners, strict=True)
    ]
    centres = np.zeros((len(sizes), 2))
    for part, at, low, start in zip(parts, placed, corners, _in_rows(extents), strict=True):
        centres[part] = at - low + start
    return centres


def _parts(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The boxes that links join, directly or not, each part sorted."""
    part = list(range(count))
    for one, other in links:
        low, high = sorted((part[one], part[other]))
        part = [low if p == high else p for p in part]
    return [[i for i in range(count) if part[i] == p] for p in sorted(set(part))]


def _within(part: Sequence[int], links: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    place_of = {box: i for i, box in enumerate(part)}
    return [(place_of[one], place_of[other]) for one, other in links if one in place_of]


def _in_rows(extents: Sequence[Positions]) -> list[Positions]:
    """Where each part begins: one beside the other until the row is about as wide as the whole is to be, then the next row."""
    width = max(
        (np.sqrt(sum(float(e[0] * e[1]) for e in extents)) * _WIDE, *(float(e[0]) for e in extents)), default=0.0
    )
    starts: list[Positions] = []
    x = y = height = 0.0
    for extent in extents:
        if x and x + extent[0] > width:
            x, y, height = 0.0, y + height, 0.0
        starts.append(np.array([x, y]))
        x, height = x + float(extent[0]), max(height, float(extent[1]))
    return starts


def _placed(sizes: Positions, links: Sequence[tuple[int, int]], margin: float) -> Positions:
    n = len(sizes)
    spring = float(np.sqrt((sizes.prod(axis=1)).mean())) * 0.95
    angle = np.arange(n) * 2.399963  # the golden angle: no two start at one place, and none in a row
    at = np.stack([np.cos(angle), np.sin(angle)], axis=1) * spring * np.sqrt(np.arange(n) + 1.0)[:, None]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    steps = min(_STEPS, _STEPS_A_BOX * n)
    for step in range(steps):
        at += _moves(at, ends, spring) * (1.0 - step / steps)
    at[:, 0] *= _WIDE
    return _apart(at, sizes / 2 + margin / 2)


def _moves(at: Positions, ends: NDArray[np.int64], spring: float) -> Positions:
    apart = at[:, None] - at[None]
    distance = np.maximum(np.linalg.norm(apart, axis=2), 0.01)
    force = (apart * (spring**2 / distance**2)[..., None]).sum(axis=1)
    if len(ends):
        along = at[ends[:, 1]] - at[ends[:, 0]]
        pull = along * (np.linalg.norm(along, axis=1) / spring)[:, None]
        np.add.at(force, ends[:, 0], pull)
        np.add.at(force, ends[:, 1], -pull)
    force -= at * 0.06  # it keeps together
    length = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 0.01)
    return force / length * np.minimum(length, spring)


def _apart(at: Positions, halves: Positions) -> Positions:
    """Push overlapping boxes apart along the side on which they overlap less."""
    reach = halves[:, None] + halves[None]
    others = ~np.eye(len(at), dtype=bool)
    for _ in range(_PUSHES):
        between = at[:, None] - at[None]
        overlap = reach - np.abs(between)
        hit = np.logical_and(overlap.min(axis=2) > 0.01, others)
        if not hit.any():
            break
        sideways = overlap[..., 0] < overlap[..., 1]
        way = np.where(between >= 0, 1.0, -1.0)
        lower = np.arange(len(at))[:, None] > np.arange(len(at))[None]
        way = np.where(between == 0, np.where(lower, 1.0, -1.0)[..., None], way)
        push = np.stack(
            [np.where(hit & sideways, overlap[..., 0], 0), np.where(hit & ~sideways, overlap[..., 1], 0)], axis=2
        )
        at += (push * way).sum(axis=1) * 0.5 / np.maximum(hit.sum(axis=1), 1)[:, None] ** 0.5
    return at


_NODE_FONT, _LINE_FONT = 13, 11
_CHAR_WIDTH = 0.6
"""About how wide a character is, as a share of the font's size; wide scripts take one whole."""
_EDGE = 24.0
_STYLE = """\
  text { font-family: Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; text-anchor: middle; }
  .name { font-size: 13px; fill: #14212b; }
  .relation { font-size: 11px; fill: #37474f; }
  .past-relation { font-size: 11px; fill: #8a5a3c; }
  .note { font-size: 11px; fill: #607d8b; text-anchor: start; }"""


def to_svg(drawing: Drawing, title: str = "Knowledge graph") -> str:
    """Return the drawing as an SVG document: entities as boxes, values rounded, past facts dashed; no label overlaps another."""
    written = [_wrapped(node.label, 22) for node in drawing.nodes] + [_labels(line) for line in drawing.lines]
    fonts = [_NODE_FONT] * len(drawing.nodes) + [_LINE_FONT] * len(drawing.lines)
    sizes = np.array([_size(text, font) for text, font in zip(written, fonts, strict=True)], dtype=np.float64).reshape(
        -1, 2
    )
    first = len(drawing.nodes)
    links = [pair for i, line in enumerate(drawing.lines) for pair in ((line.start, first + i), (first + i, line.end))]
    at = place(sizes, links)
    if len(at):
        at = at - (at - sizes / 2).min(axis=0) + np.array([_EDGE, _EDGE + 20])
    extent = (at + sizes / 2).max(axis=0) + _EDGE if len(at) else np.array([320.0, 80.0])
    width, height = max(320, int(extent[0])), int(extent[1]) + 20
    parts = [_head(width, height, title)]
    parts += [_curve(line, at, sizes, first + i) for i, line in enumerate(drawing.lines)]
    parts += [
        _label(written[first + i], at[first + i], sizes[first + i], "past-relation" if line.past else "relation")
        for i, line in enumerate(drawing.lines)
    ]
    parts += [_box(node, written[i], at[i], sizes[i]) for i, node in enumerate(drawing.nodes)]
    parts += [f'<text class="note" x="{_EDGE}" y="{height - 12}">{escape(_note(drawing))}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _note(drawing: Drawing) -> str:
    facts = sum(len(line.labels) for line in drawing.lines)
    more = f" {drawing.left_out} more are not drawn." if drawing.left_out else ""
    return f"{len(drawing.nodes)} nodes, {facts} facts; dashed: no longer holds.{more}"


def _head(width: int, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n<defs>\n"
        + "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>\n'
            for name, colour in (("now", "#546e7a"), ("past", "#b08968"))
        )
        + f'</defs>\n<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="note" x="{_EDGE}" y="20">{escape(title)}</text>'
    )


def _wrapped(text: str, width: int, rows: int = 3) -> list[str]:
    lines = wrap(" ".join(text.split()), width) or [""]
    return lines if len(lines) <= rows else [*lines[: rows - 1], lines[rows - 1][: width - 1] + "…"]


def _labels(line: Edge) -> list[str]:
    rows = [row for label in line.labels[:6] for row in _wrapped(label, 24)]
    return [*rows, f"and {len(line.labels) - 6} more"] if len(line.labels) > 6 else rows


def _size(rows: Sequence[str], font: int) -> tuple[float, float]:
    widest = max(sum(1.0 if ord(char) > 0x2E80 else _CHAR_WIDTH for char in row) for row in rows)
    return widest * font + font, len(rows) * font * 1.25 + font * 0.8


def _curve(line: Edge, at: Positions, sizes: Positions, middle: int) -> str:
    """A curve from the subject's box through the label to the object's box."""
    start, through, end = at[line.start], at[middle], at[line.end]
    if line.start == line.end:
        bend = [
            through + (through - start)[::-1] * np.array([-0.6, 0.6]),
            through + (through - start)[::-1] * np.array([0.6, -0.6]),
        ]
        path = f"M{_xy(start)} C{_xy(bend[0])} {_xy(bend[1])} {_xy(_border(through, end, sizes[line.end]))}"
    else:
        control = 2 * through - (start + end) / 2
        path = f"M{_xy(_border(control, start, sizes[line.start]))} Q{_xy(control)} {_xy(_border(control, end, sizes[line.end]))}"
    look = (
        'stroke="#b08968" stroke-dasharray="5 4" marker-end="url(#past)"'
        if line.past
        else 'stroke="#546e7a" marker-end="url(#now)"'
    )
    return f'<path d="{path}" fill="none" stroke-width="1.2" {look}/>'


def _border(away: Positions, centre: Positions, size: Positions) -> Positions:
    """Where the straight line from ``away`` to a box's centre meets the box."""
    way = away - centre
    reach = np.abs(way) / np.maximum(size / 2 + 2, 0.01)
    return centre + way / max(float(reach.max()), 0.01)


def _xy(point: Positions) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _label(rows: Sequence[str], centre: Positions, size: Positions, look: str) -> str:
    corner = centre - size / 2
    ground = f'<rect x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" fill="#ffffff" fill-opacity="0.92"/>'
    return ground + _rows(rows, centre, _LINE_FONT, look)


def _box(node: Node, rows: Sequence[str], centre: Positions, size: Positions) -> str:
    corner = centre - size / 2
    look = 'fill="#fff8e6" stroke="#d9b44a"' if node.value else 'fill="#e6f1f8" stroke="#4a90b8"'
    round_px = size[1] / 2 if node.value else 5
    return (
        f'<rect x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="{round_px:.1f}" {look}/>'
        + _rows(rows, centre, _NODE_FONT, "name")
    )


def _rows(rows: Sequence[str], centre: Positions, font: int, look: str) -> str:
    first = centre[1] - (len(rows) - 1) * font * 0.625 + font * 0.36
    return "".join(
        f'<text class="{look}" x="{centre[0]:.1f}" y="{first + i * font * 1.25:.1f}">{escape(_printable(row))}</text>'
        for i, row in enumerate(rows)
    )


def _printable(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return "".join(char if char.isprintable() and not "\ud800" <= char <= "\udfff" else "\ufffd" for char in text)
