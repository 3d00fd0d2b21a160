"""Pages: numbered spans of whole exchanges of the queue, paged out of main context and read again from recall memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AnyMessage, RemoveMessage, SystemMessage
from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import Mark, begins_turn, local_time, mark_of, with_mark
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.main_context.queue import split_exchanges
from memgpt_agent.memory.recall import RecallMemory

PAGE_SHARE = 1 / 12
"""An exchange begins a new page if the newest page already fills this share of the budget."""


def pages_of(messages: Sequence[AnyMessage]) -> dict[int, list[AnyMessage]]:
    """Return the messages of each page of the queue, by its number; messages without a number are on no page."""
    pages: dict[int, list[AnyMessage]] = {}
    for exchange in split_exchanges(messages):
        event = next((m for m in exchange if begins_turn(m)), None)
        number = mark_of(event).get("page") if event is not None else None
        if number is not None:
            pages.setdefault(number, []).extend(exchange)
    return pages


def next_page(earlier: Sequence[AnyMessage], last: int, tokens_of: Callable[[str], int], page_tokens: int) -> int:
    """Return the page of a new event: the newest one while that has room, else the one after it.

    ``last`` is the newest page that has left the queue. Numbers only grow, and a page keeps its number. Messages without
    a mark are not received yet and are on no page.
    """
    number, tokens = 0, 0
    exchange: list[AnyMessage] = []
    for message in reversed(earlier):  # from the end: only the newest page is read
        if not mark_of(message):
            continue
        exchange.append(message)
        if not begins_turn(message):
            continue
        page = mark_of(message).get("page", 0)
        if number and page != number:
            break
        number = page or number
        if page:
            tokens += sum(tokens_of(str(m.content) + str(getattr(m, "tool_calls", ""))) for m in exchange)
        exchange = []
    if number <= last:
        return last + 1
    return number if tokens < page_tokens else number + 1


@dataclass
class QueueView:
    """The queue as a tool may see and change it during a turn."""

    thread_id: str
    """The conversation."""
    messages: list[AnyMessage]
    """The queue, as the step found it."""
    piece_tokens: int
    """How much of a text one call of a paging tool shows."""
    truncate: Callable[[str, int], str]
    """Cuts a text to at most so many tokens."""
    changes: list[Any] = field(default_factory=list[Any])
    """A tool's changes: messages removed, and markers in place of pages."""

    def page_out(self, number: int, note: str, now: str) -> list[AnyMessage]:
        """Replace a page by a one-line marker; return the messages that leave.

        Raises:
            InvalidArguments: there is no such page in view, it is the current one, or it is out already.
        """
        pages = pages_of(self.messages)
        there = f"In view are the pages {', '.join(map(str, pages)) or '(none)'}."
        if number not in pages:
            raise InvalidArguments(f"There is no page {number} in view. {there}")
        if number == max(pages):
            raise InvalidArguments(f"Page {number} is the current page and stays in view. {there}")
        leaving = pages[number]
        if any(mark_of(m).get("stands_for") for m in leaving) or any(m.id == leaving[0].id for m in self.changes):
            raise InvalidArguments(f"Page {number} is out already. {there}")
        mark = Mark(
            kind="event", type="system_alert", time=now, turn=str(leaving[0].id), page=number, stands_for=len(leaving)
        )
        marker = with_mark(
            SystemMessage(f"Page {number} is out ({len(leaving)} messages): {note}", id=leaving[0].id), mark
        )
        self.changes += [*(RemoveMessage(id=str(m.id)) for m in leaving[1:]), marker]
        return leaving


def keep_pages(store: BaseStore, agent_id: str, thread_id: str, pages: dict[int, list[AnyMessage]]) -> None:
    """Note which messages stood on these pages, so that each can be read again; doing it again changes nothing."""
    namespace = namespaces.of(agent_id, "pages")
    keys = {number: _key(thread_id, number) for number in pages}
    found = cast(list[Item | None], store.batch([GetOp(namespace, key) for key in keys.values()]))
    operations: list[Any] = []
    for (number, messages), item in zip(pages.items(), found, strict=True):
        known = cast(list[str], item.value["ids"]) if item else []
        ids = [str(m.id) for m in messages if not mark_of(m).get("stands_for")]
        merged = list(dict.fromkeys([*known, *ids]))
        if merged != known:
            value = {"thread": thread_id, "page": number, "ids": merged}
            operations.append(PutOp(namespace, keys[number], value, index=False))
    if operations:
        store.batch(operations)


def page_text(
    store: BaseStore, recall: RecallMemory, agent_id: str, thread_id: str, number: int, time_zone: str
) -> str:
    """Return the content of a page that has left main context, one line for each thing said or done; empty if there is none."""
    item = store.get(namespaces.of(agent_id, "pages"), _key(thread_id, number))
    ids = cast(list[str], item.value["ids"]) if item else []
    records = recall.get(ids)
    lines: list[str] = []
    for record in (records[i] for i in ids if i in records):
        who = f"tool {record.tool}({record.arguments})" if record.tool else record.role
        lines.append(f"[{local_time(record.time, time_zone)}] {who}: {record.whole}")
    return "\n".join(lines)


def _key(thread_id: str, number: int) -> str:
    return f"{thread_id}:{number}"
