"""
Base FHIR R4 validation: published examples are valid, errors have their path, both checks agree.
"""

from copy import deepcopy
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror import messages
from ror.resources.validation import MAX_ISSUES, is_surely_valid, validate
from ror.resources.validation.full_check import all_issues
from ror.resources.validation.invariants import invariants_of
from ror.resources.validation.values import PRIMITIVES, is_not_after
from ror.standard.definitions import type_names
from tests.amounts import amount

SHARED = Path(__file__).parent.parent / "../shared"
FOLDERS = ("spec/examples", "data/guide/0.7.0", "data/guide/annuaire-organization-examples")
decoder = msgspec.json.Decoder(float_hook=Decimal)


def published_examples():
    """The resources of the guide and of our own pages, without the definitions."""
    for folder in FOLDERS:
        for path in sorted((SHARED / folder).glob("*.json")):
            resource = decoder.decode(path.read_bytes())
            if resource["resourceType"] != "StructureDefinition":
                yield pytest.param(resource, id=path.name)


EXAMPLES = list(published_examples())


def organization(**elements):
    return {"resourceType": "Organization", "name": "CHU", **elements}


def location(**elements):
    return {"resourceType": "Location", **elements}


def service(**elements):
    return {"resourceType": "HealthcareService", **elements}


def role(**elements):
    return {"resourceType": "PractitionerRole", **elements}


def task(**elements):
    return {"resourceType": "Task", "status": "requested", "intent": "order", **elements}


def questionnaire(*items, **elements):
    return {"resourceType": "Questionnaire", "status": "active", "item": list(items), **elements}


def extended(**extension):
    return organization(extension=[{"url": "https://example.org/e", **extension}])


def narrative(div):
    return organization(text={"status": "generated", "div": div})


def nested(levels):
    extension = {"url": "u", "valueInteger": 1}
    for _ in range(levels):
        extension = {"url": "u", "extension": [extension]}
    return organization(extension=[extension])


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
PERSON = {"resourceType": "Person", "id": "e", "name": "not checked"}
PART = {"resourceType": "Organization", "id": "part", "name": "Pôle"}

