"""
Writing resources into the SQLite file of their directory: what becomes of each, in the transaction under way.

What takes a connection is for the thread of the writer alone. Which number a resource gets is decided here, and which
one it has is remembered.
"""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from ror.store.contract import Draft, Outcome, Packed, Rid
from ror.store.sqlite import masks as sqlite_access
from ror.store.sqlite.compression import codec_of, dictionary_id, shipped_dictionary
from ror.store.sqlite.file import as_json, now_us

Key = tuple[int, str]
"""The code of a resource type, and an id."""

# Two generations of this many: about 30 MB when the directory is larger.
RIDS_REMEMBERED: Final = 100_000

_CREATE: Final = (
    "INSERT INTO resource (rid, type, id, version, last_updated, recorded_at, author, deleted,"
    " digest, targets, entries, body) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)"
)
_REFER: Final = (
    "INSERT INTO resource (rid, type, id, version, last_updated, recorded_at, author, deleted)"
    " VALUES (?, ?, ?, 0, 0, 0, '', 0)"
)
_UPDATE: Final = (
    "UPDATE resource SET version = ?, last_updated = ?, recorded_at = ?, author = ?, deleted = 0,"
    " digest = ?, targets = ?, entries = ?, body = ? WHERE rid = ?"
)
# What is only referred to has no version to keep.
_SUPERSEDE: Final = (
    "INSERT INTO version (rid, version, last_updated, recorded_at, author, deleted, body, shades, plan)"
    " SELECT rid, version, last_updated, recorded_at, author, deleted, body, shades, plan"
    " FROM resource JOIN access USING (rid) WHERE rid = ? AND version > 0"
)


def own_dictionary(connection: sqlite3.Connection) -> bytes:
    """The dictionary that this database compresses with: its newest, or the shipped one, copied once and for all."""
    newest = "SELECT content FROM dictionary ORDER BY recorded_at DESC LIMIT 1"
    if connection.execute(newest).fetchone() is None:
        shipped = shipped_dictionary()
        # Two processes may open a new file at once; both give it the same dictionary.
        connection.execute(
            "INSERT INTO dictionary VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (dictionary_id(shipped), now_us(), shipped),
        )
    content: bytes = connection.execute(newest).fetchone()[0]
    return content


def packed(dictionary: bytes, draft: Draft) -> Packed:
    """A draft with the frames of its body and entries; sent to other processes with the dictionary."""
    compress = codec_of(dictionary).compress
    body, entries = compress(draft.body), compress(draft.entries)
    return Packed(
        draft.type,
        draft.id,
        draft.last_updated,
        body,
        entries,
        draft.links,
        draft.digest,
        draft.own,
        draft.codes,
        draft.plan,
        draft.idle,
    )


