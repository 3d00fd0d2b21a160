"""Numpy's matrix products kept to one thread, for embeddings that compute with numpy."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from threadpoolctl import ThreadpoolController

_CHOSEN_BY: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_WORKERS: Final = 4


@cache
def one_blas_thread() -> None:
    """Keep numpy's BLAS to one thread from now on, unless the environment chose a number (``OPENBLAS_NUM_THREADS`` and its like).

    Two BLAS threads wait for each other actively. On two cores that other programs used as well, a text of 189 characters took 91 ms
    so, and 3.7 ms with one thread (idle: 3.0 and 4.2 ms). Giving the second thread back after each text wakes it again: 92 instead of
    45 ms of processor time a turn.

    Limits:
        The setting is the process's: other matrix products of the application run in one thread too. Set one of the variables to
        choose otherwise.
    """
    if not any(os.environ.get(name) for name in _CHOSEN_BY):
        libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
        for library in libraries:
            if "numpy" in str(library.filepath):  # FAISS brings one of its own
                library.set_num_threads(1)


def shares(texts: Sequence[str], least: int) -> list[Sequence[str]]:
    """Return texts in shares for the workers, each of ``least`` texts or more."""
    workers = min(_MOST_WORKERS, os.cpu_count() or 1, len(texts) // least)
    if workers < 2:
        return [texts]
    size = -(-len(texts) // workers)
    return [texts[start : start + size] for start in range(0, len(texts), size)]


@cache
def workers() -> ThreadPoolExecutor:
    """Return the threads that embed shares of a batch."""
    return ThreadPoolExecutor(_MOST_WORKERS, thread_name_prefix="memgpt-embedding")
