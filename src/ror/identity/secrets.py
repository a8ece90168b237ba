"""
Client secrets: made here, shown once, stored as a hash that is slow and needs memory to compute.

A hash states its parameters, so they can be raised while old hashes stay readable.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1
"""16 MB and about 50 ms (RFC 7914): plenty for secrets that people do not choose."""
_MEMORY: Final = 64 << 20
_SALT_BYTES: Final = 16
_MOST_PROVEN: Final = 4_096


def new_secret() -> str:
    """A new random secret of 256 bits, in characters that need no escape in a form."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """The hash of a secret, to store in its place."""
    salt = secrets.token_bytes(_SALT_BYTES)
    derived = _text(_derived(secret, salt, _COST, _BLOCK, _PARALLEL))
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_text(salt)}${derived}"


def is_secret_of(secret: str, kept: str | None) -> bool:
    """
    Whether a secret matches a stored hash; takes the same time if there is no hash.

    >>> kept = hash_secret("s3cret")
    >>> is_secret_of("s3cret", kept), is_secret_of("S3cret", kept), is_secret_of("", None)
    (True, False, False)
    """
    _, cost, block, parallel, salt, wanted = (kept or _NOBODYS).split("$")
    derived = _derived(secret, b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(derived, b64decode(wanted)) and kept is not None


class ProvenSecrets:
    """
    The secrets that clients have proven, by a fast digest under a key of this process.

    The same secret again needs no slow hash. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._digests: dict[str, bytes] = {}
        """The digest of the right secret, by the stored hash: another secret has another hash."""

    def includes(self, secret: str, kept: str | None) -> bool:
        """Whether this secret was proven before; quick."""
        digest = self._digest(secret)
        return hmac.compare_digest(self._digests.get(kept or "", b""), digest)

    def prove(self, secret: str, kept: str | None) -> bool:
        """Whether a secret matches a stored hash; slow unless it was proven before."""
        if self.includes(secret, kept):
            return True
        if not is_secret_of(secret, kept) or kept is None:
            return False
        if len(self._digests) >= _MOST_PROVEN:
            self._digests.clear()
        self._digests[kept] = self._digest(secret)
        return True

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._key, secret.encode(), "sha256")


def _derived(secret: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        secret.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=32
    )


def _text(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


_NOBODYS: Final = (
    f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_text(bytes(_SALT_BYTES))}${_text(bytes(32))}"
)
"""A hash that no secret matches."""
