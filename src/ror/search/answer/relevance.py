"""
The full-text score of each match, from 0 to 1,000: the score of an entry, per mille (choice 9).

A word scores most in the name of a resource and in the exact spelling (`columns/words.py`). Several
words, and several criteria, have the mean of their scores; alternatives have the best. A match on a
linked resource counts for half. Its score is rounded to steps, so that following links costs the
same however many scores there are.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from pyroaring import BitMap

from ror.search.answer.engine import Search
from ror.search.index import bitmaps
from ror.search.index.columns import Array, WordColumn
from ror.search.language.expression import (
    And,
    Chain,
    Expression,
    Has,
    Or,
    Upward,
    WordIs,
    has_relevance,
)

BEST: Final = 1_000

_STEP: Final = 50
"""The scores of linked resources are rounded to multiples of this."""
_LINK_DIVISOR: Final = 2
"""The score of a linked resource is divided by this."""


def relevance(search: Search, expression: Expression, resource_type: str, among: BitMap) -> Array:
    """The score of each resource in `among`, all of `resource_type`, in the order of their rids."""
    match expression:
        case WordIs():
            return _of_word(search, expression, resource_type, among)
        case And(parts):
            scores = [
                relevance(search, part, resource_type, among)
                for part in parts
                if has_relevance(part)
            ]
            total: Array = sum(scores, _zeros(among))
            return total // max(len(scores), 1)
        case Or(parts):
            scores = [
                relevance(search, part, resource_type, among)
                for part in parts
                if has_relevance(part)
            ]
            best: Array = np.maximum.reduce([_zeros(among), *scores])
            return best
        case Chain(param, target, inner):
            linked = search.evaluate(inner, target) & search.pointed_at(
                resource_type, param, target, among
            )
            return _by_links(
                lambda rids: search.pointing_at(resource_type, param, target, rids),
                search,
                inner,
                target,
                linked,
                among,
            )
        case Has(source, param, inner):
            linked = search.evaluate(inner, source) & search.pointing_at(
                source, param, resource_type, among
            )
            return _by_links(
                lambda rids: search.pointed_at(source, param, resource_type, rids),
                search,
                inner,
                source,
                linked,
                among,
            )
        case Upward(inner):
            linked = search.evaluate(inner, resource_type)
            return _by_links(
                lambda rids: search.with_descendants(resource_type, rids),
                search,
                inner,
                resource_type,
                linked,
                among,
            )
        case _:
            return _zeros(among)


def _of_word(search: Search, leaf: WordIs, resource_type: str, among: BitMap) -> Array:
    scores, rids = _zeros(among), bitmaps.numbers_of(among)
    for part, column, hidden in search.columns((resource_type, leaf.param)):
        search.budget.spend(len(among), leaf.param)
        assert isinstance(column, WordColumn)
        alive = among - part.dead - hidden
        for worth, slots in column.graded(leaf):
            places = np.searchsorted(rids, bitmaps.numbers_of(slots & alive))
            scores[places] = np.maximum(scores[places], worth)
    return scores


def _by_links(
    back: Callable[[BitMap], BitMap],
    search: Search,
    inner: Expression,
    linked_type: str,
    linked: BitMap,
    among: BitMap,
) -> Array:
    """The best score of the linked resources of each of `among`; `back` follows links back."""
    scores, rids = _zeros(among), bitmaps.numbers_of(among)
    numbers, linked_scores = (
        bitmaps.numbers_of(linked),
        relevance(search, inner, linked_type, linked),
    )
    steps = linked_scores // _STEP
    for step in np.unique(steps).tolist():
        reached = back(bitmaps.of_sorted(numbers[steps == step])) & among
        # Steps ascend: the best score is written last.
        scores[np.searchsorted(rids, bitmaps.numbers_of(reached))] = step * _STEP // _LINK_DIVISOR
    return scores


def _zeros(among: BitMap) -> Array:
    return np.zeros(len(among), dtype=np.int64)
