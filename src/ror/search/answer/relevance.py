"""
How well each match says what full text asked, from 0 to 1,000: the score of an entry, per mille (choice 9).

A word is worth most in what a resource is called and as it was typed (`columns/words.py`). Several words are worth
their mean, and so are several criteria; of alternatives the best counts. What is found on another resource, behind a
link, counts for half, in steps, so that following links costs the same however many scores there are.
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
"""The scores of another resource are rounded to this."""
_FARTHER: Final = 2
"""What is behind a link is worth this many times less."""


def relevance(search: Search, expression: Expression, resource_type: str, among: BitMap) -> Array:
    """The score of each of `among`, which are of `resource_type`, in the order of their rids; 0 where no word is."""
    match expression:
        case WordIs():
            return _of_word(search, expression, resource_type, among)
        case And(parts):
            spoken = [
                relevance(search, part, resource_type, among)
                for part in parts
                if has_relevance(part)
            ]
            total: Array = sum(spoken, _nothing(among))
            return total // max(len(spoken), 1)
        case Or(parts):
            spoken = [
                relevance(search, part, resource_type, among)
                for part in parts
                if has_relevance(part)
            ]
            best: Array = np.maximum.reduce([_nothing(among), *spoken])
            return best
        case Chain(param, target, inner):
            there = search.evaluate(inner, target) & search.pointed_at(
                resource_type, param, target, among
            )
            return _behind(
                lambda some: search.pointing_at(resource_type, param, target, some),
                search,
                inner,
                target,
                there,
                among,
            )
        case Has(source, param, inner):
            there = search.evaluate(inner, source) & search.pointing_at(
                source, param, resource_type, among
            )
            return _behind(
                lambda some: search.pointed_at(source, param, resource_type, some),
                search,
                inner,
                source,
                there,
                among,
            )
        case Upward(inner):
            there = search.evaluate(inner, resource_type)
            return _behind(
                lambda some: search.with_descendants(resource_type, some),
                search,
                inner,
                resource_type,
                there,
                among,
            )
        case _:
            return _nothing(among)


def _of_word(search: Search, leaf: WordIs, resource_type: str, among: BitMap) -> Array:
    scores, rids = _nothing(among), bitmaps.numbers_of(among)
    for part, column, hidden in search.columns((resource_type, leaf.param)):
        search.budget.spend(len(among), leaf.param)
        assert isinstance(column, WordColumn)
        alive = among - part.dead - hidden
        for worth, slots in column.graded(leaf):
            places = np.searchsorted(rids, bitmaps.numbers_of(slots & alive))
            scores[places] = np.maximum(scores[places], worth)
    return scores


def _behind(
    back: Callable[[BitMap], BitMap],
    search: Search,
    inner: Expression,
    there_type: str,
    there: BitMap,
    among: BitMap,
) -> Array:
    """The best score of what each of `among` is linked with; `back` leads from there to here."""
    scores, rids = _nothing(among), bitmaps.numbers_of(among)
    others, found = bitmaps.numbers_of(there), relevance(search, inner, there_type, there)
    steps = found // _STEP
    for step in np.unique(steps).tolist():
        here = back(bitmaps.of_sorted(others[steps == step])) & among
        # Scores ascend: the best is written last.
        scores[np.searchsorted(rids, bitmaps.numbers_of(here))] = step * _STEP // _FARTHER
    return scores


def _nothing(among: BitMap) -> Array:
    return np.zeros(len(among), dtype=np.int64)
