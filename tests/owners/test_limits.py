"""The file of limits: what holds for whom, and what a mistake in it says."""

from pathlib import Path

import pytest

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.owners.limits import LimitTable, OwnerLimits, limits_of


def test_what_stands_first_holds_for_all_and_an_owners_own_for_one(tmp_path: Path) -> None:
    """What an owner's part leaves out is as for all; a change of the file holds at once."""
    path = tmp_path / "limits.toml"
    table = LimitTable(path)
    assert table.of("ann") is None
    path.write_text('agents = 5\nbytes = 1_000_000\n[owners."ann"]\nagents = 50\nbytes = "unlimited"\n')
    assert table.of("bob") == OwnerLimits(agents=5, bytes=1_000_000)
    ann = table.of("ann")
    assert ann is not None
    assert (ann.of("agents"), ann.of("bytes"), ann.of("passages")) == (50, None, None)
    assert table.of("Ann") == table.of("bob")
    path.write_text("# none any more\n")
    assert table.of("bob") is None
    path.unlink()
    assert not table.is_set


@pytest.mark.parametrize(
    ("text", "said"),
    [("agents = -1", "agents"), ("agents = 'many'", "agents"), ("turns = 3", "turns"), ("x = 1\nagents = =", "line 2"),
     ("[owners.ann]\nx = 1", "owners.ann.x"), ("turns_a_minute = 100_000", "turns_a_minute"), ("owners = 3", "owners")],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    """And nobody is let in on a guess of what it meant."""
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as wrong:
        LimitTable(path).of("ann")
    assert said in str(wrong.value)
    assert str(path) in str(wrong.value)


def test_settings_may_name_the_file_and_then_it_has_to_be_there(tmp_path: Path) -> None:
    """Otherwise a misspelt path would switch all limits off."""
    named = tmp_path / "other.toml"
    with pytest.raises(ConfigurationError, match=r"MEMGPT_LIMITS names .*other\.toml, and there is no such file"):
        limits_of(Settings(home=tmp_path, limits=named))
    named.write_text("agents = 1")
    assert limits_of(Settings(home=tmp_path, limits=named)).of("ann") == OwnerLimits(agents=1)
    assert limits_of(Settings(home=tmp_path)).of("ann") is None
