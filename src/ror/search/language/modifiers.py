"""
Which modifiers a parameter takes: by its type, and by what it reads.

Each type of parameter has its modifiers; some of them look at something of their own (`beside.py`), and do only where
the parameter reads an element that has it.
"""

from collections.abc import Mapping
from typing import Final

from ror.search.language.beside import CONVERSIONS, IDENTIFIER, OF_TYPE, TEXT
from ror.standard.definitions import FULL_TEXT, RESOURCE_TYPES, SearchParameter
from ror.standard.fhirpath import reached_types

MODIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("not", "missing", TEXT, OF_TYPE),
    "string": ("exact", "contains", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "reference": ("missing", IDENTIFIER),
    "special": ("missing",),
}
"""What may follow the colon, by type of parameter; a reference also takes the type of its target."""

_BESIDE: Final = frozenset({TEXT, OF_TYPE, IDENTIFIER})


def modifiers_of(parameter: SearchParameter) -> tuple[str, ...]:
    """Every modifier that a parameter takes, types of its targets included, in the order of `RESOURCE_TYPES`."""
    if parameter.name in FULL_TEXT:
        return (
            "missing",
        )  # a word is found whole or by how it begins: its middle is another question
    offered = {
        modifier
        for element in elements_read(parameter)
        for modifier in CONVERSIONS.get(element, ())
    }
    taken = tuple(one for one in MODIFIERS[parameter.type] if one in offered or one not in _BESIDE)
    return taken + tuple(name for name in RESOURCE_TYPES if name in parameter.targets)


def elements_read(parameter: SearchParameter) -> frozenset[str]:
    """The FHIR types of the elements that a parameter reads."""
    return (
        reached_types(parameter.expression, parameter.resource_type)
        if parameter.expression
        else frozenset()
    )
