"""
How tests wait for what happens by itself: until it is so, and no longer, however slow the machine
is.
"""

import time
from collections.abc import Callable
from typing import TypeVar

_Said = TypeVar("_Said")


def until(ask: Callable[[], _Said], within_s: float = 30.0) -> _Said:
    """
    The first answer that is true, of a question that is asked over and over; the last one when none
    was in time.
    """
    deadline = time.monotonic() + within_s
    while not (said := ask()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return said
