"""Who sent a request: by a token, or by a JWT of the identity provider that is configured, whose keys come over HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.owners import Identity
from memgpt_agent.owners.credentials import Credentials
from memgpt_agent.owners.tokens import Tokens

ISSUER, AUDIENCE = "https://id.example.org/", "memgpt"


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    """The provider's key pair, and a stranger's."""
    return {name: rsa.generate_private_key(public_exponent=65_537, key_size=2_048) for name in ("provider", "stranger")}


@pytest.fixture(scope="module")
def keys_url(keys: dict[str, Any]) -> Iterator[str]:
    """Where the provider's public keys are."""
    public = json.loads(RSAAlgorithm.to_jwk(keys["provider"].public_key()))
    body = json.dumps({"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/keys"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(tmp_path: Path, keys_url: str) -> Settings:
    """A server that trusts the provider."""
    return Settings(home=tmp_path, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_keys_url=keys_url)


def bearer(key: Any, algorithm: str = "RS256", kid: str = "1", **claims: Any) -> dict[str, str]:
    """The headers of a request with a JWT; a claim that is given as ``None`` is left out."""
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|7", "exp": int(time.time()) + 60, **claims}
    given = {name: value for name, value in whole.items() if value is not None}
    return {"authorization": f"Bearer {jwt.encode(given, key, algorithm=algorithm, headers={'kid': kid})}"}


def test_a_jwt_of_the_provider_speaks_for_its_subject(settings: Settings, keys: dict[str, Any]) -> None:
    """With the scopes that are ours among its own, else with the usual ones."""
    credentials = Credentials(settings)
    assert credentials.identity(bearer(keys["provider"])) == Identity("auth0|7")
    assert credentials.identity(bearer(keys["provider"], scope="openid admin")) == Identity("auth0|7")
    admin = credentials.identity(bearer(keys["provider"], scope="openid memgpt:read memgpt:admin"))
    assert admin == Identity("auth0|7", frozenset({"read", "admin"}))


def test_a_jwt_that_is_not_meant_for_this_server_lets_nobody_in(settings: Settings, keys: dict[str, Any]) -> None:
    """Another signer, program or provider, no signature, a shared secret, no end, an end that is past, nobody's name."""
    credentials, provider = Credentials(settings), keys["provider"]
    public = json.dumps(RSAAlgorithm.to_jwk(provider.public_key()))
    attempts = [
        bearer(keys["stranger"]), bearer(keys["stranger"], kid="2"), bearer(provider, aud="another"), bearer(provider, aud=None),
        bearer(provider, iss="https://evil.example.org/"), bearer(provider, iss=None), bearer(provider, exp=int(time.time()) - 60),
        bearer(provider, exp=None), bearer(provider, sub=None), bearer(provider, sub=" "), bearer(provider, nbf=int(time.time()) + 600),
        bearer("", algorithm="none"), bearer(public.encode(), algorithm="HS256"),
        {"authorization": "Bearer x.y.z"}, {"authorization": "Bearer " + "x" * 100_000},
        {"authorization": bearer(provider)["authorization"].replace("Bearer", "Basic")},
    ]  # fmt: skip
    assert [credentials.identity(headers) for headers in attempts] == [None] * len(attempts)


def test_without_a_provider_no_jwt_is_taken(tmp_path: Path, keys: dict[str, Any]) -> None:
    """Tokens are, by either header."""
    token, _ = Tokens(Settings(home=tmp_path).tokens_path).create("ann")
    credentials = Credentials(Settings(home=tmp_path))
    assert credentials.identity(bearer(keys["provider"])) is None
    sent = [{"authorization": f"Bearer {token}"}, {"authorization": f"bearer  {token} "}, {"x-api-key": token}]
    assert [credentials.identity(headers) for headers in sent] == [Identity("ann")] * 3
    assert [credentials.identity(headers) for headers in ({}, {"authorization": ""}, {"authorization": token})] == [None] * 3


@pytest.mark.parametrize("missing", ["oidc_issuer", "oidc_audience", "oidc_keys_url"])
def test_a_provider_that_is_told_by_halves_is_refused(settings: Settings, missing: str) -> None:
    """Without an audience any program's token would do, without an issuer anybody's key."""
    with pytest.raises(ConfigurationError, match="MEMGPT_OIDC_AUDIENCE"):
        Credentials(settings.model_copy(update={missing: ""}))


def test_keys_that_cannot_be_had_let_nobody_in(settings: Settings, keys: dict[str, Any]) -> None:
    """The provider is down: a token of the server's own still works."""
    credentials = Credentials(settings.model_copy(update={"oidc_keys_url": "http://127.0.0.1:9/keys"}))
    assert credentials.identity(bearer(keys["provider"])) is None
