"""
What of a segment each access profile may see, as masks laid beside its columns.

A mask is one bit for each profile, made by whoever wrote the resource (`access.policy`); nothing here knows why. There
is one for each resource, one for each resource and rule that governs a part of it, and one for each row of a record.
They become bitmaps the first time that a profile asks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.access.policy import ALL_PROFILES, ProfileMask, name_of
from ror.search.index import bitmaps
from ror.search.index.columns import Array
from ror.store.contract import Rid

Bytes = npt.NDArray[np.uint8]
RecordName = tuple[str, str]
"""A resource type and a record."""

_NOTHING: Final = BitMap()


class Masks:
    """
    The masks of the live resources of a segment; it never changes.

    `whole` has parallel arrays: `rids`, ascending, the mask of each (`seen`), the profiles for which it is cut
    (`altered`) and its `facts`. `codes` has, for each rule and grade, the resources with a part under it and the masks
    of those parts. `rows` has the mask of each row of a record.
    """

    def __init__(
        self,
        whole: Mapping[str, Array],
        codes: Mapping[str, tuple[Array, Array]],
        rows: Mapping[RecordName, Array],
    ) -> None:
        self.whole = whole
        self.codes = codes
        self.rows = rows
        self._known: dict[tuple[str, object, int], BitMap] = {}

    def hidden(self, viewer_mask: ProfileMask) -> BitMap:
        """The resources that a viewer may not see. Do not change the sets that these methods return."""
        return self._lacking(
            "seen", None, viewer_mask, lambda: (self.whole["rids"], self.whole["seen"])
        )

    def altered(self, viewer_mask: ProfileMask) -> BitMap:
        """The resources of which a viewer sees some parts only."""
        return self._lacking(
            "altered", None, viewer_mask, lambda: (self.whole["rids"], ~self.whole["altered"])
        )

    def hidden_by(self, code: str, viewer_mask: ProfileMask) -> BitMap:
        """The resources of which a viewer may not see the parts under a rule and grade."""
        return self._lacking("code", code, viewer_mask, lambda: self.codes.get(code, _NO_MASKS))

    def hidden_rows(self, name: RecordName, viewer_mask: ProfileMask) -> BitMap:
        """The rows of a record that a viewer may not see."""
        rows = self.rows.get(name)
        if rows is None:
            return _NOTHING
        return self._lacking(
            "rows", name, viewer_mask, lambda: (np.arange(len(rows), dtype=np.uint32), rows)
        )

    def with_facts(self, facts: int) -> BitMap:
        """The resources for which any of these facts holds."""
        return self._lacking(
            "facts", None, facts, lambda: (self.whole["rids"], ~self.whole["facts"])
        )

    def nbytes(self) -> int:
        """Bytes of the arrays, whether in memory or mapped."""
        arrays = [
            *self.whole.values(),
            *self.rows.values(),
            *(one for pair in self.codes.values() for one in pair),
        ]
        return sum(array.nbytes for array in arrays)

    def _lacking(
        self, what: str, which: object, bits: int, masks: Callable[[], tuple[Array, Array]]
    ) -> BitMap:
        """The numbers whose mask does not have these bits: all of them for a profile, any of them for facts."""
        key = (what, which, bits)
        found = self._known.get(key)
        if found is None:
            numbers, of_each = masks()
            lacking = numbers[(of_each & np.uint8(bits)) != bits]
            found = self._known[key] = bitmaps.of_sorted(lacking)
        return found


_NO_MASKS: Final = (np.zeros(0, np.uint32), np.zeros(0, np.uint8))


class MaskBuilder:
    """The masks of a segment under construction."""

    def __init__(self) -> None:
        self._whole: list[tuple[int, int, int, int]] = []
        self._codes: dict[str, list[tuple[int, int]]] = {}
        self._rows: dict[RecordName, dict[int, int]] = {}

    def add(self, rid: Rid, visibility: bytes, facts: int) -> Mapping[str, ProfileMask]:
        """Take in the masks of a live resource; those of its parts, by rule and grade."""
        of_parts = cast("Sequence[ProfileMask]", visibility[3::2])
        masks = {name_of(code): mask for code, mask in zip(visibility[2::2], of_parts, strict=True)}
        seen, common = visibility[1], int(ALL_PROFILES)
        for code, mask in masks.items():
            self._codes.setdefault(code, []).append((rid, mask))
            common &= mask
        self._whole.append((rid, seen, seen & ~common, facts))
        return masks

    def add_rows(self, name: RecordName, rows: Iterable[int], mask: ProfileMask) -> None:
        """Take in the mask of some rows of a record, if it hides them from anybody."""
        if mask != ALL_PROFILES:
            self._rows.setdefault(name, {}).update(dict.fromkeys(rows, mask))

    def masks(self, row_counts: Mapping[RecordName, int]) -> Masks:
        """All that was added; `row_counts` is how many rows each record has."""
        self._whole.sort()
        columns = np.array(self._whole, np.uint32).reshape(-1, 4).T
        whole = {"rids": np.ascontiguousarray(columns[0])}
        whole |= {
            name: columns[at].astype(np.uint8)
            for at, name in enumerate(("seen", "altered", "facts"), 1)
        }
        rows = {}
        for name, masked in self._rows.items():
            rows[name] = np.full(row_counts[name], ALL_PROFILES, np.uint8)
            rows[name][list(masked)] = list(masked.values())
        codes = {}
        for code, pairs in self._codes.items():
            slots, masks = np.array(sorted(pairs), np.uint32).T
            codes[code] = (np.ascontiguousarray(slots), masks.astype(np.uint8))
        return Masks(whole, codes, rows)
