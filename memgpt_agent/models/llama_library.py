"""Loading llama.cpp's library from whichever package brings it, with ctypes bindings for the few functions used here."""

import ctypes
import importlib.metadata
import importlib.util
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memgpt_agent.errors import MissingDependency, install_command

XLLAMACPP_VERSION = "2026.10.11549"
"""The only version of xllamacpp whose library is used: another one may lay out its structures otherwise, load, and answer wrongly."""


_STRUCT_BYTES = 1_024
"""Room for any parameter structure of llama.h. By value a larger copy is harmless: the callee reads only what it knows."""
_DEFAULTS = (512, 2_048, 512)
"""``n_ctx``, ``n_batch``, ``n_ubatch`` in front of llama.cpp's default context parameters; otherwise their places are unknown."""

_P, _I, _B = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool


class _Opaque(ctypes.Structure):
    """A structure of llama.h of which only the front is read or written."""

    _fields_ = [("bytes", ctypes.c_uint8 * _STRUCT_BYTES)]


class _Batch(ctypes.Structure):
    """``llama_batch``: seven fields of a word each."""

    _fields_ = [("words", ctypes.c_uint64 * 7)]


class TokenDataArray(ctypes.Structure):
    """``llama_token_data_array``: what a sampler is asked about."""

    _fields_ = [("data", _P), ("size", ctypes.c_size_t), ("selected", ctypes.c_int64), ("sorted", _B)]


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, _P)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [_Log, _P]),
    "llama_model_default_params": (_Opaque, []),
    "llama_context_default_params": (_Opaque, []),
    "llama_model_load_from_file": (_P, [ctypes.c_char_p, _Opaque]),
    "llama_init_from_model": (_P, [_P, _Opaque]),
    "llama_free": (None, [_P]),
    "llama_model_free": (None, [_P]),
    "llama_model_n_params": (ctypes.c_uint64, [_P]),
    "llama_model_get_vocab": (_P, [_P]),
    "llama_vocab_n_tokens": (_I, [_P]),
    "llama_vocab_is_eog": (_B, [_P, _I]),
    "llama_model_meta_count": (_I, [_P]),
    "llama_model_meta_key_by_index": (_I, [_P, _I, ctypes.c_char_p, ctypes.c_size_t]),
    "llama_model_meta_val_str_by_index": (_I, [_P, _I, ctypes.c_char_p, ctypes.c_size_t]),
    "llama_tokenize": (_I, [_P, ctypes.c_char_p, _I, _P, _I, _B, _B]),
    "llama_token_to_piece": (_I, [_P, _I, ctypes.c_char_p, _I, _I, _B]),
    "llama_n_ctx": (ctypes.c_uint32, [_P]),
    "llama_n_batch": (ctypes.c_uint32, [_P]),
    "llama_set_n_threads": (None, [_P, _I, _I]),
    "llama_batch_get_one": (_Batch, [_P, _I]),
    "llama_decode": (_I, [_P, _Batch]),
    "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), [_P, _I]),
    "llama_get_memory": (_P, [_P]),
    "llama_memory_seq_rm": (_B, [_P, _I, _I, _I]),
    "llama_memory_clear": (None, [_P, _B]),
    "llama_state_seq_get_size": (ctypes.c_size_t, [_P, _I]),
    "llama_state_seq_get_data": (ctypes.c_size_t, [_P, _P, ctypes.c_size_t, _I]),
    "llama_state_seq_set_data": (ctypes.c_size_t, [_P, _P, ctypes.c_size_t, _I]),
    "llama_sampler_init_grammar": (_P, [_P, ctypes.c_char_p, ctypes.c_char_p]),
    "llama_sampler_apply": (None, [_P, ctypes.POINTER(TokenDataArray)]),
    "llama_sampler_accept": (None, [_P, _I]),
    "llama_sampler_free": (None, [_P]),
}
"""What is called, with the type that it returns and those that it takes; from llama.h of llama.cpp b11549."""


