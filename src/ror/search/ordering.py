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
from ror.search import bitmaps
from ror.search.columns import Array
from ror.search.cursor import Cursor, Key
from ror.search.engine import Search
from ror.search.parse import SortKey
from ror.search.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Page:
    """Some matches in order, and where to go on from either end; a cursor is None where there is nothing more."""

    rids: list[int]
    next: Cursor | None
    previous: Cursor | None


def page(
    search: Search, found: BitMap, resource_type: str, sort: Sequence[SortKey], count: int, cursor: Cursor | None
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
    search: Search, found: BitMap, resource_type: str, sort: Sequence[SortKey], count: int, cursor: Cursor | None
) -> Page:
    rids = bitmaps.numbers_of(found).astype(np.int64)
    given: Sequence[Key] = cursor.keys if cursor else [None] * len(sort)
    rankings = [Ranking(search, resource_type, key, rids, start) for key, start in zip(sort, given, strict=True)]
    order = np.lexsort((rids, *(ranking.ranks for ranking in reversed(rankings))))
    first, after = 0, count
    if cursor:
        place = _place_after(rankings, rids, cursor)
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


def _place_after(rankings: Sequence[Ranking], rids: Array, cursor: Cursor) -> int:
    """How many matches stand before the cursor's item, or up to and including it when going forward."""
    before = np.zeros(len(rids), dtype=np.bool_)
    equal = np.ones(len(rids), dtype=np.bool_)
    for ranking in rankings:
        before |= equal & (ranking.ranks < ranking.start)
        equal &= ranking.ranks == ranking.start
    before |= equal & (rids < cursor.rid if cursor.backward else rids <= cursor.rid)
    return int(np.count_nonzero(before))
