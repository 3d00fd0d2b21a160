"""Agent Files: both forms read, what cannot be carried listed, talked to, written and read again."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.agent_file import export_agent_file
from memgpt_agent.agent_file.af_agents import sources_of
from memgpt_agent.errors import AgentFileError, AgentNotFound
from memgpt_agent.memory.recall import ROLES, Message
from memgpt_agent.testing import Clock, call, say
from memgpt_agent.tools.profiles import PROFILES

LATER = "memgpt_v2" if "memgpt_v2" in PROFILES else "memgpt"


def packed(kind: str, message: str) -> list[dict[str, str]]:
    """Return a content as such servers write it."""
    return [{"type": "text", "text": json.dumps({"type": kind, "message": message, "time": "2026-01-01"})}]


def answered(
    key: str, tool: str, arguments: dict[str, Any], thought: str, result: str, status: str = "OK"
) -> list[dict[str, Any]]:
    """Return a call and its result."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return [
        {"id": f"m-{key}", "role": "assistant", "content": [{"type": "text", "text": thought}], "created_at": "2026-01-01T10:00:01",
         "tool_calls": [{"id": f"c-{key}", "type": "function", "function": function}]},
        {"id": f"r-{key}", "role": "tool", "tool_call_id": f"c-{key}", "created_at": "2026-01-01T10:00:02",
         "content": [{"type": "text", "text": json.dumps({"status": status, "message": result, "time": "x"})}]},
    ]  # fmt: skip


@pytest.fixture
def newer() -> dict[str, Any]:
    """Return a file of the newer form that has something of everything."""
    messages = [
        {"id": "m-0", "role": "system", "content": "the compiled prompt", "created_at": "2026-01-01T09:00:00+00:00"},
        {"id": "m-1", "role": "user", "content": packed("user_message", "My name is Sarah."), "created_at": "2026-01-01T10:00:00+00:00"},
        *answered("2", "core_memory_append", {"label": "human", "content": "Sarah", "request_heartbeat": True}, "A name.", "None"),
        *answered("3", "send_message", {"message": "Hello Sarah."}, "Greet her.", "None"),
        *answered("4", "cancel_order", {"order": 7}, "", "no such order", status="Failed"),
        {"id": "m-5", "role": "user", "content": "plain words", "created_at": "2026-01-01T11:00:00+00:00"},
        {"id": "m-6", "role": "assistant", "content": [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "A plain answer."}]},
        {"id": "m-7", "role": "assistant", "tool_calls": [{"id": "c-7", "function": {"name": "note", "arguments": "{not json"}}], "content": []},
        {"id": "m-8", "role": "tool", "content": [], "tool_returns": [{"tool_call_id": "c-7", "status": "success", "func_response": "noted"}]},
        {"id": "m-9", "role": "approval", "content": []},
    ]  # fmt: skip
    agent = {
        "id": "agent-0", "name": "Sarah's helper", "system": "Be kind.", "agent_type": "letta_v1_agent", "block_ids": ["b-1", "b-0"],
        "tool_ids": ["t-0", "t-1", "t-2"], "messages": messages, "in_context_message_ids": ["m-0", "m-5", "m-6", "m-1"],
        "tool_rules": [
            {"type": "run_first", "tool_name": "note"}, {"type": "conditional", "tool_name": "x", "child_output_mapping": {"a": "b"}},
        ],
        "tags": ["support"], "timezone": "Europe/Lisbon", "secrets": None, "tool_exec_environment_variables": {"STRIPE": "sk-123"},
        "llm_config": {"handle": "openai/gpt-4o-mini", "model": "gpt-4o-mini", "context_window": 32_000, "api_key": "sk-456"},
        "source_ids": ["s-0"], "enable_sleeptime": True, "description": "Helps.",
    }  # fmt: skip
    return {
        "agents": [agent], "groups": [],
        "blocks": [
            {"id": "b-0", "label": "human", "value": "Sarah", "limit": 3, "description": "Who she is.", "read_only": False},
            {"id": "b-1", "label": "persona", "value": "Helper", "limit": None, "read_only": True, "description": None},
        ],
        "files": [
            {"id": "f-0", "file_name": "rules.md", "content": "Refunds take a week."},
            {"id": "f-1", "file_name": "lost.pdf", "content": None},
        ],
        "sources": [{"id": "s-0", "name": "rules"}],
        "tools": [
            {"id": "t-0", "name": "cancel_order", "tool_type": "custom", "source_code": "import os; os._exit(3)", "json_schema": {}},
            {"id": "t-1", "name": "core_memory_append", "tool_type": "letta_memory_core", "source_code": None},
            {"id": "t-2", "name": "web_search", "tool_type": "letta_builtin", "source_code": None},
        ],
        "mcp_servers": [], "skills": [{"name": "cooking"}], "metadata": {"revision_id": "x"}, "created_at": "2026-01-01T09:00:00+00:00",
    }  # fmt: skip


