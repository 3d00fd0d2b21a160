"""One search over conversation, archive, files and knowledge."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.documents import find_files
from memgpt_agent.errors import BadDate, InvalidArguments
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.core import Cause
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.memory.recall import Message
from memgpt_agent.testing import Clock
from memgpt_agent.tools.knowledge import knowledge_insert
from memgpt_agent.tools.recall import SOURCES, Hit, merged, recall
from memgpt_agent.tools.recall_memory import conversation_search


@pytest.fixture
def memory() -> AgentMemory:
    """An agent that knows of a dog in every tier."""
    clock = Clock("2026-01-05T12:00:00+00:00")
    memory = AgentMemory(InMemoryStore(), "ann", clock, "Europe/Lisbon")
    memory.recall.add([
        Message("1", "user", "My dog is called Rex.", "2026-01-01T10:00:00.000000+00:00"),
        Message("2", "assistant", "A dog! What a fine name.", "2026-01-01T10:00:05.000000+00:00"),
        Message("3", "tool", "The dog was found.", "2026-01-02T10:00:05.000000+00:00", tool="find_pet"),
    ])  # fmt: skip
    memory.archival.insert("The dog eats twice a day.", ["pets"])
    memory.archival.insert("A dog needs its shots in May.", ["vet"], source="vet.pdf, page 2")
    knowledge_insert(memory, "Rex", "is a", "dog")
    return memory


def test_each_hit_says_where_it_is_from(memory: AgentMemory) -> None:
    """The best of each source by turns, with dates in the agent's zone."""
    lines = recall(memory, "dog").split("\n")
    assert lines[0] == "6 found, page 0, the best of each source by turns:"
    assert [line.split(" [")[0].rstrip("0123456789abcdef") for line in lines[1:5]] == [
        "- conversation", "- archival passage-", "- file vet.pdf, page ", "- knowledg",
    ]  # fmt: skip
    assert "- conversation [2026-01-01 10:00:00 WET (Thursday), user] My dog is called Rex." in lines
    assert "- conversation [2026-01-02 10:00:05 WET (Friday), tool find_pet] The dog was found." in lines
    assert "- file vet.pdf, page 2 [2026-01-05 12:00:00 WET (Monday), tags: vet] A dog needs its shots in May." in lines
    assert "- knowledge [since 2026-01-05] Rex - is a - dog" in lines


@pytest.mark.parametrize("search", [recall, conversation_search])
def test_a_search_does_not_find_the_message_that_it_answers(
    memory: AgentMemory, search: Callable[[AgentMemory, str], str]
) -> None:
    """Within its turn the message is in view, and it would fit best; in every later turn it is found."""
    assert "Rex." in search(memory.because(Cause(turn="2")), "My dog is called Rex.")
    found = search(memory.because(Cause(turn="1")), "My dog is called Rex.")
    assert "My dog is called Rex." not in found
    assert "A dog! What a fine name." in found


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"sources": ["files"]}, ["file"]),
        ({"sources": ["archival", "knowledge"]}, ["archival", "knowledge"]),
        ({"roles": ["user"]}, ["conversation"]),
        ({"tags": ["pets"]}, ["archival"]),
        ({"tags": ["pets", "vet"]}, ["archival", "file"]),
        ({"end_date": "2026-01-01"}, ["conversation", "conversation"]),
        ({"start_date": "2026-01-05"}, ["archival", "file", "knowledge"]),
        ({"limit": 2}, ["conversation", "archival"]),
        ({"limit": 2, "page": 1}, ["file", "knowledge"]),
        ({"limit": 2, "page": 2}, ["conversation", "conversation"]),
    ],
)  # fmt: skip
def test_a_search_can_be_narrowed_and_paged(memory: AgentMemory, how: dict[str, object], expected: list[str]) -> None:
    """By source, speaker, tag, day; what only some sources know leaves the others out."""
    found = recall(memory, "dog", **how)  # pyright: ignore[reportArgumentType]
    assert [line.split()[1] for line in found.split("\n")[1:]] == expected


