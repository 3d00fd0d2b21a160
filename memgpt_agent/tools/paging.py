"""The tools with which the agent reads on in a long text, and pages the conversation out and in."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.main_context import QueueView, keep_pages, page_text, pages_of
from memgpt_agent.prompts import READ_ON
from memgpt_agent.tools.definition import memory_tool

PAGE_TAG = "page"
"""The tag of the notes on pages in archival memory."""
_PIECE_CHARS = 8_000
"""So much is shown at once where no turn is running, and so no budget is known."""
_NOTE_CHARS = 1_000
_SHOWN_NOTE_CHARS = 120


def read_message(memory: AgentMemory, message_id: str, start: int = 0) -> str:
    """Read on in a message or tool result that was shown cut.

    Args:
        message_id: The id that stands where it was cut.
        start: The character to read on from.
    """
    record = memory.journal.get([message_id]).get(message_id)
    if record is None:
        raise InvalidArguments(f"There is no message {message_id!r}. Copy the id from where the text was cut.")
    return _piece(memory, record.text, start, f"read_message(message_id={message_id!r}")


def page_out(memory: AgentMemory, content: str, page_number: int) -> str:
    """Take a page of this conversation out of view, to make room. Your note about it is filed; `page_in` shows the page again.

    Args:
        content: What you want to remember of the page.
        page_number: The number that its events bear; not the newest.
    """
    queue = _running(memory)
    note = " ".join(content.split())
    if not note or len(content) > _NOTE_CHARS:
        raise InvalidArguments(f"The note has {len(content):,} characters; write 1 to {_NOTE_CHARS:,}.")
    short = note if len(note) <= _SHOWN_NOTE_CHARS else note[: _SHOWN_NOTE_CHARS - 1] + "…"
    leaving = queue.page_out(page_number, short, stamp(memory.clock()))
    keep_pages(memory.store, memory.agent_id, queue.thread_id, {page_number: leaving})
    when = local_time(stamp(memory.clock()), memory.time_zone)[:10]
    memory.archival.insert(
        f"Page {page_number} of our conversation (out since {when}): {note}", (PAGE_TAG,), cause=memory.cause.key
    )
    return f"Page {page_number} ({len(leaving)} messages) is out; your note is in archival memory."


def page_in(memory: AgentMemory, page_number: int, start: int = 0) -> str:
    """Show a page of this conversation that is out of view.

    Args:
        page_number: The page.
        start: The character to read on from, for a long page.
    """
    queue = _running(memory)
    stands = pages_of(queue.messages).get(page_number, [])
    text = page_text(memory.store, memory.journal, memory.agent_id, queue.thread_id, page_number, memory.time_zone)
    if not text and stands:
        return f"Page {page_number} is in view."
    if not text:
        raise InvalidArguments(f"There is no page {page_number} of this conversation that is out of view.")
    return _piece(memory, text, start, f"page_in(page_number={page_number}")


def _running(memory: AgentMemory) -> QueueView:
    if memory.queue is None:
        raise InvalidArguments("Pages are those of a turn that is running; only the agent itself can page.")
    return memory.queue


def _piece(memory: AgentMemory, text: str, start: int, call: str) -> str:
    """Return the text from a character on, as far as it can be shown at once, and how to read on."""
    if not 0 <= start < max(1, len(text)):
        raise InvalidArguments(f"start = {start}: the text has {len(text):,} characters, the first is number 0.")
    rest, queue = text[start:], memory.queue
    shown = queue.truncate(rest, queue.piece_tokens) if queue else rest[:_PIECE_CHARS]
    shown = shown or rest[:1]
    end = start + len(shown)
    return shown if end >= len(text) else shown + READ_ON.format(end=end, total=len(text), call=call)


TOOLS = (
    memory_tool(read_message, reads_memory=True),
    memory_tool(page_out, edits_queue=True),
    memory_tool(page_in, reads_memory=True),
)
