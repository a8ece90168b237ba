"""References: columns that lead from slots to rids and back."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from pyroaring import BitMap

from ror.search import bitmaps
from ror.search.columns.column import NOTHING, Array, Column, Slots, without_repetition
from ror.search.expression import ValueLeaf


class LinkColumn(Column):
    """
    References from slots to rids, in both directions.

    `slots` and `targets` are parallel and ordered by target; `forward_slots` and `forward_targets` by slot.
    """

    kind = "links"

    @classmethod
    def of(cls, entries: Sequence[tuple[int, int]], size: int) -> "LinkColumn":
        """The column of `(target rid, slot)` pairs."""
        targets = np.fromiter((target for target, _ in entries), np.uint32, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        targets, slots = without_repetition(targets, slots)
        forward = np.lexsort((targets, slots))
        return cls(
            {
                "targets": targets,
                "slots": slots,
                "forward_slots": slots[forward],
                "forward_targets": targets[forward],
            },
            size,
        )

    def select(self, leaf: ValueLeaf) -> BitMap:
        raise TypeError(f"a link column cannot answer {leaf}")

    def sources(self, targets: BitMap) -> BitMap:
        """The slots that point at any of `targets`."""
        if not targets:
            return NOTHING
        if len(targets) * 16 < len(self.arrays["targets"]):
            found = _gathered(self.arrays["targets"], self.arrays["slots"], targets, self._targets_are_distinct)
            return bitmaps.of_any(found, self.size)
        mask = np.zeros(max(targets.max(), int(self.arrays["targets"].max(initial=0))) + 1, dtype=np.bool_)
        mask[bitmaps.numbers_of(targets)] = True
        return bitmaps.of_any(self.arrays["slots"][mask[self.arrays["targets"]]], self.size)

    def targets(self, slots: BitMap) -> Slots:
        """The rids that any of `slots` points at, in any order, with repetitions."""
        if not slots:
            return np.zeros(0, dtype=np.uint32)
        if len(slots) * 16 < len(self.arrays["forward_slots"]):
            slots_and_targets = self.arrays["forward_slots"], self.arrays["forward_targets"]
            return _gathered(*slots_and_targets, slots, self._slots_are_distinct)
        mask = np.zeros(max(slots.max() + 1, self.size), dtype=np.bool_)
        mask[bitmaps.numbers_of(slots)] = True
        return self.arrays["forward_targets"][mask[self.arrays["forward_slots"]]]

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("references are not sorted by")

    @cached_property
    def _targets_are_distinct(self) -> bool:
        return _are_distinct(self.arrays["targets"])

    @cached_property
    def _slots_are_distinct(self) -> bool:
        return _are_distinct(self.arrays["forward_slots"])


def _are_distinct(ordered: Array) -> bool:
    """Whether no number comes twice in an array that ascends."""
    return bool((ordered[1:] != ordered[:-1]).all())


def _gathered(ordered: Array, values: Array, wanted: BitMap, are_distinct: bool) -> Slots:
    """The `values` that stand beside any of `wanted` in `ordered`, which ascends, perhaps without repetition."""
    numbers = bitmaps.numbers_of(wanted)
    first = ordered.searchsorted(numbers)
    if are_distinct:
        alone: Slots = values[first[ordered.take(first, mode="clip") == numbers]]
        return alone
    counts = ordered.searchsorted(numbers, side="right") - first
    # Positions first[0], first[0]+1, … for each run, without a Python loop.
    ends = np.cumsum(counts)
    gathered: Slots = values[np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)]
    return gathered
