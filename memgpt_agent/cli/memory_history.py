"""`memgpt memory log`, `diff`, `undo`, `redo`, `restore` and `tasks`: the history of core memory."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, plain, shortened, terminal_of
from memgpt_agent.errors import ConfigurationError, ToolError, UnknownBlock

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent
    from memgpt_agent.memory.archival import Passage
    from memgpt_agent.memory.core import CoreMemory
    from memgpt_agent.memory.core.history import Difference, Point, Version
    from memgpt_agent.memory.knowledge import Fact
    from memgpt_agent.memory.recall import Message
    from memgpt_agent.memory.tasks import Task
    from memgpt_agent.turns.correcting import Edit

_SHOWN_LINES = 8
_POINT = "a number from the log, a day or moment, or a turn (its id, or how it begins)"

Label = Annotated[str | None, typer.Argument(help="A block (all blocks, if left out), or the id of a passage, a fact or a message.")]


def log(
    context: typer.Context,
    label: Label = None,
    agent: options.Agent = DEFAULT_AGENT,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The most versions to show.")] = 20,
    before: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Only versions older than this number of the log.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw them as SVG into this file instead.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the versions of core memory, newest first: who made each, when, why and in which turn.

    With the id of a passage, a fact or a message: what it said before it was corrected.
    """
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        core = opened.core_memory
        try:
            versions = core.log(label, limit=limit, before=before)
        except UnknownBlock:
            if label is None or not (edits := _edits_of(opened, label)):
                raise
            _show_edits(context, edits[::-1][:limit], as_json=as_json)
            return
        if plot is not None:
            from memgpt_agent.memory.core.history_picture import log_svg

            plot.write_text(
                log_svg(versions, f"Core memory of {agent}{f': {label}' if label else ''}"), encoding="utf-8"
            )
            terminal.note(f"{len(versions)} versions drawn in {plot}.")
        elif as_json:
            terminal.print_json([asdict(version) for version in versions])
        else:
            for version in versions:
                _show_version(terminal.out, version, core)


