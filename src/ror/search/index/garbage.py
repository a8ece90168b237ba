"""
Looking for garbage less often, while much is made that has no cycles.

Python looks through what was made lately each time that 700 more objects were made than let go of. Whoever makes a
whole index or reads a million resources makes many more, and nothing of it refers to itself.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = 1_000_000
"""Objects that are made between two looks."""


def collect_less_often() -> None:
    """Look for garbage seldom from now on."""
    gc.set_threshold(COLLECT_AFTER)


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Look for garbage seldom, until the end of the block."""
    before = gc.get_threshold()
    collect_less_often()
    try:
        yield
    finally:
        gc.set_threshold(*before)
