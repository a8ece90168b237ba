"""
What is told of exchanges once their answers are on the way: the figures, and the lines of the audit trail.

An exchange is noted when it is over and told a moment later, with others: what is done once in each of them costs three
times what it costs many times over.
"""

import asyncio
import atexit
from collections import defaultdict
from typing import Final

from ror.http.exchange import Exchange
from ror.http.tracing import Tracer
from ror.observability import Metrics

TOGETHER: Final = 128
"""Exchanges are told so many at a time: most of what can be gained, and nobody waits for long meanwhile."""
MOST_HELD: Final = 1 << 20
WITHIN_S: Final = 0.25
"""They do not wait for others when so many characters were asked in them, nor for longer than that."""


class Accounts:
    """The exchanges of one process, for the thread of its event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tracer: Tracer | None = None
        self._over: list[Exchange] = []
        self._held = 0
        """Characters that were asked in what is over."""
        self._under_way = 0
        self._will_tell = False
        """Whether what is over will be told in time, without anything more coming."""
        metrics.outstanding = self.tell

    def trace(self, tracer: Tracer) -> None:
        """Leave lines from now on."""
        self._tracer = tracer
        # An interpreter that ends without closing its door still has lines to write.
        atexit.register(self.tell)

    def begin(self) -> None:
        """A request came in."""
        self._under_way += 1
        if not self._will_tell:
            # Nothing was handed over lately, so that nobody noticed either.
            if self._tracer is not None:
                self._tracer.notice_stall()
            self._tell_soon()

    def end(self, exchange: Exchange) -> None:
        """What became of a request that `begin` was told about; the body of its reply is let go of."""
        self._under_way -= 1
        exchange.reply.body = b""
        self._over.append(exchange)
        self._held += len(exchange.query)
        pairs = exchange.reply.pairs
        if pairs and exchange.method == "POST":
            self._held += sum(len(name) + len(value) for name, value in pairs)
        if len(self._over) >= TOGETHER or self._held >= MOST_HELD:
            self.tell()
        elif not self._will_tell:
            self._tell_soon()

    def refused(self, exchange: Exchange) -> None:
        """What became of what could not be read as a request: it is counted, and leaves no line."""
        self._metrics.answered(*_kind(exchange), [exchange.seconds])
        self._metrics.carried(exchange.sent, self._under_way)

    def _tell_soon(self) -> None:
        self._will_tell = True
        asyncio.get_running_loop().call_later(WITHIN_S, self._look)

    def _look(self) -> None:
        self._will_tell = False
        self.tell()

    def tell(self) -> None:
        """Count what is over, and have its lines written."""
        over, self._over, self._held = self._over, [], 0
        # Lines first: whatever becomes of the figures, none is lost.
        if self._tracer is not None:
            self._tracer.trace(over)
        seconds: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        sent = 0
        for one in over:
            seconds[_kind(one)].append(one.seconds)
            sent += one.sent
        for kind, durations in seconds.items():
            self._metrics.answered(*kind, durations)
        self._metrics.carried(sent, self._under_way)


def _kind(exchange: Exchange) -> tuple[str, str, int]:
    """What exchanges are counted by: the name of the route, the method, the status."""
    route = exchange.route
    return "-" if route is None else route.path or "/", exchange.method, exchange.reply.status
