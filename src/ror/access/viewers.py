"""
Who is asking, and what that lets them see.

Every read takes a `Viewer`. An access profile is one bit of the masks that are computed when a resource is written;
reading under it is one more set intersection. The policy that fills the masks is not here yet: until it is, the only
viewer that may be made is the one of profile 1, which sees everything.
"""

from dataclasses import dataclass
from typing import Final

from ror.errors import UsageError

SEES_EVERYTHING: Final = 1
"""The access profile of regulation and crisis management: every datum, every level (access-policy.md section 3.3)."""


@dataclass(frozen=True, slots=True)
class Perimeter:
    """
    What a client is held to beside its profile; an empty set holds it to nothing.

    `regions` are codes of source regions (`meta.tag`), `fields` codes of fields of activity (`HealthcareService.type`).
    """

    regions: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Someone who reads: an access profile, 0 to 5, perhaps held to a perimeter, perhaps a known client."""

    profile: int
    perimeter: Perimeter | None = None
    client_id: str | None = None

    @property
    def mask(self) -> int:
        """The bit of this profile in a visibility mask."""
        return 1 << self.profile


def anonymous_viewer(profile: int | None) -> Viewer | None:
    """
    The viewer of a caller without a token; None when nobody may read without one.

    Raises UsageError for any profile but 1: the others need the access policy, and pretending would leak.
    """
    if profile is None:
        return None
    if profile != SEES_EVERYTHING:
        raise UsageError("access.profile-not-ready", profile=profile)
    return Viewer(profile)
