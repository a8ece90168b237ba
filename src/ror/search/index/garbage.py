"""
Fewer garbage-collection passes during bulk allocation.

Python runs a pass whenever 700 more objects were allocated than freed. Building an index or reading
a million resources allocates far more, and none of those objects is in a cycle.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = 1_000_000
"""Net allocations between two passes."""


def collect_less_often() -> None:
    """Reduce the garbage-collection passes from now on."""
    gc.set_threshold(COLLECT_AFTER)


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Reduce the garbage-collection passes within the block."""
    before = gc.get_threshold()
    collect_less_often()
    try:
        yield
    finally:
        gc.set_threshold(*before)
