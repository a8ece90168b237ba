"""
The small pieces of FHIR that resources are made of: codes with their labels, extensions, telecoms.

A piece is built once and shared by every resource that holds it, which is what makes a million
resources affordable: nobody may change a piece after it was made, and those that never vary are
kept as encoded JSON. Codes are looked up in the value set that binds them, so that a code which
left its value set stops the generation instead of slipping into the directory.
"""

from functools import cache
from typing import Any

import msgspec

from ror.standard import terminology

Json = dict[str, Any]
"""A resource, or a piece of one that may still change."""

Fragment = Any
"""
A piece that is finished: a dictionary, or JSON encoded beforehand. Both are written the same way,
none is read.
"""

SD = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
CANONICAL = "https://interop.esante.gouv.fr/ig/fhir/ror/"
ADDRESS_PART = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-"
LIEU_DIT = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-lieu-dit"
NOS = "https://mos.esante.gouv.fr/NOS/"

YEARS = f"{NOS}TRE_R247-UcumUniteMesure/FHIR/TRE-R247-UcumUniteMesure"
"""
Code system of the unit `a` of age ranges, as the guide's example writes it (the profiles fix none).
"""

# The profile spells this one with an underscore, the publication with a hyphen: emit the profile's
# (guide 0.7.0).
OTHER_IDENTIFIER_TYPE = f"{NOS}TRE_R345-TypeIdentifiantAutre/FHIR/TRE_R345-TypeIdentifiantAutre"
COMMUNE = f"{NOS}TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"

MOBILE, LANDLINE, EMAIL, WEB, FAX, ANTARES, ALERT_PHONE, ALERT_EMAIL = (
    "1",
    "2",
    "3",
    "4",
    "6",
    "7",
    "8",
    "9",
)
"""Channels of a telecom (J225)."""

PUBLIC, RESTRICTED, VERY_RESTRICTED = "1", "2", "3"
"""Confidentiality levels of contacts and telecoms (J222)."""

_SYSTEM_OF_CHANNEL = {
    MOBILE: "phone",
    LANDLINE: "phone",
    EMAIL: "email",
    WEB: "url",
    FAX: "fax",
    ANTARES: "other",
    ALERT_PHONE: "phone",
    ALERT_EMAIL: "email",
}


@cache
def _value_set_urls() -> dict[str, str]:
    """The canonical of each NOS value set by its number: "J20" for JDV_J20-ChampActivite-ROR."""
    named = (
        (each.name.partition("-")[0].removeprefix("JDV_"), each.url)
        for each in terminology.value_sets()
    )
    return dict(sorted(named))


@cache
def members(value_set: str) -> dict[str, Json]:
    """
    The codings of a NOS value set, given by its number, by code.

    The first code system wins where two of them share a code.
    """
    found: dict[str, Json] = {}
    for system, listed in terminology.members(_value_set_urls()[value_set]):
        coding = {"system": system, "code": listed.code, "display": listed.display}
        found.setdefault(listed.code, {name: text for name, text in coding.items() if text})
    return found


def ready(piece: Json) -> Fragment:
    """The piece as JSON, encoded once for the million times it will be written."""
    return msgspec.Raw(msgspec.json.encode(piece))


def coding(value_set: str, code: str) -> Json:
    """
    The Coding of a code in its value set, with its label.

    Raises KeyError when the value set no longer has the code.
    """
    return members(value_set)[code]


@cache
def concept(value_set: str, code: str) -> Fragment:
    """The CodeableConcept of a code in its value set, with its label."""
    return ready({"coding": [coding(value_set, code)]})


@cache
def coded(url: str, value_set: str, code: str) -> Fragment:
    """
    The extension of that url whose value is the concept of a code; a short url is one inside
    another extension.
    """
    return ready({"url": url, "valueCodeableConcept": {"coding": [coding(value_set, code)]}})


@cache
def typed(system: str, code: str) -> Fragment:
    """The type of an identifier: a concept of a code system that no value set of ours binds."""
    return ready(
        {"coding": [{"system": system, "code": code, "display": terminology.display(system, code)}]}
    )


@cache
def flag(url: str, value: bool) -> Fragment:
    """The extension whose value is true or false."""
    return ready({"url": url, "valueBoolean": value})


@cache
def _telecom_extensions(channel: str, level: str, usage: str) -> tuple[Fragment, ...]:
    extensions = [coded(SD + "ror-telecom-communication-channel", "J225", channel)]
    if usage:
        extensions.append(ready({"url": SD + "ror-telecom-usage", "valueString": usage}))
    extensions.append(coded(SD + "ror-telecom-confidentiality-level", "J222", level))
    return tuple(extensions)


def telecom(channel: str, value: str, level: str, usage: str = "") -> Json:
    """
    The ContactPoint of a number or address, with its channel (J225) and its confidentiality level
    (J222).
    """
    return {
        "extension": _telecom_extensions(channel, level, usage),
        "system": _SYSTEM_OF_CHANNEL[channel],
        "value": value,
    }


def telecom_extension(channel: str, value: str, level: str, usage: str = "") -> Json:
    """
    The same telecom inside the contact of an offer, where it is an extension and not a
    ContactPoint.
    """
    return {
        "url": SD + "ror-healthcareservice-contact-telecom",
        "extension": [
            *_telecom_extensions(channel, level, usage),
            {"url": "telecomAddress", "valueString": value},
        ],
    }


def territory(kind: str, place: Json) -> Fragment:
    """
    The territorial division extension: kind 3 with the concept of a commune, 4 with one of a health
    territory.
    """
    parts = [
        coded("typeTerritorialDivision", "J223", kind),
        {"url": "codeTerritorialDivision", "valueCodeableConcept": place},
    ]
    return ready({"url": SD + "ror-territorial-division", "extension": parts})
