"""
What comes along with matches: choice 13 and docs/search.md#inclusions, as a table on one small
directory, and as laws.

Deliberate breakages that these tests caught: following a rule only from the matches; a rule without
`:iterate` that follows what it brought; crediting a resource to the first rule that brings it,
which makes the order of rules matter; keeping what is dangling or deleted; a match that comes a
second time; giving each type an equal share of a limit, used or not; counting what stays behind
from the limit and not from what came.
"""

from collections.abc import Iterator
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from ror.access import Viewer
from ror.search.answer.engine import Search
from ror.search.answer.inclusion import included, limited
from ror.search.language.expression import Everything
from ror.search.language.parse import parse
from ror.standard.definitions import RESOURCE_TYPES
from tests.amounts import amount
from tests.search.worlds import SlowWorld


def to(*references: str) -> list[dict[str, Any]]:
    return [{"reference": one} for one in references]


def resource(name: str, **content: Any) -> dict[str, Any]:
    resource_type, _, identity = name.partition("/")
    return {"resourceType": resource_type, "id": identity, **content}


DIRECTORY = [
    resource("Organization/ej"),
    resource(
        "Organization/eg",
        partOf={"reference": "Organization/ej"},
        identifier=[{"system": "s", "value": "42"}],
    ),
    resource("Organization/pole", partOf={"reference": "Organization/eg"}),
    resource("Organization/unit", partOf={"reference": "Organization/pole"}),
    resource("Organization/loop-a", partOf={"reference": "Organization/loop-b"}),
    resource("Organization/loop-b", partOf={"reference": "Organization/loop-a"}),
    resource("Organization/own", partOf={"reference": "Organization/own"}),
    resource("Organization/orphan", partOf={"reference": "Organization/never-existed"}),
    resource("Location/l1", managingOrganization={"reference": "Organization/eg"}),
    resource("Location/l2", managingOrganization={"reference": "Organization/own"}),
    resource(
        "HealthcareService/h1",
        providedBy={"reference": "Organization/unit"},
        location=to("Location/l1"),
    ),
    resource(
        "HealthcareService/h2",
        providedBy={"reference": "Organization/unit"},
        location=to("Location/l1", "Location/l2", "Location/removed", "Location/never-existed"),
    ),
    resource("HealthcareService/h3", providedBy={"reference": "Organization/loop-a"}),
    resource("Practitioner/p1"),
    resource("Practitioner/p2"),
    resource(
        "PractitionerRole/r1",
        healthcareService=to("HealthcareService/h1"),
        practitioner={"reference": "Practitioner/p1"},
        organization={"reference": "Organization/ej"},
    ),
    resource(
        "PractitionerRole/r2",
        healthcareService=to("HealthcareService/h1", "HealthcareService/h2"),
        practitioner={"reference": "Practitioner/p2"},
    ),
    resource(
        "Task/t1", focus={"type": "Organization", "identifier": {"system": "s", "value": "42"}}
    ),
    resource("Task/t2", focus={"reference": "HealthcareService/h1"}),
    resource("Task/t3", focus={"identifier": {"system": "other", "value": "42"}}),
    resource("Measure/m1", url="https://example.org/m/1"),
    resource("MeasureReport/mr1", measure="https://example.org/m/1|2"),
    resource("MeasureReport/mr2", measure="https://example.org/m/2"),
]
REMOVED = [
    resource("Location/removed", managingOrganization={"reference": "Organization/ej"}),
    resource("PractitionerRole/removed", healthcareService=to("HealthcareService/h1")),
]


@pytest.fixture(scope="module")
def world() -> SlowWorld:
    """The directory in three segments, in which two resources were deleted."""
    removed = [{**one, "deleted": True} for one in REMOVED]
    return SlowWorld([[*DIRECTORY[::2], *REMOVED], DIRECTORY[1::2], removed])


