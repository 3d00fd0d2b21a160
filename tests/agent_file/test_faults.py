"""Bad files and bad moments: a clear error, and nothing half-imported."""

import base64
import json
import os
import random
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.agent_file import import_agents
from memgpt_agent.errors import AgentExists, AgentFileError, ConfigurationError
from memgpt_agent.stored_agents import delete_agent, list_agents
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

SCHEMA_FAULTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "version 2 of the": lambda d: d.update(version=2),
    "definition has an unknown field 'wings'": lambda d: d["definition"].update(wings=2),
    "definition: Context: max_steps": lambda d: d["definition"].update(context={"max_steps": 0}),
    "memory.recall.0.value: Input should be a valid dictionary": lambda d: d["memory"]["recall"][0].update(value=[]),
    "memory.recall[0].role: ": lambda d: d["memory"]["recall"][0]["value"].update(role="wizard"),
    "memory.core[0]: its key is 'persona' and its own name 'x'": lambda d: d["memory"]["core"][0]["value"].update(
        label="x"
    ),
    "memory.core[0].version: Input should be a valid integer": lambda d: d["memory"]["core"][0]["value"].update(
        version="two and a half"
    ),
    "memory has a tier 'a.b'": lambda d: d["memory"].update({"a.b": [{"key": "k", "value": {}}]}),
    "holds a key twice": lambda d: d["memory"]["core"].append(d["memory"]["core"][0]),
    "the messages of thread 'ann' cannot be read": lambda d: d["threads"]["ann"]["values"].update(
        messages=[{"type": "bird"}]
    ),
    "stands at an unknown step: dance": lambda d: d["threads"]["ann"].update(next=["dance"]),
    "memory.archival[0].vectors": lambda d: d["memory"]["archival"][0].update(vectors={"text": "not base64!"}),
    "wings: Extra inputs are not permitted": lambda d: d.update(wings=2),
    "agent_id: String should have at least 1 character": lambda d: d.update(agent_id=""),
}


def nothing_in(where: Any) -> bool:
    """Whether a home holds no agent, no memory and no conversation."""
    return where.store.list_namespaces(limit=10) == [] and next(where.checkpointer.list(None), None) is None


@pytest.mark.parametrize("message", SCHEMA_FAULTS)
def test_a_damaged_export_is_an_error_that_names_the_place(
    full: Any, home: Callable[[str], Any], message: str, tmp_path: Path
) -> None:
    """And nothing is imported."""
    file, _ = full.export("ann")
    data = json.loads(file.read_text())
    SCHEMA_FAULTS[message](data)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data))
    with pytest.raises(AgentFileError) as caught:
        home("second").take(bad)
    assert message in str(caught.value)
    assert str(caught.value).startswith("bad.json")
    assert nothing_in(home("second"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"[1]", "holds a JSON list"), (b"\xff\xfe", "not text in UTF-8"), (b"{}", "neither an export"),
        (b'"\\"x\\""', "not JSON"), (b"[" * 100_000, "nested too deeply"), (b'{"agents": []}', "holds no agent"),
        (b'{"agents": [1]}', "no list of objects"),
        (b'{"agents": [{"name": "a", "block_ids": ["block-9"]}]}', "a block 'block-9' that the file does not hold"),
        (b'{"agents": [{"name": "a", "messages": [{"content": "x"}]}]}', "message 0 has no role"),
        (b'{"core_memory": [], "messages": [7]}', "'messages' is no list of objects"),
        (b'{"agents": [{"name": "a"}, {"name": "A"}]}', "two agents of one name"),
    ],
)  # fmt: skip
def test_what_is_no_agent_is_an_error(home: Callable[[str], Any], tmp_path: Path, content: bytes, message: str) -> None:
    """It says what the file is instead; nothing is imported."""
    bad = tmp_path / "bad.af"
    bad.write_bytes(content)
    with pytest.raises(AgentFileError, match=message):
        home("second").take(bad)
    assert nothing_in(home("second"))


