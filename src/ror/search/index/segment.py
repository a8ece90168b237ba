"""
An immutable piece of the index: the columns of a set of resources, built from their entries, kept in one mapped file.

A directory is indexed as one large segment and a few small ones; `search.index` decides which, and what of each is
still alive. Here a segment is made from index rows, written to a file and mapped back in a few milliseconds.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from pyroaring import BitMap

from ror.access.policy import ALL_PROFILES, ProfileMask
from ror.errors import Unavailable
from ror.search.index import bitmaps
from ror.search.index.columns import (
    COLUMN_KINDS,
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
from ror.search.language.entry_names import governed_entries, modifier_entries, split_governed
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
"""Suffix of the column that holds what a reference parameter points at other than by a literal reference."""

ColumnName = tuple[str, str]
"""A resource type and a parameter."""


@dataclass(frozen=True, slots=True)
class Segment:
    """
    The columns of some resources.

    `members` are all of them, `types` the live ones by resource type; `owners` gives, for each row of a repeated
    record, the rid of the resource it belongs to. `governed` has the columns of a parameter that hold what governed
    parts of resources give, by the code of their rule; `masks` says who may see what.
    """

    columns: Mapping[ColumnName, Column]
    governed: Mapping[ColumnName, Mapping[str, Column]]
    owners: Mapping[ColumnName, Array]
    types: Mapping[str, BitMap]
    members: BitMap
    masks: Masks

    def memory_bytes(self) -> int:
        """Bytes of the arrays, whether in memory or mapped."""
        columns = [
            *self.columns.values(),
            *(one for by_code in self.governed.values() for one in by_code.values()),
        ]
        arrays = [array for column in columns for array in column.arrays.values()]
        return sum(array.nbytes for array in (*arrays, *self.owners.values())) + self.masks.nbytes()


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
    # Long texts that nearly all resources repeat, and that are only compared.
    "uri": FingerprintColumn,
    "named": NameColumn,
}


def build(rows: Iterable[IndexRow]) -> Segment:
    """The segment of these resources; a deleted one is a member with no type and no entries."""
    gathering = _SegmentBuilder()
    for row in rows:
        gathering.add(row)
    return gathering.segment()


class _EntryColumn(NamedTuple):
    """Where the entries of one name go: keys of a column under construction, and their slots beside them."""

    kind: str
    record: str | None
    code: str
    """What governs the parts that the entries come from; "" when nothing does."""
    keys: list[Any]
    slots: list[int]
    words: WordColumnBuilder | None = None
    """Where words go instead."""


class _SegmentBuilder:
    """The entries of a segment under construction, by column."""

    def __init__(self) -> None:
        self._entries: dict[ColumnName, tuple[list[Any], list[int]]] = {}
        self._words: dict[ColumnName, WordColumnBuilder] = {}
        self._masks = MaskBuilder()
        self._owners: dict[ColumnName, list[int]] = {}
        self._types: dict[str, list[int]] = {name: [] for name in RESOURCE_TYPES}
        self._members: list[int] = []
        self._kinds = {name: _parameter_kinds(name) for name in RESOURCE_TYPES}
        self._places: dict[str, dict[str, _EntryColumn]] = {name: {} for name in RESOURCE_TYPES}

    def add(self, row: IndexRow) -> None:
        rid = row.rid
        self._members.append(rid)
        if row.deleted:
            return
        self._types[row.type].append(rid)
        masks = self._masks.add(rid, row.visibility, row.facts)
        first_rows: dict[str, int] = {}
        # Issued in the transaction that wrote the resource: its entries were packed before.
        instants, slots = self._column(row.type, LAST_UPDATED)
        instants.append(covering_instant(row.last_updated))
        slots.append(rid)
        places = self._places[row.type]
        for name, keys in unpack(row.entries).items():
            place = places.get(name)
            if place is None:
                place = places[name] = self._place(row.type, name)
            kind = place.kind
            if place.words is not None:
                place.words.add(keys, rid)
            elif place.record:
                # Rows have masks of their own: there is one column, whatever governs them.
                mask = masks[place.code] if place.code else ALL_PROFILES
                self._add_records(row, place, place.record, keys, first_rows, mask)
            elif kind == "reference":
                self._add_references(row, place, name, keys)
            else:
                if kind == "number":
                    keys = [("", key) for key in keys]
                elif kind == "named":
                    keys = [
                        (key, NOWHERE if link == NO_LINK else row.targets[link])
                        for key, link in keys
                    ]
                place.keys.extend(keys)
                place.slots.extend([rid] * len(keys))

    def _place(self, resource_type: str, name: str) -> _EntryColumn:
        param, code = split_governed(name)
        kind, record = self._kinds[resource_type][param]
        if kind == "words":
            words = self._words[resource_type, name] = WordColumnBuilder()
            return _EntryColumn(kind, None, code, [], [], words)
        return _EntryColumn(
            kind, record, code, *self._column(resource_type, param if record else name)
        )

    def _column(self, resource_type: str, name: str) -> tuple[list[Any], list[int]]:
        return self._entries.setdefault((resource_type, name), ([], []))

    def _add_records(
        self,
        row: IndexRow,
        place: _EntryColumn,
        record: str,
        keys: list[Any],
        first_rows: dict[str, int],
        mask: ProfileMask,
    ) -> None:
        """Entries of a repeated record: their slot is the row's number among all the rows of that record."""
        owners = self._owners.setdefault((row.type, record), [])
        first = first_rows.setdefault(record, len(owners))
        slots = [first + at for _, at in keys]
        owners += [row.rid] * (max(slots) + 1 - len(owners))
        self._masks.add_rows((row.type, record), slots, mask)
        place.keys.extend(
            [("", key) for key, _ in keys] if place.kind == "number" else [key for key, _ in keys]
        )
        place.slots.extend(slots)

    def _add_references(
        self, row: IndexRow, place: _EntryColumn, name: str, keys: list[Any]
    ) -> None:
        literal = [row.targets[key] for key in keys if isinstance(key, int)]
        place.keys.extend(literal)
        place.slots.extend([row.rid] * len(literal))
        if len(literal) < len(keys):
            logical = [key for key in keys if isinstance(key, str)]
            names, slots = self._column(row.type, name + LOGICAL)
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
            *_sorted_out(columns),
            owners={name: np.array(rids, np.uint32) for name, rids in self._owners.items()},
            types={name: BitMap(rids) for name, rids in self._types.items() if rids},
            members=members,
            masks=self._masks.masks({name: len(rids) for name, rids in self._owners.items()}),
        )


