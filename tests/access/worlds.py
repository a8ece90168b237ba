"""
Small, dense directories for the laws of access: everything that decides who may see what, in few
values that meet.

Offers share places, structures and professionals, and differ in sensitivity and field of activity;
contacts, telecoms, capacities, acts and crisis data come at every level; references are literal,
absolute, by identifier, or both, named by a display, and stand in elements that nothing searches
too. Every resource is valid. The vocabulary is that of `tests.search.worlds`, so that its trees
find something here.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.search import worlds as plain

ROR = plain.ROR
NOS = "https://mos.esante.gouv.fr/NOS/"
REGION = f"{NOS}TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM"
FIELD = f"{NOS}TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
LEVEL = f"{NOS}TRE_R283-NiveauConfidentialite/FHIR/TRE-R283-NiveauConfidentialite"
OPEN = f"{NOS}TRE_R213-ModePriseEnCharge/FHIR/TRE-R213-ModePriseEnCharge"
ACT = f"{NOS}TRE_R210-ActeSpecifique/FHIR/TRE-R210-ActeSpecifique"
REGIONS = ("11", "53")
FIELDS = ("04", "05", "01")
IDENTIFIERS = ("A", "B")
SYSTEMS = ("https://sirene.fr", "http://sirene.fr", "urn:oid:1.2.250.1.71.4.2.2", "")
WORDS = ("Pavillon", "Ormes", "Tilleuls", "Détenus", "Cœur", "Garde")
"""What texts are made of: each may stand anywhere, in what is open and in what is hidden."""

COUNTS = {
    "Organization": 4,
    "HealthcareService": 6,
    "Location": 5,
    "Practitioner": 3,
    "PractitionerRole": 5,
    "Task": 7,
    "Measure": 1,
    "MeasureReport": 2,
    "Questionnaire": 1,
}

Part = Callable[[Random], Any]


def concept(code: str, system: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **more}


def coded(url: str, code: str, system: str = "https://mos.esante.gouv.fr/a") -> dict[str, Any]:
    return {"url": url, "valueCodeableConcept": concept(code, system)}


def text(random: Random) -> str:
    return " ".join(random.sample(WORDS, random.randint(1, 2)))


def some(part: Part, most: int, random: Random) -> list[Any]:
    """From none to `most` of a part."""
    return [part(random) for _ in range(random.randint(0, most))]


# --- parts ----------------------------------------------------------------------------------------


def level(random: Random, name: str) -> list[dict[str, Any]]:
    """The extension that says a level, the unknown included, or none."""
    code = random.choice(("1", "1", "2", "2", "3", "9", None))
    if code is None:
        return []
    if random.random() < 0.1:
        return [{"url": ROR + name, "valueCoding": {"system": LEVEL, "code": code}}]
    return [also_coded(random, coded(ROR + name, code, LEVEL), ("1", "3"))]


def also_coded(random: Random, extension: dict[str, Any], codes: Sequence[str]) -> dict[str, Any]:
    """The same extension, sometimes with a second code that may say something else."""
    if random.random() < 0.15:
        extension["valueCodeableConcept"]["coding"].append({"code": random.choice(codes)})
    return extension


def telecom(random: Random) -> dict[str, Any]:
    extension = level(
        random, random.choice(("ror-telecom-confidentiality-level", "ror-confidentiality-level"))
    )
    found = {"system": "phone", "value": f"02980000{random.randint(10, 13)}"}
    return {**({"extension": extension} if extension else {}), **found}


def contact(random: Random) -> dict[str, Any]:
    """A contact of a structure."""
    extension = level(random, "ror-contact-confidentiality-level")
    telecoms = some(telecom, 2, random)
    found = {
        "name": {"text": text(random)},
        "purpose": concept(random.choice(plain.CODES), plain.SYSTEMS[0]),
    }
    return {
        **({"extension": extension} if extension else {}),
        **{name: value for name, value in found.items() if telecoms == [] or random.random() < 0.7},
        **({"telecom": telecoms} if telecoms else {}),
    }


def contact_of_offer(random: Random) -> dict[str, Any]:
    def telecom_part(random: Random) -> dict[str, Any]:
        address = {"url": "telecomAddress", "valueString": f"02980000{random.randint(10, 13)}"}
        return {
            "url": ROR + "ror-healthcareservice-contact-telecom",
            "extension": [*level(random, "ror-telecom-confidentiality-level"), address],
        }

    parts = [
        *level(random, "ror-confidentiality-level"),
        {"url": "name", "valueHumanName": {"text": text(random)}},
        *some(telecom_part, 2, random),
    ]
    return {"url": ROR + "ror-healthcareservice-contact", "extension": parts}


def capacity(random: Random) -> dict[str, Any]:
    parts = [
        also_coded(
            random,
            coded("capacityStatus", random.choice(("01", "01", "02", "06", "99"))),
            ("01", "06"),
        ),
        coded("capacityType", random.choice(plain.CODES)),
        {"url": "nbCapacity", "valueInteger": random.choice(plain.NUMBERS)},
        {"url": "capacityUpdateDate", "valueDateTime": random.choice(plain.DATES[2:5])},
        also_coded(
            random, coded("temporaryAssignement", random.choice(("01", "01", "02"))), ("01", "02")
        ),
        coded("additionalBedType", "01"),
        coded("crisisType", random.choice(plain.CODES)),
        {"url": "comment", "valueString": text(random)},
    ]
    shares = (0.9, 0.8, 0.8, 0.7, 0.8, 0.2, 0.3, 0.5)
    kept = [part for part, share in zip(parts, shares, strict=True) if random.random() < share]
    return {"url": ROR + "ror-location-supported-capacity", "extension": kept or parts[:1]}


def equipment(random: Random) -> dict[str, Any]:
    def limit(random: Random) -> dict[str, Any]:
        weight = {"value": random.choice(plain.NUMBERS), "code": "kg", "system": plain.UNITS[0]}
        parts = [
            coded("equipmentFeature", random.choice(plain.CODES)),
            {"url": "limitValue", "valueQuantity": weight},
        ]
        return {"url": ROR + "ror-location-equipment-limit", "extension": parts}

    parts = [coded("equipmentType", random.choice(plain.CODES)), *some(limit, 2, random)]
    return {"url": ROR + "ror-location-equipment", "extension": parts}


def residence(random: Random) -> dict[str, Any]:
    parts = [coded("residentialType", random.choice(plain.CODES))]
    return {"url": ROR + "ror-location-residential-capacity", "extension": parts}


def characteristic(random: Random) -> dict[str, Any]:
    found = concept(
        random.choice(plain.CODES), random.choice((OPEN, ACT, ACT, "https://example.org/local", ""))
    )
    if not found["coding"][0]["system"]:
        del found["coding"][0]["system"]
    if random.random() < 0.2:
        found["coding"].append(
            {"system": random.choice((OPEN, ACT)), "code": random.choice(plain.CODES)}
        )
    if random.random() < 0.3:
        found["text"] = text(random)
    if random.random() < 0.15:
        found["extension"] = [{"url": f"{ROR}ror-act-outside-office", "valueBoolean": True}]
    return found if random.random() < 0.9 else {"text": text(random)}


def identifier(random: Random) -> dict[str, Any]:
    system = random.choice(SYSTEMS)
    kind = (
        {"type": concept(random.choice(plain.CODES), plain.SYSTEMS[0])}
        if random.random() < 0.4
        else {}
    )
    found = {**kind, **({"system": system} if system else {}), "value": random.choice(IDENTIFIERS)}
    return (
        {**found, "assigner": reference(random, "Organization")} if random.random() < 0.1 else found
    )


def reference(random: Random, *types: str) -> dict[str, Any]:
    """
    A reference: literal, absolute, to nothing, by identifier of some type or of none, or both ways
    at once.
    """
    resource_type = random.choice(types)
    literal = f"{resource_type}/{random.choice(_ids(resource_type))}"
    named = {name: value for name, value in identifier(random).items() if name != "type"}
    typed = {"type": resource_type} if random.random() < 0.6 else {}
    found: dict[str, Any] = random.choices(
        (
            {"reference": literal},
            {"reference": f"https://ror.example.org/fhir/{literal}/_history/1"},
            {"reference": f"{resource_type}/absent"},
            {**typed, "identifier": named},
            {"reference": literal, **typed, "identifier": named},
        ),
        (65, 5, 5, 15, 10),
    )[0]
    return {**found, "display": text(random)} if random.random() < 0.4 else found


def _ids(resource_type: str) -> list[str]:
    return [str(number) for number in range(1, COUNTS[resource_type] + 1)]


def _narrative(random: Random) -> dict[str, Any]:
    told = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text(random)}</p></div>'
    return {"status": "generated", "div": told}


def _pointer(random: Random, *types: str) -> dict[str, Any]:
    """An extension of nobody's that refers to something."""
    return {"url": "https://example.org/see-also", "valueReference": reference(random, *types)}


