"""`memgpt memory edit`, `set` and `rename`: correcting what an agent remembers."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.editor import edit as edit_text
from memgpt_agent.cli.terminal import DEFAULT_AGENT, terminal_of
from memgpt_agent.errors import EditConflict, InvalidArguments, UnknownBlock

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent

_FACT_LINES = 3
What = Annotated[
    str, typer.Argument(metavar="WHAT", help="A block's label, or the id of a passage, a fact or a message (memgpt transcript --ids).")
]


@dataclass(frozen=True)
class _Editable:
    """Something that has a text."""

    text: str
    """What it says."""
    write: Callable[[str], str]
    """Makes it say something else, if it still says this; returns what was done."""
    empty: str
    """What to do where it is to say nothing."""


def edit(context: typer.Context, what: What, agent: options.Agent = DEFAULT_AGENT) -> None:
    """Edit a block, a passage, a fact or a message in your editor (VISUAL or EDITOR).

    A fact has three lines: subject, relation, object. If others change it meanwhile, you are shown what, and your text is kept in a file.
    """
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        found = _editable(opened, what)
        done: list[str] = []
        if edit_text(terminal, what, found.text, lambda text: done.append(found.write(text)), empty=found.empty):
            terminal.say(done[-1])


def set_text(
    context: typer.Context,
    what: What,
    text: Annotated[str, typer.Argument(help="The new text; - reads it from standard input. For a fact: 'SUBJECT | RELATION | OBJECT'.")],
    agent: options.Agent = DEFAULT_AGENT,
    new: Annotated[bool, typer.Option("--new", help="Create a new block with this label.")] = False,
) -> None:
    """Replace the text of a block, a passage, a fact or a message: 'memgpt memory set persona TEXT' gives the agent another persona."""
    terminal = terminal_of(context)
    given = sys.stdin.read().removesuffix("\n") if text == "-" else text
    with terminal.open_known(agent) as opened:
        if new:
            from memgpt_agent.memory.core import Block

            opened.core_memory.create([Block(what, given)])
            terminal.say(f"Made the block {what}.")
            return
        found = _editable(opened, what)
        if found.text == given:
            terminal.note("It says that already; nothing was changed.", "dim")
            return
        terminal.say(found.write(given))


def rename(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="Which block.")],
    new_label: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
    agent: options.Agent = DEFAULT_AGENT,
) -> None:
    """Give a block another label. 'memgpt memory undo' reverses it."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        opened.core_memory.rename(label, new_label)
    terminal.say(f"{label} is {new_label} now.")


def _editable(agent: "MemGPTAgent", what: str) -> _Editable:
    """Return what a label or an id names.

    Raises:
        UnknownBlock: it names nothing.
    """
    from memgpt_agent.memory.corrections import kind_of

    if what in agent.core_memory:
        return _block(agent, what)
    return {"passage": _passage, "fact": _fact, "message": _message}[kind_of(what)](agent, what)


def _block(agent: "MemGPTAgent", label: str) -> _Editable:
    before = agent.core_memory[label]

    def write(text: str) -> str:
        block = agent.core_memory.revise(label, before, text)
        return f"{label} has {len(text):,} of {block.limit_chars:,} characters now, version {block.version}."

    return _Editable(before, write, f"To empty the block: memgpt memory set {label} ''")


def _passage(agent: "MemGPTAgent", passage_id: str) -> _Editable:
    from memgpt_agent.errors import UnknownPassage
    from memgpt_agent.memory import namespaces

    def now() -> str:
        item = agent.memory.store.get(namespaces.archival(agent.agent_id), passage_id)
        if item is None:
            raise UnknownPassage(f"There is no passage {passage_id!r}. Search for it: memgpt memory search QUERY --in archival --json")
        return str(item.value["text"])

    before = now()

    def write(text: str) -> str:
        _check_unchanged(passage_id, before, now())
        return f"It is {agent.edit_passage(passage_id, text).id} now."

    return _Editable(before, write, f"To take the passage out: memgpt forget {passage_id}")


def _fact(agent: "MemGPTAgent", fact_id: str) -> _Editable:
    from memgpt_agent.memory.knowledge import KnowledgeGraph

    facts = KnowledgeGraph(agent.memory.store, agent.agent_id, agent.memory.clock)

    def now() -> str:
        fact = facts.read(fact_id)
        if fact is None:
            raise UnknownBlock(f"There is no fact {fact_id!r}. See the ids: memgpt memory graph --format json")
        return f"{fact.subject}\n{fact.relation}\n{fact.object}"

    before = now()

    def write(text: str) -> str:
        _check_unchanged(fact_id, before, now())
        lines = [part.strip() for part in text.split("|" if "|" in text else "\n") if part.strip()]
        if len(lines) != _FACT_LINES:
            raise InvalidArguments(f"A fact has a subject, a relation and an object; got {len(lines)} parts.")
        fact = agent.edit_fact(fact_id, subject=lines[0], relation=lines[1], object=lines[2])
        return f"It is {fact.id} now: {fact.subject} - {fact.relation} - {fact.object}"

    return _Editable(before, write, f"To take the fact out: memgpt forget {fact_id}")


def _message(agent: "MemGPTAgent", message_id: str) -> _Editable:
    def now() -> str:
        found = agent.memory.recall.get([message_id]).get(message_id)
        if found is None:
            there = ", ".join(agent.core_memory) or "none"
            raise UnknownBlock(f"{message_id!r} is no block ({there}), and no id of a passage, a fact or a message.")
        return found.text

    before = now()

    def write(text: str) -> str:
        _check_unchanged(message_id, before, now())
        agent.edit_message(message_id, text)
        return f"Message {message_id} is edited."

    return _Editable(before, write, f"To take the message out: memgpt forget {message_id}")


def _check_unchanged(what: str, before: str, now: str) -> None:
    if now != before:
        raise EditConflict.of(what, before, now)
