"""Serving an app until the process is asked to stop; running requests are finished first."""

from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from memgpt_agent.errors import ConfigurationError


def serve_app(app: ASGIApp, host: str, port: int, started: Callable[[str], None] | None) -> None:
    """Serve an app until SIGTERM or Ctrl-C.

    Args:
        app: what is served.
        host: the address to listen on.
        port: the port; 0 for a free one.
        started: called with the server's address once it takes requests.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    server = _Server(uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=None), started)
    try:
        server.run()
    except SystemExit as error:  # uvicorn says why in its log
        raise ConfigurationError(f"The server cannot listen on {host}:{port}, or could not start. Choose another --port.") from error


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._started_at = started

    async def startup(self, sockets: "list[object] | None" = None) -> None:  # type: ignore[override]
        """Start, and say so."""
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self._started_at is not None and self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._started_at(f"http://{f'[{host}]' if ':' in host else host}:{port}")
