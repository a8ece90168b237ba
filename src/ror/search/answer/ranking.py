"""
One sort key over all the matches: a whole number for each that ascends in the order asked.

The keys of a parameter are ranked together across segments; those of a distance are millimetres; those at the end of a
chain come back along its references, each match taking the best of what it points at. Only what the matches lead to is
ranked, so that few matches cost little, however large the directory.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.errors import InvalidRequest
from ror.search.answer.engine import Search
from ror.search.answer.references import links_by_name
from ror.search.answer.relevance import relevance
from ror.search.index import bitmaps
from ror.search.index.columns import Array, Column, LinkColumn, PositionColumn
from ror.search.index.view import Part
from ror.search.language.cursor import Key
from ror.search.language.entry_names import record_of
from ror.search.language.request import SortKey

LAST: Final = int(np.iinfo(np.int64).max)
"""The rank of what has no key."""

_SORTED_ENTRY: Final = 4
"""Ranking a match costs as much as reading so many entries."""

_MILLIMETRES: Final = 1_000


class Ranking:
    """
    The rank of each match under one sort key: `ranks` beside the rids, which ascend.

    `start` is the rank of the cursor's key, which may be one that no match has any more. Raises InvalidRequest for a
    cursor's key that this sort could not have given.
    """

    def __init__(
        self, search: Search, resource_type: str, key: SortKey, found: BitMap, start: Key
    ) -> None:
        self._descending = key.descending
        self._keys: Sequence[Any] | None = None
        self._lost_texts = False
        """Whether keys are texts of which none is left: every match then ranks last, after any cursor."""
        search.budget.spend(_SORTED_ENTRY * len(found), key.param)
        sets = _led_to(search, resource_type, key, found)
        target = key.hops[-1][1] if key.hops else resource_type
        if key.words is not None:
            ranks = self._signed(relevance(search, key.words, resource_type, found))
        elif key.near:
            ranks = self._by_distance(search, target, key, sets[-1])
        else:
            ranks = self._by_value(search, (target, key.param), sets[-1], start)
        sources = (resource_type, *(target for _, target in key.hops))
        for number in reversed(range(len(key.hops))):
            link = (sources[number], key.hops[number][0])
            links = _links(search, link, sources[number + 1], sets[number])
            ranks = _brought_back(search, links, sets[number], sets[number + 1], ranks)
        self.ranks = ranks
        self.start = self._start_rank(start)

    def cursor_key(self, place: int) -> Key:
        """The key of one match, as a cursor holds it."""
        rank = int(self.ranks[place])
        if rank == LAST:
            return None
        rank = -rank if self._descending else rank
        return rank if self._keys is None else _as_text(self._keys[rank])

    def _signed(self, order: Array) -> Array:
        return -order if self._descending else order

    def _by_value(self, search: Search, name: tuple[str, str], wanted: BitMap, start: Key) -> Array:
        """The best rank of each of `wanted`, over all the segments."""
        places = _Places(search, wanted)
        pieces = [
            _piece(part, column, hidden, name, places, self._descending)
            for part, column, hidden in search.columns(name)
        ]
        listed = [piece for piece in pieces if piece.keys is not None and len(piece.order)]
        if listed:
            self._keys = _ranked_together(listed, start)
        else:
            self._lost_texts = all(piece.keys is not None for piece in pieces)
        ranks = places.ranks()
        for piece in pieces:
            np.minimum.at(ranks, piece.places, self._signed(piece.order))
        return ranks

    def _by_distance(
        self, search: Search, resource_type: str, key: SortKey, wanted: BitMap
    ) -> Array:
        """How far each of `wanted` is from the nearest of the points asked, in millimetres."""
        places = _Places(search, wanted)
        ranks = places.ranks()
        for part, column, hidden in search.columns((resource_type, key.param)):
            assert isinstance(column, PositionColumn)
            for near in key.near:
                slots, distances = column.distances(near, wanted - part.dead - hidden)
                reached = distances <= near.distance_m
                order = (distances[reached] * _MILLIMETRES).astype(np.int64)
                np.minimum.at(ranks, places.of(slots[reached]), self._signed(order))
        return ranks

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


def _led_to(search: Search, resource_type: str, key: SortKey, found: BitMap) -> list[BitMap]:
    """The matches, then what each hop of a sort key leads to from there."""
    sets, here = [found], resource_type
    for param, target in key.hops:
        sets.append(search.pointed_at(here, param, target, sets[-1]))
        here = target
    return sets


class _Places:
    """Where each of some resources stands among them, in the order of their rids."""

    def __init__(self, search: Search, wanted: BitMap) -> None:
        self._wanted = wanted
        numbers = bitmaps.numbers_of(wanted).astype(np.intp)
        self._place = np.empty(search.view.size, np.intp)
        self._place[numbers] = np.arange(len(numbers))

    def ranks(self) -> Array:
        """A rank for each: so far, none has a key."""
        return np.full(len(self._wanted), LAST, dtype=np.int64)

    def hold(self, rids: Array, part: Part) -> bitmaps.Mask:
        """Which of these rids are wanted and not dead in a segment."""
        return bitmaps.are_in(rids, self._wanted - part.dead)

    def of(self, rids: Array) -> Array:
        """The place of each of these rids, which are wanted ones."""
        return self._place.take(rids)


# --- where the keys come from ---------------------------------------------------------------------


@dataclass(slots=True)
class _Piece:
    """The keys that one segment gives: the places of their live owners, the order of each, and the keys it ranks."""

    places: Array
    order: Array
    keys: Sequence[Any] | None


def _piece(
    part: Part,
    column: Column,
    hidden: BitMap,
    name: tuple[str, str],
    places: _Places,
    descending: bool,
) -> _Piece:
    owners, order = column.sort_keys(descending)
    if hidden:
        kept = ~bitmaps.are_in(owners, hidden)
        owners, order = owners.compress(kept), order.compress(kept)
    record = record_of(*name)
    if record:
        owners = part.segment.owners[name[0], record].take(owners)
    alive = places.hold(owners, part)
    return _Piece(
        places.of(owners.compress(alive)), order.compress(alive).astype(np.int64), column.ranked
    )


def _links(
    search: Search, name: tuple[str, str], target: str, sources: BitMap
) -> Iterator[tuple[Array, Array]]:
    """What a reference parameter leads to from `sources`, literally or by name: slots, and the rid of each."""
    for part, column in search.view.columns(name):
        assert isinstance(column, LinkColumn)
        yield column.links(sources - part.dead)
    for slots, rids in links_by_name(search.view, name, target):
        known = bitmaps.are_in(slots, sources)
        yield slots.compress(known), rids.compress(known)


def _brought_back(
    search: Search,
    links: Iterable[tuple[Array, Array]],
    sources: BitMap,
    targets: BitMap,
    ranks_of_targets: Array,
) -> Array:
    """The best rank among those of `targets` that each of `sources` is linked with."""
    from_places, to_places = _Places(search, sources), _Places(search, targets)
    ranks = from_places.ranks()
    for slots, rids in links:
        known = bitmaps.are_in(rids, targets)
        brought = ranks_of_targets.take(to_places.of(rids.compress(known)))
        np.minimum.at(ranks, from_places.of(slots.compress(known)), brought)
    return ranks


# --- keys of several segments in one order --------------------------------------------------------


def _ranked_together(listed: list[_Piece], start: Key) -> "_Merged":
    """Give the pieces ranks in one common list of keys, the cursor's included."""
    main = max(listed, key=lambda piece: len(piece.order))
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
            piece.order = np.array(
                [merged.rank(piece.keys[rank]) for rank in distinct.tolist()], np.int64
            )[inverse]
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
