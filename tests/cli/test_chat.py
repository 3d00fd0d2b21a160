"""Talking to an agent: from a pipe, once, and on a terminal."""

import io
import json

import pytest
from rich.console import Console

from memgpt_agent.cli.commands import ChatLoop
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.testing import call, say


def conversation(memgpt, *, thoughts: bool = True, tty: bool = False):
    """Return an agent, its conversation on a screen, and the screen."""
    agent = memgpt.make_agent(agent_id="default", settings=_settings(memgpt))
    screen = io.StringIO()
    console = Console(file=screen, width=100, highlight=False, markup=False, emoji=False, force_terminal=tty)
    return agent, ChatLoop(lambda: agent, console, TurnView(console, console, live=True, thoughts=thoughts)), screen


def _settings(memgpt):
    from memgpt_agent.config import Settings

    return Settings(home=memgpt.home)


def test_from_a_pipe_each_line_is_a_message_and_replies_are_printed(memgpt) -> None:
    """Empty lines are skipped; standard output holds the replies and nothing else."""
    memgpt.script(say("Hello, Alice."), say("You are Alice."))
    assert memgpt.ok("chat", stdin="I'm Alice.\n\nWho am I?\n") == "Hello, Alice.\nYou are Alice.\n"
    said = [messages[-1].text for messages in memgpt.model.calls]
    assert "I'm Alice." in said[0]
    assert "Who am I?" in said[1]


def test_the_agent_remembers_from_one_command_to_the_next(memgpt) -> None:
    """Each command is a process of its own; memory and conversation go on."""
    memgpt.script(call("core_memory_append", label="human", content="Alice", request_heartbeat=True), say("Noted."), say("Alice."))
    memgpt.ok("run", "I'm Alice.")
    memgpt.ok("run", "Who am I?")
    shown = str(memgpt.model.calls[2])
    assert "I'm Alice." in shown
    assert json.loads(memgpt.ok("memory", "show", "human", "--json"))[0]["value"] == "Alice"


def test_thoughts_go_to_standard_error_in_a_pipe(memgpt) -> None:
    """`--thoughts` does not mix them into the replies."""
    memgpt.script(
        call("core_memory_append", label="human", content="Alice", thinking="A name.", request_heartbeat=True), say("Hello.")
    )
    result = memgpt("run", "I'm Alice.", "--thoughts")
    assert result.stdout == "Hello.\n"
    assert result.stderr.splitlines()[:2] == ["  ~ A name.", '  > core_memory_append(label="human", content="Alice")']


def test_run_prints_its_response_as_json(memgpt) -> None:
    """`--json` holds all that the facade returns, and the agent's id."""
    memgpt.script(say("Hello."))
    printed = json.loads(memgpt.ok("run", "Hi", "--json"))
    assert (printed["agent_id"], printed["message"]) == ("default", "Hello.")
    assert printed["tool_calls"][0]["name"] == "send_message"
    assert printed["context_usage"] == printed["context_sections"]["total"] > 0


def test_run_reads_a_message_from_standard_input(memgpt) -> None:
    """A dash stands for standard input, line breaks and all."""
    memgpt.script(say("Read."))
    memgpt.ok("run", "-", stdin="first line\nsecond line\n")
    assert "first line\\nsecond line" in str(memgpt.model.calls[0][-1].content)


def test_an_empty_message_is_refused(memgpt) -> None:
    """Nothing said is no turn."""
    result = memgpt("run", "  ")
    assert result.exit_code == 1
    assert result.stderr.startswith("ConfigurationError: The message is empty")


def test_a_provider_that_fails_is_told_in_one_line(memgpt) -> None:
    """What a provider's client raises is named, without a traceback."""
    memgpt.script(ValueError("no route to the model"))
    result = memgpt("run", "Hi")
    assert result.exit_code == 1
    assert "no route to the model" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_reply_can_set_no_colour_and_move_no_cursor(memgpt) -> None:
    """Control characters and rich's markup in what a model says are shown, not obeyed."""
    memgpt.script(say("[bold red]hot[/] \x1b[31mred\x1b[0m \x9b2J \u202eabc"))
    assert memgpt.ok("run", "Hi") == "[bold red]hot[/] <U+001B>[31mred<U+001B>[0m <U+009B>2J <U+202E>abc\n"


