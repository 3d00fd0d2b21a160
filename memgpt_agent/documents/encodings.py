"""Decoding bytes: Unicode by its marks and patterns, older encodings by which result reads most like a language."""

import codecs
import re
from typing import NamedTuple

from memgpt_agent.errors import DocumentError

_SAMPLE_BYTES = 1 << 18
_SAMPLE_CHARS = 4_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""Longest first where one begins another."""

_OLDER = (
    "cp1252", "cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256",
)  # fmt: skip
"""Likelier ones first: the order decides between readings that are equally good."""

_ALPHABETS = tuple(
    frozenset(letters + letters.upper() + "ŸÝİ"[: 3 * ("ğ" in letters)])
    for letters in (
        "àâæçéèêëîïôœùûüÿ", "äöüßéèàê", "áéíñóúü", "ãáâàçéêíõóôúü", "àèéìíîòóù", "åäöé", "åæøéèêóòâô", "áðéíóúýþæö", "éëïóöüèê",
        "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșşțţ", "čćđšž", "çğıiöşüâîû",
    )
)  # fmt: skip
"""Letters beyond ASCII of languages that share code pages: a text that mixes them was read with the wrong page."""
_SIGN_IN_WORD = re.compile(r"[^\W\d_][\xa1-\xa9\xab-\xb4\xb6\xb8\xb9\xbb-\xbf\xd7\xf7][^\W\d_]")
_MIXED_WORD = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u052f\u0590-\u06ff]|[\u0370-\u03ff\u0400-\u052f\u0590-\u06ff][A-Za-z]")
_FINAL_SIGMA_WITHIN = re.compile(r"ς\w")
_ACCENTED_GREEK = frozenset("άέήίόύώϊϋΆΈΉΊΌΎΏ")
_CYRILLIC_VOWELS = frozenset("аеёиоуыэюяіїєАЕЁИОУЫЭЮЯІЇЄ")


class Decoded(NamedTuple):
    """A text and how it was read."""

    text: str
    """What it says; line ends are line feeds."""
    note: str
    """What a reader should know of the reading; empty if nothing was guessed."""


def decode(data: bytes, name: str) -> Decoded:
    """Return the text of a file's bytes.

    Raises:
        DocumentError: they are no text; ``name`` tells whose.
    """
    text, note = _decode(data, name)
    if "\0" in text:
        raise DocumentError(f"{name} is not a text file: it holds zero bytes. Give a text, Markdown or PDF file.")
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n"), note)


def _decode(data: bytes, name: str) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and "\0" not in text:
        return text, ""
    if wide := _wide(data):
        return data.decode(wide, "replace"), f"read as {wide.upper()}, which it does not say itself"
    if b"\0" in data:
        raise DocumentError(f"{name} is not a text file: it holds zero bytes. Give a text, Markdown or PDF file.")
    mended = data.decode(errors="replace")
    broken = mended.count("\ufffd")
    whole = sum(1 for char in mended if char > "\x7f") - broken
    if whole > 10 * broken:
        places = "1 place is not valid UTF-8 and was" if broken == 1 else f"{broken:,} places are not valid UTF-8 and were"
        return mended, f"{places} replaced"
    return _older(data, name)


def _wide(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 without a mark: where zeros, or the bytes that name a script, stand at every second or fourth place."""
    sample = data[: 1 << 16]
    if len(data) % 4 == 0 and len(data) >= 8:
        for encoding, high in (("utf-32-le", (2, 3)), ("utf-32-be", (0, 1))):
            if all(not any(byte > 0x10 for byte in sample[place::4]) for place in high) and b"\0\0" in sample and _reads(sample, encoding):
                return encoding
    if len(data) % 2:
        return None
    for encoding, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        highs, lows = sample[high::2], sample[1 - high :: 2]
        seen = set(highs)
        concentrated = len(seen) <= max(1, min(4, len(highs) // 8)) and len(set(lows)) > 2 * len(seen)
        if (b"\0" in highs and b"\0" not in lows and (concentrated or highs.count(0) * 10 > len(highs))) and _reads(sample, encoding):
            return encoding
    return None


def _reads(sample: bytes, encoding: str) -> bool:
    text = sample[: len(sample) // 4 * 4].decode(encoding, "replace") or "\0"
    return "\ufffd" not in text[:-1] and sum(char.isprintable() or char in "\r\n\t\f" for char in text) >= 0.98 * len(text)


def _older(data: bytes, name: str) -> tuple[str, str]:
    """Choose among the encodings before Unicode: by how little the reading looks like noise, then by whether it fits one language."""
    sample = data[:_SAMPLE_BYTES]
    if len(data) > len(sample) and b"\n" in sample:
        sample = sample[: sample.rindex(b"\n")]
    ranked: list[tuple[float, int, str]] = []
    for order, encoding in enumerate(_OLDER):
        if (telling := _telling(sample, encoding)) is not None and (noise := _noise(telling, encoding)) < 1:
            ranked.append((noise + 0.2 * (not _fits(telling)), order, encoding))
    if not ranked:
        raise DocumentError(f"{name} is not text in any known encoding. Save it as UTF-8 and load it again.")
    encoding = min(ranked)[2]
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd")
    return text, f"read as {encoding}, a guess" + (f"; {lost:,} characters were not readable in it" if lost else "")


def _telling(sample: bytes, encoding: str) -> str | None:
    """Return the lines that tell encodings apart, as one reads them; None if it cannot read them."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        text = decoder.decode(sample)  # a character cut in two at the end is left out
    except UnicodeDecodeError:
        return None
    return "\n".join(line[:_SAMPLE_CHARS] for line in text.splitlines() if not line.isascii())[:_SAMPLE_CHARS] or None


def _noise(text: str, encoding: str) -> float:
    """Return how much a reading looks like noise, from 0, by charset-normalizer's measure and what it does not look for."""
    from charset_normalizer import from_bytes

    best = from_bytes(
        text.encode(encoding, "ignore"), cp_isolation=[encoding], threshold=0.99, preemptive_behaviour=False, enable_fallback=False,
    ).best()  # fmt: skip
    if best is None or any(unlikely(char) for char in text):
        return 1.0
    cyrillic = [char for char in text if "\u0400" <= char <= "\u04ff"]
    voiceless = len(cyrillic) > 8 and sum(char in _CYRILLIC_VOWELS for char in cyrillic) < 0.22 * len(cyrillic)
    shouting = len(cyrillic) > 8 and not any(char.islower() for char in cyrillic)
    greek = [char for char in text if "\u0370" <= char <= "\u03ff"]
    voiceless |= len(greek) > 8 and (not any(char in _ACCENTED_GREEK for char in greek) or bool(_FINAL_SIGMA_WITHIN.search(text)))
    narrow = any("\uff61" <= char <= "\uff9f" for char in text)  # half-width katakana: hardly anybody writes them
    return round(best.chaos + 0.3 * voiceless + 0.2 * shouting + 0.1 * narrow, 2)


def unlikely(char: str) -> bool:
    """Whether a character stands in no text: a control sign other than white space."""
    return (char < " " and char not in "\t\n\r\f\v\b\x1a\x1b") or "\x80" <= char <= "\x9f" or "\ue000" <= char <= "\uf8ff"


def _fits(text: str) -> bool:
    """Whether all letters beyond ASCII are of one language or of a script of their own, and no word holds a sign or two scripts."""
    if _SIGN_IN_WORD.search(text) or _MIXED_WORD.search(text):
        return False
    letters = {char for char in text if "\xaa" <= char <= "\u024f" and char.isalpha()}
    return not letters or any(letters <= alphabet for alphabet in _ALPHABETS)
