"""Detecting the kind of a document by name and media type, and naming it for the agent."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

from memgpt_agent.documents.loaders import LOADERS, NAMED_LOADERS

_MOST_NAME_CHARS = 120
_SUFFIXES = {
    "application/pdf": ".pdf", "text/html": ".html", "application/xhtml+xml": ".html", "text/csv": ".csv", "text/tab-separated-values": ".tsv",
    "text/markdown": ".md", "application/json": ".json", "application/x-ipynb+json": ".ipynb", "application/xml": ".xml",
    "application/yaml": ".yaml", "application/x-yaml": ".yaml", "application/javascript": ".js", "application/toml": ".toml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx", "message/rfc822": ".eml",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx", "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx", "application/vnd.oasis.opendocument.text": ".odt",
    "application/rtf": ".rtf", "text/rtf": ".rtf", "application/vnd.ms-excel": ".xls", "application/vnd.oasis.opendocument.spreadsheet": ".ods",
}  # fmt: skip
"""What stands for a media type where a file's name does not say its kind."""


def kind_of_document(name: str, mime: str) -> str:
    """Return the suffix that chooses a document's loader; empty if it cannot be read."""
    mime = mime.partition(";")[0].strip().lower()
    if mime == "application/pdf":
        return ".pdf"  # its first bytes say so
    if mime.partition("/")[0] in {"image", "audio", "video"}:
        return ""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in LOADERS and suffix != ".pdf":
        return suffix
    if not suffix and name.lower() in NAMED_LOADERS:
        return ".txt"
    return _SUFFIXES.get(mime) or (".txt" if mime.startswith("text/") else "")


def plain_name(name: str) -> str:
    """Return a file's name as it can be shown and saved: on one line, without folders, and without signs that cannot be seen."""
    last = re.split(r"[\\/]", name)[-1]
    shown = "".join(" " if sign.isspace() else sign for sign in last if sign.isspace() or unicodedata.category(sign)[0] != "C")
    return " ".join(shown.split())[-_MOST_NAME_CHARS:].lstrip(".")


def called(name: str, suffix: str, used: Collection[str]) -> str:
    """Return the agent's name for a file that came as bytes, different from the names already taken."""
    bare = plain_name(name) or f"attachment{suffix}"
    path = PurePosixPath(bare)
    number, free = 1, bare
    while free in used:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    return free
