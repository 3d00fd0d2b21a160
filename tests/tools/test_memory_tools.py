"""What the agent's own tools do and say."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import BadDate, InvalidArguments, ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import default_blocks
from memgpt_agent.memory.recall import Message
from memgpt_agent.testing import Clock
from memgpt_agent.tools.archival_memory import archival_memory_insert, archival_memory_search
from memgpt_agent.tools.core_memory import core_memory_append, core_memory_replace
from memgpt_agent.tools.messages import send_message
from memgpt_agent.tools.recall_memory import conversation_search


@pytest.fixture
def memory() -> AgentMemory:
    """A new agent with the two usual blocks and one message in recall memory."""
    memory = AgentMemory(InMemoryStore(), "ann", Clock("2026-01-01T12:00:00+00:00"), "Europe/Lisbon")
    memory.core.create(default_blocks(human="Name: Alice"))
    memory.recall.add([Message("1", "user", "My dog is called Rex.", "2026-01-01T10:00:00.000000+00:00")])
    return memory


def test_an_edit_answers_with_the_block_as_it_is_now(memory: AgentMemory) -> None:
    """With its use, so that the model sees how much room is left."""
    assert (
        core_memory_append(memory, "human", "Dog: Rex")
        == "Block 'human' is now (20/2000 characters):\nName: Alice\nDog: Rex"
    )
    assert core_memory_replace(memory, "human", "Alice", "Alicia").endswith("Name: Alicia\nDog: Rex")


def test_an_empty_message_is_not_sent(memory: AgentMemory) -> None:
    """The user would see nothing."""
    with pytest.raises(InvalidArguments, match="The message is empty"):
        send_message(memory, " \n")


def test_a_conversation_search_shows_who_said_what_and_when(memory: AgentMemory) -> None:
    """In the agent's time zone."""
    assert conversation_search(memory, "dog") == (
        "1 messages, page 0:\n- [2026-01-01 10:00:00 WET (Thursday)] user: My dog is called Rex."
    )


def test_finding_nothing_says_where_was_looked(memory: AgentMemory) -> None:
    """An empty page is not an empty memory."""
    assert conversation_search(memory, "dog", roles=["tool"]) == "Nothing found for 'dog' (roles: tool)."
    assert "on this page (roles: user, assistant, tool, system)" in conversation_search(memory, "dog", page=1)
    assert archival_memory_search(memory, "dog", page=1) == "Nothing found for 'dog' on this page."


@pytest.mark.parametrize("how", [{"limit": 0}, {"limit": 51}, {"page": -1}])
def test_a_page_that_cannot_be_is_an_error(memory: AgentMemory, how: dict[str, int]) -> None:
    """It says what can."""
    for search in (conversation_search, archival_memory_search):
        with pytest.raises(InvalidArguments, match="limit goes from 1 to 50, page from 0"):
            search(memory, "dog", **how)  # pyright: ignore[reportArgumentType]


def test_both_searches_take_days_and_refuse_other_words(memory: AgentMemory) -> None:
    """The message shows the form."""
    archival_memory_insert(memory, "Rex is a dog")
    for search in (conversation_search, archival_memory_search):
        assert "Rex" in search(memory, "dog", start_date="2026-01-01", end_date="2026-01-01")
        assert "Nothing found" in search(memory, "dog", start_date="2026-01-02")
        with pytest.raises(BadDate, match="end_date 'today' is not a date"):
            search(memory, "dog", end_date="today")


def test_a_passage_is_stored_under_an_id_and_shown_with_its_tags(memory: AgentMemory) -> None:
    """A second time the model is told that it is there already."""
    stored = archival_memory_insert(memory, "Rex likes bones", ["dog", "food"])
    passage_id = stored.removeprefix("Stored as ").removesuffix(".")
    assert archival_memory_search(memory, "bones") == (
        f"1 passages, page 0:\n- {passage_id} [2026-01-01 12:00:00 WET (Thursday), tags: dog, food] Rex likes bones"
    )
    assert (
        archival_memory_insert(memory, "rex likes BONES")
        == f"This text is stored already, as {passage_id}; its tags are ['dog', 'food']."
    )


def test_tags_have_a_limit_and_a_match_mode(memory: AgentMemory) -> None:
    """Any of them, or all."""
    archival_memory_insert(memory, "one", ["a", "b"])
    archival_memory_insert(memory, "two", ["a"])
    assert "2 passages" in archival_memory_search(memory, "", tags=["a", "b"])
    assert "1 passages" in archival_memory_search(memory, "", tags=["a", "b"], tag_match_mode="all")
    with pytest.raises(ToolError, match="21 tags; give 20 at most"):
        archival_memory_insert(memory, "three", [str(n) for n in range(21)])


def test_a_long_find_is_shortened_among_others(memory: AgentMemory) -> None:
    """The rest is counted."""
    archival_memory_insert(memory, "dog " * 1_000)
    assert archival_memory_search(memory, "dog").endswith("[... 2,500 more characters]")


def test_a_close_passage_is_named_when_one_is_stored(memory: AgentMemory) -> None:
    """Both are kept: the agent sees whether the new one replaces the old."""
    old = (
        archival_memory_insert(memory, "The cabin's wifi password is hunter2")
        .removeprefix("Stored as ")
        .removesuffix(".")
    )
    answer = archival_memory_insert(memory, "The cabin's wifi password is hunter3")
    assert answer.splitlines()[0].endswith("Close to it, and kept as well:")
    assert answer.splitlines()[1:] == [
        f"- {old} [2026-01-01 12:00:00 WET (Thursday)] The cabin's wifi password is hunter2"
    ]
    assert archival_memory_insert(memory, "Nothing of the kind").endswith(".")


def test_of_a_long_find_the_part_that_fits_is_shown(memory: AgentMemory) -> None:
    """What stands before and after it is counted."""
    archival_memory_insert(memory, "bla " * 1_000 + "zebra " + "bla " * 1_000)
    shown = archival_memory_search(memory, "the zebra")
    assert "zebra" in shown
    assert "characters before this ...]" in shown
    assert "more characters]" in shown


def test_a_named_speaker_is_shown(memory: AgentMemory) -> None:
    """Where several people speak to one agent."""
    memory.recall.add(
        [Message("2", "user", "My cat is called Tom.", "2026-01-01T10:01:00.000000+00:00", user_id="Bob")]
    )
    assert conversation_search(memory, "cat").endswith("(Thursday)] Bob: My cat is called Tom.")