def brought(world: SlowWorld, matches: str, rules: Iterator[str] | tuple[str, ...]) -> set[str]:
    """What the rules bring along with some matches of one type."""
    names = matches.split()
    resource_type = names[0].split("/")[0]
    pairs = [tuple(rule.split("=")) for rule in rules]
    request = parse(resource_type, pairs)  # type: ignore[arg-type]
    rids = BitMap([world.rids[resource_type, name.split("/")[1]] for name in names])
    found = included(Search(world.view, Viewer(1)), rids, resource_type, request.includes)
    return {f"{kind}/{identity}" for kind, identity in world.names_of(found)}


TABLE = [
    pytest.param(
        "HealthcareService/h1",
        ("_include=HealthcareService:organization",),
        "Organization/unit",
        id="what a match points at, one step",
    ),
    pytest.param(
        "HealthcareService/h2",
        ("_include=HealthcareService:location",),
        "Location/l1 Location/l2",
        id="a deleted or absent target is skipped",
    ),
    pytest.param(
        "HealthcareService/h1 HealthcareService/h2",
        ("_include=HealthcareService:location", "_include=HealthcareService:organization"),
        "Location/l1 Location/l2 Organization/unit",
        id="what two matches share comes once",
    ),
    pytest.param(
        "HealthcareService/h1",
        ("_include=HealthcareService:organization", "_include=Organization:partof"),
        "Organization/unit Organization/pole",
        id="without iterate, one step from what another rule brought",
    ),
    pytest.param(
        "HealthcareService/h1",
        ("_include=HealthcareService:organization", "_include:iterate=Organization:partof"),
        "Organization/unit Organization/pole Organization/eg Organization/ej",
        id="iterate goes up to the root (4.1, point 2)",
    ),
    pytest.param(
        "HealthcareService/h1",
        ("_revinclude=PractitionerRole:service", "_include=PractitionerRole:practitioner"),
        "PractitionerRole/r1 PractitionerRole/r2 Practitioner/p1 Practitioner/p2",
        id="an include reaches what a revinclude brought, without iterate (4.1, point 1)",
    ),
    pytest.param(
        "HealthcareService/h1",
        ("_revinclude=PractitionerRole:service", "_include=PractitionerRole:organization"),
        "PractitionerRole/r1 PractitionerRole/r2 Organization/ej",
        id="what the revincluded point at, where they do",
    ),
    pytest.param(
        "HealthcareService/h1",
        (
            "_include=HealthcareService:organization",
            "_include=HealthcareService:location",
            "_include=Location:organization",
            "_include:iterate=Organization:partof",
            "_revinclude=PractitionerRole:service",
            "_include=PractitionerRole:practitioner",
            "_revinclude=Task:focus",
        ),
        "Organization/unit Organization/pole Organization/eg Organization/ej Location/l1 "
        "PractitionerRole/r1 PractitionerRole/r2 Practitioner/p1 Practitioner/p2 Task/t1 Task/t2",
        id="the full set of a published request",
    ),
    pytest.param(
        "HealthcareService/h3",
        ("_include=HealthcareService:organization", "_include:iterate=Organization:partof"),
        "Organization/loop-a Organization/loop-b",
        id="a cycle ends",
    ),
    pytest.param(
        "Organization/own",
        ("_include:iterate=Organization:partof",),
        "",
        id="its own parent, already there",
    ),
    pytest.param(
        "Organization/orphan",
        ("_include:iterate=Organization:partof",),
        "",
        id="a parent that never was",
    ),
    pytest.param(
        "Organization/ej",
        ("_revinclude:iterate=Organization:partof",),
        "Organization/eg Organization/pole Organization/unit",
        id="everything under a root",
    ),
    pytest.param(
        "Organization/ej",
        ("_revinclude=Organization:partof",),
        "Organization/eg",
        id="its children only",
    ),
    pytest.param(
        "Organization/eg Organization/pole",
        ("_include=Organization:partof",),
        "Organization/ej",
        id="a match is not included a second time",
    ),
    pytest.param(
        "Task/t1", ("_include=Task:focus",), "Organization/eg", id="a focus by business identifier"
    ),
    pytest.param(
        "Task/t3", ("_include=Task:focus",), "", id="an identifier of another system names nothing"
    ),
    pytest.param(
        "Organization/eg",
        ("_revinclude=Task:focus",),
        "Task/t1",
        id="who names it by its identifier",
    ),
    pytest.param(
        "Task/t1 Task/t2",
        ("_include=Task:focus:HealthcareService",),
        "HealthcareService/h1",
        id="one type of target",
    ),
    pytest.param(
        "MeasureReport/mr1", ("_include=MeasureReport:measure",), "Measure/m1", id="a canonical URL"
    ),
    pytest.param(
        "MeasureReport/mr2",
        ("_include=MeasureReport:measure",),
        "",
        id="a canonical URL of nothing here",
    ),
    pytest.param(
        "Measure/m1",
        ("_revinclude=MeasureReport:measure",),
        "MeasureReport/mr1",
        id="the reports on it",
    ),
    pytest.param("Organization/ej", (), "", id="no rule"),
    pytest.param(
        "Practitioner/p1",
        ("_include=HealthcareService:location",),
        "",
        id="a rule about another type",
    ),
]


