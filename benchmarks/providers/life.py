"""A life of an agent with one provider: what its model says at each turn, and how the turns are driven."""

import asyncio
import base64
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig

from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import HashingEmbedder

TURN = re.compile(r"turn (\d+)\b")
ANSWER = 'Answer {n}: \\ "quoted" 😀é\n漢字.'
"""Hard to cut well: escapes, a pair of surrogates, a line break."""
PADDING = "Some words about the weather, the garden and the long way home. " * 6


@dataclass
class Living:
    """A model that does something else at each turn; each kind comes every seventh turn."""

    asked: Counter[int] = field(default_factory=Counter[int])
    """How often it was asked in each turn."""

    def __call__(self, heard: list[Heard]) -> "Reply | Refused":
        """Answer what was said last."""
        said = [m.text for m in heard if m.role == "user" and '"type": "user_message"' in m.text]
        if not said:
            return Reply(text="They spoke of the garden, turn by turn.")  # asked for a summary
        n = int(TURN.findall(said[-1])[-1])
        self.asked[n] += 1
        return self._at(n, self.asked[n])

    def _at(self, n: int, step: int) -> Reply:
        kind, spoken = n % 7, ("send_message", {"message": ANSWER.format(n=n), "request_heartbeat": False})
        thought = f"The user speaks of turn {n} 😀; step {step}."
        if step == 1 and kind == 1:
            kept = ("archival_memory_insert", {"content": f"Fact {n} 😀", "request_heartbeat": True})
            looked = ("conversation_search", {"query": f"turn {n}", "request_heartbeat": True})
            return Reply(calls=(kept, looked), thinking=thought)
        if step == 1 and kind == 2:
            wrong = {"label": "nowhere", "old_content": "a", "new_content": "b", "request_heartbeat": True}
            return Reply(calls=(("core_memory_replace", wrong),), thinking=thought)
        if step == 1 and kind == 3:
            look = {"query": f"fact {n}", "request_heartbeat": True}
            return Reply(text="Let me look that up.", calls=(("archival_memory_search", look),), thinking=thought)
        if kind == 5:
            return Reply(text=ANSWER.format(n=n), thinking=thought)
        return Reply(calls=(spoken,), thinking=thought)


def picture() -> str:
    """Return a PNG of one pixel, in base64."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


FORMS: tuple[Callable[[], dict[str, Any]], ...] = (
    lambda: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture()}"}},
    lambda: {"type": "image", "mimeType": "image/png", "data": picture()},
    lambda: {"type": "image", "base64": picture(), "mime_type": "image/png"},
    lambda: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture()}},
    lambda: {"type": "image", "source_type": "base64", "data": picture(), "mime_type": "image/png"},
    lambda: {"type": "image", "source_type": "base64", "data": picture(), "mime_type": "image/svg+xml"},
)
"""The forms in which clients send a picture."""


@contextmanager
def agent_at(home: Path, model: Any, **options: Any) -> Generator[MemGPTAgent]:
    """Open the agent whose memory lies in a folder."""
    given: dict[str, Any] = {"context_window": 8_192, "embedding": HashingEmbedder(), "agent_id": "alive", **options}
    with MemGPTAgent(model=model, settings=Settings.load(home=home), **given) as agent:
        yield agent


def say(agent: MemGPTAgent, n: int, runner: asyncio.Runner | None) -> str:
    """Take one turn: by turns sync and async, every seventh with a picture."""
    text = f"This is turn {n}. {PADDING}"
    if n % 7 == 4:
        return _with_picture(agent, text, n)
    if runner is not None and n % 3 == 1:
        return runner.run(agent.astep(text)).message
    return agent.step(text).message


def _with_picture(agent: MemGPTAgent, text: str, n: int) -> str:
    message = HumanMessage([{"type": "text", "text": text}, FORMS[n // 7 % len(FORMS)]()], id=f"picture-{n}")
    config: RunnableConfig = {"configurable": {"thread_id": agent.thread_id}}
    result = agent.graph.invoke({"messages": [message]}, config, context=agent.context)
    return str(result["messages"][-1].text)


def odd(n: int, reply: str) -> str:
    """Return what is odd about the reply of a turn; empty where nothing is."""
    return "" if reply == ANSWER.format(n=n).strip() else f"turn {n}: {reply[:200]!r}"


def lived(home: Path, server: StrictServer, model: Callable[[], Any], turns: int, **options: Any) -> list[str]:
    """Live so many turns, with a restart in the middle; return what was odd: refused requests and replies."""
    found: list[str] = []
    with asyncio.Runner() as runner:
        for part in (range(turns // 2), range(turns // 2, turns)):
            with agent_at(home, model(), **options) as agent:
                found += [odd(n, say(agent, n, runner)) for n in part]
    return [*map(str, server.refusals), *filter(None, found)]
