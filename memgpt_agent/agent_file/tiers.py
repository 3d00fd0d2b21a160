"""Checking the items of the tiers that are known; a tier that is not is taken as it stands."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from memgpt_agent.agent_file.document import StoredItem
from memgpt_agent.errors import AgentFileError
from memgpt_agent.memory.archival import Passage
from memgpt_agent.memory.blocks import Block
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.memory.knowledge import Entity, Fact
from memgpt_agent.memory.recall import Message

_KINDS: dict[str, type] = {
    "core": Block,
    "recall": Message,
    "archival": Passage,
    "entities": Entity,
    "facts": Fact,
    "summaries": SummaryNode,
}
_NAMED_BY: dict[str, str] = {
    "core": "label",
    "recall": "id",
    "archival": "id",
    "entities": "id",
    "facts": "id",
    "summaries": "id",
}


@cache
def _reader(tier: str) -> tuple[Callable[[Any], Any], frozenset[str]]:
    kind = _KINDS[tier]
    return TypeAdapter(kind).validate_python, frozenset(f.name for f in fields(kind))


def check_item(tier: str, item: StoredItem, place: str) -> None:
    """Refuse an item that its tier could not read.

    Raises:
        AgentFileError: a field is missing or of the wrong type, or the key is not the item's own.
    """
    if tier not in _KINDS:
        return
    read, known = _reader(tier)
    try:
        read({name: value for name, value in item.value.items() if name in known})
    except ValidationError as error:
        first = error.errors()[0]
        raise AgentFileError(
            f"{place}.{'.'.join(map(str, first['loc']))}: {first['msg']}. Nothing was imported."
        ) from error
    own = item.value[_NAMED_BY[tier]]
    if own != item.key:
        raise AgentFileError(f"{place}: its key is {item.key!r} and its own name {own!r}. Nothing was imported.")
