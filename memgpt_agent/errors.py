"""The exceptions of the package: one tree, each error saying what, the value, and what to do next."""

from typing import Any


class MemGPTError(RuntimeError):
    """Base of every error that this package raises on purpose. A RuntimeError, since LangGraph Server hands on the words of those."""


class ConfigurationError(MemGPTError, ValueError):
    """A setting, an argument or a name cannot be used as given."""


class ContextTooSmall(ConfigurationError):
    """The context window cannot hold what must always be in it."""


class MissingDependency(MemGPTError, ImportError):
    """A package that this choice needs is not installed; the message names the command that installs it."""


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
    """A language or embedding model could not be loaded, or gave no usable answer."""


class ModelNotFound(ModelError):
    """The named model's file is not on this machine; the message names the command that gets it."""


class DocumentError(MemGPTError):
    """A document cannot be read; nothing of it was stored."""


class AgentFileError(MemGPTError, ValueError):
    """A file cannot be imported as an agent, or an agent not exported; nothing was changed."""


class AgentExists(MemGPTError):
    """An agent, or a conversation, of this id is there already; nothing was changed."""


class AgentNotFound(MemGPTError, LookupError):
    """No agent of this id is stored."""


class TokenNotFound(MemGPTError, LookupError):
    """No token of this id is there."""


class NotAllowed(MemGPTError):
    """Whoever acts may look at this and not change it, or may not choose it; the message says who can allow it."""


class StoreError(MemGPTError):
    """The store cannot do what was asked; what it already holds is unchanged."""


class StoreCorrupt(StoreError):
    """A database file is damaged or is not ours; it was left exactly as it is."""


class EmbeddingMismatch(StoreError):
    """The store was written with another embedding model or dimension."""


class StoreBusy(StoreError):
    """Another process held the store's lock for longer than we wait; nothing was written."""


class StoreClosed(StoreError):
    """The store was used after it was closed."""


class ConversationBusy(MemGPTError, TimeoutError):
    """Another turn holds the conversation for longer than we wait; nothing was done."""


class LeaseLost(MemGPTError):
    """A turn was taken for dead and its conversation taken over; it writes nothing more."""

    @classmethod
    def of(cls, name: str) -> "LeaseLost":
        """Return the error for a conversation's name."""
        return cls(
            f"The conversation {name!r} was taken over: this turn was not heard of for too long. What it did so far is kept "
            "where it was written; nothing more is written. Send the message again."
        )


class ValueNotStorable(StoreError, TypeError):
    """A value is not made of JSON's types and cannot be stored."""


class ToolError(MemGPTError):
    """A tool could not do what the model asked; the message tells the model how to correct itself."""


class WriteConflict(StoreError, ToolError):
    """Others changed an item before each attempt to change it; what they wrote stands, and trying again may succeed."""


class UnknownBlock(ToolError, LookupError):
    """No core memory block has this label."""


class BlockReadOnly(ToolError):
    """The core memory block may not be edited by the agent."""


class BlockExists(ToolError):
    """A core memory block of this label exists already."""


class BlockInUse(ToolError):
    """A shared block is attached to an agent and cannot be deleted; nothing was changed."""


class CoreMemoryFull(ToolError):
    """The edit would make a core memory block longer than its limit."""


class EditConflict(ToolError):
    """A text was changed by others while it was being edited; what they wrote stands."""

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
    """The text to be replaced does not stand in the block."""


class TextNotUnique(ToolError):
    """The text to be replaced stands in the block more than once."""


class BadDate(ToolError, ValueError):
    """A date is not in one of the accepted ISO 8601 forms."""


class InvalidArguments(ToolError, ValueError):
    """A tool call's arguments do not fit the tool's schema."""


class UnknownTool(ToolError, LookupError):
    """The model called a tool that it does not have."""


class UnknownVersion(ToolError, LookupError):
    """No version, moment or turn of core memory's history is meant by what was given."""


class NothingToUndo(ToolError):
    """Core memory stands at the beginning, or for a redo at the end, of what was edited."""


class FileNotAttached(ToolError, LookupError):
    """The agent has no file of this name, or it is not open."""


class UnknownUpload(ToolError, LookupError):
    """No picture or file of this id was sent to the agent."""


class UnknownPassage(ToolError, LookupError):
    """No archival passage has this id."""


class NothingToDecide(MemGPTError, LookupError):
    """No tool call waits for the decision that was given."""


class MissingEmbedding(UserWarning):
    """A store's embedding cannot be had: it is searched by words only until it can; the message says what to do."""


class NotDurable(UserWarning):
    """An agent runs so that a crash may make it act on memory twice; the message says how to run it."""


class SummarizedTwice(UserWarning):
    """Another middleware summarises the conversation beside ours; the message says how to take it out."""