@pytest.mark.parametrize(("matches", "rules", "expected"), TABLE)
def test_what_comes_along(world, matches, rules, expected):
    assert brought(world, matches, rules) == set(expected.split())


@pytest.mark.parametrize(("matches", "rules", "expected"), TABLE)
def test_the_order_of_the_rules_makes_no_difference(world, matches, rules, expected):
    for turned in list(permutations(rules))[:120]:
        assert brought(world, matches, turned) == set(expected.split()), turned


def test_what_two_rules_bring_is_followed_by_either_of_them():
    # `pole` comes by `partof` from `unit`, which `partof` alone would not follow further; the place
    # brings it too.
    place = resource("Location/l1", managingOrganization={"reference": "Organization/pole"})
    world = SlowWorld([[place if one["id"] == "l1" else one for one in DIRECTORY]])
    rules = (
        "_include=HealthcareService:organization",
        "_include=Organization:partof",
        "_include=HealthcareService:location",
        "_include=Location:organization",
    )

    for turned in permutations(rules):
        came = brought(world, "HealthcareService/h1", turned)

        assert came == {
            "Organization/unit",
            "Organization/pole",
            "Location/l1",
            "Organization/eg",
        }, turned


# --- a law ----------------------------------------------------------------------------------------

RULES = (
    "_include=HealthcareService:organization",
    "_include=HealthcareService:location",
    "_include=Location:organization",
    "_include=Organization:partof",
    "_include:iterate=Organization:partof",
    "_revinclude=Organization:partof",
    "_revinclude:iterate=Organization:partof",
    "_revinclude=HealthcareService:location",
    "_revinclude=PractitionerRole:service",
    "_include=PractitionerRole:practitioner",
    "_include=PractitionerRole:organization",
    "_revinclude=PractitionerRole:organization",
    "_revinclude=Task:focus",
    "_include=Task:focus",
)
ELEMENTS = {
    ("HealthcareService", "organization"): "providedBy",
    ("HealthcareService", "location"): "location",
    ("Location", "organization"): "managingOrganization",
    ("Organization", "partof"): "partOf",
    ("PractitionerRole", "service"): "healthcareService",
    ("PractitionerRole", "practitioner"): "practitioner",
    ("PractitionerRole", "organization"): "organization",
    ("Task", "focus"): "focus",
}


