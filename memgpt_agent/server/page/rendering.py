"""Templates, and how they become answers: escaped, with the headers that keep a page to itself."""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

_HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script and no style within a page: text that is taken for markup does nothing."""
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin", "cache-control": "no-store",
}  # fmt: skip
"""The headers of every answer of the page."""
SHORT_CHARS = 4_000
"""So much of one text is shown at once; the rest stands behind a link."""


@cache
def templates() -> Environment:
    """Return the templates. Every value in them is escaped, and a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        auto_reload=False,
    )  # fmt: skip
    filters: dict[str, Any] = {
        "when": when, "ago": ago, "number": number, "counted": counted, "short": short, "pretty": pretty, "size": size,
    }  # fmt: skip
    made.filters.update(filters)
    made.globals.update(asset=asset)
    return made


def html(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a template, filled, as an answer."""
    return Response(written(template, values), status, media_type="text/html; charset=utf-8")


def written(template: str, values: Mapping[str, Any]) -> bytes:
    """Return a template, filled. Half an emoji and a NUL, which no page can hold, become the sign for what cannot be shown."""
    text = templates().get_template(template).render(values)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")


@cache
def asset(name: str) -> str:
    """Return the last part of the path of a file that the pages load; it changes with the file, so that browsers may keep it."""
    return f"{name}?v={hashlib.sha256((_HERE / 'static' / name).read_bytes()).hexdigest()[:12]}"


def static_file(name: str) -> Response | None:
    """Return a file that the pages load; ``None`` if there is none of this name."""
    path = _HERE / "static" / name
    if path.parent != _HERE / "static" or not path.is_file():
        return None
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    return Response(
        path.read_bytes(), media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"}
    )


def when(time: str, zone: str = "UTC") -> str:
    """Return a time in ISO 8601 as a person reads it; the text itself where it is not a time."""
    moment = _moment(time)
    if moment is None:
        return time
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OverflowError):
        local = moment
    return f"{local.day} {local.strftime('%b %Y, %H:%M')}"


def ago(time: str) -> str:
    """Return how long ago a time was, or how far ahead it is, in one unit."""
    moment = _moment(time)
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if abs(seconds) < 60:
        return "just now" if seconds >= 0 else "in a moment"
    for length, unit in (
        (86_400 * 365, "year"),
        (86_400 * 30, "month"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ):
        if abs(seconds) >= length:
            span = counted(int(abs(seconds) // length), unit)
            return f"{span} ago" if seconds > 0 else f"in {span}"
    return ""


def _moment(time: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def number(value: float) -> str:
    """Return a number with its thousands parted."""
    return f"{value:,}"


def counted(count: int, noun: str) -> str:
    """Return how many of something there are, in words."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def size(value: int) -> str:
    """Return a number of bytes in the unit that people use."""
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= length:
            return f"{value / length:,.1f} {unit}"
    return f"{value} bytes"


def short(text: str, limit_chars: int = 160) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text[: limit_chars * 4].split())
    return line if len(line) <= limit_chars and len(text) <= limit_chars * 4 else f"{line[:limit_chars].rstrip()} …"


def pretty(value: Any) -> str:
    """Return data, or JSON as text, as JSON that people can read; the text itself where it is none."""
    try:
        read = json.loads(value) if isinstance(value, str) else value
        return json.dumps(read, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        return str(value)
