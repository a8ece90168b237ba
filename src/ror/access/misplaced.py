"""
Governed extensions that no rule applies to, because of their place or the spelling of their URL.

Imports refuse them, because every viewer would see their content.
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
    A governed extension that no rule applies to: its FHIRPath and its canonical name.

    `fault` says whether its `place` or its `url` is wrong; `right` is where it may stand, or the
    required end of its URL.
    """

    path: str
    name: str
    fault: Literal["place", "url"]
    right: str


def misplaced(resource: Mapping[str, Any], written: bytes) -> list[Misplaced]:
    """
    The misplaced extensions of a valid resource; `written` is its JSON without spaces.

    Contained resources are not checked: a rule governs each as a whole.

    >>> import msgspec
    >>> flag = {"url": "https://example.org/ror-healthcareservice-sensitive-unit"}
    >>> offer = {"resourceType": "HealthcareService", "modifierExtension": [flag]}
    >>> [one.path for one in misplaced(offer, msgspec.json.encode(offer))]
    ['HealthcareService.modifierExtension[0]']
    """
    resource_type = resource["resourceType"]
    total, area = sum(map(_WEIGHTS.__getitem__, _URL.findall(written))), _area_of(resource_type)
    # Most resources have no misplaced extension: the counts agree and the walk is not needed.
    if not total or total == _in_place(resource, area):
        return []
    root = {member: value for member, value in resource.items() if member != "contained"}
    return list(_misplaced_below(root, resource_type, area))


_URL: Final = re.compile(rb'"url":"([^"]*)')
"""The URLs of JSON without spaces; of one that holds a quotation mark, the part before it."""

_MISSPELT: Final = 1_000_000
"""More than the number of extensions that a resource can hold."""


class _Weights(dict[bytes, int]):
    """
    By URL: 1 for that of a governed extension, `_MISSPELT` for one spelled otherwise, 0 for others.

    Bounded, because the sender of a resource chooses its URLs.
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
    The governed extensions and members that rules look for directly in an element or a root.

    An extension that states a level may stand in the element if its level counts (`is_levelled`).
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
    places = (place for kind in types for place in _places_below(_area_of(kind), kind, name))
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
    """The number of well-placed governed extensions of a node and of its governed elements."""
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
    """The misplaced extensions below a node."""
    for member, value in node.items():
        element = f"{path}.{member.removeprefix('_')}"
        inside = area.members.get(member, _NOWHERE)
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(item, dict):
                continue
            item_path = f"{element}[{number}]" if isinstance(value, list) else element
            if member in ("extension", "modifierExtension"):
                governed = area if member == "extension" else _NOWHERE
                if fault := _fault(item["url"], item_path, governed):
                    yield fault
                inside = governed.extensions.get(name_in(item["url"]), _NOWHERE)
            yield from _misplaced_below(item, item_path, inside)


def _fault(url: str, path: str, area: _Area) -> Misplaced | None:
    """
    The fault of a misplaced extension; None if it is well placed or not governed.
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
