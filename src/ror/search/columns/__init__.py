"""The columns of the index, one kind for each way in which values are compared."""

from collections.abc import Mapping
from typing import Final

from ror.search.columns.column import Array, Arrays, Column, Slots
from ror.search.columns.fingerprints import FingerprintColumn
from ror.search.columns.keys import KeyColumn
from ror.search.columns.links import LinkColumn
from ror.search.columns.names import NOWHERE, NameColumn
from ror.search.columns.numbers import NumberColumn
from ror.search.columns.periods import PeriodColumn
from ror.search.columns.positions import PositionColumn, great_circle_m
from ror.search.columns.words import WordColumn, WordGathering

COLUMN_KINDS: Final[Mapping[str, type[Column]]] = {
    column.kind: column
    for column in (
        KeyColumn,
        NameColumn,
        PeriodColumn,
        NumberColumn,
        LinkColumn,
        PositionColumn,
        WordColumn,
        FingerprintColumn,
    )
}

__all__ = [
    "COLUMN_KINDS",
    "NOWHERE",
    "Array",
    "Arrays",
    "Column",
    "FingerprintColumn",
    "KeyColumn",
    "LinkColumn",
    "NameColumn",
    "NumberColumn",
    "PeriodColumn",
    "PositionColumn",
    "Slots",
    "WordColumn",
    "WordGathering",
    "great_circle_m",
]
