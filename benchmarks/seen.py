"""
What requests can name in a generated directory: resources, codes, identifiers, free beds.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

ONE_IN: Final = 25
"""Identifiers are kept for one resource in this many."""


class _Coding(msgspec.Struct):
    code: str = ""
    system: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []


class _Identifier(msgspec.Struct):
    value: str = ""


class _Reference(msgspec.Struct):
    reference: str = ""


class _Position(msgspec.Struct):
    latitude: float
    longitude: float


class _Extension(msgspec.Struct):
    url: str
    extension: "list[_Extension]" = []
    valueCodeableConcept: _Concept | None = None  # noqa: N815 named as in FHIR
    valueInteger: int | None = None  # noqa: N815


class _Meta(msgspec.Struct):
    tag: list[_Coding] = []


class _Resource(msgspec.Struct):
    resourceType: str  # noqa: N815 named as in FHIR
    id: str
    meta: _Meta
    type: Any = None
    category: Any = None
    specialty: list[_Concept] = []
    characteristic: list[_Concept] = []
    identifier: list[_Identifier] = []
    location: list[_Reference] | _Reference = []
    position: _Position | None = None
    extension: list[_Extension] = []


def _codings(value: Any) -> Iterator[_Coding]:
    """The codings of a member that is a concept or a list of concepts; none for other values."""
    concepts = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    for concept in concepts:
        found = concept if isinstance(concept, _Concept) else msgspec.convert(concept, _Concept)
        yield from found.coding


def _commune(resource: _Resource) -> Iterator[_Coding]:
    for one in resource.extension:
        if one.url.endswith("/ror-commune-cog") and one.valueCodeableConcept:
            yield from one.valueCodeableConcept.coding


_Codes = Callable[[_Resource], Iterable[_Coding]]
_TAG: Final[_Codes] = lambda resource: resource.meta.tag  # noqa: E731 a row of the table, shared
_TYPE: Final[_Codes] = lambda resource: _codings(resource.type)  # noqa: E731

TOKENS: Final[dict[tuple[str, str], _Codes]] = {
    ("HealthcareService", "specialty"): lambda resource: _codings(resource.specialty),
    ("HealthcareService", "service-type"): _TYPE,
    ("HealthcareService", "service-category"): lambda resource: _codings(resource.category),
    ("HealthcareService", "characteristic"): lambda resource: _codings(resource.characteristic),
    ("HealthcareService", "_tag"): _TAG,
    ("Location", "type"): _TYPE,
    ("Location", "commune-cog"): _commune,
    ("Location", "_tag"): _TAG,
    ("Organization", "type"): _TYPE,
    ("Organization", "_tag"): _TAG,
    ("Practitioner", "_tag"): _TAG,
    ("PractitionerRole", "_tag"): _TAG,
}
"""The searched token parameters, and where a resource has their codes."""

IDENTIFIED: Final = ("Practitioner", "Organization")

BED: Final = {"capacityType": "01", "capacityStatus": "02", "temporalityCapacity": "01"}
"""The codes of a capacity that is a free bed today: bed, available, current (UC4.S01)."""


class FreeBed(NamedTuple):
    """An offer with a free bed: its activity and position."""

    specialty: str
    latitude: float
    longitude: float


@dataclass(slots=True)
class Seen:
    """What requests can name."""

    by_type: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[tuple[str, str], Counter[tuple[str, str]]] = field(default_factory=dict)
    """How often each `(system, code)` is used, by type and parameter."""
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    """Identifiers of some resources of the types in `IDENTIFIED`."""
    free_beds: list[FreeBed] = field(default_factory=list)
    """One for each activity of each offer with a free bed."""

    @property
    def resources(self) -> int:
        """The number of resources."""
        return sum(map(len, self.by_type.values()))

    @classmethod
    def in_file(cls, path: Path) -> "Seen":
        """Read an NDJSON file in which each resource follows those it refers to."""
        seen, decode = cls(), msgspec.json.Decoder(_Resource).decode
        parameters: dict[str, list[tuple[Counter[tuple[str, str]], _Codes]]] = {}
        for key, codes in TOKENS.items():
            seen.codes[key] = Counter()
            parameters.setdefault(key[0], []).append((seen.codes[key], codes))
        places: dict[str, _Position] = {}
        with path.open("rb") as lines:
            for line in lines:
                resource = decode(line)
                seen._note(resource, places)
                for counter, codes in parameters.get(resource.resourceType, ()):
                    counter.update({(one.system, one.code) for one in codes(resource) if one.code})
        return seen

    def _note(self, resource: _Resource, places: dict[str, _Position]) -> None:
        """
        Note what requests can name of a resource; `places` has locations with a free bed by
        reference.
        """
        same = self.by_type.setdefault(resource.resourceType, [])
        same.append(resource.id)
        if resource.resourceType in IDENTIFIED and len(same) % ONE_IN == 1:
            self.identifiers.setdefault(resource.resourceType, []).append(
                resource.identifier[0].value
            )
        if resource.position and any(map(_is_free_bed, resource.extension)):
            places[f"Location/{resource.id}"] = resource.position
        if resource.resourceType == "HealthcareService" and isinstance(resource.location, list):
            for place in filter(None, (places.get(one.reference) for one in resource.location)):
                for activity in _codings(resource.specialty):
                    self.free_beds.append(FreeBed(activity.code, place.latitude, place.longitude))

    def commonest(self, key: tuple[str, str]) -> list[str]:
        """The codes of a parameter, most frequent first, alternately with and without system."""
        ranked = sorted(self.codes[key].items(), key=lambda item: (-item[1], item[0]))
        written = (
            code if number % 2 else f"{system}|{code}"
            for number, ((system, code), _) in enumerate(ranked)
        )
        return list(map(quote, written))


def _is_free_bed(capacity: _Extension) -> bool:
    said = {part.url: part for part in capacity.extension}
    if "nbCapacity" not in said or not (said["nbCapacity"].valueInteger or 0) > 0:
        return False
    concepts = (
        (said[name].valueCodeableConcept if name in said else None, code)
        for name, code in BED.items()
    )
    return all(
        concept is not None and any(one.code == code for one in concept.coding)
        for concept, code in concepts
    )
