"""Where the boxes of a drawing lie: forces pull what belongs together, then boxes that overlap are pushed apart."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.float64]
"""(n, 2) float64: the centres of the boxes."""

_STEPS = 300
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
    for step in range(_STEPS):
        at += _moves(at, ends, spring) * (1.0 - step / _STEPS)
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
