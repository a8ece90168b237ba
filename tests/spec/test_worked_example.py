"""
The worked example of an older edition of the guide: its nine offers, and the six answers that it
prints.

Parameters have their names of today, and nothing else is changed. Where the edition repeats an
inclusion, it comes once here. The position of the places and what the figure of the example alone
would tell are ours: the second place is far from the point that is searched around, and the offers
without a carrier of their own are carried by EG3.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from ror.access import Viewer
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from ror.settings import Settings
from tests.conftest import keep
from tests.spec.scenarios.world import (
    ACT,
    ACTIVITY,
    ADMISSION,
    ESTABLISHMENT,
    OFFER,
    ROR,
    ages,
    location,
    offer,
    organization,
    practitioner,
    role,
)

NEAR, FAR = (48.85, 2.35), (48.40, 2.70)
"""About 4 and 55 km from 48.83, 2.31."""

FULL = (
    "&_include=HealthcareService:organization&_include:iterate=Organization:partof"
    "&_include=HealthcareService:location&_revinclude=PractitionerRole:service&_include=PractitionerRole:practitioner"
)

OFFERS = (
    # number, carrier, activity, category, acts and kinds of admission, last age
    (1, "EG1", "148", "73", ((ACT, "1045"),), 100),
    (2, "Pole1", "148", "66", ((ACT, "1045"),), 5),
    (3, "UF1", "148", None, ((ACT, "1045"),), 100),
    (4, "EG3", "148", None, (), 100),
    (5, "EG3", "055", "43", ((ADMISSION, "01"),), 100),
    (6, "EG3", "070", "80", (), 100),
    (7, "EG3", "087", None, (), 100),
    (8, "EG3", "100", None, ((ACT, "1026"),), 100),
    (9, "EG3", "102", None, (), 100),
)
PEOPLE = (1, 2, 3)
"""The offers that have a practitioner."""

FIRST = "EG1 Location1 PR1 PRO1"
SECOND = "Pole1 EG2 Location2 PR2 PRO2"
THIRD = "UF1 Pole2 EG3 Location3 PR3 PRO3"

ANSWERS = {
    "an activity": (
        f"specialty={ACTIVITY}|148",
        "UE1 UE2 UE3 UE4",
        f"{FIRST} {SECOND} {THIRD} Location4",
    ),
    "one activity or another": (
        f"_filter=(specialty eq {ACTIVITY}|053 or {ACTIVITY}|100)",
        "UE8",
        "EG3 Location8",
    ),
    "a category and a kind of admission": (
        f"service-category={OFFER}|43&characteristic={ADMISSION}|01",
        "UE5",
        "EG3 Location5",
    ),
    "a category or an activity": (
        f"_filter=(service-category eq {OFFER}|80 or specialty eq {ACTIVITY}|404)",
        "UE6",
        "EG3 Location6",
    ),
    "a category of establishment or of offer, and an act": (
        f"_filter=((organization.type:above eq {ESTABLISHMENT}|606) or (service-category eq {OFFER}|73))"
        f"&characteristic={ACT}|1045",
        "UE1 UE3",
        f"{FIRST} {THIRD}",
    ),
    "an activity around a point": (
        f"specialty={ACTIVITY}|148&location.near=48.83|2.31|10|km",
        "UE1 UE3 UE4",
        f"{FIRST} {THIRD} Location4",
    ),
}


def example() -> Iterator[dict[str, Any]]:
    """The resources of the example."""
    yield organization("EG1", "EG1", "11", extensions=drop_zone(False))
    yield organization("EG2", "EG2", "11", extensions=drop_zone(True))
    yield organization("EG3", "EG3", "11", kind=(ESTABLISHMENT, "606"), extensions=drop_zone(False))
    yield organization("Pole1", "Pole1", "11", part_of="EG2")
    yield organization("Pole2", "Pole2", "11", part_of="EG3")
    yield organization("UF1", "UF1", "11", part_of="Pole2")
    for number, carrier, activity, category, characteristics, last_age in OFFERS:
        name = f"Location{number}"
        yield location(name, "Paris", "75014", "11", "EG3", position=FAR if number == 2 else NEAR)
        yield offer(
            f"UE{number}",
            f"UE{number}",
            "11",
            carrier,
            name,
            activities=activity,
            category=category,
            characteristics=characteristics,
            ages=ages(0, last_age),
        )
    for number in PEOPLE:
        yield practitioner(f"PRO{number}", f"1000000000{number}", "11")
        yield role(f"PR{number}", f"PRO{number}", f"UE{number}", "11")


def drop_zone(there: bool) -> list[dict[str, Any]]:
    return [{"url": ROR + "ror-organization-drop-zone", "valueBoolean": there}]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """The example, open in this process."""
    opened = open_directory(
        Settings(database=f"sqlite:///{tmp_path_factory.mktemp('example')}/ror.db")
    )
    keep(opened.store, example())
    opened.refresh()
    yield opened
    opened.close()


def answer(directory: Directory, query: str) -> dict[str, Any]:
    request = parse("HealthcareService", parse_qsl(query))
    found = search(
        directory.index, directory.bodies, Viewer(1), request, "http://ror.example/fhir", "fr"
    )
    return msgspec.json.decode(found.body)


def ids(bundle: dict[str, Any], mode: str) -> list[str]:
    return sorted(
        entry["resource"]["id"]
        for entry in bundle.get("entry", ())
        if entry["search"]["mode"] == mode
    )


@pytest.mark.parametrize(("query", "matches", "included"), ANSWERS.values(), ids=ANSWERS)
def test_the_answer_is_the_printed_one_each_resource_once(directory, query, matches, included):
    bundle = answer(directory, query + FULL)

    assert bundle["total"] == len(matches.split())
    assert ids(bundle, "match") == sorted(matches.split())
    assert ids(bundle, "include") == sorted(included.split())


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("organization.drop-zone:above=true", "UE2"),
        (f"specialty={ACTIVITY}|148&age-range-low=le35&age-range-high=ge35", "UE1 UE3 UE4"),
        (f"_filter=(specialty eq {ACTIVITY}|053 or {ACTIVITY}|404)", ""),
    ],
    ids=["zone for helicopters", "age", "codes that nobody has"],
)
def test_what_else_the_example_says_of_its_offers_is_found(directory, query, matches):
    """
    Nothing is printed for these; each search of a code that nobody has stands beside one above that
    finds.
    """
    assert ids(answer(directory, query), "match") == matches.split()
