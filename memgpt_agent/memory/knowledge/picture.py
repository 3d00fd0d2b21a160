"""The drawing of a knowledge graph as an SVG picture, made here: no drawing library, no network."""

from collections.abc import Sequence
from textwrap import wrap
from xml.sax.saxutils import escape

import numpy as np

from memgpt_agent.memory.knowledge.drawing import Drawing, Edge, Node
from memgpt_agent.memory.knowledge.layout import Positions, place

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
