"""Subsets of a resource: the selected elements, the tag, and that nothing else changes."""

import json

import pytest

from ror.errors import InvalidRequest, NotSupported, RorError
from ror.resources.subset import ALWAYS_INCLUDED, Subset, apply_subset, parse_elements, parse_subset
from ror.standard.definitions import RESOURCE_TYPES, summary_elements, type_definition

TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
REPORT = {
    "resourceType": "MeasureReport",
    "id": "1",
    "text": {"status": "generated", "div": "<div/>"},
    "implicitRules": "https://example.org/rules",
    "modifierExtension": [{"url": "https://example.org/x", "valueBoolean": True}],
    "extension": [{"url": "https://example.org/y", "valueDecimal": 1}],
    "status": "complete",
    "_status": {"id": "s"},
    "type": "summary",
    "measure": "https://example.org/m",
    "date": "2024-01-01",
    "period": {"start": "2024"},
    "group": [{"population": [{"count": 3}]}],
}
MANDATORY = {"status", "_status", "type", "measure", "period"}
SUBSETS = [
    (
        "some elements, and those that no report can lack",
        Subset(elements=("group",)),
        {"group"} | MANDATORY,
    ),
    ("the summary of the standard", Subset("true"), {"date"} | MANDATORY),
    ("the text", Subset("text"), {"text"} | MANDATORY),
    ("all but the text", Subset("data"), {"extension", "date", "group"} | MANDATORY),
]


@pytest.mark.parametrize(
    ("subset", "names"), [pytest.param(*row[1:], id=row[0]) for row in SUBSETS]
)
def test_a_part_of_a_resource_is(subset, names):
    part = json.loads(apply_subset(json.dumps(REPORT).encode(), "MeasureReport", subset))

    assert set(part) == names | ALWAYS_INCLUDED
    assert part["meta"] == {"tag": [TAG]}
    assert {name: part[name] for name in names} == {name: REPORT[name] for name in names}


def test_selected_elements_keep_their_bytes_and_tags():
    body = (
        b'{"resourceType":"Location","id":"1","name":"a\\u00e9","meta":{"versionId":"3","tag":[{"code":"52"}]},'
        b'"position":{"longitude":2.10,"latitude":1e1},"status":"active"}'
    )

    part = apply_subset(body, "Location", Subset(elements=("name", "position")))

    assert (
        part
        == (
            b'{"resourceType":"Location","id":"1","meta":{"versionId":"3","tag":[{"code":"52"},%b]},'
            b'"name":"a\\u00e9","position":{"longitude":2.10,"latitude":1e1}}'
        )
        % json.dumps(TAG, separators=(",", ":")).encode()
    )


def test_a_choice_goes_by_its_common_name_or_by_its_own():
    body = b'{"resourceType":"Measure","id":"1","status":"draft","subjectReference":{"reference":"Location/1"}}'

    for name in ("subject", "subjectReference"):
        subset = Subset(elements=parse_elements("Measure", name))
        assert "subjectReference" in json.loads(apply_subset(body, "Measure", subset))


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_a_summary_is_made_of_elements_of_the_type_and_has_its_identifier(resource_type):
    summary = summary_elements(resource_type)

    assert summary < type_definition(resource_type).elements.keys()
    assert {"id", "meta"} <= summary and "extension" not in summary and "text" not in summary


UNREADABLE = [
    ([("_elements", "stauts")], NotSupported, '"stauts". Try: status.'),
    ([("_elements", "position.latitude")], NotSupported, '"position" whole'),
    ([("_elements", "name,,status")], InvalidRequest, '"_elements": empty'),
    ([("_elements", "name"), ("_elements", "status")], InvalidRequest, "_elements"),
    ([("_elements", "name"), ("_summary", "true")], InvalidRequest, "one or the other"),
    ([("_summary", "some")], InvalidRequest, "true, text, data"),
    ([("_summary", "count")], InvalidRequest, "true, text, data, false"),
]


@pytest.mark.parametrize(("pairs", "error", "culprit"), UNREADABLE)
def test_a_part_that_is_not_understood_is_refused_by_name(pairs, error, culprit):
    with pytest.raises(error) as refused:
        parse_subset("Location", pairs)

    assert isinstance(refused.value, RorError) and culprit in refused.value.text("en")


def test_no_parameter_or_false_selects_the_whole_resource():
    assert parse_subset("Location", [("_format", "json")]) is None
    assert parse_subset("Location", [("_summary", "false")]) is None