def diff(
    context: typer.Context,
    label: Label = None,
    agent: options.Agent = DEFAULT_AGENT,
    start: Annotated[str | None, typer.Option("--from", metavar="POINT", help=f"The earlier state: {_POINT}.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="POINT", help="The later state; now, if left out.")
    ] = None,
    turns: Annotated[
        tuple[str, str] | None,
        typer.Option("--between-turns", metavar="A B", help="The states when these two turns had ended."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print how core memory changed between two points."""
    if (start is None) == (turns is None) or (turns is not None and end is not None):
        raise ConfigurationError("Give --from (and --to), or --between-turns: the two states to compare.")
    first = f"turn:{turns[0]}" if turns else _point(start or "")
    last = f"turn:{turns[1]}" if turns else _point(end) if end else None
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        found = opened.core_memory.diff(first, last, label)
    if as_json:
        terminal.print_json([asdict(difference) for difference in found])
    else:
        _show_differences(terminal.out, found)


def undo(
    context: typer.Context, label: Label = None, agent: options.Agent = DEFAULT_AGENT, as_json: options.AsJson = False
) -> None:
    """Undo the last edit of core memory, of one block, or of a passage, fact or message. Repeat it to undo the edit before."""
    with terminal_of(context).open_known(agent) as opened:
        try:
            _show_made(context, opened.core_memory.undo(label), as_json=as_json)
        except UnknownBlock:
            from memgpt_agent.memory.corrections import kind_of

            if label is None or (kind_of(label) == "message" and not opened.edits(label)):
                raise
            _show_undone(context, opened.undo_edit(label), as_json=as_json)


def redo(
    context: typer.Context, label: Label = None, agent: options.Agent = DEFAULT_AGENT, as_json: options.AsJson = False
) -> None:
    """Redo what the last undo reversed."""
    with terminal_of(context).open_known(agent) as opened:
        _show_made(context, opened.core_memory.redo(label), as_json=as_json)


def restore(
    context: typer.Context,
    label: Label = None,
    at: Annotated[
        str, typer.Option("--at", metavar="POINT", help=f"Which state: {_POINT}; with a block, its version.")
    ] = ...,  # pyright: ignore[reportArgumentType]
    agent: options.Agent = DEFAULT_AGENT,
    as_json: options.AsJson = False,
) -> None:
    """Restore core memory, or one block, as it was at a point. An undo reverses it."""
    with terminal_of(context).open_known(agent) as opened:
        _show_made(context, opened.core_memory.restore(_point(at), label), as_json=as_json)


def tasks(context: typer.Context, agent: options.Agent = DEFAULT_AGENT, as_json: options.AsJson = False) -> None:
    """Print the agent's open tasks, the most urgent first, and the tasks closed last."""
    from memgpt_agent.memory.tasks import TaskList

    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        known, now = TaskList(opened.memory), opened.memory.clock()
        still, closed = known.open(), known.recent()
    if as_json:
        terminal.print_json({"open": [asdict(task) for task in still], "closed": [asdict(task) for task in closed]})
        return
    for task in still:
        _show_task(terminal.out, task, overdue=task.overdue(now))
    for task in closed:
        terminal.say(f"{task.number}. {task.how} on {task.closed[:10]}: {task.title}", "dim")
    if not still and not closed:
        terminal.say("No tasks.", "dim")


def _point(text: str) -> "Point":
    return int(text) if text.isdigit() else text


def _show_version(out: Console, version: "Version", core: "CoreMemory") -> None:
    why = f"  turn {version.turn[:8]}" if version.turn else ""
    who = f"{version.actor} ({version.agent})" if version.agent else version.actor
    kind = "" if version.kind in ("edit", version.tool) else f" ({version.kind})"
    head = f"{version.revision}  {version.time[:16].replace('T', ' ')}  {who}  {version.tool or 'edit'}{kind}{why}"
    out.print(plain(f"{version.label} {version.version}", "bold"), plain(f"  {head}", "dim"), sep="")
    if version.thinking:
        out.print(plain(f"  {shortened(version.thinking, 300)}", "italic"))
    changed = str(core.change(version)).split("\n")[3:]
    for line in changed[:_SHOWN_LINES]:
        out.print(plain(f"  {line}", {"+": "green", "-": "red"}.get(line[:1], "")))
    if len(changed) > _SHOWN_LINES:
        out.print(plain(f"  … {len(changed) - _SHOWN_LINES} more lines", "dim"))
    if version.deleted:
        out.print(plain("  (deleted)", "dim"))


def _show_differences(out: Console, found: "list[Difference]") -> None:
    for difference in found:
        for line in str(difference).split("\n"):
            out.print(plain(line, {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")))
    if not found:
        out.print(plain("No difference.", "dim"))


def _show_made(context: typer.Context, made: "list[Version]", *, as_json: bool) -> None:
    terminal = terminal_of(context)
    if as_json:
        terminal.print_json([asdict(version) for version in made])
        return
    for version in made:
        length = f"has {len(version.value):,} characters now:" if version.value else "is empty now"
        state = "is not there now" if version.deleted else length
        terminal.out.print(plain(version.label, "bold"), plain(f" (version {version.version}) {state}", "dim"), sep="")
        if version.value and not version.deleted:
            terminal.say(version.value)
    if not made:
        terminal.say("It is so already; nothing was changed.", "dim")


def _edits_of(agent: "MemGPTAgent", what_id: str) -> "list[Edit]":
    """Return the earlier states of what an id names; of a passage or a fact without any, say why."""
    from memgpt_agent.memory.archival import RetiredPassages
    from memgpt_agent.memory.corrections import kind_of
    from memgpt_agent.memory.knowledge.correcting import FactCorrections

    edits, kind = agent.edits(what_id), kind_of(what_id)
    if edits or kind == "message":
        return edits
    (RetiredPassages if kind == "passage" else FactCorrections)(agent.memory.store, agent.agent_id).standing(what_id)
    raise ToolError(f"The {kind} {what_id!r} was never corrected.")


def _show_edits(context: typer.Context, edits: "list[Edit]", *, as_json: bool) -> None:
    terminal = terminal_of(context)
    if as_json:
        terminal.print_json([asdict(edit) for edit in edits])
        return
    for edit in edits:
        terminal.out.print(plain(edit.how, "bold"), plain(f"  {edit.time[:16].replace('T', ' ')}  {edit.actor}", "dim"), sep="")
        terminal.say("\n".join(f"  - {line}" for line in edit.text.splitlines()), "red")


def _show_undone(context: typer.Context, undone: "Message | Passage | Fact", *, as_json: bool) -> None:
    terminal = terminal_of(context)
    if as_json:
        terminal.print_json(asdict(undone))
        return
    says = getattr(undone, "text", None) or " - ".join(str(getattr(undone, name)) for name in ("subject", "relation", "object"))
    terminal.out.print(plain(undone.id, "bold"), plain("  says now:", "dim"), sep="")
    terminal.say(says)


def _show_task(out: Console, task: "Task", *, overdue: bool) -> None:
    due = f", due {task.due}" if task.due else ""
    out.print(
        plain(f"{task.number}. {task.title}", "bold"),
        plain(f"  {task.priority}{due}", "dim"),
        plain("  overdue" if overdue else "", "red"),
        sep="",
    )
    for step in task.steps:
        out.print(plain(f"   {'[x]' if step.done else '[ ]'} {step.text}"))
    if task.note:
        out.print(plain(f"   {task.note}", "italic"))


COMMANDS = (log, diff, undo, redo, restore, tasks)
"""What `memgpt memory` gets from here."""
