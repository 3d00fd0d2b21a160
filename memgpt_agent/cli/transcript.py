"""`memgpt transcript`: printing a conversation."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, clean, plain, terminal_of


class Form(StrEnum):
    """How it is written."""

    text = "text"
    markdown = "markdown"
    json = "json"


def transcript(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    thread: options.Thread = None,
    form: Annotated[Form, typer.Option("--format", metavar="FORM", help="text, markdown or json.")] = Form.text,
    thoughts: Annotated[bool, typer.Option("--thoughts", help="Include inner thoughts.")] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Include tool calls and their results, alerts and heartbeats.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Show the ids that edit and forget take.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file to write.")] = None,
) -> None:
    """Print a conversation from its beginning, as the agent remembers it."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        written = opened.transcript(form.value, thread_id=thread, thoughts=thoughts, tools=tools, ids=ids)
        known = next((a["threads"] for a in terminal.agents() if a["agent_id"] == opened.agent_id), ())
    if not written or written == "[]":
        terminal.err.print(plain(f"Nothing was said in it. The conversations are: {', '.join(known)}", "dim"), soft_wrap=True)
    if out is not None:
        out.write_text(f"{written}\n", encoding="utf-8", errors="replace")
        terminal.err.print(plain(f"Written into {out}.", "dim"))
    elif written:
        if form is Form.json:
            terminal.print_json(json.loads(written))
        else:
            typer.echo(clean(written))
