"""
FHIR references, and the resources that literal references name.

Source: FHIR R4, references.html.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeGuard

from ror.standard.definitions import RESOURCE_TYPES


class Reference(NamedTuple):
    """A literal reference to one of this directory's resources."""

    type: str
    id: str


_NAMED: Final = rf"({'|'.join(RESOURCE_TYPES)})/([A-Za-z0-9\-.]{{1,64}})(?:/_history/.*)?"
_LOCAL: Final = re.compile(_NAMED)
_LITERAL: Final = re.compile(rf"(?:.*/)?{_NAMED}")
_BASE: Final = re.compile(
    r"(https?://.+?)(?:/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/.*)?)?"
)


def literal_reference(text: str) -> Reference | None:
    """
    The resource that a literal reference names, whatever its base; None for `#id`.

    For access only: an address of another server must open nothing that its `Type/id` would not.

    >>> literal_reference("https://ror.example.org/fhir/Location/12/_history/3")
    Reference(type='Location', id='12')
    """
    match = _LITERAL.fullmatch(text)
    return Reference(match[1], match[2]) if match else None


def local_reference(text: str) -> Reference | None:
    """
    The resource of this directory that a literal reference names; None for any absolute address
    (choice 34).

    >>> local_reference("Location/12"), local_reference("https://other.example/fhir/Location/12")
    (Reference(type='Location', id='12'), None)
    """
    match = _LOCAL.fullmatch(text)
    return Reference(match[1], match[2]) if match else None


def base_of(address: str) -> str:
    """
    The base of the server that an absolute reference leads to; the whole of any other address.

    >>> base_of("https://other.example/fhir/Organization/x"), base_of("https://other.example/x")
    ('https://other.example/fhir', 'https://other.example/x')
    """
    match = _BASE.fullmatch(address)
    return match[1] if match else address


def rewritten(node: Any, rewrite: Callable[[str], str]) -> Any:
    """A resource, or a part of one, with the text of each of its literal references rewritten."""
    if isinstance(node, list):
        return [rewritten(item, rewrite) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: rewrite(value)
        if name == "reference" and isinstance(value, str)
        else rewritten(value, rewrite)
        for name, value in node.items()
    }


def relative(address: str, bases: Iterable[str]) -> str:
    """
    A reference without its base if that is one of `bases`; any other reference unchanged.

    >>> relative("https://ror.example.org/fhir/Location/12", ["https://ror.example.org/fhir"])
    'Location/12'
    """
    for base in bases:
        prefix = f"{base}/"
        if address.startswith(prefix) and local_reference(address.removeprefix(prefix)):
            return address.removeprefix(prefix)
    return address


def is_reference(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a value is a FHIR Reference, literal or by identifier."""
    return isinstance(value, dict) and (
        isinstance(value.get("reference"), str) or isinstance(value.get("identifier"), dict)
    )
