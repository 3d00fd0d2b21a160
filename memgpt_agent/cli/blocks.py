"""`memgpt blocks`: listing, sharing, attaching, detaching and deleting shared blocks."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import DEFAULT_AGENT, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.memory.core.shared_blocks import SharedBlock

app = typer.Typer(no_args_is_help=True, help="Core memory blocks that several agents share.")
BlockId = Annotated[str, typer.Argument(metavar="ID", help="Which shared block.")]
Label = Annotated[str, typer.Argument(help="The block's label in the agent.")]


@app.command("list")
def list_all(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the shared blocks and the agents that have them."""
    terminal = terminal_of(context)
    found: list[SharedBlock] = []
    if terminal.agents():
        from memgpt_agent.memory.core.shared_blocks import SharedBlocks
        from memgpt_agent.memory.opening import open_configured_store
        from memgpt_agent.owners import Identity

        with open_configured_store(terminal.settings, searches=False) as store:
            found = SharedBlocks(store, Identity.of(terminal.settings.owner)).all()
    if as_json:
        terminal.print_json([_as_data(shared) for shared in found])
        return
    if not found:
        terminal.say("No shared block yet. Share one: memgpt blocks share LABEL --agent ID", "dim")
        return
    table = grid("block", "characters", "changed", "agents")
    for shared in found:
        size = f"{len(shared.block.value):,} of {shared.block.limit_chars:,}"
        changed = shared.block.updated_at[:16].replace("T", " ")
        holders = ", ".join(_holder(a.agent_id, a.label, read_only=a.read_only) for a in shared.attached)
        table.add_row(plain(shared.id), size, changed, plain(holders or "nobody"))
    terminal.out.print(table)


@app.command()
def share(
    context: typer.Context,
    label: Label,
    agent: options.Agent = DEFAULT_AGENT,
    block_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="The shared block's id. Without it, a new one is made.")
    ] = None,
) -> None:
    """Turn a block of this agent into a shared one that other agents can attach. Its history goes with it."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        made = opened.core_memory.share(label, block_id)
    terminal.say(f"Block {label!r} of {agent} is shared as {made}. Attach it: memgpt blocks attach {made} --agent ID")


@app.command()
def attach(
    context: typer.Context,
    block_id: BlockId,
    agent: options.Agent = DEFAULT_AGENT,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="LABEL", help="The label in this agent. Default: its own label."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="This agent may read the block but not edit it.")] = False,
) -> None:
    """Attach a shared block to an agent. Repeat it to change whether the agent may edit the block."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        block = opened.core_memory.attach(block_id, label, read_only=read_only)
    how = _holder(agent, block.label, read_only=read_only)
    terminal.say(f"Attached {block_id} to {how}.")


@app.command()
def detach(
    context: typer.Context,
    label: Label,
    agent: options.Agent = DEFAULT_AGENT,
    keep_copy: Annotated[
        bool, typer.Option("--keep-copy", help="Keep a copy of its text as the agent's own block.")
    ] = False,
) -> None:
    """Detach a shared block from an agent; the other agents keep it."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        opened.core_memory.detach(label, keep_copy=keep_copy)
    kept = "; it keeps a copy of its own" if keep_copy else ""
    terminal.say(f"Detached {label} from {agent}{kept}.")


@app.command()
def delete(
    context: typer.Context,
    block_id: BlockId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a shared block that no agent has, with its history. You cannot undo this."""
    terminal = terminal_of(context)
    if not yes:
        typer.confirm(f"Delete the shared block {block_id!r} with its history?", abort=True)
    from memgpt_agent.memory.core.shared_blocks import SharedBlocks
    from memgpt_agent.memory.opening import open_configured_store
    from memgpt_agent.owners import Identity

    with open_configured_store(terminal.settings, searches=False) as store:
        SharedBlocks(store, Identity.of(terminal.settings.owner)).delete(block_id)
    terminal.say(f"Deleted {block_id}.")


def _holder(agent: str, label: str, *, read_only: bool) -> str:
    return f"{agent} (as {label}{', read-only' if read_only else ''})"


def _as_data(shared: "SharedBlock") -> dict[str, Any]:
    block = {name: value for name, value in asdict(shared.block).items() if name != "causes"}
    return {"id": shared.id, **block, "attached": [asdict(a) for a in shared.attached]}
