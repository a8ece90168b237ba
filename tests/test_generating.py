"""
The fictitious directory: repeatable, coherent, conforming to the profiles, and holding an example
of everything.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files
from itertools import islice
from typing import Any

import pytest

from ror.resources.validation import validate
from ror.samples import SIZES, Size, generate
from ror.samples.catalogue import catalogue
from ror.samples.fragments import SD
from ror.samples.registrar import FICTION_PHONES, luhn_key
from ror.search.index.extract import extract
from ror.standard import definitions, terminology

COUNTED = {
    "HealthcareService": "healthcare_services",
    "Location": "locations",
    "Organization": "organizations",
    "Practitioner": "practitioners",
    "PractitionerRole": "practitioner_roles",
}

NOTHING_TO_INDEX = {"_filter", "_has", "_content", "near-insee-code"}
"""
Search parameters that read no element of their own: whole resources, or the commune that
commune-cog reads too.
"""

CARRIED_BY_NO_PROFILE = {
    "ror-contact-telecom-confidentiality-level",
    "ror-contact-telecom-usage",
    "ror-launchcontext",
}
"""
Extensions defined and never used (data model, trap 19), and the one whose instances bear another
url.
"""

WORDS_OF_CO3 = re.compile(
    r"uhsi|sécuris|pénitentia|uhsa|spécialement aménag|smpr|médico-psychologique régional|nrbc|décontamina",
    re.I,
)


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(generate("small"))


@pytest.fixture(scope="module")
def resources(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in lines]


def of_type(resources: list[dict[str, Any]], resource_type: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == resource_type]


def every(value: Any, name: str) -> Iterator[Any]:
    """Every value that has this name, at any depth."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for inner in value.values():
            yield from every(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from every(inner, name)


def extension(holder: dict[str, Any], url: str) -> list[dict[str, Any]]:
    return [each for each in holder.get("extension", ()) if each["url"] in {url, SD + url}]


def code(holder: dict[str, Any], url: str) -> str:
    """The code of a nested extension, "" when it is not there."""
    found = extension(holder, url)
    return found[0]["valueCodeableConcept"]["coding"][0]["code"] if found else ""


def url_of_instances(profile: str) -> str:
    """
    The url that extensions of this profile bear: that of its base when it only narrows another
    guide's.
    """
    table = definitions.extension(profile)
    narrows = table is not None and not table.base.endswith("/Extension")
    return table.base if narrows else profile


def values_at(resource: dict[str, Any], steps: list[str]) -> list[Any]:
    """What is at the end of a path of an element table; `value[x]` is any typed value."""
    found: list[Any] = [resource]
    for step in steps:
        inner: list[Any] = []
        for each in found:
            if not isinstance(each, dict):
                continue
            names = (
                [name for name in each if name.startswith("value")]
                if step == "value[x]"
                else [step]
            )
            inner += [each[name] for name in names if name in each]
        found = [one for each in inner for one in (each if isinstance(each, list) else [each])]
    return found


# --- the stream -----------------------------------------------------------------------------------


def test_a_seed_gives_the_same_bytes_in_another_process_whatever_its_hash_seed():
    program = (
        "import hashlib, itertools; from ror.samples import generate; digest = hashlib.sha256();"
        "[digest.update(line) for line in itertools.islice(generate('small', 1), 800)]; print(digest.hexdigest())"
    )
    elsewhere = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "4242")
    }

    here = sha256(b"".join(islice(generate("small", 1), 800))).hexdigest()

    assert elsewhere == {here}


def test_the_same_process_generates_the_same_directory_twice(lines):
    assert list(generate(Size.small)) == lines


def test_another_seed_gives_another_directory(lines):
    assert list(islice(generate("small", 2), 50)) != lines[:50]


def test_an_unknown_size_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r'"huge" is not a size of directory; try small, medium, national'
    ):
        next(generate("huge"))


def test_the_sizes_are_a_million_resources_and_the_same_proportions_below():
    assert [SIZES[size].total for size in Size] == [3_000, 100_000, 1_000_000]
    for name in COUNTED.values():
        assert getattr(SIZES[Size.national], name) == 10 * getattr(SIZES[Size.medium], name)


