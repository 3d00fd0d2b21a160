"""Authenticating a client, by one of our tokens or by a JWT of the configured identity provider; and the models it may choose."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingDependency, NotAllowed, install_command
from memgpt_agent.owners.identity import SCOPE_PREFIX, SCOPES, Identity, Scope
from memgpt_agent.owners.tokens import PREFIX, Tokens

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by key pairs only: a shared secret, or no signature, is never taken for one."""
_MAX_CHARS = 16_384
_KEYS_TIMEOUT_SECONDS = 10
_LEEWAY_SECONDS = 30


class Credentials:
    """Tells who sent a request.

    Args:
        settings: where the tokens are, and which identity provider is trusted.

    Raises:
        ConfigurationError: the settings of the identity provider are not whole.
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = Tokens(settings.tokens_path)
        self._issuer, self._audience = settings.oidc_issuer, settings.oidc_audience
        given = [self._issuer, self._audience, settings.oidc_keys_url]
        if any(given) and not all(given):
            raise ConfigurationError(
                "A provider of identities needs all of MEMGPT_OIDC_ISSUER, MEMGPT_OIDC_AUDIENCE and MEMGPT_OIDC_KEYS_URL; "
                "without an audience, a token that was made for another program would be taken."
            )
        self._keys = _keys(settings.oidc_keys_url) if all(given) else None

    def identity(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who sent a request with these headers (lower case), by ``authorization: Bearer ...`` or ``x-api-key``; ``None``: nobody known.

        It may wait for the provider's keys: call it in a thread.
        """
        scheme, _, sent = headers.get("authorization", "").strip().partition(" ")
        token = sent.strip() if scheme.lower() == "bearer" else "" if scheme else headers.get("x-api-key", "").strip()
        if token.startswith(PREFIX):
            return self._tokens.identity(token)
        return self._by_jwt(token) if token and self._keys is not None else None

    def _by_jwt(self, token: str) -> Identity | None:
        """Return whom a JWT speaks for: its ``sub``, with the scopes ``memgpt:...`` of its ``scope``, else those to chat and to read."""
        import jwt

        if len(token) > _MAX_CHARS or self._keys is None:
            return None
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            required = {"require": ["exp", "iss", "aud", "sub"]}
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=list(_ALGORITHMS), audience=self._audience, issuer=self._issuer, leeway=_LEEWAY_SECONDS,
                options=cast(Any, required),
            )  # fmt: skip
            granted = str(claims.get("scope") or "").split()
            scopes = frozenset[Scope](scope for scope in SCOPES if SCOPE_PREFIX + scope in granted)
            return Identity(str(claims["sub"]), scopes or frozenset({"chat", "read"}))
        except (jwt.PyJWTError, ConfigurationError, ValueError):
            return None


def _keys(url: str) -> Any:
    try:
        import jwt
    except ImportError as error:
        raise MissingDependency(f"JWTs need PyJWT with its cryptography. Run: {install_command('serve')}") from error
    return jwt.PyJWKClient(url, cache_keys=True, lifespan=600, timeout=_KEYS_TIMEOUT_SECONDS)


MODEL_FIELDS = ("model", "summarizer_model", "fallback_model")
"""The fields of a run's context that name a model."""


def check_model(who: Identity, named: Iterable[str], settings: Settings | None = None, unset: str = "") -> None:
    """Refuse models that a client names and that are not on the server's list (``Settings.allowed_models``).

    A model's name may be a file of the server's, and its tokens are paid for by the server's keys. ``*`` on the list is every model of a
    provider and no file.

    Args:
        who: who acts; the admin may choose every model.
        named: the models' names.
        settings: where the list is; the process's own if omitted.
        unset: what counts as the list if none is set.

    Raises:
        NotAllowed: one is not on the list; the message says what is.
    """
    from memgpt_agent.models.providers import parted

    wanted = [name for name in named if name]
    if not wanted or who.is_admin:
        return
    allowed = [name.strip() for name in ((settings or Settings.load()).allowed_models or unset).split(",") if name.strip()]
    named_here = {parted(name) for name in allowed}
    for name in wanted:
        provider, rest = parted(name)
        is_file = (provider == "local" and bool(rest)) or name.strip().lower().startswith("llamacpp")
        if (provider, rest) not in named_here and ("*" not in allowed or is_file):
            raise NotAllowed(f"You may not choose the model {name!r}. Those you may choose: {', '.join(allowed) or 'none'}.")
