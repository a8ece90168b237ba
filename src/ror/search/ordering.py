"""
Matches in the order asked, and the page of them that comes after (or before) the last one given.

Without `_sort` the order is that of rids, which never change: what is written meanwhile makes nothing appear twice or
disappear. With `_sort`, keys of different segments are ranked together; resources without the key come last, and equal
keys are told apart by rid, so that every order is total. A page starts from the keys of the last item given, so page 50
costs what page 1 costs.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.errors import InvalidRequest
from ror.search import bitmaps
from ror.search.columns import Array, Column
from ror.search.cursor import Cursor
from ror.search.index import Part, View
from ror.search.parse import SortKey
from ror.search.segment import record_of

_LAST: Final = int(np.iinfo(np.int64).max)
"""The rank of what has no key."""

CursorKey = str | int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some matches in order, and where to go on from either end; a cursor is None where there is nothing more."""

    rids: list[int]
    next: Cursor | None
    previous: Cursor | None


def page(
    view: View, found: BitMap, resource_type: str, sort: Sequence[SortKey], count: int, cursor: Cursor | None
) -> Page:
    """
    At most `count` of the matches, in the order of `sort`, after the cursor (before it when it goes backward).

    Raises InvalidRequest for a cursor that was not made for this order.
    """
    if cursor and len(cursor.keys) != len(sort):
        raise InvalidRequest("search.cursor")
    if not sort:
        return _page_by_rid(found, count, cursor)
    return _page_by_keys(view, found, resource_type, sort, count, cursor)


def _page_by_rid(found: BitMap, count: int, cursor: Cursor | None) -> Page:
    if cursor is None:
        first = 0
    elif cursor.backward:
        first = max(0, _rank(found, cursor.rid - 1) - count)
        count = _rank(found, cursor.rid - 1) - first
    else:
        first = _rank(found, cursor.rid)
    rids = list(found[first : first + count])
    return Page(
        rids,
        Cursor(False, (), rids[-1]) if rids and first + len(rids) < len(found) else None,
        Cursor(True, (), rids[0]) if rids and first > 0 else None,
    )


def _rank(found: BitMap, rid: int) -> int:
    """How many matches have this rid or a lower one."""
    return found.rank(rid) if rid >= 0 else 0


def _page_by_keys(
    view: View, found: BitMap, resource_type: str, sort: Sequence[SortKey], count: int, cursor: Cursor | None
) -> Page:
    rids = bitmaps.numbers_of(found).astype(np.int64)
    given: Sequence[CursorKey] = cursor.keys if cursor else [None] * len(sort)
    rankings = [
        _Ranking(view, (resource_type, key.param), key.descending, rids, start)
        for key, start in zip(sort, given, strict=True)
    ]
    order = np.lexsort((rids, *(ranking.ranks for ranking in reversed(rankings))))
    first, after = 0, count
    if cursor:
        place = _place_after(rankings, rids, order, cursor)
        first, after = (max(0, place - count), place) if cursor.backward else (place, place + count)
    chosen = order[first:after]

    def cursor_at(position: int, backward: bool) -> Cursor:
        at = int(chosen[position])
        return Cursor(backward, tuple(ranking.cursor_key(at) for ranking in rankings), int(rids[at]))

    return Page(
        rids[chosen].tolist(),
        cursor_at(-1, False) if len(chosen) and first + len(chosen) < len(order) else None,
        cursor_at(0, True) if len(chosen) and first > 0 else None,
    )


def _place_after(rankings: Sequence["_Ranking"], rids: Array, order: Array, cursor: Cursor) -> int:
    """How many matches stand before the cursor's item, or up to and including it when going forward."""
    before = np.zeros(len(rids), dtype=np.bool_)
    equal = np.ones(len(rids), dtype=np.bool_)
    for ranking in rankings:
        before |= equal & (ranking.ranks < ranking.start)
        equal &= ranking.ranks == ranking.start
    before |= equal & (rids < cursor.rid if cursor.backward else rids <= cursor.rid)
    return int(np.count_nonzero(before))


class _Ranking:
    """
    The rank of each match under one sort key: `ranks` beside the rids, ascending in the order asked.

    `start` is the rank of the cursor's key, which may be one that no match has any more.
    """

    def __init__(self, view: View, name: tuple[str, str], descending: bool, rids: Array, start: CursorKey) -> None:
        self._descending = descending
        pieces = [_piece(part, column, name, descending, rids) for part, column in view.columns(name)]
        pieces = [piece for piece in pieces if len(piece.places)]
        listed = [piece for piece in pieces if piece.keys is not None]
        self._listed = bool(listed)
        self._keys: Sequence[Any] = ()
        if listed:
            self._rank_together(listed, start)
        self.ranks = np.full(len(rids), _LAST, dtype=np.int64)
        for piece in pieces:
            self.ranks[piece.places] = -piece.order if descending else piece.order
        self.start = self._start_rank(start)

    def cursor_key(self, place: int) -> CursorKey:
        """The key of one match, as a cursor holds it."""
        rank = int(self.ranks[place])
        if rank == _LAST:
            return None
        rank = -rank if self._descending else rank
        return _as_text(self._keys[rank]) if self._listed else rank

    def _rank_together(self, listed: list["_Piece"], start: CursorKey) -> None:
        """Give the pieces ranks in one common list of keys, the cursor's included."""
        main = max(listed, key=lambda piece: len(piece.places))
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
                piece.order = np.array([merged.of(piece.keys[rank]) for rank in distinct.tolist()], np.int64)[inverse]
        self._keys = merged

    def _start_rank(self, start: CursorKey) -> int:
        if start is None:
            return _LAST
        if isinstance(start, str):
            rank = self._keys.of(_from_text(start, self._keys)) if isinstance(self._keys, _Merged) else 0
        else:
            rank = max(-_LAST + 1, min(start, _LAST - 1))
        return -rank if self._descending else rank


@dataclass(slots=True)
class _Piece:
    """The keys that one segment gives: the place of each match among all, its order, and the keys the order ranks."""

    places: Array
    order: Array
    keys: Sequence[Any] | None


def _piece(part: Part, column: Column, name: tuple[str, str], descending: bool, rids: Array) -> _Piece:
    slots, order = column.sort_keys(descending)
    record = record_of(*name)
    owners = part.segment.owners[name[0], record][slots] if record else slots
    if record and len(owners):
        arranged = np.lexsort((-order if descending else order, owners))
        owners, order = owners[arranged], order[arranged]
        firsts = np.concatenate(([True], owners[1:] != owners[:-1]))
        owners, order = owners[firsts], order[firsts]
    if part.dead:
        alive = ~np.isin(owners, bitmaps.numbers_of(part.dead))
        owners, order = owners[alive], order[alive]
    places = np.searchsorted(rids, owners)
    matched = np.zeros(len(owners), dtype=np.bool_)
    inside = places < len(rids)
    matched[inside] = rids[places[inside]] == owners[inside]
    return _Piece(places[matched], order[matched].astype(np.int64), column.ranked)


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

    def of(self, key: Any) -> int:
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
