"""
One sort key over all the matches: a whole number for each that ascends in the order asked.

The keys of a parameter are ranked together across segments; those of a distance are millimetres; those at the end of a
chain come back along its references, each match taking the best of what it points at.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.errors import InvalidRequest
from ror.search import bitmaps
from ror.search.columns import Array, Column, LinkColumn, PositionColumn, first_per_slot
from ror.search.cursor import Key
from ror.search.engine import Search
from ror.search.index import Part
from ror.search.parse import SortKey
from ror.search.relevance import relevance
from ror.search.segment import record_of

LAST: Final = int(np.iinfo(np.int64).max)
"""The rank of what has no key."""

_MILLIMETRES: Final = 1_000


class Ranking:
    """
    The rank of each match under one sort key: `ranks` beside the rids, which ascend.

    `start` is the rank of the cursor's key, which may be one that no match has any more. Raises InvalidRequest for a
    cursor's key that this sort could not have given.
    """

    def __init__(self, search: Search, resource_type: str, key: SortKey, rids: Array, start: Key) -> None:
        self._descending = key.descending
        self._keys: Sequence[Any] | None = None
        self._lost_texts = False
        """Whether keys are texts of which none is left: every match then ranks last, after any cursor."""
        target = key.hops[-1][1] if key.hops else resource_type
        if key.words is not None:
            owners = rids
            order = relevance(search, key.words, resource_type, bitmaps.of_sorted(rids.astype(np.uint32)))
        elif key.near:
            owners, order = _distances(search, target, key)
        else:
            owners, order = self._ranked(search, (target, key.param), start)
        for (param, there), source in reversed(list(zip(key.hops, _sources(resource_type, key), strict=True))):
            owners, order = _only_seen(search, there, owners, order)
            owners, order = _brought_back(search, (source, param), owners, order, key.descending)
        self.ranks = _beside(rids, owners, -order if key.descending else order)
        self.start = self._start_rank(start)

    def cursor_key(self, place: int) -> Key:
        """The key of one match, as a cursor holds it."""
        rank = int(self.ranks[place])
        if rank == LAST:
            return None
        rank = -rank if self._descending else rank
        return rank if self._keys is None else _as_text(self._keys[rank])

    def _ranked(self, search: Search, name: tuple[str, str], start: Key) -> tuple[Array, Array]:
        """Each resource with a key and the rank of that key, over all the segments."""
        pieces = [_piece(part, column, hidden, name, self._descending) for part, column, hidden in search.columns(name)]
        listed = [piece for piece in pieces if piece.keys is not None and len(piece.owners)]
        if listed:
            self._keys = _ranked_together(listed, start)
        else:
            self._lost_texts = all(piece.keys is not None for piece in pieces)
        if not pieces:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        owners = np.concatenate([piece.owners for piece in pieces])
        order = np.concatenate([piece.order for piece in pieces])
        # What governs a part of a resource gives it another column: it may have a key in each.
        return first_per_slot(owners, order, self._descending)

    def _start_rank(self, start: Key) -> int:
        if start is None:
            return LAST
        if isinstance(start, str):
            if self._lost_texts:
                return 0
            if not isinstance(self._keys, _Merged):
                raise InvalidRequest("search.cursor")
            rank = self._keys.rank(_from_text(start, self._keys))
        else:
            rank = max(-LAST + 1, min(start, LAST - 1))
        return -rank if self._descending else rank


def _sources(resource_type: str, key: SortKey) -> Iterator[str]:
    """The type that each hop of a sort key starts from."""
    yield from (resource_type, *(target for _, target in key.hops))[: len(key.hops)]


def _beside(rids: Array, owners: Array, ranks: Array) -> Array:
    """The rank of each rid; `LAST` for those that own none. Rids and owners ascend."""
    beside = np.full(len(rids), LAST, dtype=np.int64)
    places = np.searchsorted(rids, owners)
    inside = places < len(rids)
    places, owners, ranks = places[inside], owners[inside], ranks[inside]
    matched = rids[places] == owners
    beside[places[matched]] = ranks[matched]
    return beside


# --- where the keys come from ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Piece:
    """The keys that one segment gives: their live owners, ascending, the order of each, and the keys it ranks."""

    owners: Array
    order: Array
    keys: Sequence[Any] | None


def _piece(part: Part, column: Column, hidden: BitMap, name: tuple[str, str], descending: bool) -> _Piece:
    slots, order = column.sort_keys(descending)
    if hidden:
        kept = ~np.isin(slots, bitmaps.numbers_of(hidden))
        slots, order = slots[kept], order[kept]
    record = record_of(*name)
    owners: Array = slots
    if record:
        owners, order = first_per_slot(part.segment.owners[name[0], record][slots], order, descending)
    if part.dead:
        alive = ~np.isin(owners, bitmaps.numbers_of(part.dead))
        owners, order = owners[alive], order[alive]
    return _Piece(owners.astype(np.int64), order.astype(np.int64), column.ranked)


def _distances(search: Search, resource_type: str, key: SortKey) -> tuple[Array, Array]:
    """The live places and how far each is from the nearest of the points asked, in millimetres."""
    owners, order = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part, column in search.view.columns((resource_type, key.param)):
        assert isinstance(column, PositionColumn)
        for near in key.near:
            slots, distances = column.distances(near)
            alive = ~np.isin(slots, bitmaps.numbers_of(part.dead)) & (distances <= near.distance_m)
            owners.append(slots[alive].astype(np.int64))
            order.append((distances[alive] * _MILLIMETRES).astype(np.int64))
    return first_per_slot(np.concatenate(owners), np.concatenate(order), key.descending)


def _brought_back(
    search: Search, name: tuple[str, str], owners: Array, order: Array, descending: bool
) -> tuple[Array, Array]:
    """The resources that point at `owners` with a reference parameter, each with the best order among them."""
    sources, orders = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part, column in search.view.columns(name):
        assert isinstance(column, LinkColumn)
        ranks = _beside_any(column.arrays["targets"].astype(np.int64), owners, order)
        slots = column.arrays["slots"]
        kept = (ranks != LAST) & ~np.isin(slots, bitmaps.numbers_of(part.dead))
        sources.append(slots[kept].astype(np.int64))
        orders.append(ranks[kept])
    return first_per_slot(np.concatenate(sources), np.concatenate(orders), descending)


def _only_seen(search: Search, resource_type: str, owners: Array, order: Array) -> tuple[Array, Array]:
    """The keys of the resources of a type that the viewer sees."""
    if not search.is_held_back:
        return owners, order
    seen = np.isin(owners, bitmaps.numbers_of(search.seen(resource_type)))
    return owners[seen], order[seen]


def _beside_any(targets: Array, owners: Array, order: Array) -> Array:
    """The order of each target, which may come several times; `LAST` for those that own none."""
    if not len(owners):
        return np.full(len(targets), LAST, dtype=np.int64)
    places = np.minimum(np.searchsorted(owners, targets), len(owners) - 1)
    return np.where(owners[places] == targets, order[places], LAST)


# --- keys of several segments in one order ---------------------------------------------------------------------------


def _ranked_together(listed: list[_Piece], start: Key) -> "_Merged":
    """Give the pieces ranks in one common list of keys, the cursor's included."""
    main = max(listed, key=lambda piece: len(piece.owners))
    assert main.keys is not None
    extra: set[Any] = set()
    for piece in listed:
        if piece is not main:
            assert piece.keys is not None
            extra.update(piece.keys[rank] for rank in np.unique(piece.order).tolist())
    if isinstance(start, str):
        extra.add(_from_text(start, main.keys))
    merged = _Merged(main.keys, sorted(extra))
    for piece in listed:
        if piece is main:
            piece.order = merged.of_main(piece.order)
        else:
            assert piece.keys is not None
            distinct, inverse = np.unique(piece.order, return_inverse=True)
            piece.order = np.array([merged.rank(piece.keys[rank]) for rank in distinct.tolist()], np.int64)[inverse]
    return merged


