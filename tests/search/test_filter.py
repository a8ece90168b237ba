"""
What a `_filter` means: one row per published filter and per rule, each id naming where it comes
from.
"""

import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.access import Viewer
from ror.errors import InvalidRequest, NotSupported, RorError, TooCostly
from ror.search.answer.engine import Search
from ror.search.language.criteria import MAX_HOPS
from ror.search.language.expression import (
    And,
    CanonicalIs,
    Chain,
    DateIs,
    Expression,
    Has,
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
from ror.search.language.filter import (
    MAX_COMPARISONS,
    MAX_LEVELS,
    NOT_OFFERED,
    OPERATORS,
    Misread,
    read_filter,
)
from ror.search.language.parse import parse
from ror.search.language.values import covering
from ror.standard.definitions import RESOURCE_TYPES
from tests.amounts import amount
from tests.search import worlds

NOS = "https://mos.esante.gouv.fr/NOS/"
SPECIALTY = f"{NOS}TRE_R211-ActiviteOperationnelle/FHIR/TRE-R211-ActiviteOperationnelle"
CATEGORY = f"{NOS}TRE_R244-CategorieOrganisation/FHIR/TRE-R244-CategorieOrganisation"
COMMUNE = f"{NOS}TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
ESTABLISHMENT = f"{NOS}TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement"
ANOMALY = f"{NOS}TRE_R352-StatutMetierAnomalie/FHIR/TRE-R352-StatutMetierAnomalie"
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
SINCE = covering("2022-11-06T15:00")


def code(param: str, system: str, value: str) -> TokenIs:
    return TokenIs(param, value, system.removeprefix("https://"))


def starts(param: str, *texts: str) -> Expression:
    leaves = tuple(TextIs(param, text) for text in texts)
    return Or(leaves) if len(leaves) > 1 else leaves[0]


def years(param: str, prefix: str, value: int) -> QuantityIs:
    return QuantityIs(param, prefix, Decimal(value), Decimal("0.5"), "ucum|a")


def above(param: str, count: int) -> NumberIs:
    return NumberIs(param, "gt", Decimal(count), Decimal("0.5"))


def place(inner: Expression) -> Chain:
    return Chain("location", "Location", inner)


def organization(inner: Expression) -> Chain:
    return Chain("organization", "Organization", inner)


# --- published filters ----------------------------------------------------------------------------

PUBLISHED = {
    "UC1.S01bis": (
        "Location",
        '(address-postalcode eq "22" or "29" or "35" or "36")',
        starts("address-postalcode", "22", "29", "35", "36"),
    ),
    "UC1.S03": (
        "Location",
        "(_id eq 140 or 141)",
        Or((TokenIs("_id", "140"), TokenIs("_id", "141"))),
    ),
    "UC1.S05": (
        "Location",
        "(identifier eq 11/339772 or 11/347254)",
        Or((TokenIs("identifier", "11/339772"), TokenIs("identifier", "11/347254"))),
    ),
    "UC2.S06": (
        "HealthcareService",
        "(_lastUpdated ge 2022-11-06T15:00 or organization._lastUpdated:above ge 2022-11-06T15:00)",
        Or(
            (
                DateIs("_lastUpdated", "ge", *SINCE),
                organization(Upward(DateIs("_lastUpdated", "ge", *SINCE))),
            )
        ),
    ),
    "UC3.S02": (
        "HealthcareService",
        f"(specialty eq {SPECIALTY}|005 or {SPECIALTY}|481)",
        Or((code("specialty", SPECIALTY, "005"), code("specialty", SPECIALTY, "481"))),
    ),
    "UC3.S04": (
        "HealthcareService",
        f"(((service-category eq {CATEGORY}|102) or (specialty eq {SPECIALTY}|233)) and "
        "(age-range-low le 35|https://unitsofmeasure.org|a and age-range-high ge 35|https://unitsofmeasure.org|a))",
        And(
            (
                Or(
                    (code("service-category", CATEGORY, "102"), code("specialty", SPECIALTY, "233"))
                ),
                And((years("age-range-low", "le", 35), years("age-range-high", "ge", 35))),
            )
        ),
    ),
    "UC3.S05": (
        "HealthcareService",
        f"((organization.type:above eq {ESTABLISHMENT}|189) or (service-category eq {CATEGORY}|62))",
        Or(
            (
                organization(Upward(code("type", ESTABLISHMENT, "189"))),
                code("service-category", CATEGORY, "62"),
            )
        ),
    ),
    "UC3.S09": (
        "HealthcareService",
        '(location.address-postalcode eq "60000" or "76620")',
        place(starts("address-postalcode", "60000", "76620")),
    ),
    "UC3.S10": (
        "HealthcareService",
        f"(location.commune-cog eq {COMMUNE}|18000 OR location.commune-cog eq {COMMUNE}|13013)",
        place(Or((code("commune-cog", COMMUNE, "18000"), code("commune-cog", COMMUNE, "13013")))),
    ),
    "UC3.S12": (
        "HealthcareService",
        f"(_has:Task:focus:business-status eq {ANOMALY}|02 or {ANOMALY}|10)",
        Has(
            "Task",
            "focus",
            Or((code("business-status", ANOMALY, "02"), code("business-status", ANOMALY, "10"))),
        ),
    ),
    "DOC.LOC.12": (
        "Location",
        '(address-postalcode eq "60000" or "76620")',
        starts("address-postalcode", "60000", "76620"),
    ),
    "DOC.PRA.6": (
        "Practitioner",
        f"(identifier eq {RPPS}|10001234567 or {RPPS}|10009876543)",
        Or(
            (TokenIs("identifier", "10001234567", RPPS), TokenIs("identifier", "10009876543", RPPS))
        ),
    ),
}


@pytest.mark.parametrize(("resource_type", "text", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_filter_has_its_meaning(resource_type, text, expected):
    assert read_filter(resource_type, text) == expected


@pytest.mark.parametrize(
    "text", ["(_content=cardio or location._content=cardio)", "_content co cardio"]
)
def test_a_filter_on_free_text_is_understood(text):
    """UC6.S02."""
    assert read_filter("HealthcareService", text)


# --- rules ----------------------------------------------------------------------------------------

A, B, C = (TokenIs("status", letter) for letter in "abc")
NAME = "name"
ONE_PLACE = SameRecord("capacity", And((TokenIs("capacity-status", "1"), above("nb-capacity", 0))))

RULES = [
    # Structure.
    ("no parentheses", "Location", "status eq a", A),
    ("parentheses around parentheses", "Location", "((status eq a))", A),
    (
        "and binds tighter: first",
        "Location",
        "status eq a and status eq b or status eq c",
        Or((And((A, B)), C)),
    ),
    (
        "and binds tighter: last",
        "Location",
        "status eq a or status eq b and status eq c",
        Or((A, And((B, C)))),
    ),
    (
        "parentheses win",
        "Location",
        "(status eq a or status eq b) and status eq c",
        And((Or((A, B)), C)),
    ),
    ("not binds tightest", "Location", "not(status eq a) and status eq b", And((Not(A), B))),
    ("not of a group", "Location", "not (status eq a or b)", Not(Or((A, B)))),
    (
        "any case",
        "Location",
        "NOT(status EQ a) AND status eq b Or status eq c",
        Or((And((Not(A), B)), C)),
    ),
    (
        "spaces where they are not needed",
        "Location",
        "  (\tstatus  eq\na )and(status eq b)  ",
        And((A, B)),
    ),
    (
        "a value may be the name of a parameter",
        "Location",
        "status eq a or type",
        Or((A, TokenIs("status", "type"))),
    ),
    ("three alternatives are one list", "Location", "status eq a or b or c", Or((A, B, C))),
    (
        "a list, then a comparison",
        "Location",
        "status eq a or b or status eq c",
        Or((Or((A, B)), C)),
    ),
    (
        "a list in its parentheses, beside and",
        "Location",
        "status eq c and (status eq a or b)",
        And((C, Or((A, B)))),
    ),
    (
        "a repeated operator",
        "Location",
        "nb-capacity gt 0 or 1",
        Or((above("nb-capacity", 0), above("nb-capacity", 1))),
    ),
    (
        "choice 3: a system holds for the values repeated after it",
        "HealthcareService",
        f"specialty eq {SPECIALTY}|005 or 481",
        Or((code("specialty", SPECIALTY, "005"), code("specialty", SPECIALTY, "481"))),
    ),
    # Words and quotes.
    (
        "quotes",
        "HealthcareService",
        'name eq "Centre (de soins) and more"',
        starts(NAME, "centre de soins and more"),
    ),
    (
        "escapes",
        "HealthcareService",
        r'name:exact eq "a \"b\" \\c"',
        TextIs(NAME, r'a "b" \c', "exact"),
    ),
    ("a keyword in quotes", "Location", 'status eq "or"', TokenIs("status", "or")),
    ("no space after a quote", "Location", 'status eq "a"or"b"', Or((A, B))),
    (
        "a comma in quotes is a character",
        "HealthcareService",
        'name eq "a, b"',
        starts(NAME, "a b"),
    ),
    ("a backslash in a bare word", "Location", r"identifier eq a\b", TokenIs("identifier", r"A\B")),
    (
        "an equals sign in a bare word",
        "Location",
        "identifier eq http://x/?a=b|1",
        TokenIs("identifier", "1", "x/?a=b"),
    ),
    (
        "an equals sign in a repeated value",
        "Location",
        "identifier eq 1 or http://x/?a=b|1",
        Or((TokenIs("identifier", "1"), TokenIs("identifier", "1", "x/?a=b"))),
    ),
    ("accents", "HealthcareService", "name eq Éléphant", starts(NAME, "elephant")),
    # The sign `=`.
    ("= is eq", "Location", "status=a", A),
    ("= with spaces", "Location", 'status = "a" or b', Or((A, B))),
    ("= takes the prefixes of a query", "Location", "nb-capacity=gt0", above("nb-capacity", 0)),
    # Operators, by type of parameter.
    ("token: ne", "Location", "status ne a", Not(A)),
    ("string: eq is the ordinary search", "HealthcareService", "name eq a", TextIs(NAME, "a")),
    ("string: sw", "HealthcareService", "name sw a", TextIs(NAME, "a")),
    ("string: co", "HealthcareService", "name co A", TextIs(NAME, "a", "contains")),
    ("string: ew", "HealthcareService", "name ew Œ", TextIs(NAME, "oe", "ends")),
    ("string: ne", "HealthcareService", "name ne a", Not(TextIs(NAME, "a"))),
    (
        "string: a list",
        "HealthcareService",
        "name ew a or b",
        Or((TextIs(NAME, "a", "ends"), TextIs(NAME, "b", "ends"))),
    ),
    (
        "date: ne",
        "Location",
        "_lastUpdated ne 2024",
        DateIs("_lastUpdated", "ne", *covering("2024")),
    ),
    (
        "date: sa",
        "Location",
        "_lastUpdated sa 2024",
        DateIs("_lastUpdated", "sa", *covering("2024")),
    ),
    (
        "date: eb",
        "Location",
        "_lastUpdated eb 2024",
        DateIs("_lastUpdated", "eb", *covering("2024")),
    ),
    (
        "date: a zone",
        "Location",
        "_lastUpdated lt 2024-01-01T00:00:00+01:00",
        DateIs("_lastUpdated", "lt", *covering("2024-01-01T00:00:00+01:00")),
    ),
    ("number: negative", "Location", "nb-capacity gt -1", above("nb-capacity", -1)),
    (
        "number: ap",
        "Location",
        "nb-capacity ap 20",
        NumberIs("nb-capacity", "ap", Decimal(20), Decimal("0.5")),
    ),
    (
        "quantity: any unit",
        "Location",
        "limit-value ge 200",
        QuantityIs("limit-value", "ge", Decimal(200), Decimal("0.5"), None),
    ),
    (
        "reference",
        "HealthcareService",
        "organization eq Organization/1",
        ReferenceIs("organization", "Organization", "1"),
    ),
    ("reference: ne", "Task", "focus ne Location/1", Not(ReferenceIs("focus", "Location", "1"))),
    ("reference: a type", "Task", "focus:Location eq 1", ReferenceIs("focus", "Location", "1")),
    (
        "reference: canonical",
        "MeasureReport",
        "measure eq https://e.org/m|1",
        CanonicalIs("measure", "https://e.org/m", "1"),
    ),
    ("near", "Location", "near eq 47.2|-1.6|15|km", Near("near", 47.2, -1.6, 15_000.0)),
    ("pr true", "Location", "status pr true", Present("status")),
    ("pr false", "Location", "status pr false", Not(Present("status"))),
    ("pr behind a link", "HealthcareService", "location.near pr true", place(Present("near"))),
    (
        "pr with above",
        "HealthcareService",
        "organization.type:above pr true",
        organization(Upward(Present("type"))),
    ),
    # Modifiers.
    (":not", "Location", "status:not eq a", Not(A)),
    (":missing", "Location", "status:missing eq true", Not(Present("status"))),
    (
        ":contains",
        "HealthcareService",
        "name:contains eq a or b",
        Or(tuple(TextIs(NAME, t, "contains") for t in "ab")),
    ),
    (
        ":above, on the link",
        "HealthcareService",
        "organization:above.type eq 1",
        organization(Upward(TokenIs("type", "1"))),
    ),
    # Together (choice 2).
    ("one and, one record", "Location", "capacity-status eq 1 and nb-capacity gt 0", ONE_PLACE),
    (
        "one or, no record",
        "Location",
        "capacity-status eq 1 or nb-capacity gt 0",
        Or(ONE_PLACE.inner.parts),
    ),
    (
        "a list holds on the record",
        "Location",
        "(capacity-status eq 1 or 2) and nb-capacity gt 0",
        SameRecord(
            "capacity",
            And(
                (
                    Or((TokenIs("capacity-status", "1"), TokenIs("capacity-status", "2"))),
                    above("nb-capacity", 0),
                )
            ),
        ),
    ),
    (
        "alternatives on one record hold on it",
        "Location",
        "(capacity-status eq 1 or capacity-type eq 2) and nb-capacity gt 0",
        SameRecord(
            "capacity",
            And(
                (
                    Or((TokenIs("capacity-status", "1"), TokenIs("capacity-type", "2"))),
                    above("nb-capacity", 0),
                )
            ),
        ),
    ),
    (
        "each pair of parentheses is a group",
        "Location",
        "(capacity-status eq 1 and nb-capacity gt 0) and capacity-status eq 2",
        And((ONE_PLACE, TokenIs("capacity-status", "2"))),
    ),
    (
        "ne and pr speak of the whole resource",
        "Location",
        "capacity-status ne 1 and nb-capacity gt 0 and capacity-type pr false",
        And(
            (
                Not(TokenIs("capacity-status", "1")),
                above("nb-capacity", 0),
                Not(Present("capacity-type")),
            )
        ),
    ),
    (
        "one and, one place",
        "HealthcareService",
        "location.capacity-status eq 1 and location.nb-capacity gt 0 and location.near eq 1|2|3 and name eq a",
        And((place(And((ONE_PLACE, Near("near", 1.0, 2.0, 3_000.0)))), TextIs(NAME, "a"))),
    ),
    (
        "one and, one anomaly",
        "Location",
        "_has:Task:focus:business-status eq 1 and _has:Task:focus:authored-on ge 2024",
        Has(
            "Task",
            "focus",
            And((TokenIs("business-status", "1"), DateIs("authored-on", "ge", *covering("2024")))),
        ),
    ),
    (
        "alternatives for one place hold on it with the rest",
        "HealthcareService",
        "(location.status eq a or location.capacity-status eq 1) and location.status eq b",
        place(And((Or((A, TokenIs("capacity-status", "1"))), B))),
    ),
    (
        "not of a link is said of the offer, ne behind it of the place",
        "HealthcareService",
        "not(location.status eq a) and location.status ne a",
        And((Not(place(A)), place(Not(A)))),
    ),
    (
        "a chain inside _has",
        "HealthcareService",
        "_has:PractitionerRole:service:practitioner.identifier eq 1",
        Has(
            "PractitionerRole",
            "service",
            Chain("practitioner", "Practitioner", TokenIs("identifier", "1")),
        ),
    ),
    ("Questionnaire too has filters", "Questionnaire", "status eq a", A),
]


@pytest.mark.parametrize(
    ("resource_type", "text", "expected"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_a_filter_follows_a_rule(resource_type, text, expected):
    assert read_filter(resource_type, text) == expected


PAGE = Path(__file__).parents[2] / "docs" / "filter.md"
EXAMPLES = re.findall(r"^(\w+)\?_filter=(.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("resource_type", "text"), EXAMPLES, ids=[text for _, text in EXAMPLES])
def test_an_example_of_the_page_is_understood(resource_type, text):
    assert read_filter(resource_type, text)


def test_the_page_gives_every_operator_and_limit():
    page = PAGE.read_text(encoding="utf-8")

    assert len(EXAMPLES) > 5
    assert [
        name
        for name in {*NOT_OFFERED, "=", *sum(OPERATORS.values(), ())}
        if f"`{name}`" not in page
    ] == []
    assert all(f" {limit:,} " in page for limit in (MAX_COMPARISONS, MAX_LEVELS, MAX_HOPS))


def test_independent_criteria_hold_each_on_its_own():
    text = "location.capacity-status eq 1 and location.nb-capacity gt 0"

    apart = parse("HealthcareService", [("_filter", text)], independent=True).expression

    assert apart == And((place(TokenIs("capacity-status", "1")), place(above("nb-capacity", 0))))
    assert parse("HealthcareService", [("_filter", text)]).expression == place(ONE_PLACE)


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_a_filter_holds_with_the_other_criteria(resource_type):
    request = parse(
        resource_type, [("_filter", "_id eq 1 or 2"), ("_id", "2"), ("_filter", "_id ne 3")]
    )

    one, two, three = (TokenIs("_id", digit) for digit in "123")
    assert request.expression == And((Or((one, two)), two, Not(three)))
    assert request.pairs == (("_filter", "_id eq 1 or 2"), ("_id", "2"), ("_filter", "_id ne 3"))


def test_a_filter_that_cannot_be_read_is_ignored_under_lenient_handling_and_a_limit_is_not():
    request = parse("Location", [("_filter", "(status eq a"), ("status", "b")], lenient=True)

    assert request.expression == B
    assert [error.key for error in request.ignored] == ["filter.unclosed"]
    with pytest.raises(TooCostly):
        parse("Location", [("_filter", "(" * 65)], lenient=True)


@pytest.mark.parametrize(
    "name", ["location._filter", "_filter:not", "_has:Task:focus:_filter", "organization._filter:a"]
)
def test_a_filter_behind_a_link_or_a_modifier_is_refused_by_name(name):
    with pytest.raises(NotSupported) as refused:
        parse("HealthcareService", [(name, "status eq a")])

    assert refused.value.key == "filter.elsewhere"


# --- what is refused ------------------------------------------------------------------------------

LOCATION, OFFER = "Location", "HealthcareService"
REFUSED = [
    # (type, filter, position, key, culprit)
    # Structure.
    (LOCATION, "", 1, "filter.expected-comparison", "status eq active"),
    (LOCATION, "   ", 4, "filter.expected-comparison", "status eq active"),
    (LOCATION, "()", 2, "filter.expected-comparison", "(▶)"),
    (LOCATION, '"a"', 1, "filter.expected-comparison", "comparison"),
    (LOCATION, "= a", 1, "filter.expected-comparison", "comparison"),
    (LOCATION, "and status eq a", 1, "filter.expected-comparison", "comparison"),
    (LOCATION, "status eq a and", 16, "filter.expected-comparison", "status eq a and▶"),
    (LOCATION, "status eq a or", 15, "filter.expected-comparison", "comparison"),
    (LOCATION, "(status eq a or)", 16, "filter.expected-comparison", "comparison"),
    (LOCATION, "status eq a or or b", 16, "filter.expected-comparison", "comparison"),
    (LOCATION, "status eq a and or b", 17, "filter.expected-comparison", "comparison"),
    (LOCATION, "not status eq a", 5, "filter.expected-parenthesis", "not(status eq active)"),
    (LOCATION, "not", 4, "filter.expected-parenthesis", "not("),
    (LOCATION, "(status eq a", 13, "filter.unclosed", "character 1 "),
    (LOCATION, "status eq a and (status eq b", 29, "filter.unclosed", "character 17 "),
    (LOCATION, "status eq a)", 12, "filter.too-many-closing", "status eq a▶)"),
    (LOCATION, "(status eq a))", 14, "filter.too-many-closing", "closes nothing"),
    (LOCATION, ")", 1, "filter.expected-comparison", "comparison"),
    (LOCATION, "status eq a b", 13, "filter.expected-connective", "straight quotes"),
    (LOCATION, "status eq a(b)", 12, "filter.expected-connective", "straight quotes"),
    (LOCATION, "(status eq a b)", 14, "filter.expected-connective", "and, or"),
    (LOCATION, "(status eq a)(status eq b)", 14, "filter.expected-connective", "and, or"),
    (LOCATION, 'status eq a"b"', 12, "filter.expected-connective", "and, or"),
    (
        LOCATION,
        "_lastUpdated ge 2024-01-01T00:00:00 01:00",
        37,
        "filter.expected-connective",
        "%2B",
    ),
    # Operators.
    (LOCATION, "status", 7, "filter.expected-operator", '"status". Operators: eq, ne, pr'),
    (LOCATION, "status and status eq a", 8, "filter.expected-operator", "eq, ne"),
    (LOCATION, "status (eq a)", 8, "filter.expected-operator", "eq, ne"),
    (LOCATION, "status equals a", 8, "filter.unknown-operator", '"equals"'),
    (LOCATION, "nb-capacity > 5", 13, "filter.unknown-operator", "gt, lt"),
    (LOCATION, "nb-capacity >= 5", 13, "filter.unknown-operator", '">="'),
    (LOCATION, "nb-capacity gt5", 13, "filter.unknown-operator", '"gt5"'),
    (LOCATION, "_lastUpdated po 2024", 14, "filter.operator-not-offered", '"po"'),
    (LOCATION, "type ss a", 6, "filter.operator-not-offered", '"ss"'),
    (LOCATION, "type sb a", 6, "filter.operator-not-offered", '"sb"'),
    (LOCATION, "type in http://a/vs", 6, "filter.operator-not-offered", '"in"'),
    (LOCATION, "organization re Organization/1", 14, "filter.operator-not-offered", '"re"'),
    (LOCATION, "type gt 5", 6, "filter.wrong-operator", "Accepted: eq, ne, pr"),
    (LOCATION, "type co 5", 6, "filter.wrong-operator", '"type"'),
    (OFFER, "name gt a", 6, "filter.wrong-operator", "co, sw, ew"),
    (OFFER, "name:exact co a", 12, "filter.wrong-operator", "Accepted: eq"),
    (LOCATION, "near lt 1|2|3", 6, "filter.wrong-operator", '"near"'),
    # Values.
    (LOCATION, "status eq", 10, "filter.expected-value", "straight quotes"),
    (LOCATION, "status eq )", 11, "filter.expected-value", "value"),
    (LOCATION, "status eq (a or b)", 11, "filter.expected-value", "value"),
    (LOCATION, "status eq or", 11, "filter.expected-value", "and, or and not"),
    (LOCATION, "status==a", 8, "filter.expected-value", "value"),
    (LOCATION, 'status eq ""', 11, "search.empty-value", '"status"'),
    (LOCATION, 'status eq a or " "', 16, "search.empty-value", '"status"'),
    (LOCATION, 'status eq "a', 11, "filter.unclosed-quote", "never closed"),
    (LOCATION, 'status eq "a\\"', 11, "filter.unclosed-quote", "never closed"),
    (LOCATION, r'status eq "a\nb"', 13, "filter.escape", "backslash"),
    (LOCATION, "type eq 005,481", 12, "filter.comma", "write or between them"),
    (LOCATION, "nb-capacity gt ge5", 16, "filter.prefix-in-value", "Write nb-capacity ge 5"),
    (LOCATION, "nb-capacity gt ten", 16, "search.not-a-number", '"ten"'),
    (LOCATION, "nb-capacity gt 1 or 2 or x or 3", 26, "search.not-a-number", '"x"'),
    (LOCATION, "_lastUpdated ge yesterday", 17, "search.not-a-date", '"yesterday"'),
    (LOCATION, "limit-value ge 1|a", 16, "search.not-a-quantity", '"1|a"'),
    (LOCATION, "status eq a|b|c", 11, "search.too-many-bars", '"a|b|c"'),
    (LOCATION, "organization eq Patient/1", 17, "search.wrong-target", '"Patient"'),
    (LOCATION, "status pr maybe", 11, "search.not-missing", '"maybe"'),
    (LOCATION, "status:missing eq 1", 19, "search.not-missing", '"1"'),
    (LOCATION, "status eq a and status eq b or c", 32, "filter.list-beside-and", "in parentheses"),
    (LOCATION, "status eq a or b and status eq c", 16, "filter.list-beside-and", "in parentheses"),
    (LOCATION, "status ne a or b", 16, "filter.list-of-negation", "not(status eq 1 or 2)"),
    (LOCATION, "status pr true or false", 19, "filter.list-of-negation", '"status"'),
    (LOCATION, "status:not eq a or b", 20, "filter.list-of-negation", '"status:not"'),
    # Names.
    (LOCATION, "foo eq a", 1, "search.unknown-parameter", '"foo"'),
    (OFFER, "(name eq a or speciality eq b)", 15, "search.unknown-parameter", "Try: specialty"),
    (OFFER, "near eq 1|2|3", 1, "search.unknown-parameter", "Try: location.near"),
    (LOCATION, "(status eq a) or b", 18, "search.unknown-parameter", '"b"'),
    (LOCATION, "status:nto eq a", 1, "search.unknown-modifier", ":not"),
    (LOCATION, "status.name eq a", 1, "search.not-chainable", "organization"),
    ("Task", "focus.identifier eq a", 1, "search.chain-without-type", "focus:Organization."),
    (LOCATION, "_has:Task eq a", 1, "search.has-form", "_has:Task"),
    (LOCATION, "_has:Patient:a:b eq a", 1, "search.unknown-type", '"Patient"'),
    (LOCATION, "_filter eq a", 1, "filter.elsewhere", "_filter"),
    (OFFER, "location[status eq a].type eq b", 9, "filter.nested", "inside one and"),
    (OFFER, "x" * 50_000 + " eq a", 1, "search.unknown-parameter", "xxx…"),
]


@pytest.mark.parametrize(
    ("resource_type", "text", "position", "key", "culprit"),
    REFUSED,
    ids=[repr(row[1][:60]) for row in REFUSED],
)
def test_a_filter_is_refused_where_understanding_stopped(
    resource_type, text, position, key, culprit
):
    with pytest.raises(Misread) as refused:
        read_filter(resource_type, text)

    assert (refused.value.position, refused.value.key) == (position, key)
    assert refused.value.status == 400
    assert refused.value.text("en").startswith(f"_filter, character {position}: ")
    assert culprit in refused.value.text("en")
    assert refused.value.text("fr").startswith(f"_filter, caractère {position} : ")


def test_a_refusal_shows_the_text_around_the_place():
    text = f'status eq "{"a" * 100}" xor status eq b and status eq c or status eq d'

    with pytest.raises(Misread) as refused:
        read_filter("Location", text)

    assert refused.value.text("en").endswith(
        f'At this place: …{"a" * 28}" ▶xor status eq b and status eq …'
    )


@pytest.mark.parametrize(
    ("text", "issue"),
    [("foo eq a", "not-supported"), ("status", "invalid"), ("type in a", "not-supported")],
)
def test_a_refusal_keeps_the_issue_code_of_its_reason(text, issue):
    with pytest.raises(InvalidRequest) as refused:
        read_filter("Location", text)

    assert refused.value.issue == issue


def test_a_nul_is_refused():
    with pytest.raises(InvalidRequest, match="NUL"):
        read_filter("Location", "status eq a\0b")


LIMITS = {
    "comparisons": lambda over: "_id eq 1" + " or 1" * (MAX_COMPARISONS - 1 + over),
    "comparisons in full": lambda over: " and ".join(["_id eq 1"] * (MAX_COMPARISONS + over)),
    "levels": lambda over: "(" * (MAX_LEVELS + over) + "_id eq 1" + ")" * (MAX_LEVELS + over),
    "levels of not": lambda over: (
        "not(" * (MAX_LEVELS + over) + "_id eq 1" + ")" * (MAX_LEVELS + over)
    ),
    "hops": lambda over: "partof." * (5 + over) + "name eq a",
}


@pytest.mark.parametrize("filter_", LIMITS.values(), ids=LIMITS)
def test_a_limit_is_allowed_and_what_is_over_it_refused(filter_):
    assert read_filter("Organization", filter_(0))
    with pytest.raises(TooCostly) as refused:
        read_filter("Organization", filter_(1))
    assert refused.value.text("en") != refused.value.text("fr")


def test_groups_side_by_side_are_not_inside_one_another():
    assert read_filter("Location", " or ".join(["((status eq a))"] * 100))


def test_every_text_of_the_filter_catalogue_is_told_to_somebody():
    texts = (
        files("ror.standard.knowledge")
        .joinpath("messages", "filter.toml")
        .read_text(encoding="utf-8")
    )
    limits = {"filter.too-many-comparisons", "filter.too-deep"}

    told = {row[3] for row in REFUSED} | limits | {"filter.where"}

    assert {f"filter.{name}" for name in tomllib.loads(texts)["filter"]} <= told


# --- laws -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A comparison as a filter writes it, with what it means alone, strictly read."""

    path: str
    operator: str
    values: tuple[str, ...]
    meaning: Expression


def _token(param: str, values: list[str], operator: str) -> Expression:
    if param == "identifier":
        values = [value.upper() for value in values]
    leaves = tuple(TokenIs(param, value) for value in values)
    whole = leaves[0] if len(leaves) == 1 else Or(leaves)
    return Not(whole) if operator == "ne" else whole


LINKS: dict[str, Callable[[Expression], Expression]] = {
    "": lambda inner: inner,
    "location.": place,
    "organization.": organization,
    "organization:above.": lambda inner: organization(Upward(inner)),
    "organization.partof.": lambda inner: organization(Chain("partof", "Organization", inner)),
    "_has:PractitionerRole:service:": lambda inner: Has("PractitionerRole", "service", inner),
    "_has:Task:focus:": lambda inner: Has("Task", "focus", inner),
}
HOLDS = {
    "": ("identifier", "specialty"),
    "location.": ("identifier", "capacity-status", "capacity-type", "equipment-type"),
    "organization.": ("identifier", "type", "price-type", "price-welcome-type"),
    "organization:above.": ("type", "price-type"),
    "organization.partof.": ("identifier", "type"),
    "_has:PractitionerRole:service:": ("identifier",),
    "_has:Task:focus:": ("_id",),
}


def comparison(random: Random, links: bool) -> Written:
    link = random.choice(tuple(LINKS)) if links else ""
    param = random.choice(HOLDS[link])
    operator = random.choice(("eq", "eq", "eq", "=", "ne", "pr"))
    if operator == "pr":
        value = random.choice(("true", "false"))
        present = Present(param)
        return Written(
            link + param, "pr", (value,), LINKS[link](present if value == "true" else Not(present))
        )
    values = [
        random.choice((*worlds.CODES, *worlds.IDS))
        for _ in range(1 if operator == "ne" else random.randint(1, 3))
    ]
    return Written(
        link + param, operator, tuple(values), LINKS[link](_token(param, values, operator))
    )


def written(random: Random, depth: int, links: bool) -> Written | Not | And | Or:
    """A random filter, as a tree whose leaves are comparisons."""
    if depth == 0 or random.random() < 0.3:
        return comparison(random, links)
    if random.random() < 0.2:
        return Not(written(random, depth - 1, links))
    parts = tuple(written(random, depth - 1, links) for _ in range(random.randint(2, 3)))
    return random.choice((And, Or))(parts)


def printed(random: Random, node: Written | Not | And | Or) -> str:
    """One of the ways to write a filter."""
    some = lambda: random.choice((" ", " ", "  ", "\t"))  # noqa: E731 - a space, any space
    word = lambda text: random.choice((text, text.upper()))  # noqa: E731 - a keyword in either case
    match node:
        case Written(path, operator, values, _):
            separator = random.choice(("", " ")) if operator == "=" else some()
            quoted = [random.choice((value, f'"{value}"')) for value in values]
            listed = f"{some()}{word('or')}{some()}".join(quoted)
            return f"{path}{separator}{operator if operator == '=' else word(operator)}{separator}{listed}"
        case Not(inner):
            return f"{word('not')}{random.choice(('', ' '))}({printed(random, inner)})"
        case And(parts) | Or(parts):
            keyword = word("and" if isinstance(node, And) else "or")
            return f"{some()}{keyword}{some()}".join(_operand(random, node, part) for part in parts)


def _operand(random: Random, node: And | Or, part: Written | Not | And | Or) -> str:
    """
    A side of `and` or `or`, in parentheses where the grammar wants them, and now and then where it
    does not.
    """
    text = printed(random, part)
    needed = isinstance(part, (type(node), Or))
    needed = needed or (
        isinstance(node, And) and isinstance(part, Written) and len(part.values) > 1
    )
    return f"({text})" if needed or random.random() < 0.2 else text


def meaning(node: Written | Not | And | Or) -> Expression:
    match node:
        case Written():
            return node.meaning
        case Not(inner):
            return Not(meaning(inner))
        case And(parts) | Or(parts):
            return type(node)(tuple(meaning(part) for part in parts))


SEEDS = st.integers(0, 2**32)
WORLDS = [worlds.SlowWorld(worlds.batches(Random(seed))) for seed in range(8)]


@pytest.mark.long
@settings(max_examples=amount(300, 6000), deadline=None)
@given(SEEDS)
def test_a_filter_without_links_is_read_as_the_tree_it_was_printed_from(seed):
    random = Random(seed)
    tree = written(random, 4, links=False)

    assert read_filter("HealthcareService", printed(random, tree), independent=True) == meaning(
        tree
    )


@pytest.mark.long
@settings(max_examples=amount(300, 6000), deadline=None)
@given(SEEDS)
def test_a_filter_finds_what_the_tree_it_was_printed_from_finds(seed):
    random = Random(seed)
    tree = written(random, 3, links=True)
    text = printed(random, tree)

    read = read_filter("HealthcareService", text, independent=True)

    for world in WORLDS:
        search = Search(world.view, Viewer(1))
        assert search.evaluate(read, "HealthcareService") == search.evaluate(
            meaning(tree), "HealthcareService"
        ), text


AS_MODIFIER = {"ne": ":not", "pr": ":missing"}


@pytest.mark.long
@settings(max_examples=amount(300, 6000), deadline=None)
@given(SEEDS)
def test_an_and_means_what_its_comparisons_mean_as_criteria_of_a_query(seed):
    """Choice 2: on one record, and behind one link on one resource, in both."""
    random = Random(seed)
    comparisons = [comparison(random, links=True) for _ in range(random.randint(1, 5))]
    opposite = {"true": "false", "false": "true"}

    text = " and ".join(f"({printed(random, one)})" for one in comparisons)
    pairs = [
        (
            one.path + AS_MODIFIER.get(one.operator, ""),
            ",".join(opposite.get(value, value) for value in one.values),
        )
        for one in comparisons
    ]

    assert read_filter("HealthcareService", text) == parse("HealthcareService", pairs).expression


def test_the_filters_of_the_law_find_some_and_leave_some():
    telling = asked = 0
    for seed in range(60):
        read = read_filter(
            "HealthcareService", printed(random := Random(seed), written(random, 3, links=True))
        )
        for world in WORLDS:
            found = Search(world.view, Viewer(1)).evaluate(read, "HealthcareService")
            telling += 0 < len(found) < len(world.of_type("HealthcareService"))
            asked += 1
    assert telling > asked / 5


MUTATIONS = 5_000
AT_ONCE_S = 5.0
"""
What grows with the square of a long text, or doubles with each character of a short one, takes far
longer.
"""
ALPHABET = '()"=\\ ,|:.[]<>\t\n\x00é▶\u2028\U0001f600aeqnortd0' + "_-/'{}%"


def _mutated(random: Random, text: str) -> str:
    for _ in range(random.randint(1, 4)):
        first = random.randint(0, len(text))
        last = min(first + random.choice((0, 0, 1, 1, 2, 8)), len(text))
        inserted = random.choice(
            ("", random.choice(ALPHABET), text[last : last + random.randint(0, 12)], " or ", "not(")
        )
        text = text[:first] + inserted + text[last:]
    return text


def test_a_filter_that_was_spoiled_is_understood_or_refused_in_words_and_at_once():
    random = Random(20240601)
    whole = [(row[0], row[1]) for row in PUBLISHED.values()] + [(row[1], row[2]) for row in RULES]
    refused = 0
    for _ in range(MUTATIONS):
        resource_type, text = random.choice(whole)
        text = _mutated(random, text)
        start = time.thread_time()
        try:
            read_filter(resource_type, text)
        except RorError as reason:
            refused += 1
            assert reason.status == 400
            assert reason.text("fr") and reason.text("en")
        assert time.thread_time() - start < AT_ONCE_S, text
    assert MUTATIONS / 3 < refused < MUTATIONS


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        '"' * 100_000,
        "status eq " + '"' + "\\\\" * 50_000,
        "a" * 100_000,
        " " * 100_000,
        "status eq a" + " " * 100_000 + "x",
        "not " * 50_000,
        "status eq a or " * 10_000,
    ],
)
def test_a_long_hostile_filter_is_refused_at_once(text):
    start = time.thread_time()
    with pytest.raises(RorError):
        read_filter("Location", text)
    assert time.thread_time() - start < AT_ONCE_S
