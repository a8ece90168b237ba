"""
The visibility of a segment for each access profile, as masks in parallel with its columns.

A mask has one bit for each profile; `access.policy` computed it when the resource was written.
There is one mask for each resource, one for each resource and rule that governs a part of it, and
one for each row of a record. They are turned into bitmaps when a profile first needs them.
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
    The masks of the live resources of a segment; immutable.

    `whole` has parallel arrays: `rids`, ascending, the mask of each resource (`seen`), the profiles
    that see it with parts removed (`altered`) and its access `facts`. `codes` has, for each rule
    and grade, the resources with a part under it and the masks of those parts. `rows` has the mask
    of each row of a record.
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
        self._bitmaps: dict[tuple[str, object, int], BitMap] = {}

    def hidden(self, viewer_mask: ProfileMask) -> BitMap:
        """
        The resources that a viewer may not see. Callers must not change the sets that are returned.
        """
        return self._lacking(
            "seen", None, viewer_mask, lambda: (self.whole["rids"], self.whole["seen"])
        )

    def altered(self, viewer_mask: ProfileMask) -> BitMap:
        """The resources that a viewer sees with parts removed."""
        return self._lacking(
            "altered", None, viewer_mask, lambda: (self.whole["rids"], ~self.whole["altered"])
        )

    def hidden_by(self, code: str, viewer_mask: ProfileMask) -> BitMap:
        """The resources whose parts under a rule and grade a viewer may not see."""
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
        """The resources that have any of these access facts."""
        return self._lacking(
            "facts", None, facts, lambda: (self.whole["rids"], ~self.whole["facts"])
        )

    def nbytes(self) -> int:
        """The bytes of the arrays, in memory or mapped."""
        arrays = [
            *self.whole.values(),
            *self.rows.values(),
            *(array for pair in self.codes.values() for array in pair),
        ]
        return sum(array.nbytes for array in arrays)

    def _lacking(
        self, what: str, which: object, bits: int, masks: Callable[[], tuple[Array, Array]]
    ) -> BitMap:
        """The numbers whose mask lacks any of these bits."""
        key = (what, which, bits)
        bitmap = self._bitmaps.get(key)
        if bitmap is None:
            numbers, bits_of_each = masks()
            lacking = numbers[(bits_of_each & np.uint8(bits)) != bits]
            bitmap = self._bitmaps[key] = bitmaps.of_sorted(lacking)
        return bitmap


_NO_MASKS: Final = (np.zeros(0, np.uint32), np.zeros(0, np.uint8))


class MaskBuilder:
    """The masks of a segment under construction."""

    def __init__(self) -> None:
        self._whole: list[tuple[int, int, int, int]] = []
        self._codes: dict[str, list[tuple[int, int]]] = {}
        self._rows: dict[RecordName, dict[int, int]] = {}

    def add(self, rid: Rid, visibility: bytes, facts: int) -> Mapping[str, ProfileMask]:
        """Add the masks of a live resource, and return those of its parts by rule and grade."""
        of_parts = cast("Sequence[ProfileMask]", visibility[3::2])
        masks = {name_of(code): mask for code, mask in zip(visibility[2::2], of_parts, strict=True)}
        seen, common = visibility[1], int(ALL_PROFILES)
        for code, mask in masks.items():
            self._codes.setdefault(code, []).append((rid, mask))
            common &= mask
        self._whole.append((rid, seen, seen & ~common, facts))
        return masks

    def add_rows(self, name: RecordName, rows: Iterable[int], mask: ProfileMask) -> None:
        """Add the mask of some rows of a record, if it hides them from any profile."""
        if mask != ALL_PROFILES:
            self._rows.setdefault(name, {}).update(dict.fromkeys(rows, mask))

    def masks(self, row_counts: Mapping[RecordName, int]) -> Masks:
        """The masks that were added; `row_counts` has the number of rows of each record."""
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
