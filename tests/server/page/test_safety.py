"""What strangers try: foreign forms and agents, hostile text, old sessions, no scripts; and what everybody needs: keys, contrast."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from memgpt_agent.owners.tokens import Tokens
from tests.server.page.agents import make, tell
from tests.server.page.conftest import NARROW, WIDE

AXE = Path(__file__).with_name("axe.min.js")
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>\"'>{{7*7}}<a href='javascript:alert(1)'>\u202e\U0001f600"
PAGES = ("chat", "blocks", "history", "search?q=tea", "forget", "facts?past=yes", "documents", "window", "turns", "figures", "waking", "manage")


@pytest.fixture(scope="module")
def hostile(server: Any) -> str:
    """An agent in whose every field there is markup."""
    blocks = [{"label": "human", "value": HOSTILE, "description": HOSTILE}]
    agent_id = make(server, name=HOSTILE, description=HOSTILE, tags=["<b>tag</b>"], memory_blocks=blocks, tools=["knowledge_insert"])
    tell(server, agent_id, f"{HOSTILE} I like tea")
    tell(server, agent_id, "call knowledge_insert(subject=<b>Bea</b>,relation=<i>has</i>,object=<script>alert(2)</script>)")
    tell(server, agent_id, "tea " + "\u0301" * 500 + "W" * 5_000)
    half = b'{"messages": [{"role": "user", "content": "tea with half an emoji \\ud83d and a NUL \\u0000"}]}'
    httpx.post(f"{server.url}/v1/agents/{agent_id}/messages", content=half, headers={"content-type": "application/json"}, timeout=60)
    server.post(f"/v1/agents/{agent_id}/archival-memory", {"text": f"tea {HOSTILE}", "tags": ["<b>x</b>"]})
    httpx.post(
        f"{server.url}/page/a/{agent_id}/documents", headers={"origin": server.url}, timeout=60,
        files={"files": ("<img src=x onerror=alert(3)>.md", f"tea {HOSTILE}".encode("utf-8", "replace"))},
    )  # fmt: skip
    return agent_id


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
def test_every_page_is_safe_readable_and_fits(
    server: Any, visit: Callable[..., Any], picture: Callable[[Any, str], None], hostile: str, viewport: dict[str, int], scheme: str
) -> None:
    """Markup stays text on every page, nothing is wider than the screen, and axe-core finds nothing serious."""
    page = visit(f"{server.url}/page/agents", viewport=viewport, scheme=scheme)
    found: dict[str, Any] = {}
    for path in ("agents", "agents/new", "import", "tokens", *(f"a/{hostile}/{one}" for one in PAGES)):
        page.goto(f"{server.url}/page/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
        assert page.locator("main script, main a[href^='javascript:'], main img:not([src*='/page/'])").count() == 0, path
        assert page.title() != "taken"
        page.evaluate(AXE.read_text("utf-8"))
        problems = page.evaluate("axe.run({resultTypes: ['violations']}).then(result => result.violations)")
        serious = [f"{one['id']}: {node['html'][:160]}" for one in problems if one["impact"] in ("serious", "critical") for node in one["nodes"]]
        if serious:
            found[path] = serious
        name = path.split("?")[0].replace(hostile, "agent").replace("/", "-")
        picture(page, f"{name}-{viewport['width']}-{scheme}")
    assert found == {}


def test_all_of_it_works_by_the_keyboard(server: Any, visit: Callable[..., Any]) -> None:
    """From the list to an answer, and to an edited block, with keys alone; the focus is always seen."""
    agent_id = make(server, name="keys only", memory_blocks=[{"label": "human", "value": "Name: Eve"}])
    page = visit(f"{server.url}/page/agents")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("/")
    page.keyboard.type("keys only")
    page.keyboard.press("Enter")
    page.get_by_text("Show all").wait_for()
    reach(page, "keys only")
    page.keyboard.press("Enter")
    page.get_by_label("Your message").wait_for()
    reach(page, "", "textarea")
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    page.get_by_text("Heard: typed").wait_for()
    page.goto(f"{server.url}/page/a/{agent_id}/blocks")
    reach(page, "Edit")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.locator(".editing textarea:focus").wait_for()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nby keys")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Saved.").wait_for()
    assert "by keys" in page.locator(".block .text").inner_text()


def reach(page: Any, text: str, tag: str = "") -> None:
    """Press Tab until what has the focus says this."""
    for _ in range(60):
        page.keyboard.press("Tab")
        wanted = "tag ? document.activeElement.matches('main ' + tag) : document.activeElement.textContent.trim() === text"
        if page.evaluate(f"([text, tag]) => {wanted}", [text, tag]):
            return
    raise AssertionError(f"{text or tag} is not reached by Tab")


def test_pages_are_read_and_forms_sent_without_scripts(server: Any, visit: Callable[..., Any]) -> None:
    """Without JavaScript a message is answered, a block edited, and a call decided on, each by a whole page."""
    agent_id = make(server, tools=["archival_memory_insert"], memory_blocks=[{"label": "human", "value": "Name: Fay"}])
    server.request("PATCH", f"/v1/agents/{agent_id}/tools/approval/archival_memory_insert", {"requires_approval": True})
    page = visit(f"{server.url}/page/a/{agent_id}/chat", script=False)
    page.get_by_label("Your message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_text("Heard: Hello").is_visible()
    page.get_by_label("Your message").fill("call archival_memory_insert(content=kept)")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    assert "kept" in server.get(f"/v1/agents/{agent_id}/archival-memory").text
    page.get_by_role("link", name="Core memory").click()
    page.get_by_role("link", name="Edit human").click()
    page.locator(".editing textarea[name=value]").fill("Name: Fay\nno script")
    page.get_by_role("button", name="Save", exact=True).click()
    assert "no script" in page.locator(".block .text").inner_text()
    page.get_by_role("link", name="Documents").click()
    page.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"some words"})
    page.get_by_role("button", name="Load", exact=True).click()
    assert page.get_by_text("a.txt: 1 passages").is_visible()


def test_forms_of_other_pages_are_refused(server: Any) -> None:
    """What does not come from a page of this server changes nothing, whatever it says of itself."""
    agent_id = make(server, memory_blocks=[{"label": "human", "value": "as it was"}])
    body = {"label": "human", "version": "1", "value": "changed"}
    for headers in (
        {}, {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": server.url, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"}, {"origin": "http://127.0.0.1:1"},
    ):  # fmt: skip
        answer = httpx.post(f"{server.url}/page/a/{agent_id}/block", data=body, headers=headers)
        assert answer.status_code == 403, headers
    assert server.get(f"/v1/agents/{agent_id}/core-memory/blocks/human").json()["value"] == "as it was"
    answer = httpx.get(f"{server.url}/page/agents", headers={"host": "evil.example"})
    assert answer.status_code == 403
    policy = httpx.get(f"{server.url}/page/agents").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_other_owners_agents_are_not_there(serve: Callable[..., Any], visit: Callable[..., Any], tmp_path: Path) -> None:
    """With tokens one logs in; what is another's is as what is absent, on every page; a token that is revoked ends the session."""
    tokens = Tokens(tmp_path / "tokens.jsonl")
    home = tmp_path / "home"
    home.mkdir()
    server = serve(home=home)
    page = visit(f"{server.url}/page/tokens")
    for owner, admin in (("root", True), ("ann", False), ("bob", False)):
        page.get_by_label("For whom").fill(owner)
        page.get_by_label("everything, with").set_checked(admin)
        page.get_by_role("button", name="Make the token").click()
        page.locator("#made").wait_for()
        token = page.locator("#made").inner_text()
        if owner == "root":
            page.goto(f"{server.url}/page/tokens")
            page.get_by_label("Token", exact=True).fill(token)
            page.get_by_role("button", name="Log in").click()
            page.get_by_label("For whom").wait_for()
        else:
            setattr(tokens, owner, token)
    ann, bob = tokens.ann, tokens.bob  # type: ignore[attr-defined]
    headers = {"authorization": f"Bearer {ann}"}
    hers = server.post("/v1/agents", {"name": "hers", "agent_type": "memgpt_v2_agent"}, headers=headers).json()["id"]
    other = visit(f"{server.url}/page/a/{hers}/blocks")
    other.get_by_label("Token", exact=True).fill("memgpt_wrong")
    other.get_by_role("button", name="Log in").click()
    other.get_by_text("This is no token").wait_for()
    other.get_by_label("Token", exact=True).fill(bob)
    other.get_by_role("button", name="Log in").click()
    other.get_by_text("Not found").first.wait_for()
    for path in PAGES:
        status = [other.goto(f"{server.url}/page/a/{one}/{path}").status for one in ("agent-nobody", hers)]
        assert status == [404, 404], path
        absent, foreign = (other.request.get(f"{server.url}/page/a/{one}/{path}").text() for one in ("agent-nobody", hers))
        assert foreign.replace(hers, "agent-nobody") == absent, path
    other.goto(f"{server.url}/page/agents")
    assert other.get_by_text("No agents yet").is_visible()
    assert other.goto(f"{server.url}/page/tokens").status == 403
    share_to_read(server, visit, hers, ann, other)
    other.goto(f"{server.url}/page/agents")
    cookie = next(one for one in other.context.cookies() if one["name"] == "memgpt_session")
    assert cookie["httpOnly"]
    assert bob not in cookie["value"]
    page.goto(f"{server.url}/page/tokens")
    page.locator("tr", has_text="bob").get_by_role("button").click()
    page.get_by_text("The token is revoked.").wait_for()
    other.get_by_role("link", name="New agent").first.click()
    other.get_by_role("heading", name="Log in").wait_for()


