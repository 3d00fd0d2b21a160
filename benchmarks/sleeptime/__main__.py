"""What sleep is worth: one conversation with it and without it; what core memory holds, what is left in disorder, what it costs.

The model follows rules that were written before the run. Somebody states facts about themselves, repeats some and changes
some, with small talk between. Three agents live through the same turns:

- *appends*: notes each fact at once, as a line of its own, and never looks back;
- *replaces*: notes each fact at once, and replaces the line of the same subject where there is one;
- *sleeps*: only answers; the sleep-time agent reads every ten turns and rewrites the block, the newer fact winning.
"""

import argparse
import json
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from benchmarks.machine import publish, table
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say

SUBJECTS = {
    "home town": ("Porto", "Faro", "Lisbon", "Evora"), "employer": ("the harbour", "the ferry line", "the museum"),
    "favourite tea": ("Assam", "Sencha", "rooibos"), "dentist": ("Dr Lima", "Dr Sousa"), "bicycle": ("a red one", "a folding one"),
    "sister": ("Ines", "Ines"), "dog": ("Bolota", "Bolota"), "train": ("the 7:40", "the 8:10", "the 6:55"),
    "doctor": ("Dr Melo", "Dr Pires"), "landlord": ("Mr Costa", "Mrs Reis"), "instrument": ("the cello", "the viola"),
    "language class": ("on Mondays", "on Thursdays", "on Fridays"),
}  # fmt: skip
TALK = (
    "The weather is fine today.",
    "I had soup for lunch.",
    "What a week.",
    "The tram was late again.",
    "I watched the boats.",
)
EVERY_TURNS = 10
_FACT = re.compile(r"My ([a-z ]+) is ([^.\n]+)\.")


@dataclass
class Outcome:
    """What is left after the conversation."""

    name: str
    held: float
    duplicates: int
    contradictions: int
    lines: int
    waiting_tokens: int
    asleep_tokens: int


def conversation(turns: int, seed: int) -> tuple[list[str], dict[str, str]]:
    """Return what is said, and what is true at its end: facts, repeated and changed, with small talk between."""
    dice = random.Random(seed)
    now: dict[str, str] = {}
    said: list[str] = []
    for _ in range(turns):
        if dice.random() < 0.4:
            said.append(dice.choice(TALK))
            continue
        subject = dice.choice(list(SUBJECTS))
        if subject not in now or dice.random() < 0.5:
            now[subject] = dice.choice(SUBJECTS[subject])
        said.append(f"My {subject} is {now[subject]}.")
    return said, now


def _asked(messages: Sequence[BaseMessage]) -> str:
    for message in reversed(messages):
        if message.type == "human":
            try:
                event: Any = json.loads(message.text)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("type") == "user_message":
                return str(event["message"])
    return ""


def _acted(messages: Sequence[BaseMessage]) -> bool:
    """Whether something was done since the user spoke."""
    place = max((n for n, m in enumerate(messages) if m.type == "human" and "user_message" in m.text), default=0)
    return any(m.type == "tool" for m in messages[place:])


def _block(messages: Sequence[BaseMessage]) -> list[str]:
    """Return the lines of the block about the user: as they were told last, else as the system message has them."""
    told = [json.loads(m.text) for m in messages if m.type in {"human", "tool"}]
    newest = next((note for one in reversed(told) for note in one.get("notes", []) if "block 'human' above" in note), "")
    found = re.search(r"\):\n(.*)\Z", newest, re.DOTALL)
    found = found or re.search(r'<block label="human".*?<value>\n?(.*?)\n?</value>', messages[0].text, re.DOTALL)
    return [re.sub(r"^\d+→ ", "", line) for line in found[1].split("\n") if line.strip()] if found else []


class Awake(ScriptedModel):
    """The agent awake, by its rule."""

    rule: str = "appends"

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        fact = _FACT.search(_asked(messages))
        if self.rule == "sleeps" or fact is None or _acted(messages):
            return say("I see.")
        line = f"{fact[1]}: {fact[2]}"
        old = [known for known in _block(messages) if known.startswith(f"{fact[1]}: ")]
        if self.rule == "replaces" and old:
            if old[0] == line:
                return say("I see.")
            return call(
                "core_memory_replace", label="human", old_content=old[0], new_content=line, request_heartbeat=True
            )
        return call("core_memory_append", label="human", content=line, request_heartbeat=True)


class Asleep(ScriptedModel):
    """The agent asleep: it gathers the newest fact of each subject, rewrites the block, files what was replaced."""

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        record = next((m.text for m in reversed(messages) if "<record>" in m.text), "")
        place = max((n for n, m in enumerate(messages) if "<record>" in m.text), default=len(messages))
        if not record or any(m.type == "tool" for m in messages[place:]):
            return call("memory_finish_edits")
        known = dict(line.split(": ", 1) for line in _block(messages) if ": " in line)
        told: Any = json.loads(record)
        known.update(_FACT.findall(str(told["message"])))
        return call(
            "memory_rethink",
            label="human",
            new_memory="\n".join(f"{k}: {v}" for k, v in known.items()),
            request_heartbeat=True,
        )


def live(rule: str, said: Sequence[str], truth: dict[str, str]) -> Outcome:
    """Let one agent live through the conversation."""
    with tempfile.TemporaryDirectory(prefix="sleeptime-") as folder:
        agent = MemGPTAgent(
            llm_client=Awake(rule=rule), sleep_model=Asleep(), embedding=HashingEmbedder(), agent_id="ann", human="",
            settings=Settings(home=Path(folder)), context_window=16_000,
            profile="memgpt",
        )  # fmt: skip
        waiting, asleep = 0, 0
        with agent:
            for turn, text in enumerate(said, start=1):
                waiting += agent.step(text).tokens_used
                if rule == "sleeps" and (turn % EVERY_TURNS == 0 or turn == len(said)):
                    asleep += agent.sleep().tokens_used
            lines = [line for line in agent.core_memory["human"].split("\n") if ": " in line]
    facts = [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]
    current = dict(facts)
    several = {subject: {v for s, v in facts if s == subject} for subject in current}
    return Outcome(
        rule, sum(current.get(s) == v for s, v in truth.items()) / len(truth), len(facts) - len(set(facts)),
        sum(len(values) - 1 for values in several.values()), len(lines), waiting, asleep,
    )  # fmt: skip


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sleeptime", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--turns", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    said, truth = conversation(given.turns, given.seed)
    found = [live(rule, said, truth) for rule in ("appends", "replaces", "sleeps")]
    rows = [
        [o.name, f"{o.held:.0%}", o.lines, o.duplicates, o.contradictions, f"{o.waiting_tokens:,}", f"{o.asleep_tokens:,}"]
        for o in found
    ]  # fmt: skip
    head = [
        "agent",
        "true facts held (last line counts)",
        "lines",
        "duplicates left",
        "contradictions left",
        "tokens while the user waits",
        "tokens asleep",
    ]
    rules = f"scripted models whose rules are in the module, sleep every {EVERY_TURNS} turns"
    how = f"{given.turns} turns, seed {given.seed}, {len(truth)} subjects; {rules}."
    publish("Sleep-time", how, table(head, rows), out=given.out)


if __name__ == "__main__":
    main()
