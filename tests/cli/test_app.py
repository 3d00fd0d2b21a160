"""The command tree as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

HELP_PROGRAM = """
import sys
from memgpt_agent.cli import main
sys.argv = ["memgpt", "--help"]
try:
    main()
except SystemExit as leaving:
    heavy = {"langgraph", "langchain_core", "langchain_openai", "faiss", "numpy", "onnxruntime", "tiktoken"}
    loaded = {name.split(".")[0] for name in sys.modules}
    print("LOADED:", sorted(heavy & loaded), "CODE:", leaving.code)
"""


def test_help_loads_nothing_heavy() -> None:
    """`memgpt --help` imports neither LangGraph nor LangChain nor a model runtime."""
    result = subprocess.run([sys.executable, "-c", HELP_PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert "LOADED: [] CODE: 0" in result.stdout


def test_help_costs_little_more_than_the_libraries_that_it_is_made_of() -> None:
    """`memgpt --help` takes less than four times the processor time of importing Typer, Rich and Pydantic, the best of three each."""
    import resource

    def seconds(program: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(seconds(HELP_PROGRAM), seconds("import typer, rich.console, pydantic; pydantic.BaseModel")) for _ in range(3)]
    ours, theirs = map(min, zip(*pairs, strict=True))
    assert ours < 4 * theirs, (ours, theirs)


def test_the_version_is_the_distributions(memgpt) -> None:
    """`--version` names the distribution and its version."""
    from importlib.metadata import version

    assert memgpt.ok("--version") == f"memgpt-agent {version('memgpt-agent')}\n"


def test_an_error_is_one_line_and_exit_code_1(memgpt) -> None:
    """An error of ours has no traceback, and says what to do next."""
    result = memgpt("memory", "show", "--agent", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "AgentNotFound: There is no agent 'nobody'. The agents are: none. Start one: memgpt chat --agent nobody\n"
    )


def test_debug_shows_the_traceback(memgpt) -> None:
    """With --debug the error itself comes out."""
    result = memgpt("--debug", "memory", "show")
    assert type(result.exception).__name__ == "AgentNotFound"


def test_looking_makes_no_folder(memgpt) -> None:
    """Listing the agents of an empty home leaves it unmade."""
    assert memgpt.ok("agents", "list") == "No agent yet. Start one: memgpt chat\n"
    assert not memgpt.home.exists()


def test_home_is_an_option(memgpt, tmp_path: Path) -> None:
    """`--home` names the data folder of this command."""
    from memgpt_agent.testing import say

    memgpt.script(say("Hello."))
    memgpt.ok("--home", str(tmp_path / "other"), "run", "Hi")
    assert (tmp_path / "other" / "memory.db").exists()
    assert not memgpt.home.exists()


def test_a_home_that_is_a_file_is_told_in_one_line(memgpt, tmp_path: Path) -> None:
    """What the file system refuses is no traceback either."""
    (tmp_path / "taken").write_text("")
    result = memgpt("--home", str(tmp_path / "taken"), "run", "Hi")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "taken" in result.stderr


@pytest.mark.parametrize("command", [["chat"], ["run"], ["memory", "show"], ["memory", "search"], ["load"], ["agents", "list"], ["doctor"]])
def test_every_command_has_help(memgpt, command: list[str]) -> None:
    """`--help` works behind each command."""
    assert "Usage: memgpt" in memgpt.ok(*command, "--help")
