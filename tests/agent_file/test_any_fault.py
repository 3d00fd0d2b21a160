"""Whatever is missing or of the wrong type in an export: it is refused, or the agent that is made of it takes a turn."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt_agent.documents import find_files
from memgpt_agent.errors import AgentFileError, NothingToUndo, StoreError
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival import RetiredPassages
from memgpt_agent.memory.recall import Message
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.memory.tasks import TaskList
from memgpt_agent.memory.tiers import TIERS
from memgpt_agent.memory.uploads import Upload
from memgpt_agent.memory.waking import Inbox, Letter, Pulse, Rhythm
from memgpt_agent.testing import Clock, ScriptedModel, call, say
from memgpt_agent.tools.rules import ConditionalRule, MaxCountRule, ParentRule
from tests.agent_file.conftest import Home

WRONG: list[Any] = [None, True, 7, "x", [], ["x"], {}, {"x": 1}]
NOON = "2026-04-02T12:00:00+00:00"
Place = tuple[str | int, ...]


def summarizer() -> ScriptedModel:
    """Return a model that summarizes."""
    return ScriptedModel([lambda _messages: "They spoke." for _ in range(20)])


def lived(where: Any) -> None:
    """Let the agent of this home have something in every tier that there is."""
    file = where.folder / "ferry.md"
    file.write_text("# Ferry\n\nIt leaves at nine.\n" + "A line.\n" * 300)
    rules = [
        MaxCountRule("task_add", 5), ParentRule("task_add", ("task_drop",)), ConditionalRule("list_files", {"none": "task_add"}, "recall"),
    ]  # fmt: skip
    script = [
        call("task_add", title="Book the ferry", due="2026-05-01", steps=["Look", "Pay"], request_heartbeat=True),
        call("open_file", name="ferry.md", request_heartbeat=True), *[say("Booked.")] * 2,
    ]  # fmt: skip
    with where.agent(
        "ann", *script, profile="memgpt_react", tools=["files", "knowledge", "agents"], rules=rules, context_window=12_000, tags=["crew"],
        sleep_model=ScriptedModel([call("archival_memory_review", request_heartbeat=True), *[call("memory_finish_edits")] * 6]),
        clock=Clock("2026-04-01T09:00:00+00:00"), summarizer=summarizer(),
    ) as ann:  # fmt: skip
        list(ann.memory.files.load(find_files(file)))
        for number in range(3):
            letter = Letter(
                f"letter-{number}", "bob", "ann", "Hello Ann.", f"2026-04-01T08:0{number}:00+00:00", ("bob",), 1
            )
            Inbox(where.store, "ann").put(letter)
            if number < 2:
                ann.memory.core.append("human", "Is to book a ferry.")
                ann.memory.core.undo()
        assert ann.step("Book it.").message == "Booked."
        ann.sleep()
        tasks = TaskList(ann.memory)
        tasks.add("Read", note="A book.")
        tasks.close(2, "done", "It was good.")
        passage, _ = ann.memory.archival.insert("The boiler is old.")
        RetiredPassages(where.store, "ann").retire(passage.id, "It is new.")
        ann.edit_message(ann.messages()[0].id, "Please book it.")
        ann.memory.recall.add([Message("said", "user", "The password is Xylograph.", NOON, "ann")])
        ann.forget("Xylograph").erase()
        ann.memory.uploads.keep(Upload("upload-1", "sea.txt", "text/plain", 5, NOON, thread_id="ann"), b"Waves")
        run = RunItem("run-1", "ann", NOON, status="completed", input="Hi")
        where.store.put(namespaces.of("ann", "runs"), run.id, asdict(run), index=False)
        Pulse(where.store, "ann", Rhythm.of("10m")).beaten(10, something_happened=True)
    with where.agent("ann", "Nothing to do.", "Nothing.", thread_id="work", summarizer=summarizer()) as ann:
        ann.heartbeat()
    Inbox(where.store, "ann").put(Letter("letter-9", "bob", "ann", "Still there?", "2026-04-01T10:00:00+00:00"))
    rest = {"agent": {"name": "Ann"}, "tools": [{"name": "note"}], "shared": {"metadata": {}}}
    where.store.put(namespaces.of("ann", "agent_file"), "original", rest, index=False)


@pytest.fixture(scope="module")
def whole(full_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the export of an agent that has something in every tier that there is."""
    folder = tmp_path_factory.mktemp("whole") / "home"
    shutil.copytree(full_folder, folder)
    where = Home(folder)
    lived(where)
    file, _ = where.export("ann", vectors=True)
    where.close()
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a home for the agents that come of it."""
    where = Home(tmp_path_factory.mktemp("target"))
    yield where
    where.close()


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield all places in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*place, key)
        yield from places(one, (*place, key))


def kinds_of(whole: dict[str, Any]) -> list[list[Place]]:
    """Return the places of a document, those that mean the same together: a field of all messages, of all blocks, and so on."""
    kinds: dict[Place, list[Place]] = {}
    for place in places(whole):
        kinds.setdefault(tuple("*" if isinstance(key, int) else key for key in place), []).append(place)
    return list(kinds.values())


def changed(whole: dict[str, Any], place: Place, put: Any, *, removed: bool) -> dict[str, Any]:
    """Return the document without what is at a place, or with another value there."""
    data = json.loads(json.dumps(whole))
    at = data
    for key in place[:-1]:
        at = at[key]
    if removed:
        del at[place[-1]]
    else:
        at[place[-1]] = put
    return data


def value_at(whole: Any, place: Place) -> Any:
    """Return what is at a place."""
    for key in place:
        whole = whole[key]
    return whole


def take_a_turn(where: Any, agent_id: str) -> None:
    """Let an imported agent look into all its memory and write to it; no tool may fail for another reason than its arguments."""
    look: list[Any] = [
        call("memory_insert", label="human", new_string="Has a boat.", request_heartbeat=True),
        call("recall", query="boiler", request_heartbeat=True),
        call("open_summary", request_heartbeat=True),
        call("list_files", request_heartbeat=True),
        call("open_file", name="ferry.md", start_line=150, request_heartbeat=True),
        call("task_add", title="Sail", request_heartbeat=True),
        call("knowledge_search", query="Ann", hops=2, request_heartbeat=True),
        call("knowledge_insert", subject="Ann", relation="lives in", object="Faro", request_heartbeat=True),
        call("page_in", page=1, request_heartbeat=True),
        *[say("Hello.")] * 8,
    ]
    with where.agent(agent_id, *look, clock=Clock(NOON), summarizer=summarizer()) as agent:
        agent.step("How are you?")
        done = [m for m in agent.messages() if m.turn == agent.messages()[-1].turn]
        assert [
            m.text
            for m in done
            if m.failed and re.search(r"\b(Key|Type|Attribute|Index|Value|Validation)Error\b", m.text)
        ] == []
        agent.core_memory.log()
        TaskList(agent.memory).recent()
        RetiredPassages(where.store, agent_id).newest()
        Pulse(where.store, agent_id, Rhythm.of("10m"), Clock(NOON)).due()
        with suppress(NothingToUndo, StoreError):  # where the block or its history is not there: it says so
            agent.memory.core.undo()


def refused_or_working(where: Any, data: dict[str, Any], agent_id: str) -> bool:
    """Import a document; return whether it was refused, in which case nothing of it is there."""
    file = where.folder / "given.json"
    file.write_text(json.dumps(data))
    refusal = ""
    try:
        where.take(file, agent_id=agent_id)
    except AgentFileError as error:
        refusal = str(error)
    if not refusal:
        take_a_turn(where, agent_id)
        return False
    assert refusal.startswith("given.json")
    assert where.store.get(namespaces.AGENTS, agent_id) is None
    assert where.store.list_namespaces(prefix=(agent_id,)) == []
    return True


def test_the_whole_agent_has_something_in_every_tier(whole: Any, target: Any) -> None:
    """A tier that the package reads and this test does not know is one that nobody checks; as it is it works."""
    assert set(whole["memory"]) == {*TIERS, "later_tier/part"}
    assert not refused_or_working(target, whole, "as-it-is")


COUNT = iter(range(1_000_000))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_a_field_removed_or_of_another_type_is_refused_or_the_agent_works(
    data: st.DataObject, whole: Any, target: Any
) -> None:
    """Any one field of a full export: of an item, of the definition, of a conversation."""
    place = data.draw(st.sampled_from(data.draw(st.sampled_from(kinds_of(whole)))))
    removed = data.draw(st.booleans())
    put = (
        None
        if removed
        else data.draw(st.sampled_from([one for one in WRONG if type(one) is not type(value_at(whole, place))]))
    )
    refused_or_working(target, changed(whole, place, put, removed=removed), f"agent-{next(COUNT)}")


@pytest.mark.parametrize(
    ("tier", "change", "message"),
    [
        ("tasks", lambda v: v["open"][0].update(due_at="soon"), "memory.tasks[0].open.0.due_at: 'soon' is no time in ISO 8601"),
        ("tasks", lambda v: v["open"][0].update(wings=2), "memory.tasks[0].open.0.wings: this program does not know this field"),
        ("tasks", lambda v: v["open"][0]["steps"][0].update(done="no"), "memory.tasks[0].open.0.steps.0.done: Input should be a valid boolean"),
        ("tasks", lambda v: v.update(next="7"), "memory.tasks[0].next: Input should be a valid integer"),
        ("pulse", lambda v: v.update(next="2026-01-01T00:00:00"), "is no time in ISO 8601 with a zone"),
        ("open_files", lambda v: v["views"][0].pop("first"), "memory.open_files[0].views.0.first: Field required"),
        ("files", lambda v: v.update(lines="many"), "memory.files[0].lines: Input should be a valid integer"),
        ("file_text", lambda v: v.update(lines=[7]), "memory.file_text[0].lines.0: Input should be a valid string"),
        ("core", lambda v: v["trail"].update(at=[1]), "memory.core[0].trail.at.1: "),
        ("core", lambda v: v["trail"]["last"].update(revision="1"), "memory.core[0].trail.last.revision: Input should be a valid integer"),
        ("core", lambda v: v.pop("order"), "memory.core[0].order: Field required"),
        ("core_history", lambda v: v.update(kind="dream"), "memory.core_history[0].kind: Input should be 'edit', 'undo' or 'redo'"),
        ("inbox", lambda v: v.pop("chain"), "memory.inbox[0].chain: Field required"),
        ("letters_told", lambda v: v.update(letters="x"), "memory.letters_told[0].letters: Input should be a valid array"),
        ("facts", lambda v: v.update(wings=2), "memory.facts[0].wings: this program does not know this field"),
        ("pages", lambda v: v.update(page=99), "memory.pages[0]: its key is "),
        ("sleep", lambda v: v.pop("tries"), "memory.sleep[0].tries: Field required"),
        ("events", lambda v: v["ids"][0].pop(), "memory.events[0].ids.0.1: "),
    ],
)  # fmt: skip
def test_an_item_that_its_tier_cannot_read_is_refused_with_its_place(
    whole: Any, target: Any, tier: str, change: Callable[[Any], None], message: str
) -> None:
    """The tier, its item, the field, and what is wrong."""
    data = json.loads(json.dumps(whole))
    change(data["memory"][tier][0]["value"])
    (target.folder / "given.json").write_text(json.dumps(data))
    with pytest.raises(AgentFileError) as caught:
        target.take(target.folder / "given.json", agent_id="bad")
    assert message in str(caught.value)
    assert str(caught.value).endswith("Nothing was imported.")


@pytest.mark.parametrize(
    ("place", "put", "message"),
    [
        (("threads", "ann", "values", "turn", "step"), "1", ".values.turn.step: Input should be a valid integer"),
        (("threads", "ann", "values", "context_usage", "total"), None, "values.context_usage.total: Input should be a valid integer"),
        (("threads", "ann", "values", "messages", 0, "data", "additional_kwargs", "memgpt", "kind"), "x", "messages.0.memgpt.kind: "),
        (("definition", "rules", 0, "limit"), "5", "definition: A rule max_count has limit = '5'"),
        (("definition", "rules", 1, "children"), [7], "definition: A rule parent has children = (7,)"),
        (("definition", "rules", 0, "kind"), "x", "definition: There is no kind of rule 'x'"),
        (("definition", "groups"), "files", "definition.groups: Input should be a valid array"),
    ],
)  # fmt: skip
def test_a_register_or_a_definition_that_cannot_be_read_is_refused_with_its_place(
    whole: Any, target: Any, place: Place, put: Any, message: str
) -> None:
    """So that it is not the first turn that fails."""
    (target.folder / "given.json").write_text(json.dumps(changed(whole, place, put, removed=False)))
    with pytest.raises(AgentFileError) as caught:
        target.take(target.folder / "given.json", agent_id="bad")
    assert message in str(caught.value)
