"""The process that is killed: it talks to an agent, each message named in a journal before it is said and after."""

import json
import os
import random
import re
import uuid
from itertools import count
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langgraph.store.base import BaseStore

from memgpt_agent import Block, MemGPTAgent, Settings
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.prompts import CALL_GIVEN_UP, CUT_OFF_REPLY
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say

AGENT = "faulty"
KINDS = ("say", "note", "file", "both", "search", "beat", "direct")
"""What a message makes the agent do: speak; edit core memory; insert a passage; all three in one answer; search, then speak;
insert a passage on a heartbeat without a text. ``direct`` is a passage that the user files by the tool's name."""


class RuleModel(ScriptedModel):
    """Does what the newest message asks for; writes a summary when it is asked for one."""

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        if not kwargs.get("tools"):
            return AIMessage("They talked.")
        # An alert may stand behind the event or the results: what counts is whether its calls were carried out.
        asked = max(n for n, m in enumerate(messages) if re.search('"type": "(user|heart)', str(m.content)))
        acted = any(m.type == "tool" for m in messages[asked:])
        event = json.loads(str(messages[asked].content))
        if event["type"] == "heartbeat":
            passage = call("archival_memory_insert", content=f"beat {uuid.uuid4()}", request_heartbeat=True)
            return AIMessage("Done.") if acted else passage
        if any(m.type == "tool" and CALL_GIVEN_UP in str(m.content) for m in messages[asked:]):
            return say(CUT_OFF_REPLY)
        word, kind = str(event["message"]).split()[:2]
        return say(f"re {word}") if acted else answer(word, kind)


def answer(word: str, kind: str) -> AIMessage:
    """Return the calls that a message's kind asks for."""
    note = ("core_memory_append", {"label": "notes", "content": word})
    passage = ("archival_memory_insert", {"content": f"passage {word}", "request_heartbeat": kind == "file"})
    match kind:
        case "note":
            return call("core_memory_append", label="notes", content=word, request_heartbeat=True)
        case "file":
            return calls(passage)
        case "both":
            return calls(note, passage, ("send_message", {"message": f"re {word}"}))
        case "search":
            return call("archival_memory_search", query=f"passage {word}")
        case _:
            return say(f"re {word}")


def open_store(folder: Path) -> FaissStore:
    """Open the store that the talker and the check share."""
    return FaissStore(folder / "memory.db", index={"embed": HashingEmbedder(64)})


def open_agent(folder: Path, store: BaseStore, saver: Any) -> MemGPTAgent:
    """Open the agent; a small window, so that messages are evicted and summarised on the way."""
    return MemGPTAgent(
        model=RuleModel(), store=store, checkpointer=saver, agent_id=AGENT, context_window=8_192,
        blocks=[Block("notes", limit_chars=100_000)], settings=Settings(home=folder, turn_wait_seconds=60),
    )  # fmt: skip


def talk_for_ever(folder: str, seed: int) -> None:
    """Talk until killed; begin with the message that the last life did not get an answer to."""
    dice = random.Random(seed)
    place = Path(folder) / "journal"
    entries = [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []
    journal = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(**entry: Any) -> None:
        # A kill does not take what was handed to the kernel, so no fsync is needed here.
        os.write(journal, (json.dumps(entry) + "\n").encode())

    write(what="open")
    begun = [(e["word"], e["kind"]) for e in entries if e["what"] == "begin"]
    done = {e["word"] for e in entries if e["what"] == "done"}
    left = [one for one in begun[-1:] if one[0] not in done]
    with open_store(Path(folder)) as store, open_checkpointer(Path(folder) / "checkpoints.db") as saver:
        agent = open_agent(Path(folder), store, saver)
        for word, kind in left:
            write(what="done", word=word, reply=_said(agent, word, kind))
        for number in count(len(begun)):
            word, kind = f"w{number}", dice.choice(KINDS)
            write(what="begin", word=word, kind=kind)
            write(what="done", word=word, reply=_said(agent, word, kind))


def _said(agent: MemGPTAgent, word: str, kind: str) -> str:
    if kind == "direct":
        agent.tools.archival_memory_insert(f"direct {word}")
        return ""
    if kind == "beat":
        beat = agent.heartbeat(event_id=word)
        return beat.message if beat.tool_calls else CUT_OFF_REPLY  # a beat that is given up has nobody to say so to
    return agent.step(f"{word} {kind}", event_id=word).message
