"""The acting identity: a name with scopes, and the agent ids that belong to that name alone."""

import hashlib
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import quote, unquote_to_bytes

from memgpt_agent.errors import ConfigurationError

Scope = Literal["chat", "read", "admin"]
"""What an identity may do: talk to its agents and change them, look into them, or everything with everybody's."""
SCOPES: tuple[Scope, ...] = ("chat", "read", "admin")
SCOPE_PREFIX = "memgpt:"
"""Stands before a scope among a server's permissions, so that another program's ``admin`` is not ours."""
_PLAIN_CHARS = 150
"""A longer name, or its quoted form if that is longer, is hashed: an agent's id has 200 characters at most."""


@dataclass(frozen=True)
class Identity:
    """Who acts. A server makes it of its authenticated user, an embedding program of what it knows; never of what a client may write.

    ``None`` in place of an identity means that nothing is configured: one person, who may do everything.

    Raises:
        ConfigurationError: the name is empty, or no text. A user without a name is one who is not known.
    """

    name: str
    """The owner's name, exactly as it is: ``Ann`` and ``ann`` are two."""
    scopes: frozenset[Scope] = frozenset({"chat", "read"})
    """What it may do."""

    def __post_init__(self) -> None:
        name = cast(object, self.name)  # a program's login may have given it nothing
        if not isinstance(name, str) or not name.strip():
            got = "an empty one" if isinstance(name, str) else repr(name)
            raise ConfigurationError(f"An owner needs a name; got {got}. Somebody who is not logged in has no agent of their own.")

    @classmethod
    def of(cls, given: "Identity | str | None") -> "Identity | None":
        """Return an identity as it is, or one of a name with the scopes that everybody has."""
        return cls(given) if isinstance(given, str) else given

    @property
    def may_change(self) -> bool:
        """Whether it may do more than look."""
        return bool(self.scopes & {"chat", "admin"})

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything with everybody's agents."""
        return "admin" in self.scopes

    @property
    def agent_id(self) -> str:
        """The id of the one agent that this owner has without naming any."""
        return agent_id_for(self.name)

    def agent_named(self, name: str) -> str:
        """Return the id of an agent of this owner by a name that is the owner's to choose."""
        return f"{self._space}/{name}"

    def has(self, agent_id: str) -> bool:
        """Whether an id is by its form this owner's and can be nobody else's."""
        return agent_id == self.agent_id or (agent_id.startswith(f"{self._space}/") and len(agent_id) > len(self._space) + 1)

    @property
    def marks(self) -> tuple[str, str, str]:
        """The marks by which a database knows this owner's rows: its one agent, its other agents by the form of their ids, its name."""
        one, others = (quote(text, safe="").replace(".", "%2E").replace("~", "%7E") for text in (self.agent_id, f"{self._space}/"))
        return f"is:{one}", f"under:{others}", f"named:{_hash(self.name)}"

    @property
    def _space(self) -> str:
        quoted = quote(self.name.encode("utf-8", "surrogatepass"), safe=" @|:=+,")
        return f"owner:{quoted}" if len(quoted) <= _PLAIN_CHARS else f"owner#{_hash(self.name)}"


def agent_id_for(user: str) -> str:
    """Return the id of a user's one agent: the same for the same string always, another for every other string.

    It is ``user:`` and the string, as the memory scope ``user`` has always had it; where the string has a ``~``, a character that cannot
    be printed, or more than 150 characters, it is ``user#`` and the string's SHA-256.

    Raises:
        ConfigurationError: it is empty, blank, or no text.
    """
    Identity(user)
    plain = user.isprintable() and "~" not in user and len(user) <= _PLAIN_CHARS
    return f"user:{user}" if plain else f"user#{_hash(user)}"


def owner_by_form(agent_id: str) -> str:
    """Return whose an id is by its form; empty if it is nobody's, or where a hash stands for the name."""
    kind, _, rest = agent_id.partition(":")
    name = rest if kind == "user" else unquote_to_bytes(rest.partition("/")[0]).decode("utf-8", "surrogatepass") if kind == "owner" else ""
    return name if name.strip() and Identity(name).has(agent_id) else ""


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
