"""Authenticating a client: by one of our tokens, or by a JWT of the configured identity provider."""

from collections.abc import Mapping
from typing import Any, cast

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
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
