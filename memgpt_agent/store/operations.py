"""The store's operations, split and checked before anything is read or written."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from langgraph.store.base import GetOp, ListNamespacesOp, Op, PutOp, SearchOp
from langgraph.store.base import validate_op_namespace as check_labels

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.fields import FieldText, texts_at
from memgpt_agent.store.filters import Filter, check_filter, is_plain_key
from memgpt_agent.store.protocol import Check, Dialogue, Namespace, SearchMode, StoredSize
from memgpt_agent.text.cues import in_first_person
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.text.words import terms_of

Vectors = Mapping[str, Floats]
"""A unit row for each text."""
AS_SAID = 0.4
"""The share of a query in the first person in the vector that is looked for, where it names one person (ADR 0221)."""


TEXTS_BESIDE_AGENTS = frozenset({("blocks",), ("block_history",)})
"""Namespaces of one label that hold texts. The others hold what agents are made of, owners and leases: names, which are no secrets."""


class Write(NamedTuple):
    """One item to be written, or deleted (``value`` is None), with all that can be worked out before the transaction."""

    namespace: Namespace
    key: str
    value: str | None
    """As the store's ``encode`` wrote it."""
    paths: tuple[str, ...] = ()
    """What is indexed of it; empty: nothing."""
    texts: Sequence[FieldText] = ()
    """The texts there."""
    words: Sequence[str] = ()
    """What they are found by words with."""
    length: int = 0
    """How many words they have."""
    ttl_minutes: float | None = None
    """How long it lives."""
    fields: Mapping[str, Any] = {}
    """The texts, numbers and lists of the value's first level, as they were when the write was planned."""


class PreparedBatch(NamedTuple):
    """A batch: its operations, the writes among them (the last for each key), and what needs a vector: texts and queries."""

    ops: Sequence[Op]
    writes: Sequence[Write]
    texts: Sequence[str]
    queries: Sequence[str]


class Find(NamedTuple):
    """What ``find`` is asked."""

    namespace: Namespace
    query: str
    mode: SearchMode
    filter: Filter | None
    limit: int
    offset: int
    near: str | Dialogue | None = None
    as_said: str = ""
    """The query as the person would say it whom it names; empty if it names nobody, or several."""

    def checked(self) -> "Find":
        """Return it if it can be answered.

        Raises:
            ConfigurationError: the mode is unknown, a number negative, or ``near`` no plain name of a field.
            ValueError: the filter has an operator that no store knows.
        """
        _check(self.namespace, self.filter, self.limit, self.offset)
        if self.mode not in ("hybrid", "words", "meaning"):
            raise ConfigurationError(f"A search has no mode {self.mode!r}. Use 'hybrid', 'words' or 'meaning'.")
        for name in self.near.fields if isinstance(self.near, Dialogue) else filter(None, [self.near]):
            if not is_plain_key(name):
                raise ConfigurationError(f"near={name!r} is not the name of a field. Give the name of a field of the value.")
        return self

    @property
    def texts(self) -> list[str]:
        """The query, where it needs a vector, and as it would be said."""
        return [text for text in (self.query, self.as_said) if text] if self.mode != "words" and self.query.strip() else []

    def in_their_words(self, name: Callable[["Find"], str | None]) -> "Find":
        """Return it with the query in the first person, where it is about a dialogue and ``name`` gives the one person whom it names."""
        named = name(self) if isinstance(self.near, Dialogue) and self.texts else None
        said = in_first_person(self.query, named) if named else self.query
        return self if said == self.query else self._replace(as_said=said)

    def vector(self, vectors: Mapping[str, Floats]) -> Floats | None:
        """Return the unit vector that is looked for: the query's, drawn towards what the person would say whom it names."""
        own, said = vectors.get(self.query), vectors.get(self.as_said)
        if own is None or said is None:
            return own
        both = (1 - AS_SAID) * own + AS_SAID * said
        return np.asarray(both / np.linalg.norm(both), np.float32)


