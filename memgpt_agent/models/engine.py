"""One GGUF file loaded in this process: tokens, generation under a grammar, scored choices, a cache of prefixes."""

import ctypes
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from memgpt_agent.errors import ModelError, ModelNotFound
from memgpt_agent.models.llama_context import LlamaContext
from memgpt_agent.models.llama_library import TokenDataArray

LOCK_TIMEOUT_SECONDS = 600.0
"""How long a call waits for the model while another one is being answered."""

_SNAPSHOT_TOKENS = 96
"""Fewer cached tokens than this are computed again sooner than kept: about a second on two cores."""
_SNAPSHOTS = 6

_engines: dict[tuple[str, int], "LlamaEngine"] = {}
_engines_lock = threading.Lock()


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; a temperature of 0 always takes the likeliest one."""

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 7
    stop: tuple[str, ...] = ()


@dataclass
class Usage:
    """What one call cost, in tokens; ``cached`` of the prompt's tokens were not computed again."""

    prompt: int = 0
    cached: int = 0
    output: int = 0
    finish: str = "stop"


@dataclass
class _Snapshot:
    tokens: list[int]
    state: Any = field(repr=False)


def physical_cores() -> int:
    """Return the cores this process may use, hardware threads of one core counted once where Linux tells them apart."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings: set[str] = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text(encoding="ascii").strip())
        except OSError:
            siblings.add(str(cpu))
    return max(1, len(siblings))


def free_cores(cores: int) -> int:
    """Return how many of the cores nobody else is using at this moment, 1 at least; all of them where it cannot be seen.

    Threads of llama.cpp wait for each other in a loop: with two threads on two cores of which one was taken, a step
    that costs 1 second alone was measured at 40 seconds.
    """
    try:
        running = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return cores
    return max(1, min(cores, cores - (running - 1)))  # one of those running is this process


def load_engine(path: Path, *, n_ctx: int, n_threads: int | None = None) -> "LlamaEngine":
    """Return the engine of a file; the same file and window are loaded once in a process.

    Raises:
        ModelNotFound: there is no such file.
        MissingDependency: no package with llama.cpp is installed, or none that works here.
        ModelError: llama.cpp cannot read the file.
    """
    key = (str(path.resolve()), n_ctx)
    with _engines_lock:
        if key not in _engines:
            _engines[key] = LlamaEngine(path, n_ctx=n_ctx, n_threads=n_threads)
        return _engines[key]


class LlamaEngine:
    """A loaded model with one sequence and one lock: calls are answered one after another.

    **Limits**: one conversation at a time; a stream holds the lock until it is read to its end or closed.
    """

    def __init__(self, path: Path, *, n_ctx: int, n_threads: int | None = None) -> None:
        if not path.is_file():
            raise ModelNotFound(f"No model file at {path}. Give the path of a .gguf file, or run: memgpt model pull")
        self._threads, self._threads_fixed = n_threads or min(physical_cores(), 8), n_threads is not None
        self._llama = LlamaContext(path, n_ctx=n_ctx)
        self.path = path
        self.n_ctx = n_ctx
        self.metadata = self._llama.metadata
        self._lock = threading.Lock()
        self._snapshots: list[_Snapshot] = []

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Return the tokens of a text; markers such as ``<|im_end|>`` are control tokens only where ``special``."""
        return self._llama.tokenize(text, special=special)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, by the model's own tokenizer."""
        return len(self.tokenize(text))

    def generate(
        self,
        prompt: Sequence[int],
        *,
        grammar: str | None = None,
        sampling: Sampling | None = None,
        usage: Usage | None = None,
    ) -> Iterator[str]:
        """Yield the answer's text, piece by piece; whole characters only, never a part of a stop text.

        Raises:
            ModelError: the prompt does not fit the window, or the model was busy for too long.
        """
        sampling, usage = sampling or Sampling(), usage or Usage()
        with self._exclusive():
            self._prefill(prompt, usage)
            limit = min(sampling.max_tokens, self.n_ctx - len(prompt) - 1)
            yield from _whole_text(self._pieces(grammar, sampling, usage, limit), sampling.stop, usage)

    def choose(self, prompt: Sequence[int], options: Sequence[str], *, usage: Usage | None = None) -> list[float]:
        """Return each option's probability of being what comes next; they sum to 1.

        Options are told apart by their first tokens, so the whole choice costs one evaluation of the prompt.

        Raises:
            ModelError: two options begin with the same token.
        """
        import numpy as np

        first = [self.tokenize(option)[0] for option in options]
        if len(set(first)) != len(first):
            raise ModelError(f"These options begin with the same token and cannot be told apart: {list(options)}.")
        usage = usage or Usage()
        with self._exclusive():
            self._prefill(prompt, usage)
            scores = self._llama.logits()[first].astype(np.float64)
        usage.output += 1
        weights = np.exp(scores - scores.max())
        return [float(w) for w in weights / weights.sum()]

    @contextmanager
    def _exclusive(self) -> Generator[None]:
        # A plain lock: a stream may be ended by another thread than the one that began it.
        if not self._lock.acquire(timeout=LOCK_TIMEOUT_SECONDS):
            raise ModelError(
                f"The local model was busy for {LOCK_TIMEOUT_SECONDS:.0f} seconds. Try again, or use fewer agents."
            )
        try:
            yield
        finally:
            self._lock.release()

    def _prefill(self, prompt: Sequence[int], usage: Usage) -> None:
        """Bring the cache to hold exactly the prompt, computing only what no cached prefix covers."""
        if not prompt or len(prompt) >= self.n_ctx:
            raise ModelError(f"A prompt of {len(prompt)} tokens does not fit a context window of {self.n_ctx} tokens.")
        self._use_free_cores()
        live = list(self._llama.tokens)
        keep = _common(live, prompt)
        self._remember(live, keep)
        best = max(self._snapshots, key=lambda s: _common(s.tokens, prompt), default=None)
        if best and _common(best.tokens, prompt) >= keep + _SNAPSHOT_TOKENS:
            keep = self._restore(best, prompt)
        keep = min(keep, len(prompt) - 1)  # the last token is always computed: its logits are what is sampled
        self._llama.keep(keep)
        self._llama.evaluate(list(prompt[keep:]))
        usage.prompt += len(prompt)
        usage.cached += keep

    def _use_free_cores(self) -> None:
        self._llama.set_threads(self._threads if self._threads_fixed else free_cores(self._threads))

    def _remember(self, live: list[int], keep: int) -> None:
        """Keep a copy of the cache before a good part of it is dropped: another prompt will want it back."""
        if len(live) - keep < _SNAPSHOT_TOKENS or any(_common(s.tokens, live) == len(live) for s in self._snapshots):
            return
        state = self._llama.state()
        if state is not None:
            covered = [s for s in self._snapshots if _common(s.tokens, live) == len(s.tokens)]
            self._snapshots = [s for s in self._snapshots if s not in covered][-_SNAPSHOTS + 1 :]
            self._snapshots.append(_Snapshot(live, state))

    def _restore(self, snapshot: _Snapshot, prompt: Sequence[int]) -> int:
        """Put a copy back; return how many of the prompt's tokens it covers, 0 if llama.cpp refused it."""
        if not self._llama.restore(snapshot.state, snapshot.tokens):
            return 0
        self._snapshots.remove(snapshot)
        self._snapshots.append(snapshot)
        return _common(snapshot.tokens, prompt)

    def _pieces(self, grammar: str | None, sampling: Sampling, usage: Usage, limit: int) -> Iterator[bytes]:
        with _Sampler(self._llama, grammar, sampling) as sampler:
            for _ in range(limit):
                token = sampler.next(self._llama.logits())
                if self._llama.ends(token):
                    return
                usage.output += 1
                yield self._llama.piece(token)
                self._llama.evaluate([token])
        usage.finish = "length"


