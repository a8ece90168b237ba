"""
The rank of each match under one sort key: a whole number that ascends in the requested order.

The keys of a parameter are ranked across segments; a distance is ranked in millimetres. The rank of
a chained key follows its references back: each match has the best rank of its targets. Only the
resources that the matches lead to are ranked, so few matches cost little in a large directory.
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
"""The rank of a match without the key."""

_SORTED_ENTRY: Final = 4
"""The cost of ranking a match, in index entries."""

_MILLIMETRES: Final = 1_000


class Ranking:
    """
    The rank of each match under one sort key: `ranks`, in the order of rids.

    `start` is the rank of the cursor's key, even if no match has it any more. Raises InvalidRequest
    for a key that cannot come from this sort.
    """

    def __init__(
        self, search: Search, resource_type: str, key: SortKey, matches: BitMap, start: Key
    ) -> None:
        self._descending = key.descending
        self._keys: Sequence[Any] | None = None
        self._has_no_strings = False
        """Whether keys are strings and no match has any: all matches rank after any cursor."""
        search.budget.spend(_SORTED_ENTRY * len(matches), key.param)
        sets = _chained_sets(search, resource_type, key, matches)
        target = key.hops[-1][1] if key.hops else resource_type
        if key.words is not None:
            ranks = self._signed(relevance(search, key.words, resource_type, matches))
        elif key.near:
            ranks = self._by_distance(search, target, key, sets[-1])
        else:
            ranks = self._by_value(search, (target, key.param), sets[-1], start)
        sources = (resource_type, *(target for _, target in key.hops))
        for number in reversed(range(len(key.hops))):
            link = (sources[number], key.hops[number][0])
            links = _links(search, link, sources[number + 1], sets[number])
            ranks = _ranks_of_sources(search, links, sets[number], sets[number + 1], ranks)
        self.ranks = ranks
        self.start = self._start_rank(start)

    def cursor_key(self, place: int) -> Key:
        """The key of one match, for a cursor."""
        rank = int(self.ranks[place])
        if rank == LAST:
            return None
        rank = -rank if self._descending else rank
        return rank if self._keys is None else _as_text(self._keys[rank])

    def _signed(self, order: Array) -> Array:
        return -order if self._descending else order

    def _by_value(
        self, search: Search, name: tuple[str, str], targets: BitMap, start: Key
    ) -> Array:
        """The best rank of each resource in `targets`, over all segments."""
        places = _Places(search, targets)
        pieces = [
            _piece(part, column, hidden, name, places, self._descending)
            for part, column, hidden in search.columns(name)
        ]
        listed = [piece for piece in pieces if piece.keys is not None and len(piece.order)]
        if listed:
            self._keys = _ranked_together(listed, start)
        else:
            self._has_no_strings = all(piece.keys is not None for piece in pieces)
        ranks = places.ranks()
        for piece in pieces:
            np.minimum.at(ranks, piece.places, self._signed(piece.order))
        return ranks

    def _by_distance(
        self, search: Search, resource_type: str, key: SortKey, targets: BitMap
    ) -> Array:
        """The distance of each of `targets` from the nearest point of the sort, in millimetres."""
        places = _Places(search, targets)
        ranks = places.ranks()
        for part, column, hidden in search.columns((resource_type, key.param)):
            assert isinstance(column, PositionColumn)
            for near in key.near:
                slots, distances = column.distances(near, targets - part.dead - hidden)
                reached = distances <= near.distance_m
                order = (distances[reached] * _MILLIMETRES).astype(np.int64)
                np.minimum.at(ranks, places.of(slots[reached]), self._signed(order))
        return ranks

    def _start_rank(self, start: Key) -> int:
        if start is None:
            return LAST
        if isinstance(start, str):
            if self._has_no_strings:
                return 0
            if not isinstance(self._keys, _Merged):
                raise InvalidRequest("search.cursor")
            rank = self._keys.rank(_from_text(start, self._keys))
        else:
            rank = max(-LAST + 1, min(start, LAST - 1))
        return -rank if self._descending else rank


def _chained_sets(
    search: Search, resource_type: str, key: SortKey, matches: BitMap
) -> list[BitMap]:
    """The matches, then the targets of each hop of a sort key."""
    sets, source = [matches], resource_type
    for param, target in key.hops:
        sets.append(search.pointed_at(source, param, target, sets[-1]))
        source = target
    return sets


class _Places:
    """The index of each resource of a set, in the order of rids."""

    def __init__(self, search: Search, targets: BitMap) -> None:
        self._targets = targets
        numbers = bitmaps.numbers_of(targets).astype(np.intp)
        self._place = np.empty(search.view.size, np.intp)
        self._place[numbers] = np.arange(len(numbers))

    def ranks(self) -> Array:
        """An array of ranks, all of them `LAST`."""
        return np.full(len(self._targets), LAST, dtype=np.int64)

    def are_live(self, rids: Array, part: Part) -> bitmaps.Mask:
        """Which of these rids are in the set and alive in a segment."""
        return bitmaps.are_in(rids, self._targets - part.dead)

    def of(self, rids: Array) -> Array:
        """The index of each of these rids, all in the set."""
        return self._place.take(rids)


# --- keys of one segment --------------------------------------------------------------------------


@dataclass(slots=True)
class _Piece:
    """The keys of one segment: the places of their live owners, ranks, and the ranked keys."""

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
        is_visible = ~bitmaps.are_in(owners, hidden)
        owners, order = owners.compress(is_visible), order.compress(is_visible)
    record = record_of(*name)
    if record:
        owners = part.segment.owners[name[0], record].take(owners)
    alive = places.are_live(owners, part)
    return _Piece(
        places.of(owners.compress(alive)), order.compress(alive).astype(np.int64), column.ranked
    )


def _links(
    search: Search, name: tuple[str, str], target: str, sources: BitMap
) -> Iterator[tuple[Array, Array]]:
    """The links from `sources` under a parameter, as parallel arrays of slots and rids."""
    for part, column in search.view.columns(name):
        assert isinstance(column, LinkColumn)
        yield column.links(sources - part.dead)
    for slots, rids in links_by_name(search.view, name, target):
        is_source = bitmaps.are_in(slots, sources)
        yield slots.compress(is_source), rids.compress(is_source)


def _ranks_of_sources(
    search: Search,
    links: Iterable[tuple[Array, Array]],
    sources: BitMap,
    targets: BitMap,
    target_ranks: Array,
) -> Array:
    """The best rank of the targets that each of `sources` is linked with."""
    from_places, to_places = _Places(search, sources), _Places(search, targets)
    ranks = from_places.ranks()
    for slots, rids in links:
        is_target = bitmaps.are_in(rids, targets)
        linked_ranks = target_ranks.take(to_places.of(rids.compress(is_target)))
        np.minimum.at(ranks, from_places.of(slots.compress(is_target)), linked_ranks)
    return ranks


# --- keys of several segments ---------------------------------------------------------------------


def _ranked_together(listed: list[_Piece], start: Key) -> "_Merged":
    """Rank the pieces in one common list of keys, which has the cursor's key too."""
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
    """The keys of the largest segment and of others, in one order, without copying the largest."""

    def __init__(self, main: Sequence[Any], extra: list[Any]) -> None:
        self._main = main
        extra_keys = [(bisect_left(main, key), key) for key in extra]
        extra_keys = [(at, key) for at, key in extra_keys if at == len(main) or main[at] != key]
        self._extra = [key for _, key in extra_keys]
        self._before = np.array([at for at, _ in extra_keys], np.int64)
        """For each extra key, how many main keys come before it."""

    def __len__(self) -> int:
        return len(self._main) + len(self._extra)

    def of_main(self, ranks: Array) -> Array:
        """The merged rank of each main rank."""
        return ranks + np.searchsorted(self._before, ranks, side="right")

    def rank(self, key: Any) -> int:
        """The merged rank of a key in either list."""
        at = bisect_left(self._main, key)
        if at < len(self._main) and self._main[at] == key:
            return at + int(np.searchsorted(self._before, at, side="right"))
        return at + bisect_left(self._extra, key)

    def __getitem__(self, rank: Any) -> Any:
        ranks = self._before + np.arange(len(self._extra))
        place = int(np.searchsorted(ranks, rank))
        if place < len(ranks) and ranks[place] == rank:
            return self._extra[place]
        return self._main[rank - place]


def _as_text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _from_text(text: str, like: Sequence[Any]) -> Any:
    """The key of a cursor, from a string to the type of the column's keys."""
    if len(like) and isinstance(like[0], Decimal):
        try:
            return Decimal(text)
        except InvalidOperation as reason:
            raise InvalidRequest("search.cursor") from reason
    return text.encode()
