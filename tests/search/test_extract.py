"""
What is extracted is what FHIRPath selects, by an engine written by others, on examples and on
generated resources.

`make test-long` compares 10,000 generated resources: the other engine takes 12 ms for each.

Deliberate breakages that these tests caught: following only the first of several repetitions;
reading `name` without its aliases; skipping a concept's second coding.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import msgspec
import pytest

from ror.samples import Size, generate
from ror.search.index.extract import CANONICAL_PARAMETER, extract, pack, unpack
from ror.search.language.values import (
    Canonical,
    LogicalReference,
    Period,
    Position,
    Quantity,
    Text,
    Token,
    TypedIdentifier,
    covering,
    covering_between,
    normal_code,
    normal_identifier,
    normal_system,
    normal_text,
    normal_unit,
)
from ror.standard.definitions import FULL_TEXT, RESOURCE_TYPES, search_parameters
from ror.standard.references import Reference, literal_reference
from tests.amounts import amount
from tests.conftest import small_directory
from tests.fhirpath import selected
from tests.spec.test_examples import FILES as EXAMPLES

pytestmark = pytest.mark.long


decode = msgspec.json.Decoder(float_hook=Decimal).decode
COUNT = amount(200, 10_000)
"""
Generated resources to compare, evenly chosen from one directory or several; all those of rare types
are added.
"""
RARE = ("Task", "Questionnaire", "Measure", "MeasureReport")


def generated() -> Iterator[dict[str, Any]]:
    whole = len(small_directory())
    directories = chain(
        small_directory(), *(generate(Size.small, seed) for seed in range(2, COUNT // whole + 3))
    )
    for number, line in enumerate(islice(directories, max(COUNT, whole))):
        if number % max(1, whole // COUNT) == 0 or any(
            f'"{kind}"'.encode() in line[:40] for kind in RARE
        ):
            yield decode(line)


def normal_forms(resource_type: str, name: str, raw: Any) -> Iterator[Any]:
    """The values that a parameter has for one thing that its expression selects."""
    match search_parameters(resource_type)[name].type:
        case "token" if isinstance(raw, bool):
            yield Token(str(raw).lower(), "")
        case "token" if isinstance(raw, str):
            yield Token(normal_identifier(raw) if name == "version" else raw, "")
        case "token" if "coding" in raw:
            yield from (_coded(one) for one in raw["coding"])
        case "token" if "value" in raw:
            yield Token(normal_identifier(raw["value"]), normal_system(raw.get("system", "")))
        case "token" if "code" in raw:
            yield _coded(raw)
        case "token":
            yield Token("", "")
        case "string" if isinstance(raw, dict):
            for part in _parts_of_name(raw):
                yield Text(normal_text(part), part)
        case "string":
            yield Text(normal_text(raw), raw)
        case "uri":
            yield from (TypedIdentifier(raw, ""), TypedIdentifier(raw.partition("|")[0], ""))
        case "date" if isinstance(raw, str):
            yield covering(raw)
        case "date":
            yield covering_between(raw.get("start"), raw.get("end"))
        case "number":
            yield Decimal(str(raw))
        case "quantity":
            default = "a" if name.startswith("age-range") else None
            unit = normal_unit(raw.get("system"), raw.get("code") or raw.get("unit") or default)
            yield Quantity(Decimal(str(raw["value"])), unit)
        case "reference" if isinstance(raw, str):
            url, _, version = raw.partition("|")
            yield Canonical(url, version)
        case "reference":
            if "reference" in raw:
                yield Reference(*raw["reference"].split("/"))
            elif "identifier" in raw:
                named = raw["identifier"]
                yield LogicalReference(
                    raw.get("type", ""),
                    normal_identifier(named["value"]),
                    normal_system(named.get("system", "")),
                )
        case "special":
            yield Position(float(raw["latitude"]), float(raw["longitude"]))


def _parts_of_name(name: dict[str, Any]) -> Iterator[str]:
    for part in ("text", "family", "given", "prefix", "suffix"):
        held = name.get(part, ())
        yield from (held,) if isinstance(held, str) else filter(None, held)


def _coded(coding: dict[str, Any]) -> Token:
    system = normal_system(coding.get("system", ""))
    return Token(normal_code(coding.get("code", ""), system), system)


def compare(resource: dict[str, Any]) -> int:
    """Holds a resource's entries to what FHIRPath selects; how many parameters had values."""
    kind, entries, held = resource["resourceType"], extract(resource), 0
    for name in search_parameters(kind):
        if name in ("near-insee-code", *FULL_TEXT):
            continue  # Neither reads an element by its expression.
        expected = {
            form for raw in selected(resource, name) for form in normal_forms(kind, name, raw)
        }
        assert {value for value, _ in entries.get(name, ())} == expected, (
            f"{kind}/{resource['id']} {name}"
        )
        held += bool(expected)
    return held


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_gives_what_fhirpath_selects(file):
    assert compare(decode(file.read_bytes())) >= 3


def test_generated_resources_give_what_fhirpath_selects():
    compared = [(resource["resourceType"], compare(resource)) for resource in generated()]

    assert len(compared) >= COUNT
    assert {kind for kind, held in compared if held} == {*RESOURCE_TYPES} - {"Endpoint"}


def extension(name: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": f"https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/{name}",
        "extension": list(parts),
    }


