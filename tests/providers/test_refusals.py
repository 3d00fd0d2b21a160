"""A refusal whose words stand apart from the answer's text reaches the user, also where LangChain's client drops them."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from benchmarks.providers.life import agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Reply, StrictServer


def _azure(url: str) -> Any:
    from langchain_openai import AzureChatOpenAI

    return AzureChatOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21", azure_deployment="gpt-4.1-mini", max_retries=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["openai", "llama.cpp"])
@pytest.mark.parametrize("face", ["step", "astep"])
async def test_the_words_of_a_streamed_refusal_are_given_to_the_user(name: str, face: str, tmp_path: Path):
    """After one request, marked as a refusal."""
    refuses = Reply(refusal="I'm sorry, I cannot help with that.")
    with StrictServer(PROVIDERS[name].wire(), lambda _: refuses) as server, agent_at(tmp_path, PROVIDERS[name].model(server.url)) as agent:
        response = agent.step("Hello") if face == "step" else await agent.astep("Hello")
        assert ("I cannot help with that" in response.message, response.stopped) == (True, "refused")
    assert len(server.requests) == 1


def test_azures_client_hears_it_as_well():
    """It is another class of the same package."""
    from memgpt_agent.models.dialects.openai_clients import HearingAzureChat, listening

    heard: Any = listening(_azure("https://example.openai.azure.com"))
    assert type(heard) is HearingAzureChat
    chunk = {"choices": [{"index": 0, "delta": {"refusal": "No."}, "finish_reason": None}]}
    made: Any = heard._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, None)
    assert made.message.additional_kwargs["refusal"] == "No."
