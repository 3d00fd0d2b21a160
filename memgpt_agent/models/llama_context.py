"""One model in llama.cpp: tokens, evaluation, scores, and copies of its cache."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memgpt_agent.errors import ModelError
from memgpt_agent.models.llama_library import load_library

_KNOWS_NUMBERS = 50_000_000
"""A model with fewer parameters is one made for tests, which need not be able to count."""
_AT_ONCE = 512
"""Tokens of one evaluation: llama.cpp's own ``n_ubatch``."""


class LlamaContext:
    """One model file with one sequence of at most ``n_ctx`` tokens, and the tokens that its cache holds.

    Not safe for use by several threads at once.

    Raises:
        MissingDependency: no llama.cpp can be loaded.
        ModelError: llama.cpp cannot read the file, or what it answers shows that it was not understood.
    """

    def __init__(self, path: Path, *, n_ctx: int) -> None:
        self.library = load_library()
        self._call = call = self.library.call
        self._model = call.llama_model_load_from_file(str(path).encode(), call.llama_model_default_params())
        if not self._model:
            raise ModelError(f"{path} cannot be loaded by llama.cpp ({self.library.package}). Is it a whole GGUF file?")
        self._context = call.llama_init_from_model(self._model, self.library.context_params(n_ctx))
        if not self._context:
            call.llama_model_free(self._model)
            raise ModelError(f"llama.cpp cannot make a window of {n_ctx} tokens for {path.name}; is there memory enough?")
        self.n_ctx = n_ctx
        self.vocab = call.llama_model_get_vocab(self._model)
        self.vocab_size = int(call.llama_vocab_n_tokens(self.vocab))
        self.metadata = dict(self._metadata())
        self.tokens: list[int] = []
        self._check(path)

    def _check(self, path: Path) -> None:
        """Ask what is known: sizes that were set, a text there and back, and how counting continues."""
        call, known = self._call, self.tokenize("1 2 3 4 5 6 7 8")
        sizes = (call.llama_n_ctx(self._context) >= self.n_ctx, call.llama_n_batch(self._context) >= 1, self.vocab_size > 1)
        if not all(sizes) or b"".join(map(self.piece, known)).strip() != b"1 2 3 4 5 6 7 8":
            raise ModelError(f"llama.cpp of {self.library.package} was not understood for {path.name}: {sizes}.")
        if call.llama_model_n_params(self._model) < _KNOWS_NUMBERS or len(known) >= self.n_ctx:
            return
        self.evaluate(known)
        following = [*known, int(self.logits().argmax())]
        if len(known) > 8:  # where the space is a token of its own, the number comes after it
            self.evaluate(following[-1:])
            following += [int(self.logits().argmax())]
        self.keep(0)
        if b"9" not in b"".join(map(self.piece, following[len(known) :])):
            raise ModelError(f"{path.name} does not count on from 8 with {self.library.package}'s llama.cpp: it would answer wrongly.")

    def _metadata(self) -> Iterator[tuple[str, str]]:
        key, value = self._call.llama_model_meta_key_by_index, self._call.llama_model_meta_val_str_by_index
        for index in range(self._call.llama_model_meta_count(self._model)):
            yield self._text(key, index), self._text(value, index)

    def _text(self, function: Callable[..., int], index: int) -> str:
        """Return what a function writes of the model into a buffer; asked twice where the first is too small."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            needed = function(self._model, index, buffer, size)
            if needed < size:
                return buffer.raw[: max(needed, 0)].decode("utf-8", "replace")
            size = needed + 1

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Return the tokens of a text without one that begins a text; ``special``: markers are control tokens."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 2
        while True:
            tokens = (ctypes.c_int32 * room)()
            count = self._call.llama_tokenize(self.vocab, data, len(data), tokens, room, False, special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; nothing for a control token."""
        buffer = ctypes.create_string_buffer(64)
        count = self._call.llama_token_to_piece(self.vocab, token, buffer, 64, 0, False)
        if count < 0:
            buffer = ctypes.create_string_buffer(-count)
            count = self._call.llama_token_to_piece(self.vocab, token, buffer, -count, 0, False)
        return buffer.raw[:count]

    def ends(self, token: int) -> bool:
        """Whether a token ends what is generated."""
        return bool(self._call.llama_vocab_is_eog(self.vocab, token))

    def set_threads(self, threads: int) -> None:
        """Compute with so many threads from now on."""
        self._call.llama_set_n_threads(self._context, threads, threads)

    def keep(self, count: int) -> None:
        """Drop all but the first ``count`` tokens from the cache."""
        if not self._call.llama_memory_seq_rm(self._call.llama_get_memory(self._context), 0, count, -1):
            self._call.llama_memory_clear(self._call.llama_get_memory(self._context), True)
            count = 0
        del self.tokens[count:]

    def evaluate(self, tokens: list[int]) -> None:
        """Compute tokens that follow those in the cache; afterwards :meth:`logits` are of the last of them.

        Raises:
            ModelError: llama.cpp could not; the cache is empty then.
        """
        for start in range(0, len(tokens), _AT_ONCE):
            some = tokens[start : start + _AT_ONCE]
            array = (ctypes.c_int32 * len(some))(*some)
            code = self._call.llama_decode(self._context, self._call.llama_batch_get_one(array, len(some)))
            if code:
                self.keep(0)
                raise ModelError(f"llama.cpp could not evaluate the prompt (llama_decode returned {code}).")
            self.tokens += some

    def logits(self) -> Any:
        """Return (vocab_size,) float32: the scores of what may follow; a view, valid until the next evaluation."""
        import numpy as np

        return np.ctypeslib.as_array(self._call.llama_get_logits_ith(self._context, -1), shape=(self.vocab_size,))

    def state(self) -> Any:
        """Return a copy of the cache, or None where llama.cpp gives none."""
        size = self._call.llama_state_seq_get_size(self._context, 0)
        copy = (ctypes.c_uint8 * size)()
        return copy if self._call.llama_state_seq_get_data(self._context, copy, size, 0) else None

    def restore(self, copy: Any, tokens: list[int]) -> bool:
        """Put back a copy of the cache, which held these tokens; False where llama.cpp refuses it, and the cache is empty then."""
        self.keep(0)
        if not self._call.llama_state_seq_set_data(self._context, copy, len(copy), 0):
            self.keep(0)
            return False
        self.tokens[:] = tokens
        return True

    def close(self) -> None:
        """Give the memory back; nothing of it may be used afterwards."""
        if self._context:
            self._call.llama_free(self._context)
            self._call.llama_model_free(self._model)
            self._context = self._model = None
