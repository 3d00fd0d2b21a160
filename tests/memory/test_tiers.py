"""Every namespace that an agent fills belongs to a described tier, and what a description says is so."""

import ast
import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

import memgpt_agent
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.memory.tiers import GLOBAL, TIERS, Tier, described, index_of
from memgpt_agent.store import FaissStore
from memgpt_agent.store.plain import items_of

PACKAGE = Path(memgpt_agent.__file__).parent
LONG = "The ferry left at nine and the crew was late again. " * 120


@pytest.mark.parametrize("tier", [*TIERS.values(), *GLOBAL.values()], ids=lambda tier: tier.name)
def test_a_description_names_only_fields_that_its_class_has(tier: Tier) -> None:
    """A page that shows an item, or whatever looks for a user's, finds the field under that name."""
    if named := [name for name in asdict(tier.names).values() if name]:
        assert set(named) <= {field.name for field in fields(tier.read_by)} | (tier.beside or frozenset())


def test_the_package_makes_no_namespace_that_no_tier_describes() -> None:
    """Whatever a module asks for by ``namespaces.of`` is a described tier, and each of them is asked for somewhere."""
    asked: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "namespaces.of":
                name = node.args[1]
                assert isinstance(name, ast.Constant), (
                    f"{path.name}:{node.lineno} gives a name that this test cannot read"
                )
                asked.add(str(name.value))
    assert asked == set(TIERS)


def test_only_one_module_puts_a_label_and_a_name_together() -> None:
    """``encode_label`` makes a namespace in ``namespaces`` alone; others ask for what begins with an agent's label."""
    made = [
        f"{path.name}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "namespaces.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Tuple) and len(node.elts) > 1 and "encode_label" in ast.unparse(node)
    ]
    assert made == []


def test_no_agent_can_have_the_label_of_a_global_tier() -> None:
    """An agent named ``blocks`` has another label, so that its memory is described as an agent's."""
    for name in GLOBAL:
        assert described(namespaces.of(name, "recall")) is TIERS["recall"]
        assert described((name,)) is GLOBAL[name]
    assert described(namespaces.block_history("crew")) is GLOBAL["block_history"]
    assert described(("ann", "of", "a", "newer", "version")) is None


def _filled(store: BaseStore) -> None:
    RecallMemory(store, "ann").add([
        Message("1", "user", "Short.", "2026-04-01T09:00:00+00:00"), Message("2", "user", LONG, "2026-04-01T09:01:00+00:00"),
        Message("3", "tool", "Found.", "2026-04-01T09:02:00+00:00", echo=True),
    ])  # fmt: skip
    for text in ("The boiler is old.", LONG):
        StoreArchive(store, "ann").insert(text)


def test_what_a_description_says_is_searched_is_what_the_store_searches(tmp_path: Path) -> None:
    """A plain store does not say what is searched; the descriptions say the same of it that our own store says."""
    plain = InMemoryStore()
    _filled(plain)
    with FaissStore(tmp_path / "memory.db") as store:
        _filled(store)
        for name in ("recall", "archival"):
            place = namespaces.of("ann", name)
            said = {item.key: item.index for item in items_of(store, place)}
            inferred = {item.key: item.index for item in items_of(plain, place, index_of=index_of)}
            assert said == inferred
            assert any(paths and "[*]" in json.dumps(paths) for paths in said.values())
