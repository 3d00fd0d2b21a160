"""Turning files and folders into passages: which files, with which reader, within which limits, and where to cut."""

from memgpt_agent.documents.folders import DocumentFile, Skipped, find_files
from memgpt_agent.documents.loaders import LOADERS, BoundedLoader, Loader
from memgpt_agent.documents.opening import Limits
from memgpt_agent.documents.passages import (
    Content,
    DocumentPassage,
    cut,
    load_documents,
    read_sections,
    split_lines,
    without_text,
)
from memgpt_agent.documents.reading import DocumentReader
from memgpt_agent.documents.sections import DocumentSection

__all__ = [
    "LOADERS",
    "BoundedLoader",
    "Content",
    "DocumentFile",
    "DocumentPassage",
    "DocumentReader",
    "DocumentSection",
    "Limits",
    "Loader",
    "Skipped",
    "cut",
    "find_files",
    "load_documents",
    "read_sections",
    "split_lines",
    "without_text",
]
