"""`memgpt export`, `import` and `transcript`: an agent as a file, and a conversation as text."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, clean, terminal_of
from memgpt_agent.errors import MissingDependency, install_command

if TYPE_CHECKING:
    from memgpt_agent.agent_file import Exported, Imported


class ExportForm(StrEnum):
    """The form of the file."""

    json = "json"
    af = "af"


def export(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write. Without it, print the result.")
    ] = None,
    form: Annotated[
        ExportForm,
        typer.Option(
            "--format", metavar="FORM", help="json: everything; af: an Agent File, which holds less and says what it leaves out."
        ),
    ] = ExportForm.json,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Include the vectors, so that an import need not embed the texts again.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the json form instead.")] = False,
) -> None:
    """Write an agent, with everything it remembers, to one file. The file never holds keys or passwords."""
    terminal = terminal_of(context)
    if schema:
        from memgpt_agent.agent_file import schema as schema_of

        terminal.print_json(schema_of())
        return
    from memgpt_agent.agent_file import export_agent, export_agent_file

    target = output if output is not None else sys.stdout
    agent = terminal.id_of(agent)
    if form is ExportForm.af:
        done = export_agent_file(agent, target, settings=terminal.settings)
    else:
        done = export_agent(agent, target, vectors=vectors, settings=terminal.settings)
    _tell_exported(terminal, done, output)


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that memgpt exported, or an Agent File (.af).")],
    agent: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="The new agent's id. Default: the one in the file.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Create an agent from a file. The command lists what it cannot import; a bad file changes nothing."""
    from memgpt_agent.agent_file import import_agents

    terminal = terminal_of(context)
    with terminal.err.status("importing"):
        done = import_agents(file, agent_id=agent, settings=terminal.settings)
    if as_json:
        terminal.print_json([one.__dict__ for one in done])
        return
    for one in done:
        _tell_imported(terminal, one)


def import_letta(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of a running Letta server, such as http://localhost:8283.")],
    token: Annotated[str | None, typer.Option(metavar="TOKEN", envvar="LETTA_API_KEY", help="Its password or key, if it has one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be brought over.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Bring all agents of a running Letta server here: blocks, messages, passages, tools, folders.

    Agents keep their ids. After an interruption, give the same command again: it skips what is here already.
    """
    terminal = terminal_of(context)
    try:
        from memgpt_agent.server.letta_import import LettaServer, blocks_of, bring_over, plan
    except ImportError as error:
        raise MissingDependency(f"This needs {error.name}, which is not installed. Run: {install_command('serve')}") from error
    server = LettaServer(url, token or "")
    with terminal.err.status("looking"):
        planned = plan(server, terminal.settings)
    for agent in planned.agents:
        here = " (is here already)" if agent["id"] in planned.known else ""
        terminal.say(f"{agent.get('name') or agent['id']}: {len(blocks_of(agent))} blocks, {len(agent.get('tools') or ())} tools{here}")
    for folder in planned.folders:
        terminal.say(f"folder {folder.get('name')}: {len(folder['files'])} files")
    terminal.say(f"{len(planned.agents)} agents, {len(planned.known)} of them here already; {len(planned.folders)} folders.")
    if dry_run or not (planned.agents or planned.folders):
        return
    if not yes:
        typer.confirm("Bring them over?", abort=True)
    done = bring_over(
        server, planned, terminal.settings, lambda name, number, of: terminal.note(f"{number} of {of}: {name}", "dim")
    )
    for note in done.notes:
        terminal.say(f"  not carried over: {note}", "yellow")
    for agent_id, why in done.failed.items():
        terminal.say(f"  {agent_id} was not brought over: {why}", "red")
    terminal.say(f"Brought over {len(done.agents)} agents and {done.folders} folders; {len(done.skipped)} agents were here already.")
    if done.failed:
        raise typer.Exit(1)


def _tell_exported(terminal: Terminal, done: "Exported", output: Path | None) -> None:
    where = f" to {output}" if output is not None else ""
    terminal.note(f"Exported {done.agent_id}{where}: {_counted(done.items)}.")
    for line in done.left_out:
        terminal.note(f"  not in it: {line}", "yellow")


def _tell_imported(terminal: Terminal, done: "Imported") -> None:
    terminal.say(f"Imported {done.agent_id}: {_counted(done.items)}. Talk to it: memgpt chat --agent {done.agent_id}")
    for line in done.not_carried:
        terminal.say(f"  not carried over: {line}", "yellow")


def _counted(items: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {tier}" for tier, count in sorted(items.items())) or "nothing"


class Form(StrEnum):
    """How it is written."""

    text = "text"
    markdown = "markdown"
    json = "json"


def transcript(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    thread: options.Thread = None,
    form: Annotated[Form, typer.Option("--format", metavar="FORM", help="text, markdown or json.")] = Form.text,
    thoughts: Annotated[bool, typer.Option("--thoughts", help="Include inner thoughts.")] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Include tool calls and their results, alerts and heartbeats.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Show the ids that edit and forget take.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file to write.")] = None,
) -> None:
    """Print a conversation from its beginning, as the agent remembers it."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        written = opened.transcript(form.value, thread_id=thread, thoughts=thoughts, tools=tools, ids=ids)
        known = next((a["threads"] for a in terminal.agents() if a["agent_id"] == opened.agent_id), ())
    if not written or written == "[]":
        terminal.note(f"Nothing was said in it. The conversations are: {', '.join(known)}", "dim")
    if out is not None:
        out.write_text(f"{written}\n", encoding="utf-8", errors="replace")
        terminal.note(f"Written into {out}.", "dim")
    elif written:
        if form is Form.json:
            terminal.print_json(json.loads(written))
        else:
            typer.echo(clean(written))