def random_directory(random: Random) -> list[dict[str, Any]]:
    """Few resources, many links, some to nothing."""
    targets = {
        "providedBy": "Organization",
        "managingOrganization": "Organization",
        "partOf": "Organization",
    }
    targets |= {
        "organization": "Organization",
        "location": "Location",
        "practitioner": "Practitioner",
    }
    targets |= {"healthcareService": "HealthcareService", "focus": "HealthcareService"}
    made = []
    for kind in (
        "Organization",
        "Location",
        "HealthcareService",
        "Practitioner",
        "PractitionerRole",
        "Task",
    ):
        for number in range(random.randint(2, 5)):
            one = resource(f"{kind}/{number}")
            for (source, _), element in ELEMENTS.items():
                if source == kind and random.random() < 0.8:
                    reference = to(f"{targets[element]}/{random.randint(0, 5)}")
                    one[element] = (
                        reference if element in ("location", "healthcareService") else reference[0]
                    )
            made.append(one)
    return made


def naively_brought(
    directory: list[dict[str, Any]], matches: set[str], rules: tuple[str, ...]
) -> set[str]:
    """
    The same, resource by resource: a rule starts from matches and from what the other rules
    brought.
    """
    present = {f"{one['resourceType']}/{one['id']}": one for one in directory}
    edges = [
        (name, f"{kind}:{param}", link["reference"])
        for name, one in present.items()
        for (kind, param), element in ELEMENTS.items()
        if one["resourceType"] == kind and element in one
        for link in (one[element] if isinstance(one[element], list) else [one[element]])
        if link["reference"] in present
    ]
    by_rule: dict[str, set[str]] = {rule: set() for rule in rules}
    while True:
        before = {rule: set(found) for rule, found in by_rule.items()}
        for rule in rules:
            name, _, value = rule.partition("=")
            others = (
                found for other, found in by_rule.items() if "iterate" in name or other != rule
            )
            starts = matches.union(*others)
            for source, param, target in edges:
                start, end = (target, source) if name.startswith("_rev") else (source, target)
                if param == value and start in starts:
                    by_rule[rule].add(end)
        if by_rule == before:
            return set().union(*by_rule.values()) - matches


@pytest.mark.long
@settings(max_examples=amount(60, 600), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_inclusions_are_those_of_a_naive_reading_of_the_rules(seed):
    random = Random(seed)
    directory = random_directory(random)
    half = len(directory) // 2
    world = SlowWorld([directory[half:], directory[:half]])
    for _ in range(15):
        kind = random.choice(("HealthcareService", "Organization", "Location"))
        names = [
            f"{one['resourceType']}/{one['id']}" for one in directory if one["resourceType"] == kind
        ]
        matches = set(random.sample(names, random.randint(1, 2)))
        rules = tuple(random.sample(RULES, random.randint(2, 8)))

        found = brought(world, " ".join(sorted(matches)), rules)

        assert found == naively_brought(directory, matches, rules), (matches, rules)


def test_a_page_of_everything_brings_nothing_that_it_has_already(world):
    search = Search(world.view, Viewer(1))
    everything = search.evaluate(Everything(), "Organization")
    rules = parse("Organization", [("_include:iterate", "Organization:partof")]).includes

    assert not included(search, everything, "Organization", rules)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.long
@settings(max_examples=amount(60, 600), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_limit_is_used_up_and_takes_from_the_types_of_which_there_is_most(seed):
    random = Random(seed)
    world = SlowWorld([random_directory(random)])
    search = Search(world.view, Viewer(1))
    there = [world.rids[name] for name in world.facts]
    brought = BitMap(random.sample(there, random.randint(1, len(there))))
    most = random.randint(1, len(brought) + 1)

    kept, behind = limited(search, brought, most)

    assert kept <= brought
    assert len(kept) == min(most, len(brought))
    by_type = {name: brought & search.view.of_type(name) for name in RESOURCE_TYPES}
    assert behind == {name: len(some - kept) for name, some in by_type.items() if some - kept}
    for name in behind:
        assert max(len(some & kept) for some in by_type.values()) <= len(by_type[name] & kept) + 1
        assert max(by_type[name] & kept, default=0) < min(by_type[name] - kept)
