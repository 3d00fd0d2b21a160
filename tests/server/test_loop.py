"""The event loop is never held up: a server that watches it, as LangGraph's does, can carry the app."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage

from memgpt_agent.config import Settings
from memgpt_agent.server import create_app
from memgpt_agent.testing import ScriptedModel


@pytest.mark.asyncio
async def test_nothing_blocks_the_loop(tmp_path: Path) -> None:
    """Start, making an agent, a turn waited for, one streamed, and the end, while every blocking call on the loop is an error."""
    model = ScriptedModel([AIMessage("In plain words."), AIMessage("Once more.")])
    app = create_app(Settings.load(home=tmp_path), model=model, beside=True)
    with blockbuster_ctx("memgpt_agent"):
        calls = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=calls, base_url="http://localhost") as client:
            made: Any = (await client.post("/v1/agents/", json={"name": "ada"})).json()
            path = f"/v1/agents/{made['id']}/messages"
            first = await client.post(path, json={"input": "hi"})
            assert (first.status_code, first.json()["messages"][-1]["content"]) == (200, "In plain words.")
            assert "Once more." in (await client.post(path, json={"input": "again", "streaming": True})).text
            assert (await client.get(path)).status_code == 200