BROKEN = [
    # structure
    pytest.param(["not a resource"], "structure", "Resource", id="an array is not a resource"),
    pytest.param({"name": "CHU"}, "required", "Resource", id="no resource type"),
    pytest.param(
        {"resourceType": "Organisation"}, "structure", "Resource", id="a resource type in French"
    ),
    pytest.param(
        {"resourceType": "Patient"},
        "not-supported",
        "Resource",
        id="a resource type without a table",
    ),
    pytest.param(
        {"resourceType": 3}, "required", "Resource", id="a resource type that is a number"
    ),
    pytest.param(
        {"resourceType": "Coding"}, "structure", "Resource", id="a data type is not a resource"
    ),
    pytest.param(organization(nme="CHU"), "structure", "Organization.nme", id="an unknown element"),
    pytest.param(
        organization(contact=[{"telecom": [{"valeur": "1"}]}]),
        "structure",
        "Organization.contact[0].telecom[0].valeur",
        id="an unknown element deep inside",
    ),
    pytest.param(
        organization(_id={"id": "x"}), "structure", "Organization._id", id="an id has no sibling"
    ),
    pytest.param(
        organization(alias="CHU"),
        "structure",
        "Organization.alias",
        id="a text where an array is expected",
    ),
    pytest.param(
        organization(name=["CHU"]),
        "structure",
        "Organization.name",
        id="an array where one is expected",
    ),
    pytest.param(
        location(position=[]),
        "structure",
        "Location.position",
        id="an array where an object is expected",
    ),
    pytest.param(
        location(position="here"),
        "structure",
        "Location.position",
        id="a text where an object is expected",
    ),
    pytest.param(
        organization(identifier=[]), "structure", "Organization.identifier", id="an empty array"
    ),
    pytest.param(
        organization(identifier=[{}]),
        "structure",
        "Organization.identifier[0]",
        id="an empty object",
    ),
    pytest.param(organization(_name={}), "structure", "Organization.name", id="an empty sibling"),
    pytest.param(organization(partOf=None), "structure", "Organization.partOf", id="a null"),
    pytest.param(
        organization(alias=["a", None]),
        "structure",
        "Organization.alias[1]",
        id="a null without a sibling",
    ),
    pytest.param(
        organization(meta={"tag": [None]}),
        "structure",
        "Organization.meta.tag[0]",
        id="a null object",
    ),
    pytest.param(nested(70), "structure", "Organization" + ".extension[0]" * 64, id="too deep"),
    # cardinality and choice
    pytest.param(
        {"resourceType": "Task", "intent": "order"}, "required", "Task.status", id="a missing code"
    ),
    pytest.param(
        extended(), "invariant", "Organization.extension[0]", id="an extension that says nothing"
    ),
    pytest.param(
        organization(extension=[{"valueString": "x"}]),
        "required",
        "Organization.extension[0].url",
        id="no url",
    ),
    pytest.param(
        extended(valueString="x", valueInteger=1),
        "structure",
        "Organization.extension[0].value",
        id="two values of a choice",
    ),
    pytest.param(
        extended(valueString="x", _valueCode={"id": "x"}),
        "structure",
        "Organization.extension[0].value",
        id="a value and the sibling of another",
    ),
    pytest.param(
        task(input=[{"type": {"text": "t"}}]),
        "required",
        "Task.input[0].value",
        id="a choice that must be made",
    ),
    pytest.param(
        questionnaire({"linkId": "1"}),
        "required",
        "Questionnaire.item[0].type",
        id="a missing element in an item",
    ),
    # values
    pytest.param(organization(id="é"), "value", "Organization.id", id="an id with an accent"),
    pytest.param(
        organization(id="a" * 65), "value", "Organization.id", id="an id of 65 characters"
    ),
    pytest.param(organization(id="a\n"), "value", "Organization.id", id="an id with a line end"),
    pytest.param(organization(name=""), "value", "Organization.name", id="an empty text"),
    pytest.param(
        organization(name="a\x00b"), "value", "Organization.name", id="a control character"
    ),
    pytest.param(
        organization(name=12), "value", "Organization.name", id="a number where a text is expected"
    ),
    pytest.param(
        organization(active="true"), "value", "Organization.active", id="a boolean in quotes"
    ),
    pytest.param(
        organization(active=1), "value", "Organization.active", id="a number is not a boolean"
    ),
    pytest.param(
        location(position={"longitude": True, "latitude": 1}),
        "value",
        "Location.position.longitude",
        id="a boolean is not a number",
    ),
    pytest.param(
        location(position={"longitude": "2.5", "latitude": 1}),
        "value",
        "Location.position.longitude",
        id="a decimal in quotes",
    ),
    pytest.param(
        extended(valueInteger=2**31),
        "value",
        "Organization.extension[0].value",
        id="an integer too large",
    ),
    pytest.param(
        extended(valueInteger=Decimal("1.0")),
        "value",
        "Organization.extension[0].value",
        id="a decimal integer",
    ),
    pytest.param(
        extended(valuePositiveInt=0),
        "value",
        "Organization.extension[0].value",
        id="a positive zero",
    ),
    pytest.param(
        extended(valueUnsignedInt=-1),
        "value",
        "Organization.extension[0].value",
        id="an unsigned negative",
    ),
    pytest.param(
        extended(valueDate="2023-02-29"),
        "value",
        "Organization.extension[0].value",
        id="29 February 2023",
    ),
    pytest.param(
        extended(valueDate="1900-02-29"),
        "value",
        "Organization.extension[0].value",
        id="29 February 1900",
    ),
    pytest.param(
        extended(valueDate="2024-04-31"), "value", "Organization.extension[0].value", id="31 April"
    ),
    pytest.param(
        extended(valueDate="2024-4-1"),
        "value",
        "Organization.extension[0].value",
        id="a month of one digit",
    ),
    pytest.param(
        extended(valueDate="01/04/2024"),
        "value",
        "Organization.extension[0].value",
        id="a French date",
    ),
    pytest.param(
        extended(valueDate="٢٠٢٤"),
        "value",
        "Organization.extension[0].value",
        id="digits of another script",
    ),
    pytest.param(
        extended(valueDateTime="2024-05-01T10:00:00"),
        "value",
        "Organization.extension[0].value",
        id="no time zone",
    ),
    pytest.param(
        extended(valueDateTime="2024-05-01T10:00Z"),
        "value",
        "Organization.extension[0].value",
        id="no seconds",
    ),
    pytest.param(
        extended(valueTime="24:00:00"), "value", "Organization.extension[0].value", id="24 o'clock"
    ),
    pytest.param(
        extended(valueUri="a b"), "value", "Organization.extension[0].value", id="a space in a URI"
    ),
    pytest.param(
        extended(valueCode=" a"),
        "value",
        "Organization.extension[0].value",
        id="a code that starts blank",
    ),
    pytest.param(
        extended(valueOid="1.2.250"),
        "value",
        "Organization.extension[0].value",
        id="an OID without urn",
    ),
    pytest.param(
        extended(valueUuid="urn:uuid:1"),
        "value",
        "Organization.extension[0].value",
        id="a UUID that is too short",
    ),
    pytest.param(
        extended(valueBase64Binary="abc"),
        "value",
        "Organization.extension[0].value",
        id="base64 of three characters",
    ),
    pytest.param(
        organization(meta={"lastUpdated": "2024-05-01"}),
        "value",
        "Organization.meta.lastUpdated",
        id="a date is not an instant",
    ),
    pytest.param(
        narrative(DIV.format("<script>x</script>")), "value", "Organization.text.div", id="a script"
    ),
    pytest.param(
        narrative(DIV.format('<p onclick="x">a</p>')),
        "value",
        "Organization.text.div",
        id="a click handler",
    ),
    *(
        pytest.param(
            narrative(DIV.format(hidden)),
            "value",
            "Organization.text.div",
            id=f"what only HTML sees: {hidden}",
        )
        for hidden in (
            "a&LT;&excl;-- <script>alert(1)</script> --&GT;",
            "a<!--><img src='x' onerror='alert(1)'/>-->",
            "a<!---><img src='x' onerror='alert(1)'/>-->",
            "a<?x ><img src='x' onerror='alert(1)'/>?>",
            "a<![CDATA[><img src='x' onerror='alert(1)'/>]]>",
            '<a href="javascript:alert(1)">a</a>',
            '<a href="java&Tab;script&colon;alert(1)">a</a>',
            '<a href="javascript&#9;:alert(1)">a</a>',
            '<a href="JavaScript\n:alert(1)">a</a>',
        )
    ),
    pytest.param(
        narrative(DIV.format(" ")),
        "value",
        "Organization.text.div",
        id="a narrative that says nothing",
    ),
    pytest.param(
        narrative("<div>no namespace</div>"),
        "value",
        "Organization.text.div",
        id="a div of no namespace",
    ),
    pytest.param(
        narrative("CHU"), "value", "Organization.text.div", id="a narrative that is not XHTML"
    ),
    pytest.param(
        narrative('<!DOCTYPE x [<!ENTITY a "b">]>' + DIV.format("&a;")),
        "value",
        "Organization.text.div",
        id="a narrative that defines entities",
    ),
    # codes
    pytest.param(
        location(status="open"), "code-invalid", "Location.status", id="an unknown status"
    ),
    pytest.param(
        organization(telecom=[{"system": "tel", "value": "1"}]),
        "code-invalid",
        "Organization.telecom[0].system",
        id="an unknown contact system",
    ),
    pytest.param(
        service(availableTime=[{"daysOfWeek": ["mon", "lundi"]}]),
        "code-invalid",
        "HealthcareService.availableTime[0].daysOfWeek[1]",
        id="a day of the week in French",
    ),
    # references
    pytest.param(
        organization(partOf={"reference": "Organization"}),
        "value",
        "Organization.partOf.reference",
        id="a reference without an id",
    ),
    pytest.param(
        organization(partOf={"reference": "Structure/1"}),
        "value",
        "Organization.partOf.reference",
        id="a reference to an unknown type",
    ),
    pytest.param(
        organization(partOf={"reference": "Location/1"}),
        "value",
        "Organization.partOf",
        id="a parent that is a place",
    ),
    pytest.param(
        role(practitioner={"reference": "https://ror.example/fhir/Organization/1"}),
        "value",
        "PractitionerRole.practitioner",
        id="an absolute reference to the wrong type",
    ),
    pytest.param(
        role(practitioner={"type": "Organization", "display": "X"}),
        "value",
        "PractitionerRole.practitioner",
        id="a declared type that is wrong",
    ),
    pytest.param(
        organization(partOf={"reference": "#part"}),
        "invariant",
        "Organization.partOf.reference",
        id="a local reference to nothing",
    ),
    # invariants
    pytest.param(
        {"resourceType": "Organization", "active": True}, "invariant", "Organization", id="org-1"
    ),
    pytest.param(organization(address=[{"use": "home"}]), "invariant", "Organization", id="org-2"),
    pytest.param(
        organization(telecom=[{"use": "home", "rank": 1}]), "invariant", "Organization", id="org-3"
    ),
    pytest.param(
        organization(telecom=[{"value": "1"}]), "invariant", "Organization.telecom[0]", id="cpt-2"
    ),
    pytest.param(
        role(period={"start": "2024-02", "end": "2024-01-31"}),
        "invariant",
        "PractitionerRole.period",
        id="per-1",
    ),
    pytest.param(
        extended(valuePeriod={"start": "2024-01-01T10:00:00Z", "end": "2024-01-01T10:00:00+01:00"}),
        "invariant",
        "Organization.extension[0].value",
        id="per-1 across time zones",
    ),
    pytest.param(
        extended(valueRange={"low": {"value": 9}, "high": {"value": 8}}),
        "invariant",
        "Organization.extension[0].value",
        id="rng-2",
    ),
    pytest.param(
        extended(valueQuantity={"value": 1, "code": "a"}),
        "invariant",
        "Organization.extension[0].value",
        id="qty-3",
    ),
    pytest.param(
        extended(valueAttachment={"data": "AAAA"}),
        "invariant",
        "Organization.extension[0].value",
        id="att-1",
    ),
    pytest.param(
        extended(valueString="x", extension=[{"url": "u", "valueCode": "c"}]),
        "invariant",
        "Organization.extension[0]",
        id="ext-1",
    ),
    pytest.param(
        task(authoredOn="2024-02-02", lastModified="2024-02-01"),
        "invariant",
        "Task",
        id="inv-1 of Task",
    ),
    pytest.param(
        questionnaire({"linkId": "1", "type": "group"}),
        "invariant",
        "Questionnaire.item[0]",
        id="que-1, empty group",
    ),
    pytest.param(
        questionnaire({"linkId": "1", "type": "string"}, {"linkId": "1", "type": "string"}),
        "invariant",
        "Questionnaire",
        id="que-2",
    ),
    pytest.param(
        {
            "resourceType": "MeasureReport",
            "status": "complete",
            "type": "data-collection",
            "measure": "https://example.org/m",
            "period": {"start": "2024"},
            "group": [{"code": {"text": "g"}}],
        },
        "invariant",
        "MeasureReport",
        id="mrp-1",
    ),
    # contained resources
    pytest.param(
        organization(contained=[PART]), "invariant", "Organization.contained[0]", id="dom-3"
    ),
    pytest.param(
        organization(
            contained=[{**PART, "meta": {"versionId": "1"}}], partOf={"reference": "#part"}
        ),
        "invariant",
        "Organization.contained[0]",
        id="dom-4",
    ),
    pytest.param(
        organization(
            contained=[{**PART, "contained": [location(id="l")]}], partOf={"reference": "#part"}
        ),
        "invariant",
        "Organization.contained[0]",
        id="dom-2",
    ),
    pytest.param(
        organization(contained=[{**PART, "active": "x"}], partOf={"reference": "#part"}),
        "value",
        "Organization.contained[0].active",
        id="a mistake inside a contained resource",
    ),
    pytest.param(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": location(status="open")}],
        },
        "code-invalid",
        "Bundle.entry[0].resource.status",
        id="a mistake inside a bundle",
    ),
]

