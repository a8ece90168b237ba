"""
Responses that wait for clients to read them: a time limit, and a limit on the memory they hold.

A response stays in memory until the client has read its last byte. A client that reads nothing
for a while is disconnected. When all waiting responses together exceed the limit, those whose
clients read slowest are dropped first: a client that reads at a normal pace keeps its response.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from ror.observability import Log

_CHECK_EVERY_S: Final = 0.5
_YOUNG_S: Final = 1.0
"""The pace of a client is unknown for so long: others are dropped before it."""


@dataclass(eq=False)
class Waiting:
    """
    A response that its client has not read yet.

    `size` is the number of bytes that waited at first, `left` the number at the last look, and
    `moved_at` the last check at which the client had read more.
    """

    transport: asyncio.Transport
    client: str | None
    size: int
    left: int
    since: float
    moved_at: float

    def look(self, now: float) -> None:
        """Note how much the client has read."""
        left = self.transport.get_write_buffer_size()
        if left < self.left:
            self.left, self.moved_at = left, now

    def rank(self, now: float) -> tuple[bool, float, float]:
        """The key to compare responses by: the least is dropped first."""
        age = now - self.since
        is_young = age < _YOUNG_S
        pace = 0 if is_young else (self.size - self.left) / age
        return is_young, pace, self.since


class Outgoing:
    """The waiting responses of one process; for the thread of its event loop."""

    def __init__(self, max_bytes: int, timeout_s: float, log: Log) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._log = log
        self._waiting: set[Waiting] = set()
        self._dropped: set[Waiting] = set()
        """Responses whose connections are about to close: until then, they hold memory."""
        self._is_scheduled = False

    def add(self, transport: asyncio.Transport, client: str | None) -> Waiting:
        """Watch a response that waits; others are dropped if there is no room for it."""
        now = time.monotonic()
        size = transport.get_write_buffer_size()
        waiting = Waiting(transport, client, size, size, now, now)
        self._waiting.add(waiting)
        self._make_room(now)
        self._schedule()
        return waiting

    def remove(self, waiting: Waiting) -> None:
        """Stop watching a response: its client has read it, or its connection is closed."""
        self._waiting.discard(waiting)
        self._dropped.discard(waiting)

    async def freed(self) -> None:
        """Wait until dropped responses are freed: a response is made only where there is room."""
        while self._dropped:
            await asyncio.sleep(0)

    def _make_room(self, now: float) -> None:
        # The part of a response that its client has read is freed with the rest of it.
        held = sum(response.size for response in self._waiting)
        # One response always has room, whatever its size.
        while held > self._max_bytes and len(self._waiting) > 1:
            for response in self._waiting:
                response.look(now)
            slowest = min(self._waiting, key=lambda response: response.rank(now))
            held -= slowest.size
            self._drop(slowest, "no-room")

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_later(_CHECK_EVERY_S, self._check)

    def _check(self) -> None:
        self._is_scheduled = False
        now = time.monotonic()
        for response in list(self._waiting):
            response.look(now)
            if now - response.moved_at > self._timeout_s:
                self._drop(response, "too-slow")
        self._schedule()

    def _drop(self, waiting: Waiting, reason: str) -> None:
        self._waiting.discard(waiting)
        self._dropped.add(waiting)
        self._log.write(
            "warning",
            "response",
            state="dropped",
            reason=reason,
            client=waiting.client,
            bytes=waiting.size,
            unsent=waiting.left,
        )
        waiting.transport.abort()
