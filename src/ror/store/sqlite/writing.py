"""
Writing drafts and deletions into the SQLite file, in the caller's transaction.

Only the writer's thread calls the functions that take a connection. They allot the rid of each new
resource, and cache the rids of recent ones.
"""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ror.standard.instants import NO_DATE, Micros
from ror.store.contract import CompressedDraft, Draft, Outcome, Rid
from ror.store.sqlite import changes as change_log
from ror.store.sqlite import dated_load, foreign_links, masks
from ror.store.sqlite.compression import codec_of, dictionary_id, shipped_dictionary
from ror.store.sqlite.file import as_json, now_us
from ror.store.sqlite.queries import meta as meta_sql
from ror.store.sqlite.queries import resources as resources_sql

Key = tuple[int, str]
"""The code of a resource type, and an id."""

# The cache holds two generations of this size, about 30 MB in a large directory.
GENERATION_SIZE: Final = 100_000


def database_dictionary(connection: sqlite3.Connection) -> bytes:
    """The newest dictionary of this database, which starts with a copy of the shipped one."""
    newest = meta_sql.NEWEST_DICTIONARY
    if connection.execute(newest).fetchone() is None:
        shipped = shipped_dictionary()
        # Two processes may open a new file at once; both add the same dictionary.
        connection.execute(
            meta_sql.ADD_DICTIONARY,
            (dictionary_id(shipped), now_us(), shipped),
        )
    content: bytes = connection.execute(newest).fetchone()[0]
    return content


def compress_draft(dictionary: bytes, draft: Draft) -> CompressedDraft:
    """A draft whose body and entries are frames; other processes run this with the dictionary."""
    compress = codec_of(dictionary).compress
    body, entries = compress(draft.body), compress(draft.entries)
    return CompressedDraft(
        draft.type,
        draft.id,
        draft.source_updated,
        body,
        entries,
        draft.links,
        draft.digest,
        draft.own_facts,
        draft.part_codes,
        draft.plan,
        draft.inert_links,
        draft.foreign_links,
    )


class RidCache:
    """The codes of types and the rids of recent resources; only the writer's thread uses it."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._recent: dict[Key, int] = {}
        self._older: dict[Key, int] = {}
        # A rid allotted in the current transaction may not be in a row yet.
        self._highest = 0

    def forget(self) -> None:
        """Clear the cache after a rollback: some of its rids may never have been written."""
        self._codes, self._recent, self._older, self._highest = {}, {}, {}, 0

    def code(self, connection: sqlite3.Connection, name: str) -> int:
        """The code of a type; a new type gets one."""
        code = self._codes.get(name)
        if code is None:
            connection.execute(resources_sql.ADD_TYPE, (name,))
            code = int(connection.execute(resources_sql.TYPE, (name,)).fetchone()[0])
            self._codes[name] = code
        return code

    def rids(self, connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, int]:
        """The rid of each key that has one."""
        rids: dict[Key, int] = {}
        missing: defaultdict[int, set[str]] = defaultdict(set)
        for key in keys:
            rid = self._recent.get(key) or self._older.get(key)
            if rid is None:
                missing[key[0]].add(key[1])
            else:
                rids[key] = rid
        for code, ids in missing.items():
            rows = connection.execute(
                resources_sql.RIDS,
                (as_json(list(ids)), code),
            )
            rids.update(((code, resource_id), rid) for resource_id, rid in rows)
        self.remember(rids)
        return rids

    def allot(self, connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, int]:
        """A new rid for each key, above all others. The caller holds the write lock."""
        highest_written = connection.execute(resources_sql.HIGHEST_RID).fetchone()[0] or 0
        highest = max(self._highest, highest_written)
        rids = {key: rid for rid, key in enumerate(keys, highest + 1)}
        self._highest = highest + len(rids)
        self.remember(rids)
        return rids

    def remember(self, rids: dict[Key, int]) -> None:
        """Cache these rids; those that were not read for a generation are dropped."""
        self._recent.update(rids)
        if len(self._recent) > GENERATION_SIZE:
            self._recent, self._older = {}, self._recent


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The author of drafts, and the treatment of source dates: see `contract.Store.put`."""

    author: str
    take_older: bool = False
    keep_dates: bool = False


