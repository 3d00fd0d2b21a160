"""Listing the models of each configured provider, all providers at once, each with a short timeout."""

import json
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit

from memgpt_agent.config import Settings
from memgpt_agent.models.providers import PROVIDERS, Provider

LIMIT_SECONDS = 5.0
"""So long is waited for a provider's whole list."""
_MOST_BYTES = 16 * 1024 * 1024
_MOST_PAGES = 20
_NO_CHAT = re.compile(
    r"embed|whisper|\btts|-tts|dall-e|moderation|transcribe|image|imagen|veo|sora|audio|realtime|davinci|babbage|ocr|rerank|guard|aqa|-live|speech",
    re.IGNORECASE,
)
"""Models whose names say that they do not chat."""


@dataclass(frozen=True)
class Offer:
    """What one provider offers."""

    provider: str
    """Its name."""
    models: tuple[str, ...] = ()
    """The names of its chat models, as ``--model`` takes them."""
    problem: str = ""
    """Why there are none, and what to do about it."""
    configured: bool = True
    """Whether it has what it needs: a key, or an answer at its address."""


def offers(settings: Settings, names: Sequence[str] = (), *, limit_seconds: float = LIMIT_SECONDS) -> list[Offer]:
    """Return what providers offer, in the order in which they are known; all are asked at once.

    Args:
        settings: where keys are stored.
        names: which providers; all that are known where it is empty.
        limit_seconds: how long is waited altogether.
    """
    asked = [PROVIDERS[name] for name in names or PROVIDERS]
    answers: queue.SimpleQueue[Offer] = queue.SimpleQueue()

    def ask(provider: Provider) -> None:
        answers.put(_offer(provider, settings, limit_seconds))

    for provider in asked:
        threading.Thread(target=ask, args=(provider,), name="memgpt-models", daemon=True).start()
    got: dict[str, Offer] = {}
    deadline = time.monotonic() + limit_seconds
    while len(got) < len(asked):
        try:
            offer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        got[offer.provider] = offer
    late = f"no answer within {limit_seconds:g} seconds"
    return [got.get(p.name) or Offer(p.name, problem=f"{late} from {_host(p)}") for p in asked]


def _host(provider: Provider) -> str:
    return urlsplit(provider.address_now()).netloc.rpartition("@")[2]


def _offer(provider: Provider, settings: Settings, seconds: float) -> Offer:
    key = provider.key(settings)
    if not key and not provider.keyless and not provider.is_elsewhere:
        return Offer(provider.name, problem=f"no key; {provider.to_set_key}", configured=False)
    try:
        names = [name for name in _listed(provider, key, seconds) if not _NO_CHAT.search(name)]
    except Exception as error:  # noqa: BLE001  whatever a server answers, the other lists are shown
        return _failed(provider, error)
    problem = "" if provider.is_installed else f"its package is not installed; run: {provider.to_install}"
    if not names and not problem:
        problem = "it has no chat model" + ("; run: ollama pull MODEL" if provider.name == "ollama" else "")
    return Offer(provider.name, tuple(f"{provider.name}:{name}" for name in sorted(set(names))), problem)


def _failed(provider: Provider, error: Exception) -> Offer:
    where = _host(provider)
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code in {401, 403}:
            how = "the key was refused" if provider.key_variables else "access was refused"
            return Offer(provider.name, problem=f"{how} by {where} (HTTP {error.code}); {provider.to_set_key}")
        return Offer(provider.name, problem=f"{where} answered HTTP {error.code}")
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Offer(provider.name, problem=f"no answer in time from {where}")
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return Offer(provider.name, problem=f"{where} answered something that is no list of models")
    running = not provider.start
    advice = "" if running else f"; start it with: {provider.start}"
    return Offer(provider.name, problem=f"nothing answers at {where}{advice}", configured=running or provider.is_elsewhere)


def _listed(provider: Provider, key: str | None, seconds: float) -> Iterator[str]:
    """Yield the names of a provider's models.

    Source: platform.openai.com/docs/api-reference/models/list; docs.anthropic.com/en/api/models-list;
    ai.google.dev/api/models#method:-models.list; github.com/ollama/ollama/blob/main/docs/api.md (``/api/tags``).
    """
    address = provider.address_now()
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    if provider.listing == "ollama":
        answer = _got(f"{address}/api/tags", bearer, seconds)
        yield from (str(model["name"]).removesuffix(":latest") for model in answer["models"])
    elif provider.listing == "anthropic":
        yield from _of_anthropic(address, key, seconds)
    elif provider.listing == "gemini":
        yield from _of_gemini(address, key, seconds)
    else:
        answer = _got(f"{address}/models", bearer, seconds)
        listed = cast(list[dict[str, Any]], answer if isinstance(answer, list) else answer["data"])
        yield from (str(model["id"]) for model in listed if _chats(model))


def _chats(model: dict[str, Any]) -> bool:
    """Whether an entry of a list says nothing against chatting: Mistral and Together tell."""
    able: Any = model.get("capabilities")
    if isinstance(able, dict) and cast(dict[str, Any], able).get("completion_chat") is False:
        return False
    return model.get("type") not in {"embedding", "image", "audio", "rerank", "moderation", "video", "transcribe"}


def _of_anthropic(address: str, key: str | None, seconds: float) -> Iterator[str]:
    headers, after = {"x-api-key": key or "", "anthropic-version": "2023-06-01"}, ""
    for _ in range(_MOST_PAGES):
        answer = _got(f"{address.removesuffix('/v1')}/v1/models?limit=1000{after}", headers, seconds)
        yield from (str(model["id"]) for model in answer["data"])
        if not answer.get("has_more") or not answer.get("last_id"):
            return
        after = f"&after_id={quote(str(answer['last_id']))}"


def _of_gemini(address: str, key: str | None, seconds: float) -> Iterator[str]:
    token = ""
    for _ in range(_MOST_PAGES):
        answer = _got(f"{address}/v1beta/models?pageSize=1000{token}", {"x-goog-api-key": key or ""}, seconds)
        for model in cast(list[dict[str, Any]], answer.get("models") or []):
            if "generateContent" in model.get("supportedGenerationMethods", ["generateContent"]):
                yield str(model["name"]).removeprefix("models/")
        if not answer.get("nextPageToken"):
            return
        token = f"&pageToken={quote(str(answer['nextPageToken']))}"


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: a key goes to the address that it is for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _got(url: str, headers: dict[str, str], seconds: float) -> Any:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"{url} is no web address")
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "memgpt-agent", **headers})  # noqa: S310  checked
    with urllib.request.build_opener(_Stay).open(request, timeout=seconds) as answer:
        return json.loads(answer.read(_MOST_BYTES))
