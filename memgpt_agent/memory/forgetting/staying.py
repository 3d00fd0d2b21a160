"""What holds the words that are to be forgotten and is not erased: it belongs to others too, or is a name."""

from collections.abc import Iterator, Sequence

from langgraph.store.base import BaseStore

from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.forgetting.finding import KINDS
from memgpt_agent.memory.forgetting.stored_items import StoredItems, items_in, texts_of
from memgpt_agent.memory.forgetting.words import Needles

_AGENTS_READ = 20
"""How many agents of the same conversations are searched."""


def holding_elsewhere(store: BaseStore, held: StoredItems, needles: Needles, threads: Sequence[str]) -> Iterator[str]:
    """Yield what of it stays, each with what to do about it."""
    if not needles:
        return
    for key, value in items_in(store, namespaces.BLOCKS).items():
        if held.agent_id in (value.get("attached") or {}) and any(map(needles.literally_in, texts_of(value))):
            yield f"the shared block {key!r}: other agents have it too; edit it."
    letters = [v for tier in ("inbox", "letters_waiting") for v in held.tier(tier).values()]
    if number := len({v["id"] for v in letters if any(map(needles.literally_in, texts_of(v)))}):
        yield f"letters of other agents ({number}): they are the sender's too."
    yield from _names(held, needles, threads)
    yield from _other_agents(store, held.agent_id, needles, set(threads))


def _names(held: StoredItems, needles: Needles, threads: Sequence[str]) -> Iterator[str]:
    users = sorted({str(value["user_id"]) for value in held.messages.values() if value.get("user_id")})
    files = [f"{value['name']} {value['path']}" for value in held.tier("files").values()]
    named = {
        "file": (files, "unload it."), "block": (list(held.tier("core")), "delete it, or call it otherwise."),
        "conversation": (list(threads), "forget the conversation."), "user": (users, "forget the user."),
    }  # fmt: skip
    for kind, (names, remedy) in named.items():
        for name in filter(needles.literally_in, names):
            yield f"the name of the {kind} {name!r}: {remedy}"


def _other_agents(store: BaseStore, agent_id: str, needles: Needles, threads: set[str]) -> Iterator[str]:
    """Yield the agents of the same conversations that remember it for themselves."""
    sharing = [d.agent_id for d in definitions.every(store) if d.agent_id != agent_id and threads & set(d.threads)]
    for other_id in sharing[:_AGENTS_READ]:
        other = StoredItems.of(store, other_id)
        texts = (text for tier in KINDS for value in other.tier(tier).values() for text in texts_of(value))
        if any(map(needles.literally_in, texts)):
            yield f"what the agent {other_id!r} remembers of it: let it forget too."
