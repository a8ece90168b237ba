"""
What another process hid is hidden from the next answer on: an index that has not looked at the
change log yet.

`tests/http/test_masks_at_once.py` says the same of servers; each fault that was found is here by
itself.

Deliberate breakages that these tests caught: reads that do not ask whether masks changed, or that
take a body before a view that it is judged by; codes alone compared; searches that do not ask what
was written since, or that take what they know of it for enough when a body came from the store
after it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from ror.access import Perimeter, Viewer
from ror.directory import reading as interactions
from ror.search.answer.bodies import BodyCache
from ror.search.answer.bundle import search
from ror.search.index.index import SEGMENTS_OF_A_SIZE, Index
from ror.search.language.parse import parse
from ror.store import open_store
from tests.conftest import keep

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
PUBLIC = Viewer(0)
WRITES = 200


def resource(resource_type: str, name: str, **content: object) -> dict[str, object]:
    meta = {"lastUpdated": "2026-05-28T20:26:40Z", **content.pop("meta", {})}  # type: ignore[dict-item]
    return {"resourceType": resource_type, "id": name, "meta": meta, **content}


def offer(name: str, *places: str, sensitive: bool = False) -> dict[str, object]:
    flag = {"url": f"{ROR}ror-healthcareservice-sensitive-unit", "valueBoolean": sensitive}
    location = [{"reference": f"Location/{place}"} for place in places]
    return resource("HealthcareService", name, extension=[flag], location=location)


def contact(name: str, level: str) -> dict[str, object]:
    code = {"coding": [{"code": level}]}
    stated = {"url": f"{ROR}ror-contact-confidentiality-level", "valueCodeableConcept": code}
    return {"extension": [stated], "name": {"text": name}}


class Elsewhere:
    """
    A process that reads the same file as the writer, and looks at the change log only when it must.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.store = open_store(url)
        self.bodies = BodyCache(self.store, 1_000_000)
        self.index = Index(self.store, folder, on_change=self.bodies.forget)
        self.index.open()

    def read(self, resource_type: str, name: str) -> str:
        result, _ = interactions.read(self.store, self.index, PUBLIC, resource_type, name)
        return result.body.decode()

    def search(self, resource_type: str, name: str, viewer: Viewer = PUBLIC) -> str:
        answer = search(
            self.index,
            self.bodies,
            viewer,
            parse(resource_type, [("_id", name)]),
            "https://ror.test",
            "en",
        )
        return answer.body.decode()


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/ror.db")
    yield store
    store.close()


@pytest.fixture
def elsewhere(store, tmp_path) -> Iterator[Elsewhere]:
    keep(
        store,
        [
            resource("Location", "ward"),
            offer("unit", "ward"),
            offer("clinic", "ward"),
            resource(
                "Organization", "team", contact=[contact("garde", "1"), contact("accueil", "3")]
            ),
        ],
    )
    item = Elsewhere(store.url, tmp_path / "index")
    yield item
    item.index.close()
    item.store.close()


def test_a_reference_to_the_first_hidden_resource_disappears_from_reads(store, elsewhere):
    assert "Location/ward" in elsewhere.read("HealthcareService", "clinic")

    keep(store, [offer("unit", "ward", sensitive=True)])

    assert "Location/ward" not in elsewhere.read("HealthcareService", "clinic")


@pytest.mark.parametrize("regions", [("11", "84"), ("84", "11")], ids=["away", "here"])
def test_a_resource_that_moves_to_another_region_matches_there_at_once(store, elsewhere, regions):
    held = Viewer(0, Perimeter(regions=frozenset({"11"})))
    before, after = (
        resource("Location", "tent", meta={"tag": [{"code": region}]}) for region in regions
    )
    keep(store, [before])
    shown = '"total":1' in elsewhere.search("Location", "tent", held)
    assert shown == (regions[0] == "11")

    keep(store, [after])

    assert ('"total":1' in elsewhere.search("Location", "tent", held)) != shown


def test_two_contacts_that_exchange_levels_and_positions_change_the_visibility(store, elsewhere):
    assert "garde" in elsewhere.search("Organization", "team")

    keep(
        store,
        [
            resource(
                "Organization", "team", contact=[contact("accueil", "1"), contact("garde", "3")]
            )
        ],
    )

    assert "garde" not in elsewhere.search("Organization", "team")
    assert msgspec.json.decode(elsewhere.read("Organization", "team"))["contact"][0]["name"] == {
        "text": "accueil"
    }


def test_a_new_reference_to_a_hidden_resource_is_never_visible(store, elsewhere):
    keep(store, [resource("Location", "bunker"), offer("cell", "bunker", sensitive=True)])
    elsewhere.index.refresh()

    keep(store, [offer("clinic", "ward", "bunker")])

    assert "bunker" not in elsewhere.search("HealthcareService", "clinic")
    assert "bunker" not in elsewhere.read("HealthcareService", "clinic")


def test_a_reference_to_a_hidden_resource_that_comes_and_goes_is_never_visible(store, elsewhere):
    keep(store, [resource("Location", "bunker"), offer("cell", "bunker", sensitive=True)])
    elsewhere.index.refresh()

    def write() -> None:
        for change in range(WRITES):
            keep(store, [offer("clinic", *(("ward", "bunker") if change % 2 else ("ward",)))])

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        shown = 0
        while not writing.done():
            notified = elsewhere.read("HealthcareService", "clinic") + elsewhere.search(
                "HealthcareService", "clinic"
            )
            assert "bunker" not in notified
            shown += notified.count("Location/ward")
            # Now and then, as a follower does.
            if shown % 5 == 0:
                elsewhere.index.refresh()

    writing.result()
    assert shown > 20


def test_a_body_read_from_the_store_later_may_refer_to_a_hidden_resource(store, elsewhere):
    keep(store, [resource("Location", "bunker"), offer("cell", "bunker", sensitive=True)])
    elsewhere.index.refresh()
    # Now it knows what was written since, and then has no body at hand.
    elsewhere.search("HealthcareService", "clinic")
    elsewhere.bodies.forget(range(50))

    keep(store, [offer("clinic", "ward", "bunker")])

    assert "bunker" not in elsewhere.search("HealthcareService", "clinic")


def test_merged_segments_say_nothing_about_replaced_bodies(store, elsewhere, monkeypatch):
    keep(store, [resource("Organization", "team", contact=[contact("garde", "3")])])
    elsewhere.index.catch_up()
    for number in range(1, SEGMENTS_OF_A_SIZE):
        keep(store, [resource("Organization", f"other-{number}")])
        elsewhere.index.catch_up()
    assert "garde" in elsewhere.search("Organization", "team", Viewer(1))
    for _ in range(2):
        assert "garde" not in elsewhere.search("Organization", "team")

    keep(store, [resource("Organization", "team", active=True)])
    # A search that began before this was acknowledged goes on with what a merge leaves.
    before = len(elsewhere.index.view.parts)
    elsewhere.index._compact()
    assert len(elsewhere.index.view.parts) < before
    monkeypatch.setattr(elsewhere.index, "catch_up_for", lambda viewer: None)

    assert "garde" not in elsewhere.search("Organization", "team")
