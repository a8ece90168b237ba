"""
The searches of a general directory client, which knows IHE mCSD (ITI-90) and not the guide.

Source: IHE ITI mCSD 3.8, 2:3.90.4.1.2 (message semantics of Find Matching Care Services).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, import_lines, serving

EXAMPLES = Path(__file__).parents[1] / "spec/examples"

QUERIES = {
    "Organization": (
        "active=true",
        "identifier={identifier}",
        "name={start}",
        "name:contains={end}",
        "name:exact={name}",
        "partof=Organization/carbet-ej",
        "type={type}",
        "_include=Organization:endpoint",
        "_revinclude=Location:organization",
    ),
    "Location": (
        "name={start}",
        "name:contains={end}",
        "name:exact={name}",
        "organization=Organization/carbet-eg",
        "partof=Location/carbet-site",
        "status=active",
        "type={type}",
        "near=14.7107|-61.1825|2|km",
        "_include=Location:organization",
    ),
    "HealthcareService": (
        "active=true",
        "location=Location/carbet-lieu",
        "name={name}",
        "name:contains=a",
        "organization=Organization/carbet-eg",
        "service-type={type}",
    ),
    "Practitioner": (
        "active=true",
        "name=d'oeuvree",
        "given=lise",
        "given:exact=Lise",
        "family=D’Œuvrée",
        "family:contains=oeuvr",
    ),
    "PractitionerRole": (
        "active=true",
        "location=Location/carbet-lieu",
        "organization=Organization/carbet-eg",
        "practitioner=Practitioner/carbet-pro",
        "role={code}",
        "service=HealthcareService/carbet-offre",
        "specialty={specialty}",
        "_include=PractitionerRole:practitioner",
    ),
    "Endpoint": (
        "identifier={identifier}",
        "organization=Organization/carbet-eg",
        "status=active",
    ),
}
COMMON = ("_id={id}", "_lastUpdated=ge2020", "_profile={profile}", "_security=U")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds the examples, with the resources that they refer to."""
    database = f"sqlite:///{tmp_path_factory.mktemp('mcsd')}/ror.db"
    site = {"resourceType": "Location", "id": "carbet-site", "status": "suspended", "name": "Z"}
    examples = [file.read_bytes() for file in sorted(EXAMPLES.glob("*.json"))]
    import_lines(database, [*examples, json.dumps(site).encode()])
    with serving(database) as running:
        yield running


def example(name: str) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_bytes())
    return held


SEARCHED = {
    "Organization": example("organization-eg"),
    "Location": example("location"),
    "HealthcareService": example("healthcareservice"),
    "Practitioner": example("practitioner-named"),
    "PractitionerRole": example("practitionerrole"),
    "Endpoint": example("endpoint"),
}


def values_of(resource: dict[str, Any]) -> dict[str, str]:
    """What the queries take from the resource that they look for."""
    texts = {name: value for name, value in resource.items() if isinstance(value, str)}
    for name in ("type", "code", "specialty"):
        if name in resource:
            (coding, *_) = resource[name][0]["coding"]
            texts[name] = f"{coding['system']}|{coding['code']}"
    if "name" in texts:
        texts |= {"start": texts["name"][:4].upper(), "end": texts["name"][-4:]}
    if "identifier" in resource:
        texts["identifier"] = resource["identifier"][0]["value"]
    texts["profile"] = resource["meta"].get("profile", ["urn:none"])[0]
    return texts


@pytest.mark.parametrize(
    ("resource_type", "query"),
    [(name, query) for name, queries in QUERIES.items() for query in (*queries, *COMMON)],
)
def test_a_query_of_iti_90_finds_the_resource(directory: Server, resource_type: str, query: str):
    resource = SEARCHED[resource_type]
    name, _, template = query.partition("=")
    if name == "_profile" and "profile" not in resource["meta"]:
        return

    bundle = directory.search(resource_type, **{name: template.format(**values_of(resource))})

    found = {
        entry["resource"]["id"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"
    }
    assert resource["id"] in found


def test_endpoints_come_along_with_their_organizations(directory: Server):
    bundle = directory.search("Organization", _id="carbet-eg", _include="Organization:endpoint")

    modes = {entry["fullUrl"].split("/fhir/")[-1]: entry["search"] for entry in bundle["entry"]}
    assert modes["Endpoint/carbet-mss"] == {"mode": "include"}


@pytest.mark.parametrize(
    ("resource_type", "query"),
    [
        ("Organization", "active=false"),
        ("Location", "name:exact=bât"),
        ("Practitioner", "given=anne-marie"),
        ("PractitionerRole", "role=nothing-of-the-kind"),
        ("Endpoint", "status=off"),
        ("Organization", "_profile=http://hl7.org/fhir/StructureDefinition/Organization"),
        ("Location", "_security=R"),
    ],
)
def test_a_query_that_nothing_meets_finds_nothing(
    directory: Server, resource_type: str, query: str
):
    name, _, value = query.partition("=")

    assert directory.search(resource_type, **{name: value})["total"] == 0


def test_a_profile_is_found_with_its_version_and_without(directory: Server):
    (profile,) = SEARCHED["Endpoint"]["meta"]["profile"]
    url, _, version = profile.partition("|")

    totals = [
        directory.search("Endpoint", _profile=one)["total"]
        for one in (profile, url, f"{url}|other", url.upper())
    ]

    assert version and totals == [1, 1, 0, 0]
