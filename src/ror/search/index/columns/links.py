"""References: columns of links from slots to rids, and back."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import NOTHING, Array, Column, Slots, without_repetition
from ror.search.language.expression import ValueLeaf


class LinkColumn(Column):
    """
    References from slots to rids, in both directions.

    `slots` and `targets` are parallel arrays sorted by target, `forward_slots` and
    `forward_targets` by slot.
    """

    kind = "links"

    @classmethod
    def of(cls, target_rids: Sequence[int], slots: Sequence[int], size: int) -> "LinkColumn":
        """The column of these targets, in parallel with the slots that refer to them."""
        targets, sorted_slots = without_repetition(
            np.array(target_rids, np.uint32), np.array(slots, np.uint32)
        )
        forward = np.lexsort((targets, sorted_slots))
        return cls(
            {
                "targets": targets,
                "slots": sorted_slots,
                "forward_slots": sorted_slots[forward],
                "forward_targets": targets[forward],
            },
            size,
        )

    def select(self, leaf: ValueLeaf) -> BitMap:
        raise TypeError(f"a link column cannot answer {leaf}")

    def sources(self, targets: BitMap) -> BitMap:
        """The slots that refer to any of `targets`."""
        if not targets:
            return NOTHING
        ordered = self.arrays["targets"]
        if len(targets) * _FEW_IN < len(ordered):
            slots = self.arrays["slots"].take(
                _places_of(ordered, targets, self._targets_are_distinct)
            )
        else:
            slots = self.arrays["slots"].compress(bitmaps.are_in(ordered, targets))
        return bitmaps.of_any(slots, self.size)

    def targets(self, slots: BitMap) -> Slots:
        """The rids that any of `slots` refers to, in any order, with repetition."""
        if not slots:
            return np.zeros(0, dtype=np.uint32)
        ordered = self.arrays["forward_slots"]
        if len(slots) * _FEW_IN < len(ordered):
            return self.arrays["forward_targets"].take(
                _places_of(ordered, slots, self._slots_are_distinct)
            )
        return self.arrays["forward_targets"].compress(bitmaps.are_in(ordered, slots))

    def links(self, slots: BitMap) -> tuple[Slots, Slots]:
        """
        The references of `slots`, as parallel arrays: ascending slots, and the rids they refer to.
        """
        ordered, rids = self.arrays["forward_slots"], self.arrays["forward_targets"]
        if not slots:
            return ordered[:0], rids[:0]
        if len(slots) * _FEW_IN < len(ordered):
            places = _places_of(ordered, slots, self._slots_are_distinct)
            return ordered.take(places), rids.take(places)
        is_selected = bitmaps.are_in(ordered, slots)
        return ordered.compress(is_selected), rids.compress(is_selected)

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("references are not sorted by")

    @cached_property
    def _targets_are_distinct(self) -> bool:
        return _are_distinct(self.arrays["targets"])

    @cached_property
    def _slots_are_distinct(self) -> bool:
        return _are_distinct(self.arrays["forward_slots"])


_FEW_IN: Final = 64
"""If fewer than one in this many numbers is needed, search for each; otherwise scan the array."""


def _are_distinct(ordered: Array) -> bool:
    """Whether no number occurs twice in a sorted array."""
    return bool((ordered[1:] != ordered[:-1]).all())


def _places_of(ordered: Array, members: BitMap, are_distinct: bool) -> Array:
    """The positions of `members` in the sorted array `ordered`."""
    numbers = bitmaps.numbers_of(members)
    first = ordered.searchsorted(numbers)
    if are_distinct:
        distinct: Array = first.compress(ordered.take(first, mode="clip") == numbers)
        return distinct
    counts = ordered.searchsorted(numbers, side="right") - first
    # Positions first[0], first[0]+1, … for each run, without a Python loop.
    ends = np.cumsum(counts)
    places: Array = np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)
    return places
