"""Codes, strings and canonical URLs: columns whose keys are texts."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

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
from ror.search.index.extract import SEPARATOR
from ror.search.language.comparing import text_compares, without_spaces
from ror.search.language.expression import (
    CanonicalIs,
    LabelIs,
    Present,
    TokenIs,
    ValueLeaf,
)
from ror.search.language.values import NOMENCLATURES, labels, normal_code

_SEPARATOR: Final = SEPARATOR.encode()
_BETWEEN_KEYS: Final = b"\xff"
"""Never occurs in UTF-8, so a scan cannot match across two keys."""
_AFTER_ANY: Final = b"\xff"

SLOW_SCAN: Final = 64
"""Reading one key costs as much as scanning this many."""


def in_any_system(code: str) -> Iterator[bytes]:
    """The prefixes of the keys of a code in any system; NOS has its own normal form."""
    yield code.encode() + _SEPARATOR
    if (of_nos := normal_code(code, NOMENCLATURES)) != code:
        yield f"{of_nos}{SEPARATOR}{NOMENCLATURES}".encode()


class KeyColumn(Column, Sequence[bytes]):
    """
    Tokens, strings and canonical URLs: keys of two parts, in byte order.

    The parts are `code NUL system` or `url NUL version`, so a code in any system is a run of
    adjacent keys. `texts.py` defines those of strings.
    """

    kind = "keys"

    @classmethod
    def of(cls, values: Sequence[str], slots: Sequence[int], size: int) -> "KeyColumn":
        """The column of these keys, in any order, in parallel with their slots."""
        texts = sorted(set(values), key=str.encode)
        keys = [text.encode() for text in texts]
        ranks = {text: rank for rank, text in enumerate(texts)}
        order, sorted_slots = without_repetition(
            np.fromiter(map(ranks.__getitem__, values), np.uint32, len(values)),
            np.array(slots, np.uint32),
        )
        systems = sorted({key.partition(_SEPARATOR)[2] for key in keys})
        by_name = {system: number for number, system in enumerate(systems)}
        # Only tokens have few systems; the second part of a string is different for each value.
        few = len(systems) < 0xFFFF and len(systems) * 4 <= max(len(keys), 64)
        return cls(
            {
                "blob": np.frombuffer(_BETWEEN_KEYS.join([*keys, b""]), np.uint8),
                "ends": np.cumsum([len(key) + 1 for key in keys], dtype=np.uint64),
                "starts": starts(order, len(keys)),
                "slots": sorted_slots,
                "systems": np.frombuffer(
                    msgspec.json.encode([s.decode() for s in systems] if few else []), np.uint8
                ),
                "key_systems": np.array(
                    [by_name[key.partition(_SEPARATOR)[2]] for key in keys] if few else [],
                    dtype=np.uint16,
                ),
            },
            size,
        )

    def cost(self, leaf: ValueLeaf) -> int:
        match leaf:
            case TokenIs(_, None, str()):
                return len(self) if self._systems else SLOW_SCAN * len(self)
        return 1

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TokenIs(_, None, None) | Present():
                return self.present
            case TokenIs(_, None, str(system)):
                return self._of_system(system)
            case TokenIs(_, str(code), None):
                return BitMap.union(*map(self.starting, in_any_system(code)))
            case TokenIs(_, str(code), str(system)):
                return self.exactly(f"{code}{SEPARATOR}{system}".encode())
            case LabelIs(_, text):
                return self._labelled(text)
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
            return NOTHING
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

    def of_ranks(self, ranks: Array) -> BitMap:
        """The slots of the keys with these ranks."""
        chosen = np.zeros(len(self), dtype=np.bool_)
        chosen[ranks] = True
        return bitmaps.of_any(
            self.arrays["slots"][np.repeat(chosen, counts(self.arrays["starts"]))], self.size
        )

    def _of_system(self, system: str) -> BitMap:
        if self._systems:
            number = self._systems.get(system)
            return (
                NOTHING
                if number is None
                else self.of_ranks(np.flatnonzero(self.arrays["key_systems"] == number))
            )
        suffix = _SEPARATOR + system.encode()
        return self.of_ranks(
            np.array([r for r in range(len(self)) if self[r].endswith(suffix)], np.int64)
        )

    @cached_property
    def _systems(self) -> dict[str, int]:
        """The number of each system; empty if there are too many."""
        content = self.arrays["systems"].tobytes()
        return {
            system: number
            for number, system in enumerate(msgspec.json.decode(content) if content else [])
        }

    def _holding(self, part: bytes) -> BitMap:
        """The slots of the keys that contain `part`, which may include the byte after a key."""
        if len(part) > self._longest:
            return NOTHING
        # The second part of a string, its exact text, has no letters that the first part lacks.
        offsets = [match.start() for match in re.finditer(re.escape(part), self._blob)]
        return self.of_ranks(
            np.searchsorted(self.arrays["ends"], np.array(offsets, np.uint64), side="right")
        )

    @cached_property
    def _longest(self) -> int:
        """The length in bytes of the longest key, with the bytes around it."""
        lengths = np.diff(self.arrays["ends"], prepend=np.uint64(0))
        return int(lengths.max(initial=0)) + 1

    def _labelled(self, start: str) -> BitMap:
        """The slots of the codes with a label that starts with `start`."""
        letters = without_spaces(start)
        first = bisect_left(self._labels, letters, key=itemgetter(0))
        after = bisect_left(self._labels, f"{letters}\U0010ffff", lo=first, key=itemgetter(0))
        ranks = [
            rank
            for _, label, rank in self._labels[first:after]
            if text_compares("starts", label, start)
        ]
        return self.of_ranks(np.array(ranks, np.int64))

    @cached_property
    def _labels(self) -> list[tuple[str, str, int]]:
        """
        The labels without spaces, in order, each with the label itself and the rank of its code.
        """
        codes = ((self[rank].decode().split(SEPARATOR), rank) for rank in range(len(self)))
        return sorted(
            (without_spaces(label), label, rank)
            for (code, system), rank in codes
            for label in labels(code, system)
        )

    def slots_by_key(self) -> list[tuple[str, list[int]]]:
        """Every key with its slots; for small columns only."""
        starts, slots = self.arrays["starts"].tolist(), self.arrays["slots"]
        return [
            (self[rank].decode(), slots[starts[rank] : starts[rank + 1]].tolist())
            for rank in range(len(self))
        ]

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        order = np.repeat(np.arange(len(self), dtype=np.int64), counts(self.arrays["starts"]))
        return self.arrays["slots"], order

    @property
    def ranked(self) -> Sequence[bytes]:
        return self
