"""The hierarchy of summaries over a store: built on eviction, and rolled up a little at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, cast

from langchain_core.messages import AnyMessage
from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import ToolError
from memgpt_agent.events import Clock, mark_of, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.hierarchy.nodes import INDEXED, LEVELS, Level, SummaryNode, key_of, moment_of, periods_of
from memgpt_agent.memory.main_context import as_lines
from memgpt_agent.memory.recall import RecallMemory, lines_of_record
from memgpt_agent.prompts import plain_digest
from memgpt_agent.store.plain import Filter, best_or_newest, find, newest, put_if
from memgpt_agent.store.update import update

SESSION_GAP_HOURS = 4
"""A pause of this length between two messages of a conversation begins a new session."""
MAX_CHILDREN = 64
"""A summary has at most this many children; then a second one begins beside it."""
_DIGEST_CHARS = 2_000
_PARTS = 1_000
_ASKED_AT_ONCE = 50
"""How many values one filter holds."""
_DUE_LOOKED_AT = 200
_WRITTEN_AT_ONCE = 2
"""How many summaries a model writes at one eviction; mostly one session leaves at a time, so that none wait forever."""

Write = Callable[[str, Sequence[str]], str]
"""Writes one summary of some texts, given what they are; an empty text if it cannot."""


@dataclass(frozen=True)
class SummaryTree:
    """The summaries of one agent.

    Every level is complete after each eviction: what no model has summarised yet holds the beginnings of what is
    beneath it. :meth:`roll_up` lets a model write those whose time is over, a few at a time. What is done again
    changes nothing. An eviction writes one node for each level and reads at most 64 of each, however old the agent is.
    Searches find spans, and what a model has written: digests above them only repeat the spans' beginnings (ADR 0235).

    **Limits**: finding what is due looks through all summaries in the store.
    """

    store: BaseStore
    """Where the summaries are stored."""
    agent_id: str
    """Whose they are."""
    clock: Clock = utc_now
    """Gives the time."""
    time_zone: str = "UTC"
    """The time zone of days and weeks."""

    def add(self, thread_id: str, messages: Sequence[AnyMessage]) -> list[SummaryNode]:
        """Keep messages that leave main context together as spans, one for each session; return the spans."""
        spans: list[SummaryNode] = []
        for part in _sessions(messages):
            span = self._span(thread_id, part)
            if span is not None:
                spans.append(span)
                self._attach(span, span.parent, "session", thread_id)
        return spans

    def _span(self, thread_id: str, messages: Sequence[AnyMessage]) -> SummaryNode | None:
        lines = as_lines([m for m in messages if mark_of(m).get("type") != "system_alert"])
        if not lines:
            return None
        ids = tuple(str(m.id) for m in messages if mark_of(m).get("kind") != "reply")
        key = key_of("span", thread_id, ids[0] if ids else "", ids[-1] if ids else "")
        known = self.get([key]).get(key)
        if known is not None:
            return known
        times = [_time(m) for m in messages]
        span = SummaryNode(
            key, "span", plain_digest(lines, _DIGEST_CHARS), min(times), max(times), ids,
            messages=len(messages), thread_id=thread_id,
        )  # fmt: skip
        span = replace(span, parent=self._session_of(span))
        self._put_new(span)
        return self.get([key]).get(key, span)

    def _session_of(self, span: SummaryNode) -> str:
        """The running session of the conversation, or a new one after a pause or if the running one is full."""
        heads = namespaces.of(self.agent_id, "summary_heads")
        head_key = span.thread_id
        head = self.store.get(heads, head_key)
        if head is not None:
            session = self.get([str(head.value["session"])]).get(str(head.value["session"]))
            fits = session is None or len(session.children) < MAX_CHILDREN
            if fits and _gap(str(head.value["until"]), span.since) <= timedelta(hours=SESSION_GAP_HOURS):
                self.store.batch([PutOp(heads, head_key, {**head.value, "until": span.until}, index=False)])
                return str(head.value["session"])
        session_id = key_of("session", span.thread_id, span.id)
        self.store.batch([PutOp(heads, head_key, {"session": session_id, "until": span.until}, index=False)])
        return session_id

    def _attach(self, child: SummaryNode, parent_id: str, level: Level, thread_id: str = "") -> None:
        """Put a summary under its parent, and that one under its own, up to the year."""

        def attached(value: dict[str, Any] | None) -> dict[str, Any] | None:
            known = SummaryNode.from_value(value) if value else None
            children = tuple(dict.fromkeys([*(known.children if known else ()), child.id]))
            if known and known.by == "model" and known.children == children and child.by == "digest":
                return None
            beneath = list({**self.get(children), child.id: child}.values())
            parent = SummaryNode(
                parent_id, level, _digest_of(beneath), min(n.since for n in beneath), max(n.until for n in beneath), children,
                known.parent if known else "", sum(n.messages for n in beneath), thread_id,
            )  # fmt: skip
            if not parent.parent and level != "year":
                parent = replace(parent, parent=self._above(parent))
            return parent.as_value()

        parent = SummaryNode.from_value(update(self.store, self._namespace, parent_id, attached).after)
        if parent.parent:
            self._attach(parent, parent.parent, LEVELS[LEVELS.index(level) + 1])

    def rebuild(self, message_ids: Sequence[str], recall: RecallMemory) -> list[SummaryNode]:
        """Make the summaries again that drew on these messages, of what recall memory holds now; return the spans that were affected.

        They hold the beginnings of what is beneath them until a model writes them again. A summary with nothing beneath it goes.
        """
        affected = self.drew_on(message_ids)
        for span in affected:
            records = recall.get(span.children)
            kept = tuple(i for i in span.children if i in records)
            lines = [line for i in kept if records[i].role != "system" for line in lines_of_record(records[i])]
            text = plain_digest(lines, _DIGEST_CHARS) if lines else ""
            self._remade(span.id, lambda n, t=text, k=kept: replace(n, text=t, children=k, messages=len(k)), index=INDEXED)
        for parent in dict.fromkeys(span.parent for span in affected if span.parent):
            self._remake(parent)
        return affected

    def drew_on(self, message_ids: Sequence[str]) -> list[SummaryNode]:
        """Return the spans that hold these messages."""
        spans: dict[str, SummaryNode] = {}
        for first in range(0, len(message_ids), _ASKED_AT_ONCE):
            drew: Filter = {"level": "span", "children": {"$any": list(message_ids[first : first + _ASKED_AT_ONCE])}}
            found = find(self.store, self._namespace, "", filter=drew, limit=_PARTS)
            spans |= {item.key: SummaryNode.from_value(item.value) for item in found}
        return list(spans.values())

    def _remake(self, node_id: str) -> None:
        """Rebuild a summary and those above it from what is beneath them."""
        while node_id:
            known = self.get([node_id]).get(node_id)
            if known is None:
                return
            beneath = list(self.get(known.children).values())
            text = _digest_of(beneath) if beneath else ""
            children, count = tuple(node.id for node in beneath), sum(node.messages for node in beneath)
            self._remade(node_id, lambda n, t=text, c=children, m=count: replace(n, text=t, by="digest", children=c, messages=m))
            node_id = known.parent

    def _remade(self, node_id: str, change: Callable[[SummaryNode], SummaryNode], index: Literal[False] | list[str] = False) -> None:
        """Change a summary; one without a text is deleted."""

        def changed(value: dict[str, Any] | None) -> dict[str, Any] | None:
            return change(SummaryNode.from_value(value)).as_value() if value else None

        after = update(self.store, self._namespace, node_id, changed, index=index).after
        if after and not after["text"]:
            self.store.delete(self._namespace, node_id)

    def _above(self, node: SummaryNode) -> str:
        """The id of the week of a session, the month of a week, the year of a month: the first with room."""
        above = LEVELS[LEVELS.index(node.level) + 1]
        key = next(period.key for period in periods_of(node.since, self.time_zone) if period.level == above)
        for part in range(1, _PARTS):
            candidate = key if part == 1 else f"{key}.{part}"
            known = self.get([candidate]).get(candidate)
            if known is None or node.id in known.children or len(known.children) < MAX_CHILDREN:
                return candidate
        return f"{key}.{_PARTS}"

    def roll_up(self, write: Write, limit: int = 1) -> int:
        """Let a model write up to ``limit`` summaries whose time is over and that nobody has written yet; return how many.

        The lowest and oldest are first, so that what is above them is made of what was written.

        **Limits**: the first 200 that are due are looked at.
        """
        for done in range(limit):
            node = next(iter(self._due()), None)  # asked again: what is above has changed with what was written
            if node is None:
                return done
            text = write(_named(node), [child.text for child in self.get(node.children).values()]).strip()
            if not text:
                return done
            written = replace(node, text=text, by="model")
            if (
                put_if(
                    self.store, self._namespace, node.id, written.as_value(), expected=node.as_value(), index=INDEXED
                )
                and node.parent
            ):
                self._attach(written, node.parent, LEVELS[LEVELS.index(node.level) + 1])
        return limit

    def _due(self) -> list[SummaryNode]:
        now = stamp(self.clock())
        paused = stamp(self.clock() - timedelta(hours=SESSION_GAP_HOURS))
        due: Filter = {"by": "digest", "level": {"$in": list(LEVELS[1:])}, "until": {"$lt": paused}}
        found = [
            SummaryNode.from_value(i.value)
            for i in find(self.store, self._namespace, "", filter=due, limit=_DUE_LOOKED_AT)
        ]
        over = [n for n in found if n.level == "session" or _period_ends(n, self.time_zone) <= now]
        return sorted(over, key=lambda n: (LEVELS.index(n.level), n.since, n.id))

    def get(self, ids: Sequence[str]) -> dict[str, SummaryNode]:
        """Return the summaries of these ids, in their order; unknown ids are left out."""
        found = self.store.batch([GetOp(self._namespace, i) for i in ids]) if ids else []
        return {i.key: SummaryNode.from_value(i.value) for i in cast(list[Item | None], found) if i is not None}

    def open(self, summary_id: str) -> SummaryNode:
        """Return one summary.

        Raises:
            ToolError: there is none of this id.
        """
        node = self.get([summary_id]).get(summary_id)
        if node is None:
            raise ToolError(
                f"There is no summary {summary_id!r}. Open '' for the newest ones, or search for what you look for."
            )
        return node

    def search(
        self,
        query: str,
        *,
        levels: Sequence[Level] | None = None,
        dates: Filter | None = None,
        limit: int = 10,
        page: int = 0,
    ) -> list[SummaryNode]:
        """Return the summaries that fit ``query`` best; the newest if it is empty."""
        condition: Filter = {**(dates or {}), **({"level": {"$in": list(levels)}} if levels else {})}
        items = best_or_newest(self.store, self._namespace, query, filter=condition, limit=limit, page=page)
        return [SummaryNode.from_value(item.value) for item in items]

    def newest(self, level: Level, limit: int = 10, *, thread_id: str | None = None) -> list[SummaryNode]:
        """Return the summaries of one level, or those of one conversation, newest first."""
        of_thread: Filter = {} if thread_id is None else {"thread_id": thread_id}
        items = newest(self.store, self._namespace, filter={"level": level, **of_thread}, limit=limit)
        return [SummaryNode.from_value(item.value) for item in items]

    def _put_new(self, node: SummaryNode) -> None:
        put_if(self.store, self._namespace, node.id, node.as_value(), expected=None, index=INDEXED, embed_later=True)

    @property
    def _namespace(self) -> tuple[str, ...]:
        return namespaces.of(self.agent_id, "summaries")


def keep_evicted(tree: SummaryTree, thread_id: str, evicted: Sequence[AnyMessage], write: Write | None = None) -> None:
    """Keep evicted messages in the hierarchy; with a model, have it write two summaries that are due."""
    tree.add(thread_id, evicted)
    if write is not None:
        tree.roll_up(write, limit=_WRITTEN_AT_ONCE)


def _digest_of(beneath: Sequence[SummaryNode]) -> str:
    return plain_digest([f"[{node.since[:10]}] {' '.join(node.text.split())}" for node in beneath], _DIGEST_CHARS)


def _sessions(messages: Sequence[AnyMessage]) -> list[list[AnyMessage]]:
    parts: list[list[AnyMessage]] = [[messages[0]]] if messages else []
    for one, other in pairwise(messages):
        if _gap(_time(one), _time(other)) > timedelta(hours=SESSION_GAP_HOURS):
            parts.append([])
        parts[-1].append(other)
    return parts


def _time(message: AnyMessage) -> str:
    return stamp(moment_of(cast(dict[str, Any], mark_of(message)).get("time", "")))


def _gap(one: str, other: str) -> timedelta:
    return moment_of(other) - moment_of(one)


def _period_ends(node: SummaryNode, time_zone: str) -> str:
    return next(period.ends for period in periods_of(node.since, time_zone) if period.level == node.level)


def _named(node: SummaryNode) -> str:
    return f"a {node.level}, {node.since[:10]} to {node.until[:10]}, {node.messages} messages"
