"""
Where a page of results stops, as the opaque text of a page link.

A cursor names a place in an order, nothing else: it grants nothing, and who reads the next page sees what they may see
then. It is text that comes back from outside, so `decode` takes nothing that `encode` would not have written.
"""

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import Final

import msgspec

from ror.errors import InvalidRequest

_VERSION: Final = 1
"""Changes with the form of a cursor; a link of another version is refused rather than misread."""

_MAX_KEYS: Final = 64
_MAX_RID: Final = 2**32 - 1
_CHECK: Final = 4
"""Bytes of checksum: against links cut or retyped, not against malice."""

Key = str | int | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    After, or `backward` before, the resource `rid` whose sort values are `keys`, one for each key of the sort.

    A value is None for a resource that has none. A long text is better cut by who makes the cursor: `rid` settles ties.
    """

    backward: bool
    keys: tuple[Key, ...]
    rid: int

    def encode(self) -> str:
        """The cursor as letters that a URL takes as they are."""
        packed = _encoder.encode((_VERSION, self.backward, self.keys, self.rid))
        return base64.urlsafe_b64encode(_checksum(packed) + packed).rstrip(b"=").decode("ascii")


def decode(text: str) -> Cursor:
    """
    The cursor that `encode` wrote as `text`. Raises InvalidRequest for any other text.

    >>> decode(Cursor(False, ("chu", None), 7).encode())
    Cursor(backward=False, keys=('chu', None), rid=7)
    """
    if not text or not _ALPHABET.fullmatch(text):
        raise InvalidRequest("search.cursor")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        version, backward, keys, rid = _decoder.decode(raw[_CHECK:])
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError) as reason:
        raise InvalidRequest("search.cursor") from reason
    found = Cursor(backward, keys, rid)
    sound = version == _VERSION and len(keys) <= _MAX_KEYS and 0 <= rid <= _MAX_RID
    # The same bytes have other base64 and MessagePack spellings; only ours is taken.
    if not sound or raw[:_CHECK] != _checksum(raw[_CHECK:]) or found.encode() != text:
        raise InvalidRequest("search.cursor")
    return found


def _checksum(packed: bytes) -> bytes:
    return zlib.crc32(packed).to_bytes(_CHECK, "big")


_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(tuple[int, bool, tuple[Key, ...], int])
