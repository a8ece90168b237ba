"""
The tables that the project rests on are complete, and say what the standard and the guide say.
"""

import csv
import importlib
from pathlib import Path

import pytest

from ror.standard import definitions
from ror.standard.definitions import (
    COMMON_PARAMETERS,
    RESOURCE_TYPES,
    all_search_parameters,
    extensions,
    includes,
    profiles,
    records,
    resource_profiles,
    search_parameter,
    search_parameters,
    type_definition,
    type_names,
)

SHARED = Path(__file__).parent.parent / "../shared"
PUBLISHED_PARAMETERS = SHARED / "spec/search-parameters.csv"


# --- types ----------------------------------------------------------------------------------------


def test_every_type_that_an_element_names_has_a_table():
    named = {
        kind
        for name in type_names()
        for item in type_definition(name).elements.values()
        for kind in item.types
    }

    assert named <= set(type_names())
    assert set(RESOURCE_TYPES) <= set(type_names())


@pytest.mark.parametrize(
    ("type_name", "element", "expected"),
    [
        pytest.param(
            "Organization", "contact", ("Organization.contact",), id="a part is a type of its own"
        ),
        pytest.param(
            "Questionnaire.item",
            "item",
            ("Questionnaire.item",),
            id="a content reference is resolved",
        ),
        pytest.param("Timing", "repeat", ("Timing.repeat",), id="a part of a data type"),
        pytest.param("Organization", "id", ("id",), id="a logical id"),
        pytest.param("Extension", "id", ("string",), id="an element id"),
        pytest.param("Extension", "url", ("uri",), id="the url of an extension"),
        pytest.param("Bundle.entry", "resource", ("Resource",), id="any resource"),
    ],
)
def test_an_element_has_the_type_of_the_standard(type_name, element, expected):
    assert type_definition(type_name).elements[element].types == expected


def test_a_choice_is_one_element_for_each_of_its_types():
    choices = [
        item for item in type_definition("Extension").elements.values() if item.choice == "value"
    ]

    assert len(choices) == 50
    assert {"valueString", "valueCodeableConcept", "valuePeriod", "valueBase64Binary"} <= {
        item.name for item in choices
    }


@pytest.mark.parametrize(
    ("type_name", "element", "codes"),
    [
        ("Location", "status", {"active", "suspended", "inactive"}),
        ("ContactPoint", "system", {"phone", "fax", "email", "pager", "url", "sms", "other"}),
        (
            "HealthcareService.availableTime",
            "daysOfWeek",
            {"mon", "tue", "wed", "thu", "fri", "sat", "sun"},
        ),
        ("Quantity", "comparator", {"<", "<=", ">=", ">"}),
        ("Narrative", "status", {"generated", "extensions", "additional", "empty"}),
        ("Questionnaire", "status", {"draft", "active", "retired", "unknown"}),
    ],
)
def test_a_required_binding_is_a_closed_list(type_name, element, codes):
    assert type_definition(type_name).elements[element].codes == codes


@pytest.mark.parametrize(
    "name", [name for name in type_names() if type_definition(name).kind != "primitive"]
)
def test_a_type_has_the_elements_that_another_library_knows(name):
    if name in ("Element", "Resource"):
        pytest.skip("fhirclient has no class for abstract types")
    root, *parts = name.split(".")
    module = importlib.import_module(f"fhirclient.models.{root.lower()}")
    model = getattr(module, root + "".join(part[0].upper() + part[1:] for part in parts))

    theirs = {row[1]: row[3] for row in model().elementProperties()}
    assert {
        item.name: item.max is None for item in type_definition(name).elements.values()
    } == theirs


def test_a_code_that_only_groups_others_is_not_allowed():
    assert "question" not in type_definition("Questionnaire.item").elements["type"].codes
    assert "choice" in type_definition("Questionnaire.item").elements["type"].codes


def test_an_open_list_of_codes_is_left_open():
    assert type_definition("Organization").elements["language"].codes is None
    assert type_definition("Money").elements["currency"].codes is None


def test_an_unknown_type_is_an_error():
    with pytest.raises(KeyError):
        type_definition("Organisation")


# --- search parameters ----------------------------------------------------------------------------


def test_every_search_parameter_says_where_it_comes_from():
    guide = "https://interop.esante.gouv.fr/ig/fhir/ror/SearchParameter/"
    for item in all_search_parameters():
        assert item.canonical.startswith(guide if item.custom else "http://hl7.org/fhir/"), (
            item.name
        )
        assert not (item.custom and item.maturity in ("implied", "added")), item.name