class _Merged(Sequence[Any]):
    """The keys of the largest segment and some others, in one order, without copying the largest."""

    def __init__(self, main: Sequence[Any], extra: list[Any]) -> None:
        self._main = main
        fresh = [(bisect_left(main, key), key) for key in extra]
        fresh = [(at, key) for at, key in fresh if at == len(main) or main[at] != key]
        self._fresh = [key for _, key in fresh]
        self._before = np.array([at for at, _ in fresh], np.int64)
        """For each fresh key, how many of the main ones stand before it."""

    def __len__(self) -> int:
        return len(self._main) + len(self._fresh)

    def of_main(self, ranks: Array) -> Array:
        """The common rank of each rank in the main list."""
        return ranks + np.searchsorted(self._before, ranks, side="right")

    def rank(self, key: Any) -> int:
        """The common rank of a key that is in one of the lists."""
        at = bisect_left(self._main, key)
        if at < len(self._main) and self._main[at] == key:
            return at + int(np.searchsorted(self._before, at, side="right"))
        return at + bisect_left(self._fresh, key)

    def __getitem__(self, rank: Any) -> Any:
        ranks = self._before + np.arange(len(self._fresh))
        place = int(np.searchsorted(ranks, rank))
        if place < len(ranks) and ranks[place] == rank:
            return self._fresh[place]
        return self._main[rank - place]


def _as_text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _from_text(text: str, like: Sequence[Any]) -> Any:
    """The key that a cursor holds as text, of the kind that the column has."""
    if len(like) and isinstance(like[0], Decimal):
        try:
            return Decimal(text)
        except InvalidOperation as reason:
            raise InvalidRequest("search.cursor") from reason
    return text.encode()