def _unknown(random: Random) -> dict[str, Any]:
    """An extension that nobody defined, as if it were one of ours."""
    url = random.choice(("https://example.org/note", f"{ROR}ror-note", "note"))
    return {"url": url, "valueString": text(random)}


_HOUSE = {
    "url": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-houseNumber",
    "valueString": "7",
}


def with_unknown_extensions(random: Random, node: dict[str, Any], share: float) -> dict[str, Any]:
    """A valid element or resource with unknown extensions at any depth, in this share of places."""
    left: dict[str, Any] = {}
    for name, value in node.items():
        left[name] = value
        if name in ("url", "resourceType", "id", "lastUpdated", "text", "contained"):
            continue
        if isinstance(value, dict):
            left[name] = with_unknown_extensions(random, value, share)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            left[name] = [with_unknown_extensions(random, one, share) for one in value]
        elif isinstance(value, list) and random.random() < share:
            # In the place of a value, beside nothing, and after the last.
            beside = [None, {"extension": [_HOUSE]}, {"extension": [_unknown(random)]}]
            more = random.choice(([], [None]))
            left[name] = [*value, *more]
            left[f"_{name}"] = [random.choice(beside) for _ in value] + [
                random.choice(beside[1:]) for _ in more
            ]
            if not any(left[f"_{name}"]):
                del left[f"_{name}"]
        elif not isinstance(value, list) and random.random() < share:
            left[f"_{name}"] = {"extension": [_unknown(random)]}
    has_value = "url" in node and "extension" not in node
    if not has_value and random.random() < share:
        unknown = {**_unknown(random), "url": "https://example.org/deep"}
        left["extension"] = [*left.get("extension", ()), unknown]
    return left


