"""`memgpt sleep` and `memgpt heartbeat`: an agent's work while nobody speaks to it."""

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.turns.turn_reader import AgentResponse


def sleep(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    model: options.Model = None,
    as_json: options.AsJson = False,
) -> None:
    """Let an agent tidy up its memory: it reads what was said since it last slept, and revises its memory.

    Ctrl-C wakes it; it continues from there next time.
    """
    terminal = terminal_of(context)
    with terminal.open_known(agent, **({"model": model} if model else {})) as opened:
        report = opened.sleep()
    if as_json:
        terminal.print_json(report.__dict__)
        return
    for call in report.tool_calls:
        mark = "failed: " if call["failed"] else ""
        terminal.say(f"  {call['name']}: {mark}{call['result'].splitlines()[0][:160] if call['result'] else ''}")
    left = f", {report.messages_left:,} left for next time" if report.messages_left else ""
    calls = len(report.tool_calls)
    terminal.say(f"{report.messages_read:,} messages read{left}; {calls:,} call{'' if calls == 1 else 's'}.")


def heartbeat(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    every: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Repeat at this interval, such as 10m. Without it, one heartbeat at once."),
    ] = None,
    longest: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN",
            help="The interval doubles up to this while nothing happens. Default: twelve times --every.",
        ),
    ] = None,
    quiet: Annotated[
        str | None, typer.Option(metavar="HOURS", help="Hours without a beat, such as 22:00-07:00.")
    ] = None,
    tokens_a_day: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="Start no heartbeat once the agent has used this many tokens that day.")
    ] = None,
    beats: Annotated[int | None, typer.Option(metavar="N", help="Stop after this many heartbeats.")] = None,
    model: options.Model = None,
) -> None:
    """Let an agent think by itself: once, or at an interval until Ctrl-C. It speaks only if it has something to say."""
    terminal = terminal_of(context)
    with terminal.open_known(agent, **({"model": model} if model else {})) as opened:
        if every is None:
            _tell(terminal, opened.heartbeat())
            return
        done, counted = threading.Event(), 0

        def show_response(response: "AgentResponse") -> None:
            nonlocal counted
            counted += 1
            _tell(terminal, response)
            if beats is not None and counted >= beats:
                done.set()

        running = opened.schedule(every, longest=longest, quiet=quiet, tokens_a_day=tokens_a_day, on_response=show_response)
        terminal.note(f"The heart of agent {agent} beats; the next beat is at {running.pulse.due():%Y-%m-%d %H:%M:%S %Z}. Ctrl-C stops it.")
        try:
            done.wait()
        except KeyboardInterrupt:
            terminal.note("(stopped)")


def _tell(terminal: Terminal, response: "AgentResponse") -> None:
    if response.message:
        terminal.say(response.message)
    names = ", ".join(call["name"] for call in response.tool_calls if call["name"] != "send_message")
    terminal.note(f"({names or 'nothing done'}; {response.tokens_used:,} tokens)")