SOUND = [
    pytest.param(
        location(position={"longitude": Decimal("2.10"), "latitude": 48}),
        id="decimals and whole numbers",
    ),
    pytest.param(extended(valueDate="2000-02-29"), id="29 February 2000"),
    pytest.param(extended(valueDateTime="2024-12-31T23:59:60Z"), id="a leap second"),
    pytest.param(
        organization(_name={"extension": [{"url": "u", "valueCode": "x"}]}),
        id="a value with an extension",
    ),
    pytest.param(
        {
            "resourceType": "Task",
            "intent": "order",
            "_status": {"extension": [{"url": "u", "valueCode": "unknown"}]},
        },
        id="a required code whose absence is explained",
    ),
    pytest.param(
        organization(alias=["a", None], _alias=[None, {"id": "b"}]), id="arrays padded with nulls"
    ),
    pytest.param(organization(partOf={"reference": "urn:uuid:x"}), id="a reference to a URN"),
    pytest.param(
        organization(partOf={"reference": "Organization/1/_history/2"}),
        id="a reference to a version",
    ),
    pytest.param(
        organization(partOf={"identifier": {"value": "1"}}), id="a reference by identifier"
    ),
    pytest.param(
        organization(contained=[PART], partOf={"reference": "#part"}),
        id="a contained resource in use",
    ),
    pytest.param(
        narrative(DIV.format("1 &LT; 2 &AMP; &lt;b&gt;<!-- a comment -->")),
        id="a narrative of signs",
    ),
    pytest.param(
        narrative(DIV.format("Centre&nbsp;<b>hospitalier</b>")),
        id="a narrative with an HTML entity",
    ),
    pytest.param(organization(name="Hôpital d’instruction\u00a0Percy\n"), id="French typography"),
    pytest.param(
        role(period={"start": "2024-01-01", "end": "2024-01"}),
        id="a day in the month that ends the period",
    ),
    pytest.param(nested(61), id="as deep as allowed"),
]


