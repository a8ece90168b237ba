"""
The nomenclatures that the profiles of the guide bind to a search parameter.

A profile binds elements to value sets, sometimes a value set for each slice. A search parameter
reads an element, so its codes are those of every value set bound to that element.
"""

from collections.abc import Iterator
from functools import cache

from ror.standard.definitions import (
    Profile,
    ProfileElement,
    SearchParameter,
    extension,
    profiles,
)
from ror.standard.fhirpath import Member, Path, Where, paths


@cache
def bound_value_sets(parameter: SearchParameter) -> tuple[str, ...]:
    """
    The value sets that the elements of a parameter are bound to, in the order of the guide.

    >>> from ror.standard.definitions import search_parameter
    >>> bound_value_sets(search_parameter("Location", "capacity-status"))
    ('https://mos.esante.gouv.fr/NOS/JDV_J188-TypeStatutCapacite-ROR/FHIR/JDV-J188-TypeStatutCapacite-ROR',)
    """
    if not parameter.expression:
        return ()
    return tuple(
        dict.fromkeys(
            element.value_set
            for path in paths(parameter.expression, parameter.resource_type)
            for element in _elements(path, parameter.resource_type)
            if element.value_set
        )
    )


@cache
def identifier_systems(resource_type: str) -> tuple[str, ...]:
    """
    The systems that the guide gives the identifiers of a resource type.

    >>> identifier_systems("Practitioner")
    ('urn:oid:1.2.250.1.71.4.2.1',)
    """
    systems = (
        element.fixed or element.pattern
        for profile in _profiles_of(resource_type)
        for element in profile.elements
        if element.path == f"{resource_type}.identifier.system"
    )
    return tuple(dict.fromkeys(system for system in systems if isinstance(system, str)))


def _elements(path: Path, resource_type: str) -> Iterator[ProfileElement]:
    """The profile elements at the end of a path."""
    candidates, place, part = _profiles_of(resource_type), resource_type, ""
    for step in path:
        match step:
            case Where("url", url) if (profile := extension(url)) is not None:
                candidates, place, part = (profile,), "Extension", ""
            case Where(_, literal):
                part = f":{literal}."
            case Member(name):
                # A profile names a choice by its common name.
                place = f"{place}.{'value[x]' if name.startswith('value') else name}"
    for candidate in candidates:
        for element in candidate.elements:
            if element.path == place and part in (element.id or ""):
                yield element


def _profiles_of(resource_type: str) -> tuple[Profile, ...]:
    return tuple(each for each in profiles().values() if each.type == resource_type)
