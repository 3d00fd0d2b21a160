"""Which texts hold what is to be forgotten: the very words, a quotation of them, or the same said in few words more or less."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from memgpt_agent.text.english import FUNCTION_WORDS
from memgpt_agent.text.words import tokens

WHOLE_WORD_CHARS = 6
"""Shorter words match only whole words: ``ann`` is not in ``planned``. Longer ones match within words too."""
_QUOTED_WORDS = 8
"""A text that holds the first eight words of a longer sentence in a row quotes it: digests and excerpts cut what they quote."""
_TELLING_WORDS = 2
"""A text with fewer significant words, such as ``Thank you!``, is not a quotation when it is said again."""
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/])|[bfnrt])')
_SENTENCE = re.compile(r"(?<=[.!?;。！？；])\s+|\n+")
_WORD = re.compile(r"\w+")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Default ignorable in Unicode: soft hyphens, zero width, direction, variants, tags. A word with one inside looks as without."""
_DASHES = re.compile("[\u2010-\u2015\u2212\u2043\ufe58\ufe63\uff0d]")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-\s?(?=[^\W\d_])")
_SPACED = re.compile(r"[A-Za-z\u00c0-\u052f]")


def normal(text: str) -> str:
    """Return a text as it is compared: compatible characters, cases and dashes alike, without what cannot be seen, white space as one space."""
    if not text.isascii():
        text = _UNSEEN.sub("", text.encode("utf-8", "replace").decode("utf-8"))
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = _UNSEEN.sub("", _DASHES.sub("-", text))
    return " ".join(text.casefold().split())


def _hyphenated(form: str) -> Iterator[str]:
    """Yield a normal form with its words written together, and apart, where a hyphen joins them or a line ends in it."""
    if "-" in form and _HYPHEN.search(form):
        yield _HYPHEN.sub("", form)
        yield _HYPHEN.sub(" ", form)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; each line is at least one."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def telling(text: str) -> set[str]:
    """Return the significant words of a text: no articles, pronouns and the like; verbs and plurals by their stem."""
    return {_stem(word) for word in tokens(text if text.isascii() else _UNSEEN.sub("", text)) if word not in FUNCTION_WORDS}


def says_the_same(one: set[str], other: set[str]) -> bool:
    """Whether of two sets of telling words one holds the other, and both name the same numbers: two words at least.

    By meaning alone ``Invoice 1041 paid`` and ``Invoice 1042 paid`` are closer to each other than two ways to say one thing.
    """
    both = one & other
    return len(both) >= _TELLING_WORDS and both in (one, other) and _numbers(one) == _numbers(other)


def share(one: set[str], other: set[str]) -> float:
    """Return the share of the telling words of the shorter of two texts that the other one holds too."""
    return len(one & other) / max(1, min(len(one), len(other)))


class Needles:
    """What is looked for in texts: words as they were given, and what was said in them, which others may quote."""

    def __init__(self, literal: Iterable[str] = (), quoted: Iterable[str] = ()) -> None:
        forms = [form for text in literal if (form := normal(text))]
        self.literal = tuple(dict.fromkeys(one for form in forms for one in (form, *_hyphenated(form))))
        self._is_long = any(len(form) >= WHOLE_WORD_CHARS for form in self.literal)
        self._pattern = re.compile("|".join(map(_as_pattern, self.literal))) if self.literal else None
        self._quotes: dict[tuple[str, ...], list[str]] = {}
        for text in quoted:
            for part in {normal(text), *map(normal, sentences(text))}:
                self._add_quote(part)

    def __bool__(self) -> bool:
        return bool(self.literal or self._quotes)

    def _add_quote(self, part: str) -> None:
        words = _WORD.findall(part)[:_QUOTED_WORDS]
        if len(telling(" ".join(words))) >= _TELLING_WORDS:
            known = self._quotes.setdefault(tuple(words[:2]), [])
            if (run := " ".join(words)) not in known:
                known.append(run)

    def literally_in(self, text: str) -> bool:
        """Whether a text holds the words that were given; also within JSON, and in what is encoded in base64."""
        return self._pattern is not None and any(
            self._pattern.search(one) for form in _forms(text) for one in (form, *(_hyphenated(form) if self._is_long else ()))
        )

    def quoted_in(self, text: str) -> bool:
        """Whether a text quotes what was said."""
        return bool(self._quotes) and any(self._quotes_in(form) for form in _forms(text))

    def within(self, text: str) -> bool:
        """Whether a text holds the words or quotes what was said."""
        return self.literally_in(text) or self.quoted_in(text)

    def _quotes_in(self, form: str) -> bool:
        words = _WORD.findall(form)
        for place in range(len(words) - 1):
            runs = self._quotes.get((words[place], words[place + 1]))
            if runs and any(words[place : place + run.count(" ") + 1] == run.split(" ") for run in runs):
                return True
        return False


def without(text: str, needles: Needles) -> str:
    """Return a text without the sentences, or else the lines, that hold what is to be forgotten; as it is if none does.

    A whole text that holds it across its lines is left empty.
    """
    if not needles.within(text):
        return text
    kept: list[str] = []
    for line in text.split("\n"):
        if not needles.within(line):
            kept.append(line)
            continue
        rest = " ".join(part for part in _SENTENCE.split(line) if not needles.within(part)).strip()
        if rest and rest != line.strip() and not needles.within(rest):
            kept.append(rest)
    left = "\n".join(kept)
    return "" if needles.within(left) else left


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is compared, and as it was before it was written as JSON or in base64."""
    yield normal(text)
    if "\\" in text:
        plain = _ESCAPE.sub(_unescaped, text)
        yield normal(plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))  # an emoji is two escapes
    if len(text) >= 16 and len(text) % 4 == 0 and " " not in text[:64]:
        try:
            yield normal(base64.b64decode(text, validate=True).decode("utf-8", "ignore"))
        except (binascii.Error, ValueError):
            return


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2] or " "


def _as_pattern(needle: str) -> str:
    """Return the pattern of some words: short ones of a script with spaces are whole words."""
    pattern = re.escape(needle)
    if len(needle) >= WHOLE_WORD_CHARS:
        return pattern
    before = r"(?<!\w)" if _SPACED.match(needle[0]) or needle[0].isdigit() else ""
    behind = r"(?!\w)" if _SPACED.match(needle[-1]) or needle[-1].isdigit() else ""
    return f"{before}{pattern}{behind}"


def _numbers(words: set[str]) -> set[str]:
    return {word for word in words if any(char.isdigit() for char in word)}


def _stem(word: str) -> str:
    """Return a word without the commonest English endings: enough to see that ``lives`` and ``live`` are one."""
    for end in ("ing", "ed", "es", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word


def excerpt(text: str, needles: Needles, limit_chars: int = 160) -> str:
    """Return the beginning of a text, or the sentence in which what was looked for stands, in one line."""
    found: Sequence[str] = [part for part in sentences(text) if needles.within(part)] if len(text) > limit_chars else []
    line = " ".join((found[0] if found else text).split())
    return line if len(line) <= limit_chars else f"{line[: limit_chars - 1]}…"
