"""
A search from its parameters to its Bundle, on a real directory: totals, entries, links, distances.

Deliberate breakages that these tests caught: telling the distance from the last of several points;
including for every match instead of those of the page; keeping silent about inclusions that stay
behind.
"""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from ror.access import Viewer
from ror.resources.versions import without_version
from ror.runtime import Directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from tests.conftest import keep

BASE = "https://ror.test/fhir"
PLACES = {"here": (48.85, 2.35), "close": (48.86, 2.35), "far": (45.0, 2.35)}


def location(identity: str, **content: Any) -> dict[str, Any]:
    latitude, longitude = PLACES[identity]
    return {
        "resourceType": "Location",
        "id": identity,
        "position": {"latitude": latitude, "longitude": longitude},
    }


def offer(identity: str, *places: str) -> dict[str, Any]:
    located = [{"reference": f"Location/{place}"} for place in places]
    return {
        "resourceType": "HealthcareService",
        "id": identity,
        "name": f"Offre {identity}",
        "location": located,
    }


@pytest.fixture
def ror(directory) -> Directory:
    return directory(
        [*map(location, PLACES), offer("a", "here", "far"), offer("b", "far"), offer("c", "close")]
    )


def search_bundle(
    ror: Directory, url: str, *, lenient: bool = False, max_included: int | None = None
) -> dict[str, Any]:
    """The bundle of `Type?query`, or of a link."""
    parts = urlsplit(url)
    request = parse(parts.path.rsplit("/", 1)[-1], parse_qsl(parts.query), lenient=lenient)
    return json.loads(
        search(ror.index, ror.bodies, Viewer(1), request, BASE, "en", max_included).body
    )


def entries(bundle: dict[str, Any], mode: str) -> list[str]:
    return [
        entry["resource"]["id"]
        for entry in bundle.get("entry", ())
        if entry["search"]["mode"] == mode
    ]


def links(bundle: dict[str, Any]) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in bundle["link"]}


def test_a_bundle_says_how_many_match_and_where_each_is(ror):
    bundle = search_bundle(ror, "HealthcareService")

    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 3)
    assert [entry["fullUrl"] for entry in bundle["entry"]] == [
        f"{BASE}/HealthcareService/{offer_id}" for offer_id in "abc"
    ]
    assert without_version(bundle["entry"][0]["resource"]) == offer("a", "here", "far")


def test_nothing_found_is_a_bundle_without_entries(ror):
    bundle = search_bundle(ror, "HealthcareService?name=absent")

    assert bundle["total"] == 0
    assert "entry" not in bundle
    assert links(bundle) == {"self": f"{BASE}/HealthcareService?name=absent"}


def test_pages_are_linked_and_their_total_counts_every_match(ror):
    first = search_bundle(ror, "HealthcareService?_count=2")
    second = search_bundle(ror, links(first)["next"])

    assert (entries(first, "match"), entries(second, "match")) == (["a", "b"], ["c"])
    assert first["total"] == second["total"] == 3
    assert set(links(first)) == {"self", "next"}
    assert set(links(second)) == {"self", "previous"}
    assert entries(search_bundle(ror, links(second)["previous"]), "match") == ["a", "b"]
    assert search_bundle(ror, links(second)["self"])["entry"] == second["entry"]


@pytest.mark.parametrize("query", ["_count=0", "_summary=count"])
def test_a_count_alone_has_no_entries_and_no_pages(ror, query):
    bundle = search_bundle(ror, f"HealthcareService?{query}&_include=HealthcareService:location")

    assert bundle["total"] == 3
    assert "entry" not in bundle
    assert set(links(bundle)) == {"self"}


def test_included_resources_are_those_of_the_matches_on_the_page(ror):
    bundle = search_bundle(
        ror, "HealthcareService?_count=1&_sort=-name&_include=HealthcareService:location"
    )

    assert entries(bundle, "match") == ["c"]
    assert entries(bundle, "include") == ["close"]
    assert bundle["total"] == 3


def outcomes(bundle: dict[str, Any]) -> list[str]:
    """The texts of the outcome entries."""
    resources = (
        entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"
    )
    return [issue["diagnostics"] for resource in resources for issue in resource["issue"]]