# --- resources ------------------------------------------------------------------------------------


def _organization(random: Random) -> dict[str, Any]:
    return {
        "text": _narrative(random),
        "extension": [
            *(
                [{"url": f"{ROR}ror-organization-drop-zone", "valueBoolean": random.random() < 0.5}]
                * random.choice((0, 1))
            ),
            *some(
                lambda random: coded(
                    f"{ROR}ror-organization-level-recours-orsan", random.choice(plain.CODES)
                ),
                1,
                random,
            ),
            *(one for one in some(plain.PRICE, 2, random) if one["extension"]),
        ],
        "identifier": some(identifier, 2, random),
        "type": some(
            lambda random: concept(random.choice(plain.CODES), plain.SYSTEMS[0]), 2, random
        ),
        "name": text(random),
        "alias": some(text, 1, random),
        "telecom": some(telecom, 2, random),
        "partOf": reference(random, "Organization"),
        "contact": some(contact, 3, random),
    }


def _healthcare_service(random: Random) -> dict[str, Any]:
    sensitive = {
        "url": f"{ROR}ror-healthcareservice-sensitive-unit",
        "valueBoolean": random.random() < 0.4,
    }
    return {
        "text": _narrative(random),
        "extension": [
            sensitive,
            *some(contact_of_offer, 2, random),
        ],
        "identifier": some(identifier, 2, random),
        "providedBy": reference(random, "Organization"),
        "type": [
            concept(random.choice((*FIELDS, *FIELDS, "99")), FIELD)
            for _ in range(random.choices((0, 1, 2), (1, 8, 1))[0])
        ],
        "specialty": some(
            lambda random: concept(random.choice(plain.CODES), plain.SYSTEMS[0]), 2, random
        ),
        "location": [reference(random, "Location") for _ in range(random.randint(0, 3))],
        "name": text(random),
        "comment": text(random),
        "coverageArea": some(lambda random: reference(random, "Location"), 1, random),
        "telecom": some(telecom, 2, random),
        "characteristic": some(characteristic, 3, random),
    }


def _location(random: Random) -> dict[str, Any]:
    return {
        "text": _narrative(random),
        "extension": [
            *some(capacity, 4, random),
            *some(equipment, 2, random),
            *some(residence, 1, random),
        ],
        "identifier": some(identifier, 2, random),
        "status": random.choice(("active", "inactive")),
        "name": text(random),
        "telecom": some(telecom, 2, random),
        "address": {"city": text(random)},
        "position": {
            "longitude": random.choice(plain.LONGITUDES),
            "latitude": random.choice(plain.LATITUDES),
        },
        "managingOrganization": reference(random, "Organization"),
        "partOf": reference(random, "Location"),
    }


def _practitioner(random: Random) -> dict[str, Any]:
    return {
        "text": _narrative(random),
        "identifier": some(identifier, 2, random),
        "name": [{"family": text(random)}],
        "telecom": some(telecom, 2, random),
        "qualification": [
            {"code": {"text": text(random)}, "issuer": reference(random, "Organization")}
        ],
    }


def _practitioner_role(random: Random) -> dict[str, Any]:
    return {
        "text": _narrative(random),
        "identifier": some(identifier, 2, random),
        "practitioner": reference(random, "Practitioner"),
        "organization": reference(random, "Organization"),
        "code": some(
            lambda random: concept(random.choice(plain.CODES), plain.SYSTEMS[0]), 1, random
        ),
        "location": some(lambda random: reference(random, "Location"), 2, random),
        "healthcareService": [
            reference(random, "HealthcareService") for _ in range(random.randint(0, 2))
        ],
        "telecom": some(telecom, 2, random),
    }


