"""What a model's name probably means that leads nowhere: its provider by its family, and the names that are spelt almost so."""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches
from importlib.util import find_spec
from pathlib import Path

from memgpt_agent.models.providers import OTHER_NAMES, PROVIDERS, canonical

_FAMILIES = (
    (r"gpt-(?!oss)|o\d(?:-|\Z)|chatgpt", "openai"), (r"claude", "anthropic"), (r"gemini", "google_genai"),
    (r"mistral-|ministral-|codestral-|magistral-|devstral-|pixtral-", "mistralai"), (r"deepseek-(?:chat|reasoner|v\d)\S*\Z", "deepseek"),
    (r"grok", "xai"), (r"[\w.-]+/[\w.:-]+\Z", "openrouter"),
    (r"[\w.-]+:[\w.-]+\Z|(?:llama|qwen|phi|gemma|granite|smollm|gpt-oss|nemotron|glm|deepseek|mi[sx]tral)[\w.-]*\Z", "ollama"),
)  # fmt: skip
"""By whom a model is probably meant whose name has no provider."""
_CLOSE, _MOST = 0.8, 3


def meant(name: str) -> str:
    """Return the whole name that is probably meant by a model's name without its provider, or with one that is misspelt; empty if none is."""
    provider, sign, rest = name.partition(":") if ":" in name else name.partition("/")
    close = get_close_matches(provider.lower(), [*PROVIDERS, *OTHER_NAMES, "local"], n=1, cutoff=0.75) if sign else []
    if close:
        return f"{canonical(close[0])}:{rest}"
    family = next((p for pattern, p in _FAMILIES if re.match(pattern, name, re.IGNORECASE)), "")
    if family:
        return f"{family}:{name}"
    known = {model: provider for provider in PROVIDERS for model in known_names(provider)}
    found = close_names(name, known)
    return f"{known[found[0]]}:{found[0]}" if found else ""


def known_names(provider: str) -> Iterator[str]:
    """Yield the models of a provider that its LangChain package knows, by name; nothing is imported and nobody is asked."""
    package = PROVIDERS[provider].package
    spec = find_spec(package) if package else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        place = Path(folder) / "data" / "_profiles.py"
        if place.is_file():
            yield from re.findall(r'(?m)^    "([^"]+)": \{', place.read_text(encoding="utf-8"))


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are spelt almost like one, the closest first; signs between letters and figures do not count."""
    likeness = {other: SequenceMatcher(None, _letters(name), _letters(other)).ratio() for other in known if other != name}
    close = sorted((other for other, ratio in likeness.items() if ratio >= _CLOSE), key=lambda other: (-likeness[other], len(other), other))
    return close[:_MOST]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