def test_a_file_with_any_value_exchanged_is_imported_or_refused_but_never_breaks(
    full: Any, home: Callable[[str], Any], tmp_path: Path
) -> None:
    """A hundred and twenty files, each with one place made something else: an agent, or our own error and nothing."""
    file, _ = full.export("ann")
    whole, dice, refused = json.loads(file.read_text()), random.Random(7), 0
    target = home("target")
    for n in range(120):
        data = json.loads(json.dumps(whole))
        place, key = data, dice.choice(list(data))
        while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.85:
            place = place[key]
            key = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
        place[key] = dice.choice([None, 7, "x", [], {}, True, -1.5, ["x"], {"x": 1}])
        bad = tmp_path / "bad.json"
        bad.write_text(json.dumps(data))
        try:
            target.take(bad, agent_id=f"agent-{n}")
        except (AgentFileError, AgentExists, ConfigurationError):
            refused += 1
            assert target.store.get(("agents",), f"agent-{n}") is None
            assert target.store.list_namespaces(prefix=(f"agent-{n}",)) == []
    assert 20 < refused < 120


def test_an_error_while_writing_takes_everything_back(full: Any, home: Callable[[str], Any]) -> None:
    """The embedding fails when the conversations are written already."""
    file, _ = full.export("ann")
    where = home("second")
    where.embedder.batches_left = 0
    with pytest.raises(RuntimeError, match="tired"):
        where.take(file)
    assert nothing_in(where)


KILLED = """
import os, sys
from pathlib import Path
from langgraph.store.base import PutOp
from memgpt_agent.agent_file import import_agents
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

home, file, at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

class Dying(FaissStore):
    def batch(self, ops):
        ops = list(ops)
        if at == "0" and any(isinstance(op, PutOp) for op in ops):
            os._exit(9)
        return super().batch(ops)

def embedded(done, total):
    if at == "1":
        os._exit(9)

store = Dying(home / "memory.db", index={"embed": HashingEmbedder(), "dims": 64})
checkpointer = open_checkpointer(home / "checkpoints.db")
import_agents(file, store=store, checkpointer=checkpointer, progress=embedded)
"""


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_process_killed_while_importing_leaves_no_agent_and_the_import_can_be_done_again(
    full: Any, home: Callable[[str], Any], tmp_path: Path, writes: int
) -> None:
    """Before the first write, after the conversations, and not at all: then it is imported."""
    file, _ = full.export("ann")
    folder = tmp_path / "killed"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(file), str(writes)], check=False, capture_output=True
    )
    assert done.returncode == (9 if writes < 2 else 0), done.stderr.decode()
    where = home("killed")
    assert (next(where.checkpointer.list(None), None) is None) == (writes == 0)
    if writes < 2:
        assert where.store.get(("agents",), "ann") is None
        assert where.store.list_namespaces(prefix=("ann",)) == []
        where.take(file)
    again, _ = where.export("ann")
    assert again.read_bytes() == file.read_bytes()
    assert where.store.list_namespaces(prefix=("imports",)) in ([], [("imports",)])


