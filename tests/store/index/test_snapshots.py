"""Snapshots of large indexes: what they save, and that no damage, copy or backup makes a search wrong."""

import json
import logging
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from memgpt_agent.store import FaissStore
from memgpt_agent.store.index.namespace_documents import IndexAhead
from memgpt_agent.store.index.snapshot_files import HEADER
from tests.store.seeded import DIMS, SEGMENT_ROWS, delete, exact_keys, opened, put, vector_of

ROOT = Path(__file__).parents[3]
COUNT = 2 * SEGMENT_ROWS + 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with items enough for a snapshot of two full segments and a part of one."""
    file = tmp_path / "store.sqlite"
    put(file, range(COUNT))
    return file


def folders(path: Path) -> list[Path]:
    """Return the complete snapshots beside a file."""
    folder = path.with_name(path.name + ".indexes")
    return sorted(
        (entry for entry in folder.glob("[0-9]*-*") if entry.is_dir()), key=lambda entry: entry.stat().st_mtime_ns
    )


def snapshot(path: Path) -> Path:
    """Write a snapshot and return its folder."""
    before = set(folders(path))
    with opened(path) as store:
        store.settle()
    (new,) = set(folders(path)) - before
    return new


def is_used(path: Path) -> bool:
    """Whether the next opening reads a snapshot; and whichever it does, what it finds must be right."""
    numbers = {str(number): number for number in range(COUNT)}
    with opened(path) as store:
        with store.index() as index:
            used = bool(index.vectors and index.vectors.segments and index.vectors.segments[0].stored is not None)
            assert index.live == COUNT
        assert store.keys(7) == exact_keys(numbers, 7)
    return used


def test_a_large_namespace_is_opened_from_its_snapshot(path: Path) -> None:
    """Its vectors are mapped, its approximate indexes are there, and nothing was read from the tables."""
    snapshot(path)
    with opened(path) as store, store.index() as index:
        assert index.vectors is not None
        assert [(segment.count, segment.mapped, segment.approximate is not None) for segment in index.vectors.segments] == [
            (SEGMENT_ROWS, True, True),
            (SEGMENT_ROWS, True, True),
            (100, True, False),
        ]
        assert index.unsaved == 0


def test_a_small_namespace_has_none(tmp_path: Path) -> None:
    """Reading it from the database takes no time worth a file."""
    put(tmp_path / "store.sqlite", range(50))
    with opened(tmp_path / "store.sqlite") as store:
        store.settle()
    assert not (tmp_path / "store.sqlite.indexes").exists()


def test_after_a_snapshot_is_written_full_segments_leave_memory(path: Path) -> None:
    """The same process goes on with the file, and what it counts as memory falls."""
    with opened(path) as store:
        with store.index() as index:
            assert index.vectors is not None
            before = index.vectors.nbytes
        store.settle()
        assert [segment.mapped for segment in index.vectors.segments] == [True, True, False]
        assert index.vectors.nbytes < before
        assert store.keys(11)[0] == "11"


def test_puts_updates_and_deletes_after_a_snapshot_are_seen(path: Path) -> None:
    """An old item deleted, another one changed, new ones added: the next opening catches up from the log."""
    snapshot(path)
    delete(path, [7, 8])
    put(path, [5000], keys=[9])
    put(path, range(COUNT, COUNT + 20))
    numbers = {str(number): number for number in range(COUNT + 20) if number not in (7, 8)} | {"9": 5000}
    assert is_stored(path)
    with opened(path) as store:
        for number in (7, 8, 9, 5000, COUNT + 3):
            assert store.keys(number) == exact_keys(numbers, number)


def is_stored(path: Path) -> bool:
    """Whether the next opening reads a snapshot."""
    with opened(path) as store, store.index() as index:
        return bool(index.vectors and index.vectors.segments[0].stored is not None)


def test_the_next_snapshot_takes_over_the_files_of_full_segments(path: Path) -> None:
    """Only what is new is written; of the former snapshots the last one stays for who is about to open it."""
    first = snapshot(path)
    put(path, range(COUNT, COUNT + 300))
    second = snapshot(path)
    for name in ("vectors-00000.bin", "approximate-00001.bin"):
        assert (first / name).stat().st_ino == (second / name).stat().st_ino
    assert (first / "vectors-00002.bin").stat().st_ino != (second / "vectors-00002.bin").stat().st_ino
    put(path, range(COUNT + 300, COUNT + 600))
    third = snapshot(path)
    assert folders(path) == [second, third]


def test_what_another_process_has_written_is_not_written_again(path: Path) -> None:
    """Two that opened the file before there was a snapshot leave one."""
    with opened(path) as one, opened(path) as other:
        with one.index(), other.index():
            pass
        assert one.cache.upkeep.wait()
        assert other.cache.upkeep.wait()
        assert one.keys(7) == other.keys(7)
    assert 1 <= len(folders(path)) <= 2
    before = folders(path)
    with opened(path) as store, store.index() as index:
        store.cache.upkeep.wait()
        assert store.cache.upkeep.snapshots is not None
        assert not store.cache.upkeep.snapshots.write(index.contents(), index.namespace_id, index.dims)
    assert folders(path) == before


def test_a_full_segment_whose_file_is_gone_is_written_again(path: Path) -> None:
    """Somebody deleted the folder while the store was open: the mapped vectors are still there to be written."""
    with opened(path) as store:
        store.settle()
        shutil.rmtree(folders(path)[0])
        put(path, range(COUNT, COUNT + 300))
        store.settle()
        assert store.keys(COUNT + 5)[0] == str(COUNT + 5)
    assert is_stored(path)
    with opened(path) as store:
        store.settle()
        assert store.keys(7)[0] == "7"
        assert store.cache.upkeep.snapshots is not None


def garbage(file: Path, at: int) -> None:
    """Turn sixteen bytes of a file over."""
    content = bytearray(file.read_bytes())
    at %= len(content)
    content[at : at + 16] = bytes(255 - byte for byte in content[at : at + 16])
    file.write_bytes(content)


def cut(file: Path) -> None:
    """Take away the second half of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def rewrite_header(folder: Path, **changes: object) -> None:
    """Change fields of a header and give it the checksum that belongs to it."""
    header = json.loads((folder / HEADER).read_bytes().partition(b"\n")[2]) | changes
    text = json.dumps(header).encode()
    (folder / HEADER).write_bytes(b"%08x\n" % zlib.crc32(text) + text)


