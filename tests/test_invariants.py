"""
Every invariant of FHIR R4 on our types, with a value that violates it and one that satisfies it.
"""

import json
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from ror.resources.validation import is_surely_valid, validate
from ror.resources.validation.expressions import parse
from ror.resources.validation.invariants import ADDED_INVARIANTS, CHECKED_ELSEWHERE, NOT_CHECKED
from ror.resources.validation.predicates import checks_presence_only, predicate
from ror.standard.definitions import invariants

UCUM = "http://unitsofmeasure.org"
ABSENT = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown",
        }
    ]
}
TABLE = [
    tuple(row.values())
    for row in json.loads((Path(__file__).parent / "spec/invariants.json").read_text("utf-8"))
]
"""
The key of an invariant, the type it is about, a value that violates it, a value that satisfies it.
"""

REQUIRED = {
    "Organization": {},
    "Task": {"status": "requested", "intent": "order"},
    "Questionnaire": {"status": "active"},
    "Measure": {"status": "active"},
    "MeasureReport": {"status": "complete", "measure": "urn:x", "period": {"start": "2024"}},
}


def holding(type_name: str, value: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A resource that holds a value and nothing else to be said, and the FHIRPath of the value."""
    root, _, rest = type_name.partition(".")
    if type_name in REQUIRED:
        return {"resourceType": type_name, **REQUIRED[type_name], **value}, type_name
    match root, rest:
        case "Questionnaire", "item":
            return holding("Questionnaire", {"item": [value]})[0], "Questionnaire.item"
        case "Questionnaire", _:
            within = {"item": [{"linkId": "1", "type": "date", "enableWhen": [value]}]}
            return holding("Questionnaire", within)[0], "Questionnaire.item.enableWhen"
        case "Location", _:
            return {"resourceType": "Location", "position": value}, "Location.position"
        case "Extension", _:
            return holding("Organization", {"name": "a", "extension": [value]})[
                0
            ], "Organization.extension"
    inner = {"repeat": value} if root == "Timing" else {"type": "Task"} if rest else value
    if rest and root != "Timing":
        inner = {**({} if root == "Dosage" else inner), rest: [value]}
    extension = {"url": "https://example.org/e", f"value{root}": inner}
    path = ".".join(["Organization.extension.value", *([rest] if rest else [])])
    return holding("Organization", {"name": "a", "extension": [extension]})[0], path


@pytest.mark.parametrize(
    ("key", "type_name", "violating", "satisfying"),
    TABLE,
    ids=[f"{row[0]} {row[1]} {number}" for number, row in enumerate(TABLE)],
)
def test_an_invariant_refuses_what_violates_it_and_nothing_else(
    key, type_name, violating, satisfying
):
    broken, sound = holding(type_name, violating)[0], holding(type_name, satisfying)[0]

    assert f"validation.{key}" in {issue.key for issue in validate(broken)}
    assert {issue.code for issue in validate(broken)} == {"invariant"}
    assert validate(sound) == []
    assert is_surely_valid(sound) or "_longitude" in satisfying


SPELLINGS = {".hasValue()": ".exists()", "is Boolean": "is boolean"}
"""What the other engine does not know, in words that it knows and that mean the same here."""


def rows_of(key: str, type_name: str) -> list[Any]:
    return [
        one for one in (*invariants(), *ADDED_INVARIANTS) if (one.key, one.type) == (key, type_name)
    ]


@pytest.mark.parametrize(
    ("key", "type_name", "violating", "satisfying"),
    [row for row in TABLE if row[0] not in ("per-1", "inv-1", "rng-2", "position")],
)
def test_another_engine_agrees(key, type_name, violating, satisfying):
    """
    Comparisons of dates and quantities are left out: the engine of others has its own reading of a
    doubt.
    """
    judged = []
    for value in (violating, satisfying):
        resource, path = holding(type_name, value)
        for row in rows_of(key, type_name):
            members = f".{row.member}" if row.member else ""
            if row.member in ("doseQuantity", "rateQuantity"):
                members = f".{row.member.removesuffix('Quantity')}"
            expression = f"{path}{members}.all({row.expression})"
            for ours, theirs in SPELLINGS.items():
                expression = expression.replace(ours, theirs)
            judged.append(
                fhirpathpy.evaluate(resource, expression, {"ucum": UCUM}, models["r4"]) == [True]
            )

    half = len(judged) // 2
    assert (all(judged[:half]), all(judged[half:])) == (False, True)


def test_every_invariant_of_the_standard_is_checked_or_named_with_the_reason_why_not():
    listed = {(row[0], row[1]) for row in TABLE}
    elsewhere = {*CHECKED_ELSEWHERE, *NOT_CHECKED}

    assert {
        (one.key, one.type)
        for one in (*invariants(), *ADDED_INVARIANTS)
        if one.key not in elsewhere
    } == listed
    assert {one.key for one in invariants() if one.severity == "warning"} == set(NOT_CHECKED)
    assert elsewhere <= {one.key for one in invariants()}
    page = Path("docs/importing.md").read_text("utf-8")
    assert all(f"`{key}`" in page for key in NOT_CHECKED)


@pytest.mark.parametrize(
    "text",
    [
        "code.resolve()",
        "cod.empty()",
        "code ~ 'a'",
        "code.empty(",
        "code 'a'",
        "%context.code",
        "code.",
    ],
)
def test_an_expression_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError, match=r"understood|expected|element"):
        predicate(parse(text), "Quantity")


def test_what_is_absent_for_a_reason_leaves_an_invariant_in_doubt():
    holds = predicate(parse("system = %ucum and value > 0"), "Quantity")

    assert holds({"_system": ABSENT, "value": 1})
    assert holds({"system": UCUM, "_value": ABSENT})
    assert not holds({"_system": ABSENT, "value": 1}) or holds({"system": UCUM, "value": 1})
    assert not holds({"system": "urn:x", "_value": ABSENT})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code.empty() or system.exists()", True),
        ("extension.exists() != value.exists()", True),
        ("(code | system).exists() xor unit.exists()", True),
        ("code = 'a'", False),
        ("low.value.exists()", False),
        ("code.count() > 0", False),
    ],
)
def test_an_expression_of_shape_looks_at_no_value(text, expected):
    assert checks_presence_only(parse(text)) is expected
