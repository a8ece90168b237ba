"""
The part of a resource that a client requests with `_elements` or `_summary`.

Bytes in, bytes out: the selected elements keep the exact JSON that is stored. Elements are selected
whole, although FHIR leaves some of their parts out of a summary; clients accept that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, cast

import msgspec

from ror.errors import InvalidRequest, NotSupported
from ror.messages import closest, shown
from ror.standard.definitions import RESOURCE_TYPES, summary_elements, type_definition

SUMMARY_VALUES: Final = ("true", "text", "data", "count", "false")
"""The values of `_summary`. Source: FHIR R4, search.html#summary."""

ALWAYS_INCLUDED: Final = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "modifierExtension"}
)
"""The elements of every subset: identity, and what modifies the meaning of the others."""

SUBSETTED: Final = msgspec.Raw(
    b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}'
)
"""The tag that marks a resource as incomplete, so that clients do not write it back (FHIR R4)."""

Summary = Literal["true", "text", "data"]


@dataclass(frozen=True, slots=True)
class Subset:
    """A kind of summary, or the names of the requested elements in alphabetical order."""

    summary: Summary | None = None
    elements: tuple[str, ...] = ()


# --- parameters -----------------------------------------------------------------------------------


def parse_elements(resource_type: str, text: str) -> tuple[str, ...]:
    """
    The names in the value of `_elements`, without duplicates, in alphabetical order.

    A choice has its common name. Raises InvalidRequest for an empty name, NotSupported for an
    unknown element or a nested one.

    >>> parse_elements("Location", "status, name")
    ('name', 'status')
    """
    accepted = _names(resource_type)
    names = {part.strip() for part in text.split(",")}
    for name in sorted(names):
        if not name:
            raise InvalidRequest("search.empty-value", name="_elements")
        if "." in name:
            raise NotSupported(
                "search.nested-element", name=shown(name), top=shown(name.partition(".")[0])
            )
        if name not in accepted:
            raise NotSupported(
                "search.unknown-element",
                type=resource_type,
                name=shown(name),
                known=closest(name, sorted(accepted)),
            )
    return tuple(sorted(names))


def parse_summary(text: str) -> Summary | Literal["count"] | None:
    """The kind of summary in the value of `_summary`; None for `false`. Raises InvalidRequest."""
    if text not in SUMMARY_VALUES:
        raise InvalidRequest(
            "search.one-of", name="_summary", value=shown(text), known=", ".join(SUMMARY_VALUES)
        )
    return None if text == "false" else cast(Summary | Literal["count"], text)


def parse_subset(resource_type: str, pairs: Iterable[tuple[str, str]]) -> Subset | None:
    """
    The subset that the parameters of a read request; None for the whole resource.

    Ignores other parameters. Raises InvalidRequest for both parameters, for a repeated parameter
    and for `_summary=count`, which only searches support.
    """
    values: dict[str, str] = {}
    for name, text in pairs:
        if name in ("_elements", "_summary"):
            if name in values:
                raise InvalidRequest("search.given-twice", name=name)
            values[name] = text
    summary = parse_summary(values.get("_summary", "false"))
    elements = parse_elements(resource_type, values["_elements"]) if "_elements" in values else ()
    if summary == "count":
        known = ", ".join(value for value in SUMMARY_VALUES if value != "count")
        raise InvalidRequest("search.one-of", name="_summary", value="count", known=known)
    if summary and elements:
        raise InvalidRequest("search.elements-with-summary")
    return Subset(summary, elements) if summary or elements else None


@lru_cache(maxsize=len(RESOURCE_TYPES))
def _names(resource_type: str) -> frozenset[str]:
    """The names that `_elements` accepts: JSON names, and the common name of a choice."""
    elements = type_definition(resource_type).elements.values()
    # Client libraries request `resourceType`, although it is not an element.
    return frozenset(
        {"resourceType"}
        | {element.name for element in elements}
        | {element.choice for element in elements if element.choice}
    )


# --- selection ------------------------------------------------------------------------------------


def apply_subset(body: bytes, resource_type: str, subset: Subset) -> bytes:
    """
    The subset of a resource, tagged as incomplete; `body` is valid JSON that begins with its type.

    >>> body = b'{"resourceType":"Location","id":"1","status":"active"}'
    >>> apply_subset(body, "Location", Subset("text"))[:55]
    b'{"resourceType":"Location","id":"1","meta":{"tag":[{"sy'
    """
    whole = _object.decode(body)
    selected = _selected(resource_type, subset)
    part: dict[str, msgspec.Raw] = {
        name: whole.pop(name) for name in ("resourceType", "id") if name in whole
    }
    part["meta"] = _tagged(whole.pop("meta", None))
    # `_status` has the id and the extensions of `status`.
    part |= {name: value for name, value in whole.items() if name.removeprefix("_") in selected}
    return msgspec.json.encode(part)


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tags: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _tagged(meta: msgspec.Raw | None) -> msgspec.Raw:
    """The `meta` with the tag added, unless it has the tag; its other parts are unchanged."""
    parts = _object.decode(meta) if meta is not None else {}
    tags = _tags.decode(parts["tag"]) if "tag" in parts else []
    if bytes(SUBSETTED) not in map(bytes, tags):
        tags.append(SUBSETTED)
    parts["tag"] = msgspec.Raw(msgspec.json.encode(tags))
    return msgspec.Raw(msgspec.json.encode(parts))


@lru_cache(maxsize=256)
def _selected(resource_type: str, subset: Subset) -> frozenset[str]:
    """The JSON names of the selected elements; mandatory elements are always selected."""
    elements = type_definition(resource_type).elements.values()
    match subset.summary:
        case "true":
            selected = summary_elements(resource_type)
        case "text":
            selected = frozenset({"text"})
        case "data":
            selected = frozenset(element.name for element in elements) - {"text"}
        case None:
            selected = frozenset(
                element.name
                for element in elements
                if {element.name, element.choice} & set(subset.elements)
            )
    return ALWAYS_INCLUDED | selected | {element.name for element in elements if element.min}