def write(
    connection: sqlite3.Connection,
    rid_cache: RidCache,
    drafts: Sequence[CompressedDraft],
    options: WriteOptions,
) -> list[Outcome]:
    """Write drafts; the outcome of each, in the same order."""
    if options.keep_dates:
        dated_load.check(connection)
    instant = change_log.issue_instant(connection)
    keys = [(rid_cache.code(connection, each.type), each.id) for each in drafts]
    outcomes: dict[int, Outcome] = {}
    for positions in _rounds(keys):
        batch = {keys[position]: drafts[position] for position in positions}
        results = _write_distinct(connection, rid_cache, batch, options, instant)
        outcomes.update(zip(positions, results, strict=True))
    if options.keep_dates:
        dated_load.advance(connection)
    return [outcomes[position] for position in range(len(drafts))]


def _rounds(keys: Sequence[Key]) -> list[list[int]]:
    """
    The positions of `keys` in rounds, each without repeated keys; nearly always one round.

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


class _Current(NamedTuple):
    """The current version of a resource; `digest` is None if it is absent or deleted."""

    version: int
    digest: bytes | None
    last_updated: Micros
    source_updated: Micros


_ABSENT: Final = _Current(0, None, NO_DATE, NO_DATE)


def _write_distinct(
    connection: sqlite3.Connection,
    rid_cache: RidCache,
    batch: dict[Key, CompressedDraft],
    options: WriteOptions,
    instant: Micros,
) -> list[Outcome]:
    """Write a batch of distinct resources; the outcome of each."""
    rids = rid_cache.rids(connection, batch)
    current = _current(connection, rids.values())
    outcomes = {
        key: _outcome(each, current[rids[key]] if key in rids else _ABSENT, options)
        for key, each in batch.items()
    }
    changed = {
        key: each
        for key, each in batch.items()
        if outcomes[key] in (Outcome.CREATED, Outcome.UPDATED)
    }
    connection.executemany(
        resources_sql.NOTE_SOURCE_DATE,
        [
            (each.source_updated, rids[key])
            for key, each in batch.items()
            if outcomes[key] is Outcome.UNCHANGED
            and each.source_updated not in (0, current[rids[key]].source_updated)
        ],
    )
    codes = {
        name: rid_cache.code(connection, name)
        for each in changed.values()
        for name, _ in each.links
    }
    links = [[(codes[name], link_id) for name, link_id in each.links] for each in changed.values()]
    rids |= rid_cache.rids(
        connection,
        {key for keys in links for key in keys if key not in rids and key not in changed},
    )
    # Allot rids to new resources before placeholders, so that their rows fill the pages in order.
    rids |= rid_cache.allot(connection, [key for key in changed if key not in rids])
    placeholders = rid_cache.allot(
        connection, dict.fromkeys(key for keys in links for key in keys if key not in rids)
    )
    rids |= placeholders

    written: dict[int, masks.WrittenResource] = {}
    inserts: list[tuple[object, ...]] = []
    updates: list[tuple[object, ...]] = []
    changes: list[tuple[int, int]] = []
    for (key, each), keys in zip(changed.items(), links, strict=True):
        rid, targets = rids[key], bytes_of([rids[link] for link in keys])
        before = current.get(rid, _ABSENT)
        version = before.version + 1
        dated = options.keep_dates and each.source_updated
        values = (
            version,
            _dated(each, before, instant) if dated else instant,
            each.source_updated,
            options.author,
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
        active_links = linked[: len(linked) - each.inert_links]
        written[rid] = masks.WrittenResource(
            each.type, each.own_facts, each.part_codes, each.plan, active_links
        )
    former_targets = _targets(connection, [rid for rid in written if rid in current])
    connection.executemany(resources_sql.CREATE, inserts)
    _insert_placeholders(connection, placeholders)
    connection.executemany(resources_sql.SUPERSEDE, ((update[-1],) for update in updates))
    connection.executemany(resources_sql.UPDATE, updates)
    change_log.add(connection, changes, deleted=False, instant=instant)
    masks.update_masks(connection, written, former_targets, instant)
    foreign_links.replace_links(
        connection,
        [rids[key] for key in changed if rids[key] in current],
        {
            rids[key]: [rids[keys[place]] for place in each.foreign_links]
            for (key, each), keys in zip(changed.items(), links, strict=True)
            if each.foreign_links
        },
    )
    return list(outcomes.values())


def add_placeholders(
    connection: sqlite3.Connection, rid_cache: RidCache, keys: Iterable[Key]
) -> dict[Key, int]:
    """A new rid for each of these resources, which become placeholders."""
    rids = rid_cache.allot(connection, keys)
    _insert_placeholders(connection, rids)
    return rids


def _insert_placeholders(connection: sqlite3.Connection, rids: dict[Key, int]) -> None:
    connection.executemany(resources_sql.REFER, ((rid, *key) for key, rid in rids.items()))


def _dated(draft: CompressedDraft, before: _Current, instant: Micros) -> Micros:
    """The source date as an instant, not later than now nor earlier than the previous version."""
    date = min(change_log.whole_milliseconds(draft.source_updated), instant)
    return max(date, before.last_updated) if before.version else date


def _outcome(draft: CompressedDraft, current: _Current, options: WriteOptions) -> Outcome:
    """The outcome of a draft over the current version."""
    both_dated = draft.source_updated and current.source_updated
    is_older = both_dated and draft.source_updated < current.source_updated
    if is_older and not options.take_older:
        return Outcome.OLDER
    if current.digest == draft.digest:
        return Outcome.UNCHANGED
    return Outcome.CREATED if current.digest is None else Outcome.UPDATED


def _current(connection: sqlite3.Connection, rids: Iterable[int]) -> dict[int, _Current]:
    """The current version of each resource."""
    rows = connection.execute(
        resources_sql.CURRENT,
        (as_json(list(rids)),),
    )
    return {rid: _Current(*row) for rid, *row in rows}


def delete(
    connection: sqlite3.Connection, resource_type: str, resource_id: str, author: str
) -> bool:
    """Mark a live resource as deleted; False if there is none."""
    row = connection.execute(
        resources_sql.LIVE,
        (resource_type, resource_id),
    ).fetchone()
    if row is None:
        return False
    rid, version = row
    instant = change_log.issue_instant(connection)
    targets = _targets(connection, [rid])[rid]
    connection.execute(resources_sql.SUPERSEDE, (rid,))
    connection.execute(
        resources_sql.DELETE,
        (version + 1, instant, author, rid),
    )
    change_log.add(connection, [(rid, version + 1)], deleted=True, instant=instant)
    masks.withdraw_facts(connection, rid, targets, instant)
    return True


def _targets(connection: sqlite3.Connection, rids: Sequence[int]) -> dict[int, tuple[Rid, ...]]:
    """The current targets of each of these resources."""
    rows = connection.execute(resources_sql.TARGETS, (as_json(rids),))
    return {rid: rids_in(targets) for rid, targets in rows}


def bytes_of(rids: Sequence[int]) -> bytes:
    """Rids as the bytes of a column."""
    return struct.pack(f"<{len(rids)}I", *rids)


def rids_in(targets: bytes | None) -> tuple[Rid, ...]:
    """The rids in the bytes of a column."""
    return struct.unpack(f"<{len(targets) // 4}I", targets) if targets else ()
