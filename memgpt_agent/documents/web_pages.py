"""HTML: what a page shows, each word on the line on which it stands in the file."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.sections import DocumentSection, DocumentSource, ReadingNote

_NEVER = frozenset({
    "script", "style", "template", "noscript", "head", "iframe", "noembed", "noframes", "datalist", "object", "audio", "video", "canvas",
})  # fmt: skip
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"})
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q", "s",
    "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr", "text", "tspan",
})  # fmt: skip
_ENDS_P = frozenset({
    "address", "article", "aside", "blockquote", "details", "div", "dl", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hr", "main", "menu", "nav", "ol", "p", "pre", "section", "table", "ul",
})  # fmt: skip
_ENDED_BY: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **{tag: (frozenset({"p"}), frozenset({"button", "table", "td", "th", "caption", "div"})) for tag in _ENDS_P},
    "li": (frozenset({"li", "p"}), frozenset({"ul", "ol", "menu"})),
    "dt": (frozenset({"dt", "dd", "p"}), frozenset({"dl"})),
    "dd": (frozenset({"dt", "dd", "p"}), frozenset({"dl"})),
    "option": (frozenset({"option"}), frozenset({"select"})),
    "optgroup": (frozenset({"option", "optgroup"}), frozenset({"select"})),
    "td": (frozenset({"td", "th", "p"}), frozenset({"table", "tr"})),
    "th": (frozenset({"td", "th", "p"}), frozenset({"table", "tr"})),
    "tr": (frozenset({"tr", "td", "th", "p"}), frozenset({"table"})),
    "tbody": (frozenset({"tr", "td", "th", "tbody", "thead", "p"}), frozenset({"table"})),
    "tfoot": (frozenset({"tr", "td", "th", "tbody", "thead", "p"}), frozenset({"table"})),
    "body": (frozenset({"head", "title"}), frozenset()),
}
"""What a start tag ends by itself, and where looking for it stops: HTML lets most end tags be left out."""

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""")
_RULE = re.compile(r"([^{}]{1,500})\{([^{}]{0,2000})\}")
_SIMPLE = re.compile(r"([a-z][a-z0-9]*)?(?:\.([\w-]+)|#([\w-]+))?", re.IGNORECASE)
_ZERO = re.compile(r"0+(?:\.0*)?(?:px|em|rem|pt|%|vh|vw|cm|mm|in)?$")