def test_a_small_directory_has_the_resources_announced(resources):
    made = Counter(resource["resourceType"] for resource in resources)

    for resource_type, name in COUNTED.items():
        target = getattr(SIZES[Size.small], name)
        assert abs(made[resource_type] - target) <= target * 0.05, resource_type
    assert {"Task", "Questionnaire", "Measure", "MeasureReport"} <= set(made)


def test_a_line_is_compact_json_without_line_feed(lines):
    assert not any(b"\n" in line or b'": ' in line for line in lines)


def test_an_amount_keeps_its_two_decimals(lines):
    amounts = re.findall(rb'"valueMoney":{"value":([^,]+),', b"".join(lines))

    assert amounts
    assert all(re.fullmatch(rb"\d+\.\d\d", amount) for amount in amounts)


# --- coherence ------------------------------------------------------------------------------------


def test_a_reference_names_a_resource_that_came_before(resources):
    seen: set[str] = set()
    for resource in resources:
        seen.add(f"{resource['resourceType']}/{resource['id']}")
        unknown = [each for each in every(resource, "reference") if each not in seen]
        assert not unknown, (resource["resourceType"], resource["id"])


def test_ids_and_identifiers_are_given_once(resources):
    ids = Counter((resource["resourceType"], resource["id"]) for resource in resources)
    numbers = Counter(
        (resource["resourceType"], json.dumps(identifier.get("type")), identifier["value"])
        for resource in resources
        if resource["resourceType"] in COUNTED
        for identifier in resource.get("identifier", ())
        if '"2"' not in json.dumps(identifier.get("type"))
    )

    assert max(ids.values()) == 1
    assert max(numbers.values()) == 1


def test_a_place_without_offer_names_its_establishment_and_no_other_does(resources):
    used = {
        place["reference"].removeprefix("Location/")
        for offer in of_type(resources, "HealthcareService")
        for place in offer["location"]
    }

    managed = {
        place["id"] for place in of_type(resources, "Location") if "managingOrganization" in place
    }

    assert managed
    assert managed == {place["id"] for place in of_type(resources, "Location")} - used


def test_capacity_records_of_a_place_have_distinct_keys_and_counts_that_fit(resources):
    parts = (
        "capacityStatus", "temporalityCapacity", "genderCapacityAvailable", "capacityClosingType", "additionalBedType",
        "crisisType", "temporaryAssignement",
    )  # fmt: skip
    statuses = Counter()
    for place in of_type(resources, "Location"):
        records = extension(place, "ror-location-supported-capacity")
        keys = [tuple(code(record, part) for part in parts) for record in records]
        statuses.update(key[0] for key in keys)
        assert len(set(keys)) == len(keys)
        counts: Counter[str] = Counter()
        for record, key in zip(records, keys, strict=True):
            if key[1] == "01":
                counts[key[0]] += extension(record, "nbCapacity")[0]["valueInteger"]
        assert counts["02"] + counts["03"] + counts["04"] + counts["05"] <= counts["01"]

    assert set(statuses) == {"01", "02", "03", "04", "05", "06"}


def test_ages_are_ordered_and_homes_for_the_elderly_receive_from_sixty(resources):
    for offer in of_type(resources, "HealthcareService"):
        [ages] = every(offer["extension"], "valueRange")
        assert 0 <= ages["low"]["value"] <= ages["high"]["value"]
        if offer["name"].startswith("Hébergement permanent"):
            assert ages["low"]["value"] >= 60


def test_a_unit_is_sensitive_exactly_when_its_name_betrays_it(resources):
    flags = {
        offer["name"]: extension(offer, "ror-healthcareservice-sensitive-unit")[0]["valueBoolean"]
        for offer in of_type(resources, "HealthcareService")
    }

    assert any(flags.values())
    assert {name for name, flagged in flags.items() if flagged} == {
        name for name in flags if WORDS_OF_CO3.search(name)
    }


def test_an_emergency_offer_is_called_so(resources):
    emergencies = [
        offer
        for offer in of_type(resources, "HealthcareService")
        if {"157", "249"} & set(every(offer["specialty"], "code"))
        and "33" in every(offer["characteristic"], "code")
    ]

    assert emergencies
    assert all("urgences" in offer["name"].lower() for offer in emergencies)


