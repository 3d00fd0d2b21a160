"""Keeping out of memory what must never be stored: secrets, by their form, and what a program's own patterns match."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Self, cast

import re2

from memgpt_agent.errors import ConfigurationError

SECRETS = "secrets"
"""The name of the set of patterns below."""
INSTEAD = "[a secret was here; it is not stored]"
_NO_TEXTS = frozenset({
    "id", "ids", "agent_id", "thread_id", "thread", "threads", "turn", "role", "time", "created", "updated_at", "added", "checkpoint",
    "call_id", "reply_id", "event_id", "user_id", "edited", "label", "cause", "causes", "act", "actor", "agent", "block", "kind",
    "shared", "at", "redo", "parent", "children", "since", "until", "seen", "by", "level", "file", "sha256", "subject_id", "object_id",
    "same_as", "sender", "recipient", "chain", "session", "replaced_by", "mime", "data", "status", "stop_reason", "secret",
    "type", "tool", "tool_call_id",
})  # fmt: skip
"""Fields by which things are found, compared and ordered: a pattern that matches an agent's id must not destroy the agent."""
_MAX_PATTERN_CHARS, _MAX_PATTERNS, _PATTERN_BYTES = 1_000, 100, 1 << 20
_re2: Any = re2


class _Form(NamedTuple):
    """A kind of secret."""

    pattern: str
    """RE2's syntax. Where it has a group, that is the secret; else all of it."""
    fits: Callable[[str], bool] = lambda _: True
    """Whether what was found is one."""


def _is_card(text: str) -> bool:
    """Whether digits are a payment card's number: the check digit of ISO/IEC 7812-1 (Luhn)."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits), start=1)]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _is_password(text: str) -> bool:
    return any(sign.isdigit() for sign in text) and any(sign.isalpha() for sign in text)


_SECRETS = (
    # Blocks of RFC 7468 and OpenPGP, to their end or the text's.
    _Form(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?s:.)*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\z)"),
    # Keys by the prefixes that their providers document: OpenAI, Anthropic, OpenRouter, GitHub, GitLab, AWS, Google, Slack, Stripe,
    # Hugging Face, npm, PyPI, SendGrid, Telegram, DigitalOcean, Shopify, Groq, xAI, Perplexity.
    _Form(r"\bsk-[A-Za-z0-9_-]{20,}"),
    _Form(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})"),
    _Form(r"\bgl(?:pat|ptt|rt|dt|cbt)-[\w-]{20,}"),
    _Form(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    _Form(r"(?i)aws.{0,20}secret.{0,20}?[:=]\s{0,4}[\"']?([A-Za-z0-9/+=]{40})"),
    _Form(r"\b(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})"),
    _Form(r"\b(?:xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,})"),
    _Form(r"https://hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{20,})"),
    _Form(r"\b(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,})"),
    _Form(r"\b(?:hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,}|SG\.[\w-]{16,}\.[\w-]{16,}|\d{8,10}:AA[\w-]{33})"),
    _Form(r"\b(?:do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,})"),
    # A JSON web token of three parts (RFC 7519).
    _Form(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    # A password in an address (RFC 3986), or behind its name.
    _Form(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,200}:([^\s/@]{1,200})@"),
    _Form(
        r"(?i)\b(?:password|passwd|pwd|passphrase|passcode|api[_ -]?key|secret[_ -]?key|client[_ -]?secret|(?:access|auth)[_ -]?token)[\"']?"
        r"\s{0,4}[:=]\s{0,4}[\"']?([^\s\"',;]{6,200})",
        _is_password,
    ),
    # Payment cards: the leading digits of the large networks (ISO/IEC 7812), in groups or not.
    _Form(r"\b(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|3[47]\d{2}|3[068]\d{2}|6(?:011|4[4-9]\d|5\d{2}))(?:[ -]?\d){9,15}\b", _is_card),
)


class Redactor:
    """Replaces what is never to be stored by a sentence.

    Args:
        entries: ``secrets``, and patterns in RE2's syntax; a pattern with a group replaces the group, any other all that it matches.

    Raises:
        ConfigurationError: a pattern is not one in RE2's syntax, is too long, or matches empty text; or there are too many.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        forms = [form for entry in dict.fromkeys(entries) for form in (_SECRETS if entry == SECRETS else [_Form(entry)])]
        if len(forms) > _MAX_PATTERNS:
            raise ConfigurationError(f"never_store has {len(forms)} patterns; the limit is {_MAX_PATTERNS}.")
        self._forms = [(_compiled(form.pattern), form.fits) for form in forms]
        self._any = _compiled("|".join(f"(?:{form.pattern})" for form in forms), limit_chars=1 << 20)

    @classmethod
    def of(cls, given: "Iterable[str] | Redactor | str | None") -> "Self | None":
        """Return the redactor of entries, which a text separates by white space; None if there are none."""
        if given is None or isinstance(given, cls):
            return given
        entries = given.split() if isinstance(given, str) else list(cast(Iterable[str], given))
        return cls(entries) if entries else None

    def __call__(self, text: str) -> str:
        """Return a text without what is never stored."""
        whole = text
        if not text.isascii():  # RE2 cannot read half a character, and no store takes one
            whole = text.encode("utf-8", "replace").decode("utf-8")
        if not self._any.search(whole):
            return text
        for pattern, fits in self._forms:  # no pattern searches the sentence itself
            whole = INSTEAD.join(str(pattern.sub(partial(_replaced, fits), part)) for part in whole.split(INSTEAD))
        return whole

    def in_value(self, value: Any) -> Any:
        """Return a JSON value without it, in all its texts; ids, times and names of fields stay as they are."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            fields = cast(Mapping[Any, Any], value).items()
            return {name: one if name in _NO_TEXTS and not isinstance(one, Mapping) else self.in_value(one) for name, one in fields}
        if isinstance(value, list | tuple):
            return [self.in_value(one) for one in cast(list[Any], value)]
        return value


def _replaced(fits: Callable[[str], bool], found: Any) -> str:
    whole: str = found[0]
    secret: str = found[1] if found.re.groups and found[1] else whole
    if not secret or not fits(secret):
        return whole
    if secret == whole:
        return INSTEAD
    start = found.start(1) - found.start(0)
    return f"{whole[:start]}{INSTEAD}{whole[start + len(secret) :]}"


def _compiled(pattern: str, limit_chars: int = _MAX_PATTERN_CHARS) -> Any:
    if not pattern.strip() or len(pattern) > limit_chars:
        raise ConfigurationError(f"never_store={pattern[:60]!r}: a pattern must have 1 to {limit_chars:,} characters.")
    options = _re2.Options()
    options.log_errors, options.max_mem = False, 8 * _PATTERN_BYTES
    try:
        compiled = _re2.compile(pattern, options)
    except (_re2.error, UnicodeEncodeError) as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ConfigurationError(
            f"never_store={pattern[:60]!r} is neither {SECRETS!r} nor a pattern in RE2's syntax: {why}."
        ) from error
    if compiled.search(""):
        raise ConfigurationError(f"never_store={pattern[:60]!r} matches empty text too, so it would match everywhere. Make it narrower.")
    return compiled


_active: ContextVar[Redactor | None] = ContextVar("never_stored", default=None)


@contextmanager
def redacting(redactor: Redactor | None) -> Generator[None]:
    """Remove what is never stored from texts that enter meanwhile, in this thread or task."""
    token = _active.set(redactor)
    try:
        yield
    finally:
        _active.reset(token)


def redacted(text: str) -> str:
    """Return a text without what is never stored where :func:`redacting` is in force."""
    redactor = _active.get()
    return redactor(text) if redactor else text
