"""
The access matrix, element by element: what each profile reads, finds, counts and is brought of
resources that have all.

The rows and the cells are those of `matrix.toml`; where the published table is at hand, they are
compared with it.

Deliberate breakages that these tests caught: available capacities for profile 5; finding by
governed parts whatever their masks; by rows of a record whatever theirs, with one criterion and
with two; bodies that come along uncut; facts that do not reach professionals. They found that one
sensitive unit took away the telecoms of its whole hospital.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ror.access import Viewer
from ror.directory import reading as interactions
from ror.errors import NotFound
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse
from ror.settings import Settings
from ror.standard.definitions import search_parameters
from ror.store import open_store
from tests.access.matrix import (
    NAMES,
    NONE,
    SITUATIONS,
    STRICT,
    Element,
    Grade,
    Json,
    asked_for,
    cells,
    changed_by,
    elements,
    found_at,
    id_of,
    made,
    policies,
    world,
)
from tests.conftest import import_lines

BASE = "https://ror.test/fhir"
PROFILES = range(6)
SPEC = Path(__file__).parents[3] / "shared" / "spec" / "access-by-element.csv"


BROUGHT: Mapping[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "Organization": ("Organization", "holder", (("_revinclude", "Organization:partof"),)),
    "HealthcareService": ("Organization", "", (("_revinclude", "HealthcareService:organization"),)),
    "Location": ("Organization", "", (("_revinclude", "Location:organization"),)),
    "PractitionerRole": ("Organization", "", (("_revinclude", "PractitionerRole:organization"),)),
    "Practitioner": (
        "Organization",
        "",
        (
            ("_revinclude", "PractitionerRole:organization"),
            ("_include:iterate", "PractitionerRole:practitioner"),
        ),
    ),
    "Task": ("Organization", "", (("_revinclude", "Task:focus"),)),
}
"""
From what each type is brought, which one (the structure of the situation when nothing is said), and
how.
"""


@dataclass
class Asked:
    """The world of the table in a directory under a policy."""

    directory: Directory
    _read: dict[tuple[str, str, int], Json | None] = field(default_factory=dict)

    def search(self, profile: int, resource_type: str, *pairs: tuple[str, str]) -> Json:
        read = parse(resource_type, pairs)
        answer = search(
            self.directory.index, self.directory.bodies, Viewer(profile), read, BASE, "en"
        )
        bundle: Json = msgspec.json.decode(answer.body)
        # Codes of the worlds are in no nomenclature, which an outcome entry says.
        entries = [
            entry for entry in bundle.get("entry", ()) if entry["search"]["mode"] != "outcome"
        ]
        if "entry" in bundle:
            bundle["entry"] = entries
        for entry in entries:
            del entry["resource"]["meta"]["versionId"]
        return bundle

    def read(self, profile: int, resource_type: str, situation: str) -> Json | None:
        """A resource as a profile reads it; None when it is not there."""
        key = resource_type, situation, profile
        if key not in self._read:
            store, index = self.directory.store, self.directory.index
            try:
                found, _ = interactions.read(
                    store, index, Viewer(profile), resource_type, id_of(*key[:2])
                )
                self._read[key] = resource = msgspec.json.decode(found.body)
                del resource["meta"]["versionId"]
            except NotFound:
                self._read[key] = None
        return self._read[key]

    def found(
        self, profile: int, resource_type: str, situation: str, *pairs: tuple[str, str]
    ) -> Json | None:
        """
        The same resource as a search shows it, if it meets further criteria; None when it is not
        there.
        """
        bundle = self.search(
            profile, resource_type, ("_id", id_of(resource_type, situation)), *pairs
        )
        counted = self.search(
            profile,
            resource_type,
            ("_id", id_of(resource_type, situation)),
            *pairs,
            ("_summary", "count"),
        )
        found = [one["resource"] for one in bundle.get("entry", ())]
        assert len(found) == bundle["total"] == counted["total"]
        return found[0] if found else None

    def brought(self, profile: int, resource_type: str, situation: str) -> Json | None:
        """The same resource as it comes along with another; None when it does not."""
        source, source_id, rules = BROUGHT[resource_type]
        bundle = self.search(
            profile, source, ("_id", source_id or id_of(source, situation)), *rules
        )
        along = [one["resource"] for one in bundle["entry"] if one["search"]["mode"] == "include"]
        wanted = resource_type, id_of(resource_type, situation)
        found = [one for one in along if (one["resourceType"], one["id"]) == wanted]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture(scope="module", params=policies())
def policy(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def asked(policy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    database = f"sqlite:///{tmp_path_factory.mktemp('matrix')}/ror.db"
    store = open_store(database)
    store.set_policy(policy)
    store.close()
    import_lines(database, map(msgspec.json.encode, world()))
    directory = open_directory(Settings(database=database))
    yield Asked(directory)
    directory.close()


def rows_of(rule: str) -> list[Element]:
    return [one for one in elements() if one.rule == rule]


@cache
def whole(resource_type: str, situation: str) -> Json:
    return made(resource_type, situation)


def standing(resource: Json | None, element: Element) -> dict[Grade, list[Any]]:
    """
    What stands at an element, by column; without its parts where these have rows of their own.
    """
    found = found_at(resource, element) if resource else {}
    return {
        grade: [_alone(one) if element.kind == "whole" else one for one in values]
        for grade, values in found.items()
    }


def _alone(value: Json) -> Json:
    return {name: one for name, one in value.items() if not isinstance(one, list | dict)}


# --- reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", changed_by(STRICT))
def test_a_read_shows_what_the_matrix_gives_and_nothing_else(asked: Asked, policy: str, rule: str):
    shown = 0
    for element, situation, profile in product(rows_of(rule), SITUATIONS, PROFILES):
        there = standing(whole(element.type, situation), element)
        expected = {
            grade: one
            for grade, one in there.items()
            if profile in cells(rule, policy)[situation][grade]
        }

        read = asked.read(profile, element.type, situation)

        assert standing(read, element) == expected, (
            f"profile {profile}, {element.type}.{element.path}, {situation}"
        )
        shown += bool(expected)
    assert shown


# --- searches and totals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "rule"),
    [(policy, rule) for policy in policies() for rule in changed_by(policy)],
    indirect=["policy"],
    scope="module",
)
def test_a_search_finds_and_counts_what_the_matrix_gives_and_nothing_else(
    asked: Asked, policy: str, rule: str
):
    for element, situation in product(rows_of(rule), SITUATIONS):
        resource = whole(element.type, situation)
        for parameter in element.asked:
            for pair, grades in criteria(resource, element, parameter).items():
                for profile in PROFILES:
                    is_seen = any(
                        profile in cells(rule, policy)[situation][grade] for grade in grades
                    )

                    found = asked.found(profile, element.type, situation, pair)

                    told = f"profile {profile}, {element.type}?{pair[0]}={pair[1]}, {situation}"
                    assert (found is not None) == is_seen, told


def test_criteria_that_meet_on_one_capacity_find_it_or_not(asked: Asked, policy: str):
    rows = {one.asked[0]: one for one in rows_of("capacity") if one.asked}
    for situation, profile in product(SITUATIONS, PROFILES):
        place = whole("Location", situation)
        for grade, cell in cells("capacity", policy)[situation].items():
            pairs = [
                (name, asked_for(found_at(place, rows[name])[grade][0]))
                for name in ("capacity-status", "nb-capacity")
            ]

            found = asked.found(profile, "Location", situation, *pairs)

            assert (found is not None) == (profile in cell), (
                f"profile {profile}, {situation}, {grade}"
            )


def criteria(
    resource: Json, element: Element, parameter: str
) -> dict[tuple[str, str], list[Grade]]:
    """The criteria that find what stands at an element, and at which columns each finds it."""
    name, given, value = parameter.partition("=")
    if given:
        return {(name, value): [()]}
    found: dict[tuple[str, str], list[Grade]] = {}
    for grade, values in found_at(resource, element).items():
        for one in values:
            found.setdefault((name, asked_for(one)), []).append(grade)
    return found


# --- inclusions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("resource_type", BROUGHT)
def test_what_is_brought_along_or_found_is_what_a_read_shows(asked: Asked, resource_type: str):
    for situation, profile in product(SITUATIONS, PROFILES):
        read = asked.read(profile, resource_type, situation)

        assert asked.brought(profile, resource_type, situation) == read
        assert asked.found(profile, resource_type, situation) == read


# --- the test vectors of the policy ---------------------------------------------------------------

SENSITIVE = ("care!", "town!", "social!")
CONTACT = "extension:ror-healthcareservice-contact"
CAPACITY = "extension:ror-location-supported-capacity"
ORSAN = "extension:ror-organization-level-recourse-orsan"


@dataclass(frozen=True)
class Vector:
    """
    Which profiles see the whole of something (no path), or what stands at a path in one of its
    columns, and which not.
    """

    name: str
    type: str
    situations: tuple[str, ...]
    path: str
    grade: Grade
    seen: str
    hidden: str


VECTORS = (
    Vector("V1 sensitive offer", "HealthcareService", SENSITIVE, "", (), "", "0235"),
    Vector("V1 its place", "Location", SENSITIVE, "", (), "", "0235"),
    Vector("V1 its roles", "PractitionerRole", SENSITIVE, "", (), "", "0235"),
    Vector("V2 sensitive offer", "HealthcareService", SENSITIVE, "", (), "14", ""),
    Vector("V2 its public contacts", "HealthcareService", SENSITIVE, CONTACT, ("1",), "14", ""),
    Vector(
        "V2 its contacts for professionals",
        "HealthcareService",
        SENSITIVE,
        CONTACT,
        ("2",),
        "1",
        "4",
    ),
    Vector(
        "V2 its contacts for regulation", "HealthcareService", SENSITIVE, CONTACT, ("3",), "1", "4"
    ),
    Vector("V3 contact of level 2", "Organization", SITUATIONS, "contact", ("2",), "2", ""),
    Vector(
        "V3 its telecom of level 1",
        "Organization",
        SITUATIONS,
        "contact.telecom",
        ("2", "1"),
        "2",
        "",
    ),
    Vector(
        "V3 its telecom of level 3",
        "Organization",
        SITUATIONS,
        "contact.telecom",
        ("2", "3"),
        "1",
        "2",
    ),
    Vector("V4 the same contact", "Organization", SITUATIONS, "contact", ("2",), "", "0"),
    Vector(
        "V4 its telecom of level 1",
        "Organization",
        SITUATIONS,
        "contact.telecom",
        ("2", "1"),
        "",
        "0",
    ),
    Vector(
        "V5 contact of level 2, médico-social",
        "HealthcareService",
        ("social",),
        CONTACT,
        ("2",),
        "3",
        "",
    ),
    Vector("V6 contact of level 2, care", "HealthcareService", ("care",), CONTACT, ("2",), "", "3"),
    Vector(
        "V7 additional capacity", "Location", ("care", "social"), CAPACITY, ("extra",), "14", "0235"
    ),
    Vector("V8 available beds", "Location", ("care",), CAPACITY, ("available",), "124", "035"),
    Vector(
        "V8 available beds, médico-social",
        "Location",
        ("social",),
        CAPACITY,
        ("available",),
        "1234",
        "05",
    ),
    Vector("V9 professional of the town", "Practitioner", ("town",), "", (), "0", ""),
    Vector("V9 professional of a hospital", "Practitioner", ("care",), "", (), "", "0"),
    Vector("V10 ORSAN level", "Organization", SITUATIONS, ORSAN, (), "14", "0235"),
)
"""The vectors of the policy, each in one line or several."""


@pytest.mark.parametrize("policy", [STRICT], indirect=True, scope="module")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.name)
def test_a_vector_of_the_policy_holds_in_reads_searches_totals_and_inclusions(
    asked: Asked, vector: Vector
):
    parts = [
        one
        for one in elements()
        if one.type == vector.type and one.path.startswith(vector.path or "id")
    ]
    for situation, profile in product(vector.situations, map(int, vector.seen + vector.hidden)):
        is_seen = str(profile) in vector.seen
        shown = (
            asked.read(profile, vector.type, situation),
            asked.found(profile, vector.type, situation),
            asked.brought(profile, vector.type, situation),
        )

        for resource in shown:
            there = resource is not None and vector.grade in found_at(resource, parts[0])
            assert there == is_seen, (profile, situation)
        for part, parameter in [(one, parameter) for one in parts for parameter in one.asked]:
            for pair, grades in criteria(whole(vector.type, situation), part, parameter).items():
                # What another column says as well tells nothing of this one.
                if grades == [vector.grade]:
                    assert (
                        asked.found(profile, vector.type, situation, pair) is not None
                    ) == is_seen, pair


# --- the table itself -----------------------------------------------------------------------------

WITHOUT_ELEMENT = {"_filter", "_has", "_text"}
LABELS = ("_profile", "_security")
UNTRIED = {
    "Organization": {"endpoint"},
    "HealthcareService": {"equipment-type", "endpoint"},
    "Location": {"endpoint"},
    "PractitionerRole": {"endpoint"},
    "Task": {"_lastUpdated", "_tag", *LABELS},
    "Measure": {"_lastUpdated", "_tag", *LABELS},
    "MeasureReport": {"_lastUpdated", "_tag", *LABELS, "_content", "measure"},
    "Questionnaire": {
        *LABELS,
        "_lastUpdated",
        "_tag",
        "context",
        "status",
        "date",
        "version",
        "description",
        "name",
    },
}
"""
Parameters that no row asks: the type of equipment finds nothing, an endpoint has one rule for
everything (test_endpoints.py), and so have the other types.
"""


@pytest.mark.parametrize("resource_type", NAMES)
def test_every_parameter_of_search_is_asked_by_some_row(resource_type: str):
    asked = {
        one.partition("=")[0]
        for row in elements()
        if row.type == resource_type
        for one in row.asked
    }

    untried = search_parameters(resource_type).keys() - asked - WITHOUT_ELEMENT

    assert untried == UNTRIED.get(resource_type, set())


def test_every_row_stands_somewhere():
    for element, situation in product(elements(), SITUATIONS):
        assert found_at(whole(element.type, situation), element), f"{element.type}.{element.path}"


# --- the published table --------------------------------------------------------------------------

absent = pytest.mark.skipif(
    not SPEC.exists(), reason=f"the published table is not at {SPEC}: nothing to compare with"
)


@dataclass(frozen=True)
class Published:
    """A row of the published table; `condition` is None where the guide says nothing."""

    type: str
    path: str
    profiles: frozenset[int]
    condition: str | None


@cache
def published() -> tuple[Published, ...]:
    with SPEC.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Published(
            row["resource"],
            row["fhir_path"].partition(".")[2],
            frozenset(int(one) for one in row["profiles"].split(";") if one),
            found[1] if (found := re.search(r"condition=([^;]*)", row["note"])) else None,
        )
        for row in rows
    )


def rule_of(row: Published) -> str:
    """The rule of the row that says who sees what a published row is about."""
    (rule,) = {
        one.rule for one in elements() if one.type == row.type and (row.path in ("", one.path))
    }
    return rule


@absent
def test_every_published_row_has_a_row_here():
    known = {(one.type, one.path) for one in elements()}

    assert len(published()) == 292
    assert not [row for row in published() if row.path and (row.type, row.path) not in known]
    assert {row.type for row in published() if not row.path} == {
        "Task",
        "Measure",
        "MeasureReport",
        "Questionnaire",
    }


@dataclass(frozen=True)
class Case:
    """What the condition of a published row may ask of."""

    rule: str
    profile: int
    situation: str
    grade: Grade

    @property
    def is_safe(self) -> bool:
        return not self.situation.endswith("!")

    @property
    def field(self) -> str:
        return self.situation.rstrip("!")

    def contact(self, levels: str) -> bool:
        return self.grade[0] in levels

    def telecom(self, levels: str) -> bool:
        # A telecom of a contact has the level of the contact when it states none; others are of
        # level 3.
        alone = self.grade[0] if len(self.grade) > 1 else "3"
        return (self.grade[-1] if self.grade[-1] != NONE else alone) in levels


TERMS: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    (
        r"always( \(all capacities\))?|without stated condition|every access profile, no condition",
        lambda case: True,
    ),
    (r"never", lambda case: False),
    (r"uniteSensible=false", lambda case: case.is_safe),
    (r"uniteSensible=true", lambda case: not case.is_safe),
    (r"(the offer's )?activity field=MS", lambda case: case.field == "social"),
    (r"(the offer's )?activity field=Ville", lambda case: case.field == "town"),
    (r"contact level=public", lambda case: case.contact("1")),
    (r"contact level (is )?not very-restricted", lambda case: case.contact("12")),
    (r"telecom level=public", lambda case: case.telecom("1")),
    (r"telecom level not very-restricted", lambda case: case.telecom("12")),
    (r"both levels=public", lambda case: case.contact("1") and case.telecom("1")),
    (
        r"(both levels|contact AND telecom levels) (are )?not very-restricted",
        lambda case: case.contact("12") and case.telecom("12"),
    ),
    (r"without additional-bed capacities", lambda case: "extra" not in case.grade[0]),
    (
        r"installed beds only",
        lambda case: case.grade[0] in ("installed", "assigned", "installed-extra"),
    ),
)
"""What the published conditions say, and what it means."""

_CLAUSE = r"((?:P\d,)*P\d) (.*?)(?=, (?:P\d,)*P\d |$)"
_WHOLE = {
    "every access profile, no condition": "P0,P1,P2,P3,P4,P5 always",
    "profiles 1 and 4 only": "P1,P4 always",
    "all profiles when uniteSensible=false, only P1,P4 when uniteSensible=true": "P1,P4 always, P0,P2,P3,P5 if"
    " uniteSensible=false",
}


def allows(condition: str, case: Case) -> bool:
    """Whether a published condition lets a profile see what stands in a column."""
    for profiles, text in re.findall(_CLAUSE, _WHOLE.get(condition, condition)):
        if f"P{case.profile}" in profiles.split(","):
            return any(_holds(one, case) for one in re.split(r",? else ", text))
    return False


def _holds(text: str, case: Case) -> bool:
    return all(_term(one)(case) for one in re.split(r" and |, ", re.sub(r"^(only )?if ", "", text)))


@cache
def _term(text: str) -> Callable[[Case], bool]:
    (found,) = [meaning for pattern, meaning in TERMS if re.fullmatch(pattern, text.strip())]
    return found


IN_WHOLE = {
    "HealthcareService": "offer",
    "Location": "place",
    "Practitioner": "professional",
    "PractitionerRole": "professional",
}
"""The rule of a resource as a whole: what it hides has no elements."""

MAILBOXES = ("mailbox-of-structure", "mailbox-of-offer", "mailbox-of-professional")

READ_OTHERWISE: Mapping[str, Callable[[Case], bool]] = {
    "a mailbox is held to the level that it states": lambda case: (
        case.rule in MAILBOXES and case.grade > ("1",)
    ),
    "professionals of a sensitive unit of the town are hidden too": lambda case: (
        case.rule in ("professional", "mailbox-of-professional")
        and case.profile == 0
        and not case.is_safe
    ),
    "outside médico-social a telecom of a contact is as public as it states": lambda case: (
        case.rule.startswith("telecom-of-contact") and case.profile == 3 and case.grade[1] in "23"
    ),
    "telecoms of level 1 are shown to profile 3 as to anybody": lambda case: (
        case.rule == "telecom-of-place" and case.profile == 3 and case.grade == ("1",)
    ),
    "an additional capacity is not installed for profile 5, nor is one of unknown status harmless": lambda case: (
        case.rule == "capacity" and case.grade[0] in ("installed-extra", "unknown")
    ),
}
"""Where this project departs from the words of the published table, and why (decision 21)."""


@absent
def test_the_cells_are_those_that_are_published():
    # The published table; without the switch it says that profile 4 sees none.
    policy = "3.0.1+profile-4-professionals"
    rules = {
        (rule_of(row), row.type, row.condition, row.profiles)
        for row in published()
        if row.condition
    }
    base = {row.type: row.condition for row in published() if row.path == "id"}
    departures = set()

    for rule, resource_type, condition, profiles in rules:
        seen = set()
        for profile, situation in product(PROFILES, SITUATIONS):
            for grade, cell in cells(rule, policy)[situation].items():
                case = Case(rule, profile, situation, grade)
                expected = allows(condition, case) and allows(base[resource_type], case)
                if (profile in cell) != expected:
                    reasons = [why for why, applies in READ_OTHERWISE.items() if applies(case)]
                    assert reasons, f"{case}: published {expected}"
                    departures.update(reasons)
                if profile in cell:
                    seen.add(profile)
        assert seen == profiles, rule

    assert departures == READ_OTHERWISE.keys()


@absent
def test_profile_4_alone_is_read_more_strictly_by_default():
    policy = "3.0.1+profile-4-professionals"

    for rule, situation in product(
        ("professional", "mailbox-of-professional", "telecom-of-role"), SITUATIONS
    ):
        for grade, published_cell in cells(rule, policy)[situation].items():
            assert cells(rule)[situation][grade] == published_cell - {4}
