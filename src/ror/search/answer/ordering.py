"""
The order of matches, and the page of them after or before a cursor.

Without `_sort`, matches are in the order of their rids, which never change: a write between two
pages neither repeats nor hides a match. With `_sort`, resources without the key come last, and rids
order the resources with equal keys, so every order is total. A page starts from the keys of the
last match of the page before, so page 50 costs as much as page 1. `ranking.py` reads and compares
the keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from ror.errors import InvalidRequest
from ror.search.answer.engine import Search
from ror.search.answer.ranking import Ranking
from ror.search.index import bitmaps
from ror.search.index.columns import Array
from ror.search.language.cursor import Cursor, Key
from ror.search.language.request import SortKey


@dataclass(frozen=True, slots=True)
class Page:
    """Some matches in order, and the cursors of the next and previous pages; None at either end."""

    rids: list[int]
    next: Cursor | None
    previous: Cursor | None


def page(
    search: Search,
    matches: BitMap,
    resource_type: str,
    sort: Sequence[SortKey],
    count: int,
    cursor: Cursor | None,
) -> Page:
    """
    At most `count` of the matches, ordered by `sort`, after the cursor or, if backward, before it.

    Raises InvalidRequest for a cursor of another order.
    """
    if cursor and len(cursor.keys) != len(sort):
        raise InvalidRequest("search.cursor")
    if not sort:
        return _page_by_rid(matches, count, cursor)
    return _page_by_keys(search, matches, resource_type, sort, count, cursor)


def _page_by_rid(matches: BitMap, count: int, cursor: Cursor | None) -> Page:
    if cursor is None:
        first = 0
    elif cursor.backward:
        place = _rank(matches, cursor.rid - 1)
        first = max(0, place - count)
        count = place - first
    else:
        first = _rank(matches, cursor.rid)
    rids = list(matches[first : first + count])
    return Page(
        rids,
        Cursor(False, (), rids[-1]) if rids and first + len(rids) < len(matches) else None,
        Cursor(True, (), rids[0]) if rids and first > 0 else None,
    )


def _rank(matches: BitMap, rid: int) -> int:
    """How many matches have this rid or a lower rid."""
    return matches.rank(rid) if rid >= 0 else 0


def _page_by_keys(
    search: Search,
    matches: BitMap,
    resource_type: str,
    sort: Sequence[SortKey],
    count: int,
    cursor: Cursor | None,
) -> Page:
    start_keys: Sequence[Key] = cursor.keys if cursor else [None] * len(sort)
    rankings = [
        Ranking(search, resource_type, key, matches, start)
        for key, start in zip(sort, start_keys, strict=True)
    ]
    rids = bitmaps.numbers_of(matches).astype(np.int64)
    places, others = _places_after(rankings, rids, cursor)
    is_backward = cursor is not None and cursor.backward
    chosen = _nearest([ranking.ranks for ranking in rankings], places, count, is_backward)
    more = len(places) > len(chosen)
    has_after, has_before = (others, more) if is_backward else (more, others)

    def cursor_at(position: int, backward: bool) -> Cursor:
        at = int(chosen[position])
        return Cursor(
            backward, tuple(ranking.cursor_key(at) for ranking in rankings), int(rids[at])
        )

    return Page(
        rids[chosen].tolist(),
        cursor_at(-1, False) if len(chosen) and has_after else None,
        cursor_at(0, True) if len(chosen) and has_before else None,
    )


def _places_after(
    rankings: Sequence[Ranking], rids: Array, cursor: Cursor | None
) -> tuple[Array, bool]:
    """The places of the matches on the page side of a cursor; whether the other side has any."""
    if cursor is None:
        return np.arange(len(rids)), False
    before, equal = np.zeros(len(rids), dtype=np.bool_), np.arange(len(rids))
    for ranking in rankings:
        ranks = ranking.ranks[equal] if len(equal) < len(rids) else ranking.ranks
        before[equal[ranks < ranking.start]] = True
        equal = equal[ranks == ranking.start]
    before[equal[rids[equal] < cursor.rid if cursor.backward else rids[equal] <= cursor.rid]] = True
    places = np.flatnonzero(before if cursor.backward else ~before)
    return places, len(places) < len(rids)


def _nearest(ranks: Sequence[Array], places: Array, count: int, is_backward: bool) -> Array:
    """
    The first `count` of some places (the last if backward), in the order of ranks, then of rids.

    The first key alone discards most places: sorting all of them would take longer than the search.
    """
    first = ranks[0].take(places)
    if 0 < count < len(places):
        bound = len(places) - count if is_backward else count - 1
        edge = np.partition(first, bound)[bound]
        places = places.compress(first >= edge if is_backward else first <= edge)
    # Places ascend with rids.
    order = np.lexsort((places, *(key_ranks.take(places) for key_ranks in reversed(ranks))))
    return places[order[max(0, len(order) - count) :] if is_backward else order[:count]]
