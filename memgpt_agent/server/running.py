"""Running the server until it is told to stop; the turns that are being taken then are finished first."""

from collections.abc import Callable

import uvicorn

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.server.app import create_app
from memgpt_agent.server.guards import LOOPBACK

DEFAULT_PORT = 8283
"""The port of Letta's server, which its clients take where none is named."""


def run(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    model: str | None = None,
    origins: tuple[str, ...] = (),
    sandbox: bool = False,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve a data folder until SIGTERM or Ctrl-C.

    Args:
        settings: the data folder and the rest.
        host: the address to listen on.
        port: the port; 0 for a free one.
        model: the chat model of agents that name none.
        origins: other origins whose pages may call.
        sandbox: whether tools that clients upload may run, in the sandbox.
        started: called with the server's address once it takes requests.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    hosts = LOOPBACK if host in LOOPBACK else ()
    app = create_app(settings, model=model, hosts=hosts, origins=origins, sandbox=sandbox)
    server = _Server(uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=None), started)
    try:
        server.run()
    except SystemExit as error:  # uvicorn says why in its log
        raise ConfigurationError(f"The server cannot listen on {host}:{port}, or could not start. Choose another --port.") from error


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._told = started

    async def startup(self, sockets: "list[object] | None" = None) -> None:  # type: ignore[override]
        """Start, and say so."""
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self._told is not None and self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
