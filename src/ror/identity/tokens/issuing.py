"""
Making tokens: signed JSON Web Tokens with the claims of the published service, close to RFC 9068.

A token says who the client is and how it authenticated, never what it may see: each call looks that
up.
"""

import secrets
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.jwk import ECKey

from ror.identity.tokens.keys import ALGORITHM, SigningKey


class AccessToken(NamedTuple):
    """A token and its lifetime in seconds."""

    token: str
    expires_in: int


def issue_token(
    key: SigningKey,
    *,
    issuer: str,
    audience: str,
    client_id: str,
    certificate: tuple[str, str] | None,
    now: int,
    lifetime_s: int,
) -> AccessToken:
    """
    A token for a client; `certificate` is the serial number and subject of its certificate.

    The token is not bound to the certificate (`cnf` of RFC 8705), because API calls come without
    one.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": client_id,
        "aud": audience,
        "azp": client_id,
        "client_id": client_id,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_s,
        "jti": secrets.token_urlsafe(12),
    }
    if certificate is not None:
        serial, subject = certificate
        claims["ror_certificate"] = {"serial": serial, "subject": subject}
    header = {"alg": ALGORITHM, "kid": key.kid}
    signed = jwt.encode(header, claims, ECKey.import_key(dict(key.jwk)), algorithms=[ALGORITHM])
    return AccessToken(signed, lifetime_s)
