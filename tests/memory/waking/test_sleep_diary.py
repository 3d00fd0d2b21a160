"""What the agent asleep reads: everything once, in portions, the same again after a crash; and what it takes out of search."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ToolError, UnknownPassage
from memgpt_agent.memory.archival import RetiredPassages, StoreArchive
from memgpt_agent.memory.recall import Message, RecallMemory, Role
from memgpt_agent.memory.waking import SleepDiary
from memgpt_agent.testing import Clock


def said(store: InMemoryStore, *texts: str, start: int = 0, role: Role = "user") -> None:
    """Say things, a second apart."""
    RecallMemory(store, "ann").add(
        [
            Message(f"m{start + n}", role, text, f"2026-01-01T12:00:{start + n:02d}.000000+00:00")
            for n, text in enumerate(texts)
        ]
    )


def texts(portion: object) -> list[str]:
    """What a portion holds."""
    return [m.text for m in portion.messages]  # type: ignore[attr-defined]


def test_everything_is_read_once_in_portions() -> None:
    """Oldest first; what is finished does not come again, what is said later does."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "a" * 100, "b" * 100, "c" * 100)
    said(store, "tool result", start=9, role="tool")
    first = diary.begin("t1", limit_chars=290)
    assert (texts(first), first.left) == (["a" * 100, "b" * 100], 1)
    assert diary.finish("t1")
    second = diary.begin("t2", limit_chars=290)
    assert (texts(second), second.left) == (["c" * 100], 0)
    assert diary.finish("t2")
    assert diary.begin("t3", limit_chars=290).messages == ()
    said(store, "later", start=20)
    assert diary.unread() == 1
    assert texts(diary.begin("t4", limit_chars=290)) == ["later"]


def test_the_same_turn_reads_the_same_though_more_was_said_meanwhile() -> None:
    """A step that is played again after a crash sees no other record."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "one", "two")
    before = texts(diary.begin("t1", 1_000))
    said(store, "three", start=5)
    assert texts(SleepDiary(store, "ann").begin("t1", 1_000)) == before == ["one", "two"]


def test_what_was_begun_and_not_finished_is_read_again_but_not_for_ever() -> None:
    """After three tries a portion is passed over."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "poison" * 40, "wholesome" * 40)
    for turn in ("t1", "t2", "t3"):
        assert texts(diary.begin(turn, 100))[0].startswith("poison")
    assert texts(diary.begin("t4", 100))[0].startswith("wholesome")
    assert not diary.finish("t1")


def test_a_portion_that_was_finished_leaves_the_next_one_all_its_tries() -> None:
    """Tries are counted from one finished portion to the next."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "slow" * 40, "poison" * 40, "wholesome" * 40)
    for turn in ("t1", "t2", "t3"):
        diary.begin(turn, 100)
    assert diary.finish("t3")
    for turn in ("t4", "t5", "t6"):
        assert texts(diary.begin(turn, 100))[0].startswith("poison")
    assert texts(diary.begin("t7", 100))[0].startswith("wholesome")


def test_a_try_that_is_played_again_is_not_another_try() -> None:
    """A step that runs anew after a crash reads as the same turn."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "slow" * 40, "wholesome" * 40)
    for turn in ("t1", "t1", "t1", "t1", "t2", "t3"):
        assert texts(diary.begin(turn, 100))[0].startswith("slow")


def test_a_portion_that_is_passed_over_with_nothing_behind_it_stays_passed_over() -> None:
    """There is nothing to read until something else is said; that has all its tries again."""
    store = InMemoryStore()
    diary = SleepDiary(store, "ann")
    said(store, "poison")
    for turn in ("t1", "t2", "t3"):
        assert texts(diary.begin(turn, 100)) == ["poison"]
    assert diary.begin("t4", 100).messages == ()
    assert diary.begin("t5", 100).messages == ()
    said(store, "later", start=1)
    for turn in ("t6", "t7", "t8"):
        assert texts(diary.begin(turn, 100)) == ["later"]
    assert diary.begin("t9", 100).messages == ()


def test_messages_of_one_moment_are_told_apart() -> None:
    """A portion may end between two messages of the same time."""
    store = InMemoryStore()
    moment = "2026-01-01T12:00:00.000000+00:00"
    RecallMemory(store, "ann").add([Message(f"m{n}", "user", str(n) * 100, moment, ordinal=n) for n in range(4)])
    diary = SleepDiary(store, "ann")
    read: list[str] = []
    for turn in range(4):
        read += texts(diary.begin(str(turn), 150))
        diary.finish(str(turn))
    assert sorted(read) == [str(n) * 100 for n in range(4)]


def test_a_retired_passage_is_not_found_but_can_be_put_back() -> None:
    """Done again for the same cause nothing changes; the reason and what replaced it are kept."""
    store, clock = InMemoryStore(), Clock()
    archive, shelf = StoreArchive(store, "ann", clock), RetiredPassages(store, "ann", clock)
    old, _ = archive.insert("Ann lives in Porto.", ["home"])
    new, _ = archive.insert("Ann lives in Faro since May.")
    shelf.retire(old.id, "she moved", replaced_by=new.id, cause="call-1")
    shelf.retire(old.id, "she moved", replaced_by=new.id, cause="call-1")
    assert [p.text for p in archive.search("", limit=10)] == ["Ann lives in Faro since May."]
    (kept,) = shelf.newest()
    assert (kept.text, kept.reason, kept.replaced_by) == ("Ann lives in Porto.", "she moved", new.id)
    with pytest.raises(UnknownPassage, match="it is retired"):
        shelf.retire(old.id, "again", cause="call-2")
    shelf.restore(old.id)
    assert sorted(p.text for p in archive.search("", limit=10)) == [
        "Ann lives in Faro since May.",
        "Ann lives in Porto.",
    ]
    assert archive.search("", tags=["home"], limit=5)[0].id == old.id


def test_what_cannot_be_retired_says_why() -> None:
    """An unknown passage, an unknown replacement, itself, a part of a file."""
    store = InMemoryStore()
    archive, shelf = StoreArchive(store, "ann"), RetiredPassages(store, "ann")
    note, _ = archive.insert("A note.")
    store.put(
        ("ann", "archival"),
        "doc-1",
        {"id": "doc-1", "text": "x", "tags": [], "time": "", "source": "a.md, lines 1-2", "file": "file-1"},
    )
    with pytest.raises(UnknownPassage, match="no passage 'nothing'"):
        shelf.retire("nothing", "why")
    with pytest.raises(UnknownPassage, match="could replace it"):
        shelf.retire(note.id, "why", replaced_by="nothing")
    with pytest.raises(ToolError, match="cannot replace itself"):
        shelf.retire(note.id, "why", replaced_by=note.id)
    with pytest.raises(ToolError, match=r"part of the file 'a\.md"):
        shelf.retire("doc-1", "why")
