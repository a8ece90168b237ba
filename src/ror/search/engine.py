"""
A search tree to a bitmap of resources, for one viewer, on one view of the index.

Each leaf is asked of each segment's column and what is no longer alive is taken away; the rest is set algebra on
bitmaps of rids. Chains go through the reference arrays. The meaning of it all is `expression.matches`, and a property
test holds the two together.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from pyroaring import BitMap

from ror.access import Viewer
from ror.search import bitmaps
from ror.search.columns import Array, Column, KeyColumn, LinkColumn, PositionColumn
from ror.search.expression import (
    CANONICAL,
    UPWARD,
    And,
    CanonicalIs,
    Chain,
    Everything,
    Expression,
    Has,
    Near,
    Not,
    Or,
    Present,
    ReferenceIs,
    SameRecord,
    TokenIs,
    Upward,
    ValueLeaf,
    as_chains,
    leads_to_resources,
)
from ror.search.extract import CANONICAL_PARAMETER, SEPARATOR
from ror.search.index import Part, View
from ror.search.segment import LOGICAL, record_of, rids_of


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a tree as it was answered: how deep it stands, what it found, and how long it took."""

    depth: int
    expression: Expression
    resource_type: str
    found: int
    touched: int
    """Entries of the index that were read for it: values that satisfy a leaf, references that were followed."""
    seconds: float


@dataclass(slots=True)
class Search:
    """A viewer asking one view; `trace`, when given, receives every step."""

    view: View
    viewer: Viewer
    trace: list[Step] | None = None
    touched: int = field(default=0, init=False)
    """Entries of the index that were read so far."""
    _depth: int = field(default=0, init=False)

    def of(self, expression: Expression, resource_type: str) -> BitMap:
        """The resources of a type that satisfy an expression. Do not change the set that is returned."""
        if self.trace is None:
            return self._of(expression, resource_type)
        start, place, before = time.perf_counter(), len(self.trace), self.touched
        self._depth += 1
        found = self._of(expression, resource_type)
        self._depth -= 1
        seconds = time.perf_counter() - start
        touched = self.touched - before
        self.trace.insert(place, Step(self._depth, expression, resource_type, len(found), touched, seconds))
        return found

    def _of(self, expression: Expression, resource_type: str) -> BitMap:
        match expression:
            case Everything():
                return self.view.of_type(resource_type)
            case And(parts):
                return self._all_of(parts, resource_type)
            case Or(parts):
                return BitMap.union(*(self.of(part, resource_type) for part in parts)) if parts else BitMap()
            case Not(inner):
                return self.view.of_type(resource_type) - self.of(inner, resource_type)
            case SameRecord(name, inner):
                return self._same_record(name, inner, resource_type)
            case Chain(param, target, inner):
                return self.pointing_at(resource_type, param, target, self.of(inner, target))
            case Has(source, param, inner):
                return self.pointed_at(source, param, resource_type, self.of(inner, source))
            case Upward(inner):
                return self.below(resource_type, self.of(inner, resource_type))
            case ReferenceIs():
                return self.of(as_chains(expression, resource_type), resource_type)
            case Present(param) if leads_to_resources(resource_type, param):
                return self.of(as_chains(expression, resource_type), resource_type)
            case CanonicalIs(param):
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case Present(param) if (resource_type, param) in CANONICAL:
                return self._leaf(expression, (resource_type, param + LOGICAL), None)
            case leaf:
                return self._leaf(leaf, (resource_type, leaf.param), record_of(resource_type, leaf.param))

    def _all_of(self, parts: tuple[Expression, ...], resource_type: str) -> BitMap:
        found = self.of(parts[0], resource_type)
        for part in parts[1:]:
            if not found:
                break
            found = found & self.of(part, resource_type)
        return found

    def _leaf(self, leaf: ValueLeaf, name: tuple[str, str], record: str | None) -> BitMap:
        found = BitMap()
        for part, column in self.view.columns(name):
            slots = column.answer(leaf)
            self.touched += len(slots)
            rids = rids_of(part.segment, name[0], record, slots) if record else slots
            found = found | (rids - part.dead if part.dead else rids)
        return found

    def _same_record(self, name: str, inner: Expression, resource_type: str) -> BitMap:
        found = BitMap()
        for part in self.view.parts:
            slots = _rows(part, name, inner, resource_type)
            self.touched += len(slots)
            found = found | (rids_of(part.segment, resource_type, name, slots) - part.dead)
        return found

    def below(self, resource_type: str, tops: BitMap) -> BitMap:
        """The resources of `tops` and everything under them."""
        found = fresh = tops
        while fresh:
            fresh = self.pointing_at(resource_type, UPWARD[resource_type], resource_type, fresh) - found
            found = found | fresh
        return found

    # --- references ---

    def pointing_at(self, resource_type: str, param: str, target: str, targets: BitMap) -> BitMap:
        """The resources whose reference `param` points at any of `targets`, all of type `target`."""
        found = BitMap()
        for part, column in self.view.columns((resource_type, param)):
            assert isinstance(column, LinkColumn)
            sources = column.sources(targets)
            self.touched += len(sources)
            found = found | (sources - part.dead)
        for slots, rids in self._logical_links(resource_type, param, target):
            pointing = [slot for slot, rid in zip(slots.tolist(), rids.tolist(), strict=True) if rid in targets]
            found = found | BitMap(pointing)
        return found

    def pointed_at(self, source: str, param: str, target: str, sources: BitMap) -> BitMap:
        """The resources of type `target` that any of `sources`, of type `source`, points at with its `param`."""
        found = BitMap()
        for part, column in self.view.columns((source, param)):
            assert isinstance(column, LinkColumn)
            rids_pointed_at = column.targets(sources - part.dead)
            self.touched += len(rids_pointed_at)
            found = found | bitmaps.of_any(rids_pointed_at, self.view.size)
        for slots, rids in self._logical_links(source, param, target):
            pairs = zip(slots.tolist(), rids.tolist(), strict=True)
            found = found | BitMap([rid for slot, rid in pairs if slot in sources])
        return found & self.view.of_type(target)

    def _logical_links(self, source: str, param: str, target: str) -> Iterator[tuple[Array, Array]]:
        """The live links by business identifier or canonical URL, as parallel arrays of slots and rids."""
        for part, names in self.view.columns((source, param + LOGICAL)):
            assert isinstance(names, KeyColumn)
            for key_param in ("identifier", CANONICAL_PARAMETER):
                for other, keys in self.view.columns((target, key_param)):
                    slots, rids = _joined(names, keys, key_param, target)
                    if len(slots):
                        alive = ~(np.isin(slots, part.dead.to_array()) | np.isin(rids, other.dead.to_array()))
                        yield slots[alive], rids[alive]

    # --- distances ---

    def distances_m(self, near: Near, resource_type: str, places: BitMap) -> dict[int, float]:
        """How far each of `places` within reach of `near` is, in metres; the nearest of its positions."""
        found: dict[int, float] = {}
        for part, column in self.view.columns((resource_type, near.param)):
            assert isinstance(column, PositionColumn)
            slots, distances = column.distances(near)
            asked = np.isin(slots, bitmaps.numbers_of(places - part.dead)) & (distances <= near.distance_m)
            for slot, distance in zip(slots[asked].tolist(), distances[asked].tolist(), strict=True):
                found[slot] = min(distance, found.get(slot, distance))
        return found


