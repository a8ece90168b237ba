"""
Metrics and audit records of exchanges, written in batches.

An exchange is recorded shortly after its response was sent, together with others: the work that
each batch does once costs three times as much when every exchange repeats it.
"""

import asyncio
import atexit
from collections import defaultdict
from typing import Final

from ror.http.exchange import Exchange
from ror.http.tracing import Tracer
from ror.observability import Metrics

BATCH: Final = 128
"""Exchanges in a batch: larger ones save little more and hold the event loop longer."""
MAX_HELD: Final = 1 << 16
"""A batch is written early when the parameters of its requests have this many characters."""
MAX_DELAY_S: Final = 0.25
"""No exchange waits longer than this for its batch to fill."""


class Reporter:
    """Reports the exchanges of one process, for the thread of its event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tracer: Tracer | None = None
        self._batch: list[Exchange] = []
        self._held = 0
        """Characters of the parameters in the batch."""
        self._in_flight = 0
        self._is_scheduled = False
        """Whether a timer will flush the batch."""
        metrics.before_exposition = self.flush

    def trace(self, tracer: Tracer) -> None:
        """Write audit records from now on."""
        self._tracer = tracer
        # An interpreter that ends without closing its application still has records to write.
        atexit.register(self.flush)

    def begin(self) -> None:
        """Count a request that arrived."""
        self._in_flight += 1
        if not self._is_scheduled:
            # No batch was written lately, so that a stalled disk may have gone unnoticed.
            if self._tracer is not None:
                self._tracer.notice_stall()
            self._schedule()

    def end(self, exchange: Exchange) -> None:
        """Add a finished exchange to the batch, without the body of its response."""
        self._in_flight -= 1
        exchange.response.body = b""
        self._batch.append(exchange)
        self._held += len(exchange.query)
        pairs = exchange.response.pairs
        if pairs and exchange.method == "POST":
            self._held += sum(len(name) + len(value) for name, value in pairs)
        if len(self._batch) >= BATCH or self._held >= MAX_HELD:
            self.flush()
        elif not self._is_scheduled:
            self._schedule()

    def count_malformed(self, exchange: Exchange) -> None:
        """Count a malformed request; it leaves no audit record."""
        self._metrics.count_responses(*_kind(exchange), [exchange.seconds])
        self._metrics.count_traffic(exchange.sent, self._in_flight)

    def _schedule(self) -> None:
        self._is_scheduled = True
        asyncio.get_running_loop().call_later(MAX_DELAY_S, self._on_timer)

    def _on_timer(self) -> None:
        self._is_scheduled = False
        self.flush()

    def flush(self) -> None:
        """Write the audit records and the metrics of the batch."""
        batch, self._batch, self._held = self._batch, [], 0
        # Audit records first: no failure of the metrics may lose one.
        if self._tracer is not None:
            self._tracer.trace(batch)
        seconds: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        sent = 0
        for exchange in batch:
            seconds[_kind(exchange)].append(exchange.seconds)
            sent += exchange.sent
        for kind, durations in seconds.items():
            self._metrics.count_responses(*kind, durations)
        self._metrics.count_traffic(sent, self._in_flight)


def _kind(exchange: Exchange) -> tuple[str, str, int]:
    """The labels of an exchange in metrics: route, method and status."""
    route = exchange.route
    return "-" if route is None else route.path or "/", exchange.method, exchange.response.status
