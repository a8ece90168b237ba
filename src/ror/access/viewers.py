"""
Who is asking, and what that lets them see.

Every read takes a `Viewer`. An access profile is one bit of the masks that are computed when a
resource is written; reading under it is one more set intersection.
"""

from dataclasses import dataclass
from typing import Final

from ror.access.policy import MASKS, PROFILES, ProfileMask
from ror.errors import UsageError

OPEN_DATA: Final = 0
"""The access profile of the public: what is open to everybody."""

SEES_EVERYTHING: Final = 1
"""The access profile of regulation and crisis management: every datum, every level."""


@dataclass(frozen=True, slots=True)
class Perimeter:
    """
    What a client is held to beside its profile; an empty set holds it to nothing.

    `regions` are codes of source regions (`meta.tag`), `fields` codes of fields of activity
    (`HealthcareService.type`).
    """

    regions: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """
    Someone who reads: an access profile, 0 to 5, perhaps held to a perimeter, perhaps a known
    client.
    """

    profile: int
    perimeter: Perimeter | None = None
    client_id: str | None = None

    @property
    def mask(self) -> ProfileMask:
        """The bit of this profile in a visibility mask."""
        return MASKS[self.profile]

    @property
    def sees_everything(self) -> bool:
        """Whether nothing is ever hidden from this viewer."""
        return self.profile == SEES_EVERYTHING and self.perimeter is None

    @property
    def sight(self) -> tuple[ProfileMask, Perimeter | None]:
        """
        All that decides what this viewer sees: who has the same sees the same, and may share what
        was found.
        """
        return self.mask, self.perimeter


def anonymous_viewer(profile: int | None) -> Viewer | None:
    """
    The viewer of a caller without a token; None when nobody may read without one.

    Raises UsageError for what is not an access profile.
    """
    if profile is None:
        return None
    if profile not in PROFILES:
        raise UsageError("access.unknown-profile", profile=profile)
    return Viewer(profile)
