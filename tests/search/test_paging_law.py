"""
The law of paging: following the links visits each match that stays exactly once, whatever is
written meanwhile.

In the order of rids and in any order asked, forward by `next` and back by `previous`, on several
small segments, after merges and from a snapshot. Without writes, the pages together are the order
that a plain sort gives.

Deliberate breakages that these tests caught: giving the last item again on a page that goes
backward; taking the greatest of several values where the least counts; forgetting what died in a
segment; a key of the cursor that no match has any more taken for another; resources without a value
first.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import count as counting
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ror.access import Viewer
from ror.search.answer.bodies import BodyCache
from ror.search.answer.bundle import search
from ror.search.index import index as indexing
from ror.search.index.extract import extract
from ror.search.index.index import Index
from ror.search.language.parse import parse
from ror.search.language.values import (
    Period,
    Quantity,
    Text,
    Token,
    covering_instant,
)
from ror.standard.definitions import LAST_UPDATED
from ror.store import open_store
from ror.store.contract import Store
from tests.amounts import amount
from tests.conftest import clean_environment, keep, small_directory

pytestmark = pytest.mark.long


BASE = "http://ror.test/fhir"
ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
NAMES = ("Clinique", "clinique", "Œuvre", "oeuvre", "CHU", "École", "Ehpad", "", "a" * 300)
CODES = ("01", "02", "10")
DATES = ("2024", "2024-02", "2024-02-29", "2024-02-29T10:00:00Z", "2031-05-01")
MOST_PAGES = 1_000
AMOUNTS = ("0", "2.5", "2.50", "10", "-1")
SORTS = (
    "",
    "name",
    "-name",
    "type",
    "-type",
    "period-end",
    "-period-end",
    "price-amount-value",
    "-price-amount-value",
    "price-validity-start-date",
    "-price-validity-start-date",
    "_id",
    "-_id",
    "_lastUpdated",
    "type,-name",
    "-price-amount-value,type,name",
    "drop-zone,-_id",
)


def organization(random: Random, identity: str) -> dict[str, Any]:
    """An organisation with few values, many equal to another's, and any of them absent."""
    made: dict[str, Any] = {"resourceType": "Organization", "id": identity}
    made["meta"] = {"lastUpdated": random.choice(DATES)}
    if random.random() < 0.7:
        made["name"] = random.choice(NAMES)
    if random.random() < 0.7:
        made["type"] = [
            {"coding": [{"code": random.choice(CODES)}]} for _ in range(random.randint(1, 2))
        ]
    made["extension"] = []
    if random.random() < 0.5:
        url = "http://hl7.org/fhir/StructureDefinition/organization-period"
        made["extension"].append({"url": url, "valuePeriod": {"end": random.choice(DATES)}})
    if random.random() < 0.4:
        made["extension"].append(
            {"url": ROR + "ror-organization-drop-zone", "valueBoolean": random.random() < 0.5}
        )
    for _ in range(random.randint(0, 2)):
        parts: list[dict[str, Any]] = []
        if random.random() < 0.8:
            parts.append(
                {"url": "amount", "valueMoney": {"value": Decimal(random.choice(AMOUNTS))}}
            )
        if random.random() < 0.8:
            parts.append({"url": "startDate", "valueDateTime": random.choice(DATES)})
        if parts:
            made["extension"].append({"url": ROR + "ror-organization-price", "extension": parts})
    return made


