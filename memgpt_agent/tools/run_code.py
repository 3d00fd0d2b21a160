"""The tool with which an agent runs Python in a sandbox; off by default: no files, no network, limits on everything."""

from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from memgpt_agent.errors import MissingDependency, install_command
from memgpt_agent.tools.definition import outside

MAX_CODE_CHARS = 20_000


def _sandbox() -> Any:
    """Return the sandbox's package.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import pydantic_monty
    except ImportError as error:
        raise MissingDependency(f"Running code needs pydantic-monty. Run: {install_command('tools')}") from error
    return pydantic_monty


def in_sandbox(code: str, *, timeout_seconds: float = 5.0, memory_bytes: int = 128 << 20) -> tuple[str, Any]:
    """Run code in the sandbox; return what it printed and the value of its last line.

    Raises:
        ToolException: it is empty or too long, failed, or used up its time or memory.
        MissingDependency: the sandbox is not installed.
    """
    monty = _sandbox()
    if not code.strip() or len(code) > MAX_CODE_CHARS:
        raise ToolException(f"The code has {len(code):,} characters; give from 1 to {MAX_CODE_CHARS:,}.")
    limits = {"max_feed_duration_secs": timeout_seconds, "max_memory": memory_bytes, "max_total_sleep_secs": timeout_seconds}
    printed = monty.CollectString(max_bytes=64 * 1024)
    try:
        with monty.Monty() as pool, pool.checkout(limits=limits) as session:
            value = session.feed_run(code, print_callback=printed)
    except monty.MontyError as error:
        so_far = f" Printed before: {printed.output}" if printed.output else ""
        raise ToolException(f"{error}.{so_far}") from error
    return printed.output, value


def run_code(*, timeout_seconds: float = 5.0, memory_bytes: int = 128 << 20) -> BaseTool:
    """Return the tool ``run_code``, to be given to an agent.

    The code runs in Monty, an interpreter of a safe part of Python in a process of its own: it has no files, no network, no
    environment, no packages, and is stopped when its time or its memory is used up. Each call begins with nothing.

    Args:
        timeout_seconds: for one call.
        memory_bytes: for one call.

    Raises:
        MissingDependency: pydantic-monty is not installed.

    **Limits**: a part of Python only: the language, ``math``, ``re``, ``json``, ``datetime`` and a few more modules.
    """
    _sandbox()

    def run_code(code: str) -> str:
        """Run Python code and see what it prints and the value of its last line. It has no files and no network.

        Args:
            code: The code; the value of an expression on the last line is shown.
        """
        printed, value = in_sandbox(code, timeout_seconds=timeout_seconds, memory_bytes=memory_bytes)
        parts = [printed.rstrip("\n")] if printed else []
        parts += [f"=> {value!r}"] if value is not None else []
        return outside("\n".join(parts) or "(nothing was printed)", "the code that you ran")

    return StructuredTool.from_function(run_code, parse_docstring=True)
