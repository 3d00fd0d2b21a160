"""What is looked for by its signs: emoji, C++ and .NET, prices, telephone numbers, the words of a camelCase name."""

import re

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
