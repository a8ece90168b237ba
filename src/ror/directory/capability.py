"""
The CapabilityStatement, derived from the tables that the server runs on.

The types, profiles and criteria come from `definitions`, without those that search does not support
yet; the interactions come from the route table. Nothing is listed by hand, so the statement cannot
promise what the server refuses.
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

FORMATS: Final = ("application/fhir+json", "json", "application/fhir+xml", "xml")

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
"""The result parameters and their types; the message catalogue describes each."""

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

    `interactions` are the codes that every type supports, `date` is the date of the statement.
    Source: FHIR R4, capabilitystatement.html; the CapabilityStatement `ror-serveur` of the guide.
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
                    "resource": [
                        _resource(name, interactions, language) for name in RESOURCE_TYPES
                    ],
                    "searchParam": _common_parameters(language),
                }
            ],
        }
    )


def served_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """The search parameters of a type, without those that read no element."""
    return tuple(
        parameter
        for parameter in search_parameters(resource_type).values()
        if parameter.reads or parameter.name in ("_has", FILTER)
    )


def includes_of(resource_type: str) -> tuple[str, ...]:
    """
    The values of `_include` in a search of this type: its own links, then those of included types.

    The searches of the guide on offers include `PractitionerRole:practitioner` and
    `Organization:partof` (choice 13).

    >>> includes_of("HealthcareService")[:2]
    ('HealthcareService:location', 'HealthcareService:organization')
    """
    links, forward = includes(), {resource_type}
    while (
        further := {
            target
            for link in links.values()
            if link.resource_type in forward
            for target in link.targets
        }
        - forward
    ):
        forward |= further
    included = forward | {links[name].resource_type for name in revincludes_of(resource_type)}
    names = (name for name, link in links.items() if link.resource_type in included)
    return tuple(sorted(names, key=lambda name: links[name].resource_type != resource_type))


def revincludes_of(resource_type: str) -> tuple[str, ...]:
    """
    The values of `_revinclude` in a search of this type.

    >>> revincludes_of("Measure")
    ('Task:focus', 'MeasureReport:measure')
    """
    return tuple(name for name, link in includes().items() if resource_type in link.targets)


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
        "searchParam": [
            _criterion(parameter, language) for parameter in served_parameters(resource_type)
        ],
    }


_INCLUSIONS: Final = {"searchInclude": includes_of, "searchRevInclude": revincludes_of}


def _criterion(parameter: SearchParameter, language: str) -> dict[str, str]:
    documentation = parameter.description_fr if language == "fr" else parameter.description_en
    if parameter.record is not None:
        documentation = f"{documentation}. {messages.text('capability.same-record', language)}"
    modifiers = ", ".join(
        f":{modifier}" for modifier in modifiers_of(parameter) if modifier not in RESOURCE_TYPES
    )
    on_modifiers = messages.text("capability.modifiers", language, known=modifiers)
    documentation = f"{documentation.removesuffix('.')}. {on_modifiers}"
    return {
        "name": parameter.name,
        "definition": parameter.canonical,
        "type": parameter.type,
        "documentation": documentation,
    }


def _common_parameters(language: str) -> list[dict[str, str]]:
    """The search parameters that every type has, then the result parameters."""
    everywhere = set.intersection(
        *({parameter.name for parameter in served_parameters(name)} for name in RESOURCE_TYPES)
    )
    criteria = [
        _criterion(parameter, language)
        for parameter in served_parameters(RESOURCE_TYPES[0])
        if parameter.name in everywhere and parameter.name in STANDARD_CRITERIA
    ]
    return criteria + [
        {
            "name": name,
            "type": kind,
            "documentation": messages.text(f"capability.{name[1:]}", language),
        }
        for name, kind in RESULT_PARAMETERS.items()
    ]