@dataclass(frozen=True)
class LlamaLibrary:
    """A loaded library; each function of :data:`_FUNCTIONS` is an attribute of ``call``."""

    package: str
    """Name and version of the package that brought it."""
    call: Any
    """The library."""

    def context_params(self, n_ctx: int) -> Any:
        """Return the parameters of a context for ``n_ctx`` tokens, all else as llama.cpp has it."""
        params = self.call.llama_context_default_params()
        struct.pack_into("<I", params.bytes, 0, n_ctx)
        return params


@cache
def no_llama_cpp() -> str:
    """Return what is said where no package with llama.cpp is installed."""
    return (
        "A local model needs llama.cpp, and no package with it is installed. "
        f"Run: {install_command('local')} (xllamacpp {XLLAMACPP_VERSION}, built already), "
        f"or where that has no wheel: {install_command('local-compiled')} (a C++ compiler and some minutes)."
    )


def load_library() -> LlamaLibrary:
    """Return llama.cpp: xllamacpp's where it can be used, else llama-cpp-python's; loaded once in a process.

    Raises:
        MissingDependency: neither package is there, or neither library can be used here; the error says why for each.
    """
    reasons: list[str] = []
    for found in (_xllamacpp, _llama_cpp_python):
        try:
            package, path = found()
            return _bound(package, path)
        except MissingDependency as error:
            reasons += [str(error)] if str(error) else []
    raise MissingDependency(" ".join(reasons) or no_llama_cpp())


def installed() -> str:
    """Return name and version of the package whose llama.cpp would be loaded; empty if there is none. Loads nothing."""
    for found in (_xllamacpp, _llama_cpp_python):
        try:
            return found()[0]
        except MissingDependency:
            continue
    return ""


def _xllamacpp() -> tuple[str, Path]:
    version, folder = _package("xllamacpp")
    if version != XLLAMACPP_VERSION:
        raise MissingDependency(f"xllamacpp {version} is installed; only {XLLAMACPP_VERSION} is used. Run: {install_command('local')}")
    if "avx2" not in _processor_flags("avx2"):
        raise MissingDependency("xllamacpp's llama.cpp needs a processor with AVX2, which this one lacks.")
    return f"xllamacpp {version}", _one(folder, ("xllamacpp*.so",))


def _llama_cpp_python() -> tuple[str, Path]:
    version, folder = _package("llama_cpp", "llama-cpp-python")
    return f"llama-cpp-python {version}", _one(folder / "lib", ("libllama.so", "libllama.dylib", "llama.dll"))


def _package(module: str, distribution: str | None = None) -> tuple[str, Path]:
    """Return version and folder of a package that is not imported for it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise MissingDependency
    try:
        return importlib.metadata.version(distribution or module), Path(spec.origin).parent
    except importlib.metadata.PackageNotFoundError:
        return "unknown", Path(spec.origin).parent


def _one(folder: Path, patterns: tuple[str, ...]) -> Path:
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    if not found:
        raise MissingDependency(f"There is no llama.cpp library in {folder.name} of this platform's package.")
    return found[0]


def _processor_flags(needed: str) -> str:
    """Return the processor's feature flags; ``needed`` itself where they cannot be read or do not apply."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return needed
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return needed
    return next((line for line in lines if line.startswith("flags")), needed)


def _bound(package: str, path: Path) -> LlamaLibrary:
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except OSError as error:
        needed = " It needs libgomp.so.1: install libgomp1 (Debian, Ubuntu) or libgomp (Fedora)." if "libgomp" in str(error) else ""
        raise MissingDependency(f"llama.cpp of {package} cannot be loaded: {error}.{needed}") from error
    except AttributeError as error:
        raise MissingDependency(f"llama.cpp of {package} lacks a function that is called here: {error}.") from error
    library.llama_log_set(_SILENT, None)
    library.llama_backend_init()
    front = struct.unpack_from("<3I", library.llama_context_default_params().bytes, 0)
    if front != _DEFAULTS or sys.byteorder != "little":
        raise MissingDependency(f"llama.cpp of {package} has other structures than are known here ({front} for {_DEFAULTS}).")
    return LlamaLibrary(package, library)


def _say_nothing(level: int, text: bytes, data: Any) -> None:
    """Drop what llama.cpp says of its work."""


_SILENT = _Log(_say_nothing)
"""Kept here: a callback that is collected would be called all the same."""
