"""
The SQLite file of a directory: opening it, bringing its tables up to date, and saying in our words what went wrong.

Nothing here knows what a resource is.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ror.errors import Unavailable, UsageError
from ror.standard.instants import Micros

APPLICATION_ID: Final = 0x524F5221
BUSY_TIMEOUT_S: Final = 10.0
WRITER_CACHE_KIB: Final = 65_536
# 16 MiB of log between two copies into the file: half as many as by default, and still read quickly after a crash.
CHECKPOINT_PAGES: Final = 4_096
MAX_LOG_BYTES: Final = 64 << 20
FILE_MODE: Final = 0o600
"""The file holds the keys that sign tokens, and what few may see; SQLite gives its mode to the files beside it."""

# What each primary result code means. Source: sqlite.org/rescode.html.
_TRANSIENT: Final = {
    sqlite3.SQLITE_FULL: "store.disk-full",
    sqlite3.SQLITE_BUSY: "store.locked",
    sqlite3.SQLITE_LOCKED: "store.locked",
    sqlite3.SQLITE_IOERR: "store.disk-error",
}
_PERMANENT: Final = {
    sqlite3.SQLITE_CORRUPT: "store.corrupt",
    sqlite3.SQLITE_NOTADB: "store.not-a-database",
    sqlite3.SQLITE_CANTOPEN: "store.cannot-open",
    sqlite3.SQLITE_PERM: "store.read-only",
    sqlite3.SQLITE_READONLY: "store.read-only",
}


def store_error(error: Exception, path: Path, *, opening: bool = False) -> Exception:
    """
    What callers are told of a driver's error about `path`; any other error as it is.

    A file that will not do is a UsageError for the one who chooses it; later, for a caller, it is Unavailable.
    """
    if not isinstance(error, sqlite3.Error):
        return error
    # The low byte is the primary code. Errors of the Python module itself carry none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    kind = UsageError if opening and code in _PERMANENT else Unavailable
    told = kind((_TRANSIENT | _PERMANENT).get(code, "store.failed"), path=path, reason=error)
    told.__cause__ = error
    return told


@contextmanager
def translate_errors(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Within this block, a driver's error about `path` comes out in our words."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path, opening=opening) from error


def open_writer(path: Path, *, upgrading: bool = False) -> sqlite3.Connection:
    """
    The connection that writes, its file created when there is none.

    The tables of a file of a former release are brought up to date when `upgrading`; else they are refused.

    Raises UsageError when `path` cannot be used, Unavailable when it is locked or its disk is full.
    """
    _check_place(path)
    with suppress(OSError):
        # What cannot be made here is for SQLite to tell. An operator may have given a former file another mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, FILE_MODE))
    with translate_errors(path, opening=True):
        connection = connect(path)
        try:
            check_is_directory(connection, path)
            _turn_on_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")
            _migrate(connection, path, upgrading)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads a file that `open_writer` has opened."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def url_of(path: Path) -> str:
    """The address that opens a file, from any folder."""
    return f"sqlite:///{quote(str(path.absolute()))}"


class FileIdentity:
    """
    The file that a path named when it was opened, so that another one in its place is noticed.

    SQLite goes on with a file that was renamed or removed, and new connections open the new one:
    without this check, writes would be acknowledged and lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._at_path()

    def check(self) -> None:
        """Raises Unavailable when the path names another file, or none."""
        if self._at_path() != self._opened:
            raise Unavailable("store.replaced", path=self._path)

    def _at_path(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("store.cannot-open", path=self._path, reason=error) from error
        return found.st_dev, found.st_ino


def size_on_disk(path: Path) -> int:
    """Bytes of the file, its log and the index of its log."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return sum(file.stat().st_size for file in files if file.exists())


def migrations() -> list[tuple[int, str]]:
    """Every migration `(number, SQL)`, from the first; the number is the `user_version` that it leads to."""
    folder = resources.files("ror.store").joinpath("migrations", "sqlite")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [(int(file.name.partition("_")[0]), file.read_text(encoding="utf-8")) for file in files]


def as_json(value: object) -> str:
    """A value as a column keeps it, or as `json_each` takes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def now_us() -> Micros:
    """The current time."""
    return Micros(time.time_ns() // 1_000)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode; whoever holds it sees that one thread at a time uses it."""
    return sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def _check_place(path: Path) -> None:
    """Raises UsageError when no database can be at `path`: SQLite would only say that it cannot open it."""
    if not path.parent.is_dir():
        raise UsageError("store.no-directory", path=path, directory=path.parent)
    if path.is_dir():
        raise UsageError("store.is-a-directory", path=path)
    # The directory must be writable too: the log lies beside the file.
    if not os.access(path if path.exists() else path.parent, os.W_OK) or not os.access(
        path.parent, os.W_OK
    ):
        raise UsageError("store.read-only", path=path)


def check_is_directory(connection: sqlite3.Connection, path: Path) -> None:
    """Raises UsageError when the file holds something else than a directory."""
    owner = _number(connection, "PRAGMA application_id")
    if owner != APPLICATION_ID and _number(connection, "SELECT count(*) FROM sqlite_schema"):
        raise UsageError("store.not-a-directory", path=path)


def _turn_on_log(connection: sqlite3.Connection) -> None:
    """Write-ahead logging on; SQLite does not wait by itself when two processes create a file at the same moment."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _migrate(connection: sqlite3.Connection, path: Path, upgrading: bool) -> None:
    """
    Run the migrations that the file lacks, in one transaction.

    Raises UsageError when the file is newer than this program, or older unless `upgrading`.
    """
    known = migrations()
    newest = known[-1][0]
    if version_of(connection, path, newest) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may have done the work meanwhile.
        version = version_of(connection, path, newest)
        if 0 < version < newest and not upgrading:
            raise UsageError("store.older", path=path, url=url_of(path))
        for number, sql in known:
            if number > version:
                for statement in _statements(sql):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version = _number(connection, "PRAGMA user_version")
    if version > newest:
        raise UsageError("store.newer", path=path, version=version, newest=newest)
    return version


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the transaction under way."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _number(connection: sqlite3.Connection, query: str) -> int:
    number: int = connection.execute(query).fetchone()[0]
    return number
