"""Drawing the log of core memory as SVG: a lane for each block, its size over time, and a dot for each edit."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from memgpt_agent.memory.core.history import Version

MAX_DRAWN = 1_000
"""How many versions are drawn, the newest."""
_WIDTH, _LEFT, _RIGHT, _TOP, _LANE, _FOOT = 1_000, 150, 24, 48, 76, 62
_COLOURS = {"agent": "#1f6fb2", "user": "#6b7680", "sleeptime": "#7b4bb3", "import": "#2f8f5b"}
_OTHER = "#c46a1b"
_MAX_DATES = 8
_STYLE = """\
  text { font-family: Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; font-size: 12px; fill: #14212b; }
  .title { font-size: 15px; }
  .note { font-size: 11px; fill: #607d8b; }
  .lane { stroke: #d5dde2; stroke-width: 1; }
  .day { stroke: #e6ecef; stroke-width: 1; }
  .size { fill: #dbe8f2; stroke: #9bb9d1; stroke-width: 1; }"""


def log_svg(versions: Sequence[Version], title: str = "Core memory") -> str:
    """Return the picture of versions as an SVG document; what each was, and why, is in the title of its dot.

    Edits are spaced evenly in their order, since they come in bursts; days are marked below.

    **Limits**: the newest 1,000 versions.
    """
    drawn = sorted(versions, key=lambda v: (v.revision, v.time, v.label))[-MAX_DRAWN:]
    places = {revision: place for place, revision in enumerate(sorted({v.revision for v in drawn}))}
    labels = list(dict.fromkeys(v.label for v in drawn))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(places))
    across = {revision: _LEFT + (place + 0.5) * step for revision, place in places.items()}
    height = _TOP + _LANE * len(labels) + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        f'<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>',
        *_dates(drawn, across, height),
    ]
    for place, label in enumerate(labels):
        parts += _lane(label, [v for v in drawn if v.label == label], across, _TOP + _LANE * place)
    parts += [_legend(drawn, height), "</svg>"]
    return "\n".join(parts) + "\n"


def _lane(label: str, versions: Sequence[Version], across: dict[int, float], top: float) -> list[str]:
    most = max((len(v.value) for v in versions), default=0)
    foot = top + _LANE - 8

    def level(version: Version) -> float:
        return foot - (_LANE - 24) * (len(version.value) / most if most else 0)

    path = f"M{across[versions[0].revision]:.1f} {foot:.1f}"
    for version in versions:
        path += f" H{across[version.revision]:.1f} V{level(version):.1f}"
    end = _WIDTH - _RIGHT if not versions[-1].deleted else across[versions[-1].revision]
    parts = [
        f'<line class="lane" x1="{_LEFT}" y1="{foot}" x2="{_WIDTH - _RIGHT}" y2="{foot}"/>',
        f'<text x="12" y="{foot - 22}">{escape(_short(label, 20))}</text>',
        f'<text class="note" x="12" y="{foot - 7}">{_count(len(versions))}, up to {most:,}</text>',
        f'<path class="size" d="{path} H{end:.1f} V{foot:.1f} Z"/>',
    ]
    return parts + [_dot(version, across[version.revision], level(version)) for version in versions]


def _dot(version: Version, x: float, y: float) -> str:
    colour = _COLOURS.get(version.actor, _OTHER)
    inside = colour if version.kind == "edit" else "#ffffff"
    time = version.time[:16].replace("T", " ")
    tooltip = f"{version.revision}: {version.label} version {version.version}, {time} UTC, {version.actor} {version.tool}"
    tooltip += f"\n{version.thinking}" if version.thinking else ""
    tooltip += "\n(deleted)" if version.deleted else f"\n{_short(version.value, 400)}"
    if version.deleted:
        shape = f'<path d="M{x - 4:.1f} {y - 4:.1f} l8 8 m0 -8 l-8 8" stroke="{colour}" stroke-width="2">'
        return f"{shape}<title>{escape(tooltip)}</title></path>"
    look = f'fill="{inside}" stroke="{colour}" stroke-width="1.5"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {look}><title>{escape(tooltip)}</title></circle>'


def _dates(versions: Sequence[Version], across: dict[int, float], height: float) -> list[str]:
    """Mark where a new day begins, only as many days as can be read."""
    first: dict[str, float] = {}
    for version in versions:
        first.setdefault(version.time[:10], across[version.revision])
    days = list(first.items())
    every = -(-len(days) // _MAX_DATES)
    parts: list[str] = []
    for day, x in days[:: max(1, every)]:
        parts.append(f'<line class="day" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{height - _FOOT + 4}"/>')
        parts.append(f'<text class="note" x="{x:.1f}" y="{height - _FOOT + 18}" text-anchor="middle">{day}</text>')
    return parts


def _legend(versions: Sequence[Version], height: float) -> str:
    x, y = float(_LEFT), height - 16
    parts: list[str] = []
    for actor in dict.fromkeys(v.actor for v in versions):
        colour = _COLOURS.get(actor, _OTHER)
        parts.append(
            f'<circle cx="{x + 4:.1f}" cy="{y - 4}" r="3.5" fill="{colour}"/><text x="{x + 12:.1f}" y="{y}">{escape(actor)}</text>'
        )
        x += 28 + 7 * len(actor)
    parts.append(
        f'<text class="note" x="{x + 8:.1f}" y="{y}">hollow: undo or redo; cross: deleted; height: characters, to each lane\'s largest</text>'
    )
    return "\n".join(parts)


def _count(versions: int) -> str:
    return f"{versions:,} version{'' if versions == 1 else 's'}"


def _short(text: str, limit_chars: int) -> str:
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"
