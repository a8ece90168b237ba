"""
A load generator that costs little: keep-alive connections that each send a request when the answer to the last is here.

It reads of an answer its status and its length, nothing else, so that one core of client saturates one core of server.
Meant to run in a process of its own: nothing but the requests must share its interpreter.
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
"""Answers that one core of client could ever read: the room that is made for latencies."""
_PATIENCE_S: Final = 60.0
"""How long after the end of a round its last answers may come."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw: answers in a time, and how long each took, in nanoseconds."""

    seconds: float
    latencies_ns: "array[int]"

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies_ns) / self.seconds


def run(
    port: int, targets: Sequence[str], first: int, seconds: float, connections: int = CONNECTIONS
) -> Round:
    """
    Ask a server of this machine for `targets`, each after the other from the `first` one and around, for a time.

    Raises RuntimeError when an answer is not a 200 or a connection is lost.
    """
    requests = [
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for target in targets
    ]
    first %= len(requests)
    load = _Load(requests[first:] + requests[:first], seconds)
    # What a collection of garbage costs here is not the server's.
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load.go(port, connections))
    finally:
        gc.enable()
    return Round(load.seconds, load.latencies())


class _Load:
    """What the connections of a round share: the next request, the time to stop, the latencies."""

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
        """How long each answer took, in nanoseconds, in the order they came."""
        return self._latencies[: self._answered]

    async def go(self, port: int, connections: int) -> None:
        """Connect, ask until the time is over, and take the last answers in."""
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
        """The request to send at `now`; None when the time is over."""
        if now >= self._deadline:
            return None
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        return request

    def answered(self, latency_ns: int) -> None:
        """An answer is whole."""
        self._latencies[self._answered] = latency_ns
        self._answered += 1

    def finished(self, now: int) -> None:
        """A connection has nothing more to ask; the round ends with the last one."""
        self._busy -= 1
        if not self._busy and not self._done.done():
            self.seconds = (now - self._start) / 1e9
            self._done.set_result(None)

    def failed(self, problem: str) -> None:
        """Something came that is no good answer: the round is worth nothing."""
        if not self._done.done():
            self._done.set_exception(RuntimeError(problem))


class _Connection(asyncio.BufferedProtocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._bytes = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._bytes)
        self._head = 0
        """Bytes held of a head that is not whole yet."""
        self._left = 0
        """Bytes of the body still to come."""
        self._asked_at = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream is asked for
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.failed(f"the server closed a connection ({exc or 'without a reason'})")

    def ask(self, now: int) -> None:
        """Send the next request, unless the time is over."""
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
            # The body is not looked at: it may be written over.
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
        """Whether the head of the answer is here; then what is left of the body is known."""
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
