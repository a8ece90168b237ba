"""
The bodies that are asked for most, ready to go out in a bundle.

A store keeps bodies compressed; a page of 200 offers with everything around them needs 1,500. Those read lately are
kept as they will go out, preceded by their address: `Location/12","resource":{…}`. What changes is forgotten at once.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ror.search.bitmaps import Numbers
from ror.store.contract import Store

_OVERHEAD: Final = 56
"""Bytes that keeping one body costs besides the body."""

_WHEN_KEPT: Final = 1
_WHEN_ASKED_AGAIN: Final = 2
"""How many times a body is spared when room is needed."""

_SWEPT_AT_ONCE: Final = 4_096

Places = npt.NDArray[np.intp]


class Addressed(NamedTuple):
    """Bodies after their relative addresses, `size` bytes in all, and the rids they are of, in the same order."""

    rids: Numbers
    bodies: Sequence[bytes]
    size: int


class Bodies:
    """
    Reads bodies through a cache of at most `capacity` bytes; those that nobody asked for lately make room.

    What is known of a rid stands at its place in a few arrays: a page is looked up, measured and marked as asked for by
    as many operations, instead of one for each of its thousand bodies. When room is needed a hand goes round the places
    ("clock"): it spares a body as many times as the body has marks, taking one each time.

    Safe to use from several threads.
    """

    def __init__(self, store: Store, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self._bodies: npt.NDArray[Any] = np.empty(0, object)
        self._sizes = np.zeros(0, np.uint32)
        """Bytes of each body that is kept; 0 where there is none."""
        self._marks = np.zeros(0, np.uint8)
        self._hand = 0
        self._size = 0
        self._generation = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def addressed(self, rids: Numbers) -> Addressed:
        """The bodies of distinct rids, in this order, without those that are no longer there."""
        if not len(rids):
            return Addressed(rids, [], 0)
        places = rids.astype(np.intp)
        with self._lock:
            self._make_places(int(rids.max()) + 1)
            generation = self._generation
            sizes = self._sizes[places]
            found: list[bytes] = self._bodies[places].tolist()
            self._marks[places] = _WHEN_ASKED_AGAIN
        kept = int(np.count_nonzero(sizes))
        self.hits += kept
        if kept == len(rids):
            return Addressed(rids, found, int(sizes.sum()))
        self.misses += len(rids) - kept
        missing = np.flatnonzero(sizes == 0)
        for at, body in zip(missing.tolist(), self._read(rids[missing], generation), strict=True):
            found[at], sizes[at] = body, len(body)
        if sizes.all():
            return Addressed(rids, found, int(sizes.sum()))
        return Addressed(rids[sizes > 0], [body for body in found if body], int(sizes.sum()))

    def forget(self, rids: Iterable[int]) -> None:
        """Let go of bodies that changed."""
        changed = np.fromiter(rids, np.intp)
        with self._lock:
            self._generation += 1
            self._drop(changed[changed < len(self._sizes)])

    def _read(self, rids: Numbers, generation: int) -> list[bytes]:
        """The bodies of rids from the store, empty where there is none; they are kept from now on."""
        read = list(map(_addressed, self._store.bodies(rids.tolist())))
        with self._lock:
            # What was read before something changed may be old already.
            if generation == self._generation:
                for rid, body in zip(rids.tolist(), read, strict=True):
                    self._keep(rid, body)
                self._make_room()
        return read

    def _keep(self, rid: int, body: bytes) -> None:
        if body and not self._sizes[rid]:
            self._bodies[rid], self._sizes[rid], self._marks[rid] = body, len(body), _WHEN_KEPT
            self._size += len(body) + _OVERHEAD

    def _drop(self, places: Places) -> None:
        kept = places[self._sizes[places] > 0]
        self._size -= int(self._sizes[kept].sum()) + _OVERHEAD * len(kept)
        self._bodies[kept], self._sizes[kept] = None, 0

    def _make_room(self) -> None:
        """Move the hand on until what is kept is within the capacity."""
        while (excess := self._size - self._capacity) > 0:
            start, end = self._hand, min(self._hand + _SWEPT_AT_ONCE, len(self._sizes))
            leaving = start + np.flatnonzero((self._sizes[start:end] > 0) & (self._marks[start:end] == 0))
            freed = np.cumsum(self._sizes[leaving].astype(np.int64) + _OVERHEAD)
            enough = int(np.searchsorted(freed, excess)) + 1
            if enough < len(leaving):
                leaving = leaving[:enough]
                end = int(leaving[-1]) + 1
            self._drop(leaving)
            self._marks[start:end] -= self._marks[start:end] > 0
            self._hand = end if end < len(self._sizes) else 0

    def _make_places(self, count: int) -> None:
        """Have a place for each rid below `count`."""
        if count > len(self._sizes):
            # Some for those to come, so that a growing directory seldom makes new arrays.
            more = count + count // 8 - len(self._sizes)
            self._bodies = np.concatenate((self._bodies, np.full(more, None)))
            self._sizes = np.concatenate((self._sizes, np.zeros(more, np.uint32)))
            self._marks = np.concatenate((self._marks, np.zeros(more, np.uint8)))


def _addressed(body: bytes) -> bytes:
    """The body after its address: bodies begin with their type and their id, in that order."""
    if not body:
        return b""
    parts = body.split(b'"', 8)
    return b'%b/%b","resource":%b' % (parts[3], parts[7], body)