def written(folder: Path, data: Any, *, wrapped: int = 0, name: str = "given.af") -> Path:
    """Write a file, wrapped in JSON strings as some were published."""
    text = json.dumps(data)
    for _ in range(wrapped):
        text = json.dumps(text)
    (folder / name).write_text(text)
    return folder / name


def said(records: list[Message]) -> list[tuple[str, str, str]]:
    """Return what was said in order: role, tool, text."""
    return [(r.role, r.tool, r.text) for r in records]


def records_of(where: Any, agent_id: str) -> list[Message]:
    """Return an agent's recall memory, oldest first."""
    with where.agent(agent_id) as agent:
        return agent.messages(limit=500)


@pytest.mark.parametrize("wrapped", [0, 1, 2])
def test_the_newer_form_becomes_a_working_agent(
    newer: Any, home: Callable[[str], Any], tmp_path: Path, wrapped: int
) -> None:
    """Blocks, messages with their times, the queue in the file's order; also from a JSON string within JSON."""
    [done] = home("a").take(written(tmp_path, newer, wrapped=wrapped))
    assert done.agent_id == "sarah-s-helper"
    with home("a").agent(done.agent_id, say("Hello again."), clock=Clock("2026-02-01T10:00:00+00:00")) as agent:
        blocks = [(b.label, b.value, b.limit_chars, b.read_only, b.description) for b in agent.core_memory.blocks()]
        assert blocks[:2] == [("persona", "Helper", 5_000, True, ""), ("human", "Sarah", 5, False, "Who she is.")]
        assert (blocks[2][:2], blocks[2][3]) == (("system", "Be kind."), True)
        assert said(agent.messages()) == [
            ("user", "", "My name is Sarah."), ("tool", "core_memory_append", ""), ("assistant", "", "Hello Sarah."),
            ("tool", "cancel_order", "no such order"), ("user", "", "plain words"), ("assistant", "", "A plain answer."),
            ("tool", "note", "noted"),
        ]  # fmt: skip
        found = agent.messages()
        assert [m.failed for m in found] == [False, False, False, True, False, False, False]
        assert (found[0].time, found[2].thinking, found[3].arguments) == (
            "2026-01-01T10:00:00.000000+00:00",
            "Greet her.",
            '{"order": 7}',
        )
        assert agent.memory.archival.search("refunds")[0].source == "rules.md"
        assert agent.step("Do you know me?").message == "Hello again."
        sent = agent._model.calls[0]
        assert [m.text for m in sent[2:3]] == ["A plain answer."]
        assert "plain words" in sent[1].text
        assert "My name is Sarah." in sent[3].text


