"""
The server as SMART's `fhirclient` sees it: strict models of R4 that refuse what they do not know.
"""

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.fhirsearch import FHIRSearch
from fhirclient.models.healthcareservice import HealthcareService
from fhirclient.models.location import Location
from fhirclient.models.organization import Organization
from fhirclient.server import FHIRNotFoundException

from tests.clients import expected
from tests.conftest import Server


@pytest.fixture(scope="module")
def smart(server: Server):
    client = FHIRClient(settings={"app_id": "test", "api_base": server.base_url})
    yield client
    client.server.session.close()


def test_the_client_is_ready_once_it_has_read_the_capability_statement(smart):
    assert smart.prepare()

    statement = smart.server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    searchable = {
        one.type
        for one in statement.rest[0].resource
        if any(i.code == "search-type" for i in one.interaction)
    }
    assert "HealthcareService" in searchable


def test_a_resource_is_read_back_through_strict_models(smart):
    (identity, written), *_ = expected.resources("Organization").items()

    read = Organization.read(identity, smart.server)

    assert read.name == written["name"]
    assert read.as_json()["identifier"] == written["identifier"]


def test_an_absent_resource_is_not_found(smart):
    with pytest.raises(FHIRNotFoundException):
        Organization.read("absent", smart.server)


def test_next_links_lead_through_every_match_with_its_places(smart):
    # The values are sent as given: `_count` is not a construct of this client.
    search = FHIRSearch(HealthcareService, {"_count": "100"}).include("location")

    bundles = list(search.perform_iter(smart.server))

    matches = [
        entry.resource.id
        for bundle in bundles
        for entry in bundle.entry
        if entry.search.mode == "match"
    ]
    assert len(bundles) == -(-len(matches) // 100)
    assert sorted(matches) == sorted(expected.resources("HealthcareService"))
    places = {
        entry.resource.id
        for bundle in bundles
        for entry in bundle.entry
        if entry.search.mode == "include"
    }
    assert places == expected.all_target_ids("HealthcareService", "location")
    assert {bundle.total for bundle in bundles} == {len(matches)}


def test_a_reverse_inclusion_brings_the_offers_of_a_place(smart):
    place = sorted(expected.all_target_ids("HealthcareService", "location"))[0]
    search = FHIRSearch(Location, {"_id": place}).include(
        "location", HealthcareService, reverse=True
    )

    resources = list(search.perform_resources_iter(smart.server))

    offers = {one.id for one in resources if one.resource_type == "HealthcareService"}
    services = expected.resources("HealthcareService").items()
    assert offers == {key for key, one in services if place in expected.target_ids(one, "location")}
    assert offers
