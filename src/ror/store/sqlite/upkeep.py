"""
Upkeep of a SQLite file: rewriting derived values, reading the format of a file, backing it up.

Functions that open a file without `open_writer` change no table: they accept earlier releases.
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
"""Receives the number of pages copied so far, and the total."""


class SqliteUpkeep:
    """
    Implements `contract.Upkeep`.

    `write` runs a function in a durable transaction; `snapshot` opens one for reading.
    """

    def __init__(
        self,
        write: WriteTransaction,
        snapshot: Callable[[], Any],
        rid_cache: RidCache,
        codec: Codec,
        compress: Callable[[Draft], CompressedDraft],
    ) -> None:
        self._write = write
        self._snapshot = snapshot
        self._rid_cache = rid_cache
        self._codec = codec
        self._compress = compress

    def version_bodies(self, after: Rid, count: int) -> list[VersionBody]:
        with self._snapshot() as connection:
            return rewriting.version_bodies(connection, self._codec, after, count)

    def rewrite(self, versions: Sequence[tuple[VersionBody, Draft]]) -> int:
        drafts = [(version, self._compress(draft)) for version, draft in versions]
        return self._write(
            lambda connection: rewriting.rewrite(connection, self._rid_cache, drafts)
        )


# --- database files ---


@dataclass(frozen=True, slots=True)
class DatabaseFormat:
    """
    The format of a database file.

    `tables` is the number of its last migration, 0 if it has none; `newest_tables` is the last
    migration of this release; `meta` has the values that describe the directory.
    """

    tables: int
    newest_tables: int
    meta: Mapping[str, str]
    holds_resources: bool


def database_format(path: Path) -> DatabaseFormat:
    """
    The format of a database file.

    Raises UsageError if it is no directory, or if a newer release wrote it.
    """
    with _opened(path) as connection:
        sqlite_file.check_is_directory(connection, path)
        newest = sqlite_file.migrations()[-1][0]
        tables = sqlite_file.version_of(connection, path, newest)
        meta, holds_resources = [], False
        if tables:
            meta = connection.execute(meta_sql.ALL).fetchall()
            newest_change = connection.execute(changes_sql.NEWEST_SEQ).fetchone()[0]
            holds_resources = newest_change is not None
    return DatabaseFormat(tables, newest, dict(meta), holds_resources)


def check_unused(path: Path) -> None:
    """
    Raises UsageError if another process of any release has the file open.

    SQLite can turn write-ahead logging off only while no other connection exists.
    """
    with _opened(path) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            is_unused = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete"
        except sqlite3.OperationalError:
            is_unused = False
    if not is_unused:
        raise UsageError("store.in-use", path=path)


def back_up(path: Path, target: Path, progress: Progress) -> None:
    """
    Copy a snapshot of a file to `target`, durable on return; on failure there is no `target`.

    Other connections may read and write meanwhile. Only the account of the service can read the
    copy. Raises UsageError if `target` exists or cannot be written.
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
