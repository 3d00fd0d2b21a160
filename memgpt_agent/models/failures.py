"""Classifying a chat model's failure for any provider: busy, prompt too long, content refused, or not worth another attempt."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any, cast

_BUSY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_BUSY_NAMES = frozenset(
    {
        "RateLimitError", "APIConnectionError", "APITimeoutError", "InternalServerError", "OverloadedError", "ServiceUnavailable",
        "ServiceUnavailableError", "ResourceExhausted", "TooManyRequests", "DeadlineExceeded", "ThrottlingException", "TransportError",
        "ChunkedEncodingError", "ProtocolError", "ConnectionError", "Timeout",
    }
)  # fmt: skip
"""Names of the providers' own errors, and httpx's and requests' bases of what goes wrong on the way; no provider is imported to compare."""
_STREAM_NAMES = frozenset({"APIError", "APIStatusError", "ResponseError"})
"""Errors that the SDKs of OpenAI, Anthropic and Ollama raise for an error event within an answer whose status was 200."""
_LASTING = re.compile(
    r"insufficient_quota|invalid_request|authentication|permission|not_found|billing|credit|unauthori[sz]ed|content_filter|invalid_prompt"
    r"|context_length"
)
"""Kinds of error that another try does not mend, also where they come within an answer."""

_MAX_CAUSES = 5
_WAIT = re.compile(
    r"(?:try again|retry)\D{0,20}?in (?:(?P<minutes>\d+)m(?!s))?\s?(?:(?P<number>\d+(?:\.\d+)?)\s?(?P<unit>ms|s\b|sec|m\b|min)?)?", re.IGNORECASE
)
_IN_SECONDS = {"ms": 0.001, "m": 60.0, "min": 60.0}

_REFUSED_STATUS = frozenset({400, 413, 422})
_OF_ATTACHMENTS = frozenset({404, 500})
"""Ollama and llama.cpp answer 500 to a picture that they cannot read, OpenRouter 404 where no provider of a model takes pictures."""
_NO_CONTENT = (
    r"api[ _-]?key|credential|unauthori[sz]ed|permission|billing|credit|quota|balance|(?:region|location)\b.{0,30}not supported",
    r"model_not_found|unknown model|invalid model",
    r"(?:model|deployment)\b.{0,60}(?:not (?:exist|found)|does not exist|unknown|decommissioned)",
    r"unsupported_(?:parameter|value)|unsupported parameter|unknown parameter|unrecognized request argument",
    r"(?:temperature|top_p|max_(?:completion_)?tokens|tool_choice|reasoning_effort|budget_tokens)\b.{0,60}(?:supported|must be|invalid|large)",
    r"does not support (?:tools|function|chat|streaming|generat)|no endpoints found that support tool",
    r"(?:tools?|functions?)(?:\[\d+\]|\.\d+)\.?(?:function|custom|input_schema|parameters|name)|invalid schema for function",
)  # fmt: skip
"""Refusals of the key, the account, the model, an option or a tool's schema: another prompt would be refused as well."""
_ATTACHED = re.compile(
    r"image|picture|photo|pixel|base64|media|mime|\bpdf\b|document|attachment|\bfiles?\b|file_id|audio|video|data[ -]?ur[li]|modalit|vision"
    r"|multimodal|inline_data|download",
    re.IGNORECASE,
)
_CONTENT = (
    r"messages?(?:\[|\.|\b.{0,20}#?)\d+|(?:input|contents?)(?:\[|\.)\d+|message content|content_filter|invalid_prompt",
    r"content[ _](?:block|part|type|field|list|filter|policy|management)",
    r"usage polic|responsibleai|safety|moderation|data_inspection|inappropriate",
    r"tool_use|tool_result|tool_call|tool message|\broles?\b|function_call|\bthought",
    r"signature|reasoning item|encrypted[ _]content|function (?:call|response)",
    r"surrogate|unicode|utf-?8|invalid char|control char|escape|\bjson\b|parse",
)  # fmt: skip
_OWN = re.compile(
    r"signature|\bthoughts?\b|\bthinking\b|reasoning|encrypted[ _]content|\b(?:rs|msg|fc|resp|ws)_\w{4,}|items? with id|previous[ _]response"
    r"|redacted", re.IGNORECASE,
)  # fmt: skip
"""What only a provider itself put into an answer: signed or encrypted thoughts, ids of what it stored."""
_FILLING = frozenset(
    re.findall(
        r"\w+",
        "a an and arg argument arguments bad body by call client code contains could detail details error errors exception failed fetching for "
        "from generic got http https input internal invalid invalid_argument invalid_request invalid_request_error is issue it message no none "
        "not null object of on or param parameter please process processing provider request response returned server something status the "
        "there this to type unable unknown unprocessable upstream was went while with wrong your entity",
    )
)
"""Words of a refusal that says nothing."""
_FILTERED = (
    r"content_filter|content_policy_violation|content management policy|data_inspection_failed|moderation_blocked"
    r"|blocked by (?:the )?content filter"
)
_OPAQUE_CHARS = 160
"""A refusal this short that says nothing else is taken for one of the content, where there is something that may be to blame."""


