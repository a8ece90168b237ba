"""Typed identifiers and URIs: a column of 64-bit hashes instead of long texts."""

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns.column import Array, Column, Slots, without_repetition
from ror.search.language.expression import Present, TokenIs, ValueLeaf
from ror.search.language.values import TypedIdentifier


class FingerprintColumn(Column):
    """The fingerprints of typed identifiers or of URIs: they compare for equality only."""

    kind = "fingerprints"

    @classmethod
    def of(
        cls, fingerprints: Sequence[int], slots: Sequence[int], size: int
    ) -> "FingerprintColumn":
        """The column of these fingerprints, in any order, in parallel with their slots."""
        prints, sorted_slots = without_repetition(
            np.array(fingerprints, np.uint64), np.array(slots, np.uint32)
        )
        return cls({"fingerprints": prints, "slots": sorted_slots}, size)

    def select(self, leaf: ValueLeaf) -> BitMap:
        match leaf:
            case TokenIs(_, str(code), str(kind)):
                prints = self.arrays["fingerprints"]
                fingerprint = np.uint64(TypedIdentifier(code, kind).fingerprint)
                first = np.searchsorted(prints, fingerprint)
                after = np.searchsorted(prints, fingerprint, side="right")
                return bitmaps.of_sorted(self.arrays["slots"][first:after])
            case Present():
                return self.present
        raise TypeError(f"a column of fingerprints cannot answer {leaf}")

    def sort_keys(self, descending: bool) -> tuple[Slots, Array]:
        raise TypeError("fingerprints have no order")
