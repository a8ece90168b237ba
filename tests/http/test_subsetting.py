"""What a client gets when it asks for a part of resources, by a read or by a search."""

from ror.access import Viewer
from ror.http.routes import _represented
from tests.http.conftest import Server

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
PLACE = "/fhir/Location/l1"
PLACES = "/fhir/Location"


def test_a_read_gives_the_part_that_is_asked(server: Server):
    whole, part = server.get(PLACE), server.get(f"{PLACE}?_elements=name")

    assert set(part.json) == {"resourceType", "id", "meta", "name"}
    assert part.json["name"] == whole.json["name"]
    assert server.get(f"{PLACE}?_summary=false").body == whole.body


def test_a_part_and_the_whole_are_not_taken_for_one_another(server: Server):
    parts = [
        server.get(f"{PLACE}{query}")
        for query in ("", "?_summary=true", "?_elements=name", "?_elements=status")
    ]

    assert len({part.headers["etag"] for part in parts}) == len(parts)
    assert (
        server.get(f"{PLACE}?_summary=true", if_none_match=parts[0].headers["etag"]).status == 200
    )
    assert (
        server.get(f"{PLACE}?_summary=true", if_none_match=parts[1].headers["etag"]).status == 304
    )
    assert server.get(PLACE, if_none_match=parts[1].headers["etag"]).status == 200


def test_elements_are_those_of_the_matches_and_a_summary_is_of_everything(server: Server):
    def shapes(query: str) -> dict[str, set[str]]:
        bundle = server.get(f"{PLACES}?_id=l1&_include=Location:organization{query}").json
        return {
            one["search"]["mode"]: {*one["resource"], *one["resource"]["meta"]}
            for one in bundle["entry"]
        }

    whole, elements, summary = shapes(""), shapes("&_elements=name"), shapes("&_summary=true")

    assert elements == {
        "match": {"resourceType", "id", "meta", "versionId", "lastUpdated", "tag", "name"},
        "include": whole["include"],
    }
    assert "position" in whole["match"] and "position" not in summary["match"]
    assert "tag" in summary["include"] and "tag" not in whole["include"]


def test_a_part_keeps_its_distance(server: Server):
    bundle = server.get(f"{PLACES}?near=48.5%7C3%7C1&_elements=name").json

    assert [set(one["resource"]) for one in bundle["entry"]] == [
        {"resourceType", "id", "meta", "name"}
    ]
    assert "extension" in bundle["entry"][0]["search"]


def test_the_links_of_a_page_ask_for_the_same_part(server: Server):
    bundle = server.get(f"{PLACES}?_elements=name&_count=5").json

    assert all("_elements=name" in link["url"] for link in bundle["link"])


def test_a_part_has_one_tag_for_all_who_are_given_the_same(directory):
    capacity = {"url": f"{ROR}ror-location-supported-capacity", "valueString": "of status unknown"}
    meta = {"lastUpdated": "2026-05-28T20:26:40Z", "tag": [{"code": "11"}]}
    one = directory(
        [
            {
                "resourceType": "Location",
                "id": "1",
                "meta": meta,
                "name": "Salle",
                "extension": [capacity],
            }
        ]
    )

    def seen(profile: int, *pairs: tuple[str, str]) -> tuple[bytes, str]:
        made = _represented(one, Viewer(profile), "Location", "1", pairs, one.store.change_signal())
        return made.body, made.etag

    assert seen(0)[0] != seen(1)[0] and seen(0)[1] != seen(1)[1]
    assert seen(0, ("_elements", "name")) == seen(1, ("_elements", "name"))
