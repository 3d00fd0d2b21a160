"""In a real browser: turns and why, the window, approvals, the running turn, figures, sleep, and an agent as a whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import AT_THE_GATE, GATE
from tests.server.page.agents import make, tell


@pytest.fixture(scope="module")
def cleo(server: Any) -> str:
    """An agent that has to ask before it files something away."""
    agent_id = make(server, name="Cleo's agent", tools=["archival_memory_insert", "core_memory_append"])
    server.request("PATCH", f"/v1/agents/{agent_id}/tools/approval/archival_memory_insert", {"requires_approval": True})
    return agent_id


def say(page: Any, text: str) -> None:
    """Type a message and send it."""
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")


def test_a_call_is_approved_edited_and_rejected_with_a_reason(server: Any, visit: Callable[..., Any], cleo: str) -> None:
    """Each decision is a click in the conversation; the agent list says that somebody is waited for."""
    page = visit(f"{server.url}/page/a/{cleo}/chat")
    say(page, "call archival_memory_insert(content=first text)")
    page.get_by_role("button", name="Approve", exact=True).wait_for()
    listed = visit(f"{server.url}/page/agents?q=cleo")
    assert listed.get_by_text("waits for you").is_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.locator(".call", has_text="archival_memory_insert").wait_for()
    page.locator(".running").wait_for(state="detached")
    say(page, "call archival_memory_insert(content=second text)")
    page.get_by_label("Arguments").fill("{no json")
    page.get_by_role("button", name="Approve with these").click()
    page.locator("#problem .bad").wait_for()
    page.get_by_label("Arguments").fill(json.dumps({"content": "text of mine"}))
    page.get_by_role("button", name="Approve with these").click()
    page.locator(".asked").wait_for(state="detached")
    page.locator(".running").wait_for(state="detached")
    say(page, "call archival_memory_insert(content=third text)")
    page.get_by_label("Reason").fill("Not this one")
    page.get_by_role("button", name="Reject").click()
    page.locator(".asked").wait_for(state="detached")
    page.locator(".running").wait_for(state="detached")
    kept = server.get(f"/v1/agents/{cleo}/archival-memory").text
    assert "first text" in kept
    assert "text of mine" in kept
    assert "second text" not in kept
    assert "third text" not in kept
    page.reload()
    assert "Not this one" in page.locator("#talk").text_content()


def test_a_call_that_a_program_was_to_carry_out_is_answered(server: Any, visit: Callable[..., Any]) -> None:
    """Its result can be typed; the turn goes on with it."""
    agent_id = make(server)
    tool = {"name": "look_outside", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
    body = {"messages": [{"role": "user", "content": "call look_outside()"}], "client_tools": [tool]}
    assert server.post(f"/v1/agents/{agent_id}/messages", body).status_code == 200
    page = visit(f"{server.url}/page/a/{agent_id}/chat")
    page.get_by_label("Your answer").fill("It <b>rains</b>")
    page.get_by_role("button", name="Answer").click()
    page.locator(".asked").wait_for(state="detached")
    page.locator(".running").wait_for(state="detached")
    page.locator(".call", has_text="look_outside").locator("summary").click()
    assert "It <b>rains</b>" in page.locator(".call", has_text="look_outside").inner_text()


def test_a_turn_tells_why_it_said_that(server: Any, visit: Callable[..., Any]) -> None:
    """From a reply one gets to its turn: the event, the thoughts, the calls, what was written, tokens and time."""
    agent_id = make(server, tools=["core_memory_append"])
    tell(server, agent_id, "call core_memory_append(label=human,content=Likes tea)")
    page = visit(f"{server.url}/page/a/{agent_id}/chat")
    page.get_by_role("link", name="Why?").first.click()
    page.get_by_role("heading", name="Why did it say that?").wait_for()
    text = page.locator("main").inner_text()
    assert "I call core_memory_append." in text
    assert "Likes tea" in page.locator(".diff .new").inner_text()
    assert "Tokens sent" in text
    assert "None." in page.locator("section", has_text="Memories that were offered").inner_text()
    page.get_by_role("link", name="Turns", exact=True).click()
    page.get_by_role("heading", name="Turns").wait_for()
    assert "completed" in page.locator("tbody tr").first.inner_text()


def test_the_window_shows_its_sections_and_what_left_it(server: Any, visit: Callable[..., Any]) -> None:
    """Sections with their tokens, the prompt itself, and after an eviction the summary of what left, with its time."""
    agent_id = make(server, context_window_limit=8192)
    for number in range(6):
        tell(server, agent_id, f"Story {number}: " + "the river ran on and on. " * 160)
    page = visit(f"{server.url}/page/a/{agent_id}/window")
    sections = page.locator("tbody").inner_text()
    assert "System prompt" in sections
    assert "Messages" in sections
    left = page.locator("details", has_text="Story 0").last
    left.locator("summary").click()
    assert "messages left on" in left.inner_text()
    left.get_by_role("link", name="To these messages").click()
    page.locator(".found").wait_for()


def test_a_running_turn_is_followed_and_stopped(server: Any, visit: Callable[..., Any]) -> None:
    """It is shown while it runs, also to who comes later; Stop ends it, and the next message works."""
    agent_id = make(server)
    GATE.clear()
    AT_THE_GATE.clear()
    try:
        page = visit(f"{server.url}/page/a/{agent_id}/chat")
        say(page, "wait for the gate")
        page.get_by_role("button", name="Stop").wait_for()
        assert AT_THE_GATE.wait(30)
        later = visit(f"{server.url}/page/a/{agent_id}/chat")
        assert later.get_by_text("Thinking").is_visible()
        assert "running" in visit(f"{server.url}/page/agents?q={agent_id}").locator(".agents > li").inner_text()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("The turn was stopped.").wait_for()
        later.get_by_text("The turn was stopped.").wait_for()
    finally:
        GATE.set()
    say(page, "and now?")
    page.get_by_text("Heard: and now?").wait_for()


def test_attachments_are_sent_and_a_failed_turn_says_why(server: Any, visit: Callable[..., Any]) -> None:
    """A file goes along with what is said; a provider's refusal is shown in its place and in the list of agents."""
    agent_id = make(server)
    page = visit(f"{server.url}/page/a/{agent_id}/chat")
    page.get_by_label("Attach files").set_input_files({"name": "plan.txt", "mimeType": "text/plain", "buffer": b"the plan"})
    say(page, "Look at this")
    page.locator(".said.assistant").first.wait_for()
    page.locator(".running").wait_for(state="detached")
    assert "plan.txt" in page.locator(".attached").inner_text()
    say(page, "refuse")
    page.get_by_text("The turn failed").wait_for()
    listed = visit(f"{server.url}/page/agents?q={agent_id}")
    assert "The last run failed" in listed.locator(".agents > li").inner_text()
    page.goto(f"{server.url}/page/a/{agent_id}/figures")
    assert page.locator("figure svg rect.b2").evaluate_all("bars => bars.filter(bar => bar.height.baseVal.value > 0).length") >= 1
    page.get_by_text("The same as a table").click()
    row = page.locator("tbody tr").inner_text().split("\t")
    assert row[1:3] == ["2", "1"]


