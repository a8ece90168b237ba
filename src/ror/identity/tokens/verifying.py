"""
Verifying tokens: their issuer, signature, dates and client.

Only configured issuers are trusted, with their own keys and a short list of algorithms. A key that
the token itself supplies is never used, and a key is used only with algorithms of its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import (
    ExpiredTokenError,
    InvalidClaimError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from ror.errors import NOT_JSON, RorError

MAX_TOKEN: Final = 8_192
"""Longest token, in characters; ours have about 700."""
CLOCK_SKEW_S: Final = 60
"""A token may become valid this much later than now, because clocks differ; its end is exact."""

ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "EC": ("ES256", "ES384", "ES512"),
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "OKP": ("Ed25519",),
}
"""Asymmetric signatures by key type: never `none`, never a public key used as a shared secret."""


_ANY: Final = frozenset(name for of_type in ALGORITHMS.values() for name in of_type)


class InvalidToken(RorError):
    """The token is malformed, from an unknown issuer, for another service, or without a client."""

    status, issue = 401, "login"


class ExpiredToken(InvalidToken):
    """The access token has expired."""

    status, issue = 401, "expired"


class UnknownKey(InvalidToken):
    """The access token is signed with a key that is not in the cached keys of its issuer."""

    def __init__(self, issuer: str, kid: str) -> None:
        super().__init__("tokens.unknown-key", kid=kid[:100])
        self.issuer = issuer


@dataclass(frozen=True, slots=True)
class Issuer:
    """A token issuer: its name, its audience, its keys, the claim that names the client."""

    name: str
    audience: str
    keys: Mapping[str, Key] = field(repr=False)
    client_claim: str = "azp"
    client_ids: Mapping[str, str] | None = None
    """Our client ids by claim value; None if they are equal."""
    algorithms: frozenset[str] = _ANY
    is_ours: bool = True
    certificate_bound: bool = False
    """Whether a client registered with a certificate needs a token bound to it."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """
    A verified token: its client, its expiry in seconds since the epoch, for our own tokens the
    certificate of the token request, and the SHA-256 of the certificate that calls must present, in
    base64url (`cnf` of RFC 8705), None without binding.
    """

    issuer: Issuer
    client_id: str
    expires_at: float
    certificate: tuple[str, str] | None = None
    thumbprint: str | None = None


def verify_token(token: str, issuers: Mapping[str, Issuer], now: float) -> VerifiedToken:
    """
    Verify a token; `issuers` are by name.

    Raises InvalidToken, or its subclasses ExpiredToken and UnknownKey.
    """
    try:
        return _verified(token, issuers, now)
    except RecursionError:
        # JSON nested to the limit of this reader is too deep for the next one.
        raise InvalidToken("tokens.malformed") from None


def _verified(token: str, issuers: Mapping[str, Issuer], now: float) -> VerifiedToken:
    header, claims = _unverified(token)
    issuer = issuers.get(str(claims.get("iss")))
    if issuer is None:
        raise InvalidToken("tokens.unknown-issuer")
    key = _key(issuer, header)
    algorithms = _algorithms(issuer, key)
    if not algorithms:
        raise InvalidToken("tokens.bad-algorithm")
    try:
        token_ = jwt.decode(token, key, algorithms=algorithms)
        _claims_of(issuer, now).validate(token_.claims)
    except UnsupportedAlgorithmError:
        raise InvalidToken("tokens.bad-algorithm") from None
    except ExpiredTokenError:
        raise ExpiredToken("tokens.expired") from None
    except (InvalidClaimError, MissingClaimError) as problem:
        raise InvalidToken("tokens.bad-claim", claim=problem.claim) from None
    except (JoseError, ValueError):
        raise InvalidToken("tokens.bad-signature") from None
    if token_.claims["exp"] <= now:
        raise ExpiredToken("tokens.expired")
    return VerifiedToken(
        issuer,
        _client_id(issuer, token_.claims),
        token_.claims["exp"],
        _certificate(token_.claims) if issuer.is_ours else None,
        _thumbprint(token_.claims),
    )


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and claims of a token, before verification."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        raise InvalidToken("tokens.malformed")
    try:
        header, claims = (
            msgspec.json.decode(urlsafe_b64decode(part.encode()), type=dict) for part in parts[:2]
        )
    except NOT_JSON:
        raise InvalidToken("tokens.malformed") from None
    return header, claims


def _key(issuer: Issuer, header: dict[str, Any]) -> Key:
    """The key that a token names, or the only key of its issuer. Raises UnknownKey."""
    kid = header.get("kid")
    if kid is None and len(issuer.keys) == 1:
        return next(iter(issuer.keys.values()))
    key = issuer.keys.get(str(kid))
    if key is None:
        raise UnknownKey(issuer.name, str(kid))
    return key


def _algorithms(issuer: Issuer, key: Key) -> list[str]:
    """
    The algorithms of the key type that the issuer uses; only that of the key if it states name.
    """
    own = key.get("alg")
    of_type = ALGORITHMS.get(key.key_type, ())
    return [name for name in of_type if name in issuer.algorithms and own in (None, name)]


def _claims_of(issuer: Issuer, now: float) -> jwt.JWTClaimsRegistry:
    """The required claims; the caller checks the expiry, to which no leeway applies."""
    return jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=CLOCK_SKEW_S,
        iss={"essential": True, "value": issuer.name},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )


def _client_id(issuer: Issuer, claims: dict[str, Any]) -> str:
    claimed = claims.get(issuer.client_claim)
    if not isinstance(claimed, str) or not claimed:
        raise InvalidToken("tokens.bad-claim", claim=issuer.client_claim)
    if issuer.client_ids is None:
        return claimed
    if claimed not in issuer.client_ids:
        raise InvalidToken("tokens.unknown-client")
    return issuer.client_ids[claimed]


def _certificate(claims: dict[str, Any]) -> tuple[str, str] | None:
    match claims.get("ror_certificate"):
        case {"serial": str(serial), "subject": str(subject)}:
            return serial, subject
        case _:
            return None


def _thumbprint(claims: dict[str, Any]) -> str | None:
    """
    The certificate that a token is bound to. Raises InvalidToken for an unknown kind of binding.
    """
    match claims.get("cnf"):
        case None:
            return None
        case {"x5t#S256": str(thumbprint)}:
            return thumbprint
        case _:
            raise InvalidToken("tokens.bad-claim", claim="cnf")
