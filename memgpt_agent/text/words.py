"""How text becomes searchable words: folded, with codes, signs and dates kept whole, and unspaced scripts in pairs."""

import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

from memgpt_agent.text.languages import FUNCTION_WORDS, kin_of, languages_of, mark_of, stemmed

_EMOJI_CHARS = "\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff\u25aa-\u25fe\u2934\u2935\u3030\u303d"
_EMOJI = re.compile(f"[{_EMOJI_CHARS}](?:\\ufe0f|\\u20e3|[\U0001f3fb-\U0001f3ff]|\\u200d[{_EMOJI_CHARS}])*")
_NAMED = re.compile(r"(?<![\w])([A-Za-z]\w{0,30})(\+\+|#)(?![\w+#])")
_DOTTED = re.compile(r"(?<![\w.)\]}\"'/\\])\.([A-Za-z]\w{1,30})")
_GROUPED = re.compile(r"(?<![\w.,'])\d{1,3}(?:([,.'\u2019\u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d{1,2})?(?![\w])")
# Digits in groups, as a number is dialled: with a plus or a bracket, or of three groups. At most 15 digits (ITU-T E.164).
_DIALLED = re.compile(r"(?<![\w+.,-])\+?\(?\d{1,4}\)?(?:[ ./-]{1,2}\(?\d{1,7}\)?){1,6}(?![\w])")
_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_NAME = re.compile(r"[A-Za-z0-9]+")
_WORD_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAMES_OF_SIGNS = {"++": "plus_plus", "#": "sharp"}
_MAX_DIGITS = 15


def signs(text: str) -> list[str]:
    """Return the terms that a text has beside its words, in ASCII letters, digits and ``_``.

    ``"C++ at $1,299"`` gives ``c_plus_plus 1299``.
    """
    found: list[str] = []
    if not text.isascii():
        found += ["u" + "_".join(f"{ord(c):x}" for c in emoji if c != "\ufe0f") for emoji in _EMOJI.findall(text)]
    if "+" in text or "#" in text:
        found += [f"{name.lower()}_{_NAMES_OF_SIGNS[sign]}" for name, sign in _NAMED.findall(text)]
    if "." in text:
        found += [f"dot_{name.lower()}" for name in _DOTTED.findall(text)]
    if _DIGIT.search(text):
        found += _numbers(text)
    for name in _NAME.findall(text) if _HUMP.search(text) else ():
        parts = [part.lower() for part in _WORD_OF_NAME.findall(name)] if _HUMP.search(name) else ()
        found += parts if len(parts) > 1 else ()
    return found


def _numbers(text: str) -> list[str]:
    """Return grouped numbers without their groups (and without cents), and telephone numbers in one run of digits."""
    found: list[str] = []
    for match in _GROUPED.finditer(text):
        whole = match.group()
        cents = whole[-3:-2] in {",", "."} or whole[-2:-1] in {",", "."}
        digits = "".join(filter(str.isdigit, whole))
        found.append(digits[: -(2 if whole[-3:-2] in {",", "."} else 1)] if cents else digits)
    for match in _DIALLED.finditer(text):
        digits = "".join(filter(str.isdigit, match.group()))
        groups = len(re.findall(r"\d+", match.group()))
        if _DATE.match(match.group()):
            continue
        if 7 <= len(digits) <= _MAX_DIGITS and (match.group().startswith(("+", "(", "0")) or groups >= 3):
            found.append(digits)
    return found


MAX_TERM_CHARS = 64
_STEM_CHARS = 5
"""Two words are about the same if so many letters of them are."""

# Letters and digits of any script; the Indic and South-East Asian blocks whole, since their vowel signs are no letters
# to Python. Scripts written without spaces are cut into pairs of characters below.
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")
_ASCII_SPACED = "".join(
    char if char in "abcdefghijklmnopqrstuvwxyz0123456789" else " " for char in map(chr, range(128))
)
"""What each ASCII character of a folded text becomes: itself or a space. A quarter of the time of a regular expression."""
# Begins at the beginning of a word and never goes back, so that its time grows with the text and not with its square.
_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_./@:+]++[^\W_]++)+")
_JOINERS = re.compile(r"[^\w]+")
_CODE = re.compile(r"[\d@_]")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_HANGUL = re.compile(r"[\uac00-\ud7af]{3,}")
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u0655]")


