"""Typed identifiers and URIs: a column of numbers that stand for texts too long to keep."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import Array, Column, Slots, without_repetition
from ror.search.language.expression import Present, TokenIs, ValueLeaf
from ror.search.language.values import TypedIdentifier


class FingerprintColumn(Column):
    """The fingerprints of a value with its type, or of a URI: they can only be compared as equal."""

    kind = "fingerprints"

    @classmethod
    def of(cls, given: Sequence[int], slots: Sequence[int], size: int) -> "FingerprintColumn":
        """The column of these fingerprints, in any order, each beside its slot."""
        prints, held = without_repetition(np.array(given, np.uint64), np.array(slots, np.uint32))
        return cls({"fingerprints": prints, "slots": held}, size)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TokenIs(_, str(code), str(kind)):
                prints, wanted = (
                    self.arrays["fingerprints"],
                    np.uint64(TypedIdentifier(code, kind).fingerprint),
                )
                first, after = (
                    np.searchsorted(prints, wanted),
                    np.searchsorted(prints, wanted, side="right"),
                )
                return bitmaps.of_sorted(self.arrays["slots"][first:after])
            case Present():
                return self.present
        raise TypeError(f"a column of fingerprints cannot answer {leaf}")

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("fingerprints have no order")
