"""
The file of a segment: its arrays, written once and mapped back in a few milliseconds.

A file holds a magic number, a plan in JSON with its checksum, then the arrays, each aligned so that
numpy can use it in place.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from pyroaring import BitMap

from ror.errors import Unavailable
from ror.search.index.columns import COLUMN_KINDS, Array, Column
from ror.search.index.masks import Masks
from ror.search.index.segment import ColumnName, Segment, split_columns
from ror.search.language.entry_names import governed_entries

_MAGIC: Final = b"ror-index-4\n"
_ALIGNMENT: Final = 64
_COUNTS: Final = struct.Struct("<QI")
"""After the magic number: the length of the plan and its checksum."""
FILE_MODE: Final = 0o600
"""A snapshot holds the content of the database, so it is as private."""
_NEW_FILE: Final = os.O_CREAT | os.O_TRUNC | os.O_WRONLY


class _ColumnPlan(msgspec.Struct):
    """The places of the arrays of a column in the file: `(name, dtype, length, offset)`."""

    type: str
    param: str
    kind: str
    size: int
    arrays: list[tuple[str, str, int, int]]


class _Plan(msgspec.Struct):
    """The plan of a file: the places of all arrays and bitmaps."""

    properties: dict[str, str] = msgspec.field(name="facts")
    columns: list[_ColumnPlan]
    owners: list[tuple[str, str, int, int]]
    types: list[tuple[str, int, int]]
    members: tuple[int, int]
    masks: list[tuple[list[str], str, int, int]]
    """Each array of masks: its path (`whole`, `codes` or `rows`, then names) and its place."""
    size: int
    """The bytes after the plan, to detect a truncated file."""


def save(segment: Segment, path: Path, properties: Mapping[str, str]) -> None:
    """
    Write a segment to `path`, completely or not at all; `load` returns its `properties`.

    Raises Unavailable if the file cannot be written.
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
        _Plan(dict(properties), columns, owners, types, members_place, masks, offset)
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
    The segment in the file `path`, mapped, and its properties; None if the file is missing or
    invalid.

    The arrays are neither read nor checked: `save` writes complete files only.
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
        (entry.type, entry.param): COLUMN_KINDS[entry.kind](
            {name: array(dtype, count, start) for name, dtype, count, start in entry.arrays},
            entry.size,
        )
        for entry in plan.columns
    }
    segment = Segment(
        *split_columns(columns),
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
    return segment, plan.properties


def _all_columns(segment: Segment) -> Iterator[tuple[ColumnName, Column]]:
    """Every column with its full name, which includes the code of its rule."""
    yield from segment.columns.items()
    for (resource_type, name), by_code in segment.governed.items():
        for code, column in by_code.items():
            yield (resource_type, governed_entries(name, code)), column


def _mask_arrays(masks: Masks) -> Iterator[tuple[list[str], Array]]:
    """Every array of masks with its path."""
    yield from ((["whole", name], array) for name, array in masks.whole.items())
    yield from ((["rows", *name], array) for name, array in masks.rows.items())
    for code, (slots, of_each) in masks.codes.items():
        yield ["codes", code, "slots"], slots
        yield ["codes", code, "masks"], of_each


def _masks_from(arrays: Iterable[tuple[list[str], Array]]) -> Masks:
    """The masks, from the arrays of `_mask_arrays`."""
    by_path = {tuple(path): array for path, array in arrays}
    codes = {path[1] for path in by_path if path[0] == "codes"}
    return Masks(
        {path[1]: array for path, array in by_path.items() if path[0] == "whole"},
        {
            code: (by_path["codes", code, "slots"], by_path["codes", code, "masks"])
            for code in codes
        },
        {(path[1], path[2]): array for path, array in by_path.items() if path[0] == "rows"},
    )
