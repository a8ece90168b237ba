"""
What this server says that it does: the CapabilityStatement, derived from the tables that make it do so.

The types, profiles and criteria come from `definitions`, less what the search does not offer yet; the interactions are
those of the door's route table. Nothing is listed by hand, so nothing can be promised and refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ror import messages
from ror.search.language.criteria import FILTER
from ror.search.language.modifiers import modifiers_of
from ror.standard.definitions import (
    RESOURCE_TYPES,
    SearchParameter,
    guide,
    includes,
    resource_profiles,
    search_parameters,
)

FHIR_VERSION: Final = "4.0.1"
SERVER_REQUIREMENTS: Final = "ror-serveur"
"""The id of the CapabilityStatement of the guide that says what a ROR server does."""

FORMATS: Final = ("application/fhir+json", "json")

RESULT_PARAMETERS: Final[Mapping[str, str]] = {
    "_count": "number",
    "_sort": "string",
    "_include": "special",
    "_revinclude": "special",
    "_total": "token",
    "_summary": "token",
    "_elements": "string",
    "_format": "token",
    "_pretty": "token",
}
"""Parameters that say how to answer rather than what to find, with their type; each is explained in the catalogue."""

_OAUTH: Final = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "OAuth",
        }
    ]
}

STANDARD_CRITERIA: Final = ("_id", "_lastUpdated", "_tag")
"""Criteria of the standard that may be common to every type."""


def capability_statement(
    base_url: str,
    version: str,
    interactions: Sequence[str],
    date: str,
    anonymous_profile: int | None,
    language: str = messages.DEFAULT_LANGUAGE,
) -> bytes:
    """
    The CapabilityStatement of the service at `base_url`, as JSON.

    `interactions` are the codes that the door offers on each type, `date` the day since which this holds.
    Source: FHIR R4, capabilitystatement.html; the CapabilityStatement `ror-serveur` of the ROR guide.
    """

    def text(key: str, **params: object) -> str:
        return messages.text(f"capability.{key}", language, **params)

    if anonymous_profile is None:
        security = text("security-closed")
    else:
        security = text("security-anonymous", profile=anonymous_profile)
    return msgspec.json.encode(
        {
            "resourceType": "CapabilityStatement",
            "id": "ror",
            "url": f"{base_url}/metadata",
            "version": version,
            "name": "Ror",
            "title": text("title"),
            "status": "active",
            "date": date,
            "description": text("description"),
            "kind": "instance",
            "instantiates": [guide().canonical("CapabilityStatement", SERVER_REQUIREMENTS)],
            "software": {"name": "ror", "version": version},
            "implementation": {"description": text("title"), "url": base_url},
            "fhirVersion": FHIR_VERSION,
            "format": FORMATS,
            "implementationGuide": [guide().canonical("ImplementationGuide", guide().package)],
            "rest": [
                {
                    "mode": "server",
                    "documentation": text("reading"),
                    "security": {"cors": False, "service": [_OAUTH], "description": security},
                    "resource": [_resource(one, interactions, language) for one in RESOURCE_TYPES],
                    "searchParam": _common_parameters(language),
                }
            ],
        }
    )


def served_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """The criteria that can be asked of a type: not those that read nothing."""
    return tuple(
        one
        for one in search_parameters(resource_type).values()
        if one.reads or one.name in ("_has", FILTER)
    )


def includes_of(resource_type: str) -> tuple[str, ...]:
    """
    What `_include` may name in a search of this type: its own links first, then those of what its inclusions bring.

    The guide's own searches of offers name `PractitionerRole:practitioner` and `Organization:partof` (choice 13).

    >>> includes_of("HealthcareService")[:2]
    ('HealthcareService:location', 'HealthcareService:organization')
    """
    links, forward = includes(), {resource_type}
    while (
        further := {
            to for one in links.values() if one.resource_type in forward for to in one.targets
        }
        - forward
    ):
        forward |= further
    brought = forward | {links[one].resource_type for one in revincludes_of(resource_type)}
    found = (name for name, one in links.items() if one.resource_type in brought)
    return tuple(sorted(found, key=lambda name: links[name].resource_type != resource_type))


def revincludes_of(resource_type: str) -> tuple[str, ...]:
    """
    What `_revinclude` may name in a search of this type.

    >>> revincludes_of("Measure")
    ('Task:focus', 'MeasureReport:measure')
    """
    return tuple(name for name, one in includes().items() if resource_type in one.targets)


def _resource(resource_type: str, interactions: Sequence[str], language: str) -> dict[str, Any]:
    supported = resource_profiles().get(resource_type)
    return {
        "type": resource_type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        **({"supportedProfile": [supported]} if supported else {}),
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "full-support",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal"],
        # FHIR forbids empty arrays.
        **{name: list(of(resource_type)) for name, of in _INCLUSIONS.items() if of(resource_type)},
        "searchParam": [_criterion(one, language) for one in served_parameters(resource_type)],
    }


_INCLUSIONS: Final = {"searchInclude": includes_of, "searchRevInclude": revincludes_of}


def _criterion(parameter: SearchParameter, language: str) -> dict[str, str]:
    told = parameter.description_fr if language == "fr" else parameter.description_en
    if parameter.record is not None:
        told = f"{told}. {messages.text('capability.same-record', language)}"
    modifiers = ", ".join(f":{one}" for one in modifiers_of(parameter) if one not in RESOURCE_TYPES)
    told = f"{told.removesuffix('.')}. {messages.text('capability.modifiers', language, known=modifiers)}"
    return {
        "name": parameter.name,
        "definition": parameter.canonical,
        "type": parameter.type,
        "documentation": told,
    }


def _common_parameters(language: str) -> list[dict[str, str]]:
    """The criteria that every type has, then what says how to answer."""
    everywhere = set.intersection(
        *({one.name for one in served_parameters(name)} for name in RESOURCE_TYPES)
    )
    criteria = [
        _criterion(one, language)
        for one in served_parameters(RESOURCE_TYPES[0])
        if one.name in everywhere and one.name in STANDARD_CRITERIA
    ]
    return criteria + [
        {
            "name": name,
            "type": kind,
            "documentation": messages.text(f"capability.{name[1:]}", language),
        }
        for name, kind in RESULT_PARAMETERS.items()
    ]
