"""
What is drawn, and what comes in turn.

Everything random in a fictitious directory comes from here, so that a seed gives the same bytes on
every machine and every Python: only `random.Random.random` is used (its sequence is the documented,
stable part of that module), never `hash`, the clock or the order of a set. Rare features come in
turn rather than by luck, so that a small directory holds each of them too.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """
    Things to draw from, each as often as its share of the total; `bounds` are the running sums of
    the weights.
    """

    things: tuple[T, ...]
    bounds: tuple[float, ...]


def weighted(pairs: Sequence[tuple[T, float]]) -> Weighted[T]:
    """
    The things of (thing, weight) pairs, ready to be drawn; weights are positive and need not sum to
    one.
    """
    return Weighted(
        tuple(thing for thing, _ in pairs), tuple(accumulate(weight for _, weight in pairs))
    )


class Chance:
    """
    One sequence of draws; two with the same seed and the same questions give the same answers.
    """

    def __init__(self, seed: int) -> None:
        # A generator for invented data: it must be repeatable, and nothing secret depends on it.
        self.random = random.Random(seed).random  # noqa: S311
        self._turns: dict[str, int] = {}

    def pick(self, things: Sequence[T]) -> T:
        """One of the things, all equally likely."""
        return things[int(self.random() * len(things))]

    def draw(self, things: Weighted[T]) -> T:
        """One of the things, by weight."""
        bounds = things.bounds
        return things.things[min(bisect_right(bounds, self.random() * bounds[-1]), len(bounds) - 1)]

    def some(self, things: Sequence[T], count: int) -> Sequence[T]:
        """
        `count` different neighbours in a sequence read as a ring, all the things when there are
        fewer.
        """
        size = len(things)
        if count >= size:
            return things
        start = int(self.random() * size)
        return [things[(start + step) % size] for step in range(count)]

    def between(self, low: int, high: int) -> int:
        """A whole number, both bounds included."""
        return low + int(self.random() * (high - low + 1))

    def maybe(self, probability: float) -> bool:
        """True that often."""
        return self.random() < probability

    def turn(self, feature: str, every: int) -> bool:
        """True the first time this feature is asked for, and then once in `every` times."""
        count = self._turns.get(feature, 0)
        self._turns[feature] = count + 1
        return count % every == 0

    def next_of(self, feature: str, things: Sequence[T]) -> T:
        """The things one after the other, and again: each question gets the next."""
        count = self._turns.get(feature, 0)
        self._turns[feature] = count + 1
        return things[count % len(things)]
