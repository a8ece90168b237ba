"""The telecoms that a structure has outside its contacts."""

import msgspec

from ror.access import Viewer
from ror.access.policy import PROFILES
from ror.directory import reading as interactions

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"


def telecom(level: str) -> dict[str, object]:
    stated = {
        "url": f"{ROR}ror-telecom-confidentiality-level",
        "valueCodeableConcept": {"coding": [{"code": level}]},
    }
    return {"extension": [stated], "system": "phone", "value": f"0298{level}"}


def test_one_sensitive_unit_does_not_take_away_the_public_telecom_of_its_hospital(directory):
    hospital = {
        "resourceType": "Organization",
        "id": "h",
        "name": "CHU",
        "telecom": [telecom("1"), telecom("2")],
    }
    unit = {
        "resourceType": "HealthcareService",
        "id": "u",
        "providedBy": {"reference": "Organization/h"},
        "extension": [{"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": True}],
    }
    opened = directory([hospital, unit])

    read = [
        interactions.read(opened.store, opened.index, Viewer(item), "Organization", "h")[0]
        for item in PROFILES
    ]

    values = [
        "".join(item["value"][-1] for item in msgspec.json.decode(result.body)["telecom"])
        for result in read
    ]
    assert values == ["1", "12", "12", "1", "1", "12"]
