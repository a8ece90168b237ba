"""What a query string means: one row per rule, each id naming where the rule comes from."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from importlib.resources import files
from typing import get_args
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.errors import InvalidRequest, NotSupported, RorError, TooCostly
from ror.search.language.comparing import Prefix
from ror.search.language.cursor import Cursor, decode
from ror.search.language.expression import (
    And,
    CanonicalIs,
    Chain,
    DateIs,
    Everything,
    Has,
    LabelIs,
    Near,
    Not,
    NumberIs,
    Or,
    Present,
    QuantityIs,
    ReferenceIs,
    SameRecord,
    TextIs,
    TokenIs,
    Upward,
)
from ror.search.language.parse import parse
from ror.search.language.request import Include, SortKey
from ror.search.language.values import covering
from ror.standard.definitions import RESOURCE_TYPES, all_search_parameters, search_parameters
from ror.standard.geography import commune
from tests.amounts import amount

NOS = "https://mos.esante.gouv.fr/NOS/"
SPECIALTY = f"{NOS}TRE_R211-ActiviteOperationnelle/FHIR/TRE-R211-ActiviteOperationnelle"
R211 = SPECIALTY.removeprefix("https://")
FULL = (
    "_include=HealthcareService:organization&_include:iterate=Organization:partof"
    "&_include=HealthcareService:location&_revinclude=PractitionerRole:service"
    "&_include=PractitionerRole:practitioner"
)


def asked(request: str, **options: bool):
    """The search of a request written as the guide writes it: `Type?name=value&…`."""
    resource_type, _, query = request.partition("?")
    return parse(resource_type, parse_qsl(query, keep_blank_values=True), **options)


def tree(request: str, **options: bool):
    return asked(request, **options).expression


# --- one leaf -------------------------------------------------------------------------------------

LEAVES = [
    ("FHIR R4 token: code", "Location?status=active", TokenIs("status", "active")),
    (
        "FHIR R4 token: system|code",
        f"HealthcareService?specialty={SPECIALTY}|005",
        TokenIs("specialty", "005", R211),
    ),
    ("FHIR R4 token: |code", "Location?status=|active", TokenIs("status", "active", "")),
    (
        "FHIR R4 token: system|",
        f"HealthcareService?specialty={SPECIALTY}|",
        TokenIs("specialty", None, R211),
    ),
    (
        "FHIR R4 token: list",
        "Location?_id=140,141",
        Or((TokenIs("_id", "140"), TokenIs("_id", "141"))),
    ),
    (
        "choice 3: the system is written once",
        f"HealthcareService?specialty={SPECIALTY}|005,481",
        Or((TokenIs("specialty", "005", R211), TokenIs("specialty", "481", R211))),
    ),
    (
        "choice 3: a value with its own bar starts anew",
        "Location?type=a|1,2,b|3,4,|5,6",
        Or(
            (
                TokenIs("type", "1", "a"),
                TokenIs("type", "2", "a"),
                TokenIs("type", "3", "b"),
                TokenIs("type", "4", "b"),
                TokenIs("type", "5", ""),
                TokenIs("type", "6", None),
            )
        ),
    ),
    ("choice 3: a bare tag", "Location?_tag=52", TokenIs("_tag", "52")),
    (
        "published: a slash in an identifier",
        "Location?identifier=52/192675",
        TokenIs("identifier", "52/192675"),
    ),
    (
        "published: an RPPS",
        "Practitioner?identifier=urn:oid:1.2.250.1.71.4.2.1|10001234567",
        TokenIs("identifier", "10001234567", "urn:oid:1.2.250.1.71.4.2.1"),
    ),
    (
        "decision 5: http and https systems are the same",
        "Organization?identifier=http://sirene.fr|1",
        TokenIs("identifier", "1", "sirene.fr"),
    ),
    ("FHIR R4 escaping: comma", r"Location?identifier=a\,b", TokenIs("identifier", "A,B")),
    ("FHIR R4 escaping: bar", r"Location?identifier=s|a\|b", TokenIs("identifier", "A|B", "s")),
    (
        "FHIR R4 escaping: dollar and backslash",
        r"Location?identifier=a\$b\\c",
        TokenIs("identifier", r"A$B\C"),
    ),
    (
        "FHIR R4 escaping: an escaped backslash before a comma",
        r"Location?identifier=a\\,b",
        Or((TokenIs("identifier", "A\\"), TokenIs("identifier", "B"))),
    ),
    ("FHIR R4 prefix: a code has none", "Location?identifier=gt5", TokenIs("identifier", "GT5")),
    (
        "choice 36: the system that a code implies",
        "Location?status=http://hl7.org/fhir/location-status|active",
        TokenIs("status", "active", ""),
    ),
    (
        "choice 36: the set of values that a code is from",
        "Questionnaire?status=https://hl7.org/fhir/ValueSet/publication-status|",
        TokenIs("status", None, ""),
    ),
    (
        "choice 36: a system that the code does not imply",
        "Location?status=http://hl7.org/fhir/task-status|active",
        TokenIs("status", "active", "hl7.org/fhir/task-status"),
    ),
    (
        "choice 36: the code of a nomenclature",
        f"Organization?type={NOS}X|sa05",
        TokenIs("type", "SA05", "mos.esante.gouv.fr/NOS/X"),
    ),
    (
        "choice 36: the code of another system",
        "Organization?type=https://a.example|sa05",
        TokenIs("type", "sa05", "a.example"),
    ),
    ("choice 36: a string", "Questionnaire?version=v1", TokenIs("version", "V1")),
    ("choice 36: an id", "Location?_id=a1", TokenIs("_id", "a1")),
    (
        "choice 36: the identifier of a reference",
        "Task?focus:identifier=2a1",
        TokenIs("focus:identifier", "2A1"),
    ),
    ("FHIR R4 token: boolean", "Organization?drop-zone=true", TokenIs("drop-zone", "true")),
    (
        "FHIR R4 special-values: boolean",
        "Organization?drop-zone=http://terminology.hl7.org/CodeSystem/special-values|false",
        TokenIs("drop-zone", "false"),
    ),
    (
        "decision 14: the code that the definition gives it",
        "Organization?amount-value=gt1",
        NumberIs("price-amount-value", "gt", Decimal(1), Decimal("0.5")),
    ),
    ("FHIR R4 :not", "Location?status:not=active", Not(TokenIs("status", "active"))),
    (
        "FHIR R4 :not of a list: none of them",
        "Location?status:not=active,inactive",
        Not(Or((TokenIs("status", "active"), TokenIs("status", "inactive")))),
    ),
    (
        "FHIR R4 :text: of the nomenclatures or of the data",
        "HealthcareService?specialty:text=  Cœur",
        Or((LabelIs("specialty", "coeur"), TextIs("specialty:text", "coeur"))),
    ),
    (
        "FHIR R4 :text of an identifier",
        "Location?identifier:text=Clé",
        TextIs("identifier:text", "cle"),
    ),
    (
        "FHIR R4 :of-type",
        r"Location?identifier:of-type=https://a.example|25|x\|y",
        TokenIs("identifier:of-type", "X|Y", "a.example|25"),
    ),
    (
        "FHIR R4 :identifier",
        "Task?focus:identifier=http://a|1",
        TokenIs("focus:identifier", "1", "a"),
    ),
    (
        "docs/search.md#values: a place by the system of its identifier's type",
        f"Location?identifier={NOS}X|1",
        Or(
            (
                TokenIs("identifier", "1", "mos.esante.gouv.fr/NOS/X"),
                TokenIs("identifier:of-type", "1", "mos.esante.gouv.fr/NOS/X|"),
            )
        ),
    ),
    ("FHIR R4 :missing=true", "Location?near:missing=true", Not(Present("near"))),
    ("FHIR R4 :missing=false", "HealthcareService?location:missing=false", Present("location")),
    (
        "choice 5: prefix, folded",
        "Organization?name=  Cœur  d’ÉTÉ",
        TextIs("name", "coeur d ete", "starts"),
    ),
    ("choice 5: :contains", "Organization?name:contains=CHU", TextIs("name", "chu", "contains")),
    (
        "choice 5: :exact keeps the text",
        "Organization?name:exact=CHU d’Été",
        TextIs("name", "CHU d’Été", "exact"),
    ),
    (
        "published: two digits of a postal code",
        "Location?address-postalcode=22,29",
        Or((TextIs("address-postalcode", "22"), TextIs("address-postalcode", "29"))),
    ),
    (
        "choice 4: minutes, local to Paris",
        "Location?_lastUpdated=ge2022-11-06T15:00",
        DateIs("_lastUpdated", "ge", *covering("2022-11-06T15:00+01:00")),
    ),
    (
        "DOC.LOC.16: an offset",
        "Location?_lastUpdated=le2024-01-31T23:59:59%2B01:00",
        DateIs("_lastUpdated", "le", *covering("2024-01-31T23:59:59+01:00")),
    ),
    (
        "FHIR R4 number",
        "Location?nb-capacity=gt0",
        NumberIs("nb-capacity", "gt", Decimal(0), Decimal("0.5")),
    ),
    (
        "FHIR R4 number: precision",
        "Location?nb-capacity=2.10",
        NumberIs("nb-capacity", "eq", Decimal("2.10"), Decimal("0.005")),
    ),
    (
        "FHIR R4 number: exponent",
        "Location?nb-capacity=ap1e2",
        NumberIs("nb-capacity", "ap", Decimal("1e2"), Decimal(50)),
    ),
    (
        "FHIR R4 number: negative",
        "Location?nb-capacity=lt-1",
        NumberIs("nb-capacity", "lt", Decimal(-1), Decimal("0.5")),
    ),
    (
        "UC4.S03: quantity in UCUM",
        "Location?limit-value=ge200|http://unitsofmeasure.org|kg",
        QuantityIs("limit-value", "ge", Decimal(200), Decimal("0.5"), "ucum|kg"),
    ),
    (
        "FHIR R4 quantity: any system",
        "Location?limit-value=200||kg",
        QuantityIs("limit-value", "eq", Decimal(200), Decimal("0.5"), "|kg"),
    ),
    (
        "FHIR R4 quantity: any unit",
        "Location?limit-value=200",
        QuantityIs("limit-value", "eq", Decimal(200), Decimal("0.5"), None),
    ),
    *(
        (
            f"choice 10: {written}",
            f"HealthcareService?age-range-low=le35{written}",
            QuantityIs("age-range-low", "le", Decimal(35), Decimal("0.5"), "ucum|a"),
        )
        for written in (
            "",
            "||",
            "\\|\\|",
            "||a",
            "\\|\\|a",
            "|http://unitsofmeasure.org|a",
            "|https://unitsofmeasure.org|a",
        )
    ),
    (
        "FHIR R4 reference: Type/id",
        "HealthcareService?location=Location/12",
        ReferenceIs("location", "Location", "12"),
    ),
    (
        "FHIR R4 reference: the only target",
        "HealthcareService?location=12",
        ReferenceIs("location", "Location", "12"),
    ),
    ("FHIR R4 reference: any target", "Task?focus=12", ReferenceIs("focus", None, "12")),
    (
        "FHIR R4 reference: :[type]",
        "Task?focus:Location=12",
        ReferenceIs("focus", "Location", "12"),
    ),
    (
        "FHIR R4 reference: another base",
        "Task?focus=https://ror.example.org/fhir/Location/a-1.b",
        ReferenceIs("focus", "Location", "a-1.b", "https://ror.example.org/fhir"),
    ),
    (
        "FHIR R4 canonical",
        "MeasureReport?measure=https://a.example/Measure/x|1.0",
        CanonicalIs("measure", "https://a.example/Measure/x", "1.0"),
    ),
    (
        "FHIR R4 canonical: by id",
        "MeasureReport?measure=Measure/x",
        ReferenceIs("measure", "Measure", "x"),
    ),
    (
        "docs/search.md#values: near",
        "Location?near=47.21827323906432|-1.6369631507460436|15|km",
        Near("near", 47.21827323906432, -1.6369631507460436, 15_000.0),
    ),
    (
        "RG_RECH_14: no unit is km",
        "Location?near=47.2|-1.6|1000",
        Near("near", 47.2, -1.6, 1_000_000.0),
    ),
    ("RG_RECH_13: metres", "Location?near=47.2|-1.6|0|m", Near("near", 47.2, -1.6, 0.0)),
    (
        "HAPI FHIR: bars that are escaped",
        r"Location?near=47.2\|-1.6\|20\|km",
        Near("near", 47.2, -1.6, 20_000.0),
    ),
    (
        "FHIR R4 date: zeros below a microsecond",
        "Location?_lastUpdated=lt2033-01-01T00:00:00.000000000Z",
        DateIs("_lastUpdated", "lt", *covering("2033-01-01T00:00:00.000000Z")),
    ),
]


@pytest.mark.parametrize(
    ("request_", "leaf"), [pytest.param(*row[1:], id=row[0]) for row in LEAVES]
)
def test_a_criterion_means(request_, leaf):
    assert tree(request_) == leaf


@pytest.mark.parametrize("prefix", get_args(Prefix))
def test_every_prefix_is_read_on_dates_numbers_and_quantities(prefix):
    assert tree(f"Location?nb-capacity={prefix}3").prefix == prefix
    assert tree(f"Location?limit-value={prefix}3").prefix == prefix
    assert tree(f"Location?_lastUpdated={prefix}2024-05").prefix == prefix


VALUES = {
    "token": "true",
    "string": "a",
    "date": "2024",
    "number": "1",
    "quantity": "1",
    "reference": "1",
}
SERVED = [
    one for one in all_search_parameters() if one.expression and one.name != "near-insee-code"
]


@pytest.mark.parametrize("parameter", SERVED, ids=lambda one: f"{one.resource_type}.{one.name}")
def test_every_defined_parameter_is_a_criterion(parameter):
    value = "1|2|3" if parameter.name == "near" else VALUES[parameter.type]

    assert tree(f"{parameter.resource_type}?{parameter.name}={value}").param == parameter.name


# --- chains and records ---------------------------------------------------------------------------

BED = TokenIs("capacity-type", "01")
FREE = TokenIs("capacity-status", "02")
SOME = NumberIs("nb-capacity", "gt", Decimal(0), Decimal("0.5"))
HERE = Near("near", 47.2, -1.6, 15_000.0)

TREES = [
    ("no criterion", "Location", Everything()),
    (
        "several criteria",
        "Location?status=active&_tag=52",
        And((TokenIs("status", "active"), TokenIs("_tag", "52"))),
    ),
    (
        "FHIR R4: repeated is AND",
        "HealthcareService?characteristic=a|1&characteristic=b|2",
        And((TokenIs("characteristic", "1", "a"), TokenIs("characteristic", "2", "b"))),
    ),
    (
        "choice 2: one record",
        "Location?capacity-type=01&nb-capacity=gt0",
        SameRecord("capacity", And((BED, SOME))),
    ),
    ("choice 2: a lone criterion needs no record", "Location?capacity-type=01", BED),
    (
        "choice 2: two records, two groups",
        "Location?capacity-type=01&equipment-type=088&nb-capacity=gt0",
        And((SameRecord("capacity", And((BED, SOME))), TokenIs("equipment-type", "088"))),
    ),
    (
        "choice 2: one place, and one capacity of it",
        "HealthcareService?location.capacity-status=02&specialty=1&location.nb-capacity=gt0&location.near=47.2|-1.6|15",
        And(
            (
                Chain(
                    "location", "Location", And((SameRecord("capacity", And((FREE, SOME))), HERE))
                ),
                TokenIs("specialty", "1"),
            )
        ),
    ),
    (
        "choice 2: inside one _has",
        "Location?_has:HealthcareService:location:specialty=1&_has:HealthcareService:location:name=a",
        Has("HealthcareService", "location", And((TokenIs("specialty", "1"), TextIs("name", "a")))),
    ),
    (
        ":not and :missing speak of the resource, in the chain they are written in",
        "HealthcareService?location.capacity-type=01&location.capacity-status:not=02&location.nb-capacity=gt0"
        "&location.crisis-type:missing=true",
        Chain(
            "location",
            "Location",
            And((SameRecord("capacity", And((BED, SOME))), Not(FREE), Not(Present("crisis-type")))),
        ),
    ),
    (
        "FHIR R4: :not at the end of a chain is inside it",
        "HealthcareService?location.type:not=X",
        Chain("location", "Location", Not(TokenIs("type", "X"))),
    ),
    (
        "several hops",
        "HealthcareService?organization.partof.name=chu&organization.partof.type=1&organization.type=2",
        Chain(
            "organization",
            "Organization",
            And(
                (
                    Chain(
                        "partof", "Organization", And((TextIs("name", "chu"), TokenIs("type", "1")))
                    ),
                    TokenIs("type", "2"),
                )
            ),
        ),
    ),
    (
        "a typed hop is the same hop",
        "HealthcareService?organization:Organization.name=a&organization.type=1",
        Chain("organization", "Organization", And((TextIs("name", "a"), TokenIs("type", "1")))),
    ),
    (
        "UC12.S02: R4 form",
        "Task?focus:HealthcareService.identifier=X",
        Chain("focus", "HealthcareService", TokenIs("identifier", "X")),
    ),
    (
        "UC12.S03: form of the page",
        "Task?focus:Organization:_tag=52",
        Chain("focus", "Organization", TokenIs("_tag", "52")),
    ),
    (
        "UC3.S13: a chain inside _has",
        "HealthcareService?_has:PractitionerRole:service:practitioner.identifier=X",
        Has(
            "PractitionerRole",
            "service",
            Chain("practitioner", "Practitioner", TokenIs("identifier", "X")),
        ),
    ),
    (
        "FHIR R4: _has inside _has",
        "Organization?_has:HealthcareService:organization:_has:PractitionerRole:service:identifier=X",
        Has(
            "HealthcareService",
            "organization",
            Has("PractitionerRole", "service", TokenIs("identifier", "X")),
        ),
    ),
    (
        "_has at the end of a chain",
        "HealthcareService?location._has:Task:focus:business-status:not=02",
        Chain("location", "Location", Has("Task", "focus", Not(TokenIs("business-status", "02")))),
    ),
]


@pytest.mark.parametrize(
    ("request_", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TREES]
)
def test_criteria_together_mean(request_, expected):
    assert tree(request_) == expected


def test_both_spellings_of_above_hold_on_one_ancestor():
    """
    Choice 6: the organisation that carries the offer or one above it; several criteria hold on the
    same one.
    """
    both = Upward(And((TokenIs("type", "355"), TokenIs("identifier", "7"))))

    assert tree(
        "HealthcareService?organization.type:above=355&organization.identifier:above=7"
    ) == Chain("organization", "Organization", both)
    assert tree(
        "HealthcareService?organization:above.type=355&organization:above.identifier=7"
    ) == Chain("organization", "Organization", both)
    assert tree("Organization?type:above=355&identifier:above=7") == both


def test_a_sort_key_may_stand_at_the_end_of_a_chain():
    """UC5.S01."""
    request = asked(
        "HealthcareService?_sort=-organization.price-validity-start-date,organization.partof.name"
    )

    assert request.sort == (
        SortKey("price-validity-start-date", True, (("organization", "Organization"),)),
        SortKey("name", False, (("organization", "Organization"), ("partof", "Organization"))),
    )


@pytest.mark.parametrize("name", ["near", "near-insee-code"])
def test_a_sort_by_distance_is_from_the_points_of_the_criterion(name):
    request = asked(
        f"HealthcareService?location.near=48.8|2.3|5&location.near=1|1|1&_sort=location.{name}&specialty=1"
    )

    points = (Near("near", 48.8, 2.3, 5_000.0), Near("near", 1.0, 1.0, 1_000.0))
    assert request.sort == (SortKey("near", False, (("location", "Location"),), points),)


def test_a_commune_stands_for_its_reference_point():
    """
    Choice 8: the same as `near` around the point of the commune; a district of Paris has its own.
    """
    nantes, paris_12 = commune("44109"), commune("75112")

    assert tree(r"Location?near-insee-code=44109\|15\|km") == tree(
        "Location?near-insee-code=44109|15|km"
    )
    assert tree("Location?near-insee-code=44109|15|km") == Near(
        "near", nantes.latitude, nantes.longitude, 15_000.0
    )
    assert tree("Location?near-insee-code=75112|500|m") == Near(
        "near", paris_12.latitude, paris_12.longitude, 500.0
    )
    assert tree(
        "HealthcareService?location.near-insee-code=44109|15&location.status=active"
    ) == Chain(
        "location",
        "Location",
        And(
            (Near("near", nantes.latitude, nantes.longitude, 15_000.0), TokenIs("status", "active"))
        ),
    )


def test_criteria_above_and_on_the_organisation_itself_are_told_apart():
    asked_ = tree("HealthcareService?organization.type:above=355&organization.name=chu")

    assert asked_ == Chain(
        "organization", "Organization", And((Upward(TokenIs("type", "355")), TextIs("name", "chu")))
    )


def test_criteria_stand_alone_when_asked_to_be_independent():
    # Source: choice 2, `Prefer: handling=independent-criteria`.
    found = tree(
        "HealthcareService?location.capacity-type=01&location.nb-capacity=gt0", independent=True
    )

    assert found == And((Chain("location", "Location", BED), Chain("location", "Location", SOME)))
    assert tree("Location?capacity-type=01&nb-capacity=gt0", independent=True) == And((BED, SOME))


def test_five_hops_are_followed():
    assert tree(f"Organization?{'partof.' * 5}name=a")


# --- what shapes the answer -----------------------------------------------------------------------


def test_a_request_without_parameters_has_the_published_defaults():
    request = asked("Location")

    assert (request.count, request.sort, request.includes) == (200, (), ())
    assert (request.cursor, request.summary, request.total, request.ignored, request.pairs) == (
        None,
        None,
        None,
        (),
        (),
    )


@pytest.mark.parametrize(
    ("text", "count", "applied", "summary"),
    [
        pytest.param("50", 50, "50", None, id="docs/search.md#pages-and-order"),
        pytest.param("1000", 1000, "1000", None, id="choice 11: the most"),
        pytest.param("5000", 1000, "1000", None, id="choice 11: reduced, and said"),
        pytest.param("1001", 1000, "1000", None, id="choice 11: the least that is reduced"),
        pytest.param("9223372036854775807", 1000, "1000", None, id="choice 11: 64 bits"),
        pytest.param("9" * 5_000, 1000, "1000", None, id="choice 11: more digits than a number"),
        pytest.param("0" * 5_000 + "7", 7, "7", None, id="zeros before a number"),
        pytest.param("0", 0, "0", "count", id="FHIR R4: only the total"),
    ],
)
def test_a_page_size_is_applied_and_said_in_the_self_link(text, count, applied, summary):
    request = asked(f"Location?_count={text}")

    assert (request.count, request.summary) == (count, summary)
    assert request.pairs == (("_count", applied),)


def test_sort_keys_are_read_in_order():
    request = asked(
        "Organization?_sort=-price-validity-start-date,name,_lastUpdated,_id,amount-value"
    )

    assert request.sort == (
        SortKey("price-validity-start-date", True),
        SortKey("name", False),
        SortKey("_lastUpdated", False),
        SortKey("_id", False),
        SortKey("price-amount-value", False),
    )


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_type_can_be_sorted_by_id_and_by_date(resource_type):
    assert len(asked(f"{resource_type}?_sort=_id,-_lastUpdated").sort) == 2


def test_inclusions_are_read_in_order_each_once():
    request = asked(
        f"HealthcareService?{FULL}&_include=HealthcareService:location&_revinclude:iterate=Task:focus:Location"
    )

    assert request.includes == (
        Include("HealthcareService", "organization", None, iterate=False, reverse=False),
        Include("Organization", "partof", None, iterate=True, reverse=False),
        Include("HealthcareService", "location", None, iterate=False, reverse=False),
        Include("PractitionerRole", "service", None, iterate=False, reverse=True),
        Include("PractitionerRole", "practitioner", None, iterate=False, reverse=False),
        Include("Task", "focus", "Location", iterate=True, reverse=True),
    )


def test_the_stu3_spelling_of_iterate_is_read():
    assert asked("Organization?_include:recurse=Organization:partof").includes[0].iterate


def test_summary_total_and_format_are_read_and_kept_for_the_self_link():
    request = asked("Location?_summary=count&_total=none&_format=json&_pretty=true")

    assert (request.summary, request.total) == ("count", "none")
    assert [name for name, _ in request.pairs] == ["_summary", "_total", "_format", "_pretty"]
    assert asked("Location?_summary=false").summary is None


def test_a_cursor_is_read_and_is_not_repeated_in_the_self_link():
    cursor = Cursor(False, ("chu",), 12)

    request = asked(f"Organization?_sort=name&_cursor={cursor.encode()}&name=chu")

    assert request.cursor == cursor
    assert request.pairs == (("_sort", "name"), ("name", "chu"))


# --- the guide's requests -------------------------------------------------------------------------

HS = "HealthcareService?"
TARIF = f"{HS}organization.price-type={NOS}TRE_R246-TypeTarif/FHIR/TRE-R246-TypeTarif"
PUBLISHED = {
    "UC1.S01": "Location?_revinclude=HealthcareService:location",
    "UC1.S01ter": "Location?_tag=52&_revinclude=HealthcareService:location",
    "UC1.S02": "Location?identifier=52/192675&_revinclude=HealthcareService:location",
    "UC1.S03": "Location?_id=140,141&_revinclude=HealthcareService:location",
    "UC1.S04": "Location?_lastUpdated=ge2023-08-02&_revinclude=HealthcareService:location",
    "UC1.S05": "Location?identifier=11/339772,11/347254&_revinclude=HealthcareService:location",
    "UC2.S01": f"{HS}{FULL}",
    "UC2.S03": f"{HS}identifier=XXX&{FULL}",
    "UC2.S04": f"{HS}_lastUpdated=ge2022-11-06T15:00&{FULL}",
    "UC2.S08": f"{HS}identifier=XXX&{FULL}&_revinclude=Task:focus",
    "UC3.S01": f"{HS}specialty={SPECIALTY}|227&{FULL}",
    "UC3.S02, earlier edition": f"{HS}specialty={SPECIALTY}|005,481&{FULL}",
    "UC3.S03": f"{HS}service-category={NOS}TRE_R244-CategorieOrganisation/FHIR/TRE-R244-CategorieOrganisation|50"
    f"&characteristic={NOS}TRE_R338-ModaliteAccueil/FHIR/TRE-R338-ModaliteAccueil|01&{FULL}",
    "UC3.S07": f"{HS}intervention-zone={NOS}TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM|29151&specialty={SPECIALTY}|293"
    f"&service-category={NOS}TRE_R244-CategorieOrganisation/FHIR/TRE-R244-CategorieOrganisation|30&{FULL}",
    "UC3.S08": f"{HS}location.address-postalcode=71"
    f"&service-category={NOS}TRE_R244-CategorieOrganisation/FHIR/TRE-R244-CategorieOrganisation|21"
    f"&characteristic={NOS}TRE_R213-ModePriseEnCharge/FHIR/TRE-R213-ModePriseEnCharge|46"
    f"&characteristic={NOS}TRE_R245-SpecialisationDePriseEnCharge/FHIR/TRE-R245-SpecialisationDePriseEnCharge|24&{FULL}",
    "UC3.S10, variant 2": f"{HS}location.commune-cog={NOS}TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM|18000,13013"
    f"&specialty={SPECIALTY}|437&characteristic={NOS}TRE_R213-ModePriseEnCharge/FHIR/TRE-R213-ModePriseEnCharge|032&{FULL}",
    "UC3.S11": f"{HS}characteristic={NOS}TRE_R243-CompetenceSpecifique/FHIR/TRE-R243-CompetenceSpecifique|05&{FULL}",
    "UC3.S13": f"{HS}_has:PractitionerRole:service:practitioner.identifier=XXX&{FULL}",
    "UC4.S01": f"{HS}specialty={SPECIALTY}|356"
    f"&location.capacity-type={NOS}TRE_R329-NatureCapacite/FHIR/TRE-R329-NatureCapacite|01"
    f"&location.gender-capacity-available={NOS}TRE_R332-GenreCapacite/FHIR/TRE-R332-GenreCapacite|01"
    f"&location.temporality-capacity={NOS}TRE_R331-TemporaliteCapacite/FHIR/TRE-R331-TemporaliteCapacite|01"
    f"&location.capacity-status={NOS}TRE_R330-TypeStatutCapacite/FHIR/TRE-R330-TypeStatutCapacite|02"
    "&location.nb-capacity=gt0&_include=HealthcareService:location",
    "UC4.S02": f"{HS}specialty={SPECIALTY}|391"
    f"&location.capacity-type={NOS}TRE_R329-NatureCapacite/FHIR/TRE-R329-NatureCapacite|01"
    f"&location.capacity-closing-type={NOS}TRE_R333-TypeFermetureCapacite/FHIR/TRE-R333-TypeFermetureCapacite|01"
    f"&location.capacity-status={NOS}TRE_R330-TypeStatutCapacite/FHIR/TRE-R330-TypeStatutCapacite|05"
    "&location.nb-capacity=gt0&_include=HealthcareService:location",
    "UC4.S03": f"{HS}specialty={SPECIALTY}|025"
    f"&location.equipment-type={NOS}TRE_R212-Equipement/FHIR/TRE-R212-Equipement|088"
    f"&location.equipment-feature={NOS}TRE_R340-TypeCaracteristiqueEquipement/FHIR/TRE-R340-TypeCaracteristiqueEquipement|001"
    "&location.limit-value=ge200|http://unitsofmeasure.org|kg&_include=HealthcareService:location",
    "UC12.S02": "Task?focus:HealthcareService:identifier=XXX",
    "UC12.S02, explained": "Task?focus:HealthcareService.identifier=XXX",
    "UC12.S03": f"Task?focus:Organization:_tag={NOS}TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM|XXX",
    "UC12.S04": "Task",
    "UC13.S01": "Measure?identifier=XXX&_revinclude=MeasureReport:measure",
    "UC13.S02": "Measure?_has:MeasureReport:measure:date=eq2023-10-06T15:00&_revinclude=MeasureReport:measure",
    "UC14.S04": f"Questionnaire?context={NOS}TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement|124",
    "DOC.LOC.2": "Location?_include=Location:organization",
    "DOC.LOC.13": "Location?near=47.21827323906432|-1.6369631507460436|15|km",
    "DOC.LOC.17": "Location?_lastUpdated=ge2024-01-01&_sort=_lastUpdated",
    "DOC.ORG.7": "Organization?name:contains=chu",
    "DOC.ORG.8": "Organization?name=Centre Hospitalier Universitaire de Nantes",
    "DOC.ORG.10": "Organization?_lastUpdated=ge2026-06-01&_lastUpdated=le2026-06-30",
    "DOC.ROLE.2": "PractitionerRole?_include=PractitionerRole:practitioner&_include=PractitionerRole:organization",
}


@pytest.mark.parametrize("request_", PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_request_is_understood_and_can_be_asked_again(request_):
    request = asked(request_)

    again = parse(request.resource_type, request.pairs)

    assert request.ignored == () and again == request


# The placeholder X of an amount is given a value here; everything else is as printed.
MISPRINTED = {
    "UC3.S06": (
        f"{HS}specialty={SPECIALTY}|013&location.near=47.21827323906432|-1.6369631507460436|15|km"
        "&_include=HealthcareService:location&_revincluded=PractitionerRole:service",
        Include("PractitionerRole", "service", None, iterate=False, reverse=True),
    ),
    "UC3.S02": (
        f"{HS}specialty={SPECIALTY}|005&__include=HealthcareService:organization",
        Include("HealthcareService", "organization", None, iterate=False, reverse=False),
    ),
    "UC5.S02": (
        f"{TARIF}|02&organization.price-amount-value=le900"
        f"&organization.price-residential-type={NOS}TRE_R242-TypeHabitation/FHIR/TRE-R242-TypeHabitation|03"
        f"&organization.special-price={NOS}TRE_R250-ConditionTarifaire/FHIR/TRE-R250-ConditionTarifaire|03"
        "&_include=Healthcareservice:location",
        Include("HealthcareService", "location", None, iterate=False, reverse=False),
    ),
    "UC5.S03": (
        f"{TARIF}|03&organization.price-amount-value=lt900"
        f"&organization.price-dependency-level={NOS}TRE_R237-GroupeTarifaireDependance/FHIR/TRE-R237-GroupeTarifaireDependance|02"
        f"&organization.price-welcome-type={NOS}TRE_R240-TemporaliteAccueil/FHIR/TRE-R240-TemporaliteAccueil|02"
        "&_include=Healthcareservice:location",
        Include("HealthcareService", "location", None, iterate=False, reverse=False),
    ),
}


@pytest.mark.parametrize(("request_", "include"), MISPRINTED.values(), ids=MISPRINTED)
def test_a_misprint_of_the_guide_is_understood_under_lenient_handling_only(request_, include):
    with pytest.raises(NotSupported):
        asked(request_)

    request = asked(request_, lenient=True)

    assert request.ignored == ()
    assert request.includes[-1] == include
    assert parse(request.resource_type, request.pairs).includes == request.includes


def test_lenient_handling_ignores_what_it_cannot_understand_and_says_so():
    request = asked(
        "HealthcareService?specialty=1&foo=2&_lastUpdated=never&_revinclude=Organization:healthcareservice"
        "&name:sounds=a&_sort=-organization.partof&_count=x&_count=5",
        lenient=True,
    )

    assert request.expression == TokenIs("specialty", "1")
    assert request.pairs == (("specialty", "1"), ("_count", "5"))
    assert [error.key for error in request.ignored] == [
        "search.unknown-parameter",
        "search.not-a-date",
        "search.not-a-link",
        "search.unknown-modifier",
        "search.unsortable",
        "search.count",
    ]


def test_lenient_handling_does_not_lift_a_limit_nor_restart_a_page_link():
    with pytest.raises(TooCostly):
        asked("Location?" + "&".join(["foo=1"] * 201), lenient=True)
    with pytest.raises(InvalidRequest):
        asked("Location?_cursor=abc", lenient=True)


# --- what has no value ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "%20", "%09"], ids=["nothing", "a space", "a tab"])
@pytest.mark.parametrize(
    "name",
    [
        "address-city",
        "address-city:exact",
        "status:missing",
        "type:not",
        "near",
        "_content",
        "_lastUpdated",
        "organization.name",
        "_has:HealthcareService:location:name",
        "_filter",
        "_include",
        "_revinclude:iterate",
        "_count",
        "_sort",
        "_elements",
        "_summary",
        "_total",
        "_format",
        "__explain",
    ],
)
def test_a_parameter_without_value_is_ignored_and_reported(name, value):
    request = asked(f"Location?{name}={value}&status=active")

    assert request == replace(
        asked("Location?status=active"), ignored=request.ignored, pairs=(("status", "active"),)
    )
    assert [(error.key, error.params["name"]) for error in request.ignored] == [
        ("search.ignored-without-value", name)
    ]


# --- what is refused ------------------------------------------------------------------------------

REFUSED = [
    # Full text.
    ("HealthcareService?location._content=!?", InvalidRequest, '"!?"'),
    ("HealthcareService?_content:contains=cardio", NotSupported, '":contains"'),
    ("Location?_text=!?", InvalidRequest, '"!?"'),
    ("Location?_text:exact=a", NotSupported, '":exact"'),
    ("Location?near-insee-code=00000|15|km", InvalidRequest, '"00000"'),
    ("Location?near-insee-code=44162", InvalidRequest, "44162"),
    ("Location?near-insee-code=44162||km", InvalidRequest, "44162||km"),
    ("Location?near-insee-code=44162|15|km|x", InvalidRequest, "44162|15|km|x"),
    ("Location?near-insee-code=44162|15|mile", InvalidRequest, '"mile"'),
    ("Location?near-insee-code=44162|1001|km", InvalidRequest, "1000"),
    ("Location?near-insee-code=98818|5|km", InvalidRequest, "98818"),
    ("HealthcareService?location.type:above=X", NotSupported, '":above"'),
    ("HealthcareService?location:above.type=X", NotSupported, '"above"'),
    ("HealthcareService?name:above=X", NotSupported, '":above"'),
    ("Location?status:text=a", NotSupported, ":text"),
    ("Location?type:of-type=a|b|c", NotSupported, ":of-type"),
    ("Location?type:text=%CC%81", InvalidRequest, '"type:text": empty'),
    ("Location?identifier:of-type=a|b", InvalidRequest, "system|code|value"),
    ("Location?identifier:of-type=|b|c", InvalidRequest, "system|code|value"),
    ("Task?focus:identifier=a|b|c", InvalidRequest, "a|b|c"),
    ("MeasureReport?measure:identifier=a", NotSupported, ":identifier"),
    ("Location?_sort=_score", InvalidRequest, "_content"),
    ("Location?_content=a&_sort=organization._score", NotSupported, '"_score"'),
    ("HealthcareService?_sort=organization.partof", NotSupported, '"partof"'),
    ("HealthcareService?_sort=location.near", InvalidRequest, "location.near"),
    ("HealthcareService?_sort=_has:PractitionerRole:service:_id", NotSupported, "_has"),
    ("HealthcareService?_sort=organization:above.name", NotSupported, "organization:above.name"),
    # Names.
    ("Location?capacity=1", NotSupported, "Try: nb-capacity."),
    ("Location?foo=1", NotSupported, '"foo"'),
    ("Location?=1", NotSupported, '""'),
    ("HealthcareService?speciality=1", NotSupported, "Try: specialty."),
    ("HealthcareService?specific-competence=1", NotSupported, "Try: characteristic."),
    ("HealthcareService?near=1|2|3", NotSupported, "Try: location.near."),
    ("HealthcareService?equipment-type=1", NotSupported, "Try: location.equipment-type."),
    ("Location?specialty=1", NotSupported, "Try: _has:HealthcareService:location:specialty."),
    ("Task?business-statut=1", NotSupported, "Try: business-status."),
    (
        "HealthcareService?organization.siret=1",
        NotSupported,
        "Organization has no search parameter",
    ),
    ("Task?status=draft", NotSupported, '"status"'),
    ("HealthcareService?__include=HealthcareService:location", NotSupported, "Try: _include."),
    ("HealthcareService?_revincluded=PractitionerRole:service", NotSupported, "Try: _revinclude."),
    ("Location?_contained=true", NotSupported, "_contained"),
    ("Location?_coutn=3", NotSupported, "Try: _count."),
    ("Location?" + "x" * 10_000 + "=1", NotSupported, "xxx…"),
    ("Location?status:nto=a", NotSupported, "Accepted: :not."),
    ("Location?status:exact=a", NotSupported, ":exact"),
    ("Location?nb-capacity:not=1", NotSupported, ":missing"),
    ("Location?_count:exact=1", NotSupported, "_count"),
    ("Location?title:contains=a", NotSupported, "Location"),
    ("Location?status.name=a", InvalidRequest, "organization"),
    ("Task?focus.identifier=1", InvalidRequest, "focus:Organization."),
    ("Task?focus:Patient.identifier=1", NotSupported, '"Patient"'),
    ("Task?focus:[Ressource]:_tag=1", NotSupported, "[Ressource]"),
    ("HealthcareService?organization.=1", NotSupported, "Organization"),
    ("Location?_has=1", InvalidRequest, "_has:Type:reference:parameter"),
    (
        "Location?_has:HealthcareService:location=1",
        InvalidRequest,
        "_has:HealthcareService:location",
    ),
    ("Location?_has:HealthcareService::name=1", InvalidRequest, "_has:HealthcareService::name"),
    ("Location?_has:Patient:location:name=1", NotSupported, '"Patient"'),
    ("Location?_has:HealthcareService:name:name=1", NotSupported, "location"),
    (
        "HealthcareService?_has:PractitionerRole:practitioner:identifier=1",
        InvalidRequest,
        "PractitionerRole:service",
    ),
    # Values.
    ("Location?status=a,", InvalidRequest, '"status": empty'),
    ("Location?foo=", NotSupported, '"foo"'),
    ("Location?_count:exact=", NotSupported, '":exact"'),
    ("Location?_id=1,,2", InvalidRequest, '"_id": empty'),
    ("Organization?name=%CC%81", InvalidRequest, '"name": empty'),
    ("Location?identifier=a%00b", InvalidRequest, "NUL"),
    (r"Location?identifier=a\b", InvalidRequest, r"a\b"),
    (r"Location?type=a\,b|c|d", InvalidRequest, r"a\,b|c|d"),
    ("Location?identifier=a\\", InvalidRequest, "backslash"),
    ("Location?status:missing=1", InvalidRequest, '"1"'),
    ("Location?type=|", InvalidRequest, '"|"'),
    ("Location?type=https://|1", InvalidRequest, "https://|1"),
    ("Location?type=a|b|c", InvalidRequest, "a|b|c"),
    ("Organization?drop-zone=1", InvalidRequest, '"1"'),
    ("Organization?drop-zone=x|true", InvalidRequest, "x|true"),
    ("Location?_lastUpdated=yesterday", InvalidRequest, "yesterday"),
    ("Location?_lastUpdated=2024-02-30", InvalidRequest, "2024-02-30"),
    ("Location?_lastUpdated=gt", InvalidRequest, '"gt"'),
    ("Location?_lastUpdated=2024-01-01T00:00:00+01:00", InvalidRequest, "%2B"),
    ("Location?_lastUpdated=after2024", NotSupported, '"after"'),
    ("Location?nb-capacity=gtX", InvalidRequest, "gtX"),
    ("Location?nb-capacity=xx5", NotSupported, '"xx"'),
    ("Location?nb-capacity=>5", InvalidRequest, ">5"),
    ("Location?nb-capacity=NaN", InvalidRequest, "NaN"),
    ("Location?nb-capacity=Infinity", InvalidRequest, "Infinity"),
    ("Location?nb-capacity=1e999999", InvalidRequest, "1e999999"),
    ("Location?nb-capacity=" + "9" * 51, InvalidRequest, "50"),
    ("Location?nb-capacity=\u0663", InvalidRequest, "\u0663"),
    ("HealthcareService?location.nb-capacity=1_0", InvalidRequest, "location.nb-capacity"),
    ("Location?limit-value=200|kg", InvalidRequest, "200|kg"),
    ("Location?limit-value=200|http://unitsofmeasure.org|", InvalidRequest, "number||unit"),
    ("Location?limit-value=|http://unitsofmeasure.org|kg", InvalidRequest, "limit-value"),
    ("Task?focus=Patient/1", InvalidRequest, "HealthcareService"),
    ("HealthcareService?location=Organization/1", InvalidRequest, "Possible types: Location"),
    ("Task?focus:Location=Organization/1", InvalidRequest, "Possible types: Location"),
    ("Task?focus=urn:uuid:1", InvalidRequest, "urn:uuid:1"),
    ("Task?focus=a/Location/1", InvalidRequest, "a/Location/1"),
    ("Location?near=47.2|-1.6", InvalidRequest, "distance"),
    ("Location?_lastUpdated=lt2033-01-01T00:00:00.0000001", InvalidRequest, "microsecond"),
    ("Location?_lastUpdated=2033-01-01T00:00:00.123456789Z", InvalidRequest, "microsecond"),
    ("Location?near=47.2", InvalidRequest, "latitude|longitude|distance|unit"),
    ("Location?near=nan|-1.6|5", InvalidRequest, "nan"),
    ("Location?near=91|0|5", InvalidRequest, "-90"),
    ("Location?near=0|181|5", InvalidRequest, "-180"),
    ("Location?near=47|2|1000.001", InvalidRequest, "1000 km"),
    ("Location?near=47|2|-1", InvalidRequest, "0 and 1000"),
    ("Location?near=47|2|5|mi", InvalidRequest, '"mi"'),
    # The answer.
    ("Location?_count=-1", InvalidRequest, "-1"),
    ("Location?_count=ten", InvalidRequest, "ten"),
    ("Location?_count=5&_count=6", InvalidRequest, "_count"),
    ("Location?_sort=_id&_sort=status", InvalidRequest, "_sort"),
    ("Location?_sort=status,-status", InvalidRequest, "status"),
    ("Location?_sort=organization", NotSupported, '"organization"'),
    ("Location?_sort=near", InvalidRequest, "_sort=near"),
    ("Organization?_sort=near", NotSupported, '"near"'),
    ("Location?_sort=_id,", NotSupported, '""'),
    ("Location?_sort=lastUpdated", NotSupported, "Try: _lastUpdated."),
    ("Location?_summary=maybe", InvalidRequest, "maybe"),
    ("Location?_summary=text&_include=Location:organization", InvalidRequest, "_summary=text"),
    ("Location?_summary=true&_elements=name", InvalidRequest, "_elements"),
    ("Location?_elements=name&_summary=count", InvalidRequest, "_elements"),
    ("Location?_elements=nmae", NotSupported, "Try: name."),
    ("Location?_elements=position.latitude", NotSupported, '"position"'),
    ("Location?_elements=name,", InvalidRequest, "_elements"),
    ("Location?_total=many", InvalidRequest, "many"),
    ("Location?_include=*", NotSupported, "*"),
    ("Location?_include=Location:*", NotSupported, "Location:*"),
    ("Location?_include=Location", InvalidRequest, "Type:reference"),
    (
        "Location?_include=HealthcareService:location,HealthcareService:organization",
        InvalidRequest,
        "Repeat",
    ),
    ("Location?_include=Healthcareservice:location", NotSupported, "Try: HealthcareService."),
    ("Location?_include=Location:type", NotSupported, "organization"),
    ("Location?_revinclude=Organization:healthcareservice", NotSupported, "partof"),
    ("Location?_include=HealthcareService:location:Organization", NotSupported, "Try: Location."),
    ("Location?_include:all=HealthcareService:location", NotSupported, ":iterate"),
    ("Location?_cursor=", InvalidRequest, "_cursor"),
    (f"Location?_cursor={Cursor(False, ('a',), 1).encode()}", InvalidRequest, "_cursor"),
    # Limits (choice 25).
    ("Location?" + "&".join(["status=a"] * 201), TooCostly, "200"),
    ("Location?" + "&".join(["_include=Location:organization"] * 201), TooCostly, "200"),
    ("Location?_id=" + ",".join(["1"] * 1001), TooCostly, "1000"),
    ("Location?" + "&".join(["_id=" + ",".join(["1"] * 1000)] * 11), TooCostly, "10000"),
    ("Location?address-city=" + "a" * 65_537, TooCostly, "65536"),
    ("Location?_sort=" + ",".join(["name"] * 17), TooCostly, "16"),
    (f"Organization?{'partof.' * 6}name=a", TooCostly, "5"),
]


@pytest.mark.parametrize(
    ("request_", "error", "culprit"), REFUSED, ids=[row[0][:80] for row in REFUSED]
)
def test_a_request_is_refused_by_name(request_, error, culprit):
    with pytest.raises(error) as refused:
        asked(request_)

    assert refused.value.status == 400
    assert culprit in refused.value.text("en")
    assert refused.value.text("fr")


def test_everything_that_is_wrong_with_a_request_is_said_at_once():
    error = _refusal("Location?colour=1&size=2&status=active&_count=ten&colour=3")

    said = [one.text("en") for one in (error, *error.other_errors)]
    assert len(said) == 3
    for name, text in zip(("colour", "size", "_count"), said, strict=True):
        assert name in text


def test_a_limit_itself_is_allowed():
    assert asked(
        "Location?" + "&".join(["status=a"] * 200) + "&_include=Location:organization"
    ).expression
    assert len(tree("Location?_id=" + ",".join(["1"] * 1000)).parts) == 1000


def test_every_text_of_the_search_catalogue_is_told_to_somebody():
    texts = (
        files("ror.standard.knowledge")
        .joinpath("messages", "search.toml")
        .read_text(encoding="utf-8")
    )
    keys = {f"search.{name}" for name in tomllib.loads(texts)["search"]}

    ignored = {error.key for error in asked("Location?status=").ignored}
    assert {_refusal(request).key for request, _, _ in REFUSED} | ignored == keys


def _refusal(request: str) -> RorError:
    with pytest.raises(RorError) as refused:
        asked(request)
    return refused.value


# --- laws -----------------------------------------------------------------------------------------

RESULT = [
    "_count",
    "_sort",
    "_include",
    "_include:iterate",
    "_revinclude",
    "_summary",
    "_total",
    "_cursor",
    "_format",
]
MODIFIERS = [
    "",
    "",
    "",
    ":not",
    ":missing",
    ":exact",
    ":contains",
    ":text",
    ":of-type",
    ":identifier",
    ":above",
    ":Location",
    ":x",
    ".",
]
GOOD = [
    "true",
    "a|b,c",
    "Été",
    "ge2024-05",
    "gt1.5",
    "le35||a",
    "Location/1",
    "47|2|5",
    "HealthcareService:location",
    "name",
]
PIECES = [*GOOD, "|", ",", "\\", ":", "-", "http://a/", "\0", "1e9"]
values = st.one_of(
    st.sampled_from(GOOD),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(max_size=20),
)


@st.composite
def criterion_names(draw, resource_type):
    """A name that follows the definitions, or nearly."""
    name, here = "", resource_type
    for _ in range(draw(st.integers(0, 3))):
        links = [one for one in search_parameters(here).values() if one.targets]
        back = [one for one in all_search_parameters() if here in one.targets]
        link = draw(st.sampled_from(links + back)) if links or back else None
        if link in back:
            name, here = f"{name}_has:{link.resource_type}:{link.name}:", link.resource_type
        elif link:
            here = draw(st.sampled_from(link.targets))
            name += f"{link.name}:{here}."
    return (
        name
        + draw(st.sampled_from(sorted(search_parameters(here))))
        + draw(st.sampled_from(MODIFIERS))
    )


@st.composite
def searches(draw):
    resource_type = draw(st.sampled_from(RESOURCE_TYPES))
    names = st.one_of(
        criterion_names(resource_type),
        criterion_names(resource_type),
        st.sampled_from(RESULT),
        st.text(max_size=9),
    )
    return resource_type, draw(st.lists(st.tuples(names, values), max_size=4))


@pytest.mark.long
@settings(max_examples=amount(300, 6000), deadline=None)
@given(searches(), st.booleans(), st.booleans())
def test_any_pairs_are_understood_or_refused_in_words(search, lenient, independent):
    try:
        request = parse(*search, lenient=lenient, independent=independent)
    except RorError as refused:
        assert refused.text("fr") and refused.text("en")
    else:
        again = parse(request.resource_type, request.pairs, independent=independent)
        assert again.expression == request.expression


cursors = st.builds(
    Cursor,
    st.booleans(),
    st.lists(st.none() | st.integers(-(2**62), 2**62) | st.text(max_size=40), max_size=5).map(
        tuple
    ),
    st.integers(0, 2**32 - 1),
)


@given(cursors)
def test_a_cursor_comes_back_as_it_was_written(cursor):
    assert decode(cursor.encode()) == cursor


@given(cursors, st.integers(0, 200), st.sampled_from("ABCxyz019-_= \u00e9"))
def test_a_cursor_that_was_changed_is_refused(cursor, place, letter):
    text = cursor.encode()
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]

    if changed != text:
        with pytest.raises(InvalidRequest):
            decode(changed)
    with pytest.raises(InvalidRequest):
        decode(text[:place])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "é",
        "AAAA",
        "A" * 20_000,
        "//8=",
        Cursor(False, (), 2**32).encode(),
        Cursor(False, (None,) * 65, 1).encode(),
    ],
)
def test_a_cursor_that_was_not_ours_is_refused(text):
    with pytest.raises(InvalidRequest):
        decode(text)