def test_an_agent_sleeps_wakes_and_gets_a_rhythm(server: Any, visit: Callable[..., Any]) -> None:
    """Sleep now reads what was said; Wake takes a turn; the rhythm is kept, and one that cannot be is refused."""
    agent_id = make(server)
    tell(server, agent_id, "I like tea")
    page = visit(f"{server.url}/page/a/{agent_id}/waking")
    assert "2 messages" in page.locator(".figures").first.inner_text()
    page.get_by_role("button", name="Sleep now").click()
    page.locator(".job .good").wait_for()
    page.get_by_role("link", name="Go on").click()
    page.locator(".figures", has_text="0 messages").wait_for()
    page.get_by_label("Interval").fill("soon")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("is no span of time").wait_for()
    page.go_back()
    page.get_by_label("Interval").fill("10m")
    page.get_by_label("Quiet hours").fill("22:00-07:00")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    assert "10m, not 22:00-07:00" in page.locator("main").inner_text()
    page.get_by_label("Wake it now").fill("tidy up")
    page.get_by_role("button", name="Wake", exact=True).click()
    page.get_by_label("Your message").wait_for()
    page.locator(".event, .said").last.wait_for()


def test_an_agent_is_exported_imported_renamed_and_deleted(server: Any, visit: Callable[..., Any], tmp_path: Path) -> None:
    """The export of one agent makes another; deleting asks for the name."""
    agent_id = make(server, name="to go", memory_blocks=[{"label": "human", "value": "Name: Dana"}])
    tell(server, agent_id, "Hello")
    page = visit(f"{server.url}/page/a/{agent_id}/manage")
    with page.expect_download() as download:
        page.get_by_role("link", name="Everything, in one file").click()
    path = tmp_path / "export.json"
    download.value.save_as(path)
    page.goto(f"{server.url}/page/import")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_label("Name").fill("the copy <i>of</i> it")
    page.get_by_role("button", name="Import").click()
    page.get_by_text("Name: Dana").wait_for()
    page.get_by_role("link", name="Manage").click()
    page.get_by_label("Name", exact=True).fill("the renamed one")
    page.get_by_label("Tags").fill("one two")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_label("To delete it").fill("something else")
    page.get_by_role("button", name="Delete for ever").click()
    page.get_by_text("Nothing was deleted").wait_for()
    page.go_back()
    page.get_by_label("To delete it").fill("the renamed one")
    page.get_by_role("button", name="Delete for ever").click()
    page.get_by_text("Deleted.").wait_for()
    assert "the renamed one" not in server.get("/v1/agents").text
    assert "to go" in server.get("/v1/agents").text
