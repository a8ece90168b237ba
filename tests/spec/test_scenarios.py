"""
Every published search, asked as it is printed of a directory where we know what it must find.

`scenarios/searches.toml` holds the requests and their answers, `scenarios/world.py` the directory.
The rows are asked in this process, then once more over HTTP.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from ror.access import Viewer
from ror.errors import RorError
from ror.http.addresses import parameters
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from ror.search.language.request import SearchRequest
from ror.settings import Settings
from tests.conftest import Server, import_lines, keep, serving
from tests.spec.scenarios.world import WORLD

BASE_URL = "http://ror.example/fhir"
DISTANCE = "http://hl7.org/fhir/StructureDefinition/location-distance"
TABLES = tomllib.loads((Path(__file__).parent / "scenarios/searches.toml").read_text())


@dataclass(frozen=True)
class Row:
    """A published search and its answer on the world; the file says what each field means."""

    id: str
    request: str
    matches: str
    included: str = ""
    note: str = ""
    lenient: bool = False
    independent: bool = False
    ordered: bool = False
    scored: bool = False
    distances: str = ""
    elements: str = ""

    @property
    def preference(self) -> dict[str, str]:
        asked = {"lenient": self.lenient, "independent-criteria": self.independent}
        return {"Prefer": ", ".join(f"handling={name}" for name, wanted in asked.items() if wanted)}


ROWS = [Row(**row) for row in TABLES["search"]]
PRINTED_WITH_MISPRINTS = [row for row in ROWS if row.lenient]


def cases(rows: list[Row]) -> list[Any]:
    """The rows as parameters of a test."""
    return [pytest.param(row, id=row.id) for row in rows]


# --- the table ------------------------------------------------------------------------------------


def test_the_ids_of_the_world_are_unique_whatever_the_type():
    assert len({one["id"] for one in WORLD}) == len(WORLD)


def test_every_row_finds_something_and_has_its_own_id():
    assert all(row.matches for row in ROWS), "a row that finds nothing proves nothing"
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_every_scenario_of_the_use_cases_of_search_has_a_row():
    """UC1 to UC6 and UC12; the counts are those of section 0.1 of the list of scenarios."""
    published = {"UC1": 7, "UC2": 10, "UC3": 13, "UC4": 3, "UC5": 3, "UC6": 2, "UC12": 4}
    ids = {row["id"].split()[0] for table in ("search", "read", "skipped") for row in TABLES[table]}

    for use_case, count in published.items():
        assert len([one for one in ids if one.startswith(f"{use_case}.")]) == count, use_case


# --- in this process ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """The world, open in this process."""
    directory = open_directory(
        Settings(database=f"sqlite:///{tmp_path_factory.mktemp('world')}/ror.db")
    )
    keep(directory.store, WORLD)
    directory.refresh()
    yield directory
    directory.close()


def understood(row: Row) -> SearchRequest:
    resource_type, _, query = row.request.partition("?")
    pairs = parameters(quote(query, safe="&=%+").encode())
    return parse(resource_type, pairs, lenient=row.lenient, independent=row.independent)


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_published_search_finds_what_it_is_for(world, row):
    answer = search(world.index, world.bodies, Viewer(1), understood(row), BASE_URL, "fr")

    check(row, msgspec.json.decode(answer.body))


def check(row: Row, bundle: dict[str, Any]) -> None:
    """The matches, the total, what came along, and what the entries tell."""
    entries = bundle.get("entry", [])
    by_mode = {
        mode: [entry["resource"]["id"] for entry in entries if entry["search"]["mode"] == mode]
        for mode in ("match", "include")
    }
    matches, included = row.matches.split(), row.included.split()
    in_order = list if row.ordered else sorted
    assert in_order(by_mode["match"]) == in_order(matches)
    assert bundle["total"] == len(matches)
    assert sorted(by_mode["include"]) == sorted(included)
    distant = [entry["resource"]["id"] for entry in entries if DISTANCE in _extensions(entry)]
    assert sorted(distant) == sorted(row.distances.split())
    scores = [
        entry["search"].get("score") for entry in entries if entry["search"]["mode"] == "match"
    ]
    assert all((score is not None and 0 < score <= 1) == row.scored for score in scores)
    if row.elements:
        kept = {"resourceType", "id", "meta", *row.elements.split()}
        assert all(
            entry["resource"].keys() <= kept
            for entry in entries
            if entry["search"]["mode"] == "match"
        )


def _extensions(entry: dict[str, Any]) -> set[str]:
    return {one["url"] for one in entry["search"].get("extension", ())}


@pytest.mark.parametrize("row", cases(PRINTED_WITH_MISPRINTS))
def test_a_search_printed_with_a_misprint_is_refused_unless_leniency_is_asked(row):
    with pytest.raises(RorError):
        understood(replace(row, lenient=False))


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The world behind a server."""
    database = f"sqlite:///{tmp_path_factory.mktemp('served')}/ror.db"
    import_lines(database, map(msgspec.json.encode, WORLD))
    with serving(database) as running:
        yield running


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_published_search_finds_the_same_over_http(served, row):
    answer = served.client.get(f"{served.base_url}/{row.request}", headers=row.preference)

    assert answer.status_code == 200, answer.text
    check(row, answer.json())


@pytest.mark.parametrize("row", TABLES["read"], ids=lambda row: row["id"])
def test_a_published_read_gives_the_resource(served, row):
    answer = served.client.get(f"{served.base_url}/{row['request']}")

    assert answer.status_code == 200, answer.text
    assert f"{answer.json()['resourceType']}/{answer.json()['id']}" == row["request"]
