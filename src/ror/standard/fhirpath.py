"""
The FHIRPath of search parameters, parsed into steps, and the FHIR type that each step selects.

The language of the published expressions is small: names, `.where(field = 'literal')`, `.as(Type)`
or `.ofType(Type)` after a choice element, `extension('url')`, parentheses and unions. This module
parses it and computes the types; `search.extract` walks resources along the steps.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from ror.standard.definitions import Element, SearchParameter, type_definition


@dataclass(frozen=True, slots=True)
class Member:
    """A step to the member `name` of the JSON object, whose FHIR type is `type`."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Where:
    """A step that selects the objects whose `field` is `literal`: `.where(url = '…')`."""

    field: str
    literal: str


Step = Member | Where
Path = tuple[Step, ...]

_STEP: Final = re.compile(
    r"""
    \.?(?:
        where\(\s*(?P<field>\w+)\s*=\s*'(?P<literal>[^']*)'\s*\)
      | extension\(\s*'(?P<url>[^']*)'\s*\)
      | (?:as|ofType)\(\s*(?P<type>\w+)\s*\)
      | (?P<name>\w+)
    )
    """,
    re.VERBOSE | re.ASCII,
)
_CAST: Final = re.compile(r"\(\s*(?P<path>[\w.]+)\s+as\s+(?P<type>\w+)\s*\)", re.ASCII)


@cache
def paths(expression: str, resource_type: str) -> tuple[Path, ...]:
    """
    The paths, one per branch of the union, that `expression` follows through a resource of
    `resource_type`.

    Raises ValueError if the syntax is not supported or an element does not exist.

    >>> paths("Organization.partOf", "Organization")
    ((Member(name='partOf', type='Reference'),),)
    """
    branches = _CAST.sub(r"\g<path>.as(\g<type>)", expression).split("|")
    return tuple(_path(branch.strip(), resource_type) for branch in branches)


def selected_type(path: Path, resource_type: str) -> str:
    """The FHIR type of the values that a path selects."""
    return next((step.type for step in reversed(path) if isinstance(step, Member)), resource_type)


@cache
def selected_types(expression: str, resource_type: str) -> frozenset[str]:
    """
    The FHIR types of the values that an expression selects.

    >>> selected_types("Location.type", "Location")
    frozenset({'CodeableConcept'})
    """
    return frozenset(
        selected_type(path, resource_type) for path in paths(expression, resource_type)
    )


def _path(branch: str, resource_type: str) -> Path:
    head, _, rest = branch.partition(".")
    if head not in (resource_type, "Resource", "DomainResource"):
        raise ValueError(f'"{branch}" does not start at {resource_type}')
    steps: list[Step] = []
    at, type_name = 0, resource_type
    while at < len(rest):
        match = _STEP.match(rest, at)
        if not match:
            raise ValueError(f'"{branch}" is not understood from "{rest[at:]}"')
        at = match.end()
        if match["field"]:
            steps.append(Where(match["field"], match["literal"]))
        elif match["url"]:
            steps += [_member(type_name, "extension"), Where("url", match["url"])]
            type_name = "Extension"
        elif match["type"]:
            # A choice element: `value.as(Range)` is the JSON member `valueRange`.
            choice = steps.pop()
            if not isinstance(choice, Member):
                raise ValueError(f'"{branch}" casts something that is not an element')
            before = selected_type(tuple(steps), resource_type)
            steps.append(
                _member(before, choice.name + match["type"][0].upper() + match["type"][1:])
            )
            type_name = match["type"]
        else:
            step = _member(type_name, match["name"])
            steps.append(step)
            type_name = step.type
    return tuple(steps)


def _member(type_name: str, name: str) -> Member:
    """The member of a type; the type of a choice element is "" until a cast names it."""
    elements = type_definition(type_name).elements
    if name in elements:
        return Member(name, elements[name].types[0])
    if any(element.choice == name for element in elements.values()):
        return Member(name, "")
    raise ValueError(f'{type_name} has no element "{name}"')


def types_read(parameter: SearchParameter) -> frozenset[str]:
    """The FHIR types of the elements that a parameter reads."""
    if not parameter.expression:
        return frozenset()
    return selected_types(parameter.expression, parameter.resource_type)


@cache
def implicit_systems(parameter: SearchParameter) -> frozenset[str]:
    """
    The code systems and the value sets of the `code` elements that a parameter reads.

    An element of type `code` holds no system: it is that of its value set (choice 36).
    """
    return frozenset(
        system for element in _code_elements(parameter) for system in element.code_systems
    )


@cache
def implicit_code_system(parameter: SearchParameter) -> str:
    """The code system that the `code` elements of a parameter imply; "" without any."""
    systems = sorted(implicit_systems(parameter))
    return next((system for system in systems if "/ValueSet/" not in system), "")


@cache
def implicit_codes(parameter: SearchParameter) -> frozenset[str]:
    """The codes that the elements of type `code` of a parameter may hold; empty without any."""
    return frozenset(code for element in _code_elements(parameter) for code in element.codes or ())


def _code_elements(parameter: SearchParameter) -> Iterator[Element]:
    """The elements of type `code` that a token parameter reads."""
    if not parameter.expression or parameter.type != "token":
        return
    for path in paths(parameter.expression, parameter.resource_type):
        if path and isinstance(path[-1], Member) and path[-1].type == "code":
            owner = type_definition(selected_type(path[:-1], parameter.resource_type))
            yield owner.elements[path[-1].name]
