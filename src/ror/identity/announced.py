"""
The four headers that announce the user profile and the role behind a call:
`Ror-Profil-Utilisateur-*` and `Ror-Role-Metier-*`.

A read with a token must have them, with codes granted to its client; a declaration of beds must not
(docs/authentication.md#requests; choice 20). They grant nothing: visibility depends on the client
alone.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from ror.errors import Forbidden, InvalidRequest, MissingHeader
from ror.identity.client import Client
from ror.identity.user_profiles import Announcements

USER_PROFILE_CODE: Final = "Ror-Profil-Utilisateur-Code"
USER_PROFILE_SYSTEM: Final = "Ror-Profil-Utilisateur-System"
ROLE_CODE: Final = "Ror-Role-Metier-Code"
ROLE_SYSTEM: Final = "Ror-Role-Metier-System"
HEADERS: Final = (USER_PROFILE_CODE, USER_PROFILE_SYSTEM, ROLE_CODE, ROLE_SYSTEM)


class Rule(Enum):
    """Whether a route requires or refuses the four headers."""

    REQUIRED = "required"
    REFUSED = "refused"


def check_announced(
    rule: Rule, sent: Mapping[str, str], client: Client, known: Announcements
) -> None:
    """
    Check the headers of a call against its route and the grants of its client.

    `sent` holds the values by header name, without empty or absent headers. Raises MissingHeader,
    InvalidRequest if the route refuses them, or Forbidden if a value is not granted.
    """
    if rule is Rule.REFUSED:
        if sent:
            raise InvalidRequest(
                "announced.refused", names=", ".join(name for name in HEADERS if name in sent)
            )
        return
    missing = [name for name in HEADERS if name not in sent]
    if missing:
        raise MissingHeader("announced.missing", names=", ".join(missing))
    granted: dict[str, frozenset[str]] = {
        USER_PROFILE_CODE: client.user_profiles,
        USER_PROFILE_SYSTEM: frozenset({known.system}),
        ROLE_CODE: client.roles,
        ROLE_SYSTEM: frozenset({known.role_system}),
    }
    for name, values in granted.items():
        if sent[name] not in values:
            raise Forbidden(
                "announced.not-granted",
                name=name,
                value=sent[name][:100],
                granted=", ".join(sorted(values)) or "-",
            )
