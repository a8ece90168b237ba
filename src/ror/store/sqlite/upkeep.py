"""
Upkeep of a SQLite file: rewriting what is derived, reading the form of a file, backing it up.

What opens a file without `open_writer` works on files of former releases too: it changes no table.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ror.errors import UsageError
from ror.store.contract import CompressedDraft, Draft, Rid, VersionBody
from ror.store.sqlite import file as sqlite_file
from ror.store.sqlite import rewriting
from ror.store.sqlite.clients import WriteTransaction
from ror.store.sqlite.compression import Codec
from ror.store.sqlite.queries import changes as changes_sql
from ror.store.sqlite.queries import meta as meta_sql
from ror.store.sqlite.writing import RidCache

PAGES_AT_ONCE: Final = 4_096
"""Pages of 4 KB that a backup copies between two reports of its progress."""

Progress = Callable[[int, int], None]
"""Hears how many pages are copied, of how many."""


class SqliteUpkeep:
    """`contract.Upkeep`; `write` runs a piece of work durably, `read` gives the rows of a query."""

    def __init__(
        self,
        write: WriteTransaction,
        snapshot: Callable[[], Any],
        known: RidCache,
        codec: Codec,
        pack: Callable[[Draft], CompressedDraft],
    ) -> None:
        self._write = write
        self._snapshot = snapshot
        self._known = known
        self._codec = codec
        self._pack = pack

    def version_bodies(self, after: Rid, count: int) -> list[VersionBody]:
        with self._snapshot() as connection:
            return rewriting.version_bodies(connection, self._codec, after, count)

    def rewrite(self, versions: Sequence[tuple[VersionBody, Draft]]) -> int:
        packed = [(version, self._pack(draft)) for version, draft in versions]
        return self._write(lambda connection: rewriting.rewrite(connection, self._known, packed))


# --- a file as it is ---


@dataclass(frozen=True, slots=True)
class DatabaseFormat:
    """
    The form of a file.

    `tables` is the number of its last migration, 0 when it is empty; `newest_tables` is that of this
    program; `facts` are the small facts of the directory.
    """

    tables: int
    newest_tables: int
    meta: Mapping[str, str]
    holds_resources: bool


def database_format(path: Path) -> DatabaseFormat:
    """
    The form of the directory in a file.

    Raises UsageError when it is no directory, or was written by a newer program.
    """
    with _opened(path) as connection:
        sqlite_file.check_is_directory(connection, path)
        newest = sqlite_file.migrations()[-1][0]
        tables = sqlite_file.version_of(connection, path, newest)
        facts, holds_resources = [], False
        if tables:
            facts = connection.execute(meta_sql.ALL).fetchall()
            newest_change = connection.execute(changes_sql.NEWEST_SEQ).fetchone()[0]
            holds_resources = newest_change is not None
    return DatabaseFormat(tables, newest, dict(facts), holds_resources)


def check_unused(path: Path) -> None:
    """
    Raises UsageError when another process has the file open, of whichever release it is.

    SQLite leaves write-ahead logging only for whoever is alone with the file.
    """
    with _opened(path) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            alone = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete"
        except sqlite3.OperationalError:
            alone = False
    if not alone:
        raise UsageError("store.in-use", path=path)


def back_up(path: Path, target: Path, progress: Progress) -> None:
    """
    Copy one consistent moment of a file to `target`, durable, whole or not there at all.

    Others may read and write meanwhile. The copy is as private as the file.
    Raises UsageError when `target` exists or cannot be written.
    """
    if target.exists():
        raise UsageError("backup.exists", file=target)
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC, sqlite_file.FILE_MODE))
    except OSError as problem:
        raise UsageError("backup.cannot-write", file=target, problem=problem.strerror) from None
    try:
        with _opened(path) as source, sqlite_file.translate_errors(target):
            with closing(sqlite3.connect(partial)) as copy:
                source.backup(
                    copy,
                    pages=PAGES_AT_ONCE,
                    progress=lambda status, left, total: progress(total - left, total),
                )
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with (
        sqlite_file.translate_errors(path, opening=True),
        closing(sqlite_file.connect(path)) as connection,
    ):
        yield connection