def test_a_psychiatric_sector_has_its_published_format(resources):
    sectors = [
        each["valueString"]
        for offer in of_type(resources, "HealthcareService")
        for each in extension(offer, "ror-healthcareservice-psychiatric-sector")
    ]

    assert sectors
    assert all(re.fullmatch(r"(\d\d|2[AB]|97\d)[GI]\d\d", sector) for sector in sectors)


def test_telephone_numbers_are_those_reserved_for_fiction(lines):
    numbers = re.findall(rb'"(0[1-9]\d{8})"', b"".join(lines))

    assert numbers
    assert {number[:6].decode() for number in numbers} <= set(FICTION_PHONES.values())


def test_mail_and_web_addresses_are_under_reserved_names(lines):
    text = b"".join(lines).decode()
    hosts = re.findall(r'"[^"@ ]+@([^"]+)"', text) + re.findall(r'"https://www\.([^"/]+)', text)

    assert hosts
    assert all(re.fullmatch(r"([\w.-]+\.)?(example\.org|example)", host) for host in hosts), set(
        hosts
    )


def test_numbers_of_structures_and_persons_have_right_keys_in_blocks_never_given(resources):
    found = {
        "https://finess.esante.gouv.fr": r"..9\d{6}",
        "urn:oid:1.2.250.1.71.4.2.1": r"899\d{9}",
        "https://sirene.fr": r"00\d{7}(\d{5})?",
    }
    identifiers = [
        identifier
        for resource in resources
        if resource["resourceType"] in {"Organization", "Practitioner"}
        for identifier in resource["identifier"]
        if identifier["system"] in found
    ]

    assert {identifier["system"] for identifier in identifiers} == set(found)
    for identifier in identifiers:
        value = identifier["value"]
        assert re.fullmatch(found[identifier["system"]], value)
        number = value[1:] if identifier["system"].startswith("urn:oid") else value
        assert luhn_key(number[:-1]) == number[-1]


# --- conformance ----------------------------------------------------------------------------------


def test_every_resource_is_valid_fhir(resources):
    issues = {issue.text("en") for resource in resources for issue in validate(resource)}

    assert not issues


def test_every_resource_keeps_the_cardinalities_of_its_profile(resources):
    profiles = {
        profile.type: profile
        for profile in definitions.profiles().values()
        if profile.kind == "resource"
    }
    for resource in resources:
        for element in profiles[resource["resourceType"]].elements:
            *parents, last = element.path.split(".")[1:] or [""]
            if (
                not last
                or "[x]" in element.path
                or (element.id and element.id.count(":") > bool(element.profile))
            ):
                continue
            for parent in values_at(resource, parents):
                if not isinstance(parent, dict):
                    continue
                if element.profile:
                    count = len(extension(parent, url_of_instances(element.profile)))
                elif element.slice or (element.id and ":" in element.id):
                    continue
                else:
                    count = len(values_at(parent, [last]))
                assert element.min <= count, (resource["id"], element.id or element.path)
                assert element.max is None or count <= element.max, (
                    resource["id"],
                    element.id or element.path,
                )


def test_every_extension_of_the_guide_occurs_and_keeps_its_cardinalities(resources):
    tables = definitions.extensions()
    met: set[str] = set()
    pending = [
        each for resource in resources for found in every(resource, "extension") for each in found
    ]
    for each in pending:
        table = tables.get(each["url"])
        if table is None:
            continue
        met.add(table.name)
        for element in table.elements:
            if element.path == "Extension.extension" and element.slice:
                count = len(extension(each, element.profile or element.slice))
                assert element.min <= count, (table.name, element.slice)
                assert element.max is None or count <= element.max, (table.name, element.slice)

    assert {table.name for table in tables.values()} - met == CARRIED_BY_NO_PROFILE


