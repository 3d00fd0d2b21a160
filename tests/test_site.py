"""The documentation builds as a site, without a network and with every link leading somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FETCHED = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["']https?://""")


def test_the_site_builds_with_every_link_and_fetches_nothing(tmp_path: Path) -> None:
    """A link or an anchor that leads nowhere is an error (`strict`); no page loads a script, a style or a font from elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert tmp_path / "guide" / "first-chat" / "index.html" in pages
    assert [str(page) for page in pages if FETCHED.search(page.read_text())] == []