def coded(url: str, code: str) -> dict[str, Any]:
    return {"url": url, "valueCodeableConcept": {"coding": [{"code": code}]}}


def test_the_values_of_one_capacity_share_a_row():
    first = extension(
        "ror-location-supported-capacity",
        coded("capacityType", "01"),
        {"url": "nbCapacity", "valueInteger": 3},
    )
    second = extension("ror-location-supported-capacity", coded("capacityType", "02"))

    entries = extract({"resourceType": "Location", "id": "1", "extension": [first, second]})

    assert entries["capacity-type"] == [(Token("01", ""), 0), (Token("02", ""), 1)]
    assert entries["nb-capacity"] == [(Decimal(3), 0)]


def test_an_equipment_stands_in_the_row_of_each_of_its_limits():
    def limit(feature: str) -> dict[str, Any]:
        return extension("ror-location-equipment-limit", coded("equipmentFeature", feature))

    first = extension(
        "ror-location-equipment", coded("equipmentType", "010"), limit("001"), limit("002")
    )
    second = extension("ror-location-equipment", coded("equipmentType", "020"))

    entries = extract({"resourceType": "Location", "id": "1", "extension": [first, second]})

    assert entries["equipment-type"] == [
        (Token("010", ""), 0),
        (Token("010", ""), 1),
        (Token("020", ""), 2),
    ]
    assert entries["equipment-feature"] == [(Token("001", ""), 0), (Token("002", ""), 1)]


@pytest.mark.parametrize(
    ("resource", "name", "expected"),
    [
        pytest.param({"type": [{"text": "sans code"}]}, "type", [Token("", "")], id="a concept that is only text"),
        pytest.param({"type": [{"coding": [{"code": "a"}, {"code": "b", "system": "http://x"}]}]}, "type",
                     [Token("a", ""), Token("b", "x")], id="both codings of a concept"),
        pytest.param({"name": "A", "alias": ["B"]}, "name", [Text("a", "A"), Text("b", "B")], id="a union"),
        pytest.param({"partOf": {"display": "quelque part"}}, "partof", None, id="a reference that points nowhere"),
        pytest.param({"partOf": {"reference": "#inside"}}, "partof", None, id="a contained reference"),
        pytest.param({"partOf": {"reference": "urn:uuid:1"}}, "partof", None, id="a foreign reference"),
        pytest.param({"partOf": {"identifier": {"value": "9"}}}, "partof", [LogicalReference("", "9", "")],
                     id="a reference by identifier"),
        pytest.param({"identifier": [{"system": "https://sirene.fr", "value": "1"}]}, "identifier",
                     [Token("1", "sirene.fr")], id="an identifier"),
    ],
)  # fmt: skip
def test_what_an_organization_can_be_found_by(resource, name, expected):
    entries = extract({"resourceType": "Organization", "id": "1", **resource})

    assert [value for value, _ in entries.get(name, ())] == (expected or [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Location/12", Reference("Location", "12")),
        ("https://ror.example.org/fhir/Location/12", Reference("Location", "12")),
        ("Location/12/_history/3", Reference("Location", "12")),
        ("Patient/12", None),
        ("Location/", None),
        ("Location/" + "a" * 64, Reference("Location", "a" * 64)),
        ("Location/" + "a" * 65, None),
        ("#1", None),
        ("", None),
    ],
)
def test_a_literal_reference(text, expected):
    assert literal_reference(text) == expected


def test_a_measure_is_known_by_its_canonical_url():
    entries = extract({"resourceType": "Measure", "id": "1", "url": "https://example.org/m"})

    assert entries[CANONICAL_PARAMETER] == [(Canonical("https://example.org/m", ""), 0)]


def test_a_type_that_is_not_searched_is_refused():
    with pytest.raises(KeyError):
        extract({"resourceType": "Patient", "id": "1"})


def test_a_date_that_is_none_is_refused():
    with pytest.raises(ValueError, match="2024-13"):
        extract({"resourceType": "Task", "id": "1", "authoredOn": "2024-13"})


def test_packing_counts_each_target_once_and_keeps_numbers_exact():
    role = {
        "resourceType": "PractitionerRole",
        "id": "1",
        "healthcareService": [
            {"reference": "HealthcareService/a"},
            {"reference": "HealthcareService/b"},
        ]
        * 2,
        "practitioner": {"reference": "Practitioner/a"},
    }
    packed, links = pack("PractitionerRole", extract(role))

    assert set(links) == {
        ("HealthcareService", "a"),
        ("HealthcareService", "b"),
        ("Practitioner", "a"),
    }
    keys = unpack(packed)
    assert [links[key] for key in keys["service"]] == [
        ("HealthcareService", "a"),
        ("HealthcareService", "b"),
    ] * 2

    price = extension(
        "ror-organization-price", {"url": "amount", "valueMoney": {"value": Decimal("2.10")}}
    )
    packed, _ = pack(
        "Organization",
        extract(
            {"resourceType": "Organization", "id": "1", "extension": [{"url": "other"}, price]}
        ),
    )
    assert unpack(packed)["price-amount-value"] == [["2.10", 0]]


def test_periods_are_packed_as_their_bounds():
    packed, _ = pack(
        "Task", extract({"resourceType": "Task", "id": "1", "authoredOn": "1970-01-01T00:00:00Z"})
    )

    assert unpack(packed)["authored-on"] == [list(Period(0, 999_999))]
