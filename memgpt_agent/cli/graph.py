"""`memgpt memory graph`: the knowledge graph as Mermaid text, as a picture or as JSON."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, clean, plain, terminal_of
from memgpt_agent.errors import ConfigurationError


class PictureForm(StrEnum):
    """How the graph is given."""

    mermaid = "mermaid"
    svg = "svg"
    json = "json"


_ENDINGS = {
    ".svg": PictureForm.svg, ".json": PictureForm.json,
    ".mmd": PictureForm.mermaid, ".mermaid": PictureForm.mermaid, ".md": PictureForm.mermaid,
}


def graph(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="An entity, or any words; everything, if left out.")] = None,
    agent: options.Agent = DEFAULT_AGENT,
    hops: Annotated[int, typer.Option(min=1, max=3, help="How many steps to go from the named entity.")] = 2,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="Only facts that held at this time.")] = None,
    past: Annotated[bool, typer.Option("--past/--no-past", help="Also facts that no longer hold, drawn dashed.")] = True,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The most facts to draw.")] = 60,
    form: Annotated[
        PictureForm | None,
        typer.Option("--format", metavar="FORM", help="mermaid, svg or json. Default: by the file's ending, or else mermaid."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write. Without it, print the result.")
    ] = None,
) -> None:
    """Draw what an agent knows: people, places and things, and how they are related."""
    from memgpt_agent.memory.knowledge import KnowledgeGraph
    from memgpt_agent.memory.knowledge.drawing import drawing_of, to_mermaid
    from memgpt_agent.memory.knowledge.facts import end_of
    from memgpt_agent.memory.knowledge.picture import to_svg

    chosen = _form(form, output)
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        known = KnowledgeGraph(opened.memory.store, opened.agent_id, opened.memory.clock)
        moment = end_of(as_of, "--as-of", opened.memory.time_zone)
        shows_past = past and moment is None
        facts = (
            known.search(query, hops=hops, as_of=moment, past=shows_past, limit=200)
            if query
            else known.every(as_of=moment, past=shows_past)
        )
    if chosen is PictureForm.json:
        if output is None:
            terminal.print_json([asdict(fact) for fact in facts])
            return
        import json

        text = json.dumps([asdict(fact) for fact in facts], ensure_ascii=False, indent=2) + "\n"
    else:
        drawing = drawing_of(facts, limit)
        text = (
            to_svg(drawing, f"What {agent} knows{f' about {query}' if query else ''}")
            if chosen is PictureForm.svg
            else to_mermaid(drawing)
        )
    if output is None:
        typer.echo(clean(text), nl=False)
        return
    output.write_text(text, encoding="utf-8")
    terminal.err.print(plain(f"{len(facts)} facts written to {output}."))


def _form(form: PictureForm | None, output: Path | None) -> PictureForm:
    if form is not None:
        return form
    if output is None:
        return PictureForm.mermaid
    if output.suffix.lower() not in _ENDINGS:
        raise ConfigurationError(
            f"The file {output.name!r} does not say what it is; end it in {', '.join(_ENDINGS)}, or give --format."
        )
    return _ENDINGS[output.suffix.lower()]
