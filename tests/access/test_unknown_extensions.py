"""
Extensions that neither a rule nor the guide knows: open unless a switch of the policy hides them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from ror.access import Viewer
from ror.access.parts import GovernedParts, codes_in, governed_parts
from ror.access.policy import (
    ALL_PROFILES,
    GRADES,
    MASKS,
    UNKNOWN_EXTENSION,
    code_of,
    name_of,
    policy_named,
    rules,
    unknown_in,
)
from ror.access.unknown_extensions import with_unknown_extensions
from ror.directory import policy_change, reading
from ror.runtime import Directory
from ror.search.answer.bundle import search
from ror.search.language.parse import parse

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
HIDING = "3.0.1+hide-unknown-extensions"
SECRET = {"url": "https://example.org/secret", "valueString": "Zanzibar"}
STREET = {
    "url": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-streetNameBase",
    "valueString": "Ormes",
}
COMMENT = {"url": f"{ROR}ror-organization-comment", "valueString": "ouvert"}


def structure(**content: Any) -> dict[str, Any]:
    return {"resourceType": "Organization", "id": "s", "name": "CHU", **content}


PLACES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the resource", {"extension": [COMMENT, SECRET]}, {"extension": [COMMENT]}),
    ("a modifier", {"modifierExtension": [SECRET]}, {}),
    ("an element", {"address": [{"city": "Brest", "extension": [SECRET]}]}, {"address": [{"city": "Brest"}]}),
    ("a data type in an element",
        {"address": [{"city": "Brest", "period": {"start": "2024", "extension": [SECRET]}}]},
        {"address": [{"city": "Brest", "period": {"start": "2024"}}]}),
    ("a primitive", {"active": True, "_active": {"extension": [SECRET]}}, {"active": True}),
    ("the first of two primitives, the second with a known one",
        {"address": [{"line": ["a", "b"], "_line": [{"extension": [SECRET]}, {"extension": [STREET]}]}]},
        {"address": [{"line": ["a", "b"], "_line": [None, {"extension": [STREET]}]}]}),
    ("primitives beside nothing known", {"alias": ["a", "b"], "_alias": [None, {"extension": [SECRET]}]},
        {"alias": ["a", "b"]}),
    ("a primitive without value", {"alias": ["a", None], "_alias": [None, {"extension": [SECRET]}]},
        {"alias": ["a"]}),
    ("an element with nothing else", {"address": [{"extension": [SECRET]}, {"city": "Brest"}]},
        {"address": [{"city": "Brest"}]}),
    ("a known extension with nothing else",
        {"extension": [{"url": COMMENT["url"], "extension": [SECRET]}, COMMENT]}, {"extension": [COMMENT]}),
    ("the value of a known extension",
        {"extension": [{"url": f"{ROR}ror-organization-price", "extension": [
            {"url": "amount", "valueMoney": {"value": 1, "extension": [SECRET]}}]}]},
        {"extension": [{"url": f"{ROR}ror-organization-price", "extension": [
            {"url": "amount", "valueMoney": {"value": 1}}]}]}),
    ("a reference", {"partOf": {"reference": "Organization/other", "extension": [SECRET]}},
        {"partOf": {"reference": "Organization/other"}}),
    ("the metadata", {"meta": {"extension": [SECRET]}}, {}),
    ("a tag, beside another", {"meta": {"tag": [{"code": "53", "extension": [SECRET]}, {"code": "11"}]}},
        {"meta": {"tag": [{"code": "53"}, {"code": "11"}]}}),
    ("a name that is relative and of no part", {"extension": [{**SECRET, "url": "amount"}]}, {}),
    ("a name that only begins like ours", {"extension": [{**SECRET, "url": f"{ROR}ror-secret"}]}, {}),
]  # fmt: skip


NOT_SEARCHED = {"partOf", "meta"}
"""Full text does not read the metadata, nor what a reference says of another resource."""


@pytest.mark.parametrize(
    ("content", "left"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES]
)
def test_the_switch_hides_unknown_extensions_at_any_depth(directory, content, left):
    opened = directory([structure(**content)])
    assert [body(opened, profile) for profile in range(6)] == [structure(**content)] * 6
    is_searched = "tag" in content.get("meta", {}) or not NOT_SEARCHED & content.keys()
    assert totals(opened, "_content", "Zanzibar") == [is_searched] * 6

    policy_change.apply(opened.store, HIDING, "test")
    opened.refresh()

    hidden, whole = structure(**left), structure(**content)
    assert [body(opened, profile) for profile in range(6)] == [
        whole if profile == 1 else hidden for profile in range(6)
    ]
    assert totals(opened, "_content", "Zanzibar") == [0, is_searched, 0, 0, 0, 0]


def test_the_switch_can_be_turned_off_again(directory):
    opened = directory([structure(extension=[SECRET])])

    for policy, seen in ((HIDING, [0, 1, 0, 0, 0, 0]), ("3.0.1", [1] * 6)):
        policy_change.apply(opened.store, policy, "test")
        opened.refresh()
        assert totals(opened, "_content", "Zanzibar") == seen


@pytest.mark.parametrize("policy", ["3.0.1", "3.0", HIDING])
def test_an_unknown_extension_in_a_governed_part_is_as_hidden_as_that_part(policy):
    evaluated = policy_named(policy)
    alone = evaluated.mask(unknown_in(0), 0)

    for rule in rules():
        for grade in range(GRADES):
            code = code_of(rule, grade)
            if unknown_in(code) < 256:
                both = evaluated.mask(code, 0) & alone
                assert evaluated.mask(unknown_in(code), 0) == both, name_of(code)
    assert alone == (MASKS[1] if policy == HIDING else ALL_PROFILES)


def test_no_two_codes_are_the_same_byte():
    assert code_of(rules()[-1], GRADES - 1) < UNKNOWN_EXTENSION
    governed = [code_of("capacity", 7), code_of("contact", 3), code_of("telecom", 3)]
    assert max(map(unknown_in, governed)) < 256


def test_the_extensions_of_the_guide_and_of_its_profiles_are_known():
    place = {
        "resourceType": "Location",
        "id": "p",
        "address": {"line": ["1"], "_line": [{"extension": [STREET]}]},
        "extension": [
            {
                "url": f"{ROR}ror-location-supported-capacity",
                "extension": [{"url": "nbCapacity", "valueInteger": 1}],
            }
        ],
    }

    assert [name_of(code) for code in codes_in(parts_of(place))] == ["capacity.0"]


PRICE = {
    "url": f"{ROR}ror-organization-price",
    "extension": [{"url": "priceNumber", "valueCode": "1"}],
}


@pytest.mark.parametrize(
    ("contact", "is_unknown"),
    [
        ({"extension": [PRICE]}, False),
        ({"name": {"text": "A", "extension": [PRICE]}}, False),
        ({"extension": [PRICE, {"url": "priceNumber", "valueCode": "1"}]}, True),
        ({"name": {"text": "A", "extension": [{"url": "priceNumber", "valueCode": "1"}]}}, True),
    ],
)
def test_the_parts_of_a_known_extension_are_known_at_any_depth_and_nowhere_else(
    contact, is_unknown
):
    structure = {"resourceType": "Organization", "id": "s", "contact": [contact]}

    codes = {code for code in codes_in(parts_of(structure)) if code >= UNKNOWN_EXTENSION}

    assert bool(codes) is is_unknown


def parts_of(resource: Mapping[str, Any]) -> GovernedParts:
    return with_unknown_extensions(
        resource, msgspec.json.encode(resource), governed_parts(resource)
    )


def body(opened: Directory, profile: int) -> dict[str, Any]:
    """The structure as a profile reads it, without its version and the tag of a part."""
    read, _ = reading.read(opened.store, opened.index, Viewer(profile), "Organization", "s")
    resource: dict[str, Any] = msgspec.json.decode(read.body)
    meta = {
        name: value
        for name, value in resource.pop("meta").items()
        if name not in ("versionId", "lastUpdated")
    }
    tags = [tag for tag in meta.pop("tag", ()) if tag.get("code") != "SUBSETTED"]
    meta |= {"tag": tags} if tags else {}
    return resource | ({"meta": meta} if meta else {})


def totals(opened: Directory, *criterion: str) -> list[int]:
    """How many structures each profile finds."""
    pair = (criterion[0], criterion[1])
    answers = [
        search(
            opened.index,
            opened.bodies,
            Viewer(profile),
            parse("Organization", [pair]),
            "http://ror.test",
            "en",
        )
        for profile in range(6)
    ]
    return [msgspec.json.decode(answer.body)["total"] for answer in answers]
