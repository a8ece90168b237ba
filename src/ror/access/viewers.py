"""
Viewers: the access profile and the perimeter under which a request reads.

Every read takes a `Viewer`. A profile is a bit of the masks that are computed at writing, so a read
under a profile is a set intersection.
"""

from dataclasses import dataclass
from typing import Final

from ror.access.policy import MASKS, PROFILES, ProfileMask
from ror.errors import UsageError

OPEN_DATA: Final = 0
"""The access profile of the public."""

SEES_EVERYTHING: Final = 1
"""The access profile of regulation and crisis management, which sees everything."""


@dataclass(frozen=True, slots=True)
class Perimeter:
    """
    The limits of a client besides its profile; an empty set is no limit.

    `regions` are codes of source regions (`meta.tag`), `fields` codes of fields of activity
    (`HealthcareService.type`).
    """

    regions: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """
    A reader: an access profile (0 to 5), an optional perimeter and an optional client.
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
        """Whether nothing is hidden from this viewer."""
        return self.profile == SEES_EVERYTHING and self.perimeter is None

    @property
    def sight(self) -> tuple[ProfileMask, Perimeter | None]:
        """
        The key of what this viewer sees; viewers with equal keys share cached results.
        """
        return self.mask, self.perimeter


def anonymous_viewer(profile: int | None) -> Viewer | None:
    """
    The viewer of a request without a token; None if requests need a token.

    Raises UsageError if the profile does not exist.
    """
    if profile is None:
        return None
    if profile not in PROFILES:
        raise UsageError("access.unknown-profile", profile=profile)
    return Viewer(profile)
