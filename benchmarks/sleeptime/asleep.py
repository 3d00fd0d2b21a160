"""What a real model makes of a small conversation in one sleep: the facts that it holds once, old values left, seconds, tokens.

A conversation is a JSON file: ``now`` (the clock's start), ``said`` (by the user, one minute apart), ``facts`` (each a regular
expression that exactly one line of the block ``human`` must match), ``old`` (no line may match it, unless it matches ``unless``
too: "no longer", say). The agent awake heard nothing of it (the messages lie in recall memory, answered by a word), or with
``--awake`` lived through it with the same model.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.testing import Clock
from memgpt_agent.turns.sleeper import SleepReport


def judged(talk: dict[str, Any], lines: Sequence[str]) -> tuple[int, int]:
    """Return how many facts exactly one line holds, and how many lines hold the old value."""
    held = [sum(bool(re.search(fact, line, re.IGNORECASE)) for line in lines) for fact in talk["facts"]]
    old = [
        x for x in lines if re.search(talk["old"], x, re.IGNORECASE) and not re.search(talk["unless"], x, re.IGNORECASE)
    ]
    return held.count(1), len(old)


def play(file: Path, model_name: str | None, *, awake: bool) -> tuple[int, int, int]:
    """Play one conversation in an empty home and sleep once; return facts held once, facts, old values left."""
    talk, model = json.loads(file.read_text(encoding="utf-8")), resolve_chat_model(model_name)
    clock = Clock(talk["now"])
    with tempfile.TemporaryDirectory() as home, ExitStack() as opened:
        settings = Settings(home=Path(home))
        store = opened.enter_context(open_configured_store(settings))
        agent = MemGPTAgent(model=model, store=store, settings=settings, agent_id="sleeper", clock=clock)
        opened.enter_context(agent)
        if not awake:
            RecallMemory(store, "sleeper").add(_spoken(talk["said"], clock))
        for text in talk["said"] if awake else ():
            clock.now += timedelta(minutes=1)
            agent.step(text)
        before = judged(talk, agent.core_memory["human"].split("\n"))
        began = time.monotonic()
        report = agent.sleep()
        seconds = time.monotonic() - began
        return _told(file.stem, talk, agent.core_memory["human"].split("\n"), before, report, seconds)


def _told(
    name: str, talk: dict[str, Any], lines: list[str], before: tuple[int, int], report: SleepReport, seconds: float
) -> tuple[int, int, int]:
    held, old = judged(talk, lines)
    print(
        f"{name}: {held}/{len(talk['facts'])} facts once (before: {before[0]}), {old} old (before: {before[1]}), {len(lines)} lines; "
        f"{seconds:.0f} s, {report.tokens_used:,} tokens, {len(report.tool_calls)} calls, {report.messages_left} messages left"
    )
    print("\n".join(f"    {line}" for line in lines), flush=True)
    return held, len(talk["facts"]), old


def _spoken(said: Sequence[str], clock: Clock) -> list[Message]:
    messages: list[Message] = []
    for text in said:
        clock.now += timedelta(minutes=1)
        time_said = clock.now.isoformat()
        messages.append(Message(f"said-{len(messages)}", "user", text, time_said))
        messages.append(Message(f"said-{len(messages)}", "assistant", "I see.", time_said))
    return messages


def main() -> None:
    """Play the conversations named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sleeptime.asleep", description="One sleep of a real model."
    )
    parser.add_argument("files", nargs="+", type=Path, help="such as benchmarks/sleeptime/data/held_out/*.json")
    parser.add_argument("--model", default="local", help="as everywhere: 'local', 'openai:...'")
    parser.add_argument("--awake", action="store_true", help="live through it awake first, with the same model")
    given = parser.parse_args()
    results = [play(file, given.model, awake=given.awake) for file in given.files]
    held, facts, old = (sum(column) for column in zip(*results, strict=True))
    print(f"in all: {held}/{facts} facts held once, {old} old values in {len(results)} conversations")


if __name__ == "__main__":
    main()
