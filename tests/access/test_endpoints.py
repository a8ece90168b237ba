"""Endpoints, of which no public text speaks: profile 1 sees them; for others they are absent."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ror.access import Viewer
from ror.directory import reading
from ror.errors import NotFound
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from ror.settings import Settings
from tests.conftest import import_lines

HOLDERS = ("Organization", "HealthcareService", "Location", "PractitionerRole")
PROFILES = range(6)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """One resource of each type that may have an endpoint, and the endpoint."""
    database = f"sqlite:///{tmp_path_factory.mktemp('endpoints')}/ror.db"
    endpoint = {
        "resourceType": "Endpoint",
        "id": "e",
        "status": "active",
        "connectionType": {"code": "direct-project"},
        "payloadType": [{"text": "any"}],
        "address": "mailto:e@example.org",
        "managingOrganization": {"reference": "Organization/x"},
    }
    holders = [
        {"resourceType": name, "id": "x", "name": "x", "endpoint": [{"reference": "Endpoint/e"}]}
        for name in HOLDERS
    ]
    del holders[-1]["name"]
    import_lines(database, map(msgspec.json.encode, [endpoint, *holders]))
    opened = open_directory(Settings(database=database))
    yield opened
    opened.close()


def found(
    directory: Directory, profile: int, resource_type: str, *pairs: tuple[str, str]
) -> dict[str, Any]:
    """The bundle of a search under a profile."""
    request = parse(resource_type, pairs)
    viewer = Viewer(profile)
    answer = search(directory.index, directory.bodies, viewer, request, "http://ror.test", "en")
    bundle: dict[str, Any] = msgspec.json.decode(answer.body)
    return bundle


@pytest.mark.parametrize("profile", PROFILES)
def test_an_endpoint_is_read_and_found_by_profile_1_alone(directory: Directory, profile: int):
    viewer, store, index = Viewer(profile), directory.store, directory.index
    try:
        reading.read(store, index, viewer, "Endpoint", "e")
        is_read = True
    except NotFound:
        is_read = False

    assert is_read == (profile == 1)
    assert found(directory, profile, "Endpoint")["total"] == (profile == 1)
    assert found(directory, profile, "Endpoint", ("organization", "x"))["total"] == (profile == 1)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("holder", HOLDERS)
def test_a_link_to_an_endpoint_is_visible_to_profile_1_only(
    directory: Directory, profile: int, holder: str
):
    if not found(directory, profile, holder)["total"]:
        # The professional is linked with no offer.
        assert (holder, profile) in {("PractitionerRole", item) for item in (0, 3, 4)}
        return

    bundle = found(directory, profile, holder, ("_include", f"{holder}:endpoint"))
    resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
    criteria = [
        ("endpoint", "Endpoint/e"),
        ("endpoint.status", "active"),
        ("endpoint:missing", "false"),
    ]

    assert ("Endpoint" in resources) == (profile == 1)
    assert ("endpoint" in resources[holder]) == (profile == 1)
    for item in criteria:
        assert found(directory, profile, holder, item)["total"] == (profile == 1), item