class World:
    """A directory of organisations in a real store, paged through as a client does."""

    def __init__(self, store: Store, folder: Path, random: Random) -> None:
        self.store, self.folder, self.random = store, folder, random
        self.index = Index(store, folder)
        self.index.open()
        self.bodies = BodyCache(store, 1_000_000)
        self.present: dict[str, dict[str, Any]] = {}
        self._numbers = counting()

    def write(self, resources: Iterable[dict[str, Any]]) -> None:
        resources = list(resources)
        keep(self.store, resources)
        for one in resources:
            if one.get("deleted"):
                self.present.pop(one["id"], None)
            else:
                self.present[one["id"]] = one
        self.index.refresh()
        self.bodies.forget(range(1000))

    def create(self, many: int) -> set[str]:
        made = [organization(self.random, f"o{next(self._numbers)}") for _ in range(many)]
        self.write(made)
        return {one["id"] for one in made}

    def change(self, many: int) -> set[str]:
        chosen = self._some(many)
        self.write(organization(self.random, one) for one in chosen)
        return set(chosen)

    def delete(self, many: int) -> set[str]:
        chosen = self._some(many)
        self.write({"resourceType": "Organization", "id": one, "deleted": True} for one in chosen)
        return set(chosen)

    def _some(self, many: int) -> list[str]:
        return self.random.sample(sorted(self.present), min(many, len(self.present)))

    def ask(self, url: str) -> dict[str, Any]:
        """The bundle behind a link."""
        request = parse("Organization", parse_qsl(urlsplit(url).query))
        return json.loads(search(self.index, self.bodies, Viewer(1), request, BASE, "en").body)

    def pages(self, url: str, relation: str = "next") -> Iterator[dict[str, Any]]:
        """The bundle behind a link, and those that its links lead to."""
        for _ in range(MOST_PAGES):
            bundle = self.ask(url)
            yield bundle
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            if relation not in links:
                return
            url = links[relation]
        pytest.fail("the links lead on and on")


def first_page(sort: str, count: int) -> str:
    return f"{BASE}/Organization?_count={count}" + (f"&_sort={sort}" if sort else "")


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


@pytest.fixture(scope="module")
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Random], World]]:
    """Makes a world in a directory of its own, written in several steps."""
    stores: list[Store] = []

    def make(random: Random) -> World:
        folder = tmp_path_factory.mktemp("paging")
        stores.append(open_store(f"sqlite:///{folder}/ror.db"))
        world = World(stores[-1], folder / "ror.db.index", random)
        for _ in range(random.randint(1, 9)):
            world.create(random.randint(1, 12))
            world.change(random.randint(0, 3))
            world.delete(random.randint(0, 2))
        if random.random() < 0.3:
            # From a snapshot: one large segment, then the small ones of what follows.
            for file in world.folder.glob("*.index"):
                file.unlink()
            world.index = Index(world.store, world.folder)
            world.index.open()
            world.change(3)
            world.create(2)
        return world

    yield make
    for store in stores:
        store.close()


# --- what the order is ----------------------------------------------------------------------------


def comparable(value: Any, descending: bool) -> Any:
    """What an indexed value is compared by: the edge of a period that the direction looks at."""
    match value:
        case Text(folded, exact):
            return folded.encode(), exact.encode()
        case Token(code, system):
            return code.encode(), system.encode()
        case Period(first, last):
            return last if descending else first
        case Quantity(number, _):
            return number
    return value


def in_order(world: World, sort: str) -> list[str]:
    """The ids in the order asked, worked out one key after the other by plain stable sorts."""
    rids = {identity: world.store.rid("Organization", identity) for identity in world.present}
    ordered = sorted(world.present, key=lambda identity: rids[identity] or 0)
    for key in reversed([key for key in sort.split(",") if key]):
        descending, name = key.startswith("-"), key.removeprefix("-")
        best: dict[str, Any] = {}
        for identity, resource in world.present.items():
            entries = extract(resource)
            if name == LAST_UPDATED:
                stored = world.store.read("Organization", identity)
                assert stored is not None
                entries[name] = [(covering_instant(stored.last_updated), 0)]
            values = [comparable(value, descending) for value, _ in entries.get(name, ())]
            if values:
                best[identity] = max(values) if descending else min(values)
        # Equal keys keep their order in either direction, as `reverse` does.
        having = sorted(
            (one for one in ordered if one in best), key=best.__getitem__, reverse=descending
        )
        ordered = having + [one for one in ordered if one not in best]
    return ordered


