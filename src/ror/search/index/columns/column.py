"""
What every column is: the sorted keys of one search parameter of one resource type, and the slots that hold each.

A slot is a resource (its rid) or, for the parameters of a repeated record, one row of that record. A column is
immutable: it is filled once from entries, kept as plain arrays that can be mapped from a file, and answers one leaf of
a search with the bitmap of its slots. Columns work on the normal forms of `values.py`; none knows about resources,
viewers or chains.
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
"""Leaves that a column remembers the answer of; each may weigh as much as a bit for every slot."""


class Column(ABC):
    """
    The slots of each value of one parameter.

    `size` is the number of slots in the space that the column speaks of: every slot is less than it.
    """

    kind: ClassVar[str]

    def __init__(self, arrays: Arrays, size: int) -> None:
        self.arrays = arrays
        self.size = size
        self._answers: dict[ValueLeaf, BitMap] = {}

    def answer(self, leaf: ValueLeaf) -> BitMap:
        """What `select` finds, remembered for the leaves asked lately: a column never changes. Not to be changed."""
        found = self._answers.get(leaf)
        if found is None:
            found = self.select(leaf)
            if len(self._answers) >= ANSWERS_REMEMBERED:
                self._answers.clear()
            self._answers[leaf] = found
        return found

    def cost(self, leaf: ValueLeaf) -> int:
        """About how many entries `answer` reads to find the slots, known without reading them."""
        return 1

    @abstractmethod
    def select(self, leaf: ValueLeaf) -> BitMap:
        """The slots with a value that satisfies `leaf`."""

    @abstractmethod
    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        """
        Slots, and beside each a whole number that sorts like one of its values; a slot may come several times.

        The number is the rank of a key in `ranked`, or the key itself when that is None. Only a column of periods cares
        for `descending`: what begins first comes first, what ends last comes last.
        """

    @property
    def ranked(self) -> Sequence[Any] | None:
        """The keys of this column in order, comparable with those of another; None when keys are numbers already."""
        return None

    @cached_property
    def present(self) -> BitMap:
        """The slots that have any value."""
        return bitmaps.of_any(self.arrays["slots"], self.size)


def without_repetition(order: Array, slots: Array) -> tuple[Array, Array]:
    """The pairs sorted by key then slot, each once."""
    arranged = np.lexsort((slots, order))
    order, slots = order[arranged], slots[arranged]
    if len(order) > 1:
        fresh = np.concatenate(([True], (order[1:] != order[:-1]) | (slots[1:] != slots[:-1])))
        order, slots = order[fresh], slots[fresh]
    return order, slots


def starts(order: Array, keys: int) -> Array:
    """Where the slots of each key start, and after the last one where they end."""
    return np.searchsorted(order, np.arange(keys + 1)).astype(np.uint32)


def counts(starts: Array) -> npt.NDArray[np.int64]:
    """How many slots each key has."""
    return starts[1:].astype(np.int64) - starts[:-1].astype(np.int64)
