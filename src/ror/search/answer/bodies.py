"""
The bodies that are asked for most, ready to go out in a bundle.

A store keeps bodies compressed; a page of 200 offers with everything around them needs 1,500. Those read lately are
kept as they will go out, preceded by their address: `Location/12","resource":{…}`. What changes is forgotten at once.

A body goes out as its viewer may see it. Whole bodies are kept once, for all who see the whole; a body that is cut is
kept for each profile that it was cut for. Whoever asks says which are (`search.view` knows), and the masks that come
with a body from the store have the last word.
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
from ror.store.contract import Kept, Rid, Seq, Store

_OVERHEAD: Final = 56
"""Bytes that keeping one body costs besides the body."""

_WHEN_KEPT: Final = 1
_WHEN_ASKED_AGAIN: Final = 2
"""How many times a body is spared when room is needed."""

_SWEPT_AT_ONCE: Final = 4_096

MAX_CHANGES: Final = 10_000
"""So many changes that nobody has seen yet are not told apart."""

_WHOLE: Final = ProfileMask(0)
"""The shelf of whole bodies; the others are named by the bit of a profile."""

Places = npt.NDArray[np.intp]


class AddressedBodies(NamedTuple):
    """Bodies after their relative addresses, `size` bytes in all, and the rids they are of, in the same order."""

    rids: Numbers
    bodies: Sequence[bytes]
    size: int


class BodyCache:
    """
    Reads bodies through a cache of at most `capacity` bytes; those that nobody asked for lately make room.

    Safe to use from several threads.
    """

    def __init__(self, store: Store, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self._shelves = {_WHOLE: _Shelf()}
        self._generation = 0
        self._reads = 0
        """How many times bodies came from the store."""
        self._written = _Written(Seq(-1), -1, -1, frozenset())
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """Bytes kept."""
        return sum(shelf.size for shelf in self._shelves.values())

    def addressed(
        self, rids: Numbers, viewer_mask: ProfileMask, altered: BitMap
    ) -> AddressedBodies:
        """
        The bodies of distinct rids, in this order, without those that are not there, or no longer for this viewer.

        `altered` are the resources of which this viewer sees some parts only.
        """
        if not len(rids):
            return AddressedBodies(rids, [], 0)
        is_cut = bitmaps.are_in(rids, altered)
        cut_at = np.flatnonzero(is_cut)
        with self._lock:
            generation = self._generation
            found, sizes = self._shelf(_WHOLE).look_up(rids)
            if len(cut_at):
                found[cut_at], sizes[cut_at] = self._shelf(viewer_mask).look_up(rids[cut_at])
        is_missing = sizes == 0
        self.misses += (missing := int(np.count_nonzero(is_missing)))
        self.hits += len(rids) - missing
        if missing:
            for name, of_shelf in ((_WHOLE, ~is_cut), (viewer_mask, is_cut)):
                at = np.flatnonzero(is_missing & of_shelf)
                if len(at):
                    found[at] = read = self._read(name, rids[at], viewer_mask, generation)
                    sizes[at] = [len(body) for body in read]
        if not sizes.all():
            there = sizes > 0
            rids, found = rids[there], found[there]
        return AddressedBodies(rids, found.tolist(), int(sizes.sum()))

    def changed_since(self, seq: Seq) -> frozenset[Rid] | None:
        """
        `written_since`, cheap while nothing is written; to be asked after `addressed`, of what it gave.

        Bodies that are at hand by now may be newer than a view, for what it says of these rids. While none came from
        the store since this was asked last, none of them can be newer than the store was then.
        """
        reads, known = self._reads, self._written
        if known.seq != seq or known.reads != reads:
            signal = self._store.change_signal()
            is_still = known.seq == seq and known.signal == signal
            rids = known.rids if is_still else written_since(self._store, seq)
            known = self._written = _Written(seq, reads, signal, rids)
        return known.rids

    def forget(self, rids: Iterable[Rid]) -> None:
        """Let go of bodies that changed."""
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
        """The bodies of rids from the store, empty where there is none; they are on a shelf from now on."""
        kept = self._store.bodies(rids.tolist())
        read = [_addressed(one, viewer_mask) if one else b"" for one in kept]
        with self._lock:
            # Before anybody is given them: what is newer than a view must be noticed.
            self._reads += 1
            # What was read before something changed may be old already.
            if generation == self._generation:
                for rid, one, body in zip(rids.tolist(), kept, read, strict=True):
                    # It may have other masks by now than whoever asked knew: then it belongs on another shelf.
                    if one is not None and bool(hidden_codes(one.visibility, viewer_mask)) == (
                        name != _WHOLE
                    ):
                        self._shelf(name).keep(rid, body)
                self._make_room()
        return read

    def _make_room(self) -> None:
        """Let go of what was not asked for lately, from the largest shelf, until the rest is within the capacity."""
        while (excess := self.size - self._capacity) > 0:
            max(self._shelves.values(), key=lambda shelf: shelf.size).sweep(excess)


class _Written(NamedTuple):
    """What was written after a change, `seq`, as it was known after so many reads, at a signal of the store."""

    seq: Seq
    reads: int
    signal: int
    rids: frozenset[Rid] | None


def written_since(store: Store, seq: Seq) -> frozenset[Rid] | None:
    """The rids of what was written after a change of the log; None when there are too many to tell them apart."""
    changes = store.changes_after(seq, MAX_CHANGES)
    return frozenset(change.rid for change in changes) if len(changes) < MAX_CHANGES else None


class _Shelf:
    """
    Bodies at the places of their rids.

    What is known of a rid stands at its place in a few arrays: a page is looked up, measured and marked as asked for by
    as many operations, instead of one for each of its thousand bodies. When room is needed a hand goes round the places
    ("clock"): it spares a body as many times as the body has marks, taking one each time.
    """

    def __init__(self) -> None:
        self._bodies: npt.NDArray[Any] = np.empty(0, object)
        self._sizes = np.zeros(0, np.uint32)
        """Bytes of each body that is kept; 0 where there is none."""
        self._marks = np.zeros(0, np.uint8)
        self._hand = 0
        self.size = 0

    def look_up(self, rids: Numbers) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32]]:
        """The bodies of rids and their sizes, 0 for what is not here."""
        places = rids.astype(np.intp)
        self._make_places(int(places.max()) + 1)
        self._marks[places] = _WHEN_ASKED_AGAIN
        return self._bodies[places], self._sizes[places]

    def keep(self, rid: Rid, body: bytes) -> None:
        """Put a body at its place, unless there is none, or one already."""
        if body and not self._sizes[rid]:
            self._bodies[rid], self._sizes[rid], self._marks[rid] = body, len(body), _WHEN_KEPT
            self.size += len(body) + _OVERHEAD

    def drop(self, places: Places) -> None:
        """Let go of what is at these places."""
        places = places[places < len(self._sizes)]
        kept = places[self._sizes[places] > 0]
        self.size -= int(self._sizes[kept].sum()) + _OVERHEAD * len(kept)
        self._bodies[kept], self._sizes[kept] = None, 0

    def sweep(self, excess: int) -> None:
        """Move the hand on over some places, letting go of no more than is needed to free `excess` bytes."""
        start, end = self._hand, min(self._hand + _SWEPT_AT_ONCE, len(self._sizes))
        leaving = start + np.flatnonzero(
            (self._sizes[start:end] > 0) & (self._marks[start:end] == 0)
        )
        freed = np.cumsum(self._sizes[leaving].astype(np.int64) + _OVERHEAD)
        enough = int(np.searchsorted(freed, excess)) + 1
        if enough < len(leaving):
            leaving = leaving[:enough]
            end = int(leaving[-1]) + 1
        self.drop(leaving)
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


def _addressed(kept: Kept, viewer_mask: ProfileMask) -> bytes:
    """A body with its version, after its address, as a profile may see it; b"" when it may not."""
    if not may_see(kept.visibility, viewer_mask):
        return b""
    hidden = hidden_codes(kept.visibility, viewer_mask)
    body = cut(kept.body, kept.plan, hidden) if hidden else kept.body
    # Bodies begin with their type and their id, in that order.
    parts = body.split(b'"', 8)
    whole = with_version(body, kept.version, instant_text(kept.last_updated))
    return b'%b/%b","resource":%b' % (parts[3], parts[7], whole)