def test_what_cannot_be_carried_over_is_listed(newer: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """Each thing once, with its reason; no value of a variable is kept anywhere; no code is run."""
    [done] = home("a").take(written(tmp_path, newer))
    begins = [line.split(":")[0] for line in done.not_carried]
    assert begins == [
        "'skills'", "sources", "tool_exec_environment_variables 'STRIPE'", "agent.llm_config.api_key", "enable_sleeptime", "source_ids",
        "tags support", "block 'human'", "system prompt", "file 'rules.md'", "file 'lost.pdf'", "model 'openai/gpt-4o-mini'",
        "tool 'cancel_order' (custom)", "tool 'web_search' (letta_builtin)", "tool rule 'run_first' of 'note'",
        "tool rule 'conditional' of 'x'", "1 messages", "1 messages",
    ]  # fmt: skip
    file, _ = home("a").export(done.agent_id)
    assert "sk-123" not in file.read_text()
    assert "sk-456" not in file.read_text()
    assert "os._exit(3)" in file.read_text()


def test_a_key_for_its_model_makes_the_model_the_agents(
    newer: Any, home: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its context window; the time zone is taken over as well."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    [done] = home("a").take(written(tmp_path, newer))
    item = home("a").store.get(("agents",), done.agent_id).value
    assert (item["model"], item["context"]) == (
        "openai:gpt-4o-mini",
        {"context_window_tokens": 32_000, "time_zone": "Europe/Lisbon"},
    )


def test_what_was_written_again_says_the_same(newer: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """Blocks, messages, tools with their code, rules, names of variables: through an agent and out again."""
    [done] = home("a").take(written(tmp_path, newer))
    target = tmp_path / "again.af"
    exported = export_agent_file(done.agent_id, target, **home("a").where)
    assert exported.left_out == [
        "1 archival: an Agent File has no place for them; the json form holds them",
        "3 core_history: an Agent File has no place for them; the json form holds them",
    ]
    data = json.loads(target.read_text())
    agent = data["agents"][0]
    for kept in ("name", "system", "agent_type", "tool_rules", "tags", "timezone", "description"):
        assert agent[kept] == newer["agents"][0][kept]
    assert agent["tool_exec_environment_variables"] == {"STRIPE": ""}
    assert [(b["label"], b["value"]) for b in data["blocks"]] == [("persona", "Helper"), ("human", "Sarah")]
    assert [t["source_code"] for t in data["tools"] if t["name"] == "cancel_order"] == ["import os; os._exit(3)"]
    ids = {m["id"] for m in agent["messages"]}
    assert set(agent["in_context_message_ids"]) <= ids
    assert len(ids) == len(agent["messages"])
    [again] = home("b").take(target)
    assert said(records_of(home("b"), again.agent_id)) == said(records_of(home("a"), done.agent_id))
    with home("b").agent(
        again.agent_id, call("core_memory_append", label="human", content="x"), say("Hello.")
    ) as opened:
        assert opened.core_memory["system"] == "Be kind."


def test_the_older_form_is_read_with_its_calls_and_results(home: Callable[[str], Any], tmp_path: Path) -> None:
    """Messages without ids, in context by their places; tags and variables as lists of objects."""
    older = {
        "agent_type": "memgpt_agent", "name": "Old one", "system": "", "description": None, "version": "0.6.47",
        "created_at": "2025-04-01T03:47:27",
        "core_memory": [{"label": "human", "value": "Chad", "limit": 5_000}], "tags": [{"tag": "x"}], "multi_agent_group": {"id": "g"},
        "tool_exec_environment_variables": [{"key": "TOKEN", "value": "sk-1"}], "tool_rules": [], "tools": [],
        "llm_config": {"model": "gpt-4", "handle": "openai/gpt-4"}, "in_context_message_indices": [3, 1, 2, 99],
        "messages": [
            {k: v for k, v in m.items() if k != "id"}
            for m in [
                {"role": "user", "content": packed("login", "First login")}, {"role": "user", "content": packed("user_message", "hi")},
                *answered("1", "send_message", {"message": "Hello Chad."}, "Greet.", "None"),
            ]
        ],
    }  # fmt: skip
    [done] = home("a").take(written(tmp_path, older))
    assert done.agent_id == "old-one"
    assert [line.split(":")[0] for line in done.not_carried] == [
        "multi_agent_group", "tool_exec_environment_variables 'TOKEN'", "tags x", "model 'openai/gpt-4'",
    ]  # fmt: skip
    assert said(records_of(home("a"), "old-one")) == [
        ("system", "", "First login"),
        ("user", "", "hi"),
        ("assistant", "", "Hello Chad."),
    ]
    with home("a").agent("old-one") as agent:
        state = agent.graph.get_state({"configurable": {"thread_id": "old-one"}}).values
    assert [m.type for m in state["messages"]] == [
        "tool",
        "ai",
        "human",
        "ai",
    ]  # result, reply, event, call: the order that the file gives


def test_several_agents_of_one_file_are_all_made_or_none(
    newer: Any, home: Callable[[str], Any], tmp_path: Path
) -> None:
    """Each with its own copy of a shared block; a second that cannot be made takes the first back."""
    newer["agents"].append({**newer["agents"][0], "id": "agent-1", "name": "Sleeper"})
    file = written(tmp_path, newer)
    done = home("a").take(file, agent_id="new")
    assert [one.agent_id for one in done] == ["new-sarah-s-helper", "new-sleeper"]
    assert "shared blocks: each agent of the file has its own copy from here on" in done[1].not_carried
    home("b").embedder.batches_left = 1
    with pytest.raises(RuntimeError, match="tired"):
        home("b").take(file)
    assert home("b").store.list_namespaces(limit=10) == []
    assert next(home("b").checkpointer.list(None), None) is None


def test_an_agent_that_never_was_a_file_can_become_one(full: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """With its own system prompt and tools; what has no place in it is listed, and what was said is read again."""
    target = tmp_path / "ann.af"
    done = export_agent_file("ann", target, **full.where)
    assert {line.split(":")[0].split()[-1] for line in done.left_out} >= {
        "archival",
        "facts",
        "summaries",
        "core_history",
        "summary",
    }
    data = json.loads(target.read_text())
    assert data["agents"][0]["name"] == "ann"
    assert "send_message" in data["agents"][0]["system"]
    assert {"send_message", "core_memory_append"} <= {tool["name"] for tool in data["tools"]}
    [again] = home("b").take(target)
    with full.agent("ann") as one:
        kept = one.memory.recall.search("", roles=[*ROLES], limit=200)
    with home("b").agent(again.agent_id) as other:
        found = other.memory.recall.search("", roles=[*ROLES], limit=200)
        assert dict(other.core_memory)["human"] == "Likes tea \U0001f375."
    assert sorted(said(found)) == sorted(said(kept))
    with pytest.raises(AgentNotFound):
        export_agent_file("nobody", target, **full.where)


def af_files() -> list[str]:
    """Return the names of the published files."""
    return [
        "customer_service.af",
        "loop.af",
        "memgpt_agent.af",
        "memgpt_agent_with_convo.af",
        "memgpt_agent_with_convo_v0.af",
    ]


@pytest.mark.parametrize("name", af_files())
def test_a_published_file_is_imported_talked_to_exported_and_imported_again(
    shared_data: Path, home: Callable[[str], Any], tmp_path: Path, name: str
) -> None:
    """In both of our forms; what was said stays the same all the way."""
    path = shared_data / "agent_files" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    [done] = home("a").take(path)
    assert done.items["core"] >= 3
    assert len(done.not_carried) == len(set(done.not_carried)) > 2
    key, clock = done.agent_id, Clock("2026-11-21T10:00:00+00:00")
    with home("a").agent(
        key, call("core_memory_append", label="human", content="Talked."), say("Hello."), clock=clock, profile="memgpt"
    ) as agent:
        assert agent.step("Hello?").message == "Hello."
        assert agent.core_memory["human"].endswith("Talked.") if "human" in agent.core_memory else True
    ours, _ = home("a").export(key)
    home("b").take(ours)
    again, _ = home("b").export(key)
    assert again.read_bytes() == ours.read_bytes()
    theirs = tmp_path / "again.af"
    export_agent_file(key, theirs, **home("b").where)
    [third] = home("c").take(theirs)
    assert third.agent_id == key
    assert said(records_of(home("c"), key)) == said(records_of(home("a"), key))
    with home("c").agent(key, say("Still here."), clock=clock) as agent:
        assert agent.step("And now?").message == "Still here."


def test_the_older_published_file_keeps_what_was_said(shared_data: Path, home: Callable[[str], Any]) -> None:
    """57 of its 91 messages are records: 28 calls with their results are one each, six prompts none."""
    path = shared_data / "agent_files" / "memgpt_agent_with_convo_v0.af"
    if not path.exists():
        pytest.skip(f"no {path}")
    home("a").take(path)
    records = records_of(home("a"), "memgpt_agent")
    assert len(records) == 57
    assert said(records)[:2] == [
        ("assistant", "", "More human than human is our motto."),
        ("system", "", "Never (first login)"),
    ]
    assert ("user", "", "hi my name is actually sarah not chad ") in said(records)


def test_the_later_tools_choose_the_later_profile(newer: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """An agent that edits memory by lines gets the profile that has such tools; a search is what `recall` does there."""
    names = ("memory_insert", "conversation_search")
    newer["tools"] = [{"id": f"t-{i}", "name": n, "tool_type": "letta_core"} for i, n in enumerate(names)]
    newer["agents"][0]["tool_ids"] = ["t-0", "t-1", "t-9"]
    [done] = home("a").take(written(tmp_path, newer))
    assert home("a").store.get(("agents",), done.agent_id).value["profile"] == LATER
    assert "tool 't-9': the file does not hold it" in done.not_carried


def test_a_file_with_any_value_exchanged_is_read_or_refused_but_never_breaks(
    newer: Any, home: Callable[[str], Any]
) -> None:
    """A thousand files, each with up to three places made something else."""
    dice, refused = random.Random(5), 0
    for _ in range(1_000):
        data = json.loads(json.dumps(newer))
        for _ in range(dice.randint(1, 3)):
            place, key = data, dice.choice(list(data))
            while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.9:
                place = place[key]
                key = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
            place[key] = dice.choice([None, 7, "x", [], {}, True, -1.5, ["x"], {"x": 1}, [{}], [None]])
        try:
            sources_of(data, "given.af", None, home("a").settings)
        except AgentFileError:
            refused += 1
    assert 50 < refused < 950