class BrokenAnswer(Exception):
    """An answer ended before it was whole, or its server says that it failed in its middle, although its status was 200.

    Args:
        message: what was said of it.
        code: the HTTP status that the server names for it, if it names one.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


_BUSY_VALUE = re.compile(
    r"(?:ResponseError\()?(?:code=')?(?:server_error|rate_limit_exceeded|overloaded|timeout|vector_store_timeout)\b(?:: |')"
    r"|Unfinished stream|Can only parse array of JSON|No generation chunks"
)
"""So begins the ``ValueError`` in which langchain-openai gives an error event of the Responses API (its code and its message), those in
which Google's client gives a stream that breaks off or holds something else, and LangChain's own for a stream without a single piece."""
_LOOP_GONE = "Event loop is closed"
"""So says a connection that a client kept from an event loop which has ended: the next attempt opens one of its own."""
_CANNOT_SEE = re.compile(
    r"(?:image|audio|video|vision|multi-?modal)\b.{0,40}(?:not supported|unsupported|not (?:enabled|available))|mmproj"
    r"|(?:not support|missing)\b.{0,40}\b(?:image|audio|video|vision|multi-?modal)", re.IGNORECASE,
)  # fmt: skip
"""What llama.cpp and Ollama say with a 500 where their model takes no pictures; no later attempt changes it."""


def is_busy(error: BaseException) -> bool:
    """Whether the same call may work a little later: rate limits, overload, timeouts, a lost connection, an error within a stream."""
    for cause in causes(error):
        kinds, status = kinds_of(cause), status_of(cause)
        if "insufficient_quota" in kinds:
            return False
        if status is not None:
            return status in _BUSY_STATUS and not (status == 500 and _CANNOT_SEE.search(str(cause)))
        if isinstance(cause, BrokenAnswer | JSONDecodeError | UnicodeDecodeError):  # a piece of a stream that is none
            return True
        if isinstance(cause, ConnectionError | TimeoutError) or _BUSY_NAMES & class_names(cause):
            return True
        if isinstance(cause, ValueError) and _BUSY_VALUE.match(str(cause)):
            return True
        if isinstance(cause, RuntimeError) and _LOOP_GONE in str(cause):
            return True
        if type(cause).__name__ in _STREAM_NAMES:
            return not _LASTING.search(kinds)
    return False


def retry_after_seconds(error: BaseException) -> float | None:
    """Return how long the provider asks to wait; ``None`` if it does not say.

    It is read from ``retry-after-ms``, ``Retry-After`` (seconds or a date), Google's ``RetryInfo``, and sentences such as
    "try again in 7.5s".
    """
    for cause in causes(error):
        for holder in (cause, cause.__context__):  # Ollama's client raises an error of its own, without headers, in the place of httpx's
            headers: Any = getattr(getattr(holder, "response", None), "headers", None)
            if (asked := _asked_in_headers(headers)) is not None:
                return asked
        text = str(cause)
        if delay := re.search(r"retry_?delay\W{1,10}(?:seconds\W{1,3})?(\d+(?:\.\d+)?)", text, re.IGNORECASE):
            return float(delay.group(1))
        found = _WAIT.search(text)
        if found and (found["number"] or found["minutes"]):
            seconds = float(found["number"] or 0) * _IN_SECONDS.get((found["unit"] or "").lower(), 1.0)
            return seconds + 60.0 * float(found["minutes"] or 0)
    return None


def _asked_in_headers(headers: Any) -> float | None:
    if not hasattr(headers, "get"):
        return None
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        given = str(headers.get(name) or "").strip()
        try:
            return max(0.0, float(given) * factor)
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            continue
    return None


def refuses_content(error: BaseException, *, attached: bool) -> bool:
    """Whether a provider refused the prompt for good because of something in it, so that the prompt without it may be taken.

    Args:
        error: what was raised.
        attached: whether something in the prompt may be to blame although the refusal does not name it: an attachment, a result
            of a tool.

    **Limits**: judged by words. What a key, an account, an option or a tool's schema is refused for is no content.
    """
    if is_filtered(error):
        return True
    for cause in causes(error):
        status, text = status_of(cause), f"{cause} {kinds_of(cause)}"
        if status is None or status not in _REFUSED_STATUS | _OF_ATTACHMENTS:
            continue
        if _says(_NO_CONTENT, text):
            return False
        named = bool(_ATTACHED.search(text))
        if refuses_own_parts(cause):
            return True
        if status in _OF_ATTACHMENTS:
            return named and attached
        message = str(_error_body(cause).get("message") or text)
        return named or _says(_CONTENT, text) or says_nothing(cause) or (attached and (status == 413 or len(message) <= _OPAQUE_CHARS))
    return False


def refuses_own_parts(error: BaseException) -> bool:
    """Whether a provider refused what it had itself put into an earlier answer, or another one had: thoughts, signatures, stored ids."""
    for cause in causes(error):
        text = f"{cause} {kinds_of(cause)}"
        if status_of(cause) in _REFUSED_STATUS | {404} and _OWN.search(text) and not _says(_NO_CONTENT, text):
            return True
    return False


def says_nothing(error: BaseException) -> bool:
    """Whether a refusal does not say what was wrong: any part of the prompt may be."""
    return any(status_of(cause) in _REFUSED_STATUS and _is_filling(cause) for cause in causes(error))


def _is_filling(error: BaseException) -> bool:
    message = _error_body(error).get("message")
    text = message if isinstance(message, str) else str(error)
    return not set(re.findall(r"[a-z_]{2,}", re.sub(r"https?://\S+", "", text.lower()))) - _FILLING


def _says(patterns: tuple[str, ...], text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE | re.DOTALL) for pattern in patterns)


def is_oversized(error: BaseException) -> bool:
    """Whether a request was refused for its bytes (413), which are those of attachments where it has any."""
    return any(status_of(cause) == 413 for cause in causes(error))


def is_filtered(error: BaseException) -> bool:
    """Whether a provider refused the prompt, or stopped its answer, for what is said, by its policy."""
    return any(
        re.search(_FILTERED, f"{kinds_of(cause)} {cause}")
        for cause in causes(error)
        if status_of(cause) in _REFUSED_STATUS or (status_of(cause) is None and type(cause).__name__ in _STREAM_NAMES)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    seen: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def class_names(error: BaseException) -> set[str]:
    """Return the names of an error's class and of those that it is made from."""
    return {kind.__name__ for kind in type(error).__mro__}


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of a refusal; ``None`` if there is none, also where the answer had begun with 200."""
    for holder in (error, getattr(error, "response", None), _error_body(error)):
        for name in ("status_code", "code", "status"):
            status: Any = cast(Mapping[str, Any], holder).get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
            if isinstance(status, int) and not isinstance(status, bool) and 300 <= status < 600:
                return int(status)
    return None


def _error_body(error: BaseException) -> Mapping[str, Any]:
    """Return what the provider's body says of the error."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner: Any = cast(Mapping[str, Any], body).get("error")
        return cast(Mapping[str, Any], inner if isinstance(inner, Mapping) else body)
    return {}


def kinds_of(error: BaseException) -> str:
    """Return the provider's names for the error: its code, type and status, in lower case."""
    body = _error_body(error)
    names = (getattr(error, "code", None), getattr(error, "type", None), body.get("code"), body.get("type"), body.get("status"))
    return " ".join(str(name) for name in names if name).lower()
