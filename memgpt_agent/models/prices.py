"""Token prices from the user's own table; none are built in, since prices change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memgpt_agent.errors import ConfigurationError

_MILLION = 1_000_000


class Price(BaseModel):
    """What a million tokens of one model cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    """Of a prompt."""
    output: float = Field(ge=0)
    """Of an answer, reasoning included."""
    cached: float | None = Field(default=None, ge=0)
    """Of a prompt, served from the provider's cache; as ``input`` if missing."""
    cache_written: float | None = Field(default=None, ge=0)
    """Of a prompt, put into that cache; as ``input`` if missing."""

    def of(self, usage: Mapping[str, int]) -> float:
        """Return what this usage costs."""
        cached, written = usage.get("cached", 0), usage.get("cache_written", 0)
        plain = max(0, usage.get("input", 0) - cached - written)
        served = cached * (self.input if self.cached is None else self.cached)
        put = written * (self.input if self.cache_written is None else self.cache_written)
        return (plain * self.input + served + put + usage.get("output", 0) * self.output) / _MILLION


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = "USD"
    models: dict[str, Price]


@dataclass(frozen=True)
class Prices:
    """A table of prices."""

    models: Mapping[str, Price]
    """By a model's name, or by how the names of several begin; the longest that fits counts."""
    currency: str = "USD"
    """In which they are given."""

    @classmethod
    def load(cls, path: Path) -> "Prices":
        """Read a table from a JSON file: ``{"currency": "USD", "models": {NAME: {"input": 1.0, "cached": 0.1, "output": 5.0}}}``.

        Raises:
            ConfigurationError: the file cannot be read, or is no such table.
        """
        try:
            table = _Table.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:  # pydantic's error is a ValueError
            raise ConfigurationError(
                f"The price table {path} cannot be read: {_in_words(error)}. It is JSON of the form "
                '{"currency": "USD", "models": {"gpt-4.1-mini": {"input": 0.4, "cached": 0.1, "output": 1.6}}}, prices of a million tokens.'
            ) from error
        return cls(table.models, table.currency)

    def of(self, model: str) -> Price | None:
        """Return the price of a model, by its name with or without its provider; ``None`` if the table has none."""
        bare = model.partition(":")[2] or model
        fitting = [name for name in self.models if any(wanted.startswith(name) for wanted in (model, bare))]
        return self.models[max(fitting, key=len)] if fitting else None

    def cost(self, usage: Mapping[str, Mapping[str, Any]]) -> float | None:
        """Return what calls cost, by model; ``None`` if a model that was used has no price."""
        prices = {model: self.of(model) for model in usage}
        if not prices or any(price is None for price in prices.values()):
            return None
        return sum(price.of(usage[model]) for model, price in prices.items() if price is not None)


def _in_words(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'all of it'}: {fault['msg']}" for fault in error.errors())


def prices_of(given: Path | None, home: Path) -> Prices | None:
    """Return the table of a path, else that of ``prices.json`` in the home folder; ``None`` if there is none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    path = given or home / "prices.json"
    return Prices.load(path) if given or path.is_file() else None
