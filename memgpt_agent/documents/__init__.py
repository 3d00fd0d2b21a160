"""Files and folders become passages: what is read, by which loader, and where it is cut."""

from memgpt_agent.documents.folders import DocumentFile, find_files
from memgpt_agent.documents.loaders import LOADERS, Loader, Section
from memgpt_agent.documents.passages import DocumentPassage, cut, load_documents, read_sections

__all__ = [
    "LOADERS",
    "DocumentFile",
    "DocumentPassage",
    "Loader",
    "Section",
    "cut",
    "find_files",
    "load_documents",
    "read_sections",
]
