"""In a real browser: core memory and its history, search, corrections, forgetting, facts and documents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.page.agents import make, tell

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def bea(server: Any) -> str:
    """An agent that was told some things."""
    blocks = [{"label": "human", "value": "Name: Bea"}, {"label": "rules", "value": "Be kind.", "read_only": True, "limit": 10}]
    agent_id = make(server, name="Bea's agent", memory_blocks=blocks)
    tell(server, agent_id, "My dog is called Argos and he is afraid of thunder")
    tell(server, agent_id, "The train to Ulm leaves at seven")
    server.post(f"/v1/agents/{agent_id}/archival-memory", {"text": "The vet is Dr. Abel, Hafengasse 3.", "tags": ["dog"]})
    return agent_id


def test_two_tabs_that_edit_one_block_lose_nothing(server: Any, visit: Callable[..., Any], bea: str) -> None:
    """The second to save sees what the first wrote, with the difference; its own text is still in the field."""
    first, second = (visit(f"{server.url}/page/a/{bea}/blocks") for _ in range(2))
    for page in (first, second):
        page.get_by_role("link", name="Edit human").click()
        page.locator(".editing textarea[name=value]").wait_for()
    first.locator(".editing textarea[name=value]").fill("Name: Bea\nfrom the first")
    first.get_by_role("button", name="Save", exact=True).click()
    first.get_by_text("Saved.").wait_for()
    second.locator(".editing textarea[name=value]").fill("Name: Bea\nfrom the second")
    second.get_by_role("button", name="Save", exact=True).click()
    second.get_by_text("Somebody changed this block").wait_for()
    assert "from the first" in second.locator(".diff .gone").inner_text()
    assert second.locator(".editing textarea[name=value]").input_value() == "Name: Bea\nfrom the second"
    second.get_by_role("button", name="Save", exact=True).click()
    second.get_by_text("Saved.").wait_for()
    assert "from the second" in second.locator(".block", has_text="human").inner_text()


def test_a_block_too_long_is_refused_with_its_limit_and_the_flags_are_shown(server: Any, visit: Callable[..., Any], bea: str) -> None:
    """A read-only block says so; a text over the limit is refused on the page, and what was typed stays."""
    page = visit(f"{server.url}/page/a/{bea}/blocks")
    assert "read-only for the agent" in page.locator(".block", has_text="rules").inner_text()
    page.get_by_role("link", name="Edit rules").click()
    page.locator(".editing textarea[name=value]").fill("x" * 11)
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#problem .bad").wait_for()
    assert "its limit is 10" in page.locator("#problem").inner_text()
    assert page.locator(".editing textarea[name=value]").input_value() == "x" * 11


def test_versions_are_compared_undone_done_again_and_restored(server: Any, visit: Callable[..., Any]) -> None:
    """The history of a block says who, when and why; any two versions are compared; each act is a click."""
    agent_id = make(server, memory_blocks=[{"label": "human", "value": "one"}])
    for text in ("two", "three"):
        server.request("PATCH", f"/v1/agents/{agent_id}/core-memory/blocks/human", {"value": text})
    page = visit(f"{server.url}/page/a/{agent_id}/history?label=human")
    assert page.locator(".versions > li").count() == 3
    page.get_by_label("Compare version").fill("1")
    page.get_by_label("with").fill("3")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="version 1 and 3").wait_for()
    assert page.locator(".diff .gone").inner_text().endswith("one")
    assert page.locator(".diff .new").inner_text().endswith("three")
    page.go_back()
    page.get_by_role("button", name="Undo the last edit").click()
    page.get_by_text("Undone.").wait_for()
    page.get_by_role("button", name="Redo").click()
    page.get_by_text("Done again.").wait_for()
    page.get_by_role("button", name="Restore this: version 1 of human").click()
    page.get_by_text("Restored.").wait_for()
    page.get_by_role("link", name="Blocks", exact=True).click()
    page.get_by_role("heading", name="Core memory").wait_for()
    assert page.locator(".block .text").inner_text() == "one"


def test_one_search_finds_everywhere_and_says_why(server: Any, visit: Callable[..., Any], bea: str) -> None:
    """Messages and passages that fit are listed, the words marked, with the reason; filters narrow it."""
    page = visit(f"{server.url}/page/a/{bea}/search")
    page.keyboard.press("/")
    page.keyboard.type("who is afraid of thunder")
    page.keyboard.press("Enter")
    page.locator(".hit").first.wait_for()
    best = page.locator("section[aria-label=Messages] .hit").filter(has_text="Argos").first
    assert {"afraid", "thunder"} <= set(best.locator("mark").all_inner_texts())
    assert "words: " in best.locator(".why").inner_text()
    page.get_by_text("Filters").click()
    page.get_by_label("Tag").fill("dog")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".hit", has_text="Hafengasse").wait_for()
    assert page.locator("section[aria-label=Messages]").count() == 0
    page.get_by_label("Tag").fill("")
    page.get_by_label("Said by").select_option("user")
    page.get_by_label("Find an agent")
    page.locator("#q").fill("train")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".hit", has_text="Ulm").first.wait_for()
    assert {one.split()[0] for one in page.locator(".hit .meta").all_inner_texts()} == {"user"}
    page.get_by_role("link", name="in its conversation").first.click()
    page.locator(".found", has_text="Ulm").wait_for()


def test_a_message_is_corrected_and_the_correction_undone(server: Any, visit: Callable[..., Any], bea: str) -> None:
    """What it said before is kept with who changed it, and one click brings it back."""
    page = visit(f"{server.url}/page/a/{bea}/chat")
    page.locator(".said.user", has_text="Ulm").get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("What it is to say").fill(f"The train leaves at nine {HOSTILE}")
    page.get_by_role("button", name="Correct").click()
    page.get_by_text("Corrected.").wait_for()
    assert HOSTILE in page.locator("article.card").first.inner_text()
    assert "The train to Ulm leaves at seven" in page.get_by_text("edited by user").locator("..").inner_text()
    page.get_by_role("button", name="Undo the last correction").click()
    page.get_by_text("Undone.").wait_for()
    assert "at seven" in page.locator("article.card").first.inner_text()


def test_what_is_forgotten_goes_with_what_was_made_of_it(server: Any, visit: Callable[..., Any]) -> None:
    """The plan lists message and reply, ticked; nothing goes before it is confirmed; afterwards no search finds it."""
    agent_id = make(server)
    tell(server, agent_id, "My secret number is 74213")
    page = visit(f"{server.url}/page/a/{agent_id}/search")
    page.get_by_role("link", name="Forget something").click()
    page.get_by_label("Words that it holds").fill("74213")
    page.get_by_role("button", name="Show what would go").first.click()
    page.get_by_role("heading", name="This would be forgotten").wait_for()
    assert page.locator("input[name=tick]:checked").count() >= 2
    assert server.get(f"/v1/agents/{agent_id}/messages").text.count("74213") >= 2
    page.get_by_role("button", name="Erase what is ticked").click()
    page.get_by_text("Erased ").wait_for()
    assert "74213" not in server.get(f"/v1/agents/{agent_id}/messages").text
    page.get_by_role("link", name="Manage").click()
    page.get_by_role("heading", name="What was forgotten").wait_for()
    assert "message" in page.locator("section", has_text="What was forgotten").locator("tbody").inner_text()


def test_facts_stand_in_their_time_and_lead_to_where_they_were_said(server: Any, visit: Callable[..., Any]) -> None:
    """A fact that was told in a conversation is listed, drawn, linked to its message, and corrected."""
    agent_id = make(server, tools=["knowledge_insert"])
    tell(server, agent_id, "call knowledge_insert(subject=Bea,relation=lives in,object=Ulm)")
    page = visit(f"{server.url}/page/a/{agent_id}/facts")
    row = page.locator("tbody tr").inner_text()
    assert row.split("\t")[:3] == ["Bea", "lives in", "Ulm"]
    page.get_by_text("As a picture").click()
    assert page.locator("img.graph").evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    page.get_by_role("link", name="where it was said").click()
    page.locator(".found", has_text="knowledge_insert").wait_for()
    page.go_back()
    page.get_by_role("link", name="correct", exact=True).click()
    page.get_by_label("To whom or what").fill("Bonn")
    page.get_by_role("button", name="Correct").click()
    page.get_by_text("Corrected.").wait_for()
    page.goto(f"{server.url}/page/a/{agent_id}/facts")
    assert "Bonn" in page.locator("tbody").inner_text()
    page.get_by_label("all that was ever told").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_role("img", name="When each fact held").wait_for()


def test_documents_are_uploaded_read_and_unloaded(server: Any, visit: Callable[..., Any], tmp_path: Path, bea: str) -> None:
    """Loading tells its progress and its end; the passages are shown as text; unloading takes them out."""
    path = tmp_path / "notes <b>bold.md"
    path.write_text(f"# Notes\n\n{HOSTILE}\n\nThe engine weaves algebraic patterns.\n", "utf-8")
    page = visit(f"{server.url}/page/a/{bea}/documents")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("1 passages").or_(page.get_by_text("2 passages")).wait_for()
    page.get_by_role("link", name="Go on").click()
    page.get_by_role("link", name="bold").click()
    page.get_by_text("algebraic patterns").first.wait_for()
    assert page.title() != "taken"
    page.get_by_role("link", name="Documents", exact=True).first.click()
    page.locator("input[type=file]").set_input_files({"name": "x.bin", "mimeType": "application/zip", "buffer": b"\0\1\2"})
    page.get_by_role("button", name="Load", exact=True).click()
    page.locator(".job .bad").wait_for()
    page.get_by_role("button", name="Unload").click()
    page.get_by_text("Unloaded.").wait_for()
    found = server.get(f"/v1/agents/{bea}/archival-memory").json()
    assert not [one for one in found if "algebraic" in json.dumps(one)]
