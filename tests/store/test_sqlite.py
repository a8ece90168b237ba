"""
What is particular to the SQLite file: processes, crashes, migrations, damage, and how small it is.
"""

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from ror import samples as generating
from ror.errors import RorError, Unavailable, UsageError
from ror.resources.versions import without_version
from ror.search.index import extract
from ror.store.contract import Draft
from ror.store.sqlite import file as sqlite_file
from ror.store.sqlite import store as sqlite
from ror.store.sqlite.compression import shipped_dictionary
from ror.store.sqlite.store import SqliteStore
from tests.store.conftest import bodies_of, draft

DECODER = msgspec.json.Decoder(float_hook=Decimal)
ENCODER = msgspec.json.Encoder(decimal_format="number")

# Writes batches for ever, and says the number of each one once it is acknowledged.
WRITER = """
import sys
from pathlib import Path
from ror.store.sqlite.store import SqliteStore
from tests.store.conftest import draft

store = SqliteStore(Path(sys.argv[1]))
print("ready", flush=True)
for batch in range(int(sys.argv[2]), int(sys.argv[3])):
    links = (("Organization", f"{batch + 1}-0"),)
    store.put([draft(f"{batch}-{number}", "x" * 500, links=links) for number in range(20)], "writer")
    store.put([draft("counter", str(batch))], "writer")
    print(batch, flush=True)
"""


def writing_process(path: Path, first: int = 0, after: int = 1_000_000) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(after)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ror.sqlite"


def test_a_new_file_is_for_its_owner_alone(path: Path):
    umask = os.umask(0o022)
    try:
        with closing(SqliteStore(path)) as store:
            store.put([draft("1", "x")], "author")

            files = sorted(path.parent.glob(f"{path.name}*"))
            assert {file.name.removeprefix(path.name) for file in files} == {"", "-shm", "-wal"}
            assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    finally:
        os.umask(umask)


def test_an_operator_may_let_others_read_a_file(path: Path):
    SqliteStore(path).close()
    path.chmod(0o640)

    SqliteStore(path).close()

    assert path.stat().st_mode & 0o777 == 0o640


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def test_a_reader_notices_at_once_what_another_process_acknowledged(
    store: SqliteStore, path: Path
) -> None:
    process = writing_process(path, 0, 1)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    before = store.change_signal()

    process.stdout.readline()

    assert store.change_signal() != before
    assert process.wait(30) == 0
    assert store.last_change() == 21


