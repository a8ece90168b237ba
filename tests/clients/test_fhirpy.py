"""The server as `fhirpy` sees it: a client library written by others, in both its forms."""

import asyncio

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import ResourceNotFound

from ror.resources.versions import without_version
from tests.clients import expected
from tests.conftest import Server


@pytest.fixture(scope="module")
def client(server: Server) -> SyncFHIRClient:
    return SyncFHIRClient(server.base_url)


def test_the_capability_statement_is_read(client):
    statement = client.execute("metadata", method="get")

    declared = {one["type"] for one in statement["rest"][0]["resource"]}
    assert {"HealthcareService", "Organization", "Location", "PractitionerRole"} <= declared


def test_a_resource_is_read_by_its_reference(client):
    (identity, written), *_ = expected.resources("Organization").items()

    read = client.reference("Organization", identity).to_resource()

    assert without_version(read.serialize()) == without_version(written)


def test_an_absent_resource_is_not_found(client):
    with pytest.raises(ResourceNotFound):
        client.get("Organization", "absent")


def test_following_the_pages_brings_each_match_once(client):
    found = client.resources("HealthcareService").limit(60).fetch_all()

    ids = [one["id"] for one in found]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(expected.resources("HealthcareService"))


def test_a_count_is_that_of_every_match(client):
    assert client.resources("HealthcareService").count() == len(
        expected.resources("HealthcareService")
    )


def test_the_elements_asked_for_come_alone(client):
    (organization,) = client.resources("Organization").elements("name").limit(1).fetch()

    # `_name` may come with `name`; `meta` says that the rest was left out.
    assert set(organization.serialize()) - {"_name"} == {"resourceType", "id", "meta", "name"}


def test_a_search_with_inclusions_brings_what_the_matches_point_at_and_who_points_at_them(client):
    region = next(iter(expected.resources("HealthcareService").values()))["meta"]["tag"][0]["code"]
    asked = (
        client.resources("HealthcareService")
        .search(_tag=region)
        .include("HealthcareService", "location")
        .include("HealthcareService", "organization")
        .include("Organization", "partof", iterate=True)
        .revinclude("PractitionerRole", "service")
        .include("PractitionerRole", "practitioner")
        .limit(1000)
    )

    entries = asked.fetch_raw()["entry"]

    came = {
        (entry["search"]["mode"], entry["resource"]["resourceType"], entry["resource"]["id"])
        for entry in entries
    }
    assert came == {
        ("match", "HealthcareService", one)
        for one in expected.in_region("HealthcareService", region)
    } | {("include", *one) for one in _along(region)}
    assert len(came) == len(entries)


def _along(region: str) -> set[tuple[str, str]]:
    """What the inclusions above bring, worked out from the generated lines."""
    services = expected.in_region("HealthcareService", region)
    offers = [expected.resources("HealthcareService")[one] for one in services]
    locations = set().union(*(expected.target_ids(one, "location") for one in offers))
    organizations = set().union(*(expected.target_ids(one, "providedBy") for one in offers))
    while True:
        parents = set().union(
            *(
                expected.target_ids(expected.resources("Organization")[o], "partOf")
                for o in organizations
            )
        )
        if parents <= organizations:
            break
        organizations |= parents
    roles = {
        key: one
        for key, one in expected.resources("PractitionerRole").items()
        if expected.target_ids(one, "healthcareService") & services
    }
    practitioners = set().union(
        *(expected.target_ids(one, "practitioner") for one in roles.values())
    )
    by_type = {"Location": locations, "Organization": organizations}
    by_type |= {"PractitionerRole": set(roles), "Practitioner": practitioners}
    return {(resource_type, one) for resource_type, ids in by_type.items() for one in ids}


def test_a_chain_is_followed(client):
    found = (
        client.resources("HealthcareService")
        .search(location__address_city__contains="a")
        .limit(500)
        .fetch_all()
    )

    cities = {
        key: one["address"]["city"].lower() for key, one in expected.resources("Location").items()
    }
    services = expected.resources("HealthcareService").items()
    by_hand = {
        key
        for key, one in services
        if any("a" in cities[place] for place in expected.target_ids(one, "location"))
    }
    # Accents aside: the client's answer may only be larger.
    assert by_hand <= {one["id"] for one in found}
    assert 0 < len(found) < len(services)


def test_the_asynchronous_client_sees_the_same(server):
    async def everything() -> tuple[list[str], dict[str, object]]:
        client = AsyncFHIRClient(server.base_url)
        found = (
            await client.resources("PractitionerRole").sort("-_lastUpdated").limit(400).fetch_all()
        )
        read = await client.reference("PractitionerRole", found[0]["id"]).to_resource()
        return [one["id"] for one in found], read.serialize()

    ids, first = asyncio.run(everything())

    roles = expected.resources("PractitionerRole")
    assert len(ids) == len(roles) and set(ids) == set(roles)
    assert without_version(first) == without_version(roles[ids[0]])
    assert roles[ids[0]]["meta"]["lastUpdated"] >= roles[ids[-1]]["meta"]["lastUpdated"]
