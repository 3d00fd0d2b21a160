"""The options that several commands share."""

from typing import Annotated

import typer

Agent = Annotated[str, typer.Option("--agent", "-a", metavar="ID", help="Which agent.")]
Thread = Annotated[
    str | None, typer.Option("--thread", "-t", metavar="ID", help="Which of its conversations. Default: the agent's own.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME", help="The chat model: openai:NAME, PROVIDER:NAME, local, or local:FILE.gguf."),
]
PersonaText = Annotated[
    str | None, typer.Option("--persona", metavar="TEXT", help="Who the agent is. Counts only when it is created.")
]
HumanText = Annotated[
    str | None, typer.Option("--human", metavar="TEXT", help="What the agent knows about you. Counts only when it is created.")
]
Embedding = Annotated[
    str | None, typer.Option("--embedding", metavar="NAME", help="The embedding of its memory: multilingual, minilm, or openai:NAME.")
]
Window = Annotated[
    str | None,
    typer.Option("--context-window", metavar="TOKENS", help="The most tokens of prompt and answer together; max: the model's whole window."),
]
Reasoning = Annotated[
    str | None,
    typer.Option(
        "--reasoning", metavar="MODE", help="Inner thoughts: auto, thinking (an argument of each tool), native (the model's own), or off."
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", metavar="ID", help="Who is speaking; recorded with each message. All who speak to one agent share its memory."),
]
Tools = Annotated[
    str | None,
    typer.Option(
        "--tools", metavar="GROUPS", help="Tool groups: files, knowledge, tasks, summaries, forget, web_search, run_code. The agent keeps them."
    ),
]
Thoughts = Annotated[
    bool | None,
    typer.Option("--thoughts/--no-thoughts", help="Show inner thoughts and tool calls. Shown unless the output is a pipe.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
