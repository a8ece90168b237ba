"""
Access tokens.

    issuing    making tokens
    verifying  verifying tokens of known issuers
    keys       signing keys, their succession and their public halves
    providers  identity providers, as the operator describes them
"""

from ror.identity.tokens.issuing import Granted, issue
from ror.identity.tokens.keys import (
    SigningKey,
    accepted,
    key_ring,
    may_sign,
    new_signing_key,
    published,
    ring_of,
)
from ror.identity.tokens.providers import Provider, providers
from ror.identity.tokens.verifying import (
    ExpiredToken,
    InvalidToken,
    Issuer,
    UnknownKey,
    Verified,
    verified,
)

__all__ = [
    "ExpiredToken",
    "Granted",
    "InvalidToken",
    "Issuer",
    "Provider",
    "SigningKey",
    "UnknownKey",
    "Verified",
    "accepted",
    "issue",
    "key_ring",
    "may_sign",
    "new_signing_key",
    "providers",
    "published",
    "ring_of",
    "verified",
]
