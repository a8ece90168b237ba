"""
Access tokens.

    issuing    making tokens
    verifying  verifying tokens of known issuers
    keys       signing keys, their succession and their public halves
    providers  identity providers, as the operator describes them
"""

from ror.identity.tokens.issuing import AccessToken, issue_token
from ror.identity.tokens.keys import (
    SigningKey,
    accepted_keys,
    may_sign,
    new_signing_key,
    public_key_set,
    read_key_set,
    verification_keys,
)
from ror.identity.tokens.providers import Provider, read_providers
from ror.identity.tokens.verifying import (
    ExpiredToken,
    InvalidToken,
    Issuer,
    UnknownKey,
    VerifiedToken,
    verify_token,
)

__all__ = [
    "AccessToken",
    "ExpiredToken",
    "InvalidToken",
    "Issuer",
    "Provider",
    "SigningKey",
    "UnknownKey",
    "VerifiedToken",
    "accepted_keys",
    "issue_token",
    "may_sign",
    "new_signing_key",
    "public_key_set",
    "read_key_set",
    "read_providers",
    "verification_keys",
    "verify_token",
]
