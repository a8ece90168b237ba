"""
Who calls, and what each client was granted.

    client             a client and its states
    announced          the `Ror-*` headers
    user_profiles      user profiles and roles by access profile
    secrets            hashes of client secrets
    tokens/            access tokens: issuing, verifying, signing keys, identity providers
    certificates/      client certificates and certification authorities
    registry           the clients and keys at this moment
    rates              rate limits
    provider_keys      the signing keys of identity providers
    authorities        the trusted authorities and their revocation lists
    token_service      the token endpoint
    enrolment          how a client is added, changed and revoked
    sandbox_authority  a certification authority for tests
    keeping            what a store keeps of clients and keys
    loopback           is an address reachable from this machine only
"""

from ror.identity.announced import HEADERS, Rule, check_announced
from ror.identity.client import (
    PUBLIC_PROFILE,
    Act,
    Action,
    Client,
    Kind,
    Rate,
    State,
    after_action,
    check_consistency,
    rate_of,
)
from ror.identity.user_profiles import Announcements, UserProfile, announcements

__all__ = [
    "HEADERS",
    "PUBLIC_PROFILE",
    "Act",
    "Action",
    "Announcements",
    "Client",
    "Kind",
    "Rate",
    "Rule",
    "State",
    "UserProfile",
    "after_action",
    "announcements",
    "check_announced",
    "check_consistency",
    "rate_of",
]