def share_to_read(server: Any, visit: Callable[..., Any], agent_id: str, token: str, other: Any) -> None:
    """The owner shares her agent to be read: the other one sees it, without a form that changes it, and none is taken."""
    owner = visit(f"{server.url}/page/a/{agent_id}/manage")
    owner.get_by_label("Token", exact=True).fill(token)
    owner.get_by_role("button", name="Log in").click()
    owner.get_by_label("Share with").fill("bob")
    owner.get_by_role("button", name="Share", exact=True).click()
    owner.get_by_text("Sharing changed.").wait_for()
    for path in PAGES[:3]:
        other.goto(f"{server.url}/page/a/{agent_id}/{path}")
        assert other.get_by_text("read only").first.is_visible()
        assert other.locator("main form[method=post]").count() == 0, path
    for path, form in (("say", {"text": "hello"}), ("block", {"label": "human", "version": "1", "value": "x"}), ("delete", {"name": "hers"})):
        answer = other.request.post(f"{server.url}/page/a/{agent_id}/{path}", form=form, headers={"origin": server.url})
        assert answer.status == 403, path
    owner.get_by_role("button", name="Take back").click()
    owner.get_by_text("Sharing changed.").wait_for()
    assert other.goto(f"{server.url}/page/a/{agent_id}/chat").status == 404


