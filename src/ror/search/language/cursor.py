"""
The end of a page of results, as the opaque text of a page link.

A cursor names a place in an order and grants no access: visibility is checked again when the client
reads the next page. Clients send the text back, so `decode` accepts only text that `encode` can
produce.
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
"""The version of the format; a cursor of another version is refused."""

_MAX_KEYS: Final = 64
_MAX_RID: Final = 2**32 - 1
_CHECK: Final = 4
"""The bytes of the checksum, which detects truncated or mistyped links; it is no signature."""

Key = str | int | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    The place after the resource `rid`, or before it if `backward` is set.

    `keys` are the sort values of the resource, one for each sort key; None if it has no value. The
    caller should truncate long texts: `rid` breaks ties.
    """

    backward: bool
    keys: tuple[Key, ...]
    rid: int

    def encode(self) -> str:
        """The cursor as text that needs no escaping in a URL."""
        content = _encoder.encode((_VERSION, self.backward, self.keys, self.rid))
        return base64.urlsafe_b64encode(_checksum(content) + content).rstrip(b"=").decode("ascii")


def decode(text: str) -> Cursor:
    """
    The cursor that `encode` made into `text`. Raises InvalidRequest for any other text.

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
    cursor = Cursor(backward, keys, rid)
    is_valid = version == _VERSION and len(keys) <= _MAX_KEYS and 0 <= rid <= _MAX_RID
    # Base64 and MessagePack have several spellings of the same cursor; only ours is accepted.
    if not is_valid or raw[:_CHECK] != _checksum(raw[_CHECK:]) or cursor.encode() != text:
        raise InvalidRequest("search.cursor")
    return cursor


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECK, "big")


_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(tuple[int, bool, tuple[Key, ...], int])