@pytest.mark.skipif(not EXAMPLES, reason="the published examples are not here")
@pytest.mark.parametrize("resource", EXAMPLES)
def test_a_published_example_has_no_issue_and_passes_the_fast_gate(resource):
    assert all_issues(resource) == []
    assert is_surely_valid(resource)


@pytest.mark.parametrize("resource", SOUND)
def test_a_sound_resource_has_no_issue(resource):
    assert [(issue.path, issue.text("en")) for issue in validate(resource)] == []


@pytest.mark.parametrize(("resource", "code", "path"), BROKEN)
def test_an_invalid_resource_has_an_issue_with_its_path(resource, code, path):
    issues = validate(resource)

    assert [(issue.code, issue.path) for issue in issues] == [(code, path)]
    assert all(issue.text(language) for issue in issues for language in messages.LANGUAGES)


def test_a_contained_resource_of_another_type_is_only_a_warning():
    [issue] = validate(organization(contained=[PERSON], endpoint=[{"reference": "#e"}]))

    assert (issue.severity, issue.code, issue.path) == (
        "warning",
        "not-supported",
        "Organization.contained[0]",
    )


def test_several_errors_are_all_reported():
    issues = validate(organization(active="oui", alias=["", "b", 3], partOf={"reference": "x"}))

    assert [issue.path for issue in issues] == [
        "Organization.active",
        "Organization.alias[0]",
        "Organization.alias[2]",
        "Organization.partOf.reference",
    ]