def _sorted_out(
    columns: Mapping[ColumnName, Column],
) -> tuple[dict[ColumnName, Column], dict[ColumnName, dict[str, Column]]]:
    """The columns of what nothing governs, and those of governed parts by code, from all by full name."""
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
    """The search type and record of everything that is indexed on a resource type."""
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


# --- the file --------------------------------------------------------------------------------------------------------

_MAGIC: Final = b"ror-index-4\n"
_ALIGNMENT: Final = 64
_COUNTS: Final = struct.Struct("<QI")
"""After the magic: the length of the plan and its checksum."""
FILE_MODE: Final = 0o600
"""A snapshot holds what the database holds, hence it is as private."""
_NEW_FILE: Final = os.O_CREAT | os.O_TRUNC | os.O_WRONLY


class _ColumnPlan(msgspec.Struct):
    """Where the arrays of a column stand in the file: `(name, dtype, length, offset)`."""

    type: str
    param: str
    kind: str
    size: int
    arrays: list[tuple[str, str, int, int]]


class _Plan(msgspec.Struct):
    """The head of the file."""

    facts: dict[str, str]
    columns: list[_ColumnPlan]
    owners: list[tuple[str, str, int, int]]
    types: list[tuple[str, int, int]]
    members: tuple[int, int]
    masks: list[tuple[list[str], str, int, int]]
    """Each array of masks: where it belongs (`whole`, `codes` or `rows`, then names), and its place."""
    size: int
    """Bytes after the head: a file cut short is told from a whole one."""


