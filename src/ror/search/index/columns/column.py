"""
The base class of columns: the sorted keys of one search parameter of one resource type, and the
slots of each key.

A slot is a resource (its rid) or, for the parameters of a repeated record, one row of that record.
A column is immutable. It is built once from entries and consists of plain arrays that can be mapped
from a file. It evaluates one leaf of a search to the bitmap of its slots. Columns work on the
normal forms of `values.py` and know nothing of resources, viewers or chains.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.language.expression import ValueLeaf

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Slots = npt.NDArray[np.uint32]

NOTHING: Final = BitMap()

ANSWERS_REMEMBERED: Final = 16
"""The most cached results of a column; each may need one bit for every slot."""


class Column(ABC):
    """
    The slots of each value of one parameter. Every slot is less than `size`.
    """

    kind: ClassVar[str]

    def __init__(self, arrays: Arrays, size: int) -> None:
        self.arrays = arrays
        self.size = size
        self._answers: dict[ValueLeaf, BitMap] = {}

    def answer(self, leaf: ValueLeaf) -> BitMap:
        """The result of `select`, cached for recent leaves. Callers must not change it."""
        slots = self._answers.get(leaf)
        if slots is None:
            slots = self.select(leaf)
            if len(self._answers) >= ANSWERS_REMEMBERED:
                self._answers.clear()
            self._answers[leaf] = slots
        return slots

    def cost(self, leaf: ValueLeaf) -> int:
        """An estimate, made without reading them, of the number of entries that `answer` reads."""
        return 1

    @abstractmethod
    def select(self, leaf: ValueLeaf) -> BitMap:
        """The slots with a value that satisfies `leaf`."""

    @abstractmethod
    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        """
        Slots and, in parallel, integers that sort like their values; a slot may occur several
        times.

        The integer is the rank of a key in `ranked`, or the key itself if `ranked` is None. Only a
        column of periods uses `descending`: it sorts by the start or, descending, by the end.
        """

    @property
    def ranked(self) -> Sequence[Any] | None:
        """The keys in order, comparable with those of another column; None if keys are integers."""
        return None

    @cached_property
    def present(self) -> BitMap:
        """The slots that have any value."""
        return bitmaps.of_any(self.arrays["slots"], self.size)


def without_repetition(order: Array, slots: Array) -> tuple[Array, Array]:
    """The pairs, sorted by key then slot, without repetition."""
    arranged = np.lexsort((slots, order))
    order, slots = order[arranged], slots[arranged]
    if len(order) > 1:
        fresh = np.concatenate(([True], (order[1:] != order[:-1]) | (slots[1:] != slots[:-1])))
        order, slots = order[fresh], slots[fresh]
    return order, slots


def starts(order: Array, keys: int) -> Array:
    """The offset of the first slot of each key, then the total number of slots."""
    return np.searchsorted(order, np.arange(keys + 1)).astype(np.uint32)


def counts(starts: Array) -> npt.NDArray[np.int64]:
    """The number of slots of each key."""
    return starts[1:].astype(np.int64) - starts[:-1].astype(np.int64)
