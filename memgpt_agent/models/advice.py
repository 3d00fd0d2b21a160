"""Advice for a chat model that does not answer: the key to set, the model to pull, the server to start."""

import re
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage

from memgpt_agent.config import Settings
from memgpt_agent.errors import MemGPTError, ModelError
from memgpt_agent.models.dialects import name_of, speak, unwrapped
from memgpt_agent.models.dialects.dialect import address_of
from memgpt_agent.models.failures import class_names, status_of
from memgpt_agent.models.listing import offers
from memgpt_agent.models.naming import close_names, known_names
from memgpt_agent.models.providers import PROVIDERS, Provider, parted

_NO_KEY = re.compile(r"api[ _-]?key|credential|authenticat|unauthori[sz]ed", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model\b.{0,80}(?:not (?:found|exist|available|supported)|does not exist|unknown|decommissioned|retired|invalid)|model_not_found"
    r"|(?:invalid|unknown|no such) model|not a valid model|no endpoints found for",
    re.IGNORECASE | re.DOTALL,
)
_NO_TOOLS = re.compile(
    r"does not support (?:tools|function)|tool(?:s| use| calling)\b.{0,40}not supported|no endpoints found that support tool", re.IGNORECASE
)
_NO_BALANCE = re.compile(r"insufficient_quota|insufficient balance", re.IGNORECASE)
_OF_MONEY = re.compile(r"billing|credit", re.IGNORECASE)
"""With a 429, providers also say so of a rate: Groq names the page where a higher one is sold, Gemini the billing details."""
_NOT_STARTED_FOR_TOOLS = re.compile(r"--enable-auto-tool-choice|--tool-call-parser|--jinja")
_NO_THINKING = re.compile(r"does not support thinking|thinking is not (?:enabled|supported)|reasoning is not supported", re.IGNORECASE)
_LISTED_WITHIN_SECONDS = 2.0
_TRIAL = {
    "type": "function",
    "function": {
        "name": "send_message",
        "description": "Say something to the user.",
        "parameters": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    },
}
_SAY = "Answer with one call of send_message whose message is the word ready."


def provider_of(name: str, model: Any = None) -> Provider | None:
    """Return the provider of a model by its whole name, else by its client; None if it is not known here."""
    provider, rest = parted(name)
    if rest and (known := PROVIDERS.get(provider)):
        return known
    client = unwrapped(model)
    package = type(client).__module__.partition(".")[0]
    if package == "langchain_openai" and (host := address_of(client)):
        return next((p for p in PROVIDERS.values() if host and host in p.address_now()), None)
    return next((p for p in PROVIDERS.values() if p.package == package), None)


def advice(error: BaseException, name: str, model: Any = None) -> str:
    """Return what a person can do about a model's failure, as a sentence; empty if nothing is known of it."""
    provider, status, text = provider_of(name, model), status_of(error), str(error)
    called = name_of(unwrapped(model)) or re.split(r"[:/]", name, maxsplit=1)[-1]
    where = f"memgpt models {provider.name}" if provider else "memgpt models"
    if _NO_TOOLS.search(text):
        return f"{called} cannot call tools, which an agent needs: choose another model. See what there is: {where}."
    if _NOT_STARTED_FOR_TOOLS.search(text):
        return "The server runs without tool calls: start vLLM with --enable-auto-tool-choice and --tool-call-parser, llama.cpp with --jinja."
    if _NO_THINKING.search(text):
        return f"{called} does not reason natively: leave reasoning at auto (in the terminal: --reasoning auto)."
    if status == 402 or _NO_BALANCE.search(text) or (status != 429 and _OF_MONEY.search(text)):
        return "The account has no credit left: add some at the provider, or name a fallback_model."
    if status == 404 or (status in {400, 403, 422} and _NO_MODEL.search(text)):
        pull = f"Run: ollama pull {called}. " if provider and provider.name == "ollama" else ""
        return f"{_close_to(called, provider, model)}{pull}See what there is: {where}."
    if status == 401 or (status in {None, 400, 403} and _NO_KEY.search(text)):
        return f"The key was not taken: {provider.to_set_key}." if provider and provider.key_variables else ""
    if provider and provider.start and (isinstance(error, ConnectionError) or class_names(error) & {"APIConnectionError", "ConnectError"}):
        return f"Nothing answers at {provider.address_now()}: start it with: {provider.start}."
    return ""


def _close_to(called: str, provider: Provider | None, model: Any) -> str:
    """Return a question for the name that is probably meant: as the provider's package knows its models, else as the provider lists them."""
    if provider is None:
        return ""
    host = address_of(unwrapped(model))
    asked_elsewhere = bool(host) and host not in provider.address_now()
    found = close_names(called, known_names(provider.name))
    if not found and not asked_elsewhere:
        listed = offers(Settings.load(), [provider.name], limit_seconds=_LISTED_WITHIN_SECONDS)[0].models
        found = close_names(called, (name.partition(":")[2] for name in listed))
    return f"Did you mean {' or '.join(f'{provider.name}:{name}' for name in found)}? " if found else ""


def sentence(text: str, most_chars: int = 300) -> str:
    """Return a provider's words as a sentence with one full stop at its end."""
    return f"{' '.join(text.split())[:most_chars].rstrip('. ')}."


def try_out(model: Any, name: str = "") -> None:
    """Ask a model one short question, offering it a tool, as an agent's turn does.

    Raises:
        ModelError: it did not answer; the message says what would help.
    """
    name = name or name_of(unwrapped(model))
    try:
        answer = speak(model, [SystemMessage(_SAY), HumanMessage("Are you ready?")], [_TRIAL]).invoke({"tags": ["nostream"]})
    except MemGPTError:
        raise
    except Exception as error:
        helps = advice(error, name, model)
        raise ModelError(f"{name} did not answer: {sentence(f'{type(error).__name__}: {error}')} {helps}".rstrip()) from error
    if not answer.tool_calls and not answer.text.strip() and not getattr(answer, "invalid_tool_calls", None):
        raise ModelError(f"{name} answered nothing. Try again, or choose another model: memgpt models.")
