"""`memgpt serve` and `memgpt mcp`: agents over HTTP, and one agent's memory for MCP clients."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, plain, terminal_of
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on. Default: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="The port; 0 for a free one.")] = 8283,
    model: options.Model = None,
    origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Another origin whose pages may call, such as a chat client's; may be repeated.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Run tools that clients upload, in the sandbox of run_code.")] = False,
) -> None:
    """Serve the agents over HTTP: a page for people, Letta's interface for its clients, OpenAI's chat completions, documentation at /docs.

    It stops at Ctrl-C or SIGTERM, once the turns that are being taken are over.
    """
    terminal = terminal_of(context)
    try:
        from memgpt_agent.server.running import run
    except ImportError as error:
        raise MissingDependency(f"Serving needs {error.name}, which is not installed. Run: {install_command('serve')}") from error

    def on_started(url: str) -> None:
        terminal.note(f"Serving {terminal.settings.home} at {url} (documentation: {url}/docs). Ctrl-C stops it.")

    run(
        terminal.settings, host=host, port=port, model=model, origins=tuple(origin or ()), sandbox=sandbox, started=on_started,
    )  # fmt: skip


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def mcp(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP at /mcp, for several clients, instead of standard input.")] = False,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="With --http: the address. Default: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="With --http: the port; 0 for a free one.")] = 8284,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer no tool that changes memory.")] = False,
    each_client: Annotated[
        bool, typer.Option("--each-client", help="Give each client its own agent: by its token's owner, else by the client's name.")
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens/--no-tokens", help="With --http: require a token. Always on if other machines can connect.")
    ] = False,
) -> None:
    """Offer an agent's memory to MCP clients: tools to search, remember, edit and forget; blocks as resources; a prompt."""
    terminal = terminal_of(context)
    try:
        from memgpt_agent.mcp_server.agents import ServedAgents
        from memgpt_agent.mcp_server.server import run_http, run_stdio
    except ImportError as error:
        raise MissingDependency(f"The MCP server needs {error.name}, which is not installed. Run: {install_command('mcp')}") from error
    tokens = tokens or host not in _LOOPBACK
    with ExitStack() as opened:
        agents = ServedAgents(_opener(terminal, opened, shared=each_client), agent, "each" if each_client else "one", read_only=read_only)
        if not http:
            run_stdio(agents)
            return
        identify = None
        if tokens:
            from memgpt_agent.owners.credentials import Credentials
            from memgpt_agent.owners.tokens import Tokens

            if not Tokens(terminal.settings.tokens_path).all() and not terminal.settings.oidc_issuer:
                raise ConfigurationError("There are no tokens, so that nobody could connect. Make one first: memgpt tokens create OWNER")
            identify = Credentials(terminal.settings).identity
        run_http(agents, host, port, identify, lambda url: terminal.err.print(plain(f"MCP server at {url}. Ctrl-C stops it.")))


def _opener(terminal: Terminal, opened: ExitStack, *, shared: bool) -> "Callable[..., MemGPTAgent]":
    """Return what opens agents: over one store for all of them, where each client has its own."""
    if not shared:
        return terminal.open_agent
    from memgpt_agent.checkpoints import open_configured_checkpointer
    from memgpt_agent.memory.opening import open_configured_store

    store = opened.enter_context(open_configured_store(terminal.settings))
    saver = opened.enter_context(open_configured_checkpointer(terminal.settings))
    return partial(terminal.open_agent, store=store, checkpointer=saver)
