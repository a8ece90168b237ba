"""
The keys that sign our tokens: their succession, and the public key set.

The newest key signs. A former key stays accepted as long as a token that it signed may be valid, so
changing keys invalidates no token; then it is deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet
from joserfc.util import urlsafe_b64decode

from ror.errors import NOT_JSON

ALGORITHM: Final = "ES256"
LONGEST_LIFE_S: Final = 3_600
"""The longest lifetime of a token, whatever the settings say."""
MARGIN_S: Final = 60
"""The clocks of servers that share a directory may differ by this much."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key as a JSON Web Key, its id, and its creation in seconds since the epoch."""

    kid: str
    created_at: int
    jwk: Mapping[str, Any] = field(repr=False)


def new_signing_key(now: int) -> SigningKey:
    """A new signing key."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    assert key.kid is not None, "it was just named"
    return SigningKey(key.kid, now, key.as_dict(private=True))


def accepted_keys(keys: Sequence[SigningKey], now: int) -> Sequence[SigningKey]:
    """
    The keys whose tokens may still be valid; `keys` are in order, oldest first.

    A key stops being accepted once any later key has signed for the longest life of a token. A
    later key dated in the future (the clock jumped forward, then back) proves nothing; the one made
    after it does.

    >>> old, new = SigningKey("old", 0, {}), SigningKey("new", 1_000, {})
    >>> [key.kid for key in accepted_keys([old, new], 1_600)]
    ['old', 'new']
    >>> [key.kid for key in accepted_keys([old, new], 9_000)]
    ['new']
    """
    since = now - LONGEST_LIFE_S - MARGIN_S
    signing_since_long = [at for at, key in enumerate(keys) if key.created_at <= since]
    return keys[max(signing_since_long, default=0) :]


def may_sign(key: SigningKey, now: int, days: int) -> bool:
    """
    Whether a key may sign at this moment: it has not served its days, and it is not dated in the
    future.

    A key dated in the future was made while the clock was wrong. It would sign for longer than its
    days.

    >>> [may_sign(SigningKey("k", 86_400, {}), now, 1) for now in (0, 86_400, 172_799, 172_800)]
    [False, True, True, False]
    """
    return key.created_at - MARGIN_S <= now < key.created_at + days * 86_400


def public_key_set(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The public halves of keys, as a JSON Web Key Set."""
    return dict(KeySet([ECKey.import_key(dict(key.jwk)) for key in keys]).as_dict(private=False))


def verification_keys(keys: Iterable[SigningKey]) -> dict[str, Key]:
    """The public halves of keys by id, ready to verify signatures."""
    return {
        key.kid: ECKey.import_key(ECKey.import_key(dict(key.jwk)).as_dict(private=False))
        for key in keys
    }


# --- keys of other issuers ------------------------------------------------------------------------

_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {
    "EC": ("crv", "x", "y"),
    "RSA": ("n", "e"),
    "OKP": ("crv", "x"),
}
"""The members of a public key, by key type."""
_SHORTEST_RSA: Final = 2_048
MOST_KEYS: Final = 100


def read_key_set(jwks: bytes) -> dict[str, Key]:
    """
    The keys of a JSON Web Key Set that can verify signatures, by id.

    Leaves out keys of another type or use, unreadable keys and short keys. Raises ValueError if no
    key remains, or the text is no key set.
    """
    try:
        listed = msgspec.json.decode(jwks, type=_KeySet).keys
        keys = dict(filter(None, map(_verifying, listed[:MOST_KEYS])))
    except NOT_JSON as problem:
        raise ValueError(f"not a JSON Web Key Set: {problem}") from None
    if not keys:
        raise ValueError("no key that verifies signatures")
    return keys


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _verifying(jwk: dict[str, Any]) -> tuple[str, Key] | None:
    kind = str(jwk.get("kty"))
    if kind not in _PUBLIC or jwk.get("use", "sig") != "sig":
        return None
    kept = {name: jwk[name] for name in ("kty", "alg", "kid", *_PUBLIC[kind]) if name in jwk}
    try:
        if (
            kind == "RSA"
            and int.from_bytes(urlsafe_b64decode(jwk["n"].encode())).bit_length() < _SHORTEST_RSA
        ):
            return None
        key = JWKRegistry.import_key(kept)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(jwk.get("kid") or key.thumbprint()), key
