"""
Page links that nobody can read: a cursor leaves the directory encrypted, and comes back as it left.

A cursor names a resource by its number. Numbers are given in order, to what is hidden as well: whoever could read them
could count what lies between two pages. The same place always has the same link, so links tell nothing by changing.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ror.errors import InvalidRequest
from ror.store.contract import Store

KEY: Final = "page-links"
"""The fact of a store that holds the key of its page links: all its processes read those of each other."""

_KEY_BITS: Final = 256
_MAX_LENGTH: Final = 32_768


class Seal:
    """Closes and opens cursors with a key, by AES-SIV (RFC 5297)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def closed(self, cursor: str) -> str:
        """A cursor as letters that a URL takes as they are, and that say nothing."""
        return (
            base64.urlsafe_b64encode(self._cipher.encrypt(cursor.encode("ascii"), None))
            .rstrip(b"=")
            .decode("ascii")
        )

    def opened(self, text: str) -> str:
        """
        The cursor that was closed as `text`. Raises InvalidRequest for any other text.

        >>> seal = Seal(bytes(32))
        >>> seal.opened(seal.closed("AQ"))
        'AQ'
        """
        try:
            if len(text) > _MAX_LENGTH:
                raise ValueError
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            cursor = self._cipher.decrypt(raw, None).decode("ascii")
        except (binascii.Error, ValueError, InvalidTag) as reason:
            raise InvalidRequest("search.cursor") from reason
        # The same bytes have other spellings in base64; only ours is taken.
        if self.closed(cursor) != text:
            raise InvalidRequest("search.cursor")
        return cursor

    def opened_in(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The parameters of a search, with the cursor that was closed in them. Raises InvalidRequest."""
        return [(name, self.opened(text) if name == "_cursor" else text) for name, text in pairs]


def seal_of(store: Store) -> Seal:
    """The seal of a directory, made with it."""
    return Seal(bytes.fromhex(store.settled_meta(KEY, AESSIV.generate_key(_KEY_BITS).hex())))