def save(segment: Segment, path: Path, facts: Mapping[str, str]) -> None:
    """
    Write a segment to `path`, whole or not at all; `facts` come back from `load`.

    Raises Unavailable when the disk refuses.
    """
    pieces: list[bytes | memoryview] = []
    offset = 0

    def place(content: bytes | memoryview) -> int:
        nonlocal offset
        padding = -offset % _ALIGNMENT
        pieces.append(b"\0" * padding)
        pieces.append(content)
        start = offset + padding
        offset = start + len(content)
        return start

    def place_array(array: Array) -> tuple[str, int, int]:
        start = place(np.ascontiguousarray(array).tobytes())
        return array.dtype.str, len(array), start

    columns = [
        _ColumnPlan(
            type_,
            param,
            column.kind,
            column.size,
            [(name, *place_array(a)) for name, a in column.arrays.items()],
        )
        for (type_, param), column in _all_columns(segment)
    ]
    owners = [
        (type_, record, *place_array(rids)[1:]) for (type_, record), rids in segment.owners.items()
    ]
    types = [
        (name, len(content), place(content))
        for name, content in ((n, b.serialize()) for n, b in segment.types.items())
    ]
    members = segment.members.serialize()
    members_place = (len(members), place(members))
    masks = [(path, *place_array(array)) for path, array in _mask_arrays(segment.masks)]
    plan = msgspec.json.encode(
        _Plan(dict(facts), columns, owners, types, members_place, masks, offset)
    )
    head = _MAGIC + _COUNTS.pack(len(plan), zlib.crc32(plan)) + plan
    head += b"\0" * (-len(head) % _ALIGNMENT)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, _NEW_FILE, FILE_MODE), "wb") as file:
            file.write(head)
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as reason:
        partial.unlink(missing_ok=True)
        raise Unavailable(
            "index.snapshot-not-written", path=path, reason=reason.strerror
        ) from reason


def load(path: Path) -> tuple[Segment, dict[str, str]] | None:
    """
    The segment kept at `path` and its facts, mapped; None when there is no such file or it is not a whole one of ours.

    The arrays are not read here, and not checked: a file is written whole or not at all, and disks keep what they hold.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None
    start = len(_MAGIC) + _COUNTS.size
    if mapped[: len(_MAGIC)] != _MAGIC or len(mapped) < start:
        return None
    length, checksum = _COUNTS.unpack(mapped[len(_MAGIC) : start])
    head = start + length
    encoded = mapped[start:head]
    if zlib.crc32(encoded) != checksum:
        return None
    plan = msgspec.json.decode(encoded, type=_Plan)
    base = head + (-head % _ALIGNMENT)
    if len(mapped) != base + plan.size:
        return None

    def array(dtype: str, count: int, start: int) -> Array:
        return np.frombuffer(mapped, dtype=dtype, count=count, offset=base + start)

    def bitmap(count: int, start: int) -> BitMap:
        return BitMap.deserialize(mapped[base + start : base + start + count])

    columns = {
        (one.type, one.param): COLUMN_KINDS[one.kind](
            {name: array(dtype, count, start) for name, dtype, count, start in one.arrays}, one.size
        )
        for one in plan.columns
    }
    segment = Segment(
        *_sorted_out(columns),
        owners={
            (type_, record): array("<u4", count, start)
            for type_, record, count, start in plan.owners
        },
        types={name: bitmap(count, start) for name, count, start in plan.types},
        members=bitmap(*plan.members),
        masks=_masks_from(
            [(path, array(dtype, count, start)) for path, dtype, count, start in plan.masks]
        ),
    )
    return segment, plan.facts


def _all_columns(segment: Segment) -> Iterator[tuple[ColumnName, Column]]:
    """Every column with its full name, the code of governed parts included."""
    yield from segment.columns.items()
    for (resource_type, name), by_code in segment.governed.items():
        for code, column in by_code.items():
            yield (resource_type, governed_entries(name, code)), column


def _mask_arrays(masks: Masks) -> Iterator[tuple[list[str], Array]]:
    """Every array of masks, after what says where it belongs."""
    yield from ((["whole", name], array) for name, array in masks.whole.items())
    yield from ((["rows", *name], array) for name, array in masks.rows.items())
    for code, (slots, of_each) in masks.codes.items():
        yield ["codes", code, "slots"], slots
        yield ["codes", code, "masks"], of_each


def _masks_from(arrays: Iterable[tuple[list[str], Array]]) -> Masks:
    """The masks that `_mask_arrays` gave."""
    found = {tuple(path): array for path, array in arrays}
    codes = {path[1] for path in found if path[0] == "codes"}
    return Masks(
        {path[1]: array for path, array in found.items() if path[0] == "whole"},
        {code: (found["codes", code, "slots"], found["codes", code, "masks"]) for code in codes},
        {(path[1], path[2]): array for path, array in found.items() if path[0] == "rows"},
    )


def rids_of(segment: Segment, resource_type: str, record: str, slots: BitMap) -> BitMap:
    """The resources that own these rows of a record."""
    owners = segment.owners.get((resource_type, record))
    if owners is None or not slots:
        return BitMap()
    size = int(owners.max()) + 1
    return bitmaps.of_any(owners[bitmaps.numbers_of(slots)], size)


__all__ = ["LOGICAL", "Segment", "build", "load", "rids_of", "save"]
