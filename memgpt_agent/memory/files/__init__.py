"""Files attached to an agent: loaded into its memory, searched there, and read by line."""

from memgpt_agent.memory.files.attached import AttachedFiles, FileLoad, LoadProgress
from memgpt_agent.memory.files.open_files import FileView, OpenFiles
from memgpt_agent.memory.files.reading import Grep, Match, kind_of_document, plain_name
from memgpt_agent.memory.files.record import FileRecord

__all__ = ["AttachedFiles", "FileLoad", "FileRecord", "FileView", "Grep", "LoadProgress", "Match", "OpenFiles", "kind_of_document", "plain_name"]
