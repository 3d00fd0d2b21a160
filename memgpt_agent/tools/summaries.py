"""The tool with which the agent goes from a summary down to what it covers."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.hierarchy import LEVELS, SummaryNode, SummaryTree
from memgpt_agent.memory.recall import Message
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.recall_memory import shorten

_PAGE = 20


def tree_of(memory: AgentMemory) -> SummaryTree:
    """Return the agent's hierarchy of summaries."""
    return SummaryTree(memory.store, memory.agent_id, memory.clock, memory.time_zone)


def search(memory: AgentMemory, query: str, limit: int = 10) -> list[SummaryNode]:
    """Return the summaries that fit ``query`` best; for a search over several tiers."""
    return tree_of(memory).search(query, limit=limit)


def open_summary(memory: AgentMemory, summary_id: str = "", page: int = 0) -> str:
    """Open a summary of your past conversations: its text, and what is beneath it, down to the messages themselves.

    Args:
        summary_id: The id of the summary, as you found it; empty for the newest ones.
        page: 0 for the first things beneath it, 1 for those after them, and so on.
    """
    if page < 0:
        raise InvalidArguments(f"page = {page}: it goes from 0.")
    tree = tree_of(memory)
    if not summary_id.strip():
        return _overview(tree, memory.time_zone, page)
    node = tree.open(summary_id.strip())
    shown = node.children[page * _PAGE : (page + 1) * _PAGE]
    if node.level == "span":
        messages = memory.recall.get(shown)
        beneath = [_said(messages[i], memory.time_zone) for i in shown if i in messages]
    else:
        beneath = [_line(child, memory.time_zone) for child in tree.get(shown).values()]
    left = len(node.children) - (page + 1) * _PAGE
    more = [f"({left} more; page {page + 1} shows them.)"] if left > 0 else []
    above = [f"Above it: {node.parent}."] if node.parent else []
    return "\n".join([f"{_head(node, memory.time_zone)}\n{node.text}", *above, "Beneath it:", *beneath, *more])


def _overview(tree: SummaryTree, time_zone: str, page: int) -> str:
    """The newest summaries of the highest level that has more than one."""
    for level in reversed(LEVELS):
        found = tree.newest(level, limit=(page + 1) * _PAGE)
        if len(found) > 1 or (found and level == "span"):
            return "\n".join(
                [f"The newest of each {level}:", *(_line(node, time_zone) for node in found[page * _PAGE :])]
            )
    return "There are no summaries yet: all that was said is in view."


def _head(node: SummaryNode, time_zone: str) -> str:
    since, until = local_time(node.since, time_zone)[:16], local_time(node.until, time_zone)[:16]
    return f"{node.id} ({node.level}, {since} to {until}, {node.messages} messages)"


def _line(node: SummaryNode, time_zone: str) -> str:
    return f"- {_head(node, time_zone)}: {' '.join(node.text.split())[:300]}"


def _said(message: Message, time_zone: str) -> str:
    who = f"tool {message.tool}({message.arguments})" if message.tool else message.role
    return f"- [{local_time(message.time, time_zone)}] {who}: {shorten(message.whole)}"


TOOLS = (memory_tool(open_summary, reads_memory=True),)
