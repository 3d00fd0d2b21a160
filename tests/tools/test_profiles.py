"""A profile chooses what an agent is made of; its name comes back with the agent."""

from pathlib import Path

import pytest

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.core import Block
from memgpt_agent.testing import ScriptedModel, say
from memgpt_agent.tools import messages
from memgpt_agent.tools.profiles import MEMGPT, Profile, Section, profile_of


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    """The error names the value and what can be given instead."""
    with pytest.raises(ConfigurationError, match="no profile 'nobody'.*memgpt"):
        profile_of("nobody")


def test_a_profile_brings_its_tools_its_blocks_and_its_sections(tmp_path: Path) -> None:
    """A profile of the user's own decides what the model is offered and shown."""
    profile = Profile(
        "parrot",
        messages.TOOLS,
        system_prompt="You repeat. Speak by {speak}.",
        blocks=(Block("birds", "macaw"),),
        sections=(Section("weather", lambda memory: f"It rains on {memory.agent_id}."),),
    )
    model = ScriptedModel([say("Hello.")])
    with MemGPTAgent(llm_client=model, profile=profile, agent_id="polly", settings=Settings(home=tmp_path)) as agent:
        response = agent.step("Hi")
    system = model.calls[0][0].text
    assert system.startswith("You repeat. Speak by `send_message`.")
    assert system.index("macaw") < system.index("It rains on polly.")
    assert response.context_sections["weather"] > 0
    assert [tool["function"]["name"] for tool in model.tools_offered[0]] == ["send_message"]


def test_a_stored_agent_comes_back_with_its_profile(tmp_path: Path) -> None:
    """The name of the profile is kept in the agent's definition; an object has to be given again."""
    settings = Settings(home=tmp_path)
    other = Profile("other", MEMGPT.tools)
    with MemGPTAgent(llm_client=ScriptedModel([]), profile=other, agent_id="ann", settings=settings):
        pass
    with pytest.raises(ConfigurationError, match="no profile 'other'.*as an object"):
        MemGPTAgent(llm_client=ScriptedModel([]), agent_id="ann", settings=settings)
