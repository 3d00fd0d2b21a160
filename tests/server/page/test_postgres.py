"""In a real browser: the page of a home whose memory and conversations are on Postgres."""

from collections.abc import Callable
from typing import Any

from tests.server.page.agents import make
from tests.store.servers import fresh_url


def test_the_page_works_on_postgres(serve: Callable[..., Any], visit: Callable[..., Any]) -> None:
    """Talk, edit a block, find what was said, look at the turn and the figures; nothing of it lies in the data folder."""
    server = serve(MEMGPT_DATABASE_URL=fresh_url())
    agent_id = make(server, name="on Postgres", memory_blocks=[{"label": "human", "value": "Name: Pia"}])
    page = visit(f"{server.url}/page/a/{agent_id}/chat")
    page.get_by_label("Your message").fill("My canary is called Elise")
    page.keyboard.press("Enter")
    page.get_by_text("Heard: My canary is called Elise").wait_for()
    page.goto(f"{server.url}/page/a/{agent_id}/blocks")
    page.get_by_role("link", name="Edit human").click()
    page.locator(".editing textarea[name=value]").fill("Name: Pia, has a canary")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    for path, shown in (
        ("search?q=canary", "Elise"), ("history", "has a canary"), ("turns", "My canary is called Elise"), ("figures", "Turns"),
        ("window", "system prompt"), ("waking", "Heartbeats"),
    ):  # fmt: skip
        page.goto(f"{server.url}/page/a/{agent_id}/{path}")
        assert shown.lower() in page.locator("main").inner_text().lower(), path
    assert not (server.home / "memory.db").exists()
