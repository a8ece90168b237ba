"""
A page of results before any body is read: its matches, its included resources and its links.

A result page is small compared with its Bundle (`bundle.py`), and valid as long as its view is
current.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pyroaring import BitMap

from ror.access import Viewer
from ror.errors import TooCostly, first_of
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.resources.subset import Subset
from ror.search.answer.budget import Budget
from ror.search.answer.engine import Search
from ror.search.answer.in_words import explanation
from ror.search.answer.inclusion import included, limited
from ror.search.answer.ordering import Page, page
from ror.search.answer.page_links import Linker, encoded
from ror.search.answer.relevance import relevance
from ror.search.answer.sight import Sight
from ror.search.answer.unknown_codes import unknown_codes
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
    has_relevance,
)
from ror.search.language.request import SearchRequest

_BYTES_PER_RID: Final = 16
_BYTES_PER_MEASURE: Final = 128
"""Approximate bytes of a resource of a page, and of its distance or score."""


@dataclass(frozen=True, slots=True)
class ResultPage:
    """
    A page of the matches that a viewer sees on a view; `total` counts every match.

    `matches` are those of the page, in order, `included` the resources included with them, and
    `rids` the set of both. Some have `distances` (metres) and `scores` (per mille). `subset` is the
    part of each match to send, `included_subset` that of each included resource; None means all.
    `outcomes` are entries about the answer itself.
    """

    sight: Sight
    total: int
    matches: Numbers
    included: Numbers
    rids: BitMap
    distances: Mapping[int, float]
    scores: Mapping[int, int]
    subset: Subset | None
    included_subset: Subset | None
    base_url: str
    links: Sequence[tuple[str, str]]
    outcomes: Sequence[Pieces]

    def __len__(self) -> int:
        """Its approximate size in bytes."""
        texts = sum(map(len, self.outcomes)) + sum(len(url) for _, url in self.links)
        measures = len(self.distances) + len(self.scores)
        return texts + _BYTES_PER_RID * len(self.rids) + _BYTES_PER_MEASURE * measures


def find(
    view: View,
    viewer: Viewer,
    request: SearchRequest,
    base_url: str,
    language: str,
    max_included: int | None,
    link: Linker,
    budget: Budget | None = None,
) -> ResultPage:
    """
    The page of results that a viewer sees on a view, whose masks must be current.

    At most `max_included` resources are included (None: no limit). `link` makes links, which begin
    with `base_url`.

    Raises InvalidRequest if the page link of the request was made for another search, UnknownCode
    in strict handling for an unknown code, and what spending from `budget` raises.
    """
    search = Search(view, viewer, budget=budget or Budget())
    search.budget.foresee(search.costs(request.expression, request.resource_type))
    all_matches = search.evaluate(request.expression, request.resource_type)
    unknown = unknown_codes(search, request.expression, request.resource_type)
    if unknown and request.strict:
        raise first_of(unknown)
    if request.summary:
        result = Page([], None, None)
    else:
        result = page(
            search, all_matches, request.resource_type, request.sort, request.count, request.cursor
        )
    matches = BitMap(result.rids)
    reached = included(search, matches, request.resource_type, request.includes)
    shown_included, left_out = (
        (reached, {}) if max_included is None else limited(search, reached, max_included)
    )
    rids = shown_included | matches
    outcomes = []
    if left_out:
        outcomes.append(wire.outcome_entry([_left_out(left_out, len(shown_included))], language))
    if warnings := [*request.ignored, *unknown]:
        outcomes.append(wire.outcome_entry(warnings, language))
    if request.explain:
        outcomes.append(
            wire.information_entry(
                explanation(search, request.expression, request.resource_type, language)
            )
        )
    return ResultPage(
        sight=search.sight,
        total=len(all_matches),
        matches=np.array(result.rids, np.uint32),
        included=bitmaps.numbers_of(shown_included),
        rids=rids,
        distances=_distances(search, request.expression, request.resource_type, rids),
        scores=_scores(search, request, matches),
        subset=request.subset,
        # `_elements` names elements of the searched type; a summary applies to any type.
        included_subset=request.subset if request.subset and request.subset.summary else None,
        base_url=base_url,
        links=_links(request, result, base_url, link),
        outcomes=outcomes,
    )


def _left_out(left_out: Mapping[str, int], included_count: int) -> TooCostly:
    """The warning that a page includes only some resources, with the number left out by type."""
    counts = ", ".join(f"{number} {name}" for name, number in left_out.items())
    largest = max(left_out, key=left_out.__getitem__)
    return TooCostly(
        "explain.inclusions-left-out", left_out=counts, limit=included_count, example=largest
    )


def _scores(search: Search, request: SearchRequest, shown: BitMap) -> dict[int, int]:
    """The full-text score of each match shown, per mille; empty without a full-text criterion."""
    if not shown or not has_relevance(request.expression):
        return {}
    return dict(
        zip(
            shown,
            relevance(search, request.expression, request.resource_type, shown).tolist(),
            strict=True,
        )
    )


def _distances(
    search: Search, expression: Expression, resource_type: str, shown: BitMap
) -> dict[int, float]:
    """The distance in metres of each place shown from the points of the search (choice 8)."""
    nearest: dict[int, float] = {}
    for near, place_type in _nears(expression, resource_type):
        for rid, distance in search.distances_m(near, place_type, shown).items():
            nearest[rid] = min(distance, nearest.get(rid, distance))
    return nearest


def _nears(expression: Expression, resource_type: str) -> Iterator[tuple[Near, str]]:
    """The position criteria with their types; a negated criterion has no distance."""
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


# --- links ----------------------------------------------------------------------------------------


def _links(
    request: SearchRequest, result: Page, base_url: str, link: Linker
) -> list[tuple[str, str]]:
    """`self`, `next` and `previous`; `self` has the criteria as they were read, and the page."""
    address, query = f"{base_url}/{request.resource_type}", encoded(request.pairs)
    pages = (("self", request.cursor), ("next", result.next), ("previous", result.previous))
    return [
        (relation, link(address, query, cursor))
        for relation, cursor in pages
        if cursor is not None or relation == "self"
    ]
