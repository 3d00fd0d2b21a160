"""Running the server of a data folder until it is asked to stop."""

from collections.abc import Callable
from contextlib import closing

from memgpt_agent.config import Settings
from memgpt_agent.server.app import create_app
from memgpt_agent.server.guards import LOOPBACK
from memgpt_agent.server.listening import serve_app
from memgpt_agent.server.open_agents import OpenAgents

DEFAULT_PORT = 8283
"""The port of Letta's server, which its clients take if none is named."""


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
        StoreError: the data folder cannot be opened.
    """
    hosts = LOOPBACK if host in LOOPBACK else ()
    with closing(OpenAgents(settings, model=model, sandbox=sandbox)) as agents:  # here, so that what cannot be opened is said in its own words
        serve_app(create_app(settings, hosts=hosts, origins=origins, agents=agents), host, port, started)