def test_light_and_dark_are_chosen_and_kept(server: Any, visit: Callable[..., Any]) -> None:
    """The choice holds on every page, whatever the device says."""
    page = visit(f"{server.url}/page/agents", scheme="light")
    light = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    page.locator("#theme").select_option("dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.goto(f"{server.url}/page/import")
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") != light


def test_long_conversations_are_loaded_piece_by_piece_and_back_leads_back(server: Any, visit: Callable[..., Any]) -> None:
    """Earlier messages come on demand, each once; the browser's Back shows what was there."""
    agent_id = make(server)
    for number in range(24):
        tell(server, agent_id, f"message number {number:02}")
    page = visit(f"{server.url}/page/a/{agent_id}/chat")
    assert page.get_by_text("message number 00", exact=True).count() == 0
    page.get_by_role("link", name="Earlier messages").click()
    page.get_by_text("message number 00", exact=True).wait_for()
    said = [text for text in page.locator(".said.user .text").all_inner_texts() if text.startswith("message")]
    assert said == [f"message number {number:02}" for number in range(24)]
    page.get_by_role("link", name="Core memory").click()
    page.get_by_role("heading", name="Core memory").wait_for()
    page.go_back()
    page.get_by_text("message number 23", exact=True).wait_for()


def test_an_address_without_a_page_is_answered_by_a_page(server: Any) -> None:
    """It says so, with the way back; a name with signs that nobody sees is refused for just that."""
    missing = httpx.get(f"{server.url}/page/nowhere/at/all")
    assert missing.status_code == 404
    assert "There is no page" in missing.text
    assert "/page/agents" in missing.text
    refused = httpx.post(f"{server.url}/page/agents", data={"name": "b\u202eob"}, headers={"origin": server.url})
    assert refused.status_code == 400
    assert "cannot be seen" in refused.text
