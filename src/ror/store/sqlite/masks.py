"""
Masks kept true in the transaction that writes: who may see a resource, and the facts that travel to it.

What a draft says of itself comes with it; the rest is found here: the facts that reach it, the masks that follow from
them, and everything that its own facts reach in turn. Only masks change then, never a body.

What was deleted keeps the masks that it had: that it was there is told to those who saw it, and to nobody else.
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
"""The key of `meta` under which a directory says what its masks are made with."""

MASKS_CHANGED_AT: Final = "masks-changed-at"
"""The key of `meta` that holds the seq of the last change of what somebody may see of something that was there."""

MAX_HOPS: Final = 64
"""Facts travel this far; only a loop in the data could lead them farther."""

REACHED: Final = frozenset(
    there if way == "along" else here for (here, there), way in FLOWS.items()
)
"""The types that facts travel to."""

_TO_STRUCTURES: Final = frozenset(here for here, there in FLOWS if there == "Organization")
"""The types whose facts travel to structures, which alone can be in a loop."""


@dataclass(frozen=True, slots=True)
class WrittenResource:
    """A resource just written: what it says of itself, and where its facts may travel, as `(type, rid)`."""

    type: str
    own_facts: int
    part_codes: bytes
    plan: bytes
    targets: Sequence[tuple[str, int]]


def policy_of(connection: sqlite3.Connection) -> Policy:
    """The policy that the masks of this directory are made with."""
    row = connection.execute(meta_sql.GET, (POLICY,)).fetchone()
    return policy_named(row[0]) if row else STRICT


def update_masks(
    connection: sqlite3.Connection,
    written: Mapping[int, WrittenResource],
    before: Mapping[int, Sequence[int]],
    instant: Micros,
) -> None:
    """
    Mask what was written, by rid, and what depends on it; `before` is what each rid referred to until now.

    What else gets other masks or facts has a line in the change log, without a new version.
    """
    known = _visibility_of(connection, before)
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
    # What nothing flows to has its masks by now.
    reached.update(rid for rid, each in written.items() if each.type in REACHED)
    _spread(connection, policy, reached, told=written.keys(), instant=instant)
    if any(written[rid].type in _TO_STRUCTURES for rid in before):
        forgotten = _forgotten_in_loops(connection, policy, reached, instant)
        _spread(connection, policy, forgotten, told=(), instant=instant)
    if any(one != known[rid] for rid, one in _visibility_of(connection, known).items()):
        _note_changed_masks(connection)


def withdraw_facts(
    connection: sqlite3.Connection, rid: int, targets: Sequence[int], instant: Micros
) -> None:
    """Take back the facts that a resource gave, now that it is deleted; its own masks stay as they were."""
    reached = _forget_influence(connection, {rid: targets}) | _reached_from(connection, [rid])
    connection.execute(masks_sql.TAKE_BACK_FACTS, (rid,))
    policy = policy_of(connection)
    _spread(connection, policy, reached, told=(), instant=instant)
    forgotten = _forgotten_in_loops(connection, policy, reached, instant)
    _spread(connection, policy, forgotten, told=(), instant=instant)


def recompute_masks(
    connection: sqlite3.Connection, after: Rid, count: int
) -> tuple[Rid, int] | None:
    """Give some resources the masks of the policy: `contract.Store.recompute_masks`."""
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
    """The `(target, source)` pairs that the references of a resource make."""
    for target_type, target in written.targets:
        direction = FLOWS.get((written.type, target_type))
        if direction == "along":
            yield target, rid
        elif direction == "against":
            yield rid, target


def _forget_influence(
    connection: sqlite3.Connection, before: Mapping[int, Sequence[int]]
) -> set[int]:
    """Undo what the former references of these resources made; what they reached."""
    pairs = [(target, rid) for rid, targets in before.items() for target in targets]
    if not pairs:
        return set()
    # Facts reach a role against its references, and anything else along them: only the one who refers made the pair.
    along = [(target, rid, False) for target, rid in pairs]
    against = [(rid, target, True) for target, rid in pairs]
    connection.executemany(
        masks_sql.FORGET_INFLUENCE,
        [*along, *against],
    )
    return {target for target, _ in pairs}


def _forgotten_in_loops(
    connection: sqlite3.Connection, policy: Policy, reached: Collection[int], instant: Micros
) -> set[int]:
    """
    Leave to the structures in a loop that these lead to what they say themselves; those structures and what they reach.

    In a loop each has from the other what nobody gives any more: once everything else has its facts, theirs have to be
    found anew.
    """
    links = connection.execute(masks_sql.LINKS_ABOVE, (_listed(reached),)).fetchall()
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
        (_listed(sources),),
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
    told: Collection[int],
    instant: Micros,
) -> None:
    """Find the facts of these resources, mask them, and go on to what they reach while anything changes."""
    changed: set[int] = set()
    for _ in range(MAX_HOPS):
        if not reached:
            break
        listed = _listed(reached)
        gathered = dict(connection.execute(masks_sql.GATHER_FACTS, (listed,)))
        rows = connection.execute(
            masks_sql.TO_SPREAD,
            (listed,),
        ).fetchall()
        updates = []
        for rid, own, facts, visibility in rows:
            found = own | gathered.get(rid, 0)
            if found != facts:
                updates.append((found, policy.visibility(visibility[0::2], found), rid))
        if not updates:
            break
        connection.executemany(masks_sql.SET_FACTS, updates)
        fresh = [rid for _, _, rid in updates]
        changed.update(fresh)
        reached = _reached_from(connection, fresh)
    log_changed_masks(connection, sorted(changed.difference(told)), instant)


def _visibility_of(
    connection: sqlite3.Connection, rids: Iterable[int]
) -> dict[int, tuple[object, ...]]:
    """What decides who may see these resources and their parts."""
    rows = connection.execute(
        masks_sql.VISIBILITY,
        (_listed(rids),),
    )
    return {
        rid: (facts, visibility, governed_codes(plan) if plan else None)
        for rid, facts, visibility, plan in rows
    }


def _note_changed_masks(connection: sqlite3.Connection) -> None:
    connection.execute(
        masks_sql.NOTE_CHANGED,
        (MASKS_CHANGED_AT,),
    )


def _reached_from(connection: sqlite3.Connection, rids: Iterable[int]) -> set[int]:
    """The resources that the facts of these hold for as well."""
    rows = connection.execute(
        masks_sql.REACHED,
        (_listed(rids),),
    )
    return {target for (target,) in rows}


def log_changed_masks(connection: sqlite3.Connection, rids: Sequence[int], instant: Micros) -> None:
    """Write in the change log that other masks hold for these resources."""
    if not rids:
        return
    change_log.add_without_version(connection, rids, instant)
    _note_changed_masks(connection)


def _codes_of(written: WrittenResource) -> bytes:
    """The code of a resource, then those of its governed parts."""
    return bytes((resource_code(written.type),)) + written.part_codes


def _listed(rids: Iterable[int]) -> str:
    return msgspec.json.encode(list(rids)).decode()
