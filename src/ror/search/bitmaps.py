"""
Roaring bitmaps to and from numpy arrays, fast.

pyroaring reads a numpy array value by value. Writing the portable serialised form ourselves and letting CRoaring read
it is 20 to 100 times faster, and this is the inner loop of every search.
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
"""A container of more values than this is a bitset, of fewer an array of 16-bit numbers."""
_FEW: Final = 2000
"""Up to here, handing the numbers over one by one is as fast."""


def of_sorted(numbers: Numbers) -> BitMap:
    """The set of numbers that are in ascending order, without repetition."""
    if len(numbers) <= _FEW:
        return _of_few(numbers)
    first_key, last_key = int(numbers[0]) >> 16, int(numbers[-1]) >> 16
    bounds = np.searchsorted(numbers, np.arange(first_key, last_key + 2, dtype=np.uint64) << 16).tolist()
    low = numbers.astype("<u2")
    present = [
        (key, low[start:end])
        for key, start, end in zip(range(first_key, last_key + 1), bounds, bounds[1:], strict=False)
        if start < end
    ]
    keys, parts = zip(*present, strict=True)
    return _assembled(keys, [len(part) for part in parts], [_container(part) for part in parts])


def of_any(numbers: Numbers, size: int) -> BitMap:
    """The set of numbers in any order, with repetitions; all are less than `size`."""
    if len(numbers) <= _FEW:
        return _of_few(np.sort(numbers))
    mask = np.zeros(size, dtype=np.bool_)
    mask[numbers] = True
    return of_mask(mask)


def of_mask(mask: Mask) -> BitMap:
    """The set of the places where the mask is true."""
    return of_sorted(np.flatnonzero(mask).astype(np.uint32))


def numbers_of(bitmap: BitMap) -> Numbers:
    """The members in ascending order."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint32)


def mask_of(bitmap: BitMap, size: int) -> Mask:
    """A mask of `size` places, true at the members; every member is less than `size`."""
    mask = np.zeros(size, dtype=np.bool_)
    mask[numbers_of(bitmap)] = True
    return mask


def _of_few(numbers: Numbers) -> BitMap:
    # In any order as well, but adding numbers that ascend is three times faster.
    few = array("I")
    few.frombytes(np.ascontiguousarray(numbers, dtype=np.uint32).tobytes())
    return BitMap(few)


def _container(low: npt.NDArray[np.uint16]) -> bytes:
    if len(low) <= _ARRAY_LIMIT:
        return low.tobytes()
    bits = np.zeros(_CONTAINER, dtype=np.bool_)
    bits[low] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _assembled(keys: Sequence[int], cardinalities: list[int], containers: list[bytes]) -> BitMap:
    header = [struct.pack("<II", _NO_RUN_COOKIE, len(keys))]
    header += [struct.pack("<HH", key, cardinality - 1) for key, cardinality in zip(keys, cardinalities, strict=True)]
    offset = 8 + 8 * len(keys)
    for container in containers:
        header.append(struct.pack("<I", offset))
        offset += len(container)
    return BitMap.deserialize(b"".join(header + containers))