def _rows(part: Part, record: str, inner: Expression, resource_type: str) -> BitMap:
    """The rows of a record, in one segment, that satisfy an expression on that record's parameters."""

    def rows(node: Expression) -> BitMap:
        match node:
            case Everything():
                return every()
            case And(parts):
                return BitMap.intersection(*map(rows, parts))
            case Or(parts):
                return BitMap.union(*map(rows, parts)) if parts else BitMap()
            case Not(negated):
                return every() - rows(negated)
            case SameRecord() | Chain() | Has() | Upward() | ReferenceIs():
                raise TypeError(f"{node} is not about the rows of {record}")
            case leaf:
                column = part.segment.columns.get((resource_type, leaf.param))
                return column.answer(leaf) if column else BitMap()

    def every() -> BitMap:
        owners = part.segment.owners.get((resource_type, record))
        return BitMap(range(len(owners))) if owners is not None else BitMap()

    return rows(inner)


# --- links by name ---------------------------------------------------------------------------------------------------

_joins: Final[WeakKeyDictionary[Column, WeakKeyDictionary[Column, tuple[Array, Array]]]] = WeakKeyDictionary()
"""Segments never change, so what links two of their columns is found once."""


def _joined(names: KeyColumn, keys: Column, key_param: str, target: str) -> tuple[Array, Array]:
    """The slots of `names` and the rids of `keys` that one names and the other bears, dead ones included."""
    known = _joins.setdefault(names, WeakKeyDictionary())
    if keys not in known:
        pairs = [
            (slot, rid)
            for name, slots in names.slots_by_key()
            for rid in _bearers(keys, key_param, name, target)
            for slot in slots
        ]
        known[keys] = (np.array([p[0] for p in pairs], np.uint32), np.array([p[1] for p in pairs], np.uint32))
    return known[keys]


def _bearers(keys: Column, key_param: str, name: str, target: str) -> BitMap:
    """The slots of `keys` that bear what a reference names."""
    parts = name.split(SEPARATOR)
    if key_param == CANONICAL_PARAMETER:
        return keys.select(CanonicalIs(key_param, parts[0], "")) if len(parts) == 2 else BitMap()
    if len(parts) != 3 or parts[0] not in ("", target):
        return BitMap()
    return keys.select(TokenIs(key_param, parts[1], parts[2] or None))