def parse_html(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a page as a reader sees it, by itself: scripts and styles from elsewhere are not fetched."""
    text, note = decode_declared(data, source.name)
    if note:
        yield ReadingNote(note)
    yield shown(text)


def decode_declared(data: bytes, name: str) -> tuple[str, str]:
    """Return the text of bytes that may name their encoding at their beginning, and a note where it was guessed."""
    declared = _DECLARED.search(data[:2_048])
    if declared:
        try:
            encoding = declared[1].decode()
            text = data.decode("cp1252" if encoding.lower() in {"iso-8859-1", "latin1", "latin-1"} else encoding)
            if "\0" not in text:
                return text.replace("\r\n", "\n").replace("\r", "\n"), ""
        except (LookupError, UnicodeError):  # no such encoding, or it is not what it says
            pass
    return decode(data, name)


def shown(text: str) -> DocumentSection:
    """Return what a page shows, with its title."""
    reader = _ShownText(_hiding_rules(text))
    reader.feed(text)
    reader.close()
    return DocumentSection(reader.text(), title=" ".join(reader.title.split()) or None)


def _hides(declarations: str) -> bool:
    """Whether a style makes its element invisible."""
    style: dict[str, str] = {}
    for declaration in declarations.lower().split(";"):
        name, _, value = declaration.partition(":")
        style[name.strip()] = value.replace("!important", "").strip()
    clipped = style.get("overflow", style.get("overflow-y", "")) in {"hidden", "clip"}
    zero = {name for name in ("font-size", "opacity", "width", "height", "max-height", "max-width") if _ZERO.match(style.get(name, "-"))}
    return (
        style.get("display") == "none"
        or style.get("visibility") in {"hidden", "collapse"}
        or style.get("content-visibility") == "hidden"
        or bool(zero & {"font-size", "opacity"})
        or (clipped and bool(zero))
        or {"width", "height"} <= zero
    )


def _hiding_rules(text: str) -> frozenset[tuple[str, str, str]]:
    """Return the simple selectors (tag, class, id) that a page's own style sheets hide."""
    found: set[tuple[str, str, str]] = set()
    lowered = text.lower()
    start = 0
    while (start := lowered.find("<style", start)) >= 0:
        end = lowered.find("</style", start)
        sheet = text[start : end if end >= 0 else len(text)]
        start += len(sheet) or 1
        sheet = sheet[sheet.find(">") + 1 :]
        for selectors, declarations in _RULE.findall(_without_comments(sheet)):
            if _hides(declarations):
                for selector in selectors.split(","):
                    if (match := _SIMPLE.fullmatch(selector.strip())) and any(match.groups()):
                        found.add(((match[1] or "").lower(), match[2] or "", match[3] or ""))
    return frozenset(found)


def _without_comments(sheet: str) -> str:
    kept: list[str] = []
    while (start := sheet.find("/*")) >= 0:
        kept.append(sheet[:start])
        end = sheet.find("*/", start + 2)
        sheet = sheet[end + 2 :] if end >= 0 else ""
    return "".join((*kept, sheet))


class _ShownText(HTMLParser):
    """Gathers what is shown of a page, by line."""

    def __init__(self, hiding: frozenset[tuple[str, str, str]] = frozenset()) -> None:
        super().__init__(convert_charrefs=True)
        self._hiding = hiding
        self._lines: dict[int, list[str]] = {}
        self._open: list[tuple[str, bool]] = []
        self._tags: Counter[str] = Counter()
        self._hidden = 0
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ENDED_BY:
            self._end_implied(*_ENDED_BY[tag])
        if tag not in _INLINE and not self._hidden:
            self._lines.setdefault(self.getpos()[0], []).append(" ")
        if tag not in _VOID:
            hidden = tag in _NEVER or self._is_hidden(tag, {name: value or "" for name, value in attrs})
            self._open.append((tag, hidden))
            self._tags[tag] += 1
            self._hidden += hidden

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # a browser takes no notice of the slash of <div/>

    def handle_endtag(self, tag: str) -> None:
        if not self._tags[tag]:
            return
        while self._open:
            ended = self._pop()
            if ended == tag:
                break
        if tag not in _INLINE and not self._hidden:
            self._lines.setdefault(self.getpos()[0], []).append(" ")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "title" and not self._tags["svg"]:
            self.title += data
        elif not self._hidden:
            for line, text in enumerate(data.split("\n"), start=self.getpos()[0]):
                self._lines.setdefault(line, []).append(text)

    def _pop(self) -> str:
        tag, hidden = self._open.pop()
        self._tags[tag] -= 1
        self._hidden -= hidden
        return tag

    def _end_implied(self, ended: frozenset[str], scope: frozenset[str]) -> None:
        """End what the next start tag ends, up to the first element that bounds it."""
        if not any(self._tags[tag] for tag in ended):
            return
        for place in range(len(self._open) - 1, max(-1, len(self._open) - 64), -1):
            tag = self._open[place][0]
            if tag in ended:
                while len(self._open) > place:
                    self._pop()
            elif tag in scope:
                return

    def _is_hidden(self, tag: str, attributes: dict[str, str]) -> bool:
        if "hidden" in attributes or attributes.get("aria-hidden", "").strip().lower() == "true" or _hides(attributes.get("style", "")):
            return True
        if tag == "dialog" and "open" not in attributes:
            return True
        if not self._hiding:
            return False
        classes = ("", *attributes.get("class", "").split())
        names = ("", attributes.get("id", ""))
        return any((name, kind, own) in self._hiding for name in ("", tag) for kind in classes for own in names)

    def text(self) -> str:
        """Return the text; line n holds what is shown of line n."""
        last = max(self._lines, default=0)
        return "\n".join(" ".join("".join(self._lines.get(line, [])).split()) for line in range(1, last + 1))
