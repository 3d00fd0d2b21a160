"""`memgpt agents`: which agents are stored, ending their unfinished turns, and deleting one."""

import time
from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import plain, terminal_of
from memgpt_agent.errors import AgentNotFound

_STAYS = "Shared blocks, letters to other agents, exports, backups and the prompt's history stay."

app = typer.Typer(no_args_is_help=True, help="The agents that are stored.")


@app.command("list")
def list_all(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the agents, oldest first."""
    terminal = terminal_of(context)
    agents = terminal.agents()
    if as_json:
        terminal.print_json(agents)
        return
    if not agents:
        terminal.out.print(plain("No agent yet. Start one: memgpt chat", "dim"))
        return
    table = grid("agent", "created", "model", "conversations", numbers=1)
    for agent in agents:
        created = str(agent["created"])[:16].replace("T", " ")
        table.add_row(plain(agent["agent_id"]), created, plain(agent.get("model") or "(default)"), str(len(agent.get("threads", ()))))
    terminal.out.print(table)


@app.command()
def repair(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="Which agent.")],
    as_json: options.AsJson = False,
) -> None:
    """End unfinished turns: for an agent that ends or hangs the program whenever it is opened. What it did is kept."""
    from memgpt_agent.turns.repairing import repair_agent

    terminal = terminal_of(context)
    ended = repair_agent(agent, settings=terminal.settings)
    if as_json:
        terminal.print_json(ended)
        return
    for thread_id in ended:
        terminal.out.print(plain(f"Ended the unfinished turn of the conversation {thread_id}."))
    if not ended:
        terminal.out.print(plain(f"{agent} has no unfinished turn."))


@app.command()
def delete(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="ID", help="Which agent.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete an agent with all its memory and conversations. There is no way back."""
    terminal = terminal_of(context)
    known = [known["agent_id"] for known in terminal.agents()]
    if agent not in known:
        raise AgentNotFound(f"There is no agent {agent!r}; nothing was deleted. The agents are: {', '.join(known) or 'none'}.")
    if not yes:
        typer.confirm(f"Delete {agent!r} with all it remembers?", abort=True)
    from memgpt_agent.stored_agents import delete_agent

    began = time.monotonic()
    delete_agent(agent, settings=terminal.settings, tell=lambda part: terminal.err.print(plain(f"{part} …", "dim")))
    terminal.err.print(plain(f"Erased from the data folder in {time.monotonic() - began:.1f} s. {_STAYS}", "dim"))
    terminal.out.print(plain(f"Deleted {agent}."))
