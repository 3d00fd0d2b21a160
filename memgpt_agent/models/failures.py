"""What a chat model's failure means, whoever the provider is: busy, a prompt too long, or of no use to try again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BUSY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_BUSY_NAMES = frozenset(
    {
        "RateLimitError", "APIConnectionError", "APITimeoutError", "InternalServerError", "OverloadedError", "ServiceUnavailable",
        "ServiceUnavailableError", "ResourceExhausted", "TooManyRequests", "DeadlineExceeded", "ThrottlingException", "TransportError",
    }
)  # fmt: skip
"""Names of the providers' own errors, and httpx's base of all that goes wrong on the way; no provider is imported to compare."""

_NUMBER = r"([\d,]{3,})"
_TOO_LONG = re.compile(
    r"context[_ ](?:length|window|size|limit)|prompt is too long|input is too long|too many (?:input )?tokens|reduce the length"
    r"|exceeds? the (?:maximum number of tokens|model's context)|maximum context|exceed_context_size",
    re.IGNORECASE,
)
_WINDOW = [
    rf"maximum context length (?:is|of) {_NUMBER}", rf"{_NUMBER} maximum context", rf"> ?{_NUMBER}", rf"context window of {_NUMBER}",
    rf"context size \(?{_NUMBER}", rf"allowed \({_NUMBER}", rf"n_ctx\W+{_NUMBER}", rf"context (?:length|window|limit)[^\d]{{0,20}}{_NUMBER}",
]  # fmt: skip
_SENT = [
    rf"resulted in {_NUMBER}", rf"requested {_NUMBER}", rf"Requested tokens \({_NUMBER}", rf"too long: {_NUMBER}", rf"count \({_NUMBER}",
    rf"contains {_NUMBER}", rf"request \({_NUMBER}", rf"n_prompt_tokens\W+{_NUMBER}", rf"prompt of {_NUMBER}",
]  # fmt: skip
_MAX_CAUSES = 5


@dataclass(frozen=True)
class TooLong:
    """A provider's refusal of a prompt that does not fit its model's context window."""

    window: int | None
    """The true window in tokens, where the refusal names it."""
    sent: int | None
    """The tokens that the prompt had by the provider's count, where it names them."""


def is_busy(error: BaseException) -> bool:
    """Whether the same call may work a little later: rate limits, overload, timeouts, a lost connection."""
    if _code(error) == "insufficient_quota":
        return False
    for cause in _causes(error):
        status = _status(cause)
        if status is not None:
            return status in _BUSY_STATUS
        if isinstance(cause, ConnectionError | TimeoutError) or _BUSY_NAMES & {
            kind.__name__ for kind in type(cause).__mro__
        }:
            return True
    return False


def retry_after_seconds(error: BaseException) -> float | None:
    """Return how long the provider asks to wait (its ``Retry-After`` header, in seconds); ``None`` where it does not say."""
    for cause in _causes(error):
        headers: Any = getattr(getattr(cause, "response", None), "headers", None)
        try:
            return max(0.0, float(headers.get("retry-after")))
        except (AttributeError, TypeError, ValueError):
            continue
    return None


def too_long(error: BaseException) -> TooLong | None:
    """Return what a refusal says of the context window; ``None`` where the error is another one.

    **Limits**: providers word it freely; those of OpenAI, Anthropic, Google, Mistral, Groq, vLLM and llama.cpp are known.
    """
    for cause in _causes(error):
        text = str(cause)
        if _status(cause) != 429 and (_code(cause) == "context_length_exceeded" or _TOO_LONG.search(text)):
            return TooLong(_first(_WINDOW, text), _first(_SENT, text))
    return None


def _first(patterns: list[str], text: str) -> int | None:
    for pattern in patterns:
        if found := re.search(pattern, text, re.IGNORECASE):
            return int(found.group(1).replace(",", "") or 0) or None
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status: Any = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _code(error: BaseException) -> str:
    return str(getattr(error, "code", None) or "")
