"""Identifiers of a type: a column of numbers that stand for texts too long to be kept for each resource."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from ror.search import bitmaps
from ror.search.columns.column import Array, Column, Slots, without_repetition
from ror.search.expression import Present, TokenIs, ValueLeaf
from ror.search.values import TypedIdentifier


class FingerprintColumn(Column):
    """Identifiers by the fingerprint of their value and type: all that can be asked is whether they are equal."""

    kind = "fingerprints"

    @classmethod
    def of(cls, entries: Sequence[tuple[int, int]], size: int) -> "FingerprintColumn":
        """The column of `(fingerprint, slot)` pairs, in any order."""
        prints = np.fromiter((key for key, _ in entries), np.uint64, len(entries))
        slots = np.fromiter((slot for _, slot in entries), np.uint32, len(entries))
        prints, slots = without_repetition(prints, slots)
        return cls({"fingerprints": prints, "slots": slots}, size)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TokenIs(_, str(code), str(kind)):
                prints, wanted = self.arrays["fingerprints"], np.uint64(TypedIdentifier(code, kind).fingerprint)
                first, after = np.searchsorted(prints, wanted), np.searchsorted(prints, wanted, side="right")
                return bitmaps.of_sorted(self.arrays["slots"][first:after])
            case Present():
                return self.present
        raise TypeError(f"a column of fingerprints cannot answer {leaf}")

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("fingerprints have no order")