def test_json_escapes_what_a_terminal_would_act_on(memgpt) -> None:
    """In JSON nothing is lost: the characters are escaped."""
    memgpt.script(say("\x9b2J\u202e"))
    printed = memgpt.ok("run", "Hi", "--json")
    assert "\\u009b2J\\u202e" in printed
    assert json.loads(printed)["message"] == "\x9b2J\u202e"


def test_a_long_reply_is_not_wrapped_in_a_pipe(memgpt) -> None:
    """One line stays one line."""
    memgpt.script(say("word " * 60 + "end"))
    assert memgpt.ok("run", "Hi") == "word " * 60 + "end\n"


def test_on_a_terminal_the_reply_is_streamed_and_thoughts_are_beside_it(memgpt, spoken) -> None:
    """Thoughts, calls and results of other tools are shown; the call that speaks is not, its reply is."""
    memgpt.script(
        call("core_memory_append", label="human", content="Alice", thinking="A name.", request_heartbeat=True), say("Hello, Alice.")
    )
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["I'm Alice."]))
    shown = screen.getvalue()
    assert "  ~ A name.\n  > core_memory_append(" in shown
    assert shown.count("Hello, Alice.") == 1
    assert "send_message" not in shown


def test_on_a_real_terminal_the_sign_of_waiting_leaves_the_reply_whole(memgpt, spoken) -> None:
    """With escape codes and a spinner, the reply still stands there once, unbroken by erasing."""
    memgpt.script(say("Hello, Alice."))
    agent, talk, screen = conversation(memgpt, tty=True)
    with agent:
        talk.run(spoken(["I'm Alice."]))
    after = screen.getvalue().rpartition("Hello")[2]
    assert after.startswith(", Alice.\n")


def test_thoughts_can_be_hidden_and_shown(memgpt, spoken) -> None:
    """/thoughts switches."""
    memgpt.script(say("One.", thinking="hidden"), say("Two.", thinking="shown"))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["/thoughts", "a", "/thoughts", "b"]))
    assert "tool calls are hidden." in screen.getvalue()
    assert "~ hidden" not in screen.getvalue()
    assert "~ shown" in screen.getvalue()


def test_the_commands_look_into_memory(memgpt, spoken) -> None:
    """/memory, /context and /search show what there is; none of them calls the model."""
    memgpt.script(call("core_memory_append", label="human", content="Alice, from Porto", request_heartbeat=True), say("Noted."))
    agent, talk, screen = conversation(memgpt, thoughts=False)
    with agent:
        talk.run(spoken(["I'm Alice, from Porto.", "/memory", "/context", "/search Porto", "/search", "/help"]))
    shown = screen.getvalue()
    assert "Alice, from Porto" in shown
    assert "budget" in shown
    assert "  I'm Alice, from Porto." in shown
    assert "Say what to look for" in shown
    assert "/heartbeat" in shown
    assert len(memgpt.model.calls) == 2


def test_usage_tells_the_tokens_of_the_last_turn_and_of_the_chat(memgpt, spoken) -> None:
    """With the cost where there is a price table; what the provider gave no figures for is said to be counted here."""
    figures = {
        "input_tokens": 1_000, "output_tokens": 50, "total_tokens": 1_050, "input_token_details": {"cache_read": 700},
        "output_token_details": {"reasoning": 20},
    }  # fmt: skip
    memgpt.home.mkdir(exist_ok=True)
    (memgpt.home / "prices.json").write_text('{"currency": "EUR", "models": {"Scripted": {"input": 10, "cached": 1, "output": 100}}}')
    told = say("Hello.").model_copy(update={"usage_metadata": figures})
    memgpt.script(told, told, say("Bye."))
    agent, talk, screen = conversation(memgpt, thoughts=False)
    with agent:
        talk.run(spoken(["/usage", "Hi.", "Hi again.", "/usage", "Bye.", "/usage"]))
    shown = [line.split() for line in screen.getvalue().splitlines()]
    assert ["last", "turn", "1,000", "700", "50", "20", "0.0087"] in shown
    assert ["this", "chat", "2,000", "1,400", "100", "40", "0.0174"] in shown
    assert "Nothing was said yet." in screen.getvalue()
    assert "counted here" in screen.getvalue()
    assert "cost, EUR" in screen.getvalue()


def test_an_unknown_command_is_not_said_to_the_agent(memgpt, spoken) -> None:
    """A slip of the finger costs nothing; a space in front says it after all."""
    memgpt.script(say("A folder."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["/memroy", " /etc is what?"]))
    assert "There is no command /memroy." in screen.getvalue()
    assert len(memgpt.model.calls) == 1


