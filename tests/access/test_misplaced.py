"""Extensions that a rule governs are kept where the rule looks for them, and nowhere else."""

import json
from typing import Any

import msgspec
import pytest

from ror.access.misplaced import misplaced
from ror.directory.importing import Refusal, prepare
from tests.conftest import small_directory
from tests.spec.test_examples import FILES as EXAMPLES

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
CAPACITY = {"url": f"{ROR}ror-location-supported-capacity", "extension": []}
FLAG = {"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": True}
CONTACT = {"url": f"{ROR}ror-healthcareservice-contact"}
TELECOM = {"url": f"{ROR}ror-healthcareservice-contact-telecom"}


def paths(resource: dict[str, Any]) -> list[str]:
    return [one.path for one in misplaced(resource, msgspec.json.encode(resource))]


PLACES = [
    ("Location", {"modifierExtension": [CAPACITY]}, "modifierExtension[0]"),
    ("Location", {"position": {"extension": [CAPACITY]}}, "position.extension[0]"),
    ("Location", {"address": {"extension": [CAPACITY]}}, "address.extension[0]"),
    ("Location", {"_name": {"extension": [CAPACITY]}}, "name.extension[0]"),
    ("Location", {"extension": [{"url": "urn:x", "extension": [CAPACITY]}]}, "extension[0].extension[0]"),
    ("Location", {"extension": [CAPACITY, {**CAPACITY, "extension": [CAPACITY]}]}, "extension[1].extension[0]"),
    ("Location", {"extension": [{**CAPACITY, "url": "http://example.org/ror-location-supported-capacity|2"}], "address":
        {"extension": [{"url": "ror-location-equipment"}]}}, "address.extension[0]"),
    ("Organization", {"extension": [CAPACITY]}, "extension[0]"),
    ("HealthcareService", {"modifierExtension": [FLAG]}, "modifierExtension[0]"),
    ("HealthcareService", {"extension": [TELECOM]}, "extension[0]"),
    ("HealthcareService", {"extension": [{**CONTACT, "extension": [CONTACT]}]}, "extension[0].extension[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("resource_type", "content", "path"), PLACES)
def test_what_no_rule_would_guard_is_found_by_its_place(resource_type, content, path):
    assert paths({"resourceType": resource_type, **content}) == [f"{resource_type}.{path}"]


def test_an_import_refuses_it_and_says_where_it_belongs():
    capacity = {"url": CAPACITY["url"], "valueInteger": 3}
    given = {"resourceType": "Location", "id": "1", "name": "Lieu", "modifierExtension": [capacity]}

    refused = prepare(json.dumps(given).replace("-capacity", "\\u002dcapacity").encode(), 0)

    assert isinstance(refused, Refusal)
    [issue] = refused.issues
    assert (issue.severity, issue.code, issue.path) == (
        "error",
        "extension",
        "Location.modifierExtension[0]",
    )
    assert "ror-location-supported-capacity" in issue.text(
        "fr"
    ) and "Location.extension" in issue.text("en")


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "HealthcareService",
            "extension": [{**CONTACT, "extension": [TELECOM, TELECOM]}, FLAG],
        },
        {
            "resourceType": "Location",
            "contained": [{"resourceType": "Location", "modifierExtension": [CAPACITY]}],
        },
        {"resourceType": "Location", "description": f'dit "{CAPACITY["url"]}"'},
    ],
    ids=["in its place", "in what is contained", "only spoken of"],
)
def test_what_a_rule_guards_is_left_alone(resource):
    assert paths(resource) == []


def test_nothing_is_misplaced_in_what_is_published_or_generated():
    assert [paths(msgspec.json.decode(line)) for line in small_directory()] == [[]] * len(
        small_directory()
    )
    for file in EXAMPLES:
        assert paths(msgspec.json.decode(file.read_bytes())) == []
