"""
The links to addresses of other servers.

Access treats them as links to our resource of that type and id. Everything else ignores them: they
are not dangling if this directory has no such resource (choice 34).
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from ror.store.sqlite.queries import foreign_links as foreign_links_sql


def replace_links(
    connection: sqlite3.Connection, updated: Iterable[int], links: Mapping[int, Sequence[int]]
) -> None:
    """Replace the foreign links of the resources in `updated`; `links` has the targets of each."""
    connection.executemany(foreign_links_sql.FORGET, ((rid,) for rid in updated))
    connection.executemany(
        foreign_links_sql.KEEP,
        ((rid, target) for rid, targets in links.items() for target in targets),
    )


def all_links(connection: sqlite3.Connection) -> set[tuple[int, int]]:
    """Every foreign link as `(source, target)`."""
    return set(connection.execute(foreign_links_sql.ALL))
