"""Bearer tokens: an append-only file of hashes, and checking a token."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memgpt_agent.errors import ConfigurationError, TokenNotFound
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.owners.identity import SCOPES, Identity, Scope
from memgpt_agent.private import new_private_file, tighten

PREFIX = "memgpt_"
"""Begins every token, so that scanners of repositories know one."""
_ID_CHARS = 8
_MAX_NAME_CHARS = 500
_MAX_CHARS = 200
"""A longer text is not a token and is not hashed."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token."""

    id: str
    """Names it in lists, and for revoking it; also a part of the token."""
    owner: str
    """For whom it speaks."""
    scopes: tuple[Scope, ...]
    """What it allows."""
    created: str
    """When it was made, ISO 8601, UTC."""
    expires: str = ""
    """When it stops to be good, ISO 8601, UTC; empty: never."""
    hash: str = ""
    """SHA-256 of the whole token, hexadecimal. The token has 256 random bits, so that no slower hash is needed."""


class Tokens:
    """The tokens of one file.

    Each line says that a token was made, or that one was revoked; nothing is ever rewritten, so that processes may add at once. The file
    belongs to its owner alone (0600). It is read again when it has changed: a token that is revoked is refused at the next request.

    Args:
        path: the file; it is made with the first token.
        clock: gives the time.
    """

    def __init__(self, path: Path, clock: Clock = utc_now) -> None:
        self._path, self._clock = path, clock
        self._read_at: tuple[int, int, int] | None = None
        self._known: dict[str, Token] = {}

    def create(self, owner: str, scopes: Iterable[Scope] = ("chat", "read"), expires: datetime | None = None) -> tuple[str, Token]:
        """Make a token; return it, which nobody can look up later, and what is kept of it.

        Raises:
            ConfigurationError: the owner has no name or one of more than 500 characters, there is no such scope, or the date is past or
                has no zone.
        """
        if len(owner) > _MAX_NAME_CHARS:
            raise ConfigurationError(f"An owner's name has {_MAX_NAME_CHARS} characters at most; got one of {len(owner):,}.")
        given = set(scopes)
        wanted: tuple[Scope, ...] = tuple(scope for scope in SCOPES if scope in given)
        if not wanted or given - set(SCOPES):
            raise ConfigurationError(f"The scopes are {', '.join(SCOPES)}; got {', '.join(map(str, given - set(SCOPES))) or 'none'}.")
        if expires is not None and (expires.tzinfo is None or expires <= self._clock()):
            raise ConfigurationError(f"A token cannot expire at {expires.isoformat()}: give a time to come, with a zone.")
        made = f"{PREFIX}{secrets.token_hex(_ID_CHARS // 2)}_{secrets.token_urlsafe(32)}"
        until = expires.astimezone(UTC).isoformat() if expires else ""
        kept = Token(_id_of(made), Identity(owner).name, wanted, self._clock().astimezone(UTC).isoformat(), until, _hash(made))
        self._add(asdict(kept))
        return made, kept

    def all(self) -> list[Token]:
        """Return the tokens that were made and not revoked, oldest first; expired ones too.

        Raises:
            ConfigurationError: a line of the file cannot be read.
        """
        self._read()
        return list(self._known.values())

    def revoke(self, token_id: str) -> Token:
        """Let a token be good no more.

        Raises:
            TokenNotFound: there is none of this id.
        """
        self._read()
        if token_id not in self._known:
            raise TokenNotFound(f"There is no token {token_id!r}. See `memgpt tokens list`.")
        self._add({"revoked": token_id, "at": self._clock().astimezone(UTC).isoformat()})
        return self._known[token_id]

    def identity(self, token: str) -> Identity | None:
        """Return for whom a token speaks; ``None`` if it is none of these, revoked or expired.

        What was sent is compared with a hash in constant time, also where no token of its id is there.

        Raises:
            ConfigurationError: a line of the file cannot be read: then nobody is let in.
        """
        if not token.startswith(PREFIX) or len(token) > _MAX_CHARS:
            return None
        self._read()
        known = self._known.get(_id_of(token))
        same = hmac.compare_digest(_hash(token), known.hash if known else _hash(PREFIX))
        if known is None or not same or (known.expires and datetime.fromisoformat(known.expires) <= self._clock()):
            return None
        return Identity(known.owner, frozenset(known.scopes))

    def _read(self) -> None:
        try:
            about = self._path.stat()
        except FileNotFoundError:
            self._known, self._read_at = {}, None
            return
        now = (about.st_mtime_ns, about.st_size, about.st_ino)
        if now == self._read_at:
            return
        tighten(self._path)
        known: dict[str, Token] = {}
        for number, line in enumerate(self._path.read_text("utf-8").splitlines(), 1):
            try:
                entry: dict[str, Any] = json.loads(line)
                if "revoked" in entry:
                    known.pop(entry["revoked"], None)
                else:
                    made = Token(**entry)
                    known[made.id] = replace(made, scopes=tuple(made.scopes))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ConfigurationError(f"Line {number} of {self._path} is damaged: {error}. Nobody is let in until it is mended.") from error
        self._known, self._read_at = known, now

    def _add(self, entry: dict[str, Any]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_private_file(self._path)
        line = (json.dumps(entry) + "\n").encode()
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line)  # one write: lines of processes that add at once do not mix
            os.fsync(file)
        finally:
            os.close(file)


def _id_of(token: str) -> str:
    return token[len(PREFIX) : len(PREFIX) + _ID_CHARS]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
