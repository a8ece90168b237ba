"""
The links of a page of results: `self`, `next`, `previous`.

A cursor names a resource by its number. Numbers are allotted in order, to hidden resources as well:
whoever could read them could count what lies between two pages. So a cursor leaves the directory
encrypted, and comes back as it left. The same position always has the same link.

A link that is too long for an address names a query that the store keeps: `_stored=<id>`. Only the
client that got the link may follow it. All processes that share a store, also after a restart, read
the links of each other.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote, urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ror.errors import InvalidRequest, NotFound
from ror.messages import shown
from ror.search.language.cursor import Cursor
from ror.store.contract import Store, StoredQuery

KEY: Final = "page-links"
"""The fact of a store that holds the key of its page links."""

CURSOR: Final = "_cursor"
STORED: Final = "_stored"

MAX_LINK_BYTES: Final = 8_000
"""Bytes of the path and query of a link: what RFC 9110, section 4.1, has every recipient support."""

STORED_PER_CLIENT: Final = 100
"""Queries kept for each client; the least recently used ones are forgotten first."""

STORED_FOR_DAYS: Final = 7
"""Days that a query is kept after its last use."""

_STORED_FOR_S: Final = STORED_FOR_DAYS * 86_400
_KEY_BITS: Final = 256
_FOR_THE_DOOR: Final = ("_format=", "_pretty=")
"""What the door reads before the query is looked up, and so stays in the address."""


class Linker(Protocol):
    """What makes a link of an address, an encoded query string and the cursor of a page."""

    def __call__(self, address: str, query: str, cursor: Cursor | None) -> str: ...


def encoded(pairs: Sequence[tuple[str, str]]) -> str:
    """
    A query string that RFC 3986 allows; `|` is escaped, because Java clients refuse a raw one.

    >>> encoded([("near", "48.85|2.35"), ("name", "Saint-Lô")])
    'near=48.85%7C2.35&name=Saint-L%C3%B4'
    """
    return urlencode(pairs, quote_via=quote, safe=":/,")


def plain_link(address: str, query: str, cursor: Cursor | None) -> str:
    """A link with a readable cursor and without limit of length, for links that stay in the program."""
    return _joined(address, query, "" if cursor is None else f"{CURSOR}={cursor.encode()}")


def _joined(address: str, *parts: str) -> str:
    query = "&".join(filter(None, parts))
    return f"{address}?{query}" if query else address


class CursorCipher:
    """Closes and opens cursors with a key, by AES-SIV (RFC 5297)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def encrypted(self, cursor: str) -> str:
        """A cursor as letters that a URL takes as they are, and that say nothing."""
        return (
            base64.urlsafe_b64encode(self._cipher.encrypt(cursor.encode("ascii"), None))
            .rstrip(b"=")
            .decode("ascii")
        )

    def decrypted(self, text: str) -> str:
        """
        The cursor that was closed as `text`. Raises InvalidRequest for any other text.

        >>> seal = CursorCipher(bytes(32))
        >>> seal.decrypted(seal.encrypted("AQ"))
        'AQ'
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            cursor = self._cipher.decrypt(raw, None).decode("ascii")
        except (binascii.Error, ValueError, InvalidTag) as reason:
            raise InvalidRequest("search.cursor") from reason
        # The same bytes have other spellings in base64; only ours is taken.
        if self.encrypted(cursor) != text:
            raise InvalidRequest("search.cursor")
        return cursor


def cursor_cipher(store: Store) -> CursorCipher:
    """The seal of a directory, made with it."""
    return CursorCipher(
        bytes.fromhex(store.set_meta_once(KEY, AESSIV.generate_key(_KEY_BITS).hex()))
    )


class PageLinks:
    """Makes and reads the page links of a directory, of at most `longest` bytes after the host."""

    def __init__(self, store: Store, longest: int = MAX_LINK_BYTES) -> None:
        self._queries = store.stored_queries
        self._cipher = cursor_cipher(store)
        self._longest = min(longest, MAX_LINK_BYTES)

    def linker(self, client: str) -> Linker:
        """What makes the links of one client; the empty text stands for anonymous clients."""

        def link(address: str, query: str, cursor: Cursor | None) -> str:
            page = "" if cursor is None else f"{CURSOR}={self._cipher.encrypted(cursor.encode())}"
            whole = _joined(address, query, page)
            if self._fits(whole):
                return whole
            pieces = query.split("&")
            for_the_door = [one for one in pieces if one.startswith(_FOR_THE_DOOR)]
            criteria = "&".join(one for one in pieces if one not in for_the_door)
            # The pages of a search share its stored query, unless a cursor with long texts is
            # too long by itself.
            short = _joined(address, self._stored(client, criteria), *for_the_door, page)
            if self._fits(short):
                return short
            return _joined(address, self._stored(client, f"{criteria}&{page}"), *for_the_door)

        return link

    def _fits(self, link: str) -> bool:
        return len(link) - link.index("/", link.index("//") + 2) <= self._longest

    def _stored(self, client: str, query: str) -> str:
        digest = hashlib.blake2b(f"{client}\0{query}".encode(), digest_size=16).hexdigest()
        self._queries.keep(StoredQuery(digest, client, query), STORED_PER_CLIENT, _STORED_FOR_S)
        return f"{STORED}={digest}"

    def expanded(
        self, client: str | None, pairs: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[str, str]]:
        """
        The parameters of a search, with the pairs of the stored query in place of `_stored`.

        `client` is the one that follows the link; None stands for the operator, who may follow any
        link. Raises NotFound for a query that is not kept for this client, InvalidRequest for a
        second `_stored`.
        """
        times = sum(name == STORED for name, _ in pairs)
        if not times:
            return pairs
        if times > 1:
            raise InvalidRequest("search.given-twice", name=STORED)
        found: list[tuple[str, str]] = []
        for name, text in pairs:
            found += self._kept(client, text) if name == STORED else [(name, text)]
        return found

    def opened(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """
        The parameters of a search, cursors opened.

        Raises InvalidRequest for a cursor that this directory did not make.
        """
        return [
            (name, self._cipher.decrypted(text) if name == CURSOR else text) for name, text in pairs
        ]

    def _kept(self, client: str | None, query_id: str) -> list[tuple[str, str]]:
        kept = self._queries.read(query_id, _STORED_FOR_S)
        if kept is None or client not in (None, kept.client):
            raise NotFound(
                "http.no-stored-query",
                id=shown(query_id),
                days=STORED_FOR_DAYS,
                most=STORED_PER_CLIENT,
            )
        return parse_qsl(kept.query, keep_blank_values=True)


def uses_stored_query(links: Sequence[tuple[str, str]]) -> bool:
    """Whether one of these links names a stored query, so that no other client may follow it."""
    return any(f"{STORED}=" in url for _, url in links)
