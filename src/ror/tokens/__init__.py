"""Who does a token speak for, and who signed it?"""

from ror.tokens.issuing import Granted, issue
from ror.tokens.keys import SigningKey, accepted, new_signing_key, published, ring_of
from ror.tokens.verifying import ExpiredToken, InvalidToken, Issuer, UnknownKey, Verified, verified

__all__ = [
    "ExpiredToken",
    "Granted",
    "InvalidToken",
    "Issuer",
    "SigningKey",
    "UnknownKey",
    "Verified",
    "accepted",
    "issue",
    "new_signing_key",
    "published",
    "ring_of",
    "verified",
]