def test_a_flood_of_mistakes_is_cut():
    assert len(validate(organization(alias=[""] * 10_000))) == MAX_ISSUES


def errors_of(resource):
    return [
        (issue.path, issue.key.split(".")[1])
        for issue in validate(resource)
        if issue.severity == "error"
    ]


@pytest.mark.parametrize("count", [1, MAX_ISSUES, 2 * MAX_ISSUES])
def test_warnings_hide_no_error_and_suspend_no_invariant(count):
    unnamed = {
        "resourceType": "Organization",
        # A type without a table here: a warning for each.
        "contained": [{"resourceType": "Patient", "id": str(number)} for number in range(count)],
        "extension": [
            {"url": "https://example.org/e", "valueReference": {"reference": f"#{number}"}}
            for number in range(count)
        ],
    }

    assert errors_of({**unnamed, "name": "CHU"}) == []
    assert errors_of(unnamed) == [("Organization", "org-1")]
    assert errors_of({**unnamed, "type": "nonsense"}) == [("Organization.type", "expected-array")]


def test_a_message_names_the_element_the_value_and_a_fix():
    [issue] = validate(location(status="open"))

    assert issue.text("en") == (
        '"open" is not a code that "status" allows; allowed codes: active, inactive, suspended.'
    )
    assert issue.text("fr").startswith("« open » n'est pas un code permis pour « status »")


