"""In a real browser: the list of agents, core memory, and conversations."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.server.page.agents import make, tell
from tests.server.page.conftest import NARROW


@pytest.fixture(scope="module")
def ada(server: Any) -> str:
    """An agent with two blocks."""
    blocks = [{"label": "human", "value": "Name: Ada", "limit": 100}, {"label": "persona", "value": "I am brief."}]
    return make(server, name="Ada's agent", tags=["home"], memory_blocks=blocks)


def test_an_agent_is_found_by_its_name_and_opened(server: Any, visit: Callable[..., Any], ada: str) -> None:
    """Typing into the search field lists the agents that fit; a click opens one."""
    make(server, name="another one")
    page = visit(f"{server.url}/")
    page.get_by_label("Find an agent").fill("ada's")
    page.keyboard.press("Enter")
    page.get_by_text("Show all").wait_for()
    assert page.locator(".agents > li").count() == 1
    row = page.locator(".agents > li").inner_text()
    assert "openai" in row
    assert "never" in row
    page.get_by_role("link", name="Ada's agent").click()
    page.get_by_text("Nothing was said yet").wait_for()


def test_a_block_is_edited_in_place_and_the_edit_is_the_users_version(server: Any, visit: Callable[..., Any], ada: str) -> None:
    """Edit opens the text where it stands; saving shows it with its fill, and the history says who wrote it."""
    page = visit(f"{server.url}/page/a/{ada}/blocks")
    page.get_by_role("link", name="Edit human").click()
    page.get_by_label("Text, 100").fill("Name: Ada\nLikes: <b>bold</b> text")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    assert page.locator(".block", has_text="human").locator(".text").inner_text() == "Name: Ada\nLikes: <b>bold</b> text"
    assert "33 of 100" in page.locator(".block", has_text="human").inner_text()
    page.get_by_role("link", name="History of human").click()
    page.get_by_role("heading", name="History of human").wait_for()
    newest = page.locator(".versions > li").first.inner_text()
    assert "user by revise" in newest
    assert "Likes: <b>bold</b> text" in newest


def test_a_message_is_answered_in_the_page(server: Any, visit: Callable[..., Any], ada: str) -> None:
    """What is typed and its answer appear without loading the page anew, and are there afterwards; thoughts are folded."""
    page = visit(f"{server.url}/page/a/{ada}/chat")
    page.get_by_label("Your message").fill("Hello <i>there</i>")
    page.keyboard.press("Enter")
    page.get_by_text("Heard: Hello <i>there</i>").wait_for()
    page.locator(".running").wait_for(state="detached")
    assert page.get_by_label("Your message").input_value() == ""
    page.reload()
    assert page.locator(".said.user .text").all_inner_texts() == ["Hello <i>there</i>"]
    assert not page.get_by_text("I answer.").is_visible()
    page.get_by_text("Thoughts").click()
    assert page.get_by_text("I answer.").is_visible()


def test_a_message_that_is_refused_stays_in_its_box(server: Any, visit: Callable[..., Any]) -> None:
    """The reason stands at the top; also where another tab left a call that waits. Many conversations fit a narrow screen."""
    agent_id = make(server, tools=["archival_memory_insert"])
    server.request("PATCH", f"/v1/agents/{agent_id}/tools/approval/archival_memory_insert", {"requires_approval": True})
    page = visit(f"{server.url}/page/a/{agent_id}/chat", viewport=NARROW)
    page.get_by_role("button", name="New conversation").click()
    page.get_by_label("Conversation").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.goto(f"{server.url}/page/a/{agent_id}/chat")
    box = page.get_by_label("Your message")
    box.fill("   ")
    box.press("Enter")
    page.locator("#problem", has_text="The message is empty.").wait_for()
    tell(server, agent_id, "call archival_memory_insert(content=kept)")
    box.fill("typed with care")
    box.press("Enter")
    page.locator("#problem", has_text="waiting").wait_for()
    assert box.input_value() == "typed with care"
