"""What the model sees of a message is kept only as long as nothing that it depends on has changed."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from memgpt_agent.nodes.caches import Seen, ViewCache

CALL: Any = {"name": "f", "args": {}, "id": "c", "type": "tool_call"}
SEEN = Seen((HumanMessage("shown"),), (7,))


def asked() -> AIMessage:
    """An answer with one call."""
    return AIMessage("", id="1", tool_calls=[CALL])


def result(text: str = "done") -> dict[str, ToolMessage]:
    """The call's result."""
    return {"c": ToolMessage(text, tool_call_id="c", id="2")}


@pytest.fixture
def before() -> ViewCache:
    """One view of a call and its result."""
    views = ViewCache()
    views.keep("how", asked(), result(), ["c"], SEEN)
    return views


def test_an_equal_message_is_seen_as_before(before: ViewCache) -> None:
    """A checkpoint that is loaded again gives other objects that say the same."""
    assert before.find("how", asked(), result()) is SEEN


@pytest.mark.parametrize(
    ("how", "message", "results"),
    [
        ("other", asked(), result()),
        ("how", AIMessage("so", id="1", tool_calls=[CALL]), result()),
        ("how", HumanMessage("", id="1"), result()),
        ("how", AIMessage("", id="other", tool_calls=[CALL]), result()),
        ("how", asked(), result("changed")),
        ("how", asked(), {}),
    ],
)
def test_whatever_differs_is_made_anew(before: ViewCache, how: str, message: Any, results: Any) -> None:
    """The window, the message under its id, its kind, and its result."""
    assert before.find(how, message, results) is None


def test_a_result_that_came_later_is_not_missed() -> None:
    """A call seen while it had no result is seen anew once it has one."""
    views = ViewCache()
    views.keep("how", asked(), {}, ["c"], SEEN)
    assert views.find("how", asked(), {}) is SEEN
    assert views.find("how", asked(), result()) is None


def test_long_messages_and_old_views_are_not_kept() -> None:
    """The memory that this takes is bounded."""
    views = ViewCache()
    long = HumanMessage("x" * 20_000, id="long")
    views.keep("how", long, {}, [], SEEN)
    assert views.find("how", long, {}) is None
    for n in range(5_000):
        views.keep("how", HumanMessage("hi", id=str(n)), {}, [], SEEN)
    assert views.find("how", HumanMessage("hi", id="0"), {}) is None
    assert views.find("how", HumanMessage("hi", id="4999"), {}) is SEEN
