"""
The index in memory is the store: rebuilt, tailed, loaded from a snapshot or merged, it gives the
same answers.

Deliberate breakages that these tests caught: a view where what a later segment replaces stays
alive; a snapshot adopted without catching up; a merge that brings back what changed while it was
made; a snapshot cut short taken for a whole one; the snapshot of another directory taken for ours.
"""

import itertools
import multiprocessing
import os
import random as randomness
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.access import Viewer
from ror.errors import UsageError
from ror.search.answer.engine import Search
from ror.search.index import index as indexing
from ror.search.index.index import Index
from ror.search.index.segment_file import load
from ror.search.index.view import EMPTY, View
from ror.search.language.expression import Everything, Expression, TokenIs
from ror.store import open_store
from ror.store.contract import Store
from tests.amounts import amount
from tests.conftest import clean_environment, import_lines, keep, serving
from tests.search import worlds
from tests.search.test_engine_law import USED, tree
from tests.waiting import until

TREES = 40


def answers(view: View, seed: int) -> list[tuple[Expression, list[int]]]:
    """What a view answers to the trees of a seed."""
    random = Random(seed)
    search = Search(view, Viewer(1))
    asked = [(kind, tree(random, kind, 3)) for kind in random.choices(tuple(USED), k=TREES)]
    return [(one, list(search.evaluate(one, kind))) for kind, one in asked]


@pytest.fixture(scope="module")
def new_store(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], tuple[Store, Path]]]:
    """Makes an empty store, and the folder for its snapshots."""
    opened: list[Store] = []

    def make() -> tuple[Store, Path]:
        folder = tmp_path_factory.mktemp("directory")
        opened.append(open_store(f"sqlite:///{folder}/ror.db"))
        return opened[-1], folder / "ror.db.index"

    yield make
    for store in opened:
        store.close()


def opened(store: Store, folder: Path) -> Index:
    index = Index(store, folder)
    index.open()
    return index


def write_in_steps(store: Store, random: Random, index: Index, steps: int = 12) -> int:
    """
    Random writes and deletions, each step seen by the index as one small segment; the most parts
    that it had.
    """
    most_parts = 0
    known = [one for batch in worlds.batches(random) for one in batch]
    for _ in range(steps):
        # Another of the random versions of some resources, deletions among them.
        chosen = {
            (one["resourceType"], one["id"]): one
            for one in random.sample(known, random.randint(1, 8))
        }
        keep(store, chosen.values())
        index.refresh()
        most_parts = max(most_parts, len(index.view.parts))
    return most_parts