def test_what_every_resource_has_is_searchable_even_where_the_guide_does_not_list_it():
    for resource_type in RESOURCE_TYPES:
        assert set(COMMON_PARAMETERS) <= search_parameters(resource_type).keys()
    assert search_parameter("MeasureReport", "_tag").maturity == "implied"
    assert search_parameter("Location", "_tag").maturity == "available"


def test_every_published_row_is_present_with_its_published_expression():
    if not PUBLISHED_PARAMETERS.exists():
        pytest.skip("the published list of search parameters is not here")
    with PUBLISHED_PARAMETERS.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
        ours = [item for item in all_search_parameters() if item.maturity != "added"]
        assert len(ours) == len(rows)
        for row in rows:
            parameter = search_parameter(row["resource"], row["name"])

            assert parameter is not None, row
            assert (parameter.type, parameter.canonical) == (row["type"], row["canonical"])
            assert row["expression"] in ("", parameter.published or parameter.expression), row


def test_a_changed_expression_says_why():
    changed = [item for item in all_search_parameters() if item.published]

    assert changed
    assert all(item.correction for item in changed)


@pytest.mark.parametrize(
    ("resource_type", "name", "ending"),
    [
        ("Location", "capacity-status", ".where(url='capacityStatus').value.as(CodeableConcept)"),
        (
            "Location",
            "limit-value",
            "ror-location-equipment-limit').extension.where(url='limitValue').value.as(Quantity)",
        ),
        ("Organization", "special-price", ".where(url='specialPrice').value.as(CodeableConcept)"),
        ("Organization", "oi-name", "Organization.name"),
        (
            "HealthcareService",
            "notavailable-closing-reopeningdate",
            "HealthcareService.notAvailable.during",
        ),
    ],
)
def test_a_faulty_published_expression_is_corrected(resource_type, name, ending):
    assert search_parameter(resource_type, name).expression.endswith(ending)


def test_a_parameter_without_data_has_no_expression():
    assert search_parameter("HealthcareService", "equipment-type").expression is None


def test_a_parameter_answers_to_its_alias():
    assert search_parameter("Organization", "amount-value") is search_parameter(
        "Organization", "price-amount-value"
    )
    assert "amount-value" not in search_parameters("Organization")


def test_an_unknown_parameter_is_none():
    assert search_parameter("Location", "capacity") is None
    assert search_parameters("Patient") == {}


def test_a_record_groups_the_parameters_that_read_under_its_roots():
    for parameter in all_search_parameters():
        under = [
            name
            for name, record in records().items()
            if parameter.resource_type == record.resource_type
            and parameter.expression
            and parameter.expression.startswith(record.roots[0])
        ]

        assert under == ([parameter.record] if parameter.record else []), parameter.name


def test_includes_are_the_reference_parameters_with_their_targets():
    assert {name: item.targets for name, item in includes().items() if name != "Task:focus"} == {
        "Organization:partof": ("Organization",),
        "HealthcareService:location": ("Location",),
        "HealthcareService:organization": ("Organization",),
        "Location:organization": ("Organization",),
        "PractitionerRole:service": ("HealthcareService",),
        "PractitionerRole:practitioner": ("Practitioner",),
        "PractitionerRole:organization": ("Organization",),
        "MeasureReport:measure": ("Measure",),
        "PractitionerRole:location": ("Location",),
        "Location:partof": ("Location",),
        "Endpoint:organization": ("Organization",),
        **{
            f"{item}:endpoint": ("Endpoint",)
            for item in ("Organization", "HealthcareService", "Location", "PractitionerRole")
        },
    }
    assert set(includes()["Task:focus"].targets) == set(RESOURCE_TYPES)


# --- profiles -------------------------------------------------------------------------------------


def test_the_profiles_and_extensions_are_those_of_the_guide():
    assert len(profiles()) == 9
    assert len(extensions()) == 48
    assert {profiles()[url].type for url in resource_profiles().values()} == (
        set(RESOURCE_TYPES) - {"Endpoint"}
    )
    assert definitions.profile(resource_profiles()["Location"]).name == "ror-location"
    assert definitions.extension("https://example.org/none") is None


def test_a_profile_element_carries_what_code_applies():
    capacity = next(url for url in extensions() if url.endswith("ror-location-supported-capacity"))
    by_id = {item.id or item.path: item for item in definitions.extension(capacity).elements}

    status = by_id["Extension.extension:capacityStatus.value[x]"]
    assert status.types == ("CodeableConcept",)
    assert status.strength == "required"
    assert "J188" in status.value_set
    assert by_id["Extension.extension"].max is None
    assert (
        by_id["Extension.extension:capacityType"].min,
        by_id["Extension.extension:capacityType"].max,
    ) == (1, 1)


def test_an_unknown_table_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="RECORD"):
        definitions.RECORD  # noqa: B018 - reading the attribute is the test
