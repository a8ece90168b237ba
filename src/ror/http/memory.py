"""
Memory settings: freed memory stays with the process instead of going back to the system.

A page of offers takes several megabytes. By default, the C library returns such a block to the
system as soon as it is free, and the next response pays for all of its memory pages again: a third
of the time of large responses.
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
    """
    Make the C library keep up to 64 MB of freed memory.

    Does nothing with a library that has no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)


def keep_out_of_collections() -> None:
    """Exclude all current objects from garbage collection: they last as long as the server."""
    gc.collect()
    gc.freeze()
