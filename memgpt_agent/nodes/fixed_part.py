"""The fixed part of main context: the system message by section, within its share of the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memgpt_agent.memory.core import Block
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import BLOCK_CUT, BlockRow, render_blocks, render_summary
from memgpt_agent.state import Summary

_FIXED_SHARE = 0.85
"""If the system message and the tools would fill more of the budget, edited core memory is shown cut."""
_MIN_BLOCK_TOKENS = 16
_CUT_NOTE_TOKENS = 40
MESSAGE_SHARE = 0.3
"""One message or tool result may fill this share of the budget."""


def row_of(block: Block) -> BlockRow:
    """Return a block as it is shown."""
    return block.label, block.description, block.value, block.limit_chars, block.read_only


def system_sections(session: Session, memory: Mapping[str, str], summary: Summary | None) -> dict[str, str]:
    """Return the parts of the system message by name: what changes least comes first, so that a provider's prompt cache works."""
    return {**unchanging(session), **memory, "summary": _rendered_summary(summary)}


def unchanging(session: Session) -> dict[str, str]:
    """Return the parts that are the same for every agent of this kind."""
    rules = session.resources.rules
    return {"system": session.resources.system_prompt, **({"tool_rules": rules.describe()} if rules else {})}


def memory_sections(session: Session, blocks: Sequence[Block], summary: Summary | None) -> dict[str, str]:
    """Return core memory and the parts after it as they are now, smaller if a small window has no room for them."""
    sections = {"core_memory": _core_memory(session, blocks), **{s.name: s.render(session.memory) for s in session.resources.sections}}
    over = _give_way(session, sections, over_tokens(session, sections, summary))
    if over > 0 and (shorter := _shortened(session, blocks, over)):
        sections["core_memory"] = _core_memory(session, shorter)
    return sections


def fixed_tokens(session: Session, memory: Mapping[str, str], summary: Summary | None) -> int:
    """Return the tokens of the system message and of all tools."""
    caches, tools, counter = session.resources.caches, session.resources.tools, session.counter
    schemas = caches.tool_schemas(tools, thinking=session.asks_for_thinking, only=tools.names)
    return sum(map(counter.count_text, system_sections(session, memory, summary).values())) + caches.schema_tokens(counter, schemas)


def over_tokens(session: Session, memory: Mapping[str, str], summary: Summary | None) -> int:
    """Return by how many tokens they exceed their share of the budget; negative if they do not."""
    return fixed_tokens(session, memory, summary) - int(session.budget_tokens * _FIXED_SHARE)


def _rendered_summary(summary: Summary | None) -> str:
    if not summary:
        return ""
    return render_summary(summary["text"], summary["messages"], summary["until"][:10], summary.get("pages", 0))


def _give_way(session: Session, sections: dict[str, str], over_tokens: int) -> int:
    """Shrink the sections that allow it if a small window has no room for them; return the remaining excess."""
    for section in reversed(session.resources.sections):
        if over_tokens > 0 and section.share:
            tokens = session.counter.count_text(sections[section.name])
            room = int(max(0, tokens - over_tokens) / section.share)
            sections[section.name] = section.render(replace(session.memory, budget_tokens=room))
            over_tokens -= tokens - session.counter.count_text(sections[section.name])
    return over_tokens


def _core_memory(session: Session, blocks: Sequence[Block]) -> str:
    return render_blocks(list(map(row_of, blocks)), numbered=session.resources.profile.numbers_lines)


def _shortened(session: Session, blocks: Sequence[Block], over_tokens: int) -> list[Block]:
    """Return the blocks as they are shown, the longest ones cut if edits have made core memory too large for the window.

    A model's own edit must not end its conversation. Blocks that nobody has edited stay whole: the agent was made
    with them, and its maker gets the error that says what to shrink.
    """
    if all(block.version <= 1 for block in blocks):
        return []
    sizes = sorted(session.counter.count_text(block.value) for block in blocks)
    room, left = sum(sizes) - over_tokens - _CUT_NOTE_TOKENS * len(blocks), len(sizes)
    limit = _MIN_BLOCK_TOKENS
    for size in sizes:  # the limit up to which each may go, so that short ones give what they do not need to long ones
        limit = max(_MIN_BLOCK_TOKENS, room // left)
        if size > limit:
            break
        room, left = room - size, left - 1
    return [replace(block, value=_cut_block(session, block.value, limit)) for block in blocks]


def _cut_block(session: Session, value: str, limit_tokens: int) -> str:
    shown = session.counter.truncate(value, limit_tokens)
    return value if shown == value else shown + BLOCK_CUT.format(count=len(value) - len(shown))
