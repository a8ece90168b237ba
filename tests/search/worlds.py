"""
Small, dense directories for the laws of search: few values, many links, so that criteria and chains
really meet.

A world is made of batches of resources drawn from a seed; it can be asked slowly, through
`matches`, and quickly, as a view of several segments in which many resources were replaced and some
deleted.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from ror.access.policy import ALL_PROFILES
from ror.resources.versions import without_version
from ror.search.index import segment as segments
from ror.search.index.extract import extract, pack
from ror.search.index.view import EMPTY, View
from ror.search.language.expression import IndexedResource
from ror.search.language.values import (
    Canonical,
    LogicalReference,
    Token,
    Value,
    covering,
    covering_instant,
)
from ror.standard.definitions import LAST_UPDATED
from ror.standard.references import Reference
from ror.store.contract import IndexRow

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
ACTIVITIES = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
"""A real nomenclature: its codes 01 and 02 have labels."""
LABELS = ("Médecine, Chirurgie, Obstétrique (MCO)", "SMR")
SYSTEMS = ("https://mos.esante.gouv.fr/a", ACTIVITIES.replace("https:", "http:"), "")
CODES = ("01", "02", "a1", "A1")
"""The last two are one code in a nomenclature, and as identifiers; elsewhere they are two."""
NAMES = (
    "Centre hospitalier",
    "centre Hospitalier de l’Œuvre",
    "Clinique",
    "Cœur",
    "é",
    "EHPAD  Les Tilleuls",
    "Saint-Étienne",
    "Sainte-Foy",
    "C.H.U. 35-G-01",
    "CHU 35G01",
)
DATES = (
    "2024",
    "2024-02",
    "2024-02-29",
    "2024-02-29T10:00:00+01:00",
    "2024-02-29T10:00:00.500Z",
    "2025-07-01",
)
NUMBERS = (0, 1, 2)
LATITUDES = (48.0, 48.001, 48.1)
LONGITUDES = (2.0, 2.001, 2.2)
UNITS = ("http://unitsofmeasure.org", "https://unitsofmeasure.org", "https://other.example")
CANONICALS = ("https://example.org/m/1", "https://example.org/m/2")
IDS = ("1", "2", "3", "4")

Part = Callable[[Random], Any]


def _coding(random: Random) -> dict[str, Any]:
    system = random.choice(SYSTEMS)
    found = {"code": random.choice(CODES), **({"system": system} if system else {})}
    if random.random() < 0.4:
        found["display"] = random.choice((*NAMES, *LABELS))
    return found


def _concept(random: Random) -> dict[str, Any]:
    text = {"text": random.choice(("sans code", *NAMES, *LABELS))} if random.random() < 0.2 else {}
    return text if text and random.random() < 0.5 else {"coding": _some(_coding, 2)(random), **text}


def _some(part: Part, most: int) -> Part:
    """From one to `most` of a part."""
    return lambda random: [part(random) for _ in range(random.randint(1, most))]


def _one_of(*values: Any) -> Part:
    return lambda random: random.choice(values)


def _concept_part(url: str) -> Part:
    return lambda random: {"url": url, "valueCodeableConcept": _concept(random)}


def _complex(name: str, *parts: Part) -> Part:
    """An extension with most of its parts, each at most once."""
    return lambda random: {
        "url": ROR + name,
        "extension": [part(random) for part in parts if random.random() < 0.8],
    }


def _quantity(random: Random) -> dict[str, Any]:
    found: dict[str, Any] = {"value": random.choice(NUMBERS)}
    if random.random() < 0.7:
        found["code"] = random.choice(("kg", "a"))
        if random.random() < 0.6:
            found["system"] = random.choice(UNITS)
    return found


CAPACITY = _complex(
    "ror-location-supported-capacity",
    _concept_part("capacityStatus"),
    _concept_part("capacityType"),
    lambda random: {"url": "nbCapacity", "valueInteger": random.choice(NUMBERS)},
    lambda random: {"url": "capacityUpdateDate", "valueDateTime": random.choice(DATES[2:5])},
)
LIMIT = _complex(
    "ror-location-equipment-limit",
    _concept_part("equipmentFeature"),
    lambda random: {"url": "limitValue", "valueQuantity": _quantity(random)},
)
EQUIPMENT = _complex("ror-location-equipment", _concept_part("equipmentType"), LIMIT, LIMIT)
PRICE = _complex(
    "ror-organization-price",
    _concept_part("priceType"),
    _concept_part("welcomeType"),
    lambda random: {
        "url": "amount",
        "valueMoney": {"value": random.choice(NUMBERS), "currency": "EUR"},
    },
    lambda random: {"url": "startDate", "valueDateTime": random.choice(DATES[:3])},
)


def _drop_zone(random: Random) -> dict[str, Any]:
    return {"url": ROR + "ror-organization-drop-zone", "valueBoolean": random.random() < 0.5}


def _patients(random: Random) -> dict[str, Any]:
    ages = {"low": _quantity(random), "high": _quantity(random)}
    return {
        "url": ROR + "ror-healthcareservice-patient-type",
        "extension": [{"url": "ageRange", "valueRange": ages}],
    }


def _reference(resource_type: str) -> Part:
    """A literal reference, sometimes to nothing, or one by business identifier."""

    def make(random: Random) -> dict[str, Any]:
        if random.random() < 0.75:
            return {"reference": f"{resource_type}/{random.choice((*IDS, 'absent'))}"}
        return {"type": resource_type, "identifier": _identifier(random)}

    return make


def _identifier(random: Random) -> dict[str, Any]:
    coding = _coding(random)
    found = {
        "value": coding["code"],
        **({"system": coding["system"]} if "system" in coding else {}),
    }
    return {**found, "type": _concept(random)} if random.random() < 0.6 else found


def _period(random: Random) -> dict[str, Any]:
    bounds = {
        "start": random.choice(DATES[:3]),
        "end": random.choice(("2024-03", "2025", "2025-07-01")),
    }
    return {name: at for name, at in bounds.items() if random.random() < 0.7}


def _narrative(random: Random) -> dict[str, Any]:
    return {"status": "generated", "div": f"<div><p>{random.choice(NAMES)}</p></div>"}


SHAPES: dict[str, dict[str, Part]] = {
    "Organization": {
        "identifier": _some(_identifier, 2),
        "name": _one_of(*NAMES),
        "alias": _some(_one_of(*NAMES), 2),
        "type": _some(_concept, 2),
        "partOf": _reference("Organization"),
        "text": _narrative,
        "extension": lambda random: [_drop_zone(random), *_some(PRICE, 2)(random)],
    },
    "HealthcareService": {
        "identifier": _some(_identifier, 2),
        "name": _one_of(*NAMES),
        "providedBy": _reference("Organization"),
        "location": _some(_reference("Location"), 3),
        "specialty": _some(_concept, 2),
        "notAvailable": lambda random: [{"description": "x", "during": _period(random)}],
        "extension": _some(_patients, 1),
    },
    "Location": {
        "identifier": _some(_identifier, 2),
        "status": _one_of("active", "inactive"),
        "address": lambda random: {"city": random.choice(NAMES)},
        "position": lambda random: {
            "latitude": random.choice(LATITUDES),
            "longitude": random.choice(LONGITUDES),
        },
        "managingOrganization": _reference("Organization"),
        "text": _narrative,
        "extension": lambda random: [*_some(CAPACITY, 3)(random), *_some(EQUIPMENT, 2)(random)],
    },
    "PractitionerRole": {
        "identifier": _some(_identifier, 2),
        "healthcareService": _some(_reference("HealthcareService"), 1),
    },
    "Task": {"focus": _reference("HealthcareService"), "authoredOn": _one_of(*DATES)},
    "Measure": {"url": _one_of(*CANONICALS)},
    "MeasureReport": {
        "measure": _one_of(CANONICALS[0], CANONICALS[1] + "|1"),
        "date": _one_of(*DATES),
    },
}


def _resource(random: Random, resource_type: str, resource_id: str) -> dict[str, Any]:
    meta = {
        "lastUpdated": random.choice(DATES[3:5]),
        "tag": [{"system": SYSTEMS[0], "code": resource_id}],
    }
    content = {
        name: part(random) for name, part in SHAPES[resource_type].items() if random.random() < 0.85
    }
    return {"resourceType": resource_type, "id": resource_id, "meta": meta, **content}


def batches(random: Random) -> list[list[dict[str, Any]]]:
    """
    Three batches of writes; most resources are in the first, some are replaced or deleted by the
    others.
    """
    everything = [(resource_type, resource_id) for resource_type in SHAPES for resource_id in IDS]
    made = [
        [_resource(random, *which) for which in everything if random.random() < share]
        for share in (0.9, 0.3, 0.2)
    ]
    return [
        [{**one, "deleted": True} if random.random() < 0.08 else one for one in batch]
        for batch in made
    ]


SEEN_BY_ALL = bytes((0, ALL_PROFILES))


class SlowWorld:
    """
    The directory after some writes, as `matches` asks it; the source of rids for the quick one.
    """

    def __init__(self, batches: Iterable[Sequence[dict[str, Any]]]) -> None:
        self.rids: dict[tuple[str, str], int] = {}
        self.facts: dict[tuple[str, str], IndexedResource] = {}
        self.view: View = EMPTY
        for seq, batch in enumerate(batches, start=1):
            rows = {self._rid(one["resourceType"], one["id"]): self._row(one) for one in batch}
            self.view = self.view.with_segment(segments.build(rows.values()), seq)

    def _rid(self, resource_type: str, resource_id: str) -> int:
        return self.rids.setdefault((resource_type, resource_id), len(self.rids) + 1)

    def _row(self, resource: dict[str, Any]) -> IndexRow:
        key = (resource["resourceType"], resource["id"])
        if resource.get("deleted"):
            self.facts.pop(key, None)
            return IndexRow(self._rid(*key), *key, 0, True, b"", ())
        source_date = resource.get("meta", {}).get("lastUpdated", "2024")
        instant = covering(source_date).first
        entries = extract(without_version(resource))
        self.facts[key] = IndexedResource(
            *key, {**entries, LAST_UPDATED: [(covering_instant(instant), 0)]}
        )
        packed, links = pack(key[0], entries)
        targets = [self._rid(*link) for link in links]
        return IndexRow(
            self._rid(*key), *key, instant, False, packed, targets, visibility=SEEN_BY_ALL
        )

    @staticmethod
    def _is_known_by(facts: IndexedResource, url: str) -> bool:
        names = facts.entries.get("_canonical", ())
        return any(isinstance(value, Canonical) and value.url == url for value, _ in names)

    def names_of(self, rids: Iterable[int]) -> set[tuple[str, str]]:
        """The type and id behind each rid."""
        names = {rid: name for name, rid in self.rids.items()}
        return {names[rid] for rid in rids}

    def of_type(self, resource_type: str) -> list[IndexedResource]:
        return [facts for (name, _), facts in self.facts.items() if name == resource_type]

    def resolve(self, reference: Value, target: str) -> list[IndexedResource]:
        match reference:
            case Reference(resource_type, resource_id):
                found = self.facts.get((resource_type, resource_id))
                return [found] if found and resource_type == target else []
            case LogicalReference(resource_type, code, system) if resource_type in ("", target):
                return [
                    facts
                    for facts in self.of_type(target)
                    if any(
                        isinstance(value, Token)
                        and value.code == code
                        and system in ("", value.system)
                        for value, _ in facts.entries.get("identifier", ())
                    )
                ]
            case Canonical(url, _):
                return [
                    facts
                    for facts in self.of_type(target)
                    if any(
                        isinstance(value, Canonical) and value.url == url
                        for value, _ in facts.entries.get("_canonical", ())
                    )
                ]
        return []
