"""A LoCoMo conversation replayed through an agent whose model follows the patterns below, to draw what it then knows.

    python benchmarks/knowledge/draw_conversation.py locomo_dev5.json 0 HOME [SESSIONS]
    memgpt --home HOME memory graph --agent replay -o graph.svg
    memgpt --home HOME memory log --agent replay

No language model takes part: what is a fact is decided by the patterns, which were written before the run. Graph, tools,
store and checkpoints are the real ones.
"""

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import Clock, ScriptedModel, calls
from memgpt_agent.tools import knowledge
from memgpt_agent.tools.profiles import PROFILES

_ENDS = "and|but|so|because|yesterday|last|this|with|when|that|which|who|where|for|on|today|again|before|after|since|while|as|if"
STOP = rf"(?= (?:{_ENDS})\b|[.,!?;:\-]|$)"
THING = rf"((?:the |a |an |my |some |our )?[\w' ]{{2,40}}?){STOP}"
PATTERNS: tuple[tuple[str, str], ...] = (
    (rf"\bI(?:'m| am) (?:really )?(?:into|passionate about|interested in) {THING}", "is interested in"),
    (rf"\bI (?:really |just |also )?(?:love|enjoy|like) {THING}", "likes"),
    (rf"\bI(?:'ve| have)? (?:just |recently |also )?(?:went|been) to {THING}", "went to"),
    (rf"\bI(?:'ve| have)? (?:just |recently |also )?(?:joined|started|signed up for|took up) {THING}", "joined or started"),
    (rf"\bI(?:'ve| have)? (?:just |recently |also )?(?:painted|made|wrote|built) {THING}", "made"),
    (rf"\bI(?:'ve| have)? (?:just |recently |also )?(?:read|finished reading) {THING}", "has read"),
    (rf"\bI(?:'m| am) (?:thinking of|planning|looking into|considering) {THING}", "plans"),
    (rf"\bI (?:work|am working) (?:at|for) {THING}", "works at"),
    (rf"\bI(?:'m| am) (?:working|employed) as {THING}", "works as"),
    (rf"\bI (?:live|am living) in {THING}", "lives in"),
    (rf"\bI(?:'ve)? (?:just )?moved to {THING}", "has moved to"),
    (rf"\bI(?:'ve)? (?:just )?moved from {THING}", "comes from"),
    (rf"\bmy (?:favou?rite) ([a-z]+ (?:is|are)) {THING}", "favourite {0}"),
    (r"\bmy (husband|wife|partner|mom|dad|son|daughter|sister|brother|dog|cat|friend),? (?:is |named |called )?([A-Z][a-z]+)\b", "has the {0}"),
)  # fmt: skip
"""What counts as a fact about the speaker: a pattern, and the relation that it stands for."""
EMPTY = re.compile(r"^(?:it|that|this|them|you|to|how|what|all|a lot|your|him|her|hearing|seeing)\b", re.IGNORECASE)


_V2 = PROFILES["memgpt_v2"]
PROFILE = replace(_V2, tools=(*_V2.tools, *(tool for tool in knowledge.TOOLS if tool not in _V2.tools)))
"""The later agent with the knowledge tools, whether or not its profile has them."""


def facts_of(speaker: str, text: str) -> list[tuple[str, str, str]]:
    """Return the triples that the patterns find in what a speaker says."""
    found: list[tuple[str, str, str]] = []
    for pattern, relation in PATTERNS:
        for match in re.finditer(pattern, text):
            groups = match.groups()
            thing = groups[-1].strip()
            if not EMPTY.match(thing):
                found.append((speaker, relation.format(re.sub(r" (?:is|are)$", "", groups[0])), thing))
    return list(dict.fromkeys(found))[:4]


def answer(messages: list[BaseMessage]) -> Any:
    """Keep the facts of the newest event, note the first in core memory, and say so."""
    said = json.loads(str(messages[-1].text))["message"]
    speaker, _, text = said.partition(": ")
    found = facts_of(speaker, text)
    acts = [("knowledge_insert", {"subject": s, "relation": r, "object": o}) for s, r, o in found]
    notes = [("memory_insert", {"label": "human", "new_string": " ".join(found[0])})] if found else []
    return calls(*acts, *notes, ("send_message", {"message": "I see." if found else "Go on.", "thinking": text[:80]}))


def replay(conversation: dict[str, Any], home: Path, sessions: int) -> int:
    """Say all turns of the first sessions to the agent, each at its time; return how many turns that were."""
    clock, turns = Clock("2020-01-01T00:00:00+00:00"), 0
    model = ScriptedModel([answer] * 5_000)
    with MemGPTAgent(
        agent_id="replay", model=model, profile=PROFILE, settings=Settings(home=home), clock=clock,
        summarizer=ScriptedModel(["They talked."] * 5_000), context={"reasoning": "off"}, human="",
    ) as agent:  # fmt: skip
        for number in range(1, sessions + 1):
            when, said = conversation.get(f"session_{number}_date_time"), conversation.get(f"session_{number}")
            if when is None or said is None:
                break
            clock.now = datetime.strptime(when, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
            for turn in said:
                agent.step(f"{turn['speaker']}: {turn['text']}")
                clock.advance(minutes=1)
                turns += 1
    return turns


def main() -> None:
    """Replay one conversation of a file into a home folder."""
    file, index, home = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    sessions = int(sys.argv[4]) if len(sys.argv) > 4 else 100
    conversation = json.loads(file.read_text())[index]["conversation"]
    print(f"{replay(conversation, home, sessions)} turns replayed into {home}")


if __name__ == "__main__":
    main()
