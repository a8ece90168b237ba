"""
Compression of bodies with gzip and zstd, at their fastest levels.

On pages of the directory, zstd level 1 divides the size by about ten; higher levels save little
more and cost several times as much. Large bodies are compressed in a thread, so that the event
loop serves other requests meanwhile (both libraries release the interpreter lock).
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import zstandard

from ror.http.negotiation import Coding

WORTH_IT: Final = 1_024
"""Bytes below which compression saves no packet."""

IN_A_THREAD: Final = 65_536
"""Bytes above which compression takes long enough to use a thread."""

_GZIP: Final = 16 + zlib.MAX_WBITS


def _gzip(body: bytes) -> bytes:
    coder = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return coder.compress(body) + coder.flush()


def _zstd(body: bytes) -> bytes:
    # A compressor belongs to one thread at a time; making one costs microseconds.
    return zstandard.ZstdCompressor(level=1).compress(body)


_CODERS: Final[Mapping[Coding, Callable[[bytes], bytes]]] = {"gzip": _gzip, "zstd": _zstd}


async def coded(body: bytes, coding: Coding) -> bytes:
    """The body in a coding other than identity."""
    if len(body) < IN_A_THREAD:
        return _CODERS[coding](body)
    return await asyncio.to_thread(_CODERS[coding], body)
