"""Tool rules of Agent Files: those that have a counterpart bind the imported agent and are written again; the others are listed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.agent_file import export_agent_file
from memgpt_agent.agent_file.af_rules import notes_on, read_rules, written_rules
from memgpt_agent.testing import Clock, call, say
from memgpt_agent.tools.rules import (
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountRule,
    ParentRule,
    RequiredBeforeExitRule,
    RequiresApprovalRule,
    TerminalRule,
    ToolRule,
    rules_to_data,
)

MAPPED: list[tuple[dict[str, Any], ToolRule]] = [
    ({"type": "run_first", "tool_name": "look"}, InitRule("look")),
    ({"type": "exit_loop", "tool_name": "look"}, TerminalRule("look")),
    ({"type": "continue_loop", "tool_name": "look"}, ContinueRule("look")),
    ({"type": "required_before_exit", "tool_name": "look"}, RequiredBeforeExitRule("look")),
    ({"type": "requires_approval", "tool_name": "look"}, RequiresApprovalRule("look")),
    ({"type": "max_count_per_step", "tool_name": "look", "max_count_limit": 3}, MaxCountRule("look", 3)),
    ({"type": "constrain_child_tools", "tool_name": "look", "children": ["buy", "sell"]}, ChildRule("look", ("buy", "sell"))),
    ({"type": "parent_last_tool", "tool_name": "look", "children": ["buy"]}, ParentRule("look", ("buy",))),
    (
        {
            "type": "conditional", "tool_name": "look", "default_child": "sell", "child_output_mapping": {"cheap": "buy"},
            "require_output_mapping": False,
        },
        ConditionalRule("look", {"cheap": "buy"}, "sell"),
    ),
]  # fmt: skip
NAMES = ["look", "buy", "sell"]


@pytest.mark.parametrize(("given", "rule"), MAPPED, ids=lambda one: one["type"] if isinstance(one, dict) else "")
def test_every_kind_of_rule_has_its_counterpart(given: dict[str, Any], rule: ToolRule) -> None:
    """Read as ours; what was made here is written in the words of such files, and read again as the same."""
    [read] = read_rules([given])
    assert (read.rule, notes_on([read], NAMES)) == (rule, [])
    [written] = written_rules(rules_to_data([rule]), None)
    assert written == {**given, "prompt_template": None}
    assert read_rules([written])[0].rule == rule


@pytest.mark.parametrize(
    ("older", "rule"),
    [("InitToolRule", InitRule("a")), ("TerminalToolRule", TerminalRule("a")), ("ToolRule", ChildRule("a", ("b",)))],
)
def test_the_names_that_the_kinds_had_earlier_are_read_too(older: str, rule: ToolRule) -> None:
    """As they stand in files of the first servers that had rules."""
    assert read_rules([{"type": older, "tool_name": "a", "children": ["b"]}])[0].rule == rule


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"type": "dance", "tool_name": "look"}, "tool rule 'dance' of 'look': there is no such kind of rule here"),
        ({"type": "run_first"}, "tool rule 'run_first' of '?': it does not say its type and its tool"),
        ({"tool_name": "look"}, "tool rule '?' of 'look': it does not say"),
        ("look", "tool rule '?' of '?': it does not say"),
        ({"type": "constrain_child_tools", "tool_name": "look", "children": "buy"}, "its children are no names of tools"),
        ({"type": "parent_last_tool", "tool_name": "look", "children": []}, "its children are no names of tools"),
        ({"type": "parent_last_tool", "tool_name": "look", "children": [7]}, "its children are no names of tools"),
        ({"type": "max_count_per_step", "tool_name": "look"}, "its max_count_limit is None, no number"),
        ({"type": "max_count_per_step", "tool_name": "look", "max_count_limit": True}, "is True, no number"),
        ({"type": "max_count_per_step", "tool_name": "look", "max_count_limit": 0}, "has limit = 0"),
        ({"type": "conditional", "tool_name": "look"}, "its child_output_mapping does not lead"),
        ({"type": "conditional", "tool_name": "look", "child_output_mapping": {"a": 7}}, "its child_output_mapping does not lead"),
        ({"type": "conditional", "tool_name": "look", "child_output_mapping": {"a": "buy"}, "default_child": 7}, "its default_child is 7"),
    ],
)  # fmt: skip
def test_a_rule_without_a_counterpart_is_listed_with_the_reason_and_written_again_as_it_was(
    given: Any, reason: str
) -> None:
    """Whatever it is; it stays in the file."""
    read = read_rules([given])
    [note] = notes_on(read, NAMES)
    assert reason in note
    assert note.endswith("; kept in the file only, not enforced here")
    assert written_rules([], [given]) == [given]


def test_what_a_rule_says_beyond_ours_is_listed_and_the_rule_holds() -> None:
    """Arguments filled in beforehand, and a conditional that lets nothing follow where no case fits."""
    given = [
        {"type": "run_first", "tool_name": "look", "args": {"at": "x"}},
        {"type": "constrain_child_tools", "tool_name": "look", "children": ["buy"], "child_arg_nodes": [{"name": "buy", "args": {"n": 1}}]},
        {"type": "conditional", "tool_name": "look", "child_output_mapping": {"a": "buy"}, "require_output_mapping": True},
        {"type": "constrain_child_tools", "tool_name": "buy", "children": ["sell"], "child_arg_nodes": [{"name": "sell", "args": None}]},
    ]  # fmt: skip
    read = read_rules(given)
    assert all(one.rule for one in read)
    assert [note.partition(" is kept in the file only; ")[0] for note in notes_on(read, NAMES)] == [
        "tool rule 'run_first' of 'look': its args",
        "tool rule 'constrain_child_tools' of 'look': its child_arg_nodes",
        "tool rule 'conditional' of 'look': its require_output_mapping",
    ]
    stored = rules_to_data([one.rule for one in read if one.rule])
    assert written_rules(stored, given) == given


def test_rules_that_were_exchanged_since_are_written_and_those_of_the_file_are_not() -> None:
    """Of the file's own there are left those that still hold and those that never did, before what is new."""
    given = [
        {"type": "run_first", "tool_name": "look", "args": {"at": "x"}},
        {"type": "dance", "tool_name": "buy"},
        {"type": "exit_loop", "tool_name": "sell"},
    ]
    stored = rules_to_data([ContinueRule("buy"), TerminalRule("sell")])
    assert written_rules(stored, given) == [
        *given[1:], {"type": "continue_loop", "tool_name": "buy", "prompt_template": None},
    ]  # fmt: skip


