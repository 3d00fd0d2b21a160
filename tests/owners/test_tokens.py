"""Tokens: what is kept of them, who is let in by them, and that revoking one holds at once and in every process."""

import json
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from memgpt_agent.errors import ConfigurationError, TokenNotFound
from memgpt_agent.owners import Identity
from memgpt_agent.owners.tokens import PREFIX, Tokens
from memgpt_agent.testing import Clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tokens are."""
    return tmp_path / "home" / "tokens.jsonl"


def test_a_token_lets_its_owner_in_with_its_scopes(file: Path) -> None:
    """Nothing that is nearly a token does."""
    token, kept = Tokens(file).create("ann", ["admin", "chat"])
    assert Tokens(file).identity(token) == Identity("ann", frozenset({"chat", "admin"}))
    for wrong in ("", token[:-1], token + "x", token.upper(), PREFIX + kept.id, PREFIX, kept.hash, f" {token}", "x" * 10_000, "\ud83d"):
        assert Tokens(file).identity(wrong) is None


def test_the_file_holds_no_token_and_belongs_to_its_owner_alone(file: Path) -> None:
    """Whoever reads it cannot act as anybody; rights that somebody gave are taken back."""
    tokens = Tokens(file)
    token, _ = tokens.create("ann")
    assert token.split("_", 2)[2] not in file.read_text()  # which may hold a "_" itself
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    assert Tokens(file).identity(token) is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_revoked_token_is_refused_at_the_next_request(file: Path) -> None:
    """Also by a server that has read the file before; the others go on."""
    server, admin = Tokens(file), Tokens(file)
    first, kept = admin.create("ann")
    second, _ = admin.create("ann")
    assert server.identity(first)
    admin.revoke(kept.id)
    assert server.identity(first) is None
    assert server.identity(second)
    assert [token.id for token in server.all()] == [second[len(PREFIX) :][:8]]
    with pytest.raises(TokenNotFound, match=kept.id):
        admin.revoke(kept.id)


def test_an_expired_token_is_refused(file: Path) -> None:
    """From the very moment on; a time that is past cannot be given."""
    clock = Clock()
    tokens = Tokens(file, clock)
    token, _ = tokens.create("ann", expires=clock() + timedelta(hours=1))
    assert tokens.identity(token)
    clock.advance(hours=1)
    assert tokens.identity(token) is None
    with pytest.raises(ConfigurationError, match="expire"):
        tokens.create("ann", expires=clock())


def test_what_cannot_be_a_token_is_refused_when_it_is_made(file: Path) -> None:
    """And nothing is written."""
    for owner, scopes in (("", ["chat"]), ("ann", []), ("ann", ["chat", "root"])):
        with pytest.raises(ConfigurationError):
            Tokens(file).create(owner, scopes)  # type: ignore[arg-type]
    assert not file.exists()


def test_a_damaged_file_lets_nobody_in(file: Path) -> None:
    """A revocation that cannot be read must not count as none; the message names the line."""
    tokens = Tokens(file)
    token, _ = tokens.create("ann")
    with file.open("a") as out:
        out.write('{"revok\n')
    with pytest.raises(ConfigurationError, match="Line 2"):
        tokens.identity(token)


def test_tokens_that_are_made_at_once_are_all_there(file: Path) -> None:
    """By threads, and by another process."""
    code = "import sys, pathlib; from memgpt_agent.owners.tokens import Tokens\n"
    code += "for _ in range(20): Tokens(pathlib.Path(sys.argv[1])).create('bob')"
    other = subprocess.Popen([sys.executable, "-c", code, str(file)])
    threads = [threading.Thread(target=lambda: [Tokens(file).create("ann") for _ in range(20)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(30) == 0
    assert len(Tokens(file).all()) == 80
    assert all(json.loads(line) for line in file.read_text().splitlines())
