"""`memgpt memory`: showing, correcting and drawing what an agent knows, and its history."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.correcting import edit, rename, set_text
from memgpt_agent.cli.memory_history import COMMANDS
from memgpt_agent.cli.show import show_blocks, show_found
from memgpt_agent.cli.terminal import DEFAULT_AGENT, clean, terminal_of
from memgpt_agent.errors import ConfigurationError

if TYPE_CHECKING:
    from memgpt_agent.memory.archival import Passage
    from memgpt_agent.memory.core import Block
    from memgpt_agent.memory.recall import Message


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
    from memgpt_agent.memory.knowledge.facts import end_of
    from memgpt_agent.memory.knowledge.picture import drawing_of, to_mermaid, to_svg

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
    terminal.note(f"{len(facts)} facts written to {output}.")


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


app = typer.Typer(no_args_is_help=True, help="Show and correct what an agent knows, and how it came to know it.")
app.command()(graph)


class SearchedTier(StrEnum):
    """Where to search."""

    both = "both"
    recall = "recall"
    archival = "archival"


class Role(StrEnum):
    """Who said it."""

    user = "user"
    assistant = "assistant"
    tool = "tool"
    system = "system"


@app.command()
def show(
    context: typer.Context,
    label: Annotated[str | None, typer.Argument(help="One block only.")] = None,
    agent: options.Agent = DEFAULT_AGENT,
    as_json: options.AsJson = False,
) -> None:
    """Print core memory: what the agent always sees."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        blocks = opened.core_memory.blocks() if label is None else [opened.core_memory.block(label)]
    if as_json:
        terminal.print_json([_block(block) for block in blocks])
    else:
        show_blocks(terminal.out, blocks)


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to search for, in any words. An empty text returns the newest.")],
    agent: options.Agent = DEFAULT_AGENT,
    tier: Annotated[
        SearchedTier, typer.Option("--in", metavar="TIER", help="recall: messages; archival: passages; both.")
    ] = SearchedTier.both,
    role: Annotated[
        list[Role] | None, typer.Option(help="In recall memory: only from user, assistant, tool or system; may be repeated.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="In archival memory: only passages with one of these tags.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Nothing before this day or moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Nothing after this day or moment.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The most results from each.")] = 10,
    page: Annotated[int, typer.Option(min=0, help="Which page of results; 0 is the first.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Search messages and passages by words and by meaning."""
    from memgpt_agent.memory.dates import range_filter

    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        memory = opened.memory
        dates = range_filter(start, end, memory.time_zone)
        messages: list[Message] = []
        passages: list[Passage] = []
        if tier is not SearchedTier.archival:
            messages = memory.recall.search(
                query, roles=[r.value for r in role] if role else None, dates=dates, limit=limit, page=page
            )
        if tier is not SearchedTier.recall:
            passages = memory.archival.search(query, tags=tag or (), dates=dates, limit=limit, page=page)
    if as_json:
        terminal.print_json({"recall": [asdict(m) for m in messages], "archival": [asdict(p) for p in passages]})
    else:
        show_found(terminal.out, messages, passages)


def _block(block: "Block") -> dict[str, Any]:
    """Return a block without what only the machinery uses."""
    return {name: value for name, value in asdict(block).items() if name not in {"causes", "notes"}}


for _command in (*COMMANDS, edit, rename):
    app.command()(_command)
app.command("set")(set_text)
