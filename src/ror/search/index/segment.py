"""
An immutable piece of the index: the columns of a set of resources, built from their entries.

A directory is indexed as one large segment and a few small ones. `index.py` decides when they are
built and merged; `view.py` tracks which of their resources are live. `segment_file.py` writes a
segment to a file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from pyroaring import BitMap

from ror.access.policy import ALL_PROFILES, ProfileMask
from ror.search.index import bitmaps
from ror.search.index.columns import (
    NOWHERE,
    Array,
    Column,
    FingerprintColumn,
    KeyColumn,
    LinkColumn,
    NameColumn,
    NumberColumn,
    PeriodColumn,
    PositionColumn,
    TextColumn,
    WordColumnBuilder,
)
from ror.search.index.extract import (
    CANONICAL_PARAMETER,
    CANONICAL_TYPES,
    FOREIGN,
    NO_LINK,
    UNSEARCHED,
    unpack,
)
from ror.search.index.masks import MaskBuilder, Masks
from ror.search.language.entry_names import modifier_entries, split_governed
from ror.search.language.modifiers import MODIFIERS
from ror.search.language.values import covering_instant
from ror.standard.definitions import (
    FULL_TEXT,
    LAST_UPDATED,
    RESOURCE_TYPES,
    search_parameters,
)
from ror.store.contract import IndexRow

LOGICAL: Final = ":logical"
"""Suffix of the column that holds the logical references of a reference parameter."""

ColumnName = tuple[str, str]
"""A resource type and a parameter."""


@dataclass(frozen=True, slots=True)
class Segment:
    """
    The columns of some resources.

    `members` are all of them, `types` the live ones by resource type. `owners` has, for each row of
    a repeated record, the rid of its resource. `governed` has the columns of entries that come from
    governed parts, by parameter, then by the code of the rule. `masks` says which profiles see
    what.
    """

    columns: Mapping[ColumnName, Column]
    governed: Mapping[ColumnName, Mapping[str, Column]]
    owners: Mapping[ColumnName, Array]
    types: Mapping[str, BitMap]
    members: BitMap
    masks: Masks

    def memory_bytes(self) -> int:
        """The bytes of the arrays, in memory or mapped."""
        columns = [
            *self.columns.values(),
            *(column for by_code in self.governed.values() for column in by_code.values()),
        ]
        arrays = [array for column in columns for array in column.arrays.values()]
        return sum(array.nbytes for array in (*arrays, *self.owners.values())) + self.masks.nbytes()


def rids_of(segment: Segment, resource_type: str, record: str, slots: BitMap) -> BitMap:
    """The resources that these rows of a record belong to."""
    owners = segment.owners.get((resource_type, record))
    if owners is None or not slots:
        return BitMap()
    size = int(owners.max()) + 1
    return bitmaps.of_any(owners[bitmaps.numbers_of(slots)], size)


_COLUMN_OF_TYPE: Final[Mapping[str, type[Column]]] = {
    "token": KeyColumn,
    "string": TextColumn,
    "canonical": KeyColumn,
    "date": PeriodColumn,
    "number": NumberColumn,
    "quantity": NumberColumn,
    "reference": LinkColumn,
    "special": PositionColumn,
    "fingerprint": FingerprintColumn,
    # URIs are long, most resources repeat them, and searches compare them for equality only.
    "uri": FingerprintColumn,
    "named": NameColumn,
}


def build(rows: Iterable[IndexRow]) -> Segment:
    """The segment of these resources. A deleted resource is a member without type or entries."""
    builder = _SegmentBuilder()
    for row in rows:
        builder.add(row)
    return builder.segment()


class _EntryColumn(NamedTuple):
    """
    A column under construction, for the entries of one name: keys and their slots, in parallel.
    """

    kind: str
    record: str | None
    code: str
    """The code of the rule that governs the entries; "" if none does."""
    keys: list[Any]
    slots: list[int]
    words: WordColumnBuilder | None = None
    """Takes words, instead of `keys` and `slots`."""


class _SegmentBuilder:
    """A segment under construction: its entries by column."""

    def __init__(self) -> None:
        self._entries: dict[ColumnName, tuple[list[Any], list[int]]] = {}
        self._words: dict[ColumnName, WordColumnBuilder] = {}
        self._masks = MaskBuilder()
        self._owners: dict[ColumnName, list[int]] = {}
        self._types: dict[str, list[int]] = {name: [] for name in RESOURCE_TYPES}
        self._members: list[int] = []
        self._kinds = {name: _parameter_kinds(name) for name in RESOURCE_TYPES}
        self._by_name: dict[str, dict[str, _EntryColumn]] = {name: {} for name in RESOURCE_TYPES}

    def add(self, row: IndexRow) -> None:
        rid = row.rid
        self._members.append(rid)
        if row.deleted:
            return
        self._types[row.type].append(rid)
        masks = self._masks.add(rid, row.visibility, row.facts)
        first_rows: dict[str, int] = {}
        # The entries were encoded before the transaction that set this instant.
        instants, slots = self._keys_and_slots(row.type, LAST_UPDATED)
        instants.append(covering_instant(row.last_updated))
        slots.append(rid)
        by_name = self._by_name[row.type]
        for name, keys in unpack(row.entries).items():
            column = by_name.get(name)
            if column is None:
                column = by_name[name] = self._entry_column(row.type, name)
            kind = column.kind
            if column.words is not None:
                column.words.add(keys, rid)
            elif column.record:
                # Rows have their own masks, so governed entries share the column.
                mask = masks[column.code] if column.code else ALL_PROFILES
                self._add_records(row, column, column.record, keys, first_rows, mask)
            elif kind == "reference":
                self._add_references(row, column, name, keys)
            else:
                if kind == "number":
                    keys = [("", key) for key in keys]
                elif kind == "named":
                    keys = [
                        (key, NOWHERE if link == NO_LINK else row.targets[link])
                        for key, link in keys
                    ]
                column.keys.extend(keys)
                column.slots.extend([rid] * len(keys))

    def _entry_column(self, resource_type: str, name: str) -> _EntryColumn:
        param, code = split_governed(name)
        kind, record = self._kinds[resource_type][param]
        if kind == "words":
            words = self._words[resource_type, name] = WordColumnBuilder()
            return _EntryColumn(kind, None, code, [], [], words)
        return _EntryColumn(
            kind, record, code, *self._keys_and_slots(resource_type, param if record else name)
        )

    def _keys_and_slots(self, resource_type: str, name: str) -> tuple[list[Any], list[int]]:
        return self._entries.setdefault((resource_type, name), ([], []))

    def _add_records(
        self,
        row: IndexRow,
        column: _EntryColumn,
        record: str,
        keys: list[Any],
        first_rows: dict[str, int],
        mask: ProfileMask,
    ) -> None:
        """Add entries of a repeated record. Their slots are row numbers across all resources."""
        owners = self._owners.setdefault((row.type, record), [])
        first = first_rows.setdefault(record, len(owners))
        slots = [first + at for _, at in keys]
        owners += [row.rid] * (max(slots) + 1 - len(owners))
        self._masks.add_rows((row.type, record), slots, mask)
        column.keys.extend(
            [("", key) for key, _ in keys] if column.kind == "number" else [key for key, _ in keys]
        )
        column.slots.extend(slots)

    def _add_references(
        self, row: IndexRow, column: _EntryColumn, name: str, keys: list[Any]
    ) -> None:
        literal = [row.targets[key] for key in keys if isinstance(key, int)]
        column.keys.extend(literal)
        column.slots.extend([row.rid] * len(literal))
        if len(literal) < len(keys):
            logical = [key for key in keys if isinstance(key, str)]
            names, slots = self._keys_and_slots(row.type, name + LOGICAL)
            names.extend(logical)
            slots.extend([row.rid] * len(logical))

    def segment(self) -> Segment:
        members = BitMap(self._members)
        size = (members.max() + 1) if members else 0
        columns: dict[ColumnName, Column] = {
            name: words.column(size) for name, words in self._words.items()
        }
        for (resource_type, name), (keys, slots) in self._entries.items():
            kind, record = self._kinds[resource_type].get(split_governed(name)[0], ("token", None))
            space = len(self._owners[resource_type, record]) if record else size
            columns[resource_type, name] = _COLUMN_OF_TYPE[kind].of(keys, slots, space)  # type: ignore[attr-defined]
        return Segment(
            *split_columns(columns),
            owners={name: np.array(rids, np.uint32) for name, rids in self._owners.items()},
            types={name: BitMap(rids) for name, rids in self._types.items() if rids},
            members=members,
            masks=self._masks.masks({name: len(rids) for name, rids in self._owners.items()}),
        )


def split_columns(
    columns: Mapping[ColumnName, Column],
) -> tuple[dict[ColumnName, Column], dict[ColumnName, dict[str, Column]]]:
    """
    The plain columns, then the governed ones by code of their rule, from all columns by full name.
    """
    plain: dict[ColumnName, Column] = {}
    by_code: dict[ColumnName, dict[str, Column]] = {}
    for (resource_type, full_name), column in columns.items():
        name, code = split_governed(full_name)
        if code:
            by_code.setdefault((resource_type, name), {})[code] = column
        else:
            plain[resource_type, name] = column
    return plain, by_code


def _parameter_kinds(resource_type: str) -> dict[str, tuple[str, str | None]]:
    """The kind and the record of all entries of a resource type, by name without rule code."""
    kinds: dict[str, tuple[str, str | None]] = {
        name: (parameter.type, parameter.record)
        for name, parameter in search_parameters(resource_type).items()
    }
    kinds |= dict.fromkeys(FULL_TEXT, ("words", None))
    kinds |= dict.fromkeys((FOREIGN, UNSEARCHED), ("reference", None))
    for name, (_, record) in tuple(kinds.items()):
        kinds |= {
            modifier_entries(name, modifier): (row.entries_kind, record)
            for modifier, row in MODIFIERS.items()
            if row.entries_kind
        }
    if resource_type in CANONICAL_TYPES:
        kinds[CANONICAL_PARAMETER] = ("canonical", None)
    return kinds