def test_two_processes_that_write_at_once_both_succeed(path: Path) -> None:
    # The file does not exist yet: they also create it and migrate it at the same moment.
    processes = [writing_process(path, first, first + 15) for first in (0, 100, 200)]
    codes = [process.communicate(timeout=60) and process.returncode for process in processes]

    store = SqliteStore(path)
    counts = store.counts()
    store.close()

    assert codes == [0, 0, 0]
    assert counts == {"Organization": 3 * 15 * 20 + 1}


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_loses_nothing_that_it_acknowledged(path: Path, seed: int) -> None:
    process = writing_process(path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    acknowledged = [int(process.stdout.readline())]
    time.sleep(random.Random(seed).uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()

    store = SqliteStore(path)
    rids = [
        store.rid("Organization", f"{batch}-{number}") or 0
        for batch in acknowledged
        for number in range(20)
    ]
    bodies, seqs = (
        bodies_of(store, rids),
        [change.seq for change in store.changes_after(0, 1_000_000)],
    )
    versions = [row.version for row in store.history("Organization", "counter")]
    store.close()

    assert acknowledged == list(range(len(acknowledged)))
    assert all(bodies)
    assert len(versions) >= len(acknowledged)
    assert versions == list(range(len(versions), 0, -1))
    assert seqs == list(range(1, len(seqs) + 1))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_the_file_is_durable_and_strict(store: SqliteStore, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        journal = connection.execute("PRAGMA journal_mode").fetchone()
        tables = connection.execute(
            "SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%'"
        )
        strict = dict(tables.fetchall())
    connection.close()

    assert journal == ("wal",)
    assert {"resource", "version", "change", "dictionary", "meta", "job", "type"} <= strict.keys()
    assert set(strict.values()) == {1}
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_older_file_is_brought_up_to_date_with_what_it_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = SqliteStore(path)
    older.put([draft("kept")], "import")
    older.close()
    added = "-- A comment; with a semicolon.\nCREATE TABLE added (a INTEGER) STRICT;\nINSERT INTO added VALUES (1);\n"
    known = sqlite_file.migrations()
    monkeypatch.setattr(sqlite_file, "migrations", lambda: [*known, (known[-1][0] + 1, added)])

    with pytest.raises(UsageError, match="ror upgrade"):
        SqliteStore(path)
    newer = SqliteStore(path, upgrading=True)

    found = newer.read("Organization", "kept")
    rows = newer._connection.execute(
        "SELECT a, (SELECT * FROM pragma_user_version) FROM added"
    ).fetchall()
    newer.close()
    assert found is not None
    assert rows == [(1, known[-1][0] + 1)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteStore(path).close()
    known = sqlite_file.migrations()
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite_file,
            "migrations",
            lambda: [*known, (99, "CREATE TABLE added (a);\nCREATE NONSENSE;\n")],
        )
        with pytest.raises(RorError, match="NONSENSE"):
            SqliteStore(path, upgrading=True)

    store = SqliteStore(path)

    tables = store._connection.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'added'"
    ).fetchone()
    store.close()
    assert tables == (0,)


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    numbers = [number for number, _ in sqlite_file.migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def newer_schema(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 1000")
    connection.close()


def foreign_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()


def damaged_file(path: Path) -> None:
    store = SqliteStore(path)
    store.put([draft(str(number)) for number in range(500)], "import")
    store.close()
    # The first page stays, so that it is still a database, and the tables that it names are noise.
    content = path.read_bytes()
    path.write_bytes(content[:4096] + random.Random(1).randbytes(len(content) - 4096))


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        pytest.param(
            lambda path: path.write_text("not a database, not at all" * 50),
            "not an SQLite",
            id="a text file",
        ),
        pytest.param(
            foreign_database, "belongs to another program", id="another program's database"
        ),
        pytest.param(newer_schema, "schema is number 1000", id="a newer schema"),
        pytest.param(damaged_file, "is damaged", id="a damaged file"),
        pytest.param(Path.mkdir, "is a folder", id="a folder"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_explained(path: Path, prepare, said: str) -> None:  # type: ignore[no-untyped-def]
    prepare(path)

    with pytest.raises(UsageError, match=said) as refusal:
        SqliteStore(path).close()

    assert str(path) in refusal.value.text("fr")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as refusal:
        SqliteStore(tmp_path / "missing" / "ror.sqlite")

    assert str(tmp_path / "missing") in refusal.value.text("fr")


def test_a_read_only_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(path).close()
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        # The administrator may write anything; the check is what a common account sees.
        monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path)

    with pytest.raises(UsageError, match="cannot be written"):
        SqliteStore(path)


def test_a_full_disk_refuses_the_write_and_keeps_the_rest(store: SqliteStore) -> None:
    store.put([draft("before")], "import")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(Unavailable, match="is full"):
        store.put(
            [
                Draft("Location", str(n), 0, random.randbytes(900), b"", (), b"d")
                for n in range(200)
            ],
            "import",
        )

    store._connection.execute("PRAGMA max_page_count = 1000000")
    assert store.read("Organization", "before") is not None
    assert store.put([draft("after", links=(("Location", "1"),))], "import")
    assert store.counts() == {"Organization": 2}
    assert store.dangling(1)[0] == 1


def test_a_lock_that_lasts_is_said_to_be_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked by another program"):
        store.put([draft("a")], "import")
    other.execute("ROLLBACK")
    other.close()

    assert store.put([draft("a")], "import")
    store.close()


def test_readers_go_on_while_somebody_writes(store: SqliteStore, path: Path) -> None:
    store.put([draft("a")], "import")
    rid = store.rid("Organization", "a")
    assert rid is not None
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    read: list[list[bytes]] = []

    threads = [
        threading.Thread(target=lambda: read.append(bodies_of(store, [rid] * 100)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.execute("ROLLBACK")
    other.close()

    assert read == [[draft("a").body] * 100] * 8


def test_every_statement_of_a_rebuild_sees_the_same_moment(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put([draft("before")], "import")
    type_names = sqlite._type_names

    def and_meanwhile_somebody_writes(connection: sqlite3.Connection) -> dict[int, str]:
        names = type_names(connection)
        store.put([draft("of a new type", resource_type="Location")], "import")
        return names

    monkeypatch.setattr(sqlite, "_type_names", and_meanwhile_somebody_writes)

    batches = list(store.all_index_rows())

    assert [(seq, [row.id for row in rows]) for seq, rows in batches] == [(1, ["before"])]


def test_a_directory_takes_less_than_650_bytes_per_resource(store: SqliteStore, path: Path) -> None:
    drafts = []
    for line in generating.generate("small", seed=7):
        resource = without_version(DECODER.decode(line))
        body = ENCODER.encode(resource)
        entries, links = extract.pack(resource["resourceType"], extract.extract(resource))
        digest = hashlib.blake2b(body, digest_size=16).digest()
        drafts.append(
            Draft(resource["resourceType"], resource["id"], 0, body, entries, links, digest)
        )
    store.put(drafts, "import")
    store.close()

    dictionary = len(shipped_dictionary())
    assert sum(len(each.body) for each in drafts) / len(drafts) > 2_300
    assert (path.stat().st_size - dictionary) / len(drafts) < 650
