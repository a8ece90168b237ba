"""
One search parameter of one resource type, as the index holds it: sorted keys, and the slots that hold each.

A slot is a resource (its rid) or, for the parameters of a repeated record, one row of that record. A column is
immutable: it is filled once from entries, kept as plain arrays that can be mapped from a file, and answers one leaf of
a search with the bitmap of its slots. Everything here works on the normal forms of `values.py`; nothing knows about
resources, viewers or chains.
"""

import re
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.geography import EARTH_RADIUS_M
from ror.search import bitmaps
from ror.search.expression import (
    CanonicalIs,
    DateIs,
    Near,
    NumberIs,
    Prefix,
    Present,
    QuantityIs,
    TextIs,
    TokenIs,
    ValueLeaf,
    unit_agrees,
)
from ror.search.extract import SEPARATOR
from ror.search.values import Period

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Slots = npt.NDArray[np.uint32]

_SEPARATOR: Final = SEPARATOR.encode()
_BETWEEN_KEYS: Final = b"\xff"
"""Never part of UTF-8, so that a match found by scanning cannot run from one key into the next."""
_AFTER_ANY: Final = b"\xff"
_NOTHING: Final = BitMap()


class Column(ABC):
    """
    The slots of each value of one parameter.

    `size` is the number of slots in the space that the column speaks of: every slot is less than it.
    """

    kind: ClassVar[str]

    def __init__(self, arrays: Arrays, size: int) -> None:
        self.arrays = arrays
        self.size = size

    @abstractmethod
    def select(self, leaf: ValueLeaf) -> BitMap:
        """The slots with a value that satisfies `leaf`."""

    @abstractmethod
    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        """
        For each slot with a value, a whole number that sorts like its least value, or its greatest when `descending`.

        Slots ascend, each once. The number is the rank of a key in `ranked`, or the key itself when that is None.
        """

    @property
    def ranked(self) -> Sequence[Any] | None:
        """The keys of this column in order, comparable with those of another; None when keys are numbers already."""
        return None

    @cached_property
    def present(self) -> BitMap:
        """The slots that have any value."""
        return bitmaps.of_any(self.arrays["slots"], self.size)

    @property
    def entry_count(self) -> int:
        """How many entries the column holds."""
        return len(self.arrays["slots"])


def _first_per_slot(slots: Slots, order: Array, descending: bool) -> tuple[Slots, Array]:
    """For each slot its least (or greatest) order; slots ascend."""
    arranged = np.lexsort((-order if descending else order, slots))
    slots, order = slots[arranged], order[arranged]
    firsts = np.concatenate(([True], slots[1:] != slots[:-1])) if len(slots) else np.zeros(0, dtype=np.bool_)
    return slots[firsts], order[firsts]


# --- codes and text --------------------------------------------------------------------------------------------------


