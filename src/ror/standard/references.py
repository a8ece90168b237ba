"""
What FHIR calls a reference, and which resource a literal one names.

Source: FHIR R4, references.html.
"""

import re
from typing import Any, Final, NamedTuple, TypeGuard

from ror.standard.definitions import RESOURCE_TYPES


class Reference(NamedTuple):
    """A literal reference to one of this directory's resources."""

    type: str
    id: str


_LITERAL: Final = re.compile(
    rf"(?:.*/)?({'|'.join(RESOURCE_TYPES)})/([A-Za-z0-9\-.]{{1,64}})(?:/_history/.*)?"
)


def literal_reference(text: str) -> Reference | None:
    """
    The resource that a literal reference names, relative or absolute; None for a contained or foreign one.

    >>> literal_reference("https://ror.example.org/fhir/Location/12/_history/3")
    Reference(type='Location', id='12')
    """
    found = _LITERAL.fullmatch(text)
    return Reference(found[1], found[2]) if found else None


def is_reference(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether this is what FHIR calls a Reference, literal or by identifier."""
    return isinstance(value, dict) and (
        isinstance(value.get("reference"), str) or isinstance(value.get("identifier"), dict)
    )
