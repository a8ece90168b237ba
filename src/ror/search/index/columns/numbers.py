"""Numbers and quantities: columns of exact decimals with their units."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property

import msgspec
import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import (
    NOTHING,
    Array,
    Column,
    Slots,
    counts,
    starts,
    without_repetition,
)
from ror.search.language.comparing import Prefix, number_bounds, unit_agrees
from ror.search.language.expression import NumberIs, Present, QuantityIs, ValueLeaf


class NumberColumn(Column):
    """Exact numbers, sorted by unit then value; a number without unit has the unit ""."""

    kind = "numbers"

    @classmethod
    def of(cls, values: Sequence[Sequence[str]], slots: Sequence[int], size: int) -> "NumberColumn":
        """
        The column of `(unit, number)` keys, numbers as decimal texts, in parallel with their slots.
        """
        by_text = {(unit, text): (unit, Decimal(text)) for unit, text in set(map(tuple, values))}
        keys = sorted(set(by_text.values()))
        rank_of = {key: rank for rank, key in enumerate(keys)}
        ranks = {text: rank_of[key] for text, key in by_text.items()}
        order, sorted_slots = without_repetition(
            np.fromiter((ranks[unit, text] for unit, text in values), np.uint32, len(values)),
            np.array(slots, np.uint32),
        )
        return cls(
            {
                "keys": np.frombuffer(
                    msgspec.json.encode([[unit, str(number)] for unit, number in keys]), np.uint8
                ),
                "starts": starts(order, len(keys)),
                "slots": sorted_slots,
            },
            size,
        )

    @cached_property
    def _keys(self) -> list[tuple[str, Decimal]]:
        return [
            (unit, Decimal(text))
            for unit, text in msgspec.json.decode(self.arrays["keys"].tobytes())
        ]

    @cached_property
    def _units(self) -> list[tuple[str, list[Decimal], int]]:
        """Each unit with its numbers in order and the rank of the first number."""
        units: dict[str, tuple[str, list[Decimal], int]] = {}
        for rank, (unit, number) in enumerate(self._keys):
            units.setdefault(unit, (unit, [], rank))[1].append(number)
        return list(units.values())

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case NumberIs(_, prefix, value, half):
                return self._compared(prefix, value, half, None)
            case QuantityIs(_, prefix, value, half, unit):
                return self._compared(prefix, value, half, unit)
        raise TypeError(f"a number column cannot answer {leaf}")

    def _compared(
        self, prefix: Prefix, value: Decimal, half: Decimal, query_unit: str | None
    ) -> BitMap:
        matches = NOTHING
        starts, slots = self.arrays["starts"], self.arrays["slots"]
        for unit, numbers, base in self._units:
            if unit_agrees(unit, query_unit):
                for first, after in _ranges(prefix, numbers, value, half):
                    matches = matches | bitmaps.of_any(
                        slots[starts[base + first] : starts[base + after]], self.size
                    )
        return matches

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        rank_of = {number: rank for rank, number in enumerate(self.ranked)}
        ranks = np.array([rank_of[number] for _, number in self._keys], np.int64)
        return self.arrays["slots"], np.repeat(ranks, counts(self.arrays["starts"]))

    @cached_property
    def ranked(self) -> Sequence[Decimal]:
        # Sorted by number alone: units are not converted, and a parameter has one unit in practice.
        return sorted({number for _, number in self._keys})


def _ranges(
    prefix: Prefix, numbers: list[Decimal], value: Decimal, half: Decimal
) -> list[tuple[int, int]]:
    """The half-open ranges of ranks whose numbers match, as `number_compares` defines it."""
    end = len(numbers)
    least, greatest = number_bounds(prefix, value, half)
    match prefix:
        case "eq":
            return [(bisect_left(numbers, least), bisect_left(numbers, greatest))]
        case "ne":
            return [(0, bisect_left(numbers, least)), (bisect_left(numbers, greatest), end)]
        case "gt" | "sa":
            return [(bisect_right(numbers, value), end)]
        case "ge":
            return [(bisect_left(numbers, value), end)]
        case "lt" | "eb":
            return [(0, bisect_left(numbers, value))]
        case "le":
            return [(0, bisect_right(numbers, value))]
        case "ap":
            return [(bisect_left(numbers, least), bisect_right(numbers, greatest))]
