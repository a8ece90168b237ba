"""
The links that only an address of another server gives.

Access treats them as links to the resource of that type and id; for everything else they lead nowhere,
so that they are not dangling when this directory has no such resource (choice 34).
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from ror.store.sqlite.queries import foreign_links as foreign_links_sql


def replace_links(
    connection: sqlite3.Connection, updated: Iterable[int], links: Mapping[int, Sequence[int]]
) -> None:
    """Replace the foreign links of what is `updated` by `links`: the targets of each rid that has some."""
    connection.executemany(foreign_links_sql.FORGET, ((rid,) for rid in updated))
    connection.executemany(
        foreign_links_sql.KEEP,
        ((rid, target) for rid, targets in links.items() for target in targets),
    )


def all_links(connection: sqlite3.Connection) -> set[tuple[int, int]]:
    """Every foreign link, as the rids of its two ends."""
    return set(connection.execute(foreign_links_sql.ALL))
