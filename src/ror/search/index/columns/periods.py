"""Dates: columns whose keys are periods."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import Array, Column, Slots
from ror.search.language.comparing import Prefix
from ror.search.language.expression import DateIs, Present, ValueLeaf
from ror.search.language.values import Period


class PeriodColumn(Column):
    """Dates as periods, ordered by their first microsecond and, a second time, by their last."""

    kind = "periods"

    @classmethod
    def of(cls, given: Sequence[Sequence[int]], slots: Sequence[int], size: int) -> "PeriodColumn":
        """The column of `(first, last)` periods, each beside its slot."""
        first, last = np.array(given, np.int64).reshape(-1, 2).T
        held = np.array(slots, np.uint32)
        by_first = np.lexsort((held, first))
        first, last, held = first[by_first], last[by_first], held[by_first]
        by_last = np.argsort(last, kind="stable")
        return cls(
            {
                "first": first,
                "last": last,
                "slots": held,
                "last_in_order": last[by_last],
                "slots_by_last": held[by_last],
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

    def _compared(self, prefix: Prefix, asked: Period) -> BitMap:
        match prefix:
            case "eq":
                return self._inside(asked)
            case "ne":
                return self._outside(asked)
            case "gt":
                return self._ending_after(asked.last)
            case "lt":
                return self._starting_before(asked.first)
            case "ge":
                return self._ending_after(asked.last) | self._inside(asked)
            case "le":
                return self._starting_before(asked.first) | self._inside(asked)
            case "sa":
                at = np.searchsorted(self.arrays["first"], asked.last, side="right")
                return bitmaps.of_any(self.arrays["slots"][at:], self.size)
            case "eb":
                at = np.searchsorted(self.arrays["last_in_order"], asked.first, side="left")
                return bitmaps.of_any(self.arrays["slots_by_last"][:at], self.size)
            case "ap":
                margin = (asked.last - asked.first + 1) // 10
                at = np.searchsorted(self.arrays["first"], asked.last + margin, side="right")
                late_enough = self.arrays["last"][:at] >= asked.first - margin
                return bitmaps.of_any(self.arrays["slots"][:at][late_enough], self.size)

    def _inside(self, asked: Period) -> BitMap:
        from_, to = np.searchsorted(self.arrays["first"], (asked.first, asked.last + 1))
        inside = self.arrays["last"][from_:to] <= asked.last
        return bitmaps.of_any(self.arrays["slots"][from_:to][inside], self.size)

    def _outside(self, asked: Period) -> BitMap:
        outside = (self.arrays["first"] < asked.first) | (self.arrays["last"] > asked.last)
        return bitmaps.of_any(self.arrays["slots"][outside], self.size)

    def _ending_after(self, moment: int) -> BitMap:
        at = np.searchsorted(self.arrays["last_in_order"], moment, side="right")
        return bitmaps.of_any(self.arrays["slots_by_last"][at:], self.size)

    def _starting_before(self, moment: int) -> BitMap:
        at = np.searchsorted(self.arrays["first"], moment, side="left")
        return bitmaps.of_any(self.arrays["slots"][:at], self.size)

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        return self.arrays["slots"], self.arrays["last" if descending else "first"]
