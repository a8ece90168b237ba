"""
What the trail lets be read of a request: a row of the table, a case; and the law that names are
never among it.
"""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ror.audit.pseudonyms import MARK, Pseudonymizer, treatment_of, treatments
from ror.directory.capability import RESULT_PARAMETERS
from ror.standard.definitions import RESOURCE_TYPES, search_parameters
from tests.amounts import amount

VEIL = Pseudonymizer(b"0" * 32)
RPPS = "urn:oid:1.2.250.1.71.4.2.1"


def hidden(value: str) -> str:
    return VEIL.hashed(value)


@pytest.mark.parametrize(
    ("resource_type", "name", "value", "written"),
    [
        pytest.param(
            "HealthcareService",
            "specialty",
            "https://x/y|013,014",
            "https://x/y|013,014",
            id="codes",
        ),
        pytest.param("Location", "nb-capacity", "ge10", "ge10", id="a number"),
        pytest.param(
            "Location", "_lastUpdated", "ge2026-11-06T15:00", "ge2026-11-06T15:00", id="a date"
        ),
        pytest.param(
            "Location", "organization", "Organization/o1", "Organization/o1", id="a reference"
        ),
        pytest.param("Location", "address-postalcode", "75012", "75012", id="a postal code"),
        pytest.param(
            "Location", "_sort", "-nb-capacity,_id", "-nb-capacity,_id", id="how to answer"
        ),
        pytest.param("Organization", "name", "Dupont", hidden("Dupont"), id="a name"),
        pytest.param(
            "Organization",
            "name",
            "Dupont,Durand",
            f"{hidden('Dupont')},{hidden('Durand')}",
            id="two names",
        ),
        pytest.param(
            "Location", "near", "48.85|2.35|1|km", hidden("48.85|2.35|1|km"), id="where somebody is"
        ),
        pytest.param(
            "Practitioner",
            "identifier",
            f"{RPPS}|8101",
            f"{RPPS}|{hidden('8101')}",
            id="an identifier",
        ),
        pytest.param(
            "Practitioner",
            "identifier",
            "8101,8102",
            f"{hidden('8101')},{hidden('8102')}",
            id="two of them",
        ),
        pytest.param(
            "Practitioner", "identifier:missing", "true", "true", id="no identifier at all"
        ),
        pytest.param(
            "PractitionerRole",
            "practitioner.identifier",
            "8101",
            hidden("8101"),
            id="through a link",
        ),
        pytest.param(
            "HealthcareService",
            "_has:PractitionerRole:service:practitioner.identifier",
            "8101",
            hidden("8101"),
            id="from the other end of a link",
        ),
        pytest.param(
            "HealthcareService",
            "specialty:text",
            "cardio",
            hidden("cardio"),
            id="words instead of a code",
        ),
        pytest.param(
            "HealthcareService",
            "specialty",
            "Jean Dupont",
            hidden("Jean Dupont"),
            id="no code at all",
        ),
        pytest.param(
            "HealthcareService", "specialty", "0612345678", hidden("0612345678"), id="a telephone"
        ),
        pytest.param("HealthcareService", "specialty", "a@b.fr", hidden("a@b.fr"), id="an address"),
        pytest.param("HealthcareService", "_content", "cœur", hidden("cœur"), id="full text"),
        pytest.param(
            "HealthcareService",
            "_cursor",
            "AbC-1",
            hidden("AbC-1"),
            id="a page link, which holds values",
        ),
        pytest.param(
            "HealthcareService",
            "_filter",
            'organization.name co "dupont" and (specialty eq "12" or 13) and not (organization.identifier eq 8101)',
            f'organization.name co "{hidden("dupont")}" and (specialty eq "12" or 13) '
            f"and not (organization.identifier eq {hidden('8101')})",
            id="a filter, value by value",
        ),
        pytest.param(
            "HealthcareService",
            "_filter",
            'Dupont "Durand',
            f'{hidden("Dupont")} "{hidden("Durand")}"',
            id="no filter",
        ),
    ],
)
def test_what_is_written_of_a_parameter(resource_type, name, value, written):
    assert VEIL.pairs(resource_type, [(name, value)]) == ((name, written),)


def test_a_parameter_that_nobody_knows_is_hashed_with_its_name():
    assert VEIL.pairs("Location", [("Dupont", "12")]) == ((hidden("Dupont"), hidden("12")),)
    assert VEIL.pairs(None, [("name", "Dupont"), ("_pretty", "true")]) == (
        (hidden("name"), hidden("Dupont")),
        ("_pretty", "true"),
    )


def test_a_very_long_request_makes_no_longer_line():
    codes, names, terms = (
        ",".join(["013"] * 1_000),
        ",".join("a" * 1_001),
        'name eq "a" or ' * 1_200,
    )
    asked = [
        ("specialty", codes),
        ("name", names),
        ("_filter", terms),
        ("name", "a" * 20_000),
        ("specialty", "014"),
    ]

    written = VEIL.pairs("HealthcareService", asked)

    assert written == (
        ("specialty", codes),
        ("name", hidden(names)),
        ("_filter", hidden(terms)),
        (hidden("name"), hidden("a" * 20_000)),
        (hidden("specialty"), hidden("014")),
    )


@pytest.mark.parametrize("pair", [("n" * 30_000, "1"), ("name", "v" * 30_000)])
def test_what_is_long_is_not_remembered(pair):
    veil, long = Pseudonymizer(b"key"), max(pair, key=len)
    held = sys.getrefcount(long)

    veil.pairs("Location", [pair])

    assert sys.getrefcount(long) == held


def test_what_a_search_takes_for_the_same_has_the_same_hash_and_another_key_gives_another():
    assert VEIL.hashed("  Éléonore DUPONT") == VEIL.hashed("eleonore dupont")
    assert VEIL.hashed("Dupont") != VEIL.hashed("Durand")
    assert VEIL.hashed("Dupont") != Pseudonymizer(b"1" * 32).hashed("Dupont")


@pytest.mark.parametrize("path", ["/fhir/Location/l-1.a", "/fhir/HealthcareService/_search", "/"])
def test_a_path_of_ours_is_readable(path):
    assert VEIL.path(path) == path


@pytest.mark.parametrize("path", ["/fhir/Practitioner/Jean%20Dupont", "/fhir/é", "/" + "a" * 500])
def test_any_other_path_is_hashed(path):
    assert VEIL.path(path) == VEIL.hashed(path)


def test_every_parameter_has_a_treatment():
    for resource_type in RESOURCE_TYPES:
        for name, parameter in search_parameters(resource_type).items():
            assert not parameter.reads or treatment_of(resource_type, name), name
    assert [name for name in RESULT_PARAMETERS if name not in treatments()["answering"]] == []


NAMES = [
    "name",
    "identifier",
    "_content",
    "_filter",
    "near",
    "practitioner.identifier",
    "specialty",
    "_sort",
    "nom",
    "_id",
]


@pytest.mark.long
@settings(max_examples=amount(300, 6000), deadline=None)
@given(
    st.sampled_from(RESOURCE_TYPES),
    st.sampled_from(NAMES),
    st.lists(
        st.sampled_from(["Éléonore", "Zoé", "0612345678", "810000000001", "x@y.fr"]),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([" ", ",", "|", '"', ' co "', "\\,", " eq ", "("]),
)
def test_no_name_nor_number_of_a_person_can_be_read_however_it_is_written(
    resource_type, name, words, between
):
    [(_, written)] = VEIL.pairs(resource_type, [(name, between.join(words))])

    assert MARK in written
    assert not [word for word in words if word in written]