def test_what_cannot_be_asked_for_is_an_error_that_says_what_can(memory: AgentMemory) -> None:
    """Unknown sources, roles and tags together, pages too deep, other dates."""
    with pytest.raises(
        InvalidArguments, match="no source 'web'. The sources are: conversation, archival, files, knowledge, summaries"
    ):
        recall(memory, "dog", sources=["web"])
    with pytest.raises(InvalidArguments, match="roles are known of the conversation only"):
        recall(memory, "dog", roles=["user"], tags=["pets"])
    with pytest.raises(InvalidArguments, match="page = 10 with limit = 50: only the first 500 hits"):
        recall(memory, "dog", limit=50, page=10)
    with pytest.raises(BadDate):
        recall(memory, "dog", start_date="once")


def test_finding_nothing_says_where_was_looked(memory: AgentMemory) -> None:
    """An empty page is not an empty memory."""
    nothing = recall(memory, "zebra", sources=["archival"])
    assert nothing.startswith("Nothing found for 'zebra' (looked into: archival). Ask again ")
    assert "on this page (looked into: conversation, archival, files, knowledge, summaries)" in recall(
        memory, "dog", page=3
    )


def test_hits_that_hold_little_of_what_was_asked_say_so_and_how_to_ask_again(memory: AgentMemory) -> None:
    """The words that no hit holds, where they are more than half; nothing where the hits fit, in any form of the words."""
    found = recall(memory, "Which gearbox had the dog?", roles=["user"])
    assert "called Rex" in found
    assert "None of these holds 'gearbox'" not in found
    found = recall(memory, "gearbox warranty for the dog", roles=["user"])
    assert found.split("\n")[-1].startswith("None of these holds 'gearbox', 'warranty': they may not be what you look for. Ask again ")
    assert "None of these" not in recall(memory, "What are dogs called?", roles=["user"])


def test_a_fact_that_has_ended_is_found_and_said_to_hold_no_longer(memory: AgentMemory) -> None:
    """Behind the one that took its place; a fact whose end is still to come holds."""
    knowledge_insert(memory, "Rex", "lives in", "Porto", valid_from="2019")
    knowledge_insert(memory, "Rex", "lives in", "Lisbon")
    knowledge_insert(memory, "Rex", "is insured at", "Acme", valid_until="2030")
    lines = [line for line in recall(memory, "Rex", sources=["knowledge"]).split("\n") if line.startswith("- ")]
    assert "- knowledge [no longer true: since 2019-01-01, until 2026-01-05] Rex - lives in - Porto" in lines
    assert [line.split("[")[1].startswith("no longer") for line in lines] == [False, False, False, True]


def test_files_that_were_loaded_and_summaries_are_found_too(memory: AgentMemory, tmp_path: Path) -> None:
    """A file by its name and place, also where the archive is elsewhere; a summary by the id that opens it."""
    (tmp_path / "zoo.txt").write_text("The zebra eats hay.\n")
    list(memory.files.load(list(find_files([tmp_path / "zoo.txt"]))))
    node = SummaryNode(
        "span-1", "span", "They spoke of a zebra.", "2026-01-01T10:00:00+00:00", "2026-01-02T10:00:00+00:00", ("1", "2")
    )
    memory.store.put(namespaces.of("ann", "summaries"), node.id, node.as_value(), index=["indexed"])
    for where in (memory, replace(memory, archive=StoreArchive(InMemoryStore(), "ann", memory.clock))):
        found = recall(where, "zebra")
        assert "- file zoo.txt" in found
        assert "The zebra eats hay." in found
        assert "- summary span-1 [span, 2026-01-01 to 2026-01-02] They spoke of a zebra." in found


def test_an_empty_query_gives_the_newest(memory: AgentMemory) -> None:
    """Of what has a time."""
    assert recall(memory, "", sources=["conversation"], limit=1).endswith("The dog was found.")


def test_the_same_text_from_two_sources_is_shown_once() -> None:
    """Where it ranks first."""
    found = merged([[Hit("a", "", "One"), Hit("a", "", "Two")], [Hit("b", "", "two"), Hit("b", "", "Three")], []])
    assert [(hit.where, hit.text) for hit in found] == [("a", "One"), ("b", "two"), ("b", "Three")]


def test_the_description_names_every_source() -> None:
    """A source that the model is not told of is never asked for."""
    assert all(f"'{name}'" in str(recall.__doc__) for name in SOURCES)
