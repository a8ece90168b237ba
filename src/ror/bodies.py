"""
The bodies that are asked for most, ready to go out in a bundle.

A store keeps bodies compressed; a page of 200 offers with everything around them needs about 900. Those read lately are
kept as they will go out, preceded by their address: `Location/12","resource":{…}`. What changes is forgotten at once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from ror.store.contract import Store

_OVERHEAD: Final = 120
"""Bytes that keeping one body costs besides the body."""


class Bodies:
    """
    Reads bodies through a cache of at most `capacity` bytes; those that nobody asked for lately make room.

    A page asks for a thousand bodies at once, so a hit must cost next to nothing: instead of moving each body to the
    end of a queue, asking marks it, and a mark saves it once when its turn to leave has come ("second chance").

    Safe to use from several threads.
    """

    def __init__(self, store: Store, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._asked: set[int] = set()
        self._size = 0
        self._generation = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def addressed(self, rids: Sequence[int]) -> list[bytes]:
        """The body of each rid after its relative address; b"" for what is no longer there."""
        with self._lock:
            generation = self._generation
            found = list(map(self._kept.get, rids))
            self._asked.update(rids)
        if all(found):
            self.hits += len(rids)
            return found  # type: ignore[return-value]  # nothing is None here
        missing = [rid for rid, body in zip(rids, found, strict=True) if body is None]
        self.hits += len(rids) - len(missing)
        self.misses += len(missing)
        read = dict(zip(missing, map(_addressed, self._store.bodies(missing)), strict=True))
        self._keep(read, generation)
        return [read[rid] if body is None else body for rid, body in zip(rids, found, strict=True)]

    def forget(self, rids: Iterable[int]) -> None:
        """Let go of bodies that changed."""
        with self._lock:
            self._generation += 1
            for rid in rids:
                self._asked.discard(rid)
                body = self._kept.pop(rid, None)
                if body is not None:
                    self._size -= len(body) + _OVERHEAD

    def _keep(self, read: dict[int, bytes], generation: int) -> None:
        with self._lock:
            # Having been asked for once, when it was not kept yet, is no reason to keep a body longer.
            self._asked.difference_update(read)
            # Something changed since the bodies were read: they may be old already.
            if generation != self._generation:
                return
            for rid, body in read.items():
                if body and rid not in self._kept:
                    self._kept[rid] = body
                    self._size += len(body) + _OVERHEAD
            while self._size > self._capacity:
                rid, body = self._kept.popitem(last=False)
                if rid in self._asked:
                    self._asked.remove(rid)
                    self._kept[rid] = body
                else:
                    self._size -= len(body) + _OVERHEAD


def _addressed(body: bytes) -> bytes:
    """The body after its address: bodies begin with their type and their id, in that order."""
    if not body:
        return b""
    parts = body.split(b'"', 8)
    return b'%b/%b","resource":%b' % (parts[3], parts[7], body)
