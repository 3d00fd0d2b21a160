"""The chat loop on a terminal, and its slash commands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from memgpt_agent.cli.approval import ask
from memgpt_agent.cli.editor import edit
from memgpt_agent.cli.forget import show_plan
from memgpt_agent.cli.show import show_blocks, show_context, show_found, show_undone, show_usage
from memgpt_agent.cli.terminal import Terminal, plain
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.errors import MemGPTError

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent
    from memgpt_agent.turns.questions import Question
    from memgpt_agent.turns.turn_reader import AgentResponse, Approval, StreamEvent

_SEARCH_LIMIT = 5


COMMANDS: Mapping[str, str] = {
    "/memory": "core memory: what the agent always has in mind",
    "/context": "what fills the context window, in tokens",
    "/usage": "tokens of the last turn and since this chat began, and what they cost where you have a price table",
    "/search": "/search WORDS: look into what was said and what was filed away",
    "/model": "the model that answers; /model NAME changes it, once the new one has answered",
    "/attach": "/attach FILE: send a picture or a document along with what you say next",
    "/undo": "take back your last message, its answer, and what was written into memory because of it",
    "/edit": "/edit TEXT: say your last message in other words, and have it answered anew; without TEXT in your editor",
    "/forget": "/forget WORDS: show what holds them and what was made of it, and erase that if you say yes",
    "/new": "begin a new conversation; the memory stays",
    "/thoughts": "show or hide inner thoughts and tool calls",
    "/heartbeat": "let the agent think with nothing said",
    "/help": "this list",
    "/exit": "leave (so does Ctrl-D); the agent remembers",
}
"""What each command does."""


class ChatLoop:
    """Lines in, turns out, until the user leaves. An interrupt ends a turn; an error is shown; neither ends the conversation."""

    def __init__(self, opened: "Callable[[], MemGPTAgent]", out: Console, view: TurnView) -> None:
        self._opened, self._out, self._view = opened, out, view
        self._begun: list[MemGPTAgent] = []
        self._read: Callable[[], str] = _no_more
        self._attached: list[Path] = []
        self._responses: list[AgentResponse] = []
        self._acts: dict[str, Callable[[str], None]] = {
            "/memory": self._memory, "/context": self._context, "/usage": self._usage, "/search": self._search, "/thoughts": self._thoughts,
            "/heartbeat": self._heartbeat, "/model": self._model, "/attach": self._attach, "/help": self._help,
            "/undo": self._undo, "/edit": self._edit, "/new": self._new, "/forget": self._forget,
        }  # fmt: skip

    @cached_property
    def _agent(self) -> "MemGPTAgent":
        """The agent; the first one to need it waits until it is open."""
        return self._opened()

    def run(self, read: Callable[[], str]) -> None:
        """Run the chat; ``read`` returns the next line, or raises EOFError at the end and KeyboardInterrupt when interrupted."""
        self._read = read
        asked = False
        while True:
            try:
                line = read()
            except KeyboardInterrupt:
                self._note("Ctrl-D or /exit leaves.")
                continue
            except EOFError:
                return
            if line.strip() in ("/exit", "/quit"):
                return
            if not asked:
                self._ask(self._agent.interrupts)
            asked = True
            self._line(line)

    def _line(self, line: str) -> None:
        try:
            if line.startswith("/"):
                self._command(line)
            elif line.strip():
                attached, self._attached = self._attached, []
                self._turn(lambda: self._agent.stream(line.strip(), attachments=attached))
        except MemGPTError as error:
            self._out.print(plain(f"{type(error).__name__}: {error}", "red"), soft_wrap=True)

    def _turn(self, begin: "Callable[[], Iterator[StreamEvent]]") -> None:
        try:
            response = self._view.show(begin())
            self._responses.append(response)
            self._ask(response.interrupts)
        except KeyboardInterrupt:
            self._agent.end_turn()
            self._note("(stopped)")
        except MemGPTError:
            self._agent.end_turn()  # else the next line would first repeat what has just failed
            raise

    def _ask(self, questions: "Sequence[Question]") -> None:
        """Put the questions that wait to the user; said nothing, they go on waiting."""
        if not questions:
            return
        from memgpt_agent.turns.turn_reader import approval_of

        if (approval := approval_of(questions)) is not None:
            self._decide(approval)
            return
        given: dict[str, Any] = {}
        for question in questions:
            self._out.print(plain(f"{question.tool} asks: {question.value}", "yellow"), soft_wrap=True)
            try:
                given[question.id] = self._read().strip()
            except (EOFError, KeyboardInterrupt):
                return
            if not given[question.id]:
                return
        self._turn(lambda: self._agent.answering(given))

    def _decide(self, waiting: "Approval") -> None:
        """Ask what is to become of a call that waits; said nothing, it goes on waiting."""
        decision = ask(self._out, waiting, self._read)
        if decision is None:
            self._note("It waits. Say something else and the call is given up.")
            return
        self._turn(lambda: self._agent.decide(decision, waiting.call_id))

    def _command(self, line: str) -> None:
        name, _, rest = line.strip().partition(" ")
        if name not in self._acts:
            self._note(f"There is no command {name}. /help lists those there are; begin with a space to say it to the agent.")
            return
        try:
            self._acts[name](rest.strip())
        except KeyboardInterrupt:
            self._note("(stopped)")

    def _memory(self, _: str) -> None:
        show_blocks(self._out, self._agent.core_memory.blocks())

    def _context(self, _: str) -> None:
        show_context(self._out, self._agent.context_sections())

    def _usage(self, _: str) -> None:
        show_usage(self._out, self._responses, self._agent.currency)

    def _search(self, words: str) -> None:
        if not words:
            self._note("Say what to look for: /search WORDS")
            return
        memory = self._agent.memory
        show_found(self._out, memory.recall.search(words, limit=_SEARCH_LIMIT), memory.archival.search(words, limit=_SEARCH_LIMIT))

    def _model(self, name: str) -> None:
        if not name:
            self._note(f"{self._agent.model}. Another one: /model NAME; what there is: memgpt models")
            return
        self._note(f"Asking {name} ...")
        self._note(f"{self._agent.use_model(name)} answers from now on.")

    def _attach(self, name: str) -> None:
        from memgpt_agent.turns.deliveries import blocks_of

        if name:
            path = Path(_unquoted(name)).expanduser()
            blocks_of([path])  # report now what cannot be sent
            self._attached.append(path)
        waiting = ", ".join(path.name for path in self._attached)
        self._note(f"With what you say next goes: {waiting}." if waiting else "Name a file: /attach FILE")

    def _thoughts(self, _: str) -> None:
        self._view.thoughts = not self._view.thoughts
        self._note(f"Inner thoughts and tool calls are {'shown' if self._view.thoughts else 'hidden'}.")

    def _heartbeat(self, _: str) -> None:
        from memgpt_agent.events import Event

        self._turn(lambda: self._agent.send(Event(type="heartbeat", text="")))

    def _undo(self, _: str) -> None:
        show_undone(self._out, self._agent.undo_turn())

    def _edit(self, text: str) -> None:
        said = next((m.text for m in reversed(self._agent.messages()) if m.role == "user"), None)
        if said is None:
            self._note("You have said nothing yet.")
        elif text:
            self._say_instead(text)
        else:
            edit(Terminal(out=self._out, err=self._out), "message", said, self._say_instead, empty="To take the message back: /undo")

    def _say_instead(self, text: str) -> None:
        """Take the last turn back, and say something else."""
        show_undone(self._out, self._agent.undo_turn(), with_text=False)
        self._turn(lambda: self._agent.stream(text.strip()))

    def _forget(self, words: str) -> None:
        if not words:
            self._note("Say what to forget, by words that it holds or by ids: /forget WORDS")
            return
        plan, terminal = self._agent.forget(words), Terminal(out=self._out, err=self._out)
        show_plan(terminal, plan, as_json=False)
        if not plan.ticked:
            self._note("Nothing holds these words. To forget something that is listed: /forget ID")
            return
        self._note("Erase what has a cross? There is no way back. yes, or anything else to leave it.")
        try:
            agreed = self._read().strip().lower() in ("y", "yes")
        except (EOFError, KeyboardInterrupt):
            agreed = False
        self._note(str(plan.erase()) if agreed else "Nothing was erased.")

    def _new(self, _: str) -> None:
        before = self._agent
        self._agent = before.new_conversation()
        self._begun.append(self._agent)
        self._note(f"A new conversation; the memory stays. Go on with the one before: memgpt chat --thread {before.thread_id}")

    def close(self) -> None:
        """Close the conversations that were begun by /new."""
        while self._begun:
            self._begun.pop().close()

    def _help(self, _: str) -> None:
        for name, meaning in COMMANDS.items():
            self._out.print(plain(f"{name:12}{meaning}"))

    def _note(self, text: str) -> None:
        self._out.print(plain(text, "dim"))


def _unquoted(name: str) -> str:
    """Return a path as terminals drop it: in quotes, or with its spaces escaped."""
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        return name[1:-1]
    return name if Path(name).expanduser().exists() else name.replace("\\ ", " ")


def _no_more() -> str:
    """A keyboard before there is one."""
    raise EOFError