class Newest(NamedTuple):
    """What ``newest`` is asked."""

    namespace: Namespace
    by: str
    filter: Filter | None
    limit: int
    offset: int

    def checked(self) -> "Newest":
        """Return it if it can be answered.

        Raises:
            ConfigurationError: a number is negative, or the field's name holds a quote or a backslash.
            ValueError: the filter has an operator that no store knows.
        """
        _check(self.namespace, self.filter, self.limit, self.offset)
        if not self.by or any(char in self.by for char in "\"'\\") or not self.by.isprintable():
            raise ConfigurationError(f"Items cannot be ordered by {self.by!r}. Give the name of a field of the value.")
        return self


def _check(namespace: Namespace, filter: Filter | None, limit: int, offset: int) -> None:
    check_labels(GetOp(namespace, ""))
    check_filter(filter)
    if limit < 0 or offset < 0:
        raise ConfigurationError(f"A search with limit={limit} and offset={offset}: neither may be negative.")


class BatchPreparer:
    """Takes batches apart.

    Args:
        fields: the paths that are indexed where a put names none.
        encode: writes a value as the text that the store keeps; raises ValueNotStorable.
    """

    def __init__(self, fields: Sequence[str], encode: Callable[[Mapping[str, Any]], str]) -> None:
        self._fields = tuple(fields)
        self._encode = encode
        self._redactor: Redactor | None = None
        self._check: Check | None = None

    def checking(self, check: Check) -> "BatchPreparer":
        """Return one that has each batch's puts looked at before anything is written."""
        made = copy.copy(self)
        made._check = check
        return made

    def redacting(self, redactor: Redactor) -> "BatchPreparer":
        """Return one that keeps out of values what is never stored."""
        made = copy.copy(self)
        made._redactor = redactor
        return made

    def prepare(self, ops: Iterable[Op]) -> PreparedBatch:
        """Return the plan of a batch.

        Raises:
            ValueError: an operation, a namespace or a filter that no store knows.
            ValueNotStorable: a value is not JSON.
        """
        ops = list(ops)
        last: dict[tuple[Namespace, str], PutOp] = {}
        queries: list[str] = []
        labels: set[Namespace] = set()
        for op in ops:
            if isinstance(op, PutOp):
                if op.namespace not in labels:
                    check_labels(op)
                    labels.add(op.namespace)
                last[op.namespace, op.key] = op
                continue
            check_labels(op)
            if isinstance(op, SearchOp):
                check_filter(op.filter)
                if op.query:
                    queries.append(op.query)
            elif not isinstance(op, GetOp | ListNamespacesOp):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"Unknown operation type: {type(op)}")
        writes = [self._write(op) for op in last.values()]
        if self._check is not None and any(write.value is not None for write in writes):
            self._check([StoredSize(write.namespace, write.key, len(write.value.encode())) for write in writes if write.value is not None])
        texts = dict.fromkeys([field.text for write in writes for field in write.texts if field.embed])
        return PreparedBatch(ops, writes, list(texts), queries)

    def prepare_put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | Sequence[str] | None,
        ttl: Any,
    ) -> PreparedBatch:
        """Return the plan of one put."""
        return self.prepare(
            [PutOp(namespace, key, dict(value), index if index is None or index is False else list(index), ttl)]
        )

    def _write(self, op: PutOp) -> Write:
        if op.value is None:
            return Write(op.namespace, op.key, None)
        bears_text = len(op.namespace) > 1 or op.namespace in TEXTS_BESIDE_AGENTS
        value: Mapping[str, Any] = self._redactor.in_value(op.value) if self._redactor and bears_text else op.value
        paths = () if op.index is False else self._fields if op.index is None else tuple(op.index)
        text = self._encode(value)
        texts = texts_at(value, paths) if paths else ()
        words, length = terms_of("\n".join([field.text for field in texts])) if texts else ((), 0)
        return Write(op.namespace, op.key, text, paths, texts, words, length, op.ttl, _first_level(value))


def _first_level(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what declared fields may be read from, safe from what the caller does to the value later."""
    return {
        name: tuple(cast("Sequence[Any]", one)) if isinstance(one, list | tuple) else one
        for name, one in value.items()
        if isinstance(one, str | int | float | list | tuple)
    }
