"""
FHIRPath as search parameters use it, read into steps; what they select is held to another engine in
test_extract.

A deliberate breakage that these tests caught: ending a path where it stops being understood.
"""

import pytest

from ror.standard.definitions import RESOURCE_TYPES, all_search_parameters, search_parameters
from ror.standard.fhirpath import Member, Where, paths, selected_type

EXTENSION = (Member("extension", "Extension"), Where("url", "https://x/y"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("Organization.name", (Member("name", "string"),), id="a member"),
        pytest.param(
            "Resource.meta.tag",
            (Member("meta", "Meta"), Member("tag", "Coding")),
            id="of any resource",
        ),
        pytest.param("Organization", (), id="the resource itself"),
        pytest.param(
            "Organization.extension.where(url='https://x/y').value.as(Money).value",
            (*EXTENSION, Member("valueMoney", "Money"), Member("value", "decimal")),
            id="a choice under a where",
        ),
        pytest.param(
            "Organization.extension.where( url = 'https://x/y' ).value.ofType(boolean)",
            (*EXTENSION, Member("valueBoolean", "boolean")),
            id="spaces, and ofType for as",
        ),
        pytest.param(
            "Organization.extension('https://x/y').value.as(string)",
            (*EXTENSION, Member("valueString", "string")),
            id="the short form of an extension",
        ),
        pytest.param(
            "(Organization.extension.value as Period)",
            (Member("extension", "Extension"), Member("valuePeriod", "Period")),
            id="the operator as",
        ),
        pytest.param(
            "Organization.contact.telecom",
            (Member("contact", "Organization.contact"), Member("telecom", "ContactPoint")),
            id="a backbone element",
        ),
    ],
)
def test_an_expression_is_a_path_of_steps(expression, expected):
    assert paths(expression, "Organization") == (expected,)


def test_a_union_is_as_many_paths():
    found = paths("Organization.name | Organization.alias", "Organization")

    assert found == ((Member("name", "string"),), (Member("alias", "string"),))


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("Patient.name", "does not start at Organization"),
        ("Organization.nme", 'has no element "nme"'),
        ("Organization.name.first()", 'string has no element "first"'),
        ("Organization.where(active).name", 'Organization has no element "where"'),
        (
            "Organization.extension.where(url='x').as(string)",
            "casts something that is not an element",
        ),
        ("Organization.extension.value.as(Nothing)", 'Extension has no element "valueNothing"'),
        ("Organization.name and true", "is not understood"),
        ("", "does not start at Organization"),
    ],
)
def test_what_is_not_read_is_refused_and_never_skipped(expression, why):
    with pytest.raises(ValueError) as refused:
        paths(expression, "Organization")

    assert why in str(refused.value)


def test_a_path_reaches_the_type_of_its_last_member():
    (path,) = paths("Organization.extension.where(url='x')", "Organization")

    assert selected_type(path, "Organization") == "Extension"
    assert selected_type((), "Organization") == "Organization"


def test_every_expression_of_the_guide_is_read():
    read = {
        (kind, parameter.name): paths(parameter.expression, kind)
        for kind in RESOURCE_TYPES
        for parameter in search_parameters(kind).values()
        if parameter.expression
    }

    assert len(read) > 80
    assert all(path for branches in read.values() for path in branches)
    without = {one.name for one in all_search_parameters() if not one.expression}
    assert without == {"_filter", "_has", "_content", "equipment-type"}