class Terms(NamedTuple):
    """What a text is found by."""

    words: list[str]
    """Its words, in order, and behind them what else it is looked up by."""
    length: int
    """How many of these are words."""


def terms_of(text: str) -> Terms:
    """Return what a text is indexed by: its words, its signs, and by its language stems, parts of compounds and single characters."""
    words = tokens(text)
    found = [*words, *signs(text)]
    if not text.isascii():
        folded = fold(text)
        found += [char for run in _UNSPACED.findall(folded) if len(run) > 1 for char in run]
        found += _hangul_pairs(folded)
    for language in languages_of(text, words):
        found += [mark_of(language), *stemmed(words, language)]
    return Terms(found, len(words))


def looked_up(query: str, languages: Collection[str]) -> list[tuple[str, ...]]:
    """Return the distinct words of a query, each with the terms that it is looked up by; function words only if there is nothing else.

    Args:
        query: any text.
        languages: those that texts among which is searched are in, beside English.
    """
    words = list(dict.fromkeys(tokens(query)))
    asked_in = languages_of(query, words)
    own = FUNCTION_WORDS["en"].union(*(FUNCTION_WORDS.get(one, ()) for one in asked_in))
    words = [word for word in words if word not in own] or words
    known = [one for one in languages if one in asked_in or not asked_in]
    found = [(word, *kin_of(word, known)) for word in words]
    beside = signs(query) + (_hangul_pairs(fold(query)) if not query.isascii() else [])
    return list(dict.fromkeys([*found, *((term,) for term in beside)]))


def _hangul_pairs(folded: str) -> list[str]:
    """Return the pairs of syllables of Korean words: particles stand at their ends."""
    return [run[at : at + 2] for run in _HANGUL.findall(folded) for at in range(len(run) - 1)]


def tokens(text: str) -> list[str]:
    """Return the words of a text, folded (case, accents), and beside them each code, date or address as a whole.

    ``"Order 94071d67-86df"`` gives ``order 94071d67 86df 94071d67_86df``.
    """
    text = fold(text)
    found: list[str]
    if text.isascii():
        found = text.translate(_ASCII_SPACED).split()
        if max(map(len, found), default=0) > MAX_TERM_CHARS:
            found = [word[:MAX_TERM_CHARS] for word in found]
    else:
        found = []
        for word in _WORD.findall(text):
            if word.isascii() or not _UNSPACED.search(word):
                found.append(word[:MAX_TERM_CHARS])
            else:
                found += _pairs(word)
    for part in text.split() if _CODE.search(text) else ():
        if not part.isalnum() and _CODE.search(part):
            for compound in _COMPOUND.findall(part):
                if _CODE.search(compound):
                    found.append(_JOINERS.sub("_", compound)[:MAX_TERM_CHARS])
    return found


def telling_words(text: str) -> dict[str, str]:
    """Return the words of a text that say what it is about, each with its beginning, so that adopted and adopting are one."""
    words = tokens(text)
    empty = FUNCTION_WORDS["en"].union(*(FUNCTION_WORDS.get(one, ()) for one in languages_of(text, words)))
    return {w: w[:_STEM_CHARS] if len(w) > _STEM_CHARS else w.rstrip("s") for w in words if w not in empty}


def the_one_named(text: str, names: Collection[str]) -> str | None:
    """Return the name that stands in a text, whole, where exactly one of several does; None otherwise."""
    words = set(tokens(text))
    found = [name for name in names if (parts := tokens(name)) and words.issuperset(parts)]
    return found[0] if len(found) == 1 else None


def fold(text: str) -> str:
    """Return the text in small letters, compatibility forms resolved, accents of European and Semitic scripts off."""
    if text.isascii():
        return text.lower()
    text = text.encode("utf-8", "replace").decode("utf-8")  # half an emoji cannot be stored
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold().replace("ı", "i")  # Turkish: I is the capital of a dotless i
    return unicodedata.normalize("NFKC", text)


def _pairs(word: str) -> list[str]:
    found: list[str] = []
    end = 0
    for match in _UNSPACED.finditer(word):
        if match.start() > end:
            found.append(word[end : match.start()][:MAX_TERM_CHARS])
        run, end = match.group(), match.end()
        found += [run[i : i + 2] for i in range(max(len(run) - 1, 1))]
    if end < len(word):
        found.append(word[end:][:MAX_TERM_CHARS])
    return found