def _task(random: Random) -> dict[str, Any]:
    return {
        "status": "requested",
        "intent": "order",
        "description": text(random),
        "focus": reference(
            random, *random.choice((("Task",), ("Practitioner", "PractitionerRole"), tuple(COUNTS)))
        ),
        "for": reference(random, "Practitioner", "PractitionerRole", "Location"),
        "authoredOn": random.choice(plain.DATES),
        "requester": reference(random, "Practitioner", "PractitionerRole", "Organization"),
        "input": [{"type": {"text": "lien"}, "valueReference": reference(random, *COUNTS)}]
        * random.choice((0, 1)),
        "identifier": some(identifier, 1, random),
    }


def _measure(random: Random) -> dict[str, Any]:
    return {
        "status": "active",
        "url": random.choice(plain.CANONICALS),
        "identifier": some(identifier, 1, random),
    }


def _measure_report(random: Random) -> dict[str, Any]:
    return {
        "status": "complete",
        "type": "summary",
        "measure": random.choice((plain.CANONICALS[0], f"{plain.CANONICALS[1]}|1")),
        "subject": reference(random, "Location", "Practitioner"),
        "date": random.choice(plain.DATES),
        "reporter": reference(random, "Organization", "Location"),
        "period": {"start": "2024-01-01"},
    }


def _questionnaire(random: Random) -> dict[str, Any]:
    return {"status": "active", "title": text(random), "identifier": some(identifier, 1, random)}


SHAPES: dict[str, Part] = {
    "Organization": _organization,
    "HealthcareService": _healthcare_service,
    "Location": _location,
    "Practitioner": _practitioner,
    "PractitionerRole": _practitioner_role,
    "Task": _task,
    "Measure": _measure,
    "MeasureReport": _measure_report,
    "Questionnaire": _questionnaire,
}
_REQUIRED = {
    "Organization": ("name",),
    "Task": ("status", "intent"),
    "Measure": ("status",),
    "MeasureReport": ("status", "type", "measure", "period"),
    "Questionnaire": ("status",),
}
"""What the standard asks for; everything else may be missing."""

_SHARES = {"text": 0.4}
"""
How often an element is there, if not as often as most: what has a narrative is shown whole to one
profile only.
"""


def resource(random: Random, resource_type: str, resource_id: str) -> dict[str, Any]:
    """A valid resource with most of what its type may have."""
    tags = [{"system": REGION, "code": one} for one in REGIONS if random.random() < 0.6]
    meta = {"lastUpdated": random.choice(plain.DATES[3:5]), **({"tag": tags} if tags else {})}
    content = {
        name: value
        for name, value in SHAPES[resource_type](random).items()
        if value != []
        and (name in _REQUIRED.get(resource_type, ()) or random.random() < _SHARES.get(name, 0.85))
    }
    if random.random() < 0.5:
        pointers = [_pointer(random, *COUNTS, *["Practitioner"] * 3) for _ in range(2)]
        content["extension"] = [*content.get("extension", ()), *pointers]
    if random.random() < 0.1:
        content["contained"] = [{"resourceType": "Location", "id": "inside", "name": text(random)}]
        inside = {"url": "https://example.org/inside", "valueReference": {"reference": "#inside"}}
        content["extension"] = [*content.get("extension", ()), inside]
    made = {"resourceType": resource_type, "id": resource_id, "meta": meta, **content}
    if random.random() < 0.5:
        made = with_unknown_extensions(random, made, 0.1)
        if resource_type == "Organization":
            emptied = {"url": f"{ROR}ror-organization-comment", "extension": [_unknown(random)]}
            emptied["extension"][0]["url"] = "https://example.org/alone"
            made["extension"] = [*made.get("extension", ()), emptied]
    return made


def batches(random: Random) -> list[list[dict[str, Any]]]:
    """
    Four batches of writes: most resources are in the first; the others replace, delete and bring
    back some.

    A deletion is a resource with `"deleted": True`.
    """
    everything = [(name, one) for name in COUNTS for one in _ids(name)]
    random.shuffle(everything)
    shares = (0.9, 0.25, 0.2, 0.1)
    made = [
        [resource(random, *which) for which in everything if random.random() < share]
        for share in shares
    ]
    return [
        [{**one, "deleted": True} if at and random.random() < 0.2 else one for one in batch]
        for at, batch in enumerate(made)
    ]


def left_of(writes: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What the writes leave, without what they deleted."""
    final = {(one["resourceType"], one["id"]): one for batch in writes for one in batch}
    return [one for one in final.values() if not one.get("deleted")]
