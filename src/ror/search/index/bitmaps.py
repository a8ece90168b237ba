"""
Fast conversion between Roaring bitmaps and numpy arrays.

pyroaring reads a numpy array value by value. Writing the portable serialised form here and having
CRoaring read it is 20 to 100 times faster, and this is the inner loop of every search.
Source of the format: https://github.com/RoaringBitmap/RoaringFormatSpec.
"""

import struct
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

Numbers = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_NO_RUN_COOKIE: Final = 12346
_CONTAINER: Final = 1 << 16
_ARRAY_LIMIT: Final = 4096
"""A container with more values than this is a bitset, with fewer an array of 16-bit numbers."""
_FEW: Final = 1000
"""Up to this many numbers, adding them one by one is as fast."""
_SPARSE: Final = 16
"""If fewer than one in this many numbers is present, sort the numbers; otherwise make a mask."""
_SCATTERED: Final = 256
"""If fewer than one in this many numbers is tested, search for each; otherwise make a mask."""


def of_sorted(numbers: Numbers) -> BitMap:
    """The set of numbers in ascending order, without repetition."""
    if len(numbers) <= _FEW:
        return _of_few(numbers)
    first_key, last_key = int(numbers[0]) >> 16, int(numbers[-1]) >> 16
    if len(numbers) * _SPARSE > int(numbers[-1]):
        return of_mask(_mask(numbers, int(numbers[-1]) + 1))
    edges = np.arange(first_key + 1, last_key + 1, dtype=np.uint32) << 16
    bounds = [0, *np.searchsorted(numbers, edges).tolist(), len(numbers)]
    low = numbers.astype("<u2")
    present = [
        (key, low[start:end])
        for key, start, end in zip(range(first_key, last_key + 1), bounds, bounds[1:], strict=False)
        if start < end
    ]
    keys, parts = zip(*present, strict=True)
    return _assembled(keys, [len(part) for part in parts], [_container(part) for part in parts])


def of_any(numbers: Numbers, size: int) -> BitMap:
    """The set of numbers in any order, with repetition; all are less than `size`."""
    if len(numbers) <= _FEW:
        return _of_few(np.sort(numbers))
    if len(numbers) * _SPARSE > size:
        return of_mask(_mask(numbers, size))
    ordered = np.sort(numbers)
    fresh = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    return of_sorted(ordered[fresh])


def of_mask(mask: Mask) -> BitMap:
    """The set of positions at which the mask is true."""
    parts = [mask[start : start + _CONTAINER] for start in range(0, len(mask), _CONTAINER)]
    counted = [(key, int(np.count_nonzero(part))) for key, part in enumerate(parts)]
    present = [(key, count) for key, count in counted if count]
    return _assembled(
        [key for key, _ in present],
        [count for _, count in present],
        [_container_of_mask(parts[key], count) for key, count in present],
    )


def numbers_of(bitmap: BitMap) -> Numbers:
    """The members in ascending order."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint32)


def are_in(numbers: Numbers, bitmap: BitMap) -> Mask:
    """Which of the numbers are members."""
    if not bitmap:
        return np.zeros(len(numbers), dtype=np.bool_)
    members = numbers_of(bitmap)
    if len(numbers) * _SCATTERED < members[-1]:
        by_search: Mask = members.take(members.searchsorted(numbers), mode="clip") == numbers
        return by_search
    # The mask has one empty position more: numbers beyond the greatest member are clipped to it.
    by_mask: Mask = _mask(members, int(members[-1]) + 2).take(numbers, mode="clip")
    return by_mask


def _mask(numbers: Numbers, size: int) -> Mask:
    mask = np.zeros(size, dtype=np.bool_)
    # Indexing by any other integer type is three times slower.
    mask[numbers.astype(np.intp)] = True
    return mask


def _of_few(numbers: Numbers) -> BitMap:
    # The order does not matter, but adding ascending numbers is three times faster.
    few = array("I")
    few.frombytes(np.ascontiguousarray(numbers, dtype=np.uint32).tobytes())
    return BitMap(few)


def _container(low: npt.NDArray[np.uint16]) -> bytes:
    if len(low) <= _ARRAY_LIMIT:
        return low.tobytes()
    bits = np.zeros(_CONTAINER, dtype=np.bool_)
    bits[low] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _container_of_mask(part: Mask, count: int) -> bytes:
    if count <= _ARRAY_LIMIT:
        return np.flatnonzero(part).astype("<u2").tobytes()
    return np.packbits(part, bitorder="little").tobytes().ljust(_CONTAINER // 8, b"\0")


def _assembled(keys: Sequence[int], cardinalities: list[int], containers: list[bytes]) -> BitMap:
    header = [struct.pack("<II", _NO_RUN_COOKIE, len(keys))]
    header += [
        struct.pack("<HH", key, cardinality - 1)
        for key, cardinality in zip(keys, cardinalities, strict=True)
    ]
    offset = 8 + 8 * len(keys)
    for container in containers:
        header.append(struct.pack("<I", offset))
        offset += len(container)
    return BitMap.deserialize(b"".join(header + containers))
