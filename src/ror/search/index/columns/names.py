"""The identifiers in references: a column of texts with the target of each reference."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.search.index.columns.column import Array
from ror.search.index.columns.keys import KeyColumn, in_any_system
from ror.search.index.extract import SEPARATOR
from ror.search.language.expression import Present, TokenIs, ValueLeaf

NOWHERE: Final = 0xFFFF_FFFF
"""Instead of a rid, if a reference is not literal."""

_SEPARATOR: Final = SEPARATOR.encode()
_AFTER_ANY: Final = b"\xff"


class NameColumn(KeyColumn):
    """
    References by identifier: keys of four parts, `code NUL system NUL type NUL rid`.

    The rid is the target of a literal reference, "" if the reference has an identifier only. Two
    references with the same identifier and different targets have different keys, so that each is
    matched by the visibility of its own target.
    """

    kind = "names"

    @classmethod
    def of(cls, values: Sequence[Any], slots: Sequence[int], size: int) -> "NameColumn":
        """
        The column of `(name, rid)` keys and their slots; `name` is `code NUL system NUL type`.
        """
        keys = [f"{name}{SEPARATOR}{'' if rid == NOWHERE else rid}" for name, rid in values]
        column = super().of(keys, slots, size)
        assert isinstance(column, cls)
        rids = (column[rank].rpartition(_SEPARATOR)[2] for rank in range(len(column)))
        column.arrays["rids"] = np.fromiter(
            (int(rid) if rid else NOWHERE for rid in rids), np.uint32, len(column)
        )
        return column

    def select(self, leaf: ValueLeaf) -> BitMap:
        return self.of_ranks(self.ranks(leaf))

    def ranks(self, leaf: ValueLeaf) -> Array:
        """The ranks of the keys that satisfy `leaf`."""
        match leaf:
            case TokenIs(_, None, None) | Present():
                return np.arange(len(self))
            case TokenIs(_, None, str(system)):
                return self._of_named_system(system)
            case TokenIs(_, str(code), None):
                return np.concatenate([*map(self._starting, in_any_system(code))])
            case TokenIs(_, str(code), str(system)):
                return self._starting(f"{code}{SEPARATOR}{system}{SEPARATOR}".encode())
        raise TypeError(f"a column of names cannot answer {leaf}")

    def _starting(self, prefix: bytes) -> Array:
        first = bisect_left(self, prefix)
        return np.arange(first, bisect_left(self, prefix + _AFTER_ANY, lo=first))

    def _of_named_system(self, system: str) -> Array:
        offsets = [
            match.start()
            for match in re.finditer(
                re.escape(f"{SEPARATOR}{system}{SEPARATOR}".encode()), self._blob
            )
        ]
        ranks = np.unique(
            np.searchsorted(self.arrays["ends"], np.array(offsets, np.uint64), side="right")
        )
        # The scan also matches types.
        of_system = [
            rank for rank in ranks.tolist() if self[rank].split(_SEPARATOR)[1] == system.encode()
        ]
        return np.array(of_system, np.int64)

    @property
    def literal(self) -> Array:
        """The rid of the literal references of each rank; `NOWHERE` for none."""
        return self.arrays["rids"]

    def slots_by_key(self) -> list[tuple[str, list[int]]]:
        """Every identifier without literal reference, as a logical reference, with its rank."""
        ranks = np.flatnonzero(self.literal == NOWHERE).tolist()
        parts = ((self[rank].decode().split(SEPARATOR), rank) for rank in ranks)
        return [
            (SEPARATOR.join((type_, code, system)), [rank])
            for (code, system, type_, _), rank in parts
        ]
