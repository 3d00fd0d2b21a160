"""The names of the graph's nodes, for wiring, routers, readers of a run, and Studio's form."""

from typing import Final

COMPILE_CONTEXT: Final = "compile_context"
"""Receives what came in and compiles what the model sees."""
CALL_LLM: Final = "call_llm"
"""Calls the model once."""
EXECUTE_TOOLS: Final = "execute_tools"
"""Carries out the tool calls of the model's answer."""
SUMMARIZE_OVERFLOW: Final = "summarize_overflow"
"""Evicts the oldest messages and summarises them."""
