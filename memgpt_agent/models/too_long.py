"""Refusals of a prompt that is too long for its model, or of an answer that is asked to be too long, and the figures in them."""

import re
from dataclasses import dataclass

from memgpt_agent.models.failures import causes, kinds_of, status_of
from memgpt_agent.models.length_refusals import (
    ANSWER_REFUSALS,
    ANY,
    LENGTH_REFUSALS,
    NO_LENGTH,
    OVERFULL,
    TOKENS_PER_REQUEST,
)

_LEAST_WINDOW = 512
"""No model's window is smaller: a smaller number in a refusal is not a window."""
_LEAST_ANSWER = 256
_NO_COUNTS = r"https?://\S+|\bcode[\"']?\s*[:=]\s*[\"']?\d+"
"""What has numbers that count no tokens, in the words of a client: an address with its port, an error's code."""


@dataclass(frozen=True)
class TooLong:
    """A provider's refusal of a prompt that does not fit its model's context window."""

    window: int | None
    """The true window in tokens, where the refusal names it."""
    sent: int | None
    """The tokens that the prompt had by the provider's count, where it names them."""
    answer: int | None = None
    """The most tokens that may be asked for an answer, where more were asked for: the prompt is not to blame."""


def too_long(error: BaseException) -> TooLong | None:
    """Return what a refusal says of the context window; ``None`` if the error is another one.

    A limit on tokens a minute counts only where this one request is beyond it: no wait would help.

    **Limits**: providers word it freely; those known stand in :data:`LENGTH_REFUSALS`, any other sentence is judged by its words.
    """
    for cause in causes(error):
        text, limited = str(cause), status_of(cause) == 429
        if limited and "request too large" not in text.lower():
            continue
        if not limited and (most := _answer_limit(text)):
            return TooLong(None, None, most)
        for wording in LENGTH_REFUSALS:
            if found := re.search(wording.pattern, text, re.IGNORECASE | re.DOTALL):
                groups = found.groupdict()
                if wording.provider == ANY and not groups.get("window"):
                    return _figures(text)
                window, sent = (_count(groups.get(name)) or _beside(text, name) for name in ("window", "sent"))
                return TooLong(window, sent, _room(window, sent) if "answer" in groups else None)
        if not limited and ("context_length_exceeded" in kinds_of(cause) or status_of(cause) == 413):
            return TooLong(None, None)
        if status_of(cause) in {400, 422, 500} and _is_overfull(text):
            return _figures(text)
    return None


def _answer_limit(text: str) -> int | None:
    for wording in ANSWER_REFUSALS:
        if found := re.search(wording.pattern, text, re.IGNORECASE | re.DOTALL):
            return _count(found["answer"])
    return None


def _is_overfull(text: str) -> bool:
    """Whether a refusal in words that nobody wrote down tells of a prompt beyond the window."""
    flat = re.sub(r"https?://\S+|\s+", " ", text)
    return bool(re.search(OVERFULL, flat, re.IGNORECASE)) and not re.search(NO_LENGTH, flat, re.IGNORECASE)


def _figures(text: str) -> TooLong:
    """Return the two counts of tokens that a sentence names: the window is the smaller one; one alone is the window's where it is a limit."""
    if re.search(r"\bbytes\b", text, re.IGNORECASE):
        return TooLong(None, None)
    if window := _beside(text, "window"):
        return TooLong(window, _beside(text, "sent"))
    text = re.sub(_NO_COUNTS, " ", text)
    counts = [int(number.replace(",", "")) for number in re.findall(r"(?<![\w.-])\d[\d,]*\d(?![\w-]|\.\d)", text)]
    known = sorted({count for count in counts if count >= _LEAST_WINDOW})
    if len(known) == 2:
        return TooLong(known[0], known[1])
    limit = re.search(r"(?:limit|max|window|only|up to|at most|less than|smaller than|<=?|supports)\D{0,40}(\d[\d,]*\d)", text, re.IGNORECASE)
    return TooLong(known[0] if len(known) == 1 and limit and _count(limit[1]) == known[0] else None, None)


def _count(number: str | None) -> int | None:
    return int((number or "").replace(",", "") or 0) or None


def _beside(text: str, group: str) -> int | None:
    for pattern in TOKENS_PER_REQUEST:
        if f"<{group}>" in pattern and (found := re.search(pattern, text)):
            return _count(found.group(group))
    return None


def _room(window: int | None, sent: int | None) -> int | None:
    """Return the most tokens of an answer that leave the prompt its place: a quarter of the window, less where the prompt has more."""
    return min(window - sent, max(_LEAST_ANSWER, window // 4)) if window and sent and window - sent >= _LEAST_ANSWER else None
