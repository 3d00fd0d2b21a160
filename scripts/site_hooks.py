"""What the documentation's site changes of a page: links that leave docs/ become the names of the files that they lead to."""

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<path>(?!https?:|mailto:|#)[^)#\s]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page without links to files that are in the repository but not in the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["path"]))
        if not target.startswith("..") and target.endswith((".md", ".svg", ".png", ".json")):
            return link[0]
        return f"{link['text']} (`{target.removeprefix('../')}`)"

    return _LINK.sub(kept, markdown)
