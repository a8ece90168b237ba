"""
Rewriting the layout, index entries, links, facts and masks that derive from stored bodies.

Content, versions, instants and authors stay. A resource whose derived values change gets a line in
the change log without a new version, so that running servers reload it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ror.access.policy import Policy, resource_code
from ror.standard.instants import Micros
from ror.store.contract import CompressedDraft, Rid, VersionBody
from ror.store.sqlite import changes, foreign_links, masks, writing
from ror.store.sqlite.compression import Codec
from ror.store.sqlite.file import as_json
from ror.store.sqlite.queries import rewriting as rewriting_sql

Rewritten = tuple[VersionBody, CompressedDraft]
"""The stored body of a version, and the draft that this release derives from it."""


@dataclass(frozen=True, slots=True)
class _Row:
    """The current version of a resource; `derived` is its digest, targets, entries and body."""

    version: int
    deleted: bool
    derived: tuple[bytes | None, ...]


def version_bodies(
    connection: sqlite3.Connection, codec: Codec, after: Rid, count: int
) -> list[VersionBody]:
    """Every version of some resources: see `contract.Upkeep.version_bodies`."""
    rows = connection.execute(rewriting_sql.VERSIONS_AFTER, (after, count)).fetchall()
    bodies = codec.decompress_all([frame for *_, frame in rows])
    return [
        VersionBody(rid, version, bool(is_current), body)
        for (rid, version, is_current, _), body in zip(rows, bodies, strict=True)
    ]


def rewrite(
    connection: sqlite3.Connection, rid_cache: writing.RidCache, versions: Sequence[Rewritten]
) -> int:
    """The number of resources that changed, in this transaction: see `contract.Upkeep.rewrite`."""
    instant = changes.issue_instant(connection)
    rids = list(dict.fromkeys(version.rid for version, _ in versions))
    rows = _rows(connection, rids)
    masked = _masked(connection, rids)
    current = {
        version.rid: draft
        for version, draft in versions
        if version.is_current and rows[version.rid].version == version.version
    }
    changed = _rewrite_current(connection, rid_cache, current, rows, instant)
    _rewrite_past(connection, [each for each in versions if not each[0].is_current], rows)
    after = _masked(connection, rids)
    changed.update(rid for rid in rids if after[rid] != masked[rid])
    masks.log_changed_masks(connection, sorted(changed), instant)
    return len(changed)


def _rewrite_current(
    connection: sqlite3.Connection,
    rid_cache: writing.RidCache,
    current: Mapping[Rid, CompressedDraft],
    rows: Mapping[Rid, _Row],
    instant: Micros,
) -> set[Rid]:
    """Rewrite current versions; the resources whose derived values changed."""
    links = _rids_of_links(connection, rid_cache, current)
    changed = set()
    written: dict[int, masks.WrittenResource] = {}
    for rid, draft in current.items():
        targets = links[rid]
        derived = (
            draft.digest,
            writing.bytes_of(targets),
            draft.entries,
            draft.body,
        )
        if derived != rows[rid].derived:
            changed.add(rid)
            connection.execute(
                rewriting_sql.SET_DERIVED,
                (*derived, rid),
            )
        linked = [(kind, target) for (kind, _), target in zip(draft.links, targets, strict=True)]
        active_links = linked[: len(linked) - draft.inert_links]
        written[rid] = masks.WrittenResource(
            draft.type, draft.own_facts, draft.part_codes, draft.plan, active_links
        )
    foreign: dict[int, Sequence[int]] = {
        rid: sorted({links[rid][place] for place in draft.foreign_links})
        for rid, draft in current.items()
    }
    foreign_links.replace_links(connection, foreign, foreign)
    before: dict[int, Sequence[int]] = {
        rid: writing.rids_in(rows[rid].derived[1]) for rid in current
    }
    masks.update_masks(connection, written, before, instant)
    return changed


def _rids_of_links(
    connection: sqlite3.Connection,
    rid_cache: writing.RidCache,
    current: Mapping[Rid, CompressedDraft],
) -> dict[Rid, list[Rid]]:
    """The rid of each link of each draft; a new target becomes a placeholder."""
    names = {name for draft in current.values() for name, _ in draft.links}
    codes = {name: rid_cache.code(connection, name) for name in names}
    links = {
        rid: [(codes[name], identifier) for name, identifier in draft.links]
        for rid, draft in current.items()
    }
    keys = {key for each in links.values() for key in each}
    rids = rid_cache.rids(connection, keys)
    rids |= writing.add_placeholders(
        connection, rid_cache, [key for key in sorted(keys) if key not in rids]
    )
    return {rid: [Rid(rids[key]) for key in each] for rid, each in links.items()}


def _rewrite_past(
    connection: sqlite3.Connection, past: Sequence[Rewritten], rows: Mapping[Rid, _Row]
) -> None:
    """Rewrite superseded versions; no viewer sees more of them than before."""
    policy = masks.policy_of(connection)
    facts = {rid: row[0] for rid, row in _masked(connection, list(rows)).items()}
    for version, draft in past:
        key = (version.rid, version.version)
        former = connection.execute(rewriting_sql.PAST_VERSION, key).fetchone()
        if former is None:
            continue
        visibility = _restricted(policy, draft, facts[version.rid], former[1])
        derived = (draft.body, visibility, draft.plan or None)
        if derived != former:
            connection.execute(
                rewriting_sql.SET_PAST_VERSION,
                (*derived, *key),
            )
        row = rows[version.rid]
        if row.deleted and row.version == version.version + 1:
            # A deleted resource keeps the masks of its last version.
            connection.execute(
                rewriting_sql.SET_MASKS_AND_PLAN,
                (visibility, draft.plan or None, version.rid),
            )


def _restricted(policy: Policy, draft: CompressedDraft, facts: int, former: bytes | None) -> bytes:
    """The visibility of a past version under the current policy, restricted to its former one."""
    codes = bytes((resource_code(draft.type),)) + draft.part_codes
    visibility = policy.visibility(codes, draft.own_facts | facts)
    limits = dict(zip(former[0::2], former[1::2], strict=True)) if former else {}
    pairs = zip(visibility[0::2], visibility[1::2], strict=True)
    return bytes(byte for code, mask in pairs for byte in (code, mask & limits.get(code, mask)))


def _rows(connection: sqlite3.Connection, rids: Sequence[Rid]) -> dict[Rid, _Row]:
    rows = connection.execute(rewriting_sql.DERIVED, (as_json(rids),))
    return {rid: _Row(version, bool(deleted), tuple(rest)) for rid, version, deleted, *rest in rows}


def _masked(
    connection: sqlite3.Connection, rids: Sequence[Rid]
) -> dict[Rid, tuple[int, bytes, bytes | None]]:
    """The facts, the masks and the plan of each resource."""
    rows = connection.execute(rewriting_sql.MASKED, (as_json(rids),))
    return {rid: (facts, visibility, plan) for rid, facts, visibility, plan in rows}
