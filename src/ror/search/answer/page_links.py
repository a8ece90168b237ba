"""
The links of a page of results: `self`, `next`, `previous`.

A cursor has the rid of a resource. Rids are consecutive and hidden resources have them too: a
client that could read them could count the hidden resources between two pages. So clients see
cursors encrypted. The same position always has the same link.

A link that would be too long for a URL refers to a query in the store: `_stored=<id>`. Only the
client that received the link may follow it. All processes that share a store read each other's
links, also after a restart.
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
"""The name, in a store, of the key that encrypts its cursors."""

CURSOR: Final = "_cursor"
STORED: Final = "_stored"

MAX_LINK_BYTES: Final = 8_000
"""Bytes of the path and query of a link: every recipient supports them (RFC 9110, section 4.1)."""

STORED_PER_CLIENT: Final = 100
"""Queries stored for each client; the least recently used are deleted first."""

STORED_FOR_DAYS: Final = 7
"""Days that a query is stored after its last use."""

_STORED_FOR_S: Final = STORED_FOR_DAYS * 86_400
_KEY_BITS: Final = 256
_HTTP_PARAMETERS: Final = ("_format=", "_pretty=")
"""Parameters that the server reads before it looks up the query: they stay in the URL."""


class Linker(Protocol):
    """Makes a link from a URL, an encoded query string and the cursor of a page."""

    def __call__(self, address: str, query: str, cursor: Cursor | None) -> str: ...


def encoded(pairs: Sequence[tuple[str, str]]) -> str:
    """
    A query string that RFC 3986 allows; `|` is escaped, because Java clients refuse it raw.

    >>> encoded([("near", "48.85|2.35"), ("name", "Saint-Lô")])
    'near=48.85%7C2.35&name=Saint-L%C3%B4'
    """
    return urlencode(pairs, quote_via=quote, safe=":/,")


def plain_link(address: str, query: str, cursor: Cursor | None) -> str:
    """A link with a readable cursor, of any length, for links that no client receives."""
    return _joined(address, query, "" if cursor is None else f"{CURSOR}={cursor.encode()}")


def _joined(address: str, *parts: str) -> str:
    query = "&".join(filter(None, parts))
    return f"{address}?{query}" if query else address


class CursorCipher:
    """Encrypts and decrypts cursors with AES-SIV (RFC 5297)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def encrypted(self, cursor: str) -> str:
        """An encrypted cursor, of characters that URLs do not escape."""
        return (
            base64.urlsafe_b64encode(self._cipher.encrypt(cursor.encode("ascii"), None))
            .rstrip(b"=")
            .decode("ascii")
        )

    def decrypted(self, text: str) -> str:
        """
        The cursor that was encrypted as `text`. Raises InvalidRequest for any other text.

        >>> cipher = CursorCipher(bytes(32))
        >>> cipher.decrypted(cipher.encrypted("AQ"))
        'AQ'
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            cursor = self._cipher.decrypt(raw, None).decode("ascii")
        except (binascii.Error, ValueError, InvalidTag) as reason:
            raise InvalidRequest("search.cursor") from reason
        # Base64 has several spellings of the same bytes; only ours is accepted.
        if self.encrypted(cursor) != text:
            raise InvalidRequest("search.cursor")
        return cursor


def cursor_cipher(store: Store) -> CursorCipher:
    """The cursor cipher of a store; its key is created on first use."""
    return CursorCipher(
        bytes.fromhex(store.set_meta_once(KEY, AESSIV.generate_key(_KEY_BITS).hex()))
    )


class PageLinks:
    """Makes and reads page links of at most `max_bytes` bytes after the host."""

    def __init__(self, store: Store, max_bytes: int = MAX_LINK_BYTES) -> None:
        self._queries = store.stored_queries
        self._cipher = cursor_cipher(store)
        self._max_bytes = min(max_bytes, MAX_LINK_BYTES)

    def linker(self, client: str) -> Linker:
        """The function that makes the links of a client; "" stands for anonymous clients."""

        def link(address: str, query: str, cursor: Cursor | None) -> str:
            page = "" if cursor is None else f"{CURSOR}={self._cipher.encrypted(cursor.encode())}"
            whole = _joined(address, query, page)
            if self._fits(whole):
                return whole
            pieces = query.split("&")
            http_parameters = [piece for piece in pieces if piece.startswith(_HTTP_PARAMETERS)]
            criteria = "&".join(piece for piece in pieces if piece not in http_parameters)
            # The pages of a search share its stored query, unless the cursor alone is too long.
            short = _joined(address, self._stored(client, criteria), *http_parameters, page)
            if self._fits(short):
                return short
            return _joined(address, self._stored(client, f"{criteria}&{page}"), *http_parameters)

        return link

    def _fits(self, link: str) -> bool:
        return len(link) - link.index("/", link.index("//") + 2) <= self._max_bytes

    def _stored(self, client: str, query: str) -> str:
        digest = hashlib.blake2b(f"{client}\0{query}".encode(), digest_size=16).hexdigest()
        self._queries.keep(StoredQuery(digest, client, query), STORED_PER_CLIENT, _STORED_FOR_S)
        return f"{STORED}={digest}"

    def expanded(
        self, client: str | None, pairs: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[str, str]]:
        """
        The parameters of a search, with the pairs of the stored query in place of `_stored`.

        `client` follows the link; None stands for the operator, who may follow any link. Raises
        NotFound for a query that is not stored for this client, InvalidRequest for a second
        `_stored`.
        """
        times = sum(name == STORED for name, _ in pairs)
        if not times:
            return pairs
        if times > 1:
            raise InvalidRequest("search.given-twice", name=STORED)
        expanded: list[tuple[str, str]] = []
        for name, text in pairs:
            expanded += self._stored_pairs(client, text) if name == STORED else [(name, text)]
        return expanded

    def decrypted(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """
        The parameters of a search, with its cursor decrypted.

        Raises InvalidRequest for a cursor that this directory did not make.
        """
        return [
            (name, self._cipher.decrypted(text) if name == CURSOR else text) for name, text in pairs
        ]

    def _stored_pairs(self, client: str | None, query_id: str) -> list[tuple[str, str]]:
        stored = self._queries.read(query_id, _STORED_FOR_S)
        if stored is None or client not in (None, stored.client):
            raise NotFound(
                "http.no-stored-query",
                id=shown(query_id),
                days=STORED_FOR_DAYS,
                most=STORED_PER_CLIENT,
            )
        return parse_qsl(stored.query, keep_blank_values=True)


def uses_stored_query(links: Sequence[tuple[str, str]]) -> bool:
    """Whether one of these links refers to a stored query, which only its client may follow."""
    return any(f"{STORED}=" in url for _, url in links)
