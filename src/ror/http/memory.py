"""
Memory between two answers: kept, instead of being given back to the system and asked for again.

A page of offers is several megabytes. By default the C library returns such a block as soon as it is free, and the next
page pays for every one of its memory pages again: a third of the time of large answers was spent there.
"""

import ctypes
import gc
from typing import Final

# The names and numbers of glibc's malloc.h; the first may not be more than 32 MB.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 32 * 1_024 * 1_024
_KEPT: Final = 64 * 1_024 * 1_024


def keep_what_is_freed() -> None:
    """Have the C library keep up to 64 MB for what comes next, where it can be told to; elsewhere, nothing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)


def keep_out_of_collections() -> None:
    """Never look for garbage among what exists now: what a server opens lasts as long as it does."""
    gc.collect()
    gc.freeze()
