"""
Who refers to whom on one view of the index: literally, by business identifier or by canonical URL; whoever asks.

What links two columns by name is found once for each pair of segments, which never change.
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
    """The resources whose reference under `name` leads to any of `targets`, all of type `target`."""
    return literal_sources(view, name, targets) | named_sources(view, name, target, targets)


def literal_sources(view: View, name: ColumnName, targets: BitMap) -> BitMap:
    """The resources of which a reference under `name` leads literally to any of `targets`."""
    found = BitMap()
    if not targets:
        return found
    for part, column in view.columns(name):
        assert isinstance(column, LinkColumn)
        found = found | (column.sources(targets) - part.dead)
    return found


def named_sources(view: View, name: ColumnName, target: str, targets: BitMap) -> BitMap:
    """The resources of which a reference under `name` names any of `targets`, which are all of type `target`."""
    found = BitMap()
    for slots, rids in links_by_name(view, name, target):
        found = found | BitMap(slots.compress(bitmaps.are_in(rids, targets)))
    return found


def links_by_name(view: View, name: ColumnName, target: str) -> Iterator[tuple[Array, Array]]:
    """The live links by business identifier or canonical URL, as parallel arrays of slots and rids."""
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
    Which names of a column, by rank, lead to something hidden and to nothing that is seen.

    What a reference names literally decides; the others lead to all that bear the identifier they give.
    """
    found: bitmaps.Mask = np.zeros(len(column), dtype=np.bool_)
    shown = np.zeros(len(column), dtype=np.bool_)
    for target in RESOURCE_TYPES:
        for other, keys in view.columns((target, "identifier")):
            ranks, rids = _joined(column, keys, "identifier", target)
            alive = ~bitmaps.are_in(rids, other.dead)
            found[ranks[alive]] = True
            shown[ranks[alive & bitmaps.are_in(rids, seen(target))]] = True
    return (found & ~shown) | bitmaps.are_in(column.literal, hidden)


_joins: Final[WeakKeyDictionary[Column, WeakKeyDictionary[Column, tuple[Array, Array]]]] = (
    WeakKeyDictionary()
)
"""Segments never change, so what links two of their columns is found once."""


def _joined(names: KeyColumn, keys: Column, key_param: str, target: str) -> tuple[Array, Array]:
    """The holders of `names` and the rids of `keys` that one names and the other bears, dead ones included."""
    known = _joins.setdefault(names, WeakKeyDictionary())
    if keys not in known:
        pairs = [
            (holder, rid)
            for name, holders in names.slots_by_key()
            for rid in _bearers(keys, key_param, name, target)
            for holder in holders
        ]
        known[keys] = (
            np.array([p[0] for p in pairs], np.uint32),
            np.array([p[1] for p in pairs], np.uint32),
        )
    return known[keys]


def _bearers(keys: Column, key_param: str, name: str, target: str) -> BitMap:
    """The slots of `keys` that bear what a reference names."""
    parts = name.split(SEPARATOR)
    if key_param == CANONICAL_PARAMETER:
        return keys.select(CanonicalIs(key_param, parts[0], "")) if len(parts) == 2 else BitMap()
    if len(parts) != 3 or parts[0] not in ("", target):
        return BitMap()
    return keys.select(TokenIs(key_param, parts[1], parts[2] or None))
