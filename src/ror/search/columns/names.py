"""The identifiers that references give: a column of texts that know where each of them leads."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from pyroaring import BitMap

from ror.search.columns.column import Array
from ror.search.columns.keys import KeyColumn
from ror.search.expression import TokenIs, ValueLeaf
from ror.search.extract import SEPARATOR

NOWHERE: Final = 0xFFFF_FFFF
"""Instead of a rid, where a reference is not literal."""

_AFTER_ANY: Final = b"\xff"


class NameColumn(KeyColumn):
    """
    References by the identifier they give: keys of four parts, `code NUL system NUL type NUL rid`.

    The rid is that of what the reference names literally, "" for one that has nothing but its identifier. Of two
    references that give the same identifier and lead elsewhere, each has its key and can be judged by where it leads.
    """

    kind = "names"

    @classmethod
    def of(cls, entries: Sequence[Any], size: int) -> "NameColumn":
        """The column of `((name, rid), slot)` pairs, in any order; `name` is `code NUL system NUL type`."""
        keys = [(f"{name}{SEPARATOR}{'' if rid == NOWHERE else rid}", slot) for (name, rid), slot in entries]
        column = super().of(keys, size)
        assert isinstance(column, cls)
        return column

    def select(self, leaf: ValueLeaf) -> BitMap:
        return self.of_ranks(self.ranks(leaf))

    def ranks(self, leaf: ValueLeaf) -> Array:
        """The ranks of the keys that satisfy `leaf`."""
        match leaf:
            case TokenIs(_, None, None):
                return np.arange(len(self))
            case TokenIs(_, None, str(system)):
                return np.array([r for r, parts in enumerate(self._parts) if parts[1] == system], np.int64)
            case TokenIs(_, str(code), None):
                return self._starting(code + SEPARATOR)
            case TokenIs(_, str(code), str(system)):
                return self._starting(f"{code}{SEPARATOR}{system}{SEPARATOR}")
        raise TypeError(f"a column of names cannot answer {leaf}")

    def _starting(self, prefix: str) -> Array:
        first = bisect_left(self, prefix.encode())
        return np.arange(first, bisect_left(self, prefix.encode() + _AFTER_ANY, lo=first))

    @cached_property
    def literal(self) -> Array:
        """The rid that the references of each rank name literally, `NOWHERE` for none."""
        return np.array([int(rid) if rid else NOWHERE for *_, rid in self._parts], np.uint32)

    def holders(self) -> list[tuple[str, list[int]]]:
        """Every name that is not literal, as a logical reference is written, with its rank; for small columns."""
        return [
            (SEPARATOR.join((type_, code, system)), [rank])
            for rank, (code, system, type_, rid) in enumerate(self._parts)
            if not rid
        ]

    @cached_property
    def _parts(self) -> list[list[str]]:
        return [self[rank].decode().split(SEPARATOR) for rank in range(len(self))]
