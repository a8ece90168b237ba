"""
Governed extensions that no rule would find: in a place where none looks, or under a URL that is
spelled otherwise. They are refused; what they say would be open to everybody.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from ror.access.governed import (
    LEVEL,
    SENSITIVE_UNIT,
    SUPPORTED_CAPACITY,
    canonical_name,
    canonical_part,
    element_rows,
    is_governed,
    name_in,
)


class Misplaced(NamedTuple):
    """
    An extension that no rule finds: its FHIRPath and the name of the governed extension that it is.

    `fault` says whether its `place` is wrong or its `url`; `right` is where it may stand, or what
    its URL must end in.
    """

    path: str
    name: str
    fault: Literal["place", "url"]
    right: str


def misplaced(resource: Mapping[str, Any], written: bytes) -> list[Misplaced]:
    """
    The governed extensions of a valid resource that no rule would find; `written` is it, as our
    JSON.

    What is contained may say anything: a rule governs it as a whole.

    >>> import msgspec
    >>> flag = {"url": "https://example.org/ror-healthcareservice-sensitive-unit"}
    >>> offer = {"resourceType": "HealthcareService", "modifierExtension": [flag]}
    >>> [one.path for one in misplaced(offer, msgspec.json.encode(offer))]
    ['HealthcareService.modifierExtension[0]']
    """
    resource_type = resource["resourceType"]
    named, area = sum(map(_WEIGHTS.__getitem__, _URL.findall(written))), _area_of(resource_type)
    # Most resources have governed extensions in their places or none at all: those are not walked.
    if not named or named == _in_place(resource, area):
        return []
    root = {member: value for member, value in resource.items() if member != "contained"}
    return list(_misplaced_below(root, resource_type, area))


_URL: Final = re.compile(rb'"url":"([^"]*)')
"""The URLs of JSON without spaces; of one that holds a quotation mark, the part before it."""

_MISSPELT: Final = 1_000_000
"""More than there are places for extensions in a resource."""


class _Weights(dict[bytes, int]):
    """
    By URL: 1 for that of a governed extension, `_MISSPELT` for one spelled otherwise, 0 for others.

    Bounded, because whoever sends a resource chooses its URLs.
    """

    _most: Final = 8192

    def __missing__(self, url: bytes) -> int:
        if len(self) >= self._most:
            self.clear()
        text = url.decode()
        is_misspelt = canonical_name(text) or canonical_part(text)
        self[url] = _MISSPELT if is_misspelt else int(is_governed(name_in(text)))
        return self[url]


_WEIGHTS: Final = _Weights()


# --- where a rule looks ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Area:
    """
    A governed element, the root of a resource included: what a rule looks for directly in it.

    Extensions that state a level may stand in it when its own level counts (`is_levelled`).
    """

    name: str
    is_levelled: bool = False
    extensions: "dict[str, _Area]" = field(default_factory=dict)
    members: "dict[str, _Area]" = field(default_factory=dict)


_NOWHERE: Final = _Area("")
"""Every element that is not governed."""


@cache
def _area_of(resource_type: str) -> _Area:
    """The root of a resource type."""
    root = _Area(resource_type)
    areas: dict[str | None, _Area] = {None: root}
    for row in element_rows():
        if row.get("type") == resource_type:
            name = row.get("extension") or row["member"]
            outer = areas[row.get("within")]
            inside = outer.extensions if "extension" in row else outer.members
            inside[name] = _Area(name, "level" in row)
            # A member and what stands in it under the same name (`telecom`) are two areas.
            areas.setdefault(name, inside[name])
    if resource_type == "HealthcareService":
        root.extensions[SENSITIVE_UNIT] = _Area(SENSITIVE_UNIT)
    return root


@cache
def _places_of(name: str) -> str:
    """Where an extension of this name may stand, in words."""
    types = dict.fromkeys(row["type"] for row in element_rows() if "type" in row)
    places = (one for kind in types for one in _places_below(_area_of(kind), kind, name))
    return ", ".join(sorted(set(places)))


def _places_below(area: _Area, path: str, name: str) -> Iterator[str]:
    if name in area.extensions or (area.is_levelled and name.endswith(LEVEL)):
        yield f"{path}.extension"
    for extension, inside in area.extensions.items():
        yield from _places_below(inside, f"{path}.extension({extension})", name)
    for member, inside in area.members.items():
        yield from _places_below(inside, f"{path}.{member}", name)


# --- the extensions of a resource -----------------------------------------------------------------


def _in_place(node: Mapping[str, Any], area: _Area) -> int:
    """How many governed extensions of a node, and of the governed elements in it, a rule finds."""
    count = 0
    for extension in node.get("extension", ()):
        name = name_in(extension["url"])
        if name in area.extensions:
            count += 1 + _in_place(extension, area.extensions[name])
        elif area.is_levelled and name.endswith(LEVEL):
            count += 1
    for member, inside in area.members.items():
        for item in node.get(member, ()):
            count += _in_place(item, inside)
    return count


def _misplaced_below(node: Mapping[str, Any], path: str, area: _Area) -> Iterator[Misplaced]:
    """The governed extensions below a node that no rule finds."""
    for member, value in node.items():
        element = f"{path}.{member.removeprefix('_')}"
        inside = area.members.get(member, _NOWHERE)
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(item, dict):
                continue
            here = f"{element}[{number}]" if isinstance(value, list) else element
            if member in ("extension", "modifierExtension"):
                looks = area if member == "extension" else _NOWHERE
                if fault := _fault(item["url"], here, looks):
                    yield fault
                inside = looks.extensions.get(name_in(item["url"]), _NOWHERE)
            yield from _misplaced_below(item, here, inside)


def _fault(url: str, path: str, area: _Area) -> Misplaced | None:
    """
    What keeps a rule from finding an extension; None when nothing does, or when none governs it.
    """
    name = name_in(url)
    right = canonical_name(url) or (
        canonical_part(url) if area.name == SUPPORTED_CAPACITY else None
    )
    if right is not None:
        return Misplaced(f"{path}.url", right, "url", right)
    is_found = name in area.extensions or (area.is_levelled and name.endswith(LEVEL))
    if is_governed(name) and not is_found:
        return Misplaced(path, name, "place", _places_of(name))
    return None
