"""
The user profiles and roles that calls may announce, and the access profile of each user profile.

The table ships in `knowledge/user_profiles.toml`; an operator's file of the same form replaces it.
It only proposes grants: the access profile of a client decides what it sees, whatever a call
announces.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from ror.errors import UsageError


class UserProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user profile: its label, first day, access profile, and how certain that is (`status`)."""

    label: str
    status: str
    since: date | None = None
    profile: int | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    system: str
    role_system: str
    roles: list[str]
    user_profiles: dict[str, UserProfile]


@dataclass(frozen=True, slots=True)
class Announcements:
    """The user profiles and roles that calls may announce, with the systems of their codes."""

    system: str
    role_system: str
    roles: frozenset[str]
    user_profiles: Mapping[str, UserProfile]

    def of_profile(self, profile: int) -> frozenset[str]:
        """The user profiles of an access profile."""
        return frozenset(
            code
            for code, user_profile in self.user_profiles.items()
            if user_profile.profile == profile
        )


def announcements(path: Path | None = None) -> Announcements:
    """
    The shipped table, or that of a file. Raises UsageError if the file holds none.

    >>> announcements().of_profile(3) == {"CU19", "CU21"}
    True
    """
    if path is None:
        return _shipped()
    try:
        return _read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, msgspec.ValidationError) as problem:
        raise UsageError("clients.bad-user-profiles", file=path, problem=problem) from None


@cache
def _shipped() -> Announcements:
    file = resources.files("ror.standard.knowledge").joinpath("user_profiles.toml")
    return _read(file.read_text(encoding="utf-8"))


def _read(text: str) -> Announcements:
    content: dict[str, Any] = tomllib.loads(text)
    file = msgspec.convert(content, _File)
    return Announcements(file.system, file.role_system, frozenset(file.roles), file.user_profiles)
