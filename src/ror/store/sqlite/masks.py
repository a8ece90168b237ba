"""
The masks of resources, updated in the transaction that writes the resources.

A draft states its own access facts. This module adds the facts that reach the resource along
references, computes its masks, and does the same for every resource that its facts reach in turn.
Only masks change, never a body.

A deleted resource keeps its masks: only viewers who could see it learn that it existed.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ror.access.facts import FLOWS
from ror.access.parts import governed_codes
from ror.access.policy import STRICT, Policy, policy_named, resource_code
from ror.standard.instants import Micros
from ror.store.contract import Rid
from ror.store.sqlite import changes as change_log
from ror.store.sqlite.queries import masks as masks_sql
from ror.store.sqlite.queries import meta as meta_sql

POLICY: Final = "access-policy"
"""The key of `meta` with the name of the access policy."""

MASKS_CHANGED_AT: Final = "masks-changed-at"
"""The key of `meta` with the seq of the last change to the visibility of an existing resource."""

MAX_HOPS: Final = 64
"""The number of references along which a fact travels; only a loop in the data is longer."""

REACHED: Final = frozenset(
    target if direction == "along" else source for (source, target), direction in FLOWS.items()
)
"""The types that facts travel to."""

_TO_STRUCTURES: Final = frozenset(source for source, target in FLOWS if target == "Organization")
"""The types whose facts travel to structures; only structures can refer to each other in a loop."""


@dataclass(frozen=True, slots=True)
class WrittenResource:
    """A resource in this transaction; `targets` are the `(type, rid)` of its active links."""

    type: str
    own_facts: int
    part_codes: bytes
    plan: bytes
    targets: Sequence[tuple[str, int]]


def policy_of(connection: sqlite3.Connection) -> Policy:
    """The access policy of the directory."""
    row = connection.execute(meta_sql.GET, (POLICY,)).fetchone()
    return policy_named(row[0]) if row else STRICT


def update_masks(
    connection: sqlite3.Connection,
    written: Mapping[int, WrittenResource],
    before: Mapping[int, Sequence[int]],
    instant: Micros,
) -> None:
    """
    Compute the masks of the written resources, and of those that depend on them.

    `written` has the resources by rid; `before` has the former targets of each updated one. A
    dependent resource that changes gets a line in the change log, without a new version.
    """
    former = _visibility_of(connection, before)
    released = _forget_influence(connection, before)
    pairs = {pair for rid, each in written.items() for pair in _influences(rid, each)}
    connection.executemany(masks_sql.ADD_INFLUENCE, pairs)
    reached = released | _reached_from(connection, written)
    policy = policy_of(connection)
    connection.executemany(
        masks_sql.KEEP,
        (
            (
                rid,
                each.own_facts,
                each.own_facts,
                policy.visibility(_codes_of(each), each.own_facts),
                each.plan or None,
            )
            for rid, each in written.items()
        ),
    )
    # Resources of the other types have their final masks now: no fact travels to them.
    reached.update(rid for rid, each in written.items() if each.type in REACHED)
    _spread(connection, policy, reached, logged=written.keys(), instant=instant)
    if any(written[rid].type in _TO_STRUCTURES for rid in before):
        reset = _reset_loops(connection, policy, reached, instant)
        _spread(connection, policy, reset, logged=(), instant=instant)
    if any(state != former[rid] for rid, state in _visibility_of(connection, former).items()):
        _record_changed_masks(connection)


def withdraw_facts(
    connection: sqlite3.Connection, rid: int, targets: Sequence[int], instant: Micros
) -> None:
    """Remove the facts of a deleted resource from those they reached; its own masks stay."""
    reached = _forget_influence(connection, {rid: targets}) | _reached_from(connection, [rid])
    connection.execute(masks_sql.TAKE_BACK_FACTS, (rid,))
    policy = policy_of(connection)
    _spread(connection, policy, reached, logged=(), instant=instant)
    reset = _reset_loops(connection, policy, reached, instant)
    _spread(connection, policy, reset, logged=(), instant=instant)


def recompute_masks(
    connection: sqlite3.Connection, after: Rid, count: int
) -> tuple[Rid, int] | None:
    """Recompute the masks of some resources: see `contract.Store.recompute_masks`."""
    policy = policy_of(connection)
    rows = connection.execute(
        masks_sql.TO_MASK_AGAIN,
        (after, count),
    ).fetchall()
    masked = [(rid, policy.visibility(old[0::2], facts), old) for rid, facts, old in rows]
    changed = [(new, rid) for rid, new, old in masked if new != old]
    connection.executemany(masks_sql.SET_MASKS, changed)
    log_changed_masks(connection, [rid for _, rid in changed], change_log.issue_instant(connection))
    return (rows[-1][0], len(rows)) if rows else None


def _influences(rid: int, written: WrittenResource) -> Iterable[tuple[int, int]]:
    """The `(target, source)` pairs of facts that travel along the references of a resource."""
    for target_type, target in written.targets:
        direction = FLOWS.get((written.type, target_type))
        if direction == "along":
            yield target, rid
        elif direction == "against":
            yield rid, target


def _forget_influence(
    connection: sqlite3.Connection, before: Mapping[int, Sequence[int]]
) -> set[int]:
    """Delete the pairs that the former references of these resources made; the rids reached."""
    pairs = [(target, rid) for rid, targets in before.items() for target in targets]
    if not pairs:
        return set()
    # Facts travel to a role against its references, and to any other type along them.
    along = [(target, rid, False) for target, rid in pairs]
    against = [(rid, target, True) for target, rid in pairs]
    connection.executemany(
        masks_sql.FORGET_INFLUENCE,
        [*along, *against],
    )
    return {target for target, _ in pairs}


def _reset_loops(
    connection: sqlite3.Connection, policy: Policy, reached: Collection[int], instant: Micros
) -> set[int]:
    """
    Reset the structures in loops to their own facts; returns their rids and those they reach.

    The structures of a loop give each other facts that no other resource may give them any more. So
    once all other facts are in place, the facts of a loop are computed afresh.
    """
    links = connection.execute(masks_sql.LINKS_ABOVE, (_as_json(reached),)).fetchall()
    while True:
        sources, targets = {source for source, _ in links}, {target for _, target in links}
        inside = [
            (source, target) for source, target in links if source in targets and target in sources
        ]
        if len(inside) == len(links):
            break
        links = inside
    if not sources:
        return set()
    rows = connection.execute(
        masks_sql.OWN_FACTS,
        (_as_json(sources),),
    ).fetchall()
    connection.executemany(
        masks_sql.RESET_FACTS,
        [(policy.visibility(visibility[0::2], own), rid) for rid, own, visibility in rows],
    )
    log_changed_masks(connection, sorted(sources), instant)
    return sources | _reached_from(connection, sources)


def _spread(
    connection: sqlite3.Connection,
    policy: Policy,
    reached: Collection[int],
    logged: Collection[int],
    instant: Micros,
) -> None:
    """
    Update the facts and masks of these resources, then of those they reach, until nothing changes.

    Each changed resource gets a line in the change log, except those in `logged`.
    """
    changed: set[int] = set()
    for _ in range(MAX_HOPS):
        if not reached:
            break
        listed = _as_json(reached)
        gathered = dict(connection.execute(masks_sql.GATHER_FACTS, (listed,)))
        rows = connection.execute(
            masks_sql.TO_SPREAD,
            (listed,),
        ).fetchall()
        updates = []
        for rid, own, facts, visibility in rows:
            current = own | gathered.get(rid, 0)
            if current != facts:
                updates.append((current, policy.visibility(visibility[0::2], current), rid))
        if not updates:
            break
        connection.executemany(masks_sql.SET_FACTS, updates)
        fresh = [rid for _, _, rid in updates]
        changed.update(fresh)
        reached = _reached_from(connection, fresh)
    log_changed_masks(connection, sorted(changed.difference(logged)), instant)


def _visibility_of(
    connection: sqlite3.Connection, rids: Iterable[int]
) -> dict[int, tuple[object, ...]]:
    """The facts, the masks and the governed codes of each resource: they decide who sees it."""
    rows = connection.execute(
        masks_sql.VISIBILITY,
        (_as_json(rids),),
    )
    return {
        rid: (facts, visibility, governed_codes(plan) if plan else None)
        for rid, facts, visibility, plan in rows
    }


def _record_changed_masks(connection: sqlite3.Connection) -> None:
    """Record the newest change as the last one to visibility."""
    connection.execute(
        masks_sql.NOTE_CHANGED,
        (MASKS_CHANGED_AT,),
    )


def _reached_from(connection: sqlite3.Connection, rids: Iterable[int]) -> set[int]:
    """The resources that the facts of these ones travel to directly."""
    rows = connection.execute(
        masks_sql.REACHED,
        (_as_json(rids),),
    )
    return {target for (target,) in rows}


def log_changed_masks(connection: sqlite3.Connection, rids: Sequence[int], instant: Micros) -> None:
    """Add a line to the change log for each of these resources, whose masks changed."""
    if not rids:
        return
    change_log.add_without_version(connection, rids, instant)
    _record_changed_masks(connection)


def _codes_of(written: WrittenResource) -> bytes:
    """The code of a resource, followed by the codes of its governed parts."""
    return bytes((resource_code(written.type),)) + written.part_codes


def _as_json(rids: Iterable[int]) -> str:
    return msgspec.json.encode(list(rids)).decode()
