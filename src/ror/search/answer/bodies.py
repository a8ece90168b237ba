"""
The cache of bodies, ready to be sent in a Bundle.

A store keeps bodies compressed, and a page of 200 offers with its included resources needs 1,500 of
them. The cache has recently read bodies in the form in which a Bundle contains them, after their
relative address: `Location/12","resource":{…}`. A change drops the body at once.

A whole body is cached once for all viewers who may see all of it; a body with hidden parts is
cached for each profile that it was cut for. The caller says which bodies have hidden parts, from
the masks of its view; the masks that the store returns with a body decide.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from ror.access.cutting import cut, hidden_codes, may_see
from ror.access.policy import ProfileMask
from ror.resources.versions import with_version
from ror.search.index import bitmaps
from ror.search.index.bitmaps import Numbers
from ror.search.language.values import instant_text
from ror.store.contract import CurrentBody, Rid, Seq, Store

_OVERHEAD: Final = 56
"""Bytes that one cached body takes besides the body."""

_MARKS_WHEN_ADDED: Final = 1
_MARKS_WHEN_READ: Final = 2
"""How many times eviction spares a body."""

_SWEEP_SIZE: Final = 4_096

MAX_CHANGES: Final = 10_000
"""With this many changes since a view, every resource counts as changed."""

_WHOLE: Final = ProfileMask(0)
"""The key of the shelf of whole bodies; the key of another is the bit of its profile."""

Places = npt.NDArray[np.intp]


class AddressedBodies(NamedTuple):
    """Bodies after their relative addresses, their rids in the same order, their total size."""

    rids: Numbers
    bodies: Sequence[bytes]
    size: int


class BodyCache:
    """
    Reads bodies through a cache of at most `capacity` bytes; evicts those not read recently.

    Safe to use from several threads.
    """

    def __init__(self, store: Store, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self._shelves = {_WHOLE: _Shelf()}
        self._generation = 0
        self._reads = 0
        """How many times the cache read from the store."""
        self._written = _Written(Seq(-1), -1, -1, frozenset())
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """Bytes of the cached bodies."""
        return sum(shelf.size for shelf in self._shelves.values())

    def addressed(
        self, rids: Numbers, viewer_mask: ProfileMask, altered: BitMap
    ) -> AddressedBodies:
        """
        The bodies of distinct rids, in this order, without those that are absent or hidden.

        `altered` are the resources with parts that this viewer may not see.
        """
        if not len(rids):
            return AddressedBodies(rids, [], 0)
        is_cut = bitmaps.are_in(rids, altered)
        cut_at = np.flatnonzero(is_cut)
        with self._lock:
            generation = self._generation
            bodies, sizes = self._shelf(_WHOLE).look_up(rids)
            if len(cut_at):
                bodies[cut_at], sizes[cut_at] = self._shelf(viewer_mask).look_up(rids[cut_at])
        is_missing = sizes == 0
        self.misses += (missing := int(np.count_nonzero(is_missing)))
        self.hits += len(rids) - missing
        if missing:
            for name, of_shelf in ((_WHOLE, ~is_cut), (viewer_mask, is_cut)):
                at = np.flatnonzero(is_missing & of_shelf)
                if len(at):
                    bodies[at] = read = self._read(name, rids[at], viewer_mask, generation)
                    sizes[at] = [len(body) for body in read]
        if not sizes.all():
            is_present = sizes > 0
            rids, bodies = rids[is_present], bodies[is_present]
        return AddressedBodies(rids, bodies.tolist(), int(sizes.sum()))

    def changed_since(self, seq: Seq) -> frozenset[Rid] | None:
        """
        `written_since`, cheap while nothing is written; call it after `addressed`.

        Cached bodies may be newer than a view: the result says which may be. If no body was read
        from the store since the last call, none is newer than the store was then.
        """
        reads, written = self._reads, self._written
        if written.seq != seq or written.reads != reads:
            signal = self._store.change_signal()
            is_unchanged = written.seq == seq and written.signal == signal
            rids = written.rids if is_unchanged else written_since(self._store, seq)
            written = self._written = _Written(seq, reads, signal, rids)
        return written.rids

    def forget(self, rids: Iterable[Rid]) -> None:
        """Drop bodies that changed."""
        changed = np.fromiter(rids, np.intp)
        with self._lock:
            self._generation += 1
            for shelf in self._shelves.values():
                shelf.drop(changed)

    def _shelf(self, name: ProfileMask) -> "_Shelf":
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = _Shelf()
        return shelf

    def _read(
        self, name: ProfileMask, rids: Numbers, viewer_mask: ProfileMask, generation: int
    ) -> list[bytes]:
        """The bodies of rids from the store, now cached; b"" for an absent body."""
        records = self._store.bodies(rids.tolist())
        read = [_addressed(record, viewer_mask) if record else b"" for record in records]
        with self._lock:
            # Before the bodies are returned: `changed_since` must notice bodies newer than a view.
            self._reads += 1
            # A body read before a change may be outdated.
            if generation == self._generation:
                for rid, record, body in zip(rids.tolist(), records, read, strict=True):
                    # Its masks may have changed since the view: then it belongs on another shelf.
                    if record is not None and bool(
                        hidden_codes(record.visibility, viewer_mask)
                    ) == (name != _WHOLE):
                        self._shelf(name).add(rid, body)
                self._make_room()
        return read

    def _make_room(self) -> None:
        """Evict bodies from the largest shelf until the cache is within its capacity."""
        while (excess := self.size - self._capacity) > 0:
            max(self._shelves.values(), key=lambda shelf: shelf.size).sweep(excess)


class _Written(NamedTuple):
    """The rids written after the change `seq`, valid for a count of reads and a store signal."""

    seq: Seq
    reads: int
    signal: int
    rids: frozenset[Rid] | None


def written_since(store: Store, seq: Seq) -> frozenset[Rid] | None:
    """The rids of the resources written after a change of the log; None if there are too many."""
    changes = store.changes_after(seq, MAX_CHANGES)
    return frozenset(change.rid for change in changes) if len(changes) < MAX_CHANGES else None


class _Shelf:
    """
    Bodies indexed by their rids.

    A few arrays, indexed by rid, have the body, its size and its marks: one operation on each array
    reads, measures and marks a page, instead of one for each of its thousand bodies. Eviction is
    the clock algorithm: a hand goes round the arrays, takes a mark from each body that has any and
    evicts the others.
    """

    def __init__(self) -> None:
        self._bodies: npt.NDArray[Any] = np.empty(0, object)
        self._sizes = np.zeros(0, np.uint32)
        """Bytes of each body; 0 if it is not cached."""
        self._marks = np.zeros(0, np.uint8)
        self._hand = 0
        self.size = 0

    def look_up(self, rids: Numbers) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32]]:
        """The bodies of rids and their sizes, 0 for a body that is not cached."""
        places = rids.astype(np.intp)
        self._make_places(int(places.max()) + 1)
        self._marks[places] = _MARKS_WHEN_READ
        return self._bodies[places], self._sizes[places]

    def add(self, rid: Rid, body: bytes) -> None:
        """Cache a body, unless it is empty or cached already."""
        if body and not self._sizes[rid]:
            self._bodies[rid], self._sizes[rid], self._marks[rid] = (
                body,
                len(body),
                _MARKS_WHEN_ADDED,
            )
            self.size += len(body) + _OVERHEAD

    def drop(self, places: Places) -> None:
        """Drop the bodies at these places."""
        places = places[places < len(self._sizes)]
        cached = places[self._sizes[places] > 0]
        self.size -= int(self._sizes[cached].sum()) + _OVERHEAD * len(cached)
        self._bodies[cached], self._sizes[cached] = None, 0

    def sweep(self, excess: int) -> None:
        """Move the hand over some places and evict bodies until `excess` bytes are free."""
        start, end = self._hand, min(self._hand + _SWEEP_SIZE, len(self._sizes))
        evicted = start + np.flatnonzero(
            (self._sizes[start:end] > 0) & (self._marks[start:end] == 0)
        )
        freed = np.cumsum(self._sizes[evicted].astype(np.int64) + _OVERHEAD)
        enough = int(np.searchsorted(freed, excess)) + 1
        if enough < len(evicted):
            evicted = evicted[:enough]
            end = int(evicted[-1]) + 1
        self.drop(evicted)
        self._marks[start:end] -= self._marks[start:end] > 0
        self._hand = end if end < len(self._sizes) else 0

    def _make_places(self, count: int) -> None:
        """Extend the arrays to at least `count` places."""
        if count > len(self._sizes):
            # Some spare places, so that a growing directory seldom copies the arrays.
            more = count + count // 8 - len(self._sizes)
            self._bodies = np.concatenate((self._bodies, np.full(more, None)))
            self._sizes = np.concatenate((self._sizes, np.zeros(more, np.uint32)))
            self._marks = np.concatenate((self._marks, np.zeros(more, np.uint8)))


def _addressed(record: CurrentBody, viewer_mask: ProfileMask) -> bytes:
    """A body with its version, after its address, cut for a profile; b"" if it is hidden."""
    if not may_see(record.visibility, viewer_mask):
        return b""
    hidden = hidden_codes(record.visibility, viewer_mask)
    body = cut(record.body, record.plan, hidden) if hidden else record.body
    # A body begins with its type and its id, in that order.
    parts = body.split(b'"', 8)
    whole = with_version(body, record.version, instant_text(record.last_updated))
    return b'%b/%b","resource":%b' % (parts[3], parts[7], whole)
