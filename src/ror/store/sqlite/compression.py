"""
Compression of bodies and index entries: zstd frames with a dictionary of directory resources.

A single resource is too short to compress well; the dictionary holds the text that all resources
share. A frame names its dictionary. A database holds copies of its dictionaries, so that later
releases can read it. Any zstd tool can decompress a frame with its dictionary.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Final

import zstandard

# Measured on directory resources: level 3 makes an import 3 % longer for a body 8 % shorter, of 186
# bytes.
LEVEL: Final = 1

CorruptFrame = zstandard.ZstdError


@cache
def shipped_dictionary() -> bytes:
    """The dictionary of new databases; `tools/train_dictionary.py` writes it."""
    return resources.files("ror.standard.knowledge").joinpath("bodies.zdict").read_bytes()


def dictionary_id(content: bytes) -> int:
    """The number by which frames name a dictionary."""
    return zstandard.ZstdCompressionDict(content).dict_id()


@cache
def codec_of(dictionary: bytes) -> "Codec":
    """The codec with this dictionary only; each process creates it once."""
    return Codec(dictionary, lambda _: None)


class Codec:
    """
    Compresses with one dictionary and decompresses with any; safe to share between threads.

    `find_dictionary` returns the dictionary with an id; None if it is unknown.
    """

    def __init__(self, dictionary: bytes, find_dictionary: Callable[[int], bytes | None]) -> None:
        self._current = zstandard.ZstdCompressionDict(dictionary)
        self._current.precompute_compress(level=LEVEL)
        self._find_dictionary = find_dictionary
        # A compressor or decompressor of zstandard serves one thread at a time.
        self._contexts = _Contexts(self._current)

    def compress(self, raw: bytes) -> bytes:
        """`raw` as a frame."""
        return self._contexts.compressor.compress(raw)

    def decompress(self, frame: bytes) -> bytes:
        """
        The content of `frame`.

        Raises CorruptFrame if `frame` is not a frame or its dictionary is unknown.
        """
        try:
            return self._contexts.decompressor.decompress(frame)
        except CorruptFrame:
            # Few frames use another dictionary: reading each header first would cost more.
            return self._decompressor_of(frame).decompress(frame)

    def decompress_all(self, frames: Sequence[bytes | None]) -> list[bytes]:
        """The content of each frame, in the same order; b"" for None."""
        # `multi_decompress_to_buffer` measured no faster: its segments must be copied one by one.
        decompress = self._contexts.decompressor.decompress
        try:
            return [decompress(frame) if frame is not None else b"" for frame in frames]
        except CorruptFrame:
            return [self.decompress(frame) if frame is not None else b"" for frame in frames]

    def _decompressor_of(self, frame: bytes) -> zstandard.ZstdDecompressor:
        """The decompressor for the dictionary that `frame` names."""
        number = zstandard.get_frame_parameters(frame).dict_id
        others = self._contexts.others
        if number not in others:
            content = self._find_dictionary(number)
            if number == self._current.dict_id() or content is None:
                raise CorruptFrame(f"a frame that cannot be read with dictionary {number}")
            others[number] = zstandard.ZstdDecompressor(
                dict_data=zstandard.ZstdCompressionDict(content)
            )
        return others[number]


class _Contexts(threading.local):
    """The compressor and the decompressors of one thread."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
        self.others: dict[int, zstandard.ZstdDecompressor] = {}
