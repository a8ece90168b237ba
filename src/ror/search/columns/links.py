"""References: columns that lead from slots to rids and back."""

from collections.abc import Sequence

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
            return bitmaps.of_any(_gathered(self.arrays["targets"], self.arrays["slots"], targets), self.size)
        mask = np.zeros(max(targets.max(), int(self.arrays["targets"].max(initial=0))) + 1, dtype=np.bool_)
        mask[bitmaps.numbers_of(targets)] = True
        return bitmaps.of_any(self.arrays["slots"][mask[self.arrays["targets"]]], self.size)

    def targets(self, slots: BitMap) -> Slots:
        """The rids that any of `slots` points at, in any order, with repetitions."""
        if not slots:
            return np.zeros(0, dtype=np.uint32)
        if len(slots) * 16 < len(self.arrays["forward_slots"]):
            return _gathered(self.arrays["forward_slots"], self.arrays["forward_targets"], slots)
        mask = np.zeros(max(slots.max() + 1, self.size), dtype=np.bool_)
        mask[bitmaps.numbers_of(slots)] = True
        return self.arrays["forward_targets"][mask[self.arrays["forward_slots"]]]

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("references are not sorted by")


def _gathered(ordered: Array, values: Array, wanted: BitMap) -> Slots:
    """The `values` that stand beside any of `wanted` in `ordered`, which ascends."""
    numbers = bitmaps.numbers_of(wanted)
    first = np.searchsorted(ordered, numbers, side="left")
    counts = np.searchsorted(ordered, numbers, side="right") - first
    # Positions first[0], first[0]+1, … for each run, without a Python loop.
    offsets = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    gathered: Slots = values[offsets + np.arange(counts.sum())]
    return gathered