def test_every_code_of_an_extension_is_in_the_value_set_that_binds_it(resources):
    bound = {
        (table.url, element.id or element.path): element.value_set
        for table in definitions.extensions().values()
        for element in table.elements
        if element.value_set
        and element.strength == "required"
        and "Commune" not in element.value_set
    }
    members = {
        url: {(system, each.code) for system, each in terminology.members(url)}
        for url in bound.values()
        if "mos.esante" in url
    }
    checked = 0
    for resource in resources:
        for each in (one for found in every(resource, "extension") for one in found):
            own = [("Extension.value[x]", each)]
            own += [
                (f"Extension.extension:{inner['url']}.value[x]", inner)
                for inner in each.get("extension", ())
            ]
            for path, holder in own:
                allowed = members.get(bound.get((each["url"], path), ""))
                for coding in (
                    holder.get("valueCodeableConcept", {}).get("coding", ()) if allowed else ()
                ):
                    checked += 1
                    assert (coding["system"], coding["code"]) in allowed, (each["url"], path)
    assert checked > 1_000


def test_every_code_has_the_label_of_its_code_system(resources):
    codings = {
        (coding["system"], coding["code"], coding.get("display"))
        for resource in resources
        for found in every(resource, "coding")
        for coding in found
        if coding.get("system", "").startswith("https://mos.esante")
        and "R13-CommuneOM" not in coding["system"]
    }

    assert {each for each in codings if terminology.display(each[0], each[1]) != each[2]} == set()


# --- an example of everything ---------------------------------------------------------------------


def test_every_search_parameter_finds_something_to_index(resources):
    indexed = {
        (resource["resourceType"], name)
        for resource in resources
        for name, found in extract(resource).items()
        if found
    }

    missing = {
        (parameter.resource_type, parameter.name)
        for parameter in definitions.all_search_parameters()
        if parameter.name not in NOTHING_TO_INDEX
        and parameter.expression is not None
        # What FHIR R4 adds to the guide is in the examples of `tests/spec`.
        and parameter.maturity != "added"
    } - indexed

    assert not missing


def test_the_three_confidentiality_levels_occur_on_contacts_and_telecoms(resources):
    for url in (
        "ror-contact-confidentiality-level",
        "ror-confidentiality-level",
        "ror-telecom-confidentiality-level",
    ):
        levels = {
            each["valueCodeableConcept"]["coding"][0]["code"]
            for resource in resources
            for found in every(resource, "extension")
            for each in found
            if each["url"] == SD + url
        }
        assert levels == {"1", "2", "3"}, url


@pytest.mark.parametrize(
    ("resource_type", "system", "at_least"),
    [
        pytest.param(
            "HealthcareService", "TRE_R227-ChampActivite", 5, id="every field of activity"
        ),
        pytest.param("Location", "TRE_R343-FonctionLieu", 20, id="most functions of places"),
        pytest.param("Organization", "TRE_R246-TypeTarif", 7, id="every kind of price"),
        pytest.param(
            "Organization",
            "TRE_R207-TypeOrganisationInterne",
            3,
            id="three levels of internal organisation",
        ),
        pytest.param("PractitionerRole", "TRE_R04-TypeSavoirFaire", 8, id="most kinds of know-how"),
        pytest.param("PractitionerRole", "TRE_R23-ModeExercice", 3, id="every mode of exercise"),
    ],
)
def test_a_small_directory_is_varied(resources, resource_type, system, at_least):
    used = {
        coding["code"]
        for resource in of_type(resources, resource_type)
        for found in every(resource, "coding")
        for coding in found
        if f"/{system}/" in coding["system"]
    }

    assert len(used) >= at_least


def test_every_region_is_a_source(resources):
    sources = {tag["code"] for resource in resources for tag in resource["meta"].get("tag", ())}

    assert len(sources) == 18


# --- the catalogue of offers ----------------------------------------------------------------------


def test_every_family_of_the_catalogue_is_used():
    text = files("ror.standard.knowledge").joinpath("offers.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    rows = [
        row for table in ("families", "hospital", "community") for row in tables[table].values()
    ]
    used = {
        family
        for row in rows
        for family in ([row["like"]] if isinstance(row.get("like"), str) else row.get("like", ()))
    }

    assert used == set(tables["families"])


def test_the_offers_that_a_hospital_must_have_are_in_the_catalogue():
    known = catalogue()
    named = {*known.sensitive, *(key for keys in known.maternity.values() for key in keys)}

    assert len(known.kinds) > 100
    assert named - known.kinds.keys() == set()
    assert {key for key, kind in known.kinds.items() if kind.sensitive} == set(known.sensitive)
