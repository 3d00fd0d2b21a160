"""Agents for the page's tests, made and spoken to by the HTTP interface."""

from typing import Any


def make(server: Any, **given: Any) -> str:
    """Make an agent; return its id."""
    made = server.post("/v1/agents", {"agent_type": "memgpt_v2_agent", "model": "openai/gpt-4.1", **given})
    assert made.status_code == 200, made.text
    return made.json()["id"]


def tell(server: Any, agent_id: str, text: str) -> dict[str, Any]:
    """Say something to an agent; return what came of it."""
    answer = server.post(f"/v1/agents/{agent_id}/messages", {"messages": [{"role": "user", "content": text}]})
    assert answer.status_code == 200, answer.text
    return answer.json()
