"""`memgpt tokens`: making, listing and revoking the tokens that identify a server's clients."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import plain, terminal_of
from memgpt_agent.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Tokens that identify a server's clients.")


@app.command()
def create(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="The owner that it speaks for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="chat, read or admin; may be repeated. Default: chat and read.")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=36_500, metavar="N", help="How long the token is valid. Without it, forever.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a token and print it. It is shown only once; the store keeps only its hash."""
    terminal = terminal_of(context)
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    given: Any = tuple(scope or ("chat", "read"))
    if terminal.settings.owner:
        raise ConfigurationError("MEMGPT_OWNER is set; only the admin makes tokens. Unset it.")
    token, kept = _tokens(context).create(owner, given, expires)
    if as_json:
        terminal.print_json({"token": token, "id": kept.id, "owner": kept.owner, "scopes": kept.scopes, "expires": kept.expires})
        return
    typer.echo(token)
    terminal.note(f"Token {kept.id} for {kept.owner} ({', '.join(kept.scopes)}). It is not shown again.", "dim")


@app.command("list")
def list_all(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the tokens, oldest first; never the tokens themselves."""
    terminal = terminal_of(context)
    known = _tokens(context).all()
    if as_json:
        terminal.print_json([{name: value for name, value in token.__dict__.items() if name != "hash"} for token in known])
        return
    if not known:
        terminal.say("No token yet. Make one: memgpt tokens create OWNER", "dim")
        return
    now = datetime.now(UTC).isoformat()
    table = grid("token", "owner", "scopes", "created", "good until")
    for token in known:
        until = (token.expires[:16].replace("T", " ") + (" (over)" if token.expires <= now else "")) if token.expires else "for ever"
        table.add_row(plain(token.id), plain(token.owner), ", ".join(token.scopes), token.created[:16].replace("T", " "), until)
    terminal.out.print(table)


@app.command()
def revoke(context: typer.Context, token: Annotated[str, typer.Argument(metavar="ID", help="Which token.")]) -> None:
    """Revoke a token. A running server refuses it from the next request on."""
    terminal = terminal_of(context)
    revoked = _tokens(context).revoke(token)
    terminal.say(f"Revoked {revoked.id} of {revoked.owner}. What its owner scheduled on a server (crons) goes on.")


def _tokens(context: typer.Context) -> Any:
    from memgpt_agent.owners.tokens import Tokens

    return Tokens(terminal_of(context).settings.tokens_path)
