"""A browser, and pages of a real `memgpt serve` in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), "")
"""Debian's browser, or another of its kind."""
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; ended with each module, since Playwright keeps an event loop that tests in asyncio would meet."""
    if not CHROMIUM:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; a script that fails or is refused by the page's policy fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened(url: str, *, viewport: dict[str, int] = WIDE, scheme: str = "light", script: bool = True) -> Any:
        context = browser.new_context(viewport=viewport, color_scheme=scheme, java_script_enabled=script)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" and "Content Security Policy" in said.text else None)
        page.on("dialog", lambda dialog: (wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Any, str], None]:
    """Keep a picture of a page, in the folder that MEMGPT_TEST_PICTURES names or in a temporary one."""
    folder = Path(os.environ.get("MEMGPT_TEST_PICTURES") or tmp_path)

    def kept(page: Any, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")

    return kept
