"""One of several processes that serve the same agents: takes turns as it is told on standard input, and says what came of them."""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say

_printing = threading.Lock()


def tell(**what: Any) -> None:
    """Print one line."""
    with _printing:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def answer_after(seconds: float) -> Any:
    """Return what answers each message by noting it in core memory and then speaking; each answer takes so long."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        tell(asked=True)
        time.sleep(seconds)
        if messages[-1].type == "tool":
            return say("Noted.")
        return call("archival_memory_insert", content=f"note {len(messages)} {messages[-1].text[-40:]}", request_heartbeat=True)

    return answer


def main(url: str, home: str, seconds: float) -> None:
    """Read ``[agent, event, text]`` for turns, or ``["beat", agent, interval]``; end with the input."""
    settings = Settings.load(home=Path(home), database_url=url)
    model = ScriptedModel([answer_after(seconds)] * 10_000)
    agents: dict[str, MemGPTAgent] = {}
    with ThreadPoolExecutor(8) as threads:

        def turn(agent: MemGPTAgent, event: str, text: str) -> None:
            try:
                tell(event=event, answer=agent.step(text, event_id=event).message)
            except Exception as error:  # noqa: BLE001 - the test looks at what it is
                tell(event=event, error=f"{type(error).__name__}: {error}")

        for line in sys.stdin:
            first, second, third = json.loads(line)
            name = second if first == "beat" else first
            if name not in agents:
                agents[name] = MemGPTAgent(model=model, settings=settings, agent_id=name, embedding=HashingEmbedder())
            if first == "beat":
                agents[name].schedule(third, jitter=0, on_response=lambda response: tell(beat=response.message))
            else:
                threads.submit(turn, agents[name], second, third)
    for agent in agents.values():
        agent.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