class _Sampler:
    """Draws tokens; the grammar is asked about the likeliest token first and about all of them only if it refuses that one.

    Applying a grammar to a whole vocabulary of 150,000 tokens costs more than computing the next token does.
    """

    def __init__(self, llama: LlamaContext, grammar: str | None, sampling: Sampling) -> None:
        self._call, self._sampling = llama.library.call, sampling
        self._grammar: Any = None
        if grammar is not None:
            self._grammar = self._call.llama_sampler_init_grammar(llama.vocab, grammar.encode(), b"root")
            if not self._grammar:
                raise ModelError(f"llama.cpp refuses the grammar made of the tools' schemas:\n{grammar}")
        import numpy as np

        self._random: Any = np.random.default_rng(sampling.seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._grammar:
            self._call.llama_sampler_free(self._grammar)

    def next(self, logits: Any) -> int:
        token = self._draw(logits)
        if self._grammar:
            if not self._allowed([token], logits):
                allowed = self._allowed(range(len(logits)), logits)
                if not allowed:
                    raise ModelError("The grammar admits no next token; this is a bug of the grammar.")
                token = allowed[int(self._draw(logits[allowed]))]
            self._call.llama_sampler_accept(self._grammar, token)
        return token

    def _draw(self, logits: Any) -> int:
        import numpy as np

        if self._sampling.temperature <= 0:
            return int(logits.argmax())
        weights = np.exp((logits - logits.max()).astype(np.float64) / self._sampling.temperature)
        weights /= weights.sum()
        order = np.argsort(-weights)
        kept = order[: int(np.searchsorted(np.cumsum(weights[order]), self._sampling.top_p)) + 1]
        return int(self._random.choice(kept, p=weights[kept] / weights[kept].sum()))

    def _allowed(self, tokens: Sequence[int], logits: Any) -> list[int]:
        """Return those of the tokens that the grammar admits now."""
        import numpy as np

        kind = np.dtype([("id", np.intc), ("logit", np.single), ("p", np.single)])
        ids = np.fromiter(tokens, dtype=np.intc)
        table = np.zeros(len(ids), dtype=kind)
        table["id"], table["logit"] = ids, logits[ids]
        array = TokenDataArray(data=table.ctypes.data, size=len(table), selected=-1, sorted=False)
        self._call.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return [int(i) for i in table["id"][np.isfinite(table["logit"])]]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two sequences share from the start."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def _whole_text(pieces: Iterator[bytes], stop: tuple[str, ...], usage: Usage) -> Iterator[str]:
    """Yield decoded text: half a character waits for its rest, a possible beginning of a stop text for what follows."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    held = ""
    for piece in pieces:
        held += decoder.decode(piece)
        found = [held.index(s) for s in stop if s in held]
        if found:
            usage.finish = "stop"
            if text := held[: min(found)]:
                yield text
            return
        wait = max((n for s in stop for n in range(1, len(s)) if held.endswith(s[:n])), default=0)
        if text := held[: len(held) - wait]:
            yield text
        held = held[len(held) - wait :]
    if held:
        yield held
