"""`memgpt keys`: storing providers' keys, so that no environment variable is needed."""

import sys
from typing import Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import plain, terminal_of

app = typer.Typer(no_args_is_help=True, help="Provider keys, stored for you alone in the data folder. An environment variable takes precedence.")
_Name = Annotated[str, typer.Argument(metavar="PROVIDER", help="openai, anthropic, google_genai, mistralai, deepseek, openrouter ...")]


@app.command("set")
def set_key(
    context: typer.Context,
    provider: _Name,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="The key. Without it, the command asks or reads from a pipe.")] = None,
) -> None:
    """Store a provider's key. Let the command ask for it: the shell's history keeps what you type in a command."""
    from memgpt_agent.models import keys
    from memgpt_agent.models.providers import known_provider

    terminal = terminal_of(context)
    known = known_provider(provider)
    if key is None:
        key = typer.prompt(f"Key of {known.name}", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    place = keys.store(terminal.settings.home, known.name, str(key))
    terminal.say(f"The key of {known.name} is stored in {place}. See what it opens: memgpt models {known.name}")
    if known.key_in_environment():
        terminal.note(f"{known.variable_in_use()} is set in the environment and is used before it.", "yellow")


@app.command("list")
def list_all(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the providers that have a key, and where the key is stored. Only the ends of the key are shown."""
    from memgpt_agent.models import keys
    from memgpt_agent.models.providers import PROVIDERS

    terminal = terminal_of(context)
    home = terminal.settings.home
    there: list[dict[str, Any]] = []
    for provider in PROVIDERS.values():
        given, kept = provider.key_in_environment(), keys.stored(home, provider.name)
        if key := given or kept:
            source = provider.variable_in_use() or "stored"
            there.append({"provider": provider.name, "key": keys.masked(key), "from": source, "stored": kept is not None})
    if as_json:
        terminal.print_json(there)
        return
    table = grid("provider", "key", "from")
    for found in there:
        beside = " (a stored one waits behind it)" if found["stored"] and found["from"] != "stored" else ""
        table.add_row(plain(found["provider"]), plain(found["key"]), plain(f"{found['from']}{beside}"))
    if there:
        terminal.out.print(table)
    else:
        terminal.note("No keys. Store one: memgpt keys set PROVIDER")


@app.command()
def unset(context: typer.Context, provider: _Name) -> None:
    """Delete a provider's stored key."""
    from memgpt_agent.errors import ConfigurationError
    from memgpt_agent.models import keys
    from memgpt_agent.models.providers import known_provider

    terminal = terminal_of(context)
    known = known_provider(provider)
    if not keys.remove(terminal.settings.home, known.name):
        variable = f" The one in use is {known.variable_in_use()} of the environment." if known.key_in_environment() else ""
        raise ConfigurationError(f"No key of {known.name} is stored.{variable}")
    terminal.say(f"The stored key of {known.name} is deleted.")
