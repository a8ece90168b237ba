"""The columns of the index, one class for each way to compare values."""

from collections.abc import Mapping
from typing import Final

from ror.search.index.columns.column import Array, Arrays, Column, Slots
from ror.search.index.columns.fingerprints import FingerprintColumn
from ror.search.index.columns.keys import KeyColumn
from ror.search.index.columns.links import LinkColumn
from ror.search.index.columns.names import NOWHERE, NameColumn
from ror.search.index.columns.numbers import NumberColumn
from ror.search.index.columns.periods import PeriodColumn
from ror.search.index.columns.positions import PositionColumn, great_circle_m
from ror.search.index.columns.texts import TextColumn
from ror.search.index.columns.words import WordColumn, WordColumnBuilder

COLUMN_KINDS: Final[Mapping[str, type[Column]]] = {
    column.kind: column
    for column in (
        KeyColumn,
        TextColumn,
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
    "TextColumn",
    "WordColumn",
    "WordColumnBuilder",
    "great_circle_m",
]
