"""
How each type is written in XML: which elements it may hold, in which order, and which are
attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from ror.standard.definitions import type_definition, type_names

FHIR: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"

Kind = Literal["primitive", "object", "resource", "narrative"]


@dataclass(frozen=True, slots=True)
class XmlElement:
    """
    An element that a type may hold.

    `place` is its position among the elements of the type; the types of a choice share one.
    `type_name` is the type of its content, "Element" for what a primitive value may hold besides.
    `path_name` is its name in FHIRPath, and `primitive` the type of its value if it has one.
    """

    name: str
    path_name: str
    kind: Kind
    type_name: str
    place: int
    repeats: bool
    primitive: str = ""


@dataclass(frozen=True, slots=True)
class XmlType:
    """A type: its attributes and its elements, by their names in JSON."""

    name: str
    attributes: tuple[str, ...]
    elements: Mapping[str, XmlElement]


@cache
def xml_type(name: str) -> XmlType:
    """
    How a resource type, a data type or a backbone element is written in XML.

    Raises KeyError when the project has no table for it.

    >>> xml_type("Extension").attributes, xml_type("Extension").elements["valueCode"].path_name
    (('id', 'url'), 'value')
    """
    definition = type_definition(name)
    attributes = _attributes(name)
    places: dict[str, int] = {}
    elements = {}
    for element in definition.elements.values():
        if element.name in attributes:
            continue
        path_name = element.choice or element.name
        [content] = element.types[:1]
        kind = _kind(content)
        elements[element.name] = XmlElement(
            element.name,
            path_name,
            kind,
            "Element" if kind == "primitive" else content,
            places.setdefault(path_name, len(places)),
            element.max != 1,
            content if kind == "primitive" else "",
        )
    return XmlType(name, attributes, elements)


def _attributes(type_name: str) -> tuple[str, ...]:
    """
    The properties of a type that are attributes.

    Source: FHIR R4, xml.html: the id of a resource is an element, that of anything else is not.
    """
    if type_definition(type_name).kind == "resource":
        return ()
    return ("id", "url") if type_name == "Extension" else ("id",)


def _kind(type_name: str) -> Kind:
    if type_name == "xhtml":
        return "narrative"
    if type_name == "Resource":
        return "resource"
    return "primitive" if type_definition(type_name).kind == "primitive" else "object"


@cache
def resource_types() -> frozenset[str]:
    """The resource types that have a table, which alone can be read and written."""
    named = (name for name in type_names() if type_definition(name).kind == "resource")
    return frozenset(named) - {"Resource", "DomainResource"}
