"""Dates: columns of periods."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import Array, Column, Slots
from ror.search.language.comparing import Prefix
from ror.search.language.expression import DateIs, Present, ValueLeaf
from ror.search.language.values import Period


class PeriodColumn(Column):
    """Dates as periods, sorted by first microsecond and also by last microsecond."""

    kind = "periods"

    @classmethod
    def of(
        cls, periods: Sequence[Sequence[int]], slots: Sequence[int], size: int
    ) -> "PeriodColumn":
        """The column of `(first, last)` periods, in parallel with their slots."""
        first, last = np.array(periods, np.int64).reshape(-1, 2).T
        sorted_slots = np.array(slots, np.uint32)
        by_first = np.lexsort((sorted_slots, first))
        first, last, sorted_slots = first[by_first], last[by_first], sorted_slots[by_first]
        by_last = np.argsort(last, kind="stable")
        return cls(
            {
                "first": first,
                "last": last,
                "slots": sorted_slots,
                "last_in_order": last[by_last],
                "slots_by_last": sorted_slots[by_last],
            },
            size,
        )

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case DateIs(_, prefix, first, last):
                return self._compared(prefix, Period(first, last))
        raise TypeError(f"a period column cannot answer {leaf}")

    def _compared(self, prefix: Prefix, period: Period) -> BitMap:
        match prefix:
            case "eq":
                return self._inside(period)
            case "ne":
                return self._outside(period)
            case "gt":
                return self._ending_after(period.last)
            case "lt":
                return self._starting_before(period.first)
            case "ge":
                return self._ending_after(period.last) | self._inside(period)
            case "le":
                return self._starting_before(period.first) | self._inside(period)
            case "sa":
                at = np.searchsorted(self.arrays["first"], period.last, side="right")
                return bitmaps.of_any(self.arrays["slots"][at:], self.size)
            case "eb":
                at = np.searchsorted(self.arrays["last_in_order"], period.first, side="left")
                return bitmaps.of_any(self.arrays["slots_by_last"][:at], self.size)
            case "ap":
                margin = (period.last - period.first + 1) // 10
                at = np.searchsorted(self.arrays["first"], period.last + margin, side="right")
                late_enough = self.arrays["last"][:at] >= period.first - margin
                return bitmaps.of_any(self.arrays["slots"][:at][late_enough], self.size)

    def _inside(self, period: Period) -> BitMap:
        from_, to = np.searchsorted(self.arrays["first"], (period.first, period.last + 1))
        inside = self.arrays["last"][from_:to] <= period.last
        return bitmaps.of_any(self.arrays["slots"][from_:to][inside], self.size)

    def _outside(self, period: Period) -> BitMap:
        outside = (self.arrays["first"] < period.first) | (self.arrays["last"] > period.last)
        return bitmaps.of_any(self.arrays["slots"][outside], self.size)

    def _ending_after(self, moment: int) -> BitMap:
        at = np.searchsorted(self.arrays["last_in_order"], moment, side="right")
        return bitmaps.of_any(self.arrays["slots_by_last"][at:], self.size)

    def _starting_before(self, moment: int) -> BitMap:
        at = np.searchsorted(self.arrays["first"], moment, side="left")
        return bitmaps.of_any(self.arrays["slots"][:at], self.size)

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        return self.arrays["slots"], self.arrays["last" if descending else "first"]
