"""
The keys that sign tokens, in the SQLite file: implements `identity.keeping.KeyStore`.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from ror.identity.tokens import SigningKey
from ror.store.sqlite.clients import WriteTransaction
from ror.store.sqlite.queries import keys as keys_sql


class SqliteKeys:
    """`write` runs a function in a durable transaction; `read` returns the rows of a query."""

    def __init__(
        self, write: WriteTransaction, read: Callable[[str, Sequence[object]], list[Any]]
    ) -> None:
        self._write = write
        self._read = read

    def all(self) -> list[SigningKey]:
        rows = self._read(keys_sql.ALL, ())
        return [SigningKey(kid, created_at, json.loads(jwk)) for kid, created_at, jwk in rows]

    def succeed(self, fresh: SigningKey, newest: str | None, forgotten: Sequence[str] = ()) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(keys_sql.NEWEST).fetchone()
            if (row[0] if row else None) != newest:
                return False
            connection.execute(
                keys_sql.ADD,
                (fresh.kid, fresh.created_at, json.dumps(dict(fresh.jwk))),
            )
            connection.executemany(keys_sql.REMOVE, ((kid,) for kid in forgotten))
            return True

        return self._write(work)

    def last_change(self) -> int:
        last: int = self._read(keys_sql.LAST_CHANGE, ())[0][0]
        return last
