"""
Several servers or requests measured in turn: a server and its ceiling, two profiles, two pages.

Other work on the machine slows all of them alike. A rate is the median of the rounds; a ratio is
the median over rounds of neighbouring values; latencies cover all rounds. The processor time of an
answer hardly depends on other work.
"""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks import client
from benchmarks.processes import Running

ROUND_S: Final = 0.5
MIN_ROUNDS: Final = 3
_WARM_UP_ROUNDS: Final = 1
_ADDITIONS: Final = 20_000_000


@dataclass(slots=True)
class Side:
    """A server and its requests, the measured rounds, and the processor time of the server."""

    server: Running
    targets: Sequence[str]
    rounds: list[client.Round] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Responses per second."""
        return median(one.rate for one in self.rounds)

    @property
    def cpu_ms(self) -> float:
        """Processor time of a response in the server process, kernel included, in milliseconds."""
        return self.cpu_s / sum(len(one.latencies_ns) for one in self.rounds) * 1e3

    @property
    def busy(self) -> float:
        """
        The share of one core in use; well below 1, the machine or the load generator was the limit.
        """
        return self.cpu_s / sum(one.seconds for one in self.rounds)

    def latency_ms(self, share: float) -> float:
        """The latency that this share of responses does not exceed."""
        return quantile([one for each in self.rounds for one in each.latencies_ns], share) / 1e6

    def ratio_to(self, other: "Side") -> float:
        """The rate of this side divided by that of `other`: the median over the rounds."""
        return median(
            one.rate / beside.rate for one, beside in zip(self.rounds, other.rounds, strict=True)
        )


class Client:
    """The load generator, in a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def round(
        self, port: int, targets: Sequence[str], first: int, seconds: float, connections: int
    ) -> client.Round:
        """Run one round."""
        done: Future[client.Round] = self._pool.submit(
            client.run, port, targets, first, seconds, connections
        )
        return done.result()


@contextmanager
def open_client() -> Iterator[Client]:
    """A load generator, until the end of the block."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Client(pool)


def in_turn(
    asking: Client, sides: Sequence[Side], seconds: float, connections: int = client.CONNECTIONS
) -> None:
    """Send each side its requests for `seconds` in all, after a warm-up."""
    rounds = max(MIN_ROUNDS, round(seconds / ROUND_S))
    for number in range(-_WARM_UP_ROUNDS, rounds):
        for side in sides:
            # Each round starts at another target, so that every side gets all targets.
            first = max(number, 0) * len(side.targets) // rounds
            before = side.server.cpu_s()
            taken = asking.round(
                side.server.port, side.targets, first, seconds / rounds, connections
            )
            if number >= 0:
                side.rounds.append(taken)
                side.cpu_s += side.server.cpu_s() - before


def pace_ms() -> float:
    """The duration of a million additions now, in milliseconds: virtual machines change speed."""
    start, total = time.perf_counter(), 0
    for number in range(_ADDITIONS):
        total += number
    return (time.perf_counter() - start) / _ADDITIONS * 1e9


def quantile(values: Sequence[int], share: float) -> int:
    """The value that this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]