FILES = [
    HEADER,
    "docs.bin",
    "items.bin",
    "lengths.bin",
    "alive.bin",
    "vector_docs.bin",
    "vectors-00001.bin",
    "approximate-00000.bin",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage", [Path.unlink, cut, lambda file: file.write_bytes(b""), lambda file: garbage(file, 40)]
)
def test_a_damaged_file_of_a_snapshot_makes_nobody_find_less(
    path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    """Missing, cut short, empty or with other bytes: the index is built from the database, and a good snapshot follows."""
    damage(snapshot(path) / name)
    assert not is_used(path)
    snapshot_again(path)
    assert is_used(path)


def snapshot_again(path: Path) -> None:
    """Open the file and let the background do its work."""
    with opened(path) as store:
        store.settle()


def test_damage_in_the_middle_of_the_vectors_is_found_in_the_background(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not looked at on opening is read through soon after; the snapshot is then dropped and made anew."""
    garbage(snapshot(path) / "vectors-00000.bin", 20_000)
    with opened(path) as store, store.index() as index:
        assert index.vectors is not None
        assert index.vectors.segments[0].stored is not None
    with caplog.at_level(logging.INFO), opened(path) as store:
        store.settle()
        assert store.keys(7)[0] == "7"
    assert "namespace" in caplog.text
    snapshot_again(path)
    assert is_used(path)


def test_a_snapshot_of_another_dimension_or_namespace_is_not_used(path: Path) -> None:
    """Even one whose checksums are right."""
    folder = snapshot(path)
    rewrite_header(folder, dims=DIMS * 2)
    assert not is_used(path)
    folder = folders(path)[-1]
    rewrite_header(folder, dims=DIMS, namespace=99)
    assert not is_used(path)


def test_a_store_opened_for_words_only_keeps_its_own_snapshot(path: Path) -> None:
    """It needs no vectors, and does not displace the snapshot that has them."""
    first = snapshot(path)
    with opened(path, None) as store:
        store.settle()
    assert len(folders(path)) == 2
    with opened(path, None) as store, store.index() as index:
        assert (index.live, index.unsaved, index.vectors) == (COUNT, 0, None)
    assert is_used(path)
    assert first in folders(path)


def test_a_snapshot_of_another_format_is_not_used(path: Path) -> None:
    """A later version's files are left alone and not guessed at."""
    rewrite_header(snapshot(path), format=2)
    assert not is_used(path)


def test_a_snapshot_that_is_ahead_of_the_file_is_not_used(path: Path, tmp_path: Path) -> None:
    """The file was restored from a backup, made before the snapshot, and went on to the very same ids with other texts."""
    backup = tmp_path / "backup.sqlite"
    with opened(path) as store, store.database.write() as connection:
        connection.execute("SELECT 1")
    shutil.copy(path, backup)
    put(path, range(COUNT, COUNT + 250))
    snapshot(path)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    shutil.copy(backup, path)
    put(path, range(9000, 9250), keys=range(COUNT, COUNT + 250))
    with opened(path) as store:
        assert store.keys(9003)[0] == str(COUNT + 3)
        assert str(COUNT + 3) not in store.keys(COUNT + 3)[:1]


def test_the_snapshots_of_another_file_are_not_used(path: Path, tmp_path: Path) -> None:
    """A folder that was copied beside a file it does not belong to, though all ids are the same."""
    snapshot(path)
    other = tmp_path / "other.sqlite"
    put(other, range(20_000, 20_000 + COUNT), keys=range(COUNT))
    shutil.copytree(path.with_name(path.name + ".indexes"), other.with_name(other.name + ".indexes"))
    with opened(other) as store:
        assert store.keys(20_005)[0] == "5"
        assert not is_stored(other)


def test_a_generation_that_changed_makes_a_snapshot_stale(path: Path) -> None:
    """Vectors that were replaced without new ids (a reindex) are read from the database."""
    snapshot(path)
    with opened(path) as store, store.database.write() as connection:
        connection.execute("UPDATE namespaces SET generation = generation + 1")
    assert not is_used(path)


def test_an_index_that_missed_deletes_the_log_has_forgotten_asks_for_what_is_left(path: Path) -> None:
    """Tombstones are pruned (here by hand): the snapshot stays in use, and what was deleted is not found."""
    snapshot(path)
    gone = range(400)
    delete(path, gone)
    with opened(path) as store, store.database.write() as connection:
        connection.execute("UPDATE namespaces SET pruned_high = tombstone_high")
        connection.execute("DELETE FROM tombstones")
    numbers = {str(number): number for number in range(400, COUNT)}
    assert is_stored(path)
    with opened(path) as store:
        assert store.keys(7) == exact_keys(numbers, 7)
        with store.index() as index:
            assert index.live == len(numbers)


def test_a_full_disk_costs_a_snapshot_and_nothing_else(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the folder cannot be made, searches go on and the reason is logged."""
    path.with_name(path.name + ".indexes").write_text("a file in the folder's place")
    with opened(path) as store:
        store.settle()
        assert store.keys(7)[0] == "7"
    assert "no snapshot" in caplog.text


KILLED = """
import sys
from pathlib import Path
from tests.store.seeded import NS, opened
with opened(Path(sys.argv[1])) as store:
    while True:
        with store.index() as index:
            index.unsaved = 10_000
        with store.database.write() as connection:
            connection.execute("INSERT INTO tombstones (ns, doc) VALUES (?, 0)", (index.namespace_id,))
            connection.execute("UPDATE namespaces SET tombstone_high = (SELECT max(id) FROM tombstones) WHERE id = ?", (index.namespace_id,))
        store.settle()
        print("written", flush=True)
"""


def test_a_process_killed_while_it_writes_snapshots_leaves_the_old_one_or_none(path: Path) -> None:
    """Six writers are killed at random moments; each time the file opens, and what is found is right."""
    dice = np.random.default_rng(3)
    for _ in range(6):
        worker = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert worker.stdout is not None
        worker.stdout.readline()
        threading.Event().wait(float(dice.random()) * 0.05)
        worker.kill()
        worker.communicate()
        assert is_used(path) in (True, False)
    put(path, range(20_000, 20_000 + COUNT))
    snapshot_again(path)
    assert is_stored(path)
    assert not list(path.with_name(path.name + ".indexes").glob(".new-*"))


def test_several_processes_write_and_open_the_same_snapshots(path: Path) -> None:
    """Four at once, each its own items: all end in peace, and all items are found."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.store.seeded import opened, put\n"
        "path, worker = Path(sys.argv[1]), int(sys.argv[2])\n"
        "for turn in range(3):\n"
        "    first = 10_000 * (worker + 1) + 300 * turn\n"
        "    put(path, range(first, first + 300))\n"
        "    with opened(path) as store:\n"
        "        store.settle()\n"
        "        assert store.keys(first + 7)[0] == str(first + 7)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, path, str(n)], stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    assert [worker.communicate(timeout=120)[1] for worker in workers] == [""] * 4
    with opened(path) as store:
        with store.index() as index:
            assert index.live == COUNT + 4 * 3 * 300
        for number in (7, 10_007, 20_307, 30_607, 40_899):
            assert store.keys(number)[0] == str(number)


def test_readers_and_a_writer_go_on_while_snapshots_are_written(path: Path) -> None:
    """Four threads search one cache while another puts items: each finds what was committed before it began."""
    done = threading.Event()
    newest = COUNT - 1
    with opened(path) as store, ThreadPoolExecutor(4) as readers:

        def search() -> int:
            searches = 0
            while not done.is_set():
                number = newest
                with suppress(IndexAhead):  # where a store begins its transaction again
                    with store.database.read() as connection, store.cache.current(connection, 1, DIMS) as index:
                        score, _ = index.closest(vector_of(number), 1)
                    assert score[0] > 0.999
                searches += 1
            return searches

        running = [readers.submit(search) for _ in range(4)]
        for first in range(COUNT, COUNT + 1500, 150):
            put(path, range(first, first + 150))
            newest = first + 149
        done.set()
        assert all(reader.result(60) > 0 for reader in running)
    assert len(folders(path)) >= 1


def test_compacting_leaves_no_snapshot_with_a_deleted_vector(path: Path) -> None:
    """Neither of the own process nor of one that has the index in memory; the next is written without what was deleted."""
    snapshot(path)
    with opened(path) as other:
        other.settle()
        delete(path, [7])
        with FaissStore(path) as store:
            store.compact()
        assert folders(path) == []
        with other.index() as index:
            assert index.live == COUNT - 1
        other.settle()
        kept = folders(path)
        assert kept
        files = [file.read_bytes() for file in path.parent.rglob("*") if file.is_file()]
        assert not any(vector_of(7).tobytes() in content for content in files)
        assert any(vector_of(8).tobytes() in content for content in files)
