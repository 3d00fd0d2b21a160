"""`memgpt models`: the chat models that each configured provider offers."""

from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.models.listing import Offer


def models(
    context: typer.Context,
    providers: Annotated[list[str] | None, typer.Argument(metavar="[PROVIDER]...", help="Which providers. Default: all.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the chat models that each configured provider offers, by the names that --model takes."""
    from memgpt_agent.models.listing import offers
    from memgpt_agent.models.providers import known_provider
    from memgpt_agent.models.resolve import default_model_name

    terminal = terminal_of(context)
    given = [name.strip().lower() for name in providers or ()]
    asked = [known_provider(name).name for name in given if name != "local"]
    found: list[Offer] = [_local(terminal)] if "local" in given or not given else []
    if asked or not providers:
        found += offers(terminal.settings, asked)
    default = default_model_name(terminal.settings)
    if as_json:
        terminal.print_json({"default": default, "providers": [offer.__dict__ for offer in found]})
        return
    for offer in found:
        for name in offer.models:
            terminal.out.print(plain(name), soft_wrap=True)
        if offer.problem and (offer.configured or providers):
            terminal.err.print(plain(f"{offer.provider}: {offer.problem}", "yellow"), soft_wrap=True)
    others = [offer for offer in found if not offer.configured and not providers]
    if others:
        names = ", ".join(offer.provider for offer in others)
        terminal.err.print(plain(f"Not set up: {names}. What one needs: memgpt models PROVIDER"), soft_wrap=True)
    terminal.err.print(plain(f"Used where none is named: {default}"), soft_wrap=True)


def _local(terminal: Terminal) -> "Offer":
    from memgpt_agent.errors import install_command
    from memgpt_agent.models.listing import Offer
    from memgpt_agent.models.llama_library import installed
    from memgpt_agent.models.pull import list_models

    files = tuple(f"local:{path.stem}" for path in list_models(terminal.settings.models_folder))
    problem = "" if installed() else f"not installed; run: {install_command('local')}"
    problem = problem or ("" if files else "no model file; run: memgpt model pull")
    return Offer("local", files, problem, configured=bool(files))
