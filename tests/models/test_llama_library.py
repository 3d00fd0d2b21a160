"""llama.cpp's library: which package brings it, and what is refused rather than loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from memgpt_agent.errors import install_command
from memgpt_agent.models.llama_library import XLLAMACPP_VERSION, installed, load_library

SCRIPT = """
from memgpt_agent.errors import MissingDependency
from memgpt_agent.models.llama_library import installed, load_library
print(installed() or "none")
try:
    print(load_library().package)
except MissingDependency as error:
    print(error)
"""


def package(folder: Path, module: str, distribution: str, version: str, library: str = "") -> None:
    """Make a package of this name and version that shadows the installed one; ``library`` is a file that is no library."""
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text("raise ImportError('not to be imported')\n")
    if library:
        (folder / module / library).parent.mkdir(exist_ok=True)
        (folder / module / library).write_bytes(b"no library")
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")


def seen_with(folder: Path) -> list[str]:
    """Return what :data:`SCRIPT` prints where these packages come first."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{SCRIPT}"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_another_version_of_xllamacpp_is_not_loaded(tmp_path: Path) -> None:
    """Its structures may be laid out otherwise: it would load and answer wrongly. The error names the version and the command."""
    package(tmp_path, "xllamacpp", "xllamacpp", "2026.1.1", "xllamacpp.abi3.so")
    package(tmp_path, "llama_cpp", "llama-cpp-python", "0.0.1")
    found, said = seen_with(tmp_path)
    assert found == "none"
    assert f"xllamacpp 2026.1.1 is installed; only {XLLAMACPP_VERSION} is used" in said
    assert install_command("local") in said


def test_a_library_that_cannot_be_loaded_is_an_error_of_its_package(tmp_path: Path) -> None:
    """And the reason of each package that was tried is told."""
    package(tmp_path, "xllamacpp", "xllamacpp", XLLAMACPP_VERSION, "xllamacpp.abi3.so")
    package(tmp_path, "llama_cpp", "llama-cpp-python", "0.3.36", "lib/libllama.so")
    found, said = seen_with(tmp_path)
    assert found == f"xllamacpp {XLLAMACPP_VERSION}"
    assert f"llama.cpp of xllamacpp {XLLAMACPP_VERSION} cannot be loaded" in said
    assert "llama.cpp of llama-cpp-python 0.3.36 cannot be loaded" in said


@pytest.mark.local
def test_what_is_installed_is_what_is_loaded() -> None:
    """Looking loads nothing; loading gives the same package."""
    assert load_library().package == installed()