@settings(max_examples=amount(40, 400), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_without_writes_the_pages_are_the_order_asked_forward_and_back(new_world, seed):
    random = Random(seed)
    world = new_world(random)
    for sort in random.sample(SORTS, 6):
        count = random.randint(1, 9)
        expected = in_order(world, sort)

        forward = list(world.pages(first_page(sort, count)))

        assert [one for page in forward for one in ids(page)] == expected, sort
        assert all(page["total"] == len(expected) for page in forward)
        assert all(len(ids(page)) == count for page in forward[:-1])
        assert not forward or "previous" not in {link["relation"] for link in forward[0]["link"]}
        back = list(world.pages(self_link(forward[-1]), "previous"))
        assert [one for page in reversed(back) for one in ids(page)] == expected, sort


def self_link(bundle: dict[str, Any]) -> str:
    return next(link["url"] for link in bundle["link"] if link["relation"] == "self")


@settings(max_examples=amount(40, 400), deadline=None)
@given(seed=st.integers(0, 2**32))
@example(seed=2124)  # the last resource that had the sorted text is deleted between two pages
def test_each_match_that_stays_is_visited_once_while_others_are_written(new_world, seed):
    random = Random(seed)
    world = new_world(random)
    sort, count = random.choice(SORTS), random.randint(1, 7)
    backward = random.random() < 0.5
    url = first_page(sort, count)
    if backward:
        url = self_link(list(world.pages(url))[-1])
    initial, untouched, visited = set(world.present), set(world.present), []

    for page in world.pages(url, "previous" if backward else "next"):
        visited += ids(page)
        untouched -= world.delete(random.randint(0, 2)) | world.change(random.randint(0, 2))
        world.create(random.randint(0, 2))

    for one in untouched:
        assert visited.count(one) == 1, f"{one} with _sort={sort}"
    if not sort:
        # Nothing moves in the order of rids: what changed is visited too, and nothing at all
        # appears twice.
        assert len(visited) == len(set(visited))
        assert initial & world.present.keys() <= set(visited)


@settings(max_examples=amount(10, 100), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_is_the_same_after_merges_and_from_a_snapshot(new_world, seed):
    random = Random(seed)
    world = new_world(random)
    asked = [first_page(sort, 1000) for sort in SORTS]
    before = [ids(world.ask(url)) for url in asked]
    for file in world.folder.glob("*.index"):
        file.unlink()

    world.index = Index(world.store, world.folder)
    world.index.open()

    assert len(world.index.view.parts) <= 1
    assert [ids(world.ask(url)) for url in asked] == before


def test_small_segments_are_merged_in_the_worlds_of_this_law(new_world, monkeypatch):
    merges = []
    merged = indexing._merged
    monkeypatch.setattr(
        indexing, "_merged", lambda parts, store: merges.append(len(parts)) or merged(parts, store)
    )

    worlds = [new_world(Random(seed)) for seed in range(12)]

    assert set(merges) == {indexing.SEGMENTS_OF_A_SIZE}
    assert max(len(world.index.view.parts) for world in worlds) > 3


# --- while another process writes -----------------------------------------------------------------

IMPORT = "import sys; from ror.cli import main; sys.exit(main())"


def test_a_client_pages_through_a_server_while_another_process_imports(serve, tmp_path):
    lines = small_directory()
    locations = [line for line in lines if line.startswith(b'{"resourceType":"Location"')]
    before, after = locations[: len(locations) // 2], locations[len(locations) // 2 :]
    given = {json.loads(line)["id"] for line in before}
    file = tmp_path / "more.ndjson"
    file.write_bytes(
        b"\n".join([*after, *(line for line in lines if b'"PractitionerRole"' in line[:40])])
    )
    with serve(before) as server:
        command = [
            sys.executable,
            "-c",
            IMPORT,
            "import",
            str(file),
            "--database",
            server.database,
            "--workers",
            "0",
        ]
        importing = subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with importing:
            for sort in ("", "address-city", "-nb-capacity", "commune-cog,-_lastUpdated"):
                visited, totals = [], []
                url = f"{server.base_url}/Location?_count=10" + (f"&_sort={sort}" if sort else "")
                while url:
                    bundle = server.client.get(url).json()
                    visited += ids(bundle)
                    totals.append(bundle["total"])
                    url = next(
                        (link["url"] for link in bundle["link"] if link["relation"] == "next"), ""
                    )

                assert len(visited) == len(set(visited)), sort
                assert given <= set(visited), sort
                assert totals == sorted(totals), "a total never goes back"
            assert importing.wait(timeout=60) == 0
        assert server.search("Location", _summary="count")["total"] == len(locations)
