"""
A load that keeps the dates of its source as instants: allowed while a directory is empty, and until it is complete.

The newest change that the load wrote is noted in the transaction that writes it. Once anything else
is written, the note no longer names the newest change of all, and the load cannot go on: clients may
rely on instants that were issued since.
"""

import sqlite3
from typing import Final

from ror.errors import UsageError
from ror.store.sqlite import changes as change_log
from ror.store.sqlite.queries import meta as meta_sql

_KEY: Final = "dated-load"
"""The key of `meta` that holds the seq of the last change of a load that is not complete."""


def begin(connection: sqlite3.Connection) -> None:
    """Begin a load, or resume the one that is not complete. Raises UsageError when neither is possible."""
    if change_log.newest(connection)[0] == 0:
        advance(connection)
    check(connection)


def check(connection: sqlite3.Connection) -> None:
    """Raises UsageError unless a load is under way and wrote everything that there is."""
    row = connection.execute(meta_sql.GET, (_KEY,)).fetchone()
    newest = change_log.newest(connection)[0]
    if row is None or int(row[0]) != newest:
        raise UsageError("import.dates-not-empty", changes=newest)


def advance(connection: sqlite3.Connection) -> None:
    """Note that the load wrote everything that there is so far."""
    connection.execute(meta_sql.SET, (_KEY, str(change_log.newest(connection)[0])))


def end(connection: sqlite3.Connection) -> None:
    """Note that no load is under way."""
    connection.execute(meta_sql.REMOVE, (_KEY,))
