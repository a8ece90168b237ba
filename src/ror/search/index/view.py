"""
What the directory was at one moment: one large segment, a few small ones for what changed since, what of each is alive.

A view is immutable, so that a request that started on it ends on it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pyroaring import BitMap

from ror.search.index.columns import Column
from ror.search.index.segment import ColumnName, Segment
from ror.standard.definitions import RESOURCE_TYPES

HIDDEN: Final = "hidden"
ASTRAY: Final = "astray"
CARRIED: Final = (HIDDEN, ASTRAY)
"""What the engine finds out about a view under names that end so is handed on to the views after it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment in a view, and those of its members that a later segment replaces."""

    segment: Segment
    dead: BitMap


@dataclass(frozen=True)
class View:
    """The index at one moment: `seq` is the last change it holds, and every rid is less than `size`."""

    parts: tuple[Part, ...]
    seq: int
    size: int
    known: dict[Any, BitMap] = field(default_factory=dict, compare=False)
    """What was found out about this view and holds as long as it does, by whatever names it."""
    earlier: "Earlier | None" = field(default=None, compare=False)
    rewritten: dict[Any, dict[int, tuple[bytes, bytes]]] = field(
        default_factory=dict, compare=False
    )

    def of_type(self, resource_type: str) -> BitMap:
        """Every live resource of a type. Do not change the set that is returned."""
        return self.remembered(
            ("type", resource_type), lambda segment: segment.types.get(resource_type, BitMap())
        )

    def resources(self) -> int:
        """How many live resources there are."""
        return sum(len(self.of_type(one)) for one in RESOURCE_TYPES)

    def hidden(self, profile: int) -> BitMap:
        """The live resources that a profile, given as its bit, may not see. Do not change the set that is returned."""
        return self.remembered(("hidden", profile), lambda segment: segment.masks.hidden(profile))

    def altered(self, profile: int) -> BitMap:
        """The live resources of which a profile sees some parts only."""
        return self.remembered(("altered", profile), lambda segment: segment.masks.altered(profile))

    def with_facts(self, facts: int) -> BitMap:
        """The live resources for which any of these facts holds."""
        return self.remembered(("facts", facts), lambda segment: segment.masks.with_facts(facts))

    def remembered(self, name: Any, of_segment: Callable[[Segment], BitMap]) -> BitMap:
        """What is alive of a set that each segment has, found once for each name."""
        found = self.known.get(name)
        if found is None:
            found = BitMap()
            for part in self.parts:
                found |= of_segment(part.segment) - part.dead
            self.known[name] = found
        return found

    def columns(self, name: ColumnName) -> Iterator[tuple[Part, Column]]:
        """The column of a parameter in each segment that has it."""
        for part in self.parts:
            column = part.segment.columns.get(name)
            if column is not None:
                yield part, column

    def with_segment(self, fresh: Segment, seq: int) -> "View":
        """This view, after a segment whose members replace what the others know of them."""
        parts = tuple(
            Part(part.segment, part.dead | (part.segment.members & fresh.members))
            for part in self.parts
        )
        size = max(self.size, fresh.members.max() + 1 if fresh.members else 0)
        return View(
            (*parts, Part(fresh, BitMap())), seq, size, earlier=self._carried(fresh.members)
        )

    def with_merged(self, group: slice, merged: Segment) -> "View":
        """This view with one segment in the place of a group of them."""
        # What later segments replace in the group stays replaced.
        later = BitMap()
        for part in self.parts[group.stop :]:
            later |= part.segment.members
        middle = Part(merged, merged.members & later)
        parts = (*self.parts[: group.start], middle, *self.parts[group.stop :])
        return View(parts, self.seq, self.size, earlier=self.earlier)

    def _carried(self, changed: BitMap) -> "Earlier | None":
        """What a view after this one, in which these resources changed, starts from."""
        # A copy: another thread may be finding something out.
        known = {name: found for name, found in self.known.copy().items() if name[-1] in CARRIED}
        if any(name[-1] == ASTRAY for name in known):
            return Earlier(known, changed)
        return Earlier(self.earlier.known, self.earlier.changed | changed) if self.earlier else None

    def memory_bytes(self) -> int:
        """Bytes of the arrays, mapped ones included."""
        return sum(part.segment.memory_bytes() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was found out about a view before, and the resources that changed since: most of it still holds."""

    known: dict[Any, BitMap]
    changed: BitMap


EMPTY: Final = View((), 0, 0)
