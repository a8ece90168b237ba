"""Signals of the server's processes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ignored(*signals: int) -> Iterator[None]:
    """These signals do nothing inside the block, except for handlers installed there."""
    handlers = [(number, signal.signal(number, lambda *_: None)) for number in signals]
    try:
        yield
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