class Known:
    """Which code each type has and which rid each resource, as far as the writer remembers; for its thread alone."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._recent: dict[Key, int] = {}
        self._older: dict[Key, int] = {}
        # What was allotted in the transaction under way may not be in its row yet.
        self._highest = 0

    def forget(self) -> None:
        """Something was rolled back: remember nothing, for a rid may not have been allotted after all."""
        self._codes, self._recent, self._older, self._highest = {}, {}, {}, 0

    def code(self, connection: sqlite3.Connection, name: str) -> int:
        """The code of a type, allotted when it has none."""
        code = self._codes.get(name)
        if code is None:
            connection.execute("INSERT INTO type (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            code = int(
                connection.execute("SELECT code FROM type WHERE name = ?", (name,)).fetchone()[0]
            )
            self._codes[name] = code
        return code

    def rids(self, connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, int]:
        """The rid of each key that has one."""
        found: dict[Key, int] = {}
        unknown: defaultdict[int, set[str]] = defaultdict(set)
        for key in keys:
            rid = self._recent.get(key) or self._older.get(key)
            if rid is None:
                unknown[key[0]].add(key[1])
            else:
                found[key] = rid
        for code, ids in unknown.items():
            rows = connection.execute(
                "SELECT resource.id, rid FROM json_each(?)"
                " CROSS JOIN resource ON resource.type = ? AND resource.id = value",
                (as_json(list(ids)), code),
            )
            found.update(((code, resource_id), rid) for resource_id, rid in rows)
        self.remember(found)
        return found

    def allot(self, connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, int]:
        """A new rid for each key, above all others; the write lock is held, so nobody else allots the same."""
        written = connection.execute("SELECT max(rid) FROM resource").fetchone()[0] or 0
        highest = max(self._highest, written)
        rids = {key: rid for rid, key in enumerate(keys, highest + 1)}
        self._highest = highest + len(rids)
        self.remember(rids)
        return rids

    def remember(self, rids: dict[Key, int]) -> None:
        """Keep these at hand; what was not asked for in a long time goes away."""
        self._recent.update(rids)
        if len(self._recent) > RIDS_REMEMBERED:
            self._recent, self._older = {}, self._recent


def keep(
    connection: sqlite3.Connection, known: Known, packed: Sequence[Packed], author: str
) -> list[Outcome]:
    """What became of each draft, in the transaction under way."""
    keys = [(known.code(connection, each.type), each.id) for each in packed]
    outcomes: dict[int, Outcome] = {}
    for positions in _rounds(keys):
        batch = {keys[position]: packed[position] for position in positions}
        outcomes.update(
            zip(positions, _keep_distinct(connection, known, batch, author), strict=True)
        )
    return [outcomes[position] for position in range(len(packed))]


def _rounds(keys: Sequence[Key]) -> list[list[int]]:
    """
    The positions of `keys`, cut so that no key comes twice in a round; nearly always one round.

    >>> _rounds([(1, "a"), (1, "b"), (1, "a")])
    [[0, 1], [2]]
    """
    rounds: list[list[int]] = []
    seen: defaultdict[Key, int] = defaultdict(int)
    for position, key in enumerate(keys):
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(position)
        seen[key] += 1
    return rounds


def _keep_distinct(
    connection: sqlite3.Connection, known: Known, batch: dict[Key, Packed], author: str
) -> list[Outcome]:
    """What became of each draft of a batch of distinct resources."""
    rids = known.rids(connection, batch)
    current = _current(connection, rids.values())
    changed = {
        key: each
        for key, each in batch.items()
        if key not in rids or current[rids[key]][1] != each.digest
    }
    codes = {
        name: known.code(connection, name) for each in changed.values() for name, _ in each.links
    }
    links = [[(codes[name], link_id) for name, link_id in each.links] for each in changed.values()]
    rids |= known.rids(
        connection,
        {key for keys in links for key in keys if key not in rids and key not in changed},
    )
    # New resources before what they refer to, so that their rows fill the pages in order.
    rids |= known.allot(connection, [key for key in changed if key not in rids])
    ghosts = known.allot(
        connection, dict.fromkeys(key for keys in links for key in keys if key not in rids)
    )
    rids |= ghosts

    now = now_us()
    written: dict[int, sqlite_access.Written] = {}
    inserts: list[tuple[object, ...]] = []
    updates: list[tuple[object, ...]] = []
    changes: list[tuple[int, int]] = []
    for (key, each), keys in zip(changed.items(), links, strict=True):
        rid, targets = rids[key], _bytes_of([rids[link] for link in keys])
        version = current[rid][0] + 1 if rid in current else 1
        values = (
            version,
            each.last_updated,
            now,
            author,
            each.digest,
            targets,
            each.entries,
            each.body,
        )
        if rid in current:
            updates.append((*values, rid))
        else:
            inserts.append((rid, *key, *values))
        changes.append((rid, version))
        linked = [(name, rids[link]) for (name, _), link in zip(each.links, keys, strict=True)]
        flowing = linked[: len(linked) - each.idle]
        written[rid] = sqlite_access.Written(each.type, each.own, each.codes, each.plan, flowing)
    before = _targets(connection, [rid for rid in written if rid in current])
    connection.executemany(_CREATE, inserts)
    connection.executemany(_REFER, ((rid, *key) for key, rid in ghosts.items()))
    connection.executemany(_SUPERSEDE, ((update[-1],) for update in updates))
    connection.executemany(_UPDATE, updates)
    connection.executemany("INSERT INTO change (rid, version, deleted) VALUES (?, ?, 0)", changes)
    sqlite_access.keep(connection, written, before)
    return [_outcome(key in changed, current.get(rids[key])) for key in batch]


def _outcome(changed: bool, before: tuple[int, bytes | None] | None) -> Outcome:
    """What writing did, knowing what there was: `(version, digest)`, without digest when it was absent."""
    if not changed:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if before and before[1] is not None else Outcome.CREATED


def _current(
    connection: sqlite3.Connection, rids: Iterable[int]
) -> dict[int, tuple[int, bytes | None]]:
    """The version and the digest of each rid; the digest is None when it is absent."""
    rows = connection.execute(
        "SELECT rid, version, digest FROM json_each(?) CROSS JOIN resource ON rid = value",
        (as_json(list(rids)),),
    )
    return {rid: (version, digest) for rid, version, digest in rows}


def delete(
    connection: sqlite3.Connection, resource_type: str, resource_id: str, author: str
) -> bool:
    """Whether there was a live resource, which is now deleted."""
    row = connection.execute(
        "SELECT rid, version FROM resource"
        " WHERE type = (SELECT code FROM type WHERE name = ?) AND id = ? AND body IS NOT NULL",
        (resource_type, resource_id),
    ).fetchone()
    if row is None:
        return False
    rid, version = row
    now = now_us()
    targets = _targets(connection, [rid])[rid]
    connection.execute(_SUPERSEDE, (rid,))
    connection.execute(
        "UPDATE resource SET version = ?, last_updated = ?, recorded_at = ?, author = ?, deleted = 1,"
        " digest = NULL, targets = NULL, entries = NULL, body = NULL WHERE rid = ?",
        (version + 1, now, now, author, rid),
    )
    connection.execute(
        "INSERT INTO change (rid, version, deleted) VALUES (?, ?, 1)", (rid, version + 1)
    )
    sqlite_access.let_go(connection, rid, targets)
    return True


def _targets(connection: sqlite3.Connection, rids: Sequence[int]) -> dict[int, tuple[Rid, ...]]:
    """What each of these resources refers to at this moment."""
    rows = connection.execute(
        "SELECT rid, targets FROM json_each(?) CROSS JOIN resource ON rid = value", (as_json(rids),)
    )
    return {rid: rids_in(targets) for rid, targets in rows}


def _bytes_of(rids: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(rids)}I", *rids)


def rids_in(targets: bytes | None) -> tuple[Rid, ...]:
    return struct.unpack(f"<{len(targets) // 4}I", targets) if targets else ()
