"""
One server against the other: the same requests to the real one and to the ceiling, in rounds that alternate.

Whatever else the machine does weighs on both. A rate is the median of the rounds; the ratio is the median of the ratios
of each round of the server to the round of the ceiling just after it; latencies are those of all rounds together. The
processor time of an answer is told too: it hardly depends on what else the machine does.
"""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks import client
from benchmarks.processes import Running

ROUND_S: Final = 0.5
MIN_ROUNDS: Final = 3
_WARM_UP_ROUNDS: Final = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """A server beside its ceiling: rates in answers per second, latencies in milliseconds."""

    rate: float
    ceiling_rate: float
    ratio: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    ceiling_cpu_ms: float
    """Processor time that an answer takes the server and the ceiling, in the process and in the kernel for it."""
    ceiling_busy: float
    """The share of one core that the ceiling used: well below 1, the machine or the load generator held it back."""


class Client:
    """The load generator, in a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def round(self, port: int, targets: Sequence[str], first: int, seconds: float) -> client.Round:
        """What one round saw."""
        done: Future[client.Round] = self._pool.submit(client.run, port, targets, first, seconds)
        return done.result()


@contextmanager
def open_client() -> Iterator[Client]:
    """A load generator, until the end of the block."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Client(pool)


def compare(asking: Client, server: Running, ceiling: Running, targets: Sequence[str], seconds: float) -> Compared:
    """Ask both for the targets, `seconds` each in all, after rounds that are not counted."""
    rounds = max(MIN_ROUNDS, round(seconds / ROUND_S))
    each_s = seconds / rounds
    served, sent = list[client.Round](), list[client.Round]()
    served_cpu_s = sent_cpu_s = 0.0
    for number in range(-_WARM_UP_ROUNDS, rounds):
        # Each round begins elsewhere, so that all the targets are asked for, by both alike.
        first = max(number, 0) * len(targets) // rounds
        before = server.cpu_s(), ceiling.cpu_s()
        from_server = asking.round(server.port, targets, first, each_s)
        from_ceiling = asking.round(ceiling.port, targets, first, each_s)
        if number >= 0:
            served.append(from_server)
            sent.append(from_ceiling)
            served_cpu_s += server.cpu_s() - before[0]
            sent_cpu_s += ceiling.cpu_s() - before[1]
    latencies = sorted(one for each in served for one in each.latencies_ns)
    return Compared(
        rate=_median_rate(served),
        ceiling_rate=_median_rate(sent),
        ratio=median(one.rate / other.rate for one, other in zip(served, sent, strict=True)),
        p50_ms=_quantile(latencies, 0.50) / 1e6,
        p99_ms=_quantile(latencies, 0.99) / 1e6,
        cpu_ms=served_cpu_s / len(latencies) * 1e3,
        ceiling_cpu_ms=sent_cpu_s / sum(len(one.latencies_ns) for one in sent) * 1e3,
        ceiling_busy=sent_cpu_s / sum(one.seconds for one in sent),
    )


def _median_rate(rounds: Iterable[client.Round]) -> float:
    return median(one.rate for one in rounds)


def _quantile(ranked: Sequence[int], share: float) -> int:
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]
