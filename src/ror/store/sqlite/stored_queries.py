"""
The queries of page links in the SQLite file: implements `contract.StoredQueries`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from ror.store.contract import StoredQuery
from ror.store.sqlite.clients import WriteTransaction
from ror.store.sqlite.file import now_us
from ror.store.sqlite.queries import page_links as page_links_sql

_USED_AGAIN_AFTER_US: Final = 3_600_000_000
"""A read of a stored query counts as a new use after this time, so that paging writes rarely."""


class SqliteStoredQueries:
    """`write` runs a function in a durable transaction; `read` returns the rows of a query."""

    def __init__(
        self, write: WriteTransaction, read: Callable[[str, Sequence[object]], list[Any]]
    ) -> None:
        self._write = write
        self._read = read

    def keep(self, query: StoredQuery, per_client: int, max_age_s: float) -> None:
        now = now_us()
        recent = self._read(
            page_links_sql.IS_RECENT,
            (query.id, now - _USED_AGAIN_AFTER_US),
        )
        if recent:
            return

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(page_links_sql.KEEP, (query.id, query.client, now, query.query))
            connection.execute(page_links_sql.FORGET_OLD, (now - int(max_age_s * 1e6),))
            connection.execute(page_links_sql.FORGET_BEYOND, (query.client, per_client))

        self._write(work)

    def read(self, query_id: str, max_age_s: float) -> StoredQuery | None:
        rows = self._read(
            page_links_sql.GET,
            (query_id, now_us() - int(max_age_s * 1e6)),
        )
        return StoredQuery(*rows[0]) if rows else None