@pytest.mark.long
@settings(max_examples=amount(6, 60), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_index_that_followed_every_change_answers_as_one_rebuilt_from_the_store(new_store, seed):
    store, folder = new_store()
    random = Random(seed)
    followed = opened(store, folder)
    most_parts = 0
    for batch in worlds.batches(random):
        keep(store, batch)
        followed.refresh()
        most_parts = max(most_parts, write_in_steps(store, random, followed))

    rebuilt = opened(store, folder.with_name("other"))

    assert followed.view.seq == rebuilt.view.seq == store.last_change()
    assert answers(followed.view, seed) == answers(rebuilt.view, seed)
    # Otherwise no merge happened, or nothing stood beside what was merged.
    assert 2 < most_parts < 3 * 13


@pytest.mark.long
@settings(max_examples=amount(8, 80), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_snapshot_gives_the_same_answers_after_more_changes_too(new_store, seed):
    store, folder = new_store()
    random = Random(seed)
    index = opened(store, folder)
    for batch in worlds.batches(random):
        keep(store, batch)
    for file in folder.glob("*.index"):
        file.unlink()
    first = opened(store, folder)
    write_in_steps(store, random, first, steps=3)
    index.refresh()

    loaded = opened(store, folder)

    assert len(loaded.view.parts) == 2, "a snapshot, and one segment for what came after"
    assert answers(loaded.view, seed) == answers(index.view, seed)


def test_merging_keeps_what_is_replaced_before_inside_and_after_the_group(new_store):
    store, folder = new_store()
    index = opened(store, folder)
    codes = {}
    random = randomness.Random(4)
    for step in range(120):
        identity, code = str(random.randint(1, 9)), f"c{step}"
        keep(
            store,
            [
                {
                    "resourceType": "Organization",
                    "id": identity,
                    "type": [{"coding": [{"code": code}]}],
                }
            ],
        )
        codes[identity] = code
        index.refresh()
        search = Search(index.view, Viewer(1))

        alive = [
            list(search.evaluate(TokenIs("type", one), "Organization")) for one in codes.values()
        ]

        assert all(len(found) == 1 for found in alive)
        gone = {f"c{n}" for n in range(step)} - set(codes.values())
        assert not any(search.evaluate(TokenIs("type", one), "Organization") for one in gone)
        assert len(search.evaluate(Everything(), "Organization")) == len(codes)
    assert len(index.view.parts) < 25


# --- snapshots that are not ours ------------------------------------------------------------------


@pytest.fixture
def kept(new_store) -> tuple[Store, Path, list]:
    """A store with a snapshot, and what the index answers."""
    store, folder = new_store()
    for batch in worlds.batches(Random(1)):
        keep(store, batch)
    index = opened(store, folder)
    assert list(folder.glob("*.index"))
    return store, folder, answers(index.view, 1)


def test_a_snapshot_is_as_private_as_the_database(new_store):
    umask = os.umask(0o022)
    try:
        store, folder = new_store()
        indexing._make_snapshot(store.url, str(folder))
    finally:
        os.umask(umask)

    assert {path.name.rpartition(".")[2] for path in folder.iterdir()} == {"index", "lock"}
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}


def damaged(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    return {
        "empty": b"",
        "a few bytes": content[:9],
        "cut in the plan": content[:200],
        "cut in the arrays": content[:middle],
        "without its last byte": content[:-1],
        "longer": content + b"\0" * 64,
        "another program's": b"PK\x03\x04" + content[4:],
        "another version's": content.replace(b"ror-index-", b"ror-INDEX-", 1),
        "a plan that changed": content[:60] + b"?" + content[61:],
        "a plan of another form": content[:24] + b"{}" + content[26:],
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "a few bytes",
        "cut in the plan",
        "cut in the arrays",
        "without its last byte",
        "longer",
        "another program's",
        "another version's",
        "a plan that changed",
        "a plan of another form",
    ],
)
def test_a_damaged_snapshot_is_ignored_and_made_again(kept, how):
    store, folder, expected = kept
    (file,) = folder.glob("*.index")
    assert load(file) is not None
    file.write_bytes(damaged(file.read_bytes(), how))
    assert load(file) is None

    index = opened(store, folder)

    assert answers(index.view, 1) == expected
    assert all(load(one) is not None for one in folder.glob("*.index"))


def test_snapshots_stand_in_a_folder_for_its_owner_alone(kept):
    _, folder, _ = kept

    assert folder.stat().st_mode & 0o077 == 0


def test_the_snapshot_of_another_directory_is_ignored(kept, new_store):
    _, folder, expected = kept
    other, other_folder = new_store()
    for seed in (2, 3, 4):
        for batch in worlds.batches(Random(seed)):
            keep(other, batch)
    other_folder.mkdir()
    (file,) = folder.glob("*.index")
    assert int(file.stem) < other.last_change(), "its number alone would let it pass"
    (other_folder / file.name).write_bytes(file.read_bytes())

    index = opened(other, other_folder)

    assert (
        answers(index.view, 1)
        == answers(opened(other, other_folder.with_name("fresh")).view, 1)
        != expected
    )


def test_a_snapshot_newer_than_the_store_is_ignored(kept):
    store, folder, expected = kept
    (file,) = folder.glob("*.index")
    # A database restored from a backup: its snapshots know of changes that it does not.
    content = file.read_bytes()
    newer = Index(store, folder)
    newer.open()
    keep(store, [{"resourceType": "Task", "id": "later"}])
    later = opened(store, folder.with_name("later"))
    assert later.view.seq > newer.view.seq
    (snapshot,) = folder.with_name("later").glob("*.index")

    class Restored:
        """The store as it was before the last change."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def last_change(self) -> int:
            return newer.view.seq

        def changes_after(self, seq: int, limit: int) -> list:
            return [
                change for change in store.changes_after(seq, limit) if change.seq <= newer.view.seq
            ]

    (folder / snapshot.name).write_bytes(snapshot.read_bytes())
    file.write_bytes(content)

    restored = opened(Restored(), folder)  # type: ignore[arg-type]

    assert restored.view.seq == newer.view.seq
    assert answers(restored.view, 1) == expected


def test_other_files_in_the_folder_are_left_alone(kept):
    store, folder, expected = kept
    (folder / "notes.index").write_text("not a snapshot")

    assert answers(opened(store, folder).view, 1) == expected
    assert (folder / "notes.index").exists()


def test_a_directory_of_another_index_schema_is_refused(new_store):
    store, folder = new_store()
    store.set_meta("index-schema", "another")

    with pytest.raises(UsageError) as refused:
        opened(store, folder)

    assert refused.value.key == "index.older-schema"
    assert "ror upgrade" in refused.value.text("en")


# --- merging --------------------------------------------------------------------------------------


def test_who_needs_the_last_commit_does_not_wait_for_a_merge(new_store, monkeypatch):
    store, folder = new_store()
    index = opened(store, folder)
    is_merging, may_end = threading.Event(), threading.Event()
    merged = indexing._merged

    def slowly(parts, store):
        made = merged(parts, store)
        is_merging.set()
        assert may_end.wait(30)
        return made

    monkeypatch.setattr(indexing, "_merged", slowly)
    for n in range(indexing.SEGMENTS_OF_A_SIZE):
        keep(store, [{"resourceType": "Task", "id": f"t{n}", "authoredOn": "2024"}])
        index.catch_up()
    compacting = threading.Thread(target=index.refresh)
    compacting.start()
    assert is_merging.wait(30)
    # One of those that are being merged changes, one goes, one is new.
    keep(
        store,
        [
            {"resourceType": "Task", "id": "t0", "authoredOn": "2025"},
            {"resourceType": "Task", "id": "new"},
        ],
    )
    keep(store, [{"resourceType": "Task", "id": "t1", "deleted": True}])
    index.catch_up()
    seen = answers(index.view, 3)
    may_end.set()
    compacting.join()

    assert len(index.view.parts) < indexing.SEGMENTS_OF_A_SIZE
    fresh = opened(store, folder.with_name("fresh")).view
    assert seen == answers(index.view, 3) == answers(fresh, 3)
    assert ids(store, Search(index.view, Viewer(1)).evaluate(Everything(), "Task")) == {
        "t0",
        "t2",
        "t3",
        "t4",
        "t5",
        "new",
    }


def test_catching_up_ends_however_fast_others_write(kept, monkeypatch):
    store, folder, _ = kept
    index = opened(store, folder)
    rows, written = store.index_rows, itertools.count(1)

    def while_another_writes(rids):
        keep(store, [{"resourceType": "Task", "id": f"t{next(written)}"}])
        return rows(rids)

    keep(store, [{"resourceType": "Task", "id": "t0"}])
    last = store.last_change()
    monkeypatch.setattr(store, "index_rows", while_another_writes)
    index.catch_up()

    assert index.view.seq == last
    assert store.last_change() == last + 1


def test_a_view_that_is_replaced_while_it_is_looked_at_is_not_up_to_date(kept, monkeypatch):
    store, folder, _ = kept
    index = opened(store, folder)
    view = index.view
    keep(store, [{"resourceType": "Task", "id": "meanwhile"}])

    def while_another_thread_catches_up():
        monkeypatch.undo()
        index.catch_up()
        return store.change_signal()

    monkeypatch.setattr(store, "change_signal", while_another_thread_catches_up)

    assert not index.is_up_to_date(view)
    assert index.is_up_to_date(index.view)


# --- renewal --------------------------------------------------------------------------------------


def test_a_snapshot_made_by_another_process_is_adopted_and_loses_nothing(kept, monkeypatch):
    store, folder, _ = kept
    index = opened(store, folder)
    keep(store, [{"resourceType": "Task", "id": f"t{n}", "authoredOn": "2024"} for n in range(300)])
    for file in folder.glob("*.index"):
        file.unlink()
    monkeypatch.setattr(indexing, "STALE_FLOOR", 100)
    monkeypatch.setattr(indexing, "STALE_SHARE", 0.01)
    index.follow()
    seqs, written, deadline = [], 0, time.monotonic() + 30
    try:
        # The small segments are gone from the view once the snapshot is adopted.
        while time.monotonic() < deadline:
            written += 1
            keep(store, [{"resourceType": "Task", "id": f"while-{written}", "authoredOn": "2025"}])
            seqs.append(index.view.seq)
            if len(index.view.parts[0].segment.members) > 300:
                break
            time.sleep(0.005)
        else:
            pytest.fail("no snapshot was adopted")
    finally:
        index.close()
    index.refresh()

    assert seqs == sorted(seqs), "a view never goes back in time"
    found = Search(index.view, Viewer(1)).evaluate(Everything(), "Task")
    assert {f"t{n}" for n in range(300)} | {f"while-{n}" for n in range(1, written + 1)} <= ids(
        store, found
    )
    assert answers(index.view, 7) == answers(opened(store, folder.with_name("fresh")).view, 7)


def test_an_index_that_could_not_follow_says_so_and_goes_on_once_it_can(kept, monkeypatch):
    store, folder, _ = kept
    told: list[tuple[str, str]] = []
    index = Index(store, folder, on_problem=lambda work, problem: told.append((work, str(problem))))
    index.open()
    monkeypatch.setattr(indexing, "RETRY_S", 0.01)
    changes, fails = store.changes_after, threading.Event()

    def sometimes(seq, limit):
        if fails.is_set():
            raise OSError("a disk that is away")
        return changes(seq, limit)

    monkeypatch.setattr(store, "changes_after", sometimes)
    fails.set()
    index.follow()
    keep(store, [{"resourceType": "Task", "id": "late"}])
    assert until(lambda: told) == [("following", "a disk that is away")]
    fails.clear()

    assert until(lambda: index.view.seq == store.last_change())
    assert until(lambda: len(told) == 2)
    assert told[1:] == [("following", "None")]
    index.close()


def test_a_snapshot_that_cannot_be_made_is_told_and_not_tried_again_at_once(kept, monkeypatch):
    store, folder, _ = kept
    told: list[tuple[str, Exception | None]] = []
    index = Index(store, folder, on_problem=lambda work, problem: told.append((work, problem)))
    index.open()
    monkeypatch.setattr(indexing, "STALE_FLOOR", 0)
    monkeypatch.setattr(indexing, "STALE_SHARE", 0)
    keep(store, [{"resourceType": "Task", "id": "more"}])
    index.refresh()
    # Whoever makes one takes this first.
    (folder / "making.lock").mkdir()
    index._renew_snapshot()
    assert index._maker is not None
    index._maker.join()

    for _ in range(3):
        index._renew_snapshot()

    assert index._maker is None
    [(work, problem)] = told
    assert work == "snapshot" and str(folder) in str(problem)


def test_what_killed_makers_of_snapshots_left_is_swept_once_nobody_can_be_writing_it(kept):
    store, folder, _ = kept
    left, written = folder / "1.index.1.partial", folder / "2.index.2.partial"
    for file in (left, written):
        file.write_bytes(b"half")
    os.utime(left, (0, 0))
    for snapshot in folder.glob("*.index"):
        snapshot.unlink()

    opened(store, folder)

    assert [file.name for file in folder.glob("*.partial")] == [written.name]


def test_what_a_snapshot_knows_first_is_told_before_it_is_adopted(kept, monkeypatch):
    store, folder, _ = kept
    told: set[int] = set()
    index = Index(store, folder, on_change=told.update)
    index.open()
    keep(store, [{"resourceType": "Task", "id": "late", "authoredOn": "2024"}])
    monkeypatch.setattr(indexing, "STALE_FLOOR", 0)
    monkeypatch.setattr(indexing, "STALE_SHARE", 0)
    indexing._make_snapshot(store.url, str(folder))
    # One that is over: what it would have made is there.
    index._maker = multiprocessing.get_context("spawn").Process(target=int)
    index._maker.start()
    index._maker.join()

    index._renew_snapshot()

    assert index.view.seq == store.last_change()
    assert store.rid("Task", "late") in told


def ids(store: Store, found) -> set[str]:
    return {row.id for row in store.index_rows(found)}


def test_what_weighs_little_gets_no_new_snapshot(kept):
    store, folder, _ = kept
    index = opened(store, folder)
    before = sorted(folder.glob("*.index"))
    keep(store, [{"resourceType": "Task", "id": "one"}])

    index.snapshot()

    assert sorted(folder.glob("*.index")) == before


def test_an_empty_view_has_nothing():
    assert not EMPTY.of_type("Organization")
    assert EMPTY.memory_bytes() == 0


# --- other processes ------------------------------------------------------------------------------

WRITE = """
import sys
from ror.directory.importing import Document, Place, Report, run
from ror.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    report = Report()
    run(store, [Document(Place("stdin", 1), line.encode())], report, now=1_790_000_000_000_000, workers=0)
    assert report.kept == 1, report.refusals
    print("kept", flush=True)
store.close()
"""


def test_a_write_by_another_process_is_soon_visible_in_a_running_server(serve):
    with serve([b'{"resourceType":"Organization","id":"first","name":"Premier"}']) as server:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, server.database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        with writer:
            assert writer.stdin and writer.stdout
            assert writer.stdout.readline() == "ready\n"
            for number in range(10):
                identity = f"w{number}"
                line = (
                    f'{{"resourceType":"Organization","id":"{identity}","name":"Écrit ailleurs"}}\n'
                )
                writer.stdin.write(line)
                writer.stdin.flush()
                assert writer.stdout.readline() == "kept\n"
                assert until(
                    lambda identity=identity: (
                        server.search("Organization", _id=identity)["total"] == 1
                    )
                )
            writer.stdin.close()


def test_two_servers_on_one_store_see_the_same(serve):
    first_line = b'{"resourceType":"Organization","id":"first","name":"Premier"}'
    with serve([first_line]) as one, serving(one.database) as other:
        import_lines(
            one.database, [b'{"resourceType":"Organization","id":"second","name":"Second"}']
        )
        for server in (one, other):
            assert until(lambda server=server: server.search("Organization")["total"] == 2)

        assert [
            server.search("Organization", name="second")["total"] for server in (one, other)
        ] == [1, 1]
        assert one.get("Organization/second").content == other.get("Organization/second").content