def test_a_heartbeat_is_a_turn_in_which_nothing_was_said(memgpt, spoken) -> None:
    """/heartbeat lets the agent think and speak."""
    memgpt.script(say("I was thinking of you."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["/heartbeat"]))
    assert "I was thinking of you." in screen.getvalue()


def test_ctrl_c_ends_the_turn_and_not_the_agent(memgpt, spoken) -> None:
    """The interrupted turn is given up; the next one answers the next message."""

    def interrupted(_messages: object) -> str:
        raise KeyboardInterrupt

    memgpt.script(interrupted, say("Still here."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["Think long.", "Are you there?"]))
    assert "(stopped)" in screen.getvalue()
    assert "Still here." in screen.getvalue()
    assert len(memgpt.model.calls) == 2


def test_ctrl_c_stops_the_model_at_its_next_token(memgpt, spoken) -> None:
    """The signal reaches the thread in which the model speaks; what it said so far is taken back and never remembered."""
    import os
    import signal

    def pressed(_messages: object):
        os.kill(os.getpid(), signal.SIGINT)
        return say("too late " * 100)

    memgpt.script(pressed, say("Still here."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["Think long.", "Are you there?"]))
    assert "(stopped)" in screen.getvalue()
    assert "Still here." in screen.getvalue()
    assert "too late" not in str(memgpt.model.calls[1])


def test_ctrl_c_at_the_prompt_tells_how_to_leave(memgpt, spoken) -> None:
    """It does not leave by itself."""
    memgpt.script(say("Hello."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken([KeyboardInterrupt(), "Hi", "/exit", "never said"]))
    assert "Ctrl-D or /exit leaves." in screen.getvalue()
    assert len(memgpt.model.calls) == 1


def test_an_error_in_a_turn_does_not_end_the_conversation(memgpt, spoken) -> None:
    """It is shown, and the next line is a new turn."""
    memgpt.script(ValueError("gone"), say("Back."))
    agent, talk, screen = conversation(memgpt)
    with agent:
        talk.run(spoken(["Hi", "Again"]))
    assert "gone" in screen.getvalue()
    assert "Back." in screen.getvalue()


def test_a_missing_model_is_told_before_anything_is_said(tmp_path) -> None:
    """Without a model file `chat` stops at once, with the command that gets it or the package it needs."""
    from typer.testing import CliRunner

    from memgpt_agent.cli.app import app

    result = CliRunner().invoke(app, ["--home", str(tmp_path), "chat", "--model", "local:missing"], input="never read\n")
    assert result.exit_code == 1
    assert "memgpt model pull" in result.stderr or "[local]" in result.stderr


@pytest.mark.parametrize("option", ["--persona", "--human"])
def test_what_seeds_an_agent_counts_when_it_is_made(memgpt, option: str) -> None:
    """The first command's text is stored; a later one changes nothing."""
    memgpt.script(say("One."), say("Two."))
    memgpt.ok("run", "Hi", option, "the first")
    memgpt.ok("run", "Hi", option, "the second")
    assert json.loads(memgpt.ok("memory", "show", option[2:], "--json"))[0]["value"] == "the first"


def test_a_file_is_attached_in_a_conversation_and_to_a_run(memgpt, spoken, tmp_path) -> None:
    """`/attach` sends it with what is said next, once; a name that leads nowhere is told at once."""
    file = tmp_path / "my notes.txt"
    file.write_text("The code is 4711.\n")
    memgpt.script(say("4711."), say("Still 4711."), say("Known."))
    agent, loop, screen = conversation(memgpt)
    with agent:
        loop.run(spoken(["/attach nowhere.txt", "/attach", f"/attach '{file}'", "What is the code?", "And now?"]))
    shown = " ".join(screen.getvalue().split())
    assert "There is no file nowhere.txt" in shown
    assert "Name a file" in shown
    assert "With what you say next goes: my notes.txt." in shown
    assert shown.count("[my notes.txt is in my files now (1 line).]") == 1
    assert "The code is 4711." in str(memgpt.model.calls[0][-1].content)
    assert memgpt.ok("run", "Look.", "--attach", str(file)) == "[my notes.txt was in my files already.]\n\nKnown.\n"
    assert memgpt("run", "Look.", "--attach", str(tmp_path / "none.pdf")).exit_code == 1
