"""Which agent ids are whose by their form: no two strings share one, and no string reaches into another's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.namespaces import MAX_ID_CHARS, decode_label, encode_label
from memgpt_agent.owners import Identity, agent_id_for
from memgpt_agent.owners.identity import owner_by_form

names = st.text(min_size=1, max_size=400).filter(lambda text: text.strip() != "") | st.sampled_from([
    "ann", "Ann", "ann ", "ann/x", "user:ann", "owner:ann", "ann~sleep", "ann~/t", "../ann", "a.b", "*", "\x00", "\ud83d", "é", "e\u0301",
    "https://id.example.org/users/7", "google-oauth2|103", "x" * 400, "agents", "blocks", "~owners", "%2F", "owner:ann/x",
])  # fmt: skip


@given(names, names)
def test_two_users_never_have_the_same_agent(one: str, other: str) -> None:
    """Strings that differ in anything, also in a case, an accent's form or a space at the end, have agents of their own."""
    assert (agent_id_for(one) == agent_id_for(other)) == (one == other)


@given(names, names, st.text(max_size=20))
def test_no_user_has_an_id_in_the_space_of_another(one: str, other: str, name: str) -> None:
    """What somebody may name is theirs by its form, and nobody else's."""
    mine, theirs = Identity(one), Identity(other)
    own = [mine.agent_id, mine.agent_named(name or "x")]
    assert all(mine.has(agent_id) for agent_id in own)
    assert one == other or not any(theirs.has(agent_id) for agent_id in own)
    assert all(owner_by_form(agent_id) in {one, ""} for agent_id in own)


@given(names)
def test_a_users_agent_id_can_be_stored(user: str) -> None:
    """It fits in a namespace, comes back from it, and holds nothing that a database refuses."""
    agent_id = agent_id_for(user)
    assert len(agent_id) <= MAX_ID_CHARS
    assert agent_id.isprintable()
    assert decode_label(encode_label(agent_id)) == agent_id


def test_the_agent_of_a_common_name_is_the_one_that_servers_have_always_made() -> None:
    """The memory scope ``user`` called it so before there were owners, also for the names that identity providers give."""
    assert [agent_id_for(name) for name in ("ann@example.org", "google-oauth2|103", "https://id.example.org/7")] == [
        "user:ann@example.org", "user:google-oauth2|103", "user:https://id.example.org/7",
    ]  # fmt: skip
    assert owner_by_form("user:ann@example.org") == "ann@example.org"
    assert owner_by_form(Identity("a/b").agent_named("notes")) == "a/b"


@pytest.mark.parametrize("name", ["", " ", "\n\t"])
def test_somebody_without_a_name_has_no_agent(name: str) -> None:
    """Else all who are not logged in would share one memory."""
    with pytest.raises(ConfigurationError, match="not logged in"):
        agent_id_for(name)


@pytest.mark.parametrize("name", [None, 7])
def test_what_is_no_text_is_no_name(name: Any) -> None:
    """A program passes on what its login gave it, and that may be nothing."""
    with pytest.raises(ConfigurationError, match=f"got {name}"):
        agent_id_for(name)


def test_the_name_of_an_agent_that_nobody_owns_says_nothing() -> None:
    """Ids of before, and such as only look like an owner's."""
    assert [owner_by_form(one) for one in ("default", "user:", "owner:/x", "owner:ann", "assistant:7", "user: ", "owner:%zz/x")] == [""] * 7