def test_a_long_value_is_cut_in_a_message():
    [issue] = validate(organization(id="x" * 10_000))

    assert len(issue.text()) < 400


def test_every_rule_and_every_format_has_a_text():
    rules = {f"validation.{rule.key}" for name in type_names() for rule in invariants_of(name)}
    # Any boolean and any number will do: only their class can be wrong.
    formats = {
        f"validation.not-{name.lower()}"
        for name in PRIMITIVES
        if name not in ("boolean", "decimal")
    }

    assert rules | formats <= messages.catalogue().keys()


def test_a_hostile_base64_text_is_judged_at_once():
    assert validate(extended(valueBase64Binary="AAAA" + " " * 50_000 + "!"))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param("2024", "2024-01-01", True, id="a year and its first day"),
        pytest.param(
            "2024-03-02",
            "2024-03-01T23:00:00-05:00",
            True,
            id="a day without zone is left in doubt",
        ),
        pytest.param(
            "2024-03-05", "2024-03-01T23:00:00-05:00", False, id="four days is no matter of zone"
        ),
        pytest.param(
            "2024-01-01T00:00:00+01:00", "2023-12-31T23:30:00Z", True, id="zones are respected"
        ),
        pytest.param(
            "2024-12-31T23:59:60Z",
            "2024-01-01T00:00:00Z",
            True,
            id="a leap second is left in doubt",
        ),
    ],
)
def test_dates_are_ordered_as_far_as_they_tell(start, end, expected):
    assert is_not_after(start, end) is expected


# --- both checks agree ----------------------------------------------------------------------------

ODD_VALUES = [
    None,
    "",
    " ",
    "a b",
    "é\x07",
    "#x",
    "Location/1",
    "2023-02-29",
    "2024-01-01",
    [],
    {},
    [None],
    [{}],
    0,
    -1,
    2**31,
    True,
    Decimal("1.50"),
    1.5,
    {"reference": "Organization/1"},
    {"coding": [{"code": "x"}]},
    {"url": "u", "valueCode": "c"},
]
ODD_NAMES = [
    "valueString",
    "_name",
    "extension",
    "id",
    "use",
    "system",
    "nme",
    "end",
    "contained",
    "_line",
    "type",
]


def containers(node, collected=None):
    """Every object and array of a resource, itself included."""
    collected = [] if collected is None else collected
    collected.append(node)
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            containers(child, collected)
    return collected


@st.composite
def damaged(draw):
    """
    A published example with one to three parts removed, renamed, repeated, wrapped or replaced.
    """
    resource = deepcopy(draw(st.sampled_from([example.values[0] for example in EXAMPLES])))
    for _ in range(draw(st.integers(1, 3))):
        candidates = [place for place in containers(resource) if place]
        place = candidates[draw(st.integers(0, len(candidates) - 1))]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        match draw(st.sampled_from(["remove", "replace", "wrap", "repeat", "add"])):
            case "remove":
                del place[key]
            case "replace":
                place[key] = deepcopy(draw(st.sampled_from(ODD_VALUES)))
            case "wrap":
                place[key] = [place[key]]
            case "repeat" if isinstance(place, list):
                place.append(deepcopy(place[key]))
            case _ if isinstance(place, dict):
                place[draw(st.sampled_from(ODD_NAMES))] = deepcopy(
                    draw(st.sampled_from(ODD_VALUES))
                )
    return resource


@pytest.mark.skipif(not EXAMPLES, reason="the published examples are not here")
@pytest.mark.long
@settings(max_examples=amount(400, 8000), deadline=None)
@given(st.data())
def test_what_the_fast_check_accepts_has_no_issue(data):
    resource = data.draw(damaged())

    issues = all_issues(resource)

    assert not (is_surely_valid(resource) and issues), issues


@pytest.mark.parametrize(("resource", "code", "path"), BROKEN)
def test_the_fast_check_refuses_invalid_resources(resource, code, path):
    assert not is_surely_valid(resource)