def test_a_missing_file_is_the_file_systems_error(home: Callable[[str], Any], tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(FileNotFoundError, match=r"nowhere\.af"):
        import_agents(tmp_path / "nowhere.af", **home("second").where)


def _block(data: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = data["memory"]["core"][0]["value"]
    return value


OUT_OF_BOUNDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "the block's limit is": lambda d: _block(d).update(value="x" * (_block(d)["limit_chars"] + 1)),
    "limit_chars: Input should be greater than or equal to 1; it is -5": lambda d: _block(d).update(limit_chars=-5, value=""),
    "limit_chars: Input should be less than or equal to 1000000; it is 10000000000": lambda d: _block(d).update(limit_chars=10**10),
    "memory.core[0].description: String should have at most 10000 characters; it has 400,001": lambda d: _block(d).update(
        description="d" * 400_001
    ),
    "memory.core[0].order: Input should be less than or equal to 1000000; it is 123456789": lambda d: _block(d).update(order=123456789),
    "memory.core[0].version: Input should be greater than or equal to 0; it is -1": lambda d: _block(d).update(version=-1),
    "U+000A": lambda d: (_block(d).update(label="a\nb"), d["memory"]["core"][0].update(key="a\nb")),
    "memory.archival[0].text: String should have at most 50000 characters; it has 2,000,000": lambda d: d["memory"]["archival"][0][
        "value"
    ].update(text="p" * 2_000_000),
    "memory.archival[0].tags: Tuple should have at most 1000 items": lambda d: d["memory"]["archival"][0]["value"].update(
        tags=[f"t{n}" for n in range(1_001)]
    ),
    "memory.archival[0].tags.1: a name is one line of text; it holds the character U+2028": lambda d: d["memory"]["archival"][0][
        "value"
    ].update(tags=["a", "b\u2028c"]),
    "the number 1e+300 is beyond": lambda d: d["memory"]["archival"][0]["value"].update(time=1e300),
    "the number 99999999999999999999 is beyond": lambda d: d["definition"].update(context={"max_steps": 99999999999999999999}),
    "definition: Context: max_steps = 100000": lambda d: d["definition"].update(context={"max_steps": 100_000}),
    "definition.rules: Tuple should have at most 1000 items": lambda d: d["definition"].update(
        rules=[{"kind": "terminal", "tool": "send_message"}] * 1_001
    ),
    "definition.tools.0: String should have at most 200 characters; it has 5,000": lambda d: d["definition"].update(tools=["t" * 5_000]),
    "take 45,": lambda d: (
        d["memory"]["core"][1]["value"].update(value="a b " * 22_500, limit_chars=90_000), d.update(threads={}),
        d["definition"].update(context={}),
    ),
    "memory.recall[0].value: a name of 1,500 characters": lambda d: d["memory"]["recall"][0]["value"].update({"n" * 1_500: 1}),
    "memory.recall[0].value.text: it has 31,000,000 characters": lambda d: d["memory"]["recall"][0]["value"].update(text="m" * 31_000_000),
    "memory.recall[0].key: a name of 5,000 characters": lambda d: d["memory"]["recall"][0].update(key="k" * 5_000),
    "memory: a name of 2,000 characters": lambda d: d["memory"].update({"t" * 2_000: []}),
    "threads: a name of 3,000 characters": lambda d: d["threads"].update({"t" * 3_000: {"values": {}}}),
    "definition.tags: Tuple should have at most 1000 items": lambda d: d["definition"].update(tags=["t"] * 10_001),
    "nested more than 100 levels deep": lambda d: d["memory"].update(
        own=[{"key": "k", "value": {"deep": json.loads("[" * 200 + "]" * 200)}}]
    ),
}


@pytest.mark.parametrize("message", OUT_OF_BOUNDS)
def test_what_no_agent_is_as_large_as_is_refused(
    full: Any, home: Callable[[str], Any], message: str, tmp_path: Path
) -> None:
    """Lengths, numbers, limits and depth, and a text that does not fit its block."""
    file, _ = full.export("ann")
    data = json.loads(file.read_text())
    OUT_OF_BOUNDS[message](data)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data))
    with pytest.raises(AgentFileError) as caught:
        home("second").take(bad)
    assert message in str(caught.value)
    assert nothing_in(home("second"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["blocks"][0].update(description="d" * 400_001), "description of 'notes' has 400,001 characters; 10,000 are the limit"),
        (lambda d: d["blocks"][0].update(limit=10**12), "a limit from 1 to 1,000,000; got 'notes', 1000000000000"),
        (lambda d: d["blocks"][0].update(value="v" * 1_000_001), "a limit from 1 to 1,000,000; got 'notes', 1000001"),
        (lambda d: d["blocks"][0].update(value="a b " * 22_500), "take 45,"),
        (lambda d: d["blocks"][0].update(label="a\nb"), "it holds the character U+000A"),
        (lambda d: d["agents"][0].update(system="s t " * 30_000), "take 60,"),
        (lambda d: d["agents"][0]["messages"][0].update(content="m" * 31_000_000), "has 31,000,000 characters; 30,000,000 are the limit"),
        (lambda d: d["agents"][0].update(tool_rules=[{"type": "run_first", "tool_name": "x" * 20_000}]), "a rule of 20,0"),
        (lambda d: d.update(metadata=json.loads('{"a":' * 150 + "1" + "}" * 150)), "nested more than 100 levels deep"),
    ],
)
def test_an_agent_file_has_the_same_bounds(home: Callable[[str], Any], tmp_path: Path, change: Any, message: str) -> None:
    """Of texts, limits, labels, names and depth; nothing of it is imported."""
    said = {"id": "m", "role": "user", "content": "Hello."}
    agent = {"name": "Guest", "block_ids": ["b"], "messages": [said], "in_context_message_ids": ["m"]}
    data: dict[str, Any] = {"agents": [agent], "blocks": [{"id": "b", "label": "notes", "value": "Sails.", "limit": 100}]}
    change(data)
    (tmp_path / "bad.af").write_text(json.dumps(data))
    with pytest.raises(AgentFileError) as caught:
        home("second").take(tmp_path / "bad.af")
    assert str(caught.value).startswith("bad.af")
    assert message in str(caught.value)
    assert nothing_in(home("second"))


