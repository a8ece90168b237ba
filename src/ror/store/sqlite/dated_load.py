"""
A load that keeps the dates of its source as instants.

A load begins in an empty directory. Each of its transactions records the seq of its last change. If
anything else writes to the directory, that seq is no longer the newest one and the load cannot
continue: clients may rely on the instants issued since.
"""

import sqlite3
from typing import Final

from ror.errors import UsageError
from ror.store.sqlite import changes as change_log
from ror.store.sqlite.queries import meta as meta_sql

_KEY: Final = "dated-load"
"""The key of `meta` with the seq of the last change of an incomplete load."""


def begin(connection: sqlite3.Connection) -> None:
    """Begin a load, or resume an incomplete one. Raises UsageError if neither is possible."""
    if change_log.newest(connection)[0] == 0:
        advance(connection)
    check(connection)


def check(connection: sqlite3.Connection) -> None:
    """Raises UsageError unless a load is under way and made every change of the log."""
    row = connection.execute(meta_sql.GET, (_KEY,)).fetchone()
    newest = change_log.newest(connection)[0]
    if row is None or int(row[0]) != newest:
        raise UsageError("import.dates-not-empty", changes=newest)


def advance(connection: sqlite3.Connection) -> None:
    """Record the newest change as the last one of the load."""
    connection.execute(meta_sql.SET, (_KEY, str(change_log.newest(connection)[0])))


def end(connection: sqlite3.Connection) -> None:
    """Record that no load is under way."""
    connection.execute(meta_sql.REMOVE, (_KEY,))
