"""The documents tell the truth: examples run, links lead somewhere, generated parts are today's."""

import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Reply, StrictServer
from memgpt_agent.testing import ScriptedModel, say

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^(?P<before>[^\n]*)\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
"""The line before a block that cannot run here (a key, a server, minutes); it is compiled all the same."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def examples() -> list[object]:
    """Return every python block of README and the pages, named by its page and line."""
    found: list[object] = []
    for page in PAGES:
        text = page.read_text()
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            run = NOT_RUN.search(match["before"]) is None
            found.append(pytest.param(match["code"], run, id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.fixture(scope="module")
def provider() -> Iterator[StrictServer]:
    """A server that speaks OpenAI's protocol: what a reader's own key leads to."""
    answer = Reply(calls=(("send_message", {"message": "Hello, Alice.", "request_heartbeat": False}),))
    with StrictServer(OpenAIChat(), lambda _: answer) as server:
        yield server


@contextmanager
def arguments(*words: str) -> Generator[None]:
    """Run with this command line, whatever the tests were started with."""
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


@pytest.mark.parametrize(("code", "run"), examples())
def test_a_python_block_of_the_documents_runs(
    code: str, run: bool, provider: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs as it stands in an empty folder, where a model is configured; some pages are given a model as `llm_client`."""
    compiled = compile(code, "example", "exec")
    if not run:
        return
    monkeypatch.chdir(tmp_path)
    answers = [lambda _messages: say("Hello, Alice.") for _ in range(50)]
    monkeypatch.setenv("MEMGPT_MODEL", "openai:gpt-4.1-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
    with arguments("example.py", "How high is the Rhine?"):
        exec(compiled, {"__name__": "example", "llm_client": ScriptedModel(answers)})  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    """A relative link names a file or folder that is there."""
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_to_a_heading_names_one_that_is_there() -> None:
    """What stands behind `#` in a link to a page is one of the page's headings."""
    links = [(page, *link) for page in PAGES for link in ANCHOR.findall(page.read_text())]
    assert links
    assert [
        f"{page.relative_to(ROOT)}: {target}#{heading}"
        for page, target, heading in links
        if heading not in anchors((page.parent / target) if target else page)
    ] == []


def test_every_page_and_decision_is_in_the_index() -> None:
    """docs/README.md links every page under docs, so that none is written and never found."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    assert [
        str(page.relative_to(ROOT)) for page in PAGES if ROOT / "docs" in page.parents and page not in {index, *linked}
    ] == []


def test_every_claim_of_the_threat_model_has_a_test_that_exists() -> None:
    """Each row of what holds names one or more tests by file and name, and they are there."""
    page = (ROOT / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| against")]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, f"no test: {row}"
        for path, name in named:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"


def test_no_two_decisions_have_one_number() -> None:
    """A number names one page of docs/adr, and 0001 is there."""
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1


@pytest.mark.parametrize("adr", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_has_its_four_parts(adr: Path) -> None:
    """Context, decision, evidence, consequences, in this order, each a heading or a paragraph's first word in bold, under its number."""
    text = adr.read_text()
    assert text.startswith(f"# {adr.name[:4]} ")
    parts = re.findall(r"^(?:## |\*\*)(Context|Decision|Evidence|Consequences)\b", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Evidence", "Consequences"]


@pytest.mark.parametrize("script", ["file_tree.py", "reference.py", "decisions.py"])
def test_what_is_generated_is_todays(script: str) -> None:
    """README's file tree, docs/reference.md and the list of decisions are what is there now; `make docs` writes them."""
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, f"run: make docs\n{check.stderr}"
