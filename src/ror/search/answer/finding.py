"""
What a search finds of the directory, before any body is read: the matches of a page, what comes along, the links.

It is small beside the answer that is made of it (`searching.py`), and holds as long as the view that it was found on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import numpy as np
from pyroaring import BitMap

from ror.access import Viewer
from ror.errors import TooCostly
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.resources.subset import Subset
from ror.search.answer.engine import Search
from ror.search.answer.in_words import told
from ror.search.answer.inclusion import included, within
from ror.search.answer.ordering import Page, page
from ror.search.answer.relevance import relevance
from ror.search.index import bitmaps
from ror.search.index.bitmaps import Numbers
from ror.search.index.view import View
from ror.search.language.expression import (
    And,
    Chain,
    Expression,
    Near,
    Or,
    SameRecord,
    seeks_words,
)
from ror.search.language.parse import SearchRequest

_OF_A_NUMBER: Final = 16
_OF_A_MEASURE: Final = 128
"""Bytes that a resource of a page takes here, and those of its distance or its score."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    A page of what a viewer finds on a view; `total` counts every match.

    `matches` are those of the page, in their order, `along` what comes along; `given` is the set of both. `distances`
    (metres) and `scores` (per mille) are of some of them; `subset` is what goes out of each match, `subset_along` of
    the others, None when all does. `remarks` are entries that say something of the answer.
    """

    asking: Search
    total: int
    matches: Numbers
    along: Numbers
    given: BitMap
    distances: Mapping[int, float]
    scores: Mapping[int, int]
    subset: Subset | None
    subset_along: Subset | None
    base_url: str
    links: Sequence[tuple[str, str]]
    remarks: Sequence[Pieces]

    def __len__(self) -> int:
        """The bytes that it takes, about."""
        said = sum(map(len, self.remarks)) + sum(len(url) for _, url in self.links)
        measures = len(self.distances) + len(self.scores)
        return said + _OF_A_NUMBER * len(self.given) + _OF_A_MEASURE * measures


def find(
    view: View,
    viewer: Viewer,
    request: SearchRequest,
    base_url: str,
    language: str,
    max_included: int | None,
    close: Callable[[str], str],
) -> Found:
    """
    What a viewer finds on a view that is known to be the present one as far as masks go.

    At most `max_included` resources come along (None: as many as there are). Links begin with `base_url`; `close` makes
    of a cursor what they show of it.

    Raises InvalidRequest when the page link of the request was made for another search.
    """
    asking = Search(view, viewer)
    found = asking.of(request.expression, request.resource_type)
    if request.summary:
        cut = Page([], None, None)
    else:
        cut = page(
            asking, found, request.resource_type, request.sort, request.count, request.cursor
        )
    matches = BitMap(cut.rids)
    brought = included(asking, matches, request.resource_type, request.includes)
    along, behind = (brought, {}) if max_included is None else within(asking, brought, max_included)
    given = along | matches
    remarks = []
    if behind:
        remarks.append(wire.outcome_entry([_left_behind(behind, len(along))], language))
    if request.ignored:
        remarks.append(wire.outcome_entry(request.ignored, language))
    if request.explain:
        remarks.append(
            wire.information_entry(
                told(asking, request.expression, request.resource_type, language)
            )
        )
    return Found(
        asking=asking,
        total=len(found),
        matches=np.array(cut.rids, np.uint32),
        along=bitmaps.numbers_of(along),
        given=given,
        distances=_distances(asking, request.expression, request.resource_type, given),
        scores=_scores(asking, request, matches),
        subset=request.subset,
        # `_elements` names elements of the type that is searched; a summary is one of any type.
        subset_along=request.subset if request.subset and request.subset.summary else None,
        base_url=base_url,
        links=_links(request, cut, base_url, close),
        remarks=remarks,
    )


def _left_behind(behind: Mapping[str, int], along: int) -> TooCostly:
    """What is told of a page that would bring more than the `along` that it may: how many of each type stay behind."""
    counts = ", ".join(f"{number} {name}" for name, number in behind.items())
    most = max(behind, key=behind.__getitem__)
    return TooCostly("explain.inclusions-left-out", left_out=counts, limit=along, example=most)


def _scores(asking: Search, request: SearchRequest, shown: BitMap) -> dict[int, int]:
    """How well each match shown says what full text asked, per mille; empty when nothing was asked in full text."""
    if not shown or not seeks_words(request.expression):
        return {}
    return dict(
        zip(
            shown,
            relevance(asking, request.expression, request.resource_type, shown).tolist(),
            strict=True,
        )
    )


def _distances(
    asking: Search, expression: Expression, resource_type: str, shown: BitMap
) -> dict[int, float]:
    """How far each place shown is from where the search looked, in metres (choice 8)."""
    found: dict[int, float] = {}
    for near, place_type in _nears(expression, resource_type):
        for rid, distance in asking.distances_m(near, place_type, shown).items():
            found[rid] = min(distance, found.get(rid, distance))
    return found


def _nears(expression: Expression, resource_type: str) -> Iterator[tuple[Near, str]]:
    """The criteria of position, with the type they are about; what is negated has no distance to tell."""
    match expression:
        case Near():
            yield expression, resource_type
        case And(parts) | Or(parts):
            for part in parts:
                yield from _nears(part, resource_type)
        case SameRecord(_, inner):
            yield from _nears(inner, resource_type)
        case Chain(_, target, inner):
            yield from _nears(inner, target)
        case _:
            return


# --- links -----------------------------------------------------------------------------------------------------------


def in_the_clear(cursor: str) -> str:
    """A cursor as it is, for links that do not leave the program."""
    return cursor


def _links(
    request: SearchRequest, cut: Page, base_url: str, close: Callable[[str], str]
) -> list[tuple[str, str]]:
    """`self`, `next` and `previous`; the self link says what was understood, and on which page."""
    query = urlencode(request.pairs, quote_via=quote, safe=":/,.|-_~")
    pages = (("self", request.cursor), ("next", cut.next), ("previous", cut.previous))
    return [
        (
            relation,
            _url(
                f"{base_url}/{request.resource_type}",
                query,
                close(cursor.encode()) if cursor else None,
            ),
        )
        for relation, cursor in pages
        if cursor is not None or relation == "self"
    ]


def _url(address: str, query: str, cursor: str | None) -> str:
    pairs = [query] if query else []
    if cursor is not None:
        pairs.append(f"_cursor={cursor}")
    return f"{address}?{'&'.join(pairs)}" if pairs else address
