"""The run's context and the process's settings."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Context, Settings, shown
from memgpt_agent.errors import ConfigurationError


def test_every_field_of_the_context_has_a_default_and_a_description() -> None:
    """Studio shows the descriptions; nobody has to fill anything in."""
    context = Context()
    assert (context.max_steps, context.max_unusable_answers, context.memory_pressure_share) == (20, 2, 0.8)
    undescribed = [name for name, field in Context.model_fields.items() if not field.description]
    assert undescribed == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("context_window_tokens", 4_095), ("max_steps", 0), ("max_steps", 501), ("memory_pressure_share", 0), ("memory_pressure_share", 1.1),
        ("eviction_target_share", 0), ("model_timeout_seconds", 0), ("reasoning", "loud"), ("agent_id", "x" * 201),
        ("answer_tokens", 63), ("max_unusable_answers", -1), ("time_zone", "Mars/Olympus"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    """The error names the field and the value."""
    with pytest.raises(ConfigurationError, match=field) as caught:
        Context.from_values({field: value})
    assert repr(value) in str(caught.value)


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    """A typing error does not silently mean the default."""
    with pytest.raises(ConfigurationError, match="agent_idd") as caught:
        Context.from_values({"agent_idd": "a"})
    assert "agent_id, answer_tokens" in str(caught.value)


def test_a_bad_time_zone_is_told_what_a_good_one_looks_like() -> None:
    """The message gives an example."""
    with pytest.raises(ConfigurationError, match="Europe/Lisbon"):
        Context.from_values({"time_zone": "../../etc/passwd"})


def test_a_context_can_be_made_of_nothing_a_mapping_or_another() -> None:
    """LangGraph hands over any of these."""
    assert Context.from_values(None) == Context()
    assert Context.from_values({"max_steps": 3}).max_steps == 3
    context = Context(max_steps=3)
    assert Context.from_values(context) is context


def test_a_context_cannot_be_changed() -> None:
    """A run's choices hold for the run."""
    with pytest.raises(ValidationError, match="frozen"):
        Context().max_steps = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_studio_learns_which_node_a_field_belongs_to() -> None:
    """The schema carries LangGraph's annotations."""
    fields = Context.model_json_schema()["properties"]
    assert fields["model"]["langgraph_nodes"] == ["call_llm"]
    assert fields["persona"]["langgraph_type"] == "prompt"


def test_an_argument_beats_the_environment_and_the_environment_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``None`` counts as not given."""
    monkeypatch.setenv("MEMGPT_HOME", str(tmp_path / "env"))
    monkeypatch.setenv("MEMGPT_MODEL", "openai:from-env")
    settings = Settings.load(home=tmp_path / "argument", model=None)
    assert (settings.home, settings.model, settings.embedding) == (tmp_path / "argument", "openai:from-env", None)


def test_all_files_lie_in_one_folder_that_is_not_made_by_asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reading the settings has no side effect."""
    settings = Settings.load(home=tmp_path / "new")
    assert settings.models_folder == tmp_path / "new" / "models"
    assert settings.checkpoints_path == tmp_path / "new" / "checkpoints.db"
    assert settings.store_url == f"sqlite:///{tmp_path / 'new' / 'memory.db'}"
    assert not (tmp_path / "new").exists()
    monkeypatch.delenv("MEMGPT_HOME")
    assert Settings.load().home.name == "memgpt-agent"


def test_a_store_of_ones_own_is_used_as_given(tmp_path: Path) -> None:
    """The URL stands for itself."""
    assert Settings.load(home=tmp_path, store="sqlite:///other.db").store_url == "sqlite:///other.db"


def test_how_much_history_is_kept_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment or an argument; an impossible number is refused by name."""
    monkeypatch.setenv("MEMGPT_HISTORY_TURNS", "3")
    assert Settings.load(home=tmp_path).history_turns == 3
    assert Settings.load(home=tmp_path, history_turns=7).history_turns == 7
    monkeypatch.setenv("MEMGPT_HISTORY_TURNS", "none")
    with pytest.raises(ConfigurationError, match="history_turns = 'none'"):
        Settings.load(home=tmp_path)


def test_how_long_an_answer_to_a_letter_is_waited_for_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes, unless the environment or an argument says otherwise."""
    assert Settings.load(home=tmp_path).letter_wait_seconds == 120
    monkeypatch.setenv("MEMGPT_LETTER_WAIT_SECONDS", "1.5")
    assert Settings.load(home=tmp_path).letter_wait_seconds == 1.5
    assert Settings.load(home=tmp_path, letter_wait_seconds=3).letter_wait_seconds == 3
    with pytest.raises(ConfigurationError, match="letter_wait_seconds = 0"):
        Settings.load(home=tmp_path, letter_wait_seconds=0)


def test_what_langgraph_puts_beside_the_fields_is_left_out() -> None:
    """AG-UI's adapter sends a run's whole ``configurable`` as its context; a slip in a name of ours is still told."""
    beside: Any = {"thread_id": "t", "checkpoint_ns": "", "langgraph_auth_user_id": "ann", "__pregel_resuming": True, "x-key": "1"}
    assert Context(**beside, agent_id="ann") == Context(agent_id="ann")
    with pytest.raises(ConfigurationError, match="agentid"):
        Context(**beside, agentid="ann")


def test_what_a_form_sends_for_an_empty_field_counts_as_not_given() -> None:
    """As text or as null; an emptied persona is one."""
    assert Context(agent_id="", max_steps=None, memory_scope="", persona="") == Context(persona="")


def test_one_url_names_a_database_for_memory_and_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each goes before it, and a password is not shown."""
    one, other = "postgresql://me:se%40cret@host/db?schema=a", "postgres://host/other"
    monkeypatch.setenv("MEMGPT_DATABASE_URL", one)
    settings = Settings.load(home=tmp_path)
    assert (settings.store_url, settings.checkpoints_url, settings.memory_is_in_home) == (one, one, False)
    assert shown(one) == "postgresql://me:***@host/db?schema=a"
    monkeypatch.setenv("MEMGPT_STORE_URL", other)
    monkeypatch.setenv("MEMGPT_CHECKPOINT_URL", "sqlite:///talk.db")
    settings = Settings.load(home=tmp_path)
    assert (settings.store_url, settings.checkpoints_url) == (other, "sqlite:///talk.db")
    with pytest.raises(ConfigurationError, match="Postgres"):
        Settings.load(home=tmp_path, database_url="sqlite:///one.db")
    with pytest.raises(ConfigurationError, match="mysql"):
        open_configured_checkpointer(Settings.load(home=tmp_path, checkpoint_url="mysql://host/db"))
