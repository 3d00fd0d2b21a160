"""Rebuilding the summaries that drew on what is erased, from what remains: plain digests, until a model writes them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from langgraph.store.base import PutOp

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.stored_items import SAID, StoredItems, Value
from memgpt_agent.memory.forgetting.words import Needles
from memgpt_agent.memory.hierarchy.nodes import INDEXED, LEVELS, SummaryNode
from memgpt_agent.prompts import plain_digest

_DIGEST_CHARS = 2_000


def rebuilt(held: StoredItems, note: ForgetNote, needles: Needles) -> Iterator[PutOp]:
    """Yield the writes that rebuild the hierarchy of summaries from the remaining messages, from the lowest level up."""
    namespace = namespaces.of(note.agent_id, "summaries")
    nodes = {key: SummaryNode.from_value(value) for key, value in held.tier("summaries").items()}
    changed: dict[str, SummaryNode | None] = {}
    for level in LEVELS:
        for key, node in nodes.items():
            if node.level != level:
                continue
            touched = any(child in note.said or child in changed for child in node.children)
            if touched or needles.within(node.text) or node.thread_id in note.gone_threads:
                made = _span(node, held, note) if level == "span" else _above(node, nodes | changed)
                if made != node:
                    changed[key] = made
    for key, made in changed.items():
        yield PutOp(namespace, key, None) if made is None else PutOp(namespace, key, made.as_value(), index=INDEXED)


def _span(node: SummaryNode, held: StoredItems, note: ForgetNote) -> SummaryNode | None:
    left = [child for child in node.children if child not in note.said]
    records = [held.messages[child] for child in left if child in held.messages]
    if not records or node.thread_id in note.gone_threads:
        return None
    times = [str(record["time"]) for record in records]
    text = plain_digest(lines_of(records), _DIGEST_CHARS)
    return replace(node, text=text, children=tuple(left), messages=len(left), since=min(times), until=max(times), by="digest")


def _above(node: SummaryNode, nodes: Mapping[str, SummaryNode | None]) -> SummaryNode | None:
    beneath = [child for one in node.children if (child := nodes.get(one)) is not None]
    if not beneath:
        return None
    text = plain_digest([f"[{child.since[:10]}] {' '.join(child.text.split())}" for child in beneath], _DIGEST_CHARS)
    return replace(
        node, text=text, children=tuple(child.id for child in beneath), messages=sum(child.messages for child in beneath),
        since=min(child.since for child in beneath), until=max(child.until for child in beneath), by="digest",
    )  # fmt: skip


def digest_of(held: StoredItems, note: ForgetNote, thread_id: str, until: str, limit_chars: int) -> str:
    """Return the digest of what remains of a conversation up to a time."""
    records = [
        value for tier in SAID for key, value in held.tier(tier).items()
        if value.get("thread_id") == thread_id and str(value["time"]) <= until and key not in note.said and not value.get("echo")
    ]  # fmt: skip
    return plain_digest(lines_of(sorted(records, key=lambda v: (str(v["time"]), v.get("ordinal", 0)))), limit_chars)


def lines_of(records: Sequence[Value]) -> list[str]:
    """Return messages as the lines of a summary."""
    lines: list[str] = []
    for record in records:
        if record.get("tool"):
            lines.append(f"assistant called {record['tool']}({record.get('arguments', '')})")
        lines.append(f"{'result of ' + record['tool'] if record.get('tool') else record['role']}: {record['text']}")
    return lines
