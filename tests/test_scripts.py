"""The scripts that build, lock and write documents."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def load(name: str) -> ModuleType:
    """Import a script by its file."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("  [49/98] Building CXX object vendor/llama.cpp/src/llama.cpp.o", 0.5),
        ("  [ 25%] Building C object ggml/src/ggml.c.o", 0.25),
        ("  [100%] Built target llama", 1.0),
        ("  -- Configuring done (0.4s)", 0.0),
        ("  [0/0] nothing", 0.0),
    ],
)
def test_the_share_compiled_is_read_from_ninja_and_from_make(line: str, share: float) -> None:
    """Both builders say how far they are; other lines say nothing."""
    assert load("build_llama").share(line) == share


def test_a_caller_may_set_the_compiler_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """CMAKE_ARGS from outside beats ours, for a machine with a graphics card."""
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=on")
    assert load("build_llama").environment()["CMAKE_ARGS"] == "-DGGML_CUDA=on"


def test_the_tree_stands_between_its_markers_and_nothing_else_changes() -> None:
    """Writing it twice is writing it once."""
    script = load("file_tree")
    readme = f"# Title\n\n{script.BEGIN}\nold\n{script.END}\n\nThe end.\n"
    once = script.with_tree(readme, "package/\n")
    assert once == f"# Title\n\n{script.BEGIN}\n```\npackage/\n```\n{script.END}\n\nThe end.\n"
    assert script.with_tree(once, "package/\n") == once


def test_a_readme_without_a_place_for_the_tree_is_refused() -> None:
    """The error names the missing line."""
    script = load("file_tree")
    with pytest.raises(ValueError, match="put it where the file tree stands"):
        script.with_tree("# Title\n", "package/\n")


def test_the_tree_names_files_before_folders_each_with_its_first_line(tmp_path: Path) -> None:
    """A folder's line is its __init__'s."""
    package = tmp_path / "zoo"
    (package / "birds").mkdir(parents=True)
    (package / "__init__.py").write_text('"""All animals."""\n')
    (package / "cat.py").write_text('"""A cat.\n\nMore of it.\n"""\n')
    (package / "birds" / "__init__.py").write_text('"""What flies."""\n')
    assert load("file_tree").render(package) == "zoo/      All animals.\n  cat.py  A cat.\n  birds/  What flies.\n"


def test_a_lock_section_holds_what_its_packages_bring_in_and_no_package_twice() -> None:
    """A second section has only what the first did not."""
    script = load("lock")
    seen: set[str] = set()
    first = dict(script.closure([Requirement("rich")], seen))
    assert {"rich", "markdown-it-py", "mdurl", "pygments"} <= set(first)
    assert dict(script.closure([Requirement("rich"), Requirement("iniconfig")], seen)).keys() == {"iniconfig"}


def test_a_mutant_is_judged_by_the_tests_that_reach_its_lines_and_those_of_its_own_file_come_first() -> None:
    """Then the quickest; one whose lines nothing is known to reach by those of the line above, or of its function."""
    script = load("mutants")

    class Reached:
        def contexts_by_lineno(self, path: str) -> dict[int, list[str]]:
            assert path.endswith("memgpt_agent/nodes/pages.py")
            return {11: ["tests/test_b.py::b|run", "tests/test_b.py::c|setup", "tests/test_pages.py::p|run", ""], 14: ["tests/test_b.py::b|run"]}

    def judged_by(*lines: int) -> list[str]:
        mutant = script.Mutant("memgpt_agent/nodes/pages.py", range(lines[0], lines[-1] + 1), range(10, 16), "name", "code")
        return script.tests_for(mutant, Reached(), {"tests/test_b.py::b": 2.0, "tests/test_b.py::c": 1.0, "tests/test_pages.py::p": 3.0})

    everything = ["tests/test_pages.py::p", "tests/test_b.py::c", "tests/test_b.py::b"]
    assert judged_by(11) == judged_by(12) == judged_by(11, 14) == judged_by(10) == everything
    assert judged_by(14) == ["tests/test_b.py::b"]