class KeyColumn(Column, Sequence[bytes]):
    """
    Tokens, strings and canonical URLs: keys of two parts, in byte order.

    The parts are `code NUL system`, `folded NUL exact` or `url NUL version`.
    So a code in any system and the start of a string are both a run of neighbouring keys.
    """

    kind = "keys"

    @classmethod
    def of(cls, entries: Sequence[tuple[str, int]], size: int) -> "KeyColumn":
        """The column of `(key, slot)` pairs, in any order."""
        keys = sorted({key.encode() for key, _ in entries})
        ranks = {key: rank for rank, key in enumerate(keys)}
        order = np.fromiter((ranks[key.encode()] for key, _ in entries), np.uint32, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        order, slots = _without_repetition(order, slots)
        systems = sorted({key.partition(_SEPARATOR)[2] for key in keys})
        by_name = {system: number for number, system in enumerate(systems)}
        # A string has as many "systems" as values: only tokens, which have few, are worth searching by system.
        few = len(systems) < 0xFFFF and len(systems) * 4 <= max(len(keys), 64)
        return cls(
            {
                "blob": np.frombuffer(_BETWEEN_KEYS.join([*keys, b""]), np.uint8),
                "ends": np.cumsum([len(key) + 1 for key in keys], dtype=np.uint64),
                "starts": _starts(order, len(keys)),
                "slots": slots,
                "systems": np.frombuffer(msgspec.json.encode([s.decode() for s in systems] if few else []), np.uint8),
                "key_systems": np.array(
                    [by_name[key.partition(_SEPARATOR)[2]] for key in keys] if few else [], dtype=np.uint16
                ),
            },
            size,
        )

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TokenIs(_, None, None) | Present():
                return self.present
            case TokenIs(_, None, str(system)):
                return self._of_system(system)
            case TokenIs(_, str(code), None):
                return self.starting(code.encode() + _SEPARATOR)
            case TokenIs(_, str(code), str(system)):
                return self.exactly(f"{code}{SEPARATOR}{system}".encode())
            case TextIs(_, text, "starts"):
                return self.starting(text.encode())
            case TextIs(_, text, "contains"):
                return self._containing(text.encode())
            case TextIs(_, text, "exact"):
                return self._with_second_part(text)
            case CanonicalIs(_, url, ""):
                return self.starting(url.encode() + _SEPARATOR)
            case CanonicalIs(_, url, version):
                return self.exactly(f"{url}{SEPARATOR}{version}".encode())
        raise TypeError(f"a key column cannot answer {leaf}")

    @cached_property
    def _blob(self) -> memoryview:
        return self.arrays["blob"].data

    @cached_property
    def _ends(self) -> memoryview:
        return self.arrays["ends"].data

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, rank: Any) -> Any:
        """The key at a rank, in byte order."""
        return bytes(self._blob[self._ends[rank - 1] if rank else 0 : self._ends[rank] - 1])

    def exactly(self, key: bytes) -> BitMap:
        """The slots of one key."""
        rank = bisect_left(self, key)
        if rank == len(self) or self[rank] != key:
            return _NOTHING
        starts = self.arrays["starts"]
        return bitmaps.of_sorted(self.arrays["slots"][starts[rank] : starts[rank + 1]])

    def starting(self, prefix: bytes) -> BitMap:
        """The slots of the keys that start with `prefix`."""
        first = bisect_left(self, prefix)
        return self._of_ranks(first, bisect_left(self, prefix + _AFTER_ANY, lo=first))

    def _of_ranks(self, first: int, after: int) -> BitMap:
        starts = self.arrays["starts"]
        slots = self.arrays["slots"][starts[first] : starts[after]]
        return bitmaps.of_sorted(slots) if after - first == 1 else bitmaps.of_any(slots, self.size)

    def _of_many_ranks(self, ranks: Array) -> BitMap:
        chosen = np.zeros(len(self), dtype=np.bool_)
        chosen[ranks] = True
        return bitmaps.of_any(self.arrays["slots"][np.repeat(chosen, _counts(self.arrays["starts"]))], self.size)

    def _of_system(self, system: str) -> BitMap:
        names = msgspec.json.decode(self._systems_json) if self._systems_json else []
        if names:
            number = names.index(system) if system in names else -1
            return self._of_many_ranks(np.flatnonzero(self.arrays["key_systems"] == number))
        suffix = _SEPARATOR + system.encode()
        return self._of_many_ranks(np.array([r for r in range(len(self)) if self[r].endswith(suffix)], np.int64))

    @cached_property
    def _systems_json(self) -> bytes:
        return self.arrays["systems"].tobytes()

    def _containing(self, part: bytes) -> BitMap:
        # The second part of a key, the exact text, may hold `part` only where the folded first part does.
        found = [at.start() for at in re.finditer(re.escape(part), self._blob)]
        return self._of_many_ranks(np.searchsorted(self.arrays["ends"], np.array(found, np.uint64), side="right"))

    def _with_second_part(self, text: str) -> BitMap:
        suffix = _SEPARATOR + text.encode() + _BETWEEN_KEYS
        found = [at.start() for at in re.finditer(re.escape(suffix), self._blob)]
        return self._of_many_ranks(np.searchsorted(self.arrays["ends"], np.array(found, np.uint64), side="right"))

    def slots_by_key(self) -> list[tuple[str, list[int]]]:
        """Every key with its slots; for columns known to be small."""
        starts, slots = self.arrays["starts"].tolist(), self.arrays["slots"]
        return [(self[rank].decode(), slots[starts[rank] : starts[rank + 1]].tolist()) for rank in range(len(self))]

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        order = np.repeat(np.arange(len(self), dtype=np.int64), _counts(self.arrays["starts"]))
        return _first_per_slot(self.arrays["slots"], order, descending)

    @property
    def ranked(self) -> Sequence[bytes]:
        return self


