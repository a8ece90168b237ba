"""
A cheap load generator: each keep-alive connection sends its next request after the last response.

It reads only the status and the length of a response, so one client core saturates one server core.
Run it in a process of its own.
"""

import asyncio
import gc
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

CONNECTIONS: Final = 4
_BUFFER_BYTES: Final = 1 << 20
_MOST_PER_SECOND: Final = 100_000
"""More responses than one client core can read: the size of the array of latencies."""
_PATIENCE_S: Final = 60.0
"""How long after the end of a round the last responses may come."""


@dataclass(frozen=True, slots=True)
class Round:
    """The duration of one round, and the latency of each response in nanoseconds."""

    seconds: float
    latencies_ns: "array[int]"

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.latencies_ns) / self.seconds


def run(
    port: int, targets: Sequence[str], first: int, seconds: float, connections: int = CONNECTIONS
) -> Round:
    """
    Request `targets` of a local server in turn, starting at index `first`, for `seconds`.

    Raises RuntimeError if a response is not a 200 or a connection is lost.
    """
    requests = [
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for target in targets
    ]
    first %= len(requests)
    load = _Load(requests[first:] + requests[:first], seconds)
    # Garbage collection here must not count as server time.
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load.go(port, connections))
    finally:
        gc.enable()
    return Round(load.seconds, load.latencies())


class _Load:
    """The shared state of the connections of a round: next request, deadline, latencies."""

    def __init__(self, requests: Sequence[bytes], seconds: float) -> None:
        self._requests = requests
        self._planned_s = seconds
        self._latencies = array("Q", bytes(8 * int(_MOST_PER_SECOND * max(seconds, 1.0))))
        self._sent = self._answered = 0
        self._start = 0
        self._deadline = 0
        self._busy = 0
        self.seconds = 0.0

    def latencies(self) -> "array[int]":
        """The latency of each response in nanoseconds, in order of arrival."""
        return self._latencies[: self._answered]

    async def go(self, port: int, connections: int) -> None:
        """Connect, send requests until the deadline, and read the last responses."""
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        opened = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
            for _ in range(connections)
        ]
        self._busy = connections
        self._start = time.perf_counter_ns()
        self._deadline = self._start + int(self._planned_s * 1e9)
        for _, connection in opened:
            connection.ask(self._start)
        try:
            await asyncio.wait_for(self._done, self._planned_s + _PATIENCE_S)
        finally:
            for transport, _ in opened:
                transport.abort()

    def next_request(self, now: int) -> bytes | None:
        """The request to send at `now`; None after the deadline."""
        if now >= self._deadline:
            return None
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        return request

    def answered(self, latency_ns: int) -> None:
        """A response is complete."""
        self._latencies[self._answered] = latency_ns
        self._answered += 1

    def finished(self, now: int) -> None:
        """A connection is done; the round ends with the last connection."""
        self._busy -= 1
        if not self._busy and not self._done.done():
            self.seconds = (now - self._start) / 1e9
            self._done.set_result(None)

    def failed(self, problem: str) -> None:
        """A bad response invalidates the round."""
        if not self._done.done():
            self._done.set_exception(RuntimeError(problem))


class _Connection(asyncio.BufferedProtocol):
    """One connection: a request, its response, the next request."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._bytes = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._bytes)
        self._head = 0
        """Bytes of an incomplete head."""
        self._left = 0
        """Bytes of the body still to come."""
        self._asked_at = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream is asked for
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.failed(f"the server closed a connection ({exc or 'without a reason'})")

    def ask(self, now: int) -> None:
        """Send the next request, unless the deadline has passed."""
        request = self._load.next_request(now)
        if request is None:
            self._load.finished(now)
            return
        self._asked_at = now
        self._transport.write(request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._head :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            # The body is ignored, so the buffer may be overwritten.
            self._left -= nbytes
        elif not self._is_head_whole(nbytes):
            return
        if self._left > 0:
            return
        if self._left < 0:
            self._load.failed("an answer is longer than it says")
            return
        now = time.perf_counter_ns()
        self._load.answered(now - self._asked_at)
        self.ask(now)

    def _is_head_whole(self, nbytes: int) -> bool:
        """Whether the head is complete; then sets the remaining length of the body."""
        held = self._head + nbytes
        end = self._bytes.find(b"\r\n\r\n", 0, held)
        if end < 0:
            self._head = held
            return False
        self._head = 0
        at = self._bytes.find(b"content-length: ", 0, end)
        if at < 0 or not self._bytes.startswith(b"HTTP/1.1 200 "):
            self._load.failed(f"not a 200 with a length: {bytes(self._bytes[:end])!r}")
            return False
        length = int(self._bytes[at + 16 : self._bytes.find(b"\r\n", at)])
        self._left = length - (held - end - 4)
        return True
