"""
What the small generated directory holds, read from its lines, for comparing with what clients bring
back.
"""

from functools import cache
from typing import Any

import msgspec

from tests.conftest import small_directory


@cache
def resources(resource_type: str) -> dict[str, dict[str, Any]]:
    """The generated resources of a type, by id."""
    decoded = map(msgspec.json.decode, small_directory())
    return {one["id"]: one for one in decoded if one["resourceType"] == resource_type}


def target_ids(resource: dict[str, Any], element: str) -> set[str]:
    """The ids that a reference element points at."""
    found = resource.get(element, [])
    return {
        one["reference"].split("/")[1] for one in (found if isinstance(found, list) else [found])
    }


def all_target_ids(resource_type: str, element: str) -> set[str]:
    """The ids that any resource of a type points at with an element."""
    return set().union(*(target_ids(one, element) for one in resources(resource_type).values()))


def in_region(resource_type: str, region: str) -> set[str]:
    """The ids of the resources of a type whose source region is this one."""
    found = resources(resource_type).items()
    return {
        key
        for key, one in found
        if any(tag["code"] == region for tag in one["meta"].get("tag", ()))
    }
