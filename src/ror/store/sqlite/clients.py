"""
The clients of a directory in its SQLite file: implements `identity.keeping.ClientStore`.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from ror.access import Perimeter
from ror.identity import Act, Action, Client, Kind, Rate, State
from ror.store.sqlite.file import as_json
from ror.store.sqlite.queries import clients as clients_sql

Result = TypeVar("Result")


class WriteTransaction(Protocol):
    """Runs a function in a durable transaction and returns its result."""

    def __call__(self, work: Callable[[sqlite3.Connection], Result], /) -> Result: ...


class SqliteClients:
    """`write` runs a function in a durable transaction; `read` returns the rows of a query."""

    def __init__(
        self, write: WriteTransaction, read: Callable[[str, Sequence[object]], list[Any]]
    ) -> None:
        self._write = write
        self._read = read

    def change(self, act: Act, change: Callable[[Client | None], Client]) -> Client:
        def work(connection: sqlite3.Connection) -> Client:
            before = _client_with_id(connection, act.client_id)
            connection.execute(clients_sql.KEEP, _row(change(before)))
            connection.execute(
                clients_sql.ADD_ACT,
                (
                    act.client_id,
                    act.action.value,
                    act.at,
                    act.by,
                    act.reason,
                    as_json(dict(act.details)),
                ),
            )
            after = _client_with_id(connection, act.client_id)
            assert after is not None, "it was just written"
            return after

        return self._write(work)

    def all(self) -> list[Client]:
        query = clients_sql.ALL
        return [_client(row) for row in self._read(query, ())]

    def acts(self, client_id: str) -> list[Act]:
        rows = self._read(
            clients_sql.ACTS,
            (client_id,),
        )
        return [
            Act(client_id, Action(action), at, by, reason, json.loads(details))
            for action, at, by, reason, details in rows
        ]

    def last_act(self) -> int:
        last: int = self._read(clients_sql.LAST_ACT, ())[0][0]
        return last


def _client_with_id(connection: sqlite3.Connection, client_id: str) -> Client | None:
    row = connection.execute(clients_sql.GET, (client_id,)).fetchone()
    return None if row is None else _client(row)


def _row(client: Client) -> tuple[object, ...]:
    """A client as the values of `clients_sql.KEEP`."""
    perimeter, rate = client.perimeter or Perimeter(), client.rate
    lists = (
        perimeter.regions,
        perimeter.fields,
        client.user_profiles,
        client.roles,
        client.establishments,
    )
    return (
        *(client.id, client.name, client.kind.value, client.state.value),
        *(client.profile, client.subject, client.secret),
        *(as_json(sorted(values)) for values in lists),
        *((rate.calls_per_minute, rate.burst) if rate else (None, None)),
    )


def _client(row: Sequence[Any]) -> Client:
    """The client in a row of `clients_sql.ALL`."""
    (
        number,
        identifier,
        name,
        kind,
        state,
        profile,
        subject,
        secret,
        *lists,
        calls_per_minute,
        burst,
    ) = row
    regions, fields, user_profiles, roles, establishments = map(_set, lists)
    return Client(
        id=identifier,
        name=name,
        kind=Kind(kind),
        profile=profile,
        subject=subject,
        secret=secret,
        perimeter=Perimeter(regions, fields) if regions or fields else None,
        user_profiles=user_profiles,
        roles=roles,
        establishments=establishments,
        rate=None if calls_per_minute is None else Rate(calls_per_minute, burst),
        state=State(state),
        number=number,
    )


def _set(texts: str) -> frozenset[str]:
    values: Iterable[str] = json.loads(texts)
    return frozenset(values)
