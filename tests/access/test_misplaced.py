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
LEVEL = {
    "url": f"{ROR}ror-telecom-confidentiality-level",
    "valueCodeableConcept": {"coding": [{"code": "3"}]},
}
TELECOM = {"url": f"{ROR}ror-healthcareservice-contact-telecom"}


def paths(resource: dict[str, Any]) -> list[str]:
    return [item.path for item in misplaced(resource, msgspec.json.encode(resource))]


PLACES = [
    ("Location", {"modifierExtension": [CAPACITY]}, "modifierExtension[0]"),
    ("Location", {"position": {"extension": [CAPACITY]}}, "position.extension[0]"),
    ("Location", {"address": {"extension": [CAPACITY]}}, "address.extension[0]"),
    ("Location", {"_name": {"extension": [CAPACITY]}}, "name.extension[0]"),
    ("Location", {"extension": [{"url": "urn:x", "extension": [CAPACITY]}]}, "extension[0].extension[0]"),
    ("Location", {"extension": [CAPACITY, {**CAPACITY, "extension": [CAPACITY]}]}, "extension[1].extension[0]"),
    ("Location", {"extension": [{**CAPACITY, "url": "http://example.org/ror-location-supported-capacity"}], "address":
        {"extension": [{"url": "ror-location-equipment"}]}}, "address.extension[0]"),
    ("Organization", {"extension": [CAPACITY]}, "extension[0]"),
    ("HealthcareService", {"modifierExtension": [FLAG]}, "modifierExtension[0]"),
    ("HealthcareService", {"extension": [TELECOM]}, "extension[0]"),
    ("HealthcareService", {"extension": [{**CONTACT, "extension": [CONTACT]}]}, "extension[0].extension[0]"),
    ("HealthcareService", {"telecom": [{"_value": {"extension": [LEVEL]}}]}, "telecom[0].value.extension[0]"),
    ("Location", {"telecom": [{"value": "1", "modifierExtension": [LEVEL]}]}, "telecom[0].modifierExtension[0]"),
    ("Location", {"telecom": [{"extension": [{"url": "urn:x", "extension": [LEVEL]}]}]},
        "telecom[0].extension[0].extension[0]"),
    ("Location", {"extension": [LEVEL]}, "extension[0]"),
    ("Organization", {"contact": [{"telecom": [{"period": {"extension": [LEVEL]}}]}]},
        "contact[0].telecom[0].period.extension[0]"),
    ("HealthcareService", {"extension": [{**CONTACT, "extension": [{**TELECOM, "valueContactPoint":
        {"extension": [LEVEL]}}]}]}, "extension[0].extension[0].valueContactPoint.extension[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("resource_type", "content", "path"), PLACES)
def test_what_no_rule_would_guard_is_found_by_its_place(resource_type, content, path):
    assert paths({"resourceType": resource_type, **content}) == [f"{resource_type}.{path}"]


SPELLINGS = [
    pytest.param("{name}/", id="a final slash"),
    pytest.param("{name}//", id="two final slashes"),
    pytest.param("{name}#a", id="a fragment"),
    pytest.param("{name}?x=1", id="a query"),
    pytest.param("{name}|0.7.0", id="a version"),
    pytest.param("{name};v=1", id="a parameter"),
    pytest.param("{upper}", id="upper case"),
    pytest.param("{encoded}", id="percent-encoded"),
    pytest.param("{twice}", id="percent-encoded twice"),
    pytest.param("{wide}", id="full width letters"),
    pytest.param("{underscored}", id="underscores"),
    pytest.param("#{name}", id="as a fragment"),
    pytest.param("{name}\\x", id="a backslash"),
    pytest.param('{name}"', id="a quotation mark"),
    pytest.param("{name}\u200b", id="an invisible character"),
]
GOVERNED = [
    ("Organization", [], "ror-organization-drop-zone"),
    ("Location", [], "ror-location-supported-capacity"),
    ("Location", [], "ror-location-equipment"),
    ("HealthcareService", [], "ror-healthcareservice-sensitive-unit"),
    ("HealthcareService", [], "ror-healthcareservice-contact"),
    ("Organization", ["contact"], "ror-contact-confidentiality-level"),
    ("Organization", ["contact", "telecom"], "ror-contact-telecom-confidentiality-level"),
    ("Location", ["telecom"], "ror-telecom-confidentiality-level"),
    ("Practitioner", ["telecom"], "ror-confidentiality-level"),
]


def spelled(spelling: str, name: str) -> str:
    encoded = name.replace("-", "%2D")
    return ROR + spelling.format(
        name=name,
        upper=name.upper(),
        encoded=encoded,
        twice=encoded.replace("%", "%25"),
        wide="".join(chr(ord(item) + 0xFEE0) if item.isalpha() else item for item in name),
        underscored=name.replace("-", "_"),
    )


def holding(resource_type: str, members: list[str], url: str) -> dict[str, Any]:
    node: dict[str, Any] = {"extension": [{"url": url, "valueString": "a"}]}
    for member in reversed(members):
        node = {member: [node]}
    return {"resourceType": resource_type, **node}


@pytest.mark.parametrize(("resource_type", "members", "name"), GOVERNED)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_governed_url_that_is_spelled_otherwise_is_refused_and_the_right_one_named(
    resource_type, members, name, spelling
):
    content = holding(resource_type, members, spelled(spelling, name))

    [fault] = misplaced(content, msgspec.json.encode(content))

    path = ".".join([resource_type, *(f"{member}[0]" for member in members), "extension[0].url"])
    assert (fault.path, fault.fault) == (path, "url")
    assert fault.right in (name, "confidentiality-level")
    assert paths(holding(resource_type, members, ROR + name)) == []


@pytest.mark.parametrize(
    "url", ["AdditionalBedType", "additionalBedType/", f"{ROR}additionalBedType"]
)
def test_a_part_of_a_capacity_that_is_spelled_otherwise_is_refused_in_a_capacity_only(url):
    part = {"url": url, "valueCode": "1"}

    assert paths(
        {"resourceType": "Location", "extension": [{**CAPACITY, "extension": [part]}]}
    ) == ["Location.extension[0].extension[0].url"]
    assert paths({"resourceType": "Location", "extension": [part]}) == []


def test_an_import_refuses_a_governed_url_that_is_spelled_otherwise():
    flag = {"url": f"{ROR}ror-healthcareservice-sensitive-unit/", "valueBoolean": True}
    content = {"resourceType": "HealthcareService", "id": "1", "extension": [flag]}

    refused = prepare(json.dumps(content).encode(), 0)

    assert isinstance(refused, Refusal)
    assert [(item.key, item.path) for item in refused.issues] == [
        ("import.misspelt", "HealthcareService.extension[0].url")
    ]
    assert "« ror-healthcareservice-sensitive-unit »" in refused.issues[0].text("fr")


def test_an_import_refuses_it_and_says_where_it_belongs():
    capacity = {"url": CAPACITY["url"], "valueInteger": 3}
    content = {
        "resourceType": "Location",
        "id": "1",
        "name": "Lieu",
        "modifierExtension": [capacity],
    }

    refused = prepare(json.dumps(content).replace("-capacity", "\\u002dcapacity").encode(), 0)

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
