"""
Which resources refer to which on a view of the index, for any viewer.

References are literal, or name their target by business identifier or by canonical URL. Segments
never change, so the links by name between two segments are computed once.
"""

from collections.abc import Callable, Iterator
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns import Array, Column, KeyColumn, LinkColumn, NameColumn
from ror.search.index.extract import CANONICAL_PARAMETER, SEPARATOR
from ror.search.index.segment import LOGICAL, ColumnName
from ror.search.index.view import View
from ror.search.language.expression import CanonicalIs, TokenIs
from ror.standard.definitions import RESOURCE_TYPES


def sources(view: View, name: ColumnName, target: str, targets: BitMap) -> BitMap:
    """The resources that refer under `name` to any of `targets`, which are of type `target`."""
    return literal_sources(view, name, targets) | named_sources(view, name, target, targets)


def literal_sources(view: View, name: ColumnName, targets: BitMap) -> BitMap:
    """The resources with a literal reference under `name` to any of `targets`."""
    referring = BitMap()
    if not targets:
        return referring
    for part, column in view.columns(name):
        assert isinstance(column, LinkColumn)
        referring = referring | (column.sources(targets) - part.dead)
    return referring


def named_sources(view: View, name: ColumnName, target: str, targets: BitMap) -> BitMap:
    """The resources with a reference by name under `name` to any of `targets`, of type `target`."""
    referring = BitMap()
    for slots, rids in links_by_name(view, name, target):
        referring = referring | BitMap(slots.compress(bitmaps.are_in(rids, targets)))
    return referring


def links_by_name(view: View, name: ColumnName, target: str) -> Iterator[tuple[Array, Array]]:
    """The live links by identifier or canonical URL, as parallel arrays of slots and rids."""
    for part, names in view.columns((name[0], name[1] + LOGICAL)):
        assert isinstance(names, KeyColumn)
        for key_param in ("identifier", CANONICAL_PARAMETER):
            for other, keys in view.columns((target, key_param)):
                slots, rids = _joined(names, keys, key_param, target)
                if len(slots):
                    alive = ~(bitmaps.are_in(slots, part.dead) | bitmaps.are_in(rids, other.dead))
                    yield slots[alive], rids[alive]


def names_of_hidden_only(
    view: View, column: NameColumn, hidden: BitMap, seen: Callable[[str], BitMap]
) -> bitmaps.Mask:
    """
    Which names of a column, by rank, lead to a hidden resource and to no seen resource.

    A literal reference leads to its target, an identifier to all the resources that have it.
    """
    leads_somewhere: bitmaps.Mask = np.zeros(len(column), dtype=np.bool_)
    leads_to_seen = np.zeros(len(column), dtype=np.bool_)
    for target in RESOURCE_TYPES:
        for other, keys in view.columns((target, "identifier")):
            ranks, rids = _joined(column, keys, "identifier", target)
            alive = ~bitmaps.are_in(rids, other.dead)
            leads_somewhere[ranks[alive]] = True
            leads_to_seen[ranks[alive & bitmaps.are_in(rids, seen(target))]] = True
    return (leads_somewhere & ~leads_to_seen) | bitmaps.are_in(column.literal, hidden)


_joins: Final[WeakKeyDictionary[Column, WeakKeyDictionary[Column, tuple[Array, Array]]]] = (
    WeakKeyDictionary()
)
"""The links by name between two columns; segments never change, so each pair is computed once."""


def _joined(names: KeyColumn, keys: Column, key_param: str, target: str) -> tuple[Array, Array]:
    """The owners of `names` and the rids of `keys` with the same name, dead resources included."""
    joins = _joins.setdefault(names, WeakKeyDictionary())
    if keys not in joins:
        pairs = [
            (owner, rid)
            for name, owners in names.slots_by_key()
            for rid in _bearers(keys, key_param, name, target)
            for owner in owners
        ]
        joins[keys] = (
            np.array([owner for owner, _ in pairs], np.uint32),
            np.array([rid for _, rid in pairs], np.uint32),
        )
    return joins[keys]


def _bearers(keys: Column, key_param: str, name: str, target: str) -> BitMap:
    """The slots of `keys` that have the name of a reference."""
    parts = name.split(SEPARATOR)
    if key_param == CANONICAL_PARAMETER:
        return keys.select(CanonicalIs(key_param, parts[0], "")) if len(parts) == 2 else BitMap()
    if len(parts) != 3 or parts[0] not in ("", target):
        return BitMap()
    return keys.select(TokenIs(key_param, parts[1], parts[2] or None))
