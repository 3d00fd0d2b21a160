"""Plays memory exams with a real model through MemGPTAgent: right/asked, seconds a step, tokens.

An exam is a JSON file: ``now`` (the clock's start), ``earlier`` (messages already in recall memory), ``turns`` (``say``,
then ``matches`` must be found in ``check``: all core memory, any archival passage, or the reply, which may not be
empty; ``new_conversation`` begins a new thread) and ``finally`` (``core_matches``, ``core_must_not_match``: one
question each). Expressions are regular and case-insensitive.
"""

import argparse
import json
import re
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.outputs import LLMResult

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.recall import Message
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.testing import Clock


class Meter(UsageMetadataCallbackHandler):
    """Counts the model's calls and their tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count one call."""
        self.calls += 1
        super().on_llm_end(response, **kwargs)

    def tokens(self) -> str:
        """Tell input and output tokens in all."""
        told = list(self.usage_metadata.values())
        return f"{sum(u['input_tokens'] for u in told):,} tokens in, {sum(u['output_tokens'] for u in told):,} out"


@dataclass
class Score:
    """The questions asked so far and those answered right."""

    right: int = 0
    asked: int = 0

    def mark(self, right: bool, what: str, seen: str = "") -> None:
        """Count one question and show it."""
        self.asked += 1
        self.right += right
        print(f"{'right' if right else 'WRONG'}  {what}{f'  ->  {seen}' if seen else ''}", flush=True)


def play(file: Path, model_name: str | None) -> Score:
    """Play one exam in an empty home; print every question and the sums."""
    exam = json.loads(file.read_text(encoding="utf-8"))
    clock, score, meter = Clock(exam["now"]), Score(), Meter()
    model = resolve_chat_model(model_name)
    model.callbacks = [meter]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home, ExitStack() as opened:
        settings = Settings(home=Path(home))
        store = opened.enter_context(open_configured_store(settings))
        memory = AgentMemory(store, "examinee", clock)
        memory.recall.add(_earlier(exam.get("earlier", ())))
        agent = _agent(opened, settings, store, clock, model, thread=0)
        for number, turn in enumerate(exam["turns"], 1):
            clock.now += timedelta(minutes=1)
            if turn.get("new_conversation"):
                agent = _agent(opened, settings, store, clock, model, thread=number)
                continue
            reply = agent.step(turn["say"]).message
            place = {"core": _core, "archive": _archive, "reply": lambda _, said=reply: said}[turn["check"]](memory)
            score.mark(bool(reply.strip() and re.search(turn["matches"], place, re.IGNORECASE)), turn["say"], reply)
        _closing_questions(exam["finally"], _core(memory), score)
        print(f"\nCore memory at the end:\n{_core(memory)}")
    seconds = (time.monotonic() - began) / max(meter.calls, 1)
    print(
        f"\n{file.name}: {score.right}/{score.asked} right; {meter.calls} steps, {seconds:.1f} s each; {meter.tokens()}\n"
    )
    return score


def _agent(opened: ExitStack, settings: Settings, store: Any, clock: Clock, model: Any, *, thread: int) -> MemGPTAgent:
    agent = MemGPTAgent(
        model=model, store=store, settings=settings, agent_id="examinee", thread_id=f"exam-{thread}", clock=clock
    )
    return opened.enter_context(agent)


def _earlier(messages: Any) -> list[Message]:
    return [
        Message(f"earlier-{i}", m["role"], m["text"], f"{m['date'][:10]}T12:00:00+00:00")
        for i, m in enumerate(messages)
    ]


def _core(memory: AgentMemory) -> str:
    return "\n".join(memory.core.values())


def _archive(memory: AgentMemory) -> str:
    return "\n".join(passage.text for passage in memory.archival.search("", limit=50))


def _closing_questions(final: dict[str, list[str]], core: str, score: Score) -> None:
    for expression in final["core_matches"]:
        score.mark(bool(re.search(expression, core, re.IGNORECASE)), f"core memory holds {expression}")
    for expression in final["core_must_not_match"]:
        score.mark(not re.search(expression, core, re.IGNORECASE), f"core memory does not hold {expression}")


def main() -> None:
    """Play the exams named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exam", description="Memory exams with a real model.")
    parser.add_argument("files", nargs="+", type=Path, help="exams as JSON files")
    parser.add_argument("--model", help="as everywhere: 'local', 'openai:...'; the configured one if left out")
    given = parser.parse_args()
    scores = [play(file, given.model) for file in given.files]
    print(f"in all: {sum(s.right for s in scores)}/{sum(s.asked for s in scores)}")


if __name__ == "__main__":
    main()