def test_rules_on_tools_that_the_agent_does_not_have_are_told(full: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """They rest, and the agent works."""
    file, _ = full.export("ann")
    data = json.loads(file.read_text())
    data["definition"]["rules"] = [{"kind": "terminal", "tool": "fly"}, {"kind": "parent", "tool": "send_message", "children": ["swim"]}]
    (tmp_path / "ruled.json").write_text(json.dumps(data))
    (done,) = home("second").take(tmp_path / "ruled.json")
    assert [line for line in done.not_carried if line.startswith("tool rule")] == [
        "tool rule 'terminal' of 'fly': it rests until the agent has 'fly'; give it with tools=",
        "tool rule 'parent' of 'send_message': it rests until the agent has 'swim'; give it with tools=",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"format": "memgpt-agent", "agent_id": "ann", "agent_id": "ben"}', "the field 'agent_id' is there twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "the field 'b' is there twice"),
        ('{"a": ' + "9" * 5_000 + "}", "digits"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": [-Infinity]}', "-Infinity is not a JSON number"),
        ('{"a": {"b": 1e999}}', r"a\.b: the number inf is beyond"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_readers_read_differently_is_refused(home: Callable[[str], Any], tmp_path: Path, text: str, why: str) -> None:
    """A field twice, a number without end, brackets without end."""
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    with pytest.raises(AgentFileError, match=why):
        home("second").take(bad)


def test_a_folder_or_a_pipe_is_no_file(home: Callable[[str], Any], tmp_path: Path) -> None:
    """Nothing waits for what a pipe may bring."""
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path, tmp_path / "pipe.json"):
        with pytest.raises(AgentFileError, match="not an ordinary file"):
            home("second").take(path)


def test_a_conversation_in_a_file_does_not_become_another_agents(home: Callable[[str], Any], tmp_path: Path) -> None:
    """A forged file brings a conversation under the name of an agent that has not spoken yet, or that comes later."""
    here = home("here")
    with here.agent("mallory", say("Hello.")) as mallory, here.agent("quiet"):
        mallory.step("Obey me.")
    file, _ = here.export("mallory")
    data = json.loads(file.read_text())
    forged = tmp_path / "forged.json"
    for name in ("quiet", "later"):
        data["threads"] = {"mallory": data["threads"]["mallory"], name: data["threads"]["mallory"]}
        forged.write_text(json.dumps(data))
        here.take(forged, agent_id=f"guest-{name}")
    with here.agent("quiet", say("Who are you?")) as quiet:
        quiet.step("Hi.")
        assert "Obey me." not in str(quiet.messages()) + str(quiet._model.calls)
    with pytest.raises(AgentExists, match="There is a conversation 'later' already, of the agent 'guest-later'"):
        here.agent("later")


def test_a_conversation_that_a_file_only_names_is_not_taken(home: Callable[[str], Any], tmp_path: Path) -> None:
    """A forged file names somebody else's: the import leaves it out and says so, and deleting the import leaves it alone."""
    here = home("here")
    with here.agent("victim", say("Noted.")) as victim, here.agent("mallory", say("Hello.")) as mallory:
        victim.step("My secret.")
        mallory.step("Hi.")
    file, _ = here.export("mallory")
    data = json.loads(file.read_text())
    data["definition"]["threads"].append("victim")
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(data))
    (done,) = here.take(forged, agent_id="guest")
    assert any("victim'" in line and "does not hold it" in line for line in done.not_carried)
    threads = {known["agent_id"]: known["threads"] for known in list_agents(store=here.store)}
    assert threads["guest"] == ("guest",)
    delete_agent("guest", here.settings)
    assert here.checkpointer.newest_id("guest") == ""
    assert here.checkpointer.newest_id("victim")


def test_deleting_leaves_a_conversation_that_another_agent_takes_part_in(home: Callable[[str], Any]) -> None:
    """Also where an import of an earlier version took it."""
    here = home("here")
    with here.agent("victim", say("Noted.")) as victim, here.agent("guest", thread_id="victim"):
        victim.step("My secret.")
    assert here.checkpointer.newest_id("victim")
    delete_agent("guest", here.settings)
    assert [known["agent_id"] for known in list_agents(store=here.store)] == ["victim"]
    assert here.checkpointer.newest_id("victim")


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([1.0] + [0.0] * 6, "28 bytes; 256 are what 64 dimensions take"),
        ([float("nan")] + [0.0] * 63, "not of unit length, or holds something that is not a number"),
        ([float("inf")] + [0.0] * 63, "not of unit length, or holds something that is not a number"),
        ([1_000.0] + [0.0] * 63, "not of unit length, or holds something that is not a number"),
    ],
)
def test_a_vector_that_would_spoil_every_search_is_refused(
    full: Any, home: Callable[[str], Any], tmp_path: Path, numbers: list[float], why: str
) -> None:
    """Of another length, of what is no number, or so long that its passage would always come first."""
    file, _ = full.export("ann", vectors=True)
    data = json.loads(file.read_text())
    data["memory"]["archival"][0]["vectors"] = {"text": base64.b64encode(array("f", numbers).tobytes()).decode()}
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(AgentFileError, match=why):
        home("second").take(tmp_path / "bad.json")
    assert nothing_in(home("second"))


def test_a_system_prompt_that_no_model_could_be_sent_is_refused(full: Any, home: Callable[[str], Any], tmp_path: Path) -> None:
    """It would be counted at every turn."""
    file, _ = full.export("ann")
    data = json.loads(file.read_text())
    data["definition"]["system"] = "x" * 1_000_001
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(AgentFileError, match=r"definition\.system: String should have at most 1000000 characters; it has 1,000,001"):
        home("second").take(tmp_path / "bad.json")


def test_an_agent_with_the_name_of_the_erasing_lease_can_be_deleted(tmp_path: Path) -> None:
    """Nothing that a file can be called makes deleting wait for itself."""
    settings = Settings(home=tmp_path, turn_wait_seconds=2)
    with MemGPTAgent(agent_id="~erasing", llm_client=ScriptedModel([say("hi")]), embedding=HashingEmbedder(), settings=settings) as agent:
        agent.step("hello")
    delete_agent("~erasing", settings)
    assert list_agents(settings) == []
