"""
The change log of a SQLite directory, and the instants of its lines.

Every function runs in the caller's transaction. An instant comes from the clock while the caller
holds the write lock, and is never earlier than that of the newest line. So instants follow the
order of commits in all processes, even if the clock goes back.
"""

import sqlite3
import time
from collections.abc import Iterable
from typing import Final

from ror.standard.instants import NO_DATE, Micros
from ror.store.contract import NO_CHANGE, Seq
from ror.store.sqlite.queries import changes as changes_sql

MILLISECOND: Final = 1_000
"""Instants are whole milliseconds, as in FHIR; the database stores microseconds."""


def newest(connection: sqlite3.Connection) -> tuple[Seq, Micros]:
    """The seq and the instant of the newest line; two zeros if the log is empty."""
    seq, recorded_at = connection.execute(changes_sql.NEWEST).fetchone() or (NO_CHANGE, NO_DATE)
    return seq, recorded_at


def issue_instant(connection: sqlite3.Connection) -> Micros:
    """
    The instant of a write, never earlier than a previous one. The caller holds the write lock.
    """
    now = whole_milliseconds(time.time_ns() // 1_000)
    return max(now, newest(connection)[1])


def whole_milliseconds(microseconds: int) -> Micros:
    """
    An instant, cut to whole milliseconds.

    >>> whole_milliseconds(1_234_567)
    1234000
    """
    return Micros(microseconds - microseconds % MILLISECOND)


def add(
    connection: sqlite3.Connection,
    versions: Iterable[tuple[int, int]],
    deleted: bool,
    instant: Micros,
) -> None:
    """Add one line for each `(rid, version)`."""
    connection.executemany(
        changes_sql.ADD, ((rid, version, deleted, instant) for rid, version in versions)
    )


def add_without_version(
    connection: sqlite3.Connection, rids: Iterable[int], instant: Micros
) -> None:
    """Add one line for each resource whose visibility changed but whose content did not."""
    connection.executemany(changes_sql.ADD_WITHOUT_VERSION, ((rid, instant) for rid in rids))
