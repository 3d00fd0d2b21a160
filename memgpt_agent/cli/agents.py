"""`memgpt agents`: listing, naming and deleting agents, and ending their unfinished turns."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of
from memgpt_agent.errors import AgentNotFound

if TYPE_CHECKING:
    from memgpt_agent.owners import Ownership

_STAYS = "Shared blocks, letters to other agents, exports, backups and the prompt's history stay."

app = typer.Typer(no_args_is_help=True, help="The agents that are stored.")


@app.command("list")
def list_all(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Include the agents that a server made for its threads, users and assistants.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """List the agents, oldest first."""
    terminal = terminal_of(context)
    agents = terminal.agents(undefined=every)
    if as_json:
        terminal.print_json(agents)
        return
    if not agents:
        terminal.say("No agent yet. Start one: memgpt chat", "dim")
        return
    owned = any(agent["owner"] for agent in agents)  # nothing of owners is shown if there are none
    named = any(agent.get("name") for agent in agents)
    table = grid("agent", *["name"] * named, *["owner"] * owned, "created", "model", "conversations", numbers=1)
    for agent in agents:
        created = str(agent.get("created", ""))[:16].replace("T", " ")
        owner = [plain(agent["owner"] or "-")] * owned
        name = [plain(agent.get("name") or "-")] * named
        model, threads = plain(agent.get("model") or "(default)"), str(len(agent.get("threads", ())))
        table.add_row(plain(agent["agent_id"]), *name, *owner, created, model, threads)
    terminal.out.print(table)


@app.command()
def rename(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id or name.")],
    name: Annotated[str, typer.Argument(help="The agent's new name; '' removes it.")],
) -> None:
    """Give an agent a name, which --agent accepts too. Its id, memory and conversations do not change."""
    from memgpt_agent.stored_agents import rename_agent

    terminal = terminal_of(context)
    known = terminal.id_of(agent)
    if known not in [one["agent_id"] for one in terminal.agents()]:
        raise AgentNotFound(f"There is no agent {agent!r}; see `memgpt agents list`.")
    made = rename_agent(known, name, settings=terminal.settings)
    terminal.say(f"{known} is called {made.name} now." if made.name else f"{known} has no name of its own now.")


@app.command()
def repair(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id or name.")],
    as_json: options.AsJson = False,
) -> None:
    """End unfinished turns of an agent that crashes or hangs the program when it is opened. What it did is kept."""
    from memgpt_agent.turns.repairing import repair_agent

    terminal = terminal_of(context)
    agent = terminal.id_of(agent)
    ended = repair_agent(agent, settings=terminal.settings)
    if as_json:
        terminal.print_json(ended)
        return
    for thread_id in ended:
        terminal.say(f"Ended the unfinished turn of the conversation {thread_id}.")
    if not ended:
        terminal.say(f"{agent} has no unfinished turn.")


@app.command()
def owner(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id or name.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The new owner. Without it, show the current one.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Remove the owner: only the admin may use the agent.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show an agent's owner, or set it."""
    from memgpt_agent.stored_agents import assign_agent, ownership_of

    terminal = terminal_of(context)
    agent = terminal.id_of(agent)
    if name is None and not nobody:
        _show_ownership(terminal, ownership_of(agent, settings=terminal.settings), as_json=as_json)
    else:
        _show_ownership(terminal, assign_agent(agent, name or "", settings=terminal.settings), as_json=as_json)


@app.command()
def share(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id or name.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The owner to share with; '*' for everybody.")],
    write: Annotated[bool, typer.Option("--write", help="Let them talk to the agent and change it, not only read it.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Take the permission away.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Let another owner read an agent, or change it with --write."""
    from memgpt_agent.stored_agents import share_agent

    terminal = terminal_of(context)
    agent = terminal.id_of(agent)
    right = None if stop else "write" if write else "read"
    _show_ownership(terminal, share_agent(agent, name, right, settings=terminal.settings), as_json=as_json)


def _show_ownership(terminal: Terminal, known: "Ownership", *, as_json: bool) -> None:
    if as_json:
        terminal.print_json(asdict(known))
        return
    shared = ", ".join(f"{'everybody' if name == '*' else name} ({right})" for name, right in sorted(known.shared.items()))
    whose = f"belongs to {known.owner}" if known.owner else "has no owner: only the admin may use it"
    terminal.say(f"{known.agent_id} {whose}{f'; shared with {shared}' if shared else ''}.")


@app.command()
def delete(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id or name.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete an agent with all its memory and conversations. You cannot undo this."""
    terminal = terminal_of(context)
    agent = terminal.id_of(agent)
    known = [known["agent_id"] for known in terminal.agents()]
    if agent not in known:
        raise AgentNotFound(f"There is no agent {agent!r}; nothing was deleted. The agents are: {', '.join(known) or 'none'}.")
    if not yes:
        typer.confirm(f"Delete {agent!r} with all it remembers?", abort=True)
    from memgpt_agent.stored_agents import delete_agent

    began = time.monotonic()
    delete_agent(agent, settings=terminal.settings, tell=lambda part: terminal.err.print(plain(f"{part} …", "dim")))
    terminal.note(f"Erased from the data folder in {time.monotonic() - began:.1f} s. {_STAYS}", "dim")
    terminal.say(f"Deleted {agent}.")
