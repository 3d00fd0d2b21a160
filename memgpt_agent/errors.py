"""The package's exceptions in one tree. Each message says what failed, the offending value, and what to do next."""

from typing import Any


class MemGPTError(RuntimeError):
    """Base of every error that this package raises on purpose. A RuntimeError, since LangGraph Server passes on the messages of those."""


class ConfigurationError(MemGPTError, ValueError):
    """A setting, an argument or a name is invalid."""


class ContextTooSmall(ConfigurationError):
    """The context window is too small for what every prompt must hold."""


class MissingDependency(MemGPTError, ImportError):
    """A necessary package is not installed; the message names the command that installs it."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this package, from where the package itself came: its folder, a file, a repository.

    An index is named only where the package came from one.
    """
    import json
    import shlex
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    wanted = f"memgpt-agent[{extra}]"
    try:
        origin: dict[str, Any] = json.loads(distribution("memgpt-agent").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # a clone on the path
        origin = {"url": Path(__file__).resolve().parents[1].as_uri(), "dir_info": {}}
    url = str(origin.get("url", ""))
    if "dir_info" in origin and url.startswith("file:"):
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{url2pathname(urlsplit(url).path)}[{extra}]')}"
    if repository := origin.get("vcs_info"):
        url = f"{repository['vcs']}+{url}@{repository['commit_id']}"
    return f'pip install "{wanted} @ {url}"' if url else f'pip install "{wanted}"'


class MissingCredential(ConfigurationError):
    """A provider needs a key and none is set; the message names the variable."""


class ModelError(MemGPTError):
    """A language or embedding model could not be loaded, or returned no usable answer."""


class ModelNotFound(ModelError):
    """The named model's file is not on this machine; the message names the command that downloads it."""


class DocumentError(MemGPTError):
    """A document cannot be read; nothing of it was stored."""


class AgentFileError(MemGPTError, ValueError):
    """A file cannot be imported as an agent, or an agent cannot be exported; nothing was changed."""


class AgentExists(MemGPTError):
    """An agent or a conversation with this id exists already; nothing was changed."""


class AgentNotFound(MemGPTError, LookupError):
    """No agent with this id is stored."""


class TokenNotFound(MemGPTError, LookupError):
    """No token with this id exists."""


class NotAllowed(MemGPTError):
    """The acting owner may read this but not change it, or may not choose it; the message says who can allow it."""


class StoreError(MemGPTError):
    """The store cannot do this; its contents are unchanged."""


class StoreCorrupt(StoreError):
    """A database file is damaged or is not ours; it was not changed."""


class EmbeddingMismatch(StoreError):
    """The store was written with another embedding model or dimension."""


class StoreBusy(StoreError):
    """Another process held the store's lock for too long; nothing was written."""


class StoreUnreachable(StoreError):
    """The database's server did not answer for as long as it was waited for."""


class StoreClosed(StoreError):
    """The store was used after it was closed."""


class ConversationBusy(MemGPTError, TimeoutError):
    """Another turn held the conversation for too long; nothing was done."""


class LeaseLost(MemGPTError):
    """Another process took over the conversation of a turn that seemed dead; the turn writes nothing more."""

    @classmethod
    def of(cls, name: str) -> "LeaseLost":
        """Return the error for a conversation's name."""
        return cls(
            f"The conversation {name!r} was taken over: this turn was silent for too long. What it did so far is kept; "
            "it writes nothing more. Send the message again."
        )


class ValueNotStorable(StoreError, TypeError):
    """A value is not JSON and cannot be stored."""


class ToolError(MemGPTError):
    """A tool could not do what the model asked; the message tells the model how to correct itself."""


class LimitReached(NotAllowed, ToolError):
    """An owner has used up what a limit allows; nothing was done. The message says which limit, and what to do."""

    retry_after_seconds: int | None = None
    """When to try again, if time alone heals it."""

    @classmethod
    def of(cls, text: str, retry_after_seconds: float | None = None) -> "LimitReached":
        """Return the error; ``retry_after_seconds`` is rounded up."""
        error = cls(text)
        error.retry_after_seconds = None if retry_after_seconds is None else max(1, -int(-retry_after_seconds // 1))
        return error


class WriteConflict(StoreError, ToolError):
    """Others changed an item before each attempt to change it. Their writes stand; trying again may succeed."""


class UnknownBlock(ToolError, LookupError):
    """No core memory block has this label."""


class BlockReadOnly(ToolError):
    """The core memory block may not be edited by the agent."""


class BlockExists(ToolError):
    """A core memory block with this label exists already."""


class BlockInUse(ToolError):
    """A shared block is attached to an agent and cannot be deleted; nothing was changed."""


class CoreMemoryFull(ToolError):
    """The edit would make a core memory block longer than its limit."""


class EditConflict(ToolError):
    """Others changed a text while it was being edited; their text stands."""

    difference: str = ""
    """What the others changed, in unified form."""

    @classmethod
    def of(cls, what: str, before: str, now: str) -> "EditConflict":
        """Return the error for a text that was ``before`` when the editing began and is another ``now``."""
        from difflib import unified_diff

        error = cls(f"{what!r} was changed while you edited it; nothing was written.")
        error.difference = "\n".join(unified_diff(before.split("\n"), now.split("\n"), "as you opened it", "as it is now", lineterm=""))
        return error


class TextNotFound(ToolError):
    """The block does not contain the text to replace."""


class TextNotUnique(ToolError):
    """The block contains the text to replace more than once."""


class BadDate(ToolError, ValueError):
    """A date is not in one of the accepted ISO 8601 forms."""


class InvalidArguments(ToolError, ValueError):
    """A tool call's arguments do not fit the tool's schema."""


class UnknownTool(ToolError, LookupError):
    """The model called a tool that it does not have."""


class UnknownVersion(ToolError, LookupError):
    """The given point names no version, moment or turn of core memory's history."""


class NothingToUndo(ToolError):
    """There is no edit of core memory left to undo or redo."""


class FileNotAttached(ToolError, LookupError):
    """The agent has no file of this name, or it is not open."""


class UnknownUpload(ToolError, LookupError):
    """No picture or file of this id was sent to the agent."""


class UnknownPassage(ToolError, LookupError):
    """No archival passage has this id."""


class NothingToDecide(MemGPTError, LookupError):
    """No tool call waits for this decision."""


class MissingEmbedding(UserWarning):
    """A store's embedding is unavailable, so searches use words only; the message says what to do."""


class NotDurable(UserWarning):
    """The way this agent runs, a crash may make it write to memory twice; the message says how to run it."""


class SummarizedTwice(UserWarning):
    """Another middleware also summarises the conversation; the message says how to remove it."""
