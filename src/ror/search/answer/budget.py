"""
The budget of a request: index entries, bytes of the response, processor time.

Each step declares its cost before it runs, under the name of its criterion. A step that would
exceed the budget raises an error that names the most costly criterion. Processor time is that of
the evaluating thread: a loaded machine is not the client's fault.

A request is first evaluated in the event loop, with a budget too small to delay other requests
(`brief_budget`). If it exceeds that budget, it is evaluated again in a thread, with its own budget
(docs/decisions/0029).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ror.errors import TooCostly
from ror.messages import shown

BRIEF_S: Final = 0.01
"""Seconds that the event loop may spend on one search: too few for another client to notice."""

BRIEF_ENTRIES: Final = 2_000_000
"""Entries that are read in less time, for criteria whose first step alone would take longer."""

BRIEF_BYTES: Final = 4_000_000
"""Bytes of bodies that the event loop may have to read from the store."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum cost of a request."""

    entries: float = float("inf")
    bytes: float = float("inf")
    seconds: float = float("inf")


NO_LIMITS: Final = Limits()


class Abandoned(Exception):
    """The client no longer waits for the response."""


class NotBrief(Exception):
    """The request costs too much for the event loop."""


class Budget:
    """The remaining budget of one request. Create it in the thread that evaluates the request."""

    __slots__ = (
        "_bytes",
        "_clock",
        "_costs",
        "_deadline",
        "_entries",
        "_limits",
        "_max_entries",
        "is_abandoned",
    )

    def __init__(
        self, limits: Limits = NO_LIMITS, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._limits = limits
        self._max_entries = limits.entries
        self._clock = clock
        self._deadline = clock() + limits.seconds
        self._entries = 0
        self._bytes = 0
        self._costs: dict[str, int] = {}
        self.is_abandoned = False
        """Set by another thread: the next step raises Abandoned."""

    def spend(self, entries: int, criterion: str) -> None:
        """
        Count entries that a criterion is about to read.

        Raises TooCostly beyond the budget, and Abandoned if the client has left.
        """
        self._entries += entries
        self._costs[criterion] = self._costs.get(criterion, 0) + entries
        if self._entries > self._max_entries:
            raise self._exceeded("budget.entries", limit=self._max_entries / 1_000_000)
        # Every step of every search runs this line: spare the call.
        if self._clock() > self._deadline or self.is_abandoned:
            self._check_time()

    def foresee(self, costs: Iterable[tuple[str, int]]) -> None:
        """
        Check the number of entries that each criterion will read, before any is read.

        Raises TooCostly, naming the most costly criterion, if their sum exceeds the budget.
        """
        expected: dict[str, int] = {}
        total = 0
        for criterion, entries in costs:
            expected[criterion] = expected.get(criterion, 0) + entries
            total += entries
            self._check_time()
        if total > self._limits.entries:
            self._costs = expected
            raise self._exceeded("budget.entries", limit=self._limits.entries / 1_000_000)

    def foresee_bytes(self, size: int) -> None:
        """Check the expected size of the response. Raises TooCostly beyond the budget."""
        if self._bytes + size > self._limits.bytes:
            raise self._exceeded("budget.bytes", limit=self._limits.bytes / 1_000_000)

    def spend_bytes(self, size: int) -> None:
        """Count bytes of the response. Raises as `spend` does."""
        self._bytes += size
        if self._bytes > self._limits.bytes:
            raise self._exceeded("budget.bytes", limit=self._limits.bytes / 1_000_000)
        self._check_time()

    def _check_time(self) -> None:
        if self._clock() > self._deadline:
            raise self._exceeded("budget.seconds", limit=self._limits.seconds)
        if self.is_abandoned:
            raise Abandoned

    def _exceeded(self, key: str, limit: float) -> Exception:
        name = max(self._costs, key=self._costs.__getitem__, default="-")
        return TooCostly(key, name=shown(name), limit=f"{limit:g}")


class BriefBudget(Budget):
    """A budget for the event loop: raises NotBrief if it is exceeded."""

    __slots__ = ()

    def foresee(self, costs: Iterable[tuple[str, int]]) -> None:
        """Do nothing: an estimate would cost more than a brief evaluation."""

    def foresee_bytes(self, size: int) -> None:
        if size > BRIEF_BYTES:
            raise NotBrief

    def spend_bytes(self, size: int) -> None:
        """Do nothing: the bodies are already read."""

    def _exceeded(self, key: str, limit: float) -> Exception:
        return NotBrief()


_BRIEF: Final = Limits(entries=BRIEF_ENTRIES, seconds=BRIEF_S)


def brief_budget() -> Budget:
    """The budget of an evaluation in the event loop, in elapsed time: other clients wait for it."""
    return BriefBudget(_BRIEF, time.perf_counter)
