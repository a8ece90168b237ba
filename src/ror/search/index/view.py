"""
The directory at one moment: one large segment, small segments for later changes, and the live
resources of each.

A view is immutable, so that a request sees the same directory from beginning to end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pyroaring import BitMap

from ror.access.policy import ProfileMask
from ror.search.index.columns import Column
from ror.search.index.segment import ColumnName, Segment
from ror.standard.definitions import RESOURCE_TYPES
from ror.standard.instants import NO_DATE, Micros
from ror.store.contract import NO_CHANGE, Seq

HIDDEN: Final = "hidden"
REFERS_TO_HIDDEN: Final = "refers-to-hidden"
CARRIED: Final = (HIDDEN, REFERS_TO_HIDDEN)
"""Sets whose cache name ends with one of these are passed on to later views."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment in a view, and its members that a later segment replaces."""

    segment: Segment
    dead: BitMap


@dataclass(frozen=True)
class View:
    """
    The index at one moment: `seq` is its last change, and every rid is less than `size`.

    `last_updated` is the instant of that change; 0 if there is none.
    """

    parts: tuple[Part, ...]
    seq: Seq
    size: int
    last_updated: Micros = NO_DATE
    cache: dict[Any, BitMap] = field(default_factory=dict, compare=False)
    """The sets computed for this view, by name."""
    earlier: "Earlier | None" = field(default=None, compare=False)
    rewritten: dict[Any, dict[int, tuple[bytes, bytes]]] = field(
        default_factory=dict, compare=False
    )

    def of_type(self, resource_type: str) -> BitMap:
        """Every live resource of a type. Callers must not change the set."""
        return self.cached(
            ("type", resource_type), lambda segment: segment.types.get(resource_type, BitMap())
        )

    def resources(self) -> int:
        """The number of live resources."""
        return sum(len(self.of_type(resource_type)) for resource_type in RESOURCE_TYPES)

    def hidden(self, viewer_mask: ProfileMask) -> BitMap:
        """The live resources that a viewer may not see. Callers must not change the set."""
        return self.cached(
            ("hidden", viewer_mask), lambda segment: segment.masks.hidden(viewer_mask)
        )

    def altered(self, viewer_mask: ProfileMask) -> BitMap:
        """The live resources that a viewer sees with parts removed."""
        return self.cached(
            ("altered", viewer_mask), lambda segment: segment.masks.altered(viewer_mask)
        )

    def with_facts(self, facts: int) -> BitMap:
        """The live resources that have any of these access facts."""
        return self.cached(("facts", facts), lambda segment: segment.masks.with_facts(facts))

    def cached(self, name: Any, of_segment: Callable[[Segment], BitMap]) -> BitMap:
        """The live members of a set of each segment, computed once for each name."""
        rids = self.cache.get(name)
        if rids is None:
            rids = BitMap()
            for part in self.parts:
                rids |= of_segment(part.segment) - part.dead
            self.cache[name] = rids
        return rids

    def columns(self, name: ColumnName) -> Iterator[tuple[Part, Column]]:
        """The column of a parameter in each segment that has it."""
        for part in self.parts:
            column = part.segment.columns.get(name)
            if column is not None:
                yield part, column

    def with_segment(self, fresh: Segment, seq: Seq, last_updated: Micros = NO_DATE) -> "View":
        """This view with one more segment, whose members replace those of earlier segments."""
        parts = tuple(
            Part(part.segment, part.dead | (part.segment.members & fresh.members))
            for part in self.parts
        )
        size = max(self.size, fresh.members.max() + 1 if fresh.members else 0)
        return View(
            (*parts, Part(fresh, BitMap())),
            seq,
            size,
            last_updated,
            earlier=self._carried(fresh.members),
        )

    def with_merged(self, group: slice, merged: Segment) -> "View":
        """This view with one segment instead of a group of segments."""
        # Members that later segments replaced stay replaced.
        later = BitMap()
        for part in self.parts[group.stop :]:
            later |= part.segment.members
        middle = Part(merged, merged.members & later)
        parts = (*self.parts[: group.start], middle, *self.parts[group.stop :])
        return View(parts, self.seq, self.size, self.last_updated, earlier=self.earlier)

    def _carried(self, changed: BitMap) -> "Earlier | None":
        """The cache for the next view, in which these resources changed."""
        # Copied first, because another thread may add a set.
        cache = {name: rids for name, rids in self.cache.copy().items() if name[-1] in CARRIED}
        if any(name[-1] == REFERS_TO_HIDDEN for name in cache):
            return Earlier(cache, changed)
        return Earlier(self.earlier.cache, self.earlier.changed | changed) if self.earlier else None

    def memory_bytes(self) -> int:
        """The bytes of the arrays, in memory or mapped."""
        return sum(part.segment.memory_bytes() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Earlier:
    """
    The cache of an earlier view, most of which is still valid, and the resources that changed
    since.
    """

    cache: dict[Any, BitMap]
    changed: BitMap


EMPTY: Final = View((), NO_CHANGE, 0)
