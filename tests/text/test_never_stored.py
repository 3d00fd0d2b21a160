"""What is never stored: which secrets are known by their form, and patterns of one's own."""

import pytest

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.text.never_stored import INSTEAD, Redactor

# Put together here, so that no file holds what looks like a key.
KEY = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow\nAB+/=\n-----END RSA PRIVATE " + "KEY-----"
SECRETS = [
    "sk-" + "proj-Ab3_x" * 5, "sk-" + "ant-api03-" + "Zz9-" * 9, "ghp" + "_" + "a1B2" * 9, "github" + "_pat_" + "11ABCDE_" * 6,
    "glpat" + "-" + "x_Y9" * 5, "AKIA" + "QYLPMN5HHHFPZAM2", "AIza" + "Sy0_-" * 7, "xoxb" + "-123456789012-abcDEF",
    "sk" + "_live_" + "4eC39HqLyjWD", "hf" + "_" + "aBcDeFgHij" * 4, "npm" + "_" + "a1B2" * 9, "SG." + "a1B2-" * 5 + "." + "c3D4_" * 6,
    "eyJ" + "hbGciOiJIUzI1." + "eyJ" + "zdWIiOiIxMjM0." + "SflKxwRJSMeKKF2QT4", KEY,
    "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_known_by_its_form(secret: str) -> None:
    """Wherever it stands in a text; what stands around it stays."""
    assert Redactor(["secrets"])(f"Mine is {secret}, keep it.") == f"Mine is {INSTEAD}, keep it."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgres://ann:" + "hunter2@db.example.org/x", f"postgres://ann:{INSTEAD}@db.example.org/x"),
        ("Password: " + "Tr0ub4dor&3 for the door", f"Password: {INSTEAD} for the door"),
        ('{"api_key": "' + 'abc123def456"}', f'{{"api_key": "{INSTEAD}"}}'),
        ("aws_secret_access_key=" + "wJalrXUtnFEMI/K7" * 2 + "bPxRfiCY", f"aws_secret_access_key={INSTEAD}"),
    ],
)
def test_of_a_secret_with_a_name_the_secret_alone_goes(text: str, left: str) -> None:
    """A password in an address or behind its name."""
    assert Redactor(["secrets"])(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112", "1234567890123456", "0000 0000 0000 0000", "Password: required", "my password is on the note", "sk-short",
        "AKIA is a prefix", "Call +49 170 1234567 at 12:30", "https://example.org/a:b", "ISBN 978-3-16-148410-0",
        "id 4f9c2b7e8d1a4f9c2b7e8d1a4f9c2b7e",
        "task-1234567890", "half \udce9 a character",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    """Numbers without a card's check digit, words about passwords, beginnings of keys."""
    assert Redactor(["secrets"])(text) == text


def test_patterns_of_ones_own() -> None:
    """All that a pattern finds goes, or its group; in every text of a value, and names of fields stay."""
    redactor = Redactor.of(r"EMP-\d{6} room:\s?(\w+)")
    assert redactor is not None
    assert redactor.in_value({"id": "EMP-123456", "text": "EMP-123456"}) == {"id": "EMP-123456", "text": INSTEAD}
    value = {"EMP-123456": ["EMP-123456 sits in room: B12", {"n": 1, "t": ("EMP-12345", None)}]}
    assert redactor.in_value(value) == {"EMP-123456": [f"{INSTEAD} sits in room: {INSTEAD}", {"n": 1, "t": ["EMP-12345", None]}]}
    again = Redactor(["secret", r"was\s\w+"])
    assert again(again("the secret was here")) == f"the {INSTEAD} {INSTEAD}"
    assert Redactor.of("") is None
    assert Redactor.of(()) is None


@pytest.mark.parametrize("pattern", ["(", "x*", "(?=a)b", "", "a" * 1_001, "((((a{999}){999}){99}){9})"])
def test_a_pattern_that_cannot_be_one_is_an_error(pattern: str) -> None:
    """No pattern, one that RE2 does not know or that is too large, and one that finds every text."""
    with pytest.raises(ConfigurationError, match="never_store="):
        Redactor([pattern])


def test_a_text_without_end_takes_no_time_without_end() -> None:
    """RE2 reads it once, whatever it says."""
    text = "-----BEGIN PRIVATE " + "KEY-----" * 20_000 + "4" * 300_000 + "password: " * 20_000
    assert INSTEAD in Redactor(["secrets"])(text)
