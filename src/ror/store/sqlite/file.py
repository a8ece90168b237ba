"""
The SQLite file of a directory: opening it, migrating its tables, translating the driver's errors.

Nothing here depends on what the tables hold.
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
# 16 MiB of log between two checkpoints: four times the default, and still recovered quickly.
CHECKPOINT_PAGES: Final = 4_096
MAX_LOG_BYTES: Final = 64 << 20
FILE_MODE: Final = 0o600
"""The file holds signing keys and confidential data; SQLite gives the mode to its log files too."""

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
    The RorError for a driver's error about `path`; any other error unchanged.

    A file that cannot be used is a UsageError while it is opened, and Unavailable later.
    """
    if not isinstance(error, sqlite3.Error):
        return error
    # The low byte is the primary code. Errors of the Python module itself carry none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    kind = UsageError if opening and code in _PERMANENT else Unavailable
    translated = kind((_TRANSIENT | _PERMANENT).get(code, "store.failed"), path=path, reason=error)
    translated.__cause__ = error
    return translated


@contextmanager
def translate_errors(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Raise a driver's error inside this block as the RorError for `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path, opening=opening) from error


def open_writer(path: Path, *, upgrading: bool = False) -> sqlite3.Connection:
    """
    The connection that writes; the file is created if it is absent.

    The tables of an earlier release are migrated if `upgrading`, and refused otherwise.

    Raises UsageError if `path` cannot be used, Unavailable if it is locked or its disk is full.
    """
    _check_path(path)
    with suppress(OSError):
        # Sets the mode of a new file only. If this fails, SQLite reports the error below.
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
    """A read-only connection to a file that `open_writer` has opened before."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def url_of(path: Path) -> str:
    """The URL of a file, valid in any working directory."""
    return f"sqlite:///{quote(str(path.absolute()))}"


class FileIdentity:
    """
    The device and inode that a path named when it was opened.

    If a file is renamed or removed, SQLite keeps using it while new connections open the new file.
    Without this check, acknowledged writes would be lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._current_file()

    def check(self) -> None:
        """Raises Unavailable if the path names another file, or none."""
        if self._current_file() != self._opened:
            raise Unavailable("store.replaced", path=self._path)

    def _current_file(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("store.cannot-open", path=self._path, reason=error) from error
        return status.st_dev, status.st_ino


def size_on_disk(path: Path) -> int:
    """The bytes of the file, its log and the index of the log."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return sum(file.stat().st_size for file in files if file.exists())


def migrations() -> list[tuple[int, str]]:
    """Every migration `(number, SQL)` in order; the number is the `user_version` after it."""
    folder = resources.files("ror.store").joinpath("migrations", "sqlite")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [(int(file.name.partition("_")[0]), file.read_text(encoding="utf-8")) for file in files]


def as_json(value: object) -> str:
    """A value as JSON, for a column or for `json_each`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def now_us() -> Micros:
    """The current time in microseconds."""
    return Micros(time.time_ns() // 1_000)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode; its owner lets one thread at a time use it."""
    return sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def _check_path(path: Path) -> None:
    """Raises UsageError if no database can be at `path`; SQLite's own error would not say why."""
    if not path.parent.is_dir():
        raise UsageError("store.no-directory", path=path, directory=path.parent)
    if path.is_dir():
        raise UsageError("store.is-a-directory", path=path)
    # The folder must be writable too: SQLite creates the log in it.
    if not os.access(path if path.exists() else path.parent, os.W_OK) or not os.access(
        path.parent, os.W_OK
    ):
        raise UsageError("store.read-only", path=path)


def check_is_directory(connection: sqlite3.Connection, path: Path) -> None:
    """Raises UsageError if the file is the database of another program."""
    application = _number(connection, "PRAGMA application_id")
    if application != APPLICATION_ID and _number(connection, "SELECT count(*) FROM sqlite_schema"):
        raise UsageError("store.not-a-directory", path=path)


def _turn_on_log(connection: sqlite3.Connection) -> None:
    """
    Turn write-ahead logging on.

    SQLite ignores its busy timeout if two processes create a file at once: so this function
    retries.
    """
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
    Run the missing migrations in one transaction.

    Raises UsageError if the file is newer than this program, or older and not `upgrading`.
    """
    steps = migrations()
    newest = steps[-1][0]
    if version_of(connection, path, newest) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated the file meanwhile.
        version = version_of(connection, path, newest)
        if 0 < version < newest and not upgrading:
            raise UsageError("store.older", path=path, url=url_of(path))
        for number, sql in steps:
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
    """The number of the last migration of a file. Raises UsageError if it is above `newest`."""
    version = _number(connection, "PRAGMA user_version")
    if version > newest:
        raise UsageError("store.newer", path=path, version=version, newest=newest)
    return version


def _statements(sql: str) -> Iterator[str]:
    """Each statement of a script; `executescript` would commit the current transaction."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _number(connection: sqlite3.Connection, query: str) -> int:
    number: int = connection.execute(query).fetchone()[0]
    return number
