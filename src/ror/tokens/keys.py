"""
The keys that sign our tokens: how they succeed each other, and what is published of them.

The newest signs. A key that was succeeded is accepted for as long as a token signed with it may still be valid, so that
changing keys refuses no token; then it is forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc.jwk import ECKey, Key, KeySet

ALGORITHM: Final = "ES256"
LONGEST_LIFE_S: Final = 3_600
"""No token lives longer, whatever the settings say."""
_MARGIN_S: Final = 60
"""Clocks of servers that share a directory may differ by this much."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key as a JSON Web Key, its name, and when it was made, in seconds since the epoch."""

    kid: str
    created_at: int
    jwk: Mapping[str, Any] = field(repr=False)


def new_signing_key(now: int) -> SigningKey:
    """A key that was never used."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    assert key.kid is not None, "it was just named"
    return SigningKey(key.kid, now, key.as_dict(private=True))


def accepted(keys: Sequence[SigningKey], now: int) -> Sequence[SigningKey]:
    """
    Those of the keys, given from the oldest, whose tokens may still be valid.

    >>> old, new = SigningKey("old", 0, {}), SigningKey("new", 1_000, {})
    >>> [key.kid for key in accepted([old, new], 1_600)], [key.kid for key in accepted([old, new], 9_000)]
    (['old', 'new'], ['new'])
    """
    since = now - LONGEST_LIFE_S - _MARGIN_S
    succeeded_long_ago = sum(successor.created_at <= since for successor in keys[1:])
    return keys[succeeded_long_ago:]


def published(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The public halves of keys, as a JSON Web Key Set."""
    return dict(KeySet([ECKey.import_key(dict(key.jwk)) for key in keys]).as_dict(private=False))


def ring_of(keys: Iterable[SigningKey]) -> dict[str, Key]:
    """The public halves of keys by name, ready to verify with."""
    return {key.kid: ECKey.import_key(ECKey.import_key(dict(key.jwk)).as_dict(private=False)) for key in keys}
