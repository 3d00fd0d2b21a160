"""One process of the cluster: takes turns of any agent as it is told on standard input."""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.events import utc_now
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

TURNS_AT_ONCE = 8
_printing = threading.Lock()


def answer(_messages: list[BaseMessage]) -> AIMessage:
    """Speak, after the time that a model takes."""
    time.sleep(0.05)
    return say("Noted.")


def main(url: str, home: str, ahead_seconds: str) -> None:
    """Read ``[agent, event]`` lines; answer each with the event and the milliseconds of its turn."""
    ahead = timedelta(seconds=int(ahead_seconds))
    settings = Settings.load(home=Path(home), database_url=url)
    agents: dict[str, MemGPTAgent] = {}
    guard = threading.Lock()
    with (
        open_configured_store(settings, HashingEmbedder()) as store,
        open_configured_checkpointer(settings) as saver,
        ThreadPoolExecutor(TURNS_AT_ONCE) as threads,
    ):

        def turn(name: str, event: str) -> None:
            began = time.perf_counter()
            with guard:
                agent = agents.get(name)
                if agent is None:
                    model = ScriptedModel([answer] * 100_000)
                    agent = agents[name] = MemGPTAgent(
                        model=model, settings=settings, store=store, checkpointer=saver, agent_id=name, clock=lambda: utc_now() + ahead
                    )
            try:
                agent.step(f"message {event}", event_id=event)
                told = {"event": event, "ms": (time.perf_counter() - began) * 1000}
            except Exception as error:  # noqa: BLE001 - whatever it is, the event is given to another process
                told = {"event": event, "error": f"{type(error).__name__}: {error}"}
            with _printing:
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()

        for line in sys.stdin:
            threads.submit(turn, *json.loads(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