def ruled(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return a file of one agent with these rules."""
    tools = [{"id": "t-0", "name": "archival_memory_insert", "tool_type": "letta_core"}]
    agent = {
        "id": "agent-0", "name": "ruled", "system": "", "block_ids": [], "tool_ids": ["t-0"], "messages": [], "in_context_message_ids": [],
        "tool_rules": list(rules),
    }  # fmt: skip
    return {"agents": [agent], "blocks": [], "tools": tools, "created_at": "2026-01-01T09:00:00+00:00"}


def taken(where: Any, data: dict[str, Any]) -> Any:
    """Import a file's content."""
    file = where.folder / "given.af"
    file.write_text(json.dumps(data))
    [done] = where.take(file)
    return done


def test_an_imported_agent_is_bound_by_the_rules_of_its_file(home: Callable[[str], Any], tmp_path: Path) -> None:
    """Also when it is opened again, and where its export in either form is imported."""
    where = home("a")
    done = taken(where, ruled(
        {"type": "run_first", "tool_name": "archival_memory_search"},
        {"type": "requires_approval", "tool_name": "archival_memory_insert"},
    ))  # fmt: skip
    assert [line for line in done.not_carried if "rule" in line] == []
    ours, _ = where.export("ruled")
    export_agent_file("ruled", tmp_path / "again.af", **where.where)
    home("b").take(ours)
    home("c").take(tmp_path / "again.af")
    for place in ("a", "b", "c"):
        script = [
            say("Too early."), call("archival_memory_search", query="tea"), call("archival_memory_insert", content="Tea."), say("Filed."),
        ]  # fmt: skip
        with home(place).agent("ruled", *script) as agent:
            response = agent.step("Hello.")
            assert response.approval is not None
            assert response.approval.tool == "archival_memory_insert"
        with home(place).agent("ruled", say("Filed.")) as agent:
            assert agent.approve().message == "Filed."
            said = [(m.tool, m.failed) for m in agent.messages() if m.tool]
            assert said[0] == ("send_message", True)  # a turn begins with the search
            assert [p.text for p in agent.memory.archival.search("tea")] == ["Tea."]


def test_a_rule_on_a_tool_that_the_agent_lacks_rests_until_it_has_it(home: Callable[[str], Any]) -> None:
    """The import does not fail, the rule is listed, and it binds as soon as the tool is given."""

    def check_order(number: int) -> str:
        """Look an order up.

        Args:
            number: The order's number.
        """
        return f"Order {number} is on its way."

    done = taken(home("a"), ruled({"type": "run_first", "tool_name": "check_order"}))
    assert (
        "tool rule 'run_first' of 'check_order': it rests until the agent has 'check_order'; give it with tools="
        in done.not_carried
    )
    with home("a").agent("ruled", say("Hello.")) as agent:
        assert agent.step("Hello?").message == "Hello."
    script = [say("Hello."), call("check_order", number=7, request_heartbeat=True), say("On its way.")]
    with home("a").agent("ruled", *script, tools=[check_order]) as agent:
        assert agent.step("Where is my order?").message == "On its way."
        assert [tool["function"]["name"] for tool in agent._model.tools_offered[0]] == ["check_order"]


def test_rules_of_an_agent_that_never_was_a_file_are_written(home: Callable[[str], Any], tmp_path: Path) -> None:
    """And bind the agent that is made of the file."""
    with home("a").agent(
        "ann", say("Hello."), rules=[MaxCountRule("archival_memory_insert", 2), TerminalRule("send_message")]
    ) as agent:
        agent.step("Hello?")
    export_agent_file("ann", tmp_path / "ann.af", **home("a").where)
    assert json.loads((tmp_path / "ann.af").read_text())["agents"][0]["tool_rules"] == [
        {
            "type": "max_count_per_step",
            "tool_name": "archival_memory_insert",
            "prompt_template": None,
            "max_count_limit": 2,
        },
        {"type": "exit_loop", "tool_name": "send_message", "prompt_template": None},
    ]
    [done] = home("b").take(tmp_path / "ann.af")
    before, after = (home(name).store.get(("agents",), "ann").value["rules"] for name in ("a", "b"))
    assert after == before
    assert [line for line in done.not_carried if "rule" in line] == []


def test_the_rules_of_the_older_published_file_are_in_force(
    shared_data: Path, home: Callable[[str], Any], tmp_path: Path
) -> None:
    """Three tools after which the agent goes on, and `send_message`, which ends the turn; all four are written again."""
    path = shared_data / "agent_files" / "memgpt_agent_with_convo_v0.af"
    if not path.exists():
        pytest.skip(f"no {path}")
    [done] = home("a").take(path)
    assert [line for line in done.not_carried if "rule" in line] == []
    script = [call("archival_memory_insert", content="Sarah."), say("Hello.", request_heartbeat=True)]
    with home("a").agent(done.agent_id, *script, clock=Clock("2026-11-21T10:00:00+00:00")) as agent:
        assert agent.step("Hello?").message == "Hello."  # it went on unasked, and ended although it asked to go on
        assert len(agent._model.calls) == 2
        assert "send_message ends the turn." in agent._model.calls[0][0].text
    target = tmp_path / "again.af"
    export_agent_file(done.agent_id, target, **home("a").where)
    given = json.loads(path.read_text())["tool_rules"]
    assert json.loads(target.read_text())["agents"][0]["tool_rules"] == given
    assert len(given) == 4
