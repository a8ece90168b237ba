"""
Matches in the order asked, and the page of them that comes after (or before) the last one given.

Without `_sort` the order is that of rids, which never change: what is written meanwhile makes nothing appear twice or
disappear. With `_sort`, resources without the key come last, and equal keys are told apart by rid, so that every order
is total. A page starts from the keys of the last item given, so page 50 costs what page 1 costs. How keys are found and
compared is in `ranking.py`.
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
    """Some matches in order, and where to go on from either end; a cursor is None where there is nothing more."""

    rids: list[int]
    next: Cursor | None
    previous: Cursor | None


def page(
    search: Search,
    found: BitMap,
    resource_type: str,
    sort: Sequence[SortKey],
    count: int,
    cursor: Cursor | None,
) -> Page:
    """
    At most `count` of the matches, in the order of `sort`, after the cursor (before it when it goes backward).

    Raises InvalidRequest for a cursor that was not made for this order.
    """
    if cursor and len(cursor.keys) != len(sort):
        raise InvalidRequest("search.cursor")
    if not sort:
        return _page_by_rid(found, count, cursor)
    return _page_by_keys(search, found, resource_type, sort, count, cursor)


def _page_by_rid(found: BitMap, count: int, cursor: Cursor | None) -> Page:
    if cursor is None:
        first = 0
    elif cursor.backward:
        place = _rank(found, cursor.rid - 1)
        first = max(0, place - count)
        count = place - first
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
    search: Search,
    found: BitMap,
    resource_type: str,
    sort: Sequence[SortKey],
    count: int,
    cursor: Cursor | None,
) -> Page:
    given: Sequence[Key] = cursor.keys if cursor else [None] * len(sort)
    rankings = [
        Ranking(search, resource_type, key, found, start)
        for key, start in zip(sort, given, strict=True)
    ]
    rids = bitmaps.numbers_of(found).astype(np.int64)
    places, beyond = _on_this_side(rankings, rids, cursor)
    is_backward = cursor is not None and cursor.backward
    chosen = _nearest([ranking.ranks for ranking in rankings], places, count, is_backward)
    more = len(places) > len(chosen)
    has_after, has_before = (beyond, more) if is_backward else (more, beyond)

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


def _on_this_side(
    rankings: Sequence[Ranking], rids: Array, cursor: Cursor | None
) -> tuple[Array, bool]:
    """The places of the matches where a cursor goes, in the order of rids, and whether there are others behind it."""
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
    The `count` first of some places in the order of ranks then of rids, or the last of them, in that order.

    Only those that the first key leaves in question are compared by the others: sorting all of them would take longer
    than finding them.
    """
    first = ranks[0].take(places)
    if 0 < count < len(places):
        bound = len(places) - count if is_backward else count - 1
        edge = np.partition(first, bound)[bound]
        places = places.compress(first >= edge if is_backward else first <= edge)
    # A place stands for a rid: both ascend.
    order = np.lexsort((places, *(one.take(places) for one in reversed(ranks))))
    return places[order[max(0, len(order) - count) :] if is_backward else order[:count]]