def test_a_page_with_too_many_included_resources_says_what_it_leaves_out(ror):
    url = "HealthcareService?_include=HealthcareService:location"
    complete = search_bundle(ror, url, max_included=3)
    assert (entries(complete, "include"), outcomes(complete)) == (["here", "close", "far"], [])

    limited = search_bundle(ror, url, max_included=2)

    assert (entries(limited, "match"), limited["total"]) == (["a", "b", "c"], 3)
    assert len(entries(limited, "include")) == 2
    (message,) = outcomes(limited)
    assert (
        "at most 2 included resources" in message
        and "1 Location are missing" in message
        and "Location?" in message
    )
    smaller = [
        search_bundle(ror, f"{url}&_count=1&_sort={order}name", max_included=2)
        for order in ("", "-")
    ]
    assert {included for page in smaller for included in entries(page, "include")} == {
        "here",
        "close",
        "far",
    }


def distances(bundle: dict[str, Any]) -> dict[str, float]:
    """By location, the distance in km."""
    distance_by_id = {}
    for entry in bundle.get("entry", ()):
        for extension in entry["search"].get("extension", ()):
            assert extension["url"] == "http://hl7.org/fhir/StructureDefinition/location-distance"
            assert extension["valueDistance"]["unit"] == "km"
            distance_by_id[entry["resource"]["id"]] = extension["valueDistance"]["value"]
    return distance_by_id


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "Location?near=48.85|2.35|5|km",
            {"here": 0.0, "close": 1.112},
            id="on the places that match",
        ),
        pytest.param(
            "HealthcareService?location.near=48.85|2.35|5|km&_include=HealthcareService:location",
            {"here": 0.0, "close": 1.112},
            id="on the places included, of those within reach",
        ),
        pytest.param(
            "HealthcareService?location.near=48.85|2.35|5|km", {}, id="nowhere without the places"
        ),
        pytest.param("Location?_id=here", {}, id="nowhere without a position asked"),
        pytest.param(
            "Location?near=48.85|2.35|5|km,45.0|2.35|5|km",
            {"here": 0.0, "close": 1.112, "far": 0.0},
            id="from the nearest of several points",
        ),
    ],
)
def test_a_search_by_position_tells_how_far(ror, url, expected):
    assert distances(search_bundle(ror, url)) == pytest.approx(expected, abs=0.01)


def test_an_outcome_entry_names_the_ignored_parameters(ror):
    bundle = search_bundle(ror, "HealthcareService?unknown=1&name=offre", lenient=True)

    (outcome,) = (entry for entry in bundle["entry"] if entry["search"]["mode"] == "outcome")
    assert bundle["total"] == 3
    assert outcome["resource"]["resourceType"] == "OperationOutcome"
    assert "unknown" in outcome["resource"]["issue"][0]["diagnostics"]
    assert "unknown" not in links(bundle)["self"]


@pytest.mark.parametrize(
    ("criteria", "lenient"),
    [("unknown=1", True), ("name=offre&__explain=true", False), ("x=1&__explain=true", True)],
)
def test_every_entry_has_an_address_of_its_own(ror, criteria, lenient):
    bundle = search_bundle(ror, f"HealthcareService?{criteria}", lenient=lenient)

    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    remarks = [
        entry["fullUrl"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"
    ]
    assert len(set(addresses)) == len(addresses)
    assert remarks and all(UUID(urn.removeprefix("urn:uuid:")).urn == urn for urn in remarks)


def test_the_self_link_has_the_applied_parameters(ror):
    bundle = search_bundle(ror, "HealthcareService?_count=5000&name=Œuvre%20d’été")

    assert "_count=1000" in links(bundle)["self"]
    assert dict(parse_qsl(urlsplit(links(bundle)["self"]).query))["name"] == "Œuvre d’été"


def test_a_body_that_went_away_between_the_index_and_the_store_is_left_out(ror):
    view = ror.index.view
    keep(ror.store, [{"resourceType": "HealthcareService", "id": "b", "deleted": True}])
    ror.bodies.forget(range(100))

    class Old:
        """The index as it was just before the deletion."""

        @staticmethod
        def catch_up_for(viewer):
            pass

    Old.view = view  # type: ignore[attr-defined]
    request = parse("HealthcareService", [])
    body = json.loads(
        search(Old(), ror.bodies, Viewer(1), request, BASE, "en").body  # type: ignore[arg-type]
    )

    assert entries(body, "match") == ["a", "c"]


def test_a_changed_resource_matches_by_its_new_content(ror):
    assert search_bundle(ror, "HealthcareService?location=close")["total"] == 1
    keep(ror.store, [offer("c", "far")])
    ror.refresh()

    assert search_bundle(ror, "HealthcareService?location=close")["total"] == 0
    assert entries(search_bundle(ror, "HealthcareService?location=far"), "match") == ["a", "b", "c"]