def _without_repetition(order: Array, slots: Array) -> tuple[Array, Array]:
    """The pairs sorted by key then slot, each once."""
    arranged = np.lexsort((slots, order))
    order, slots = order[arranged], slots[arranged]
    if len(order) > 1:
        fresh = np.concatenate(([True], (order[1:] != order[:-1]) | (slots[1:] != slots[:-1])))
        order, slots = order[fresh], slots[fresh]
    return order, slots


def _starts(order: Array, keys: int) -> Array:
    """Where the slots of each key start, and after the last one where they end."""
    return np.searchsorted(order, np.arange(keys + 1)).astype(np.uint32)


def _counts(starts: Array) -> npt.NDArray[np.int64]:
    """How many slots each key has."""
    return starts[1:].astype(np.int64) - starts[:-1].astype(np.int64)


# --- dates -----------------------------------------------------------------------------------------------------------


class PeriodColumn(Column):
    """Dates as periods, ordered by their first microsecond and, a second time, by their last."""

    kind = "periods"

    @classmethod
    def of(cls, entries: Sequence[tuple[Sequence[int], int]], size: int) -> "PeriodColumn":
        """The column of `((first, last), slot)` pairs."""
        first = np.fromiter((period[0] for period, _ in entries), np.int64, len(entries))
        last = np.fromiter((period[1] for period, _ in entries), np.int64, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        by_first = np.lexsort((slots, first))
        first, last, slots = first[by_first], last[by_first], slots[by_first]
        by_last = np.argsort(last, kind="stable")
        return cls(
            {
                "first": first,
                "last": last,
                "slots": slots,
                "last_in_order": last[by_last],
                "slots_by_last": slots[by_last],
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
        return _first_per_slot(self.arrays["slots"], self.arrays["last" if descending else "first"], descending)


# --- numbers and quantities ------------------------------------------------------------------------------------------


class NumberColumn(Column):
    """Numbers, exact, by unit then value; a plain number has the unit ""."""

    kind = "numbers"

    @classmethod
    def of(cls, entries: Sequence[tuple[Sequence[str], int]], size: int) -> "NumberColumn":
        """The column of `((unit, number), slot)` pairs, the number as its decimal text."""
        by_text = {(unit, text): (unit, Decimal(text)) for unit, text in {tuple(key) for key, _ in entries}}
        keys = sorted(set(by_text.values()))
        rank_of = {key: rank for rank, key in enumerate(keys)}
        ranks = {text: rank_of[key] for text, key in by_text.items()}
        order = np.fromiter((ranks[key[0], key[1]] for key, _ in entries), np.uint32, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        order, slots = _without_repetition(order, slots)
        return cls(
            {
                "keys": np.frombuffer(msgspec.json.encode([[unit, str(number)] for unit, number in keys]), np.uint8),
                "starts": _starts(order, len(keys)),
                "slots": slots,
            },
            size,
        )

    @cached_property
    def _keys(self) -> list[tuple[str, Decimal]]:
        return [(unit, Decimal(text)) for unit, text in msgspec.json.decode(self.arrays["keys"].tobytes())]

    @cached_property
    def _units(self) -> list[tuple[str, list[Decimal], int]]:
        """Each unit with its numbers in order and the rank of the first."""
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

    def _compared(self, prefix: Prefix, value: Decimal, half: Decimal, asked_unit: str | None) -> BitMap:
        found = _NOTHING
        starts, slots = self.arrays["starts"], self.arrays["slots"]
        for unit, numbers, base in self._units:
            if unit_agrees(unit, asked_unit):
                for first, after in _ranges(prefix, numbers, value, half):
                    found = found | bitmaps.of_any(slots[starts[base + first] : starts[base + after]], self.size)
        return found

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        rank_of = {number: rank for rank, number in enumerate(self.ranked)}
        ranks = np.array([rank_of[number] for _, number in self._keys], np.int64)
        order = np.repeat(ranks, _counts(self.arrays["starts"]))
        return _first_per_slot(self.arrays["slots"], order, descending)

    @cached_property
    def ranked(self) -> Sequence[Decimal]:
        # Sorted by the number alone: units are not converted, and one parameter has one unit in practice.
        return sorted({number for _, number in self._keys})


def _ranges(prefix: Prefix, numbers: list[Decimal], value: Decimal, half: Decimal) -> list[tuple[int, int]]:
    """The ranges of ranks, first included and last not, whose numbers compare as asked (`number_compares`)."""
    end = len(numbers)
    match prefix:
        case "eq":
            return [(bisect_left(numbers, value - half), bisect_left(numbers, value + half))]
        case "ne":
            return [(0, bisect_left(numbers, value - half)), (bisect_left(numbers, value + half), end)]
        case "gt" | "sa":
            return [(bisect_right(numbers, value), end)]
        case "ge":
            return [(bisect_left(numbers, value), end)]
        case "lt" | "eb":
            return [(0, bisect_left(numbers, value))]
        case "le":
            return [(0, bisect_right(numbers, value))]
        case "ap":
            reach = abs(value) / 10
            return [(bisect_left(numbers, value - reach), bisect_right(numbers, value + reach))]


# --- references ------------------------------------------------------------------------------------------------------


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
        targets, slots = _without_repetition(targets, slots)
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
        if isinstance(leaf, Present):
            return self.present
        raise TypeError(f"a link column cannot answer {leaf}")

    def sources(self, targets: BitMap) -> BitMap:
        """The slots that point at any of `targets`."""
        if not targets:
            return _NOTHING
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


# --- positions -------------------------------------------------------------------------------------------------------


class PositionColumn(Column):
    """Points, ordered by latitude."""

    kind = "positions"

    @classmethod
    def of(cls, entries: Sequence[tuple[Sequence[float], int]], size: int) -> "PositionColumn":
        """The column of `((latitude, longitude), slot)` pairs, in degrees."""
        latitudes = np.fromiter((point[0] for point, _ in entries), np.float64, len(entries))
        longitudes = np.fromiter((point[1] for point, _ in entries), np.float64, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        order = np.lexsort((slots, latitudes))
        return cls({"latitudes": latitudes[order], "longitudes": longitudes[order], "slots": slots[order]}, size)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case Present():
                return self.present
            case Near():
                slots, distances = self.distances(leaf)
                return bitmaps.of_any(slots[distances <= leaf.distance_m], self.size)
        raise TypeError(f"a position column cannot answer {leaf}")

    def distances(self, near: Near) -> tuple[Slots, npt.NDArray[np.float64]]:
        """The slots in the band of latitudes that `near` can reach, and their great-circle distances in metres."""
        # A metre of latitude is the same everywhere, so the band is exact up to rounding; the margin covers that.
        reach = np.degrees(near.distance_m / EARTH_RADIUS_M) * (1 + 1e-9) + 1e-9
        latitudes = self.arrays["latitudes"]
        first, after = np.searchsorted(latitudes, (near.latitude - reach, near.latitude + reach))
        return self.arrays["slots"][first:after], great_circle_m(
            near.latitude, near.longitude, latitudes[first:after], self.arrays["longitudes"][first:after]
        )

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("positions are not sorted by")


def great_circle_m(latitude: float, longitude: float, latitudes: Array, longitudes: Array) -> npt.NDArray[np.float64]:
    """
    The distances in metres from one point to many, on the sphere of decision 8; degrees in.

    The same haversine as `geography.distance_m`, which says what one distance is.
    """
    here, there = np.radians(latitude), np.radians(latitudes)
    along = np.sin((there - here) / 2) ** 2
    across = np.cos(here) * np.cos(there) * np.sin(np.radians(longitudes - longitude) / 2) ** 2
    result: npt.NDArray[np.float64] = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(along + across, 1.0)))
    return result


COLUMN_KINDS: Final[Mapping[str, type[Column]]] = {
    column.kind: column for column in (KeyColumn, PeriodColumn, NumberColumn, LinkColumn, PositionColumn)
}
