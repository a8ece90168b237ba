"""
What is left of a resource when a client asks for a part of it: `_elements` and `_summary`.

Bytes in, bytes out: the elements that stay keep the exact JSON they were stored with. An element stays whole or goes
whole; the standard marks some parts of a summary's elements as not belonging to it, which clients do not mind.
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
"""What `_summary` may be. Source: FHIR R4, search.html#summary."""

ALWAYS_INCLUDED: Final = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "modifierExtension"}
)
"""What no subset leaves out: what the resource is, and what changes how the rest must be read."""

SUBSETTED: Final = msgspec.Raw(
    b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}'
)
"""The tag that tells clients not to take a part for the whole, and not to write it back. Source: FHIR R4."""

Summary = Literal["true", "text", "data"]


@dataclass(frozen=True, slots=True)
class Subset:
    """A kind of summary or, without it, some elements by name: those asked for, in alphabetical order."""

    summary: Summary | None = None
    elements: tuple[str, ...] = ()


# --- what is asked ---------------------------------------------------------------------------------------------------


def parse_elements(resource_type: str, text: str) -> tuple[str, ...]:
    """
    The elements that `_elements` = `text` names, each once, in alphabetical order; a choice goes by its common name.

    Raises InvalidRequest for an empty name, NotSupported for one that the type does not have or that goes deeper.

    >>> parse_elements("Location", "status, name")
    ('name', 'status')
    """
    known = _names(resource_type)
    names = {part.strip() for part in text.split(",")}
    for name in sorted(names):
        if not name:
            raise InvalidRequest("search.empty-value", name="_elements")
        if "." in name:
            raise NotSupported(
                "search.nested-element", name=shown(name), top=shown(name.partition(".")[0])
            )
        if name not in known:
            raise NotSupported(
                "search.unknown-element",
                type=resource_type,
                name=shown(name),
                known=closest(name, sorted(known)),
            )
    return tuple(sorted(names))


def parse_summary(text: str) -> Summary | Literal["count"] | None:
    """The kind of summary that `_summary` = `text` asks for; None for the whole. Raises InvalidRequest."""
    if text not in SUMMARY_VALUES:
        raise InvalidRequest(
            "search.one-of", name="_summary", value=shown(text), known=", ".join(SUMMARY_VALUES)
        )
    return None if text == "false" else cast(Summary | Literal["count"], text)


def parse_subset(resource_type: str, pairs: Iterable[tuple[str, str]]) -> Subset | None:
    """
    The subset that the parameters of a read ask for; None for the whole. Other parameters are not looked at.

    Raises InvalidRequest when both are given, when one is twice, or for `_summary=count`, which is for searches.
    """
    asked: dict[str, str] = {}
    for name, text in pairs:
        if name in ("_elements", "_summary"):
            if name in asked:
                raise InvalidRequest("search.given-twice", name=name)
            asked[name] = text
    summary = parse_summary(asked.get("_summary", "false"))
    elements = parse_elements(resource_type, asked["_elements"]) if "_elements" in asked else ()
    if summary == "count":
        known = ", ".join(one for one in SUMMARY_VALUES if one != "count")
        raise InvalidRequest("search.one-of", name="_summary", value="count", known=known)
    if summary and elements:
        raise InvalidRequest("search.elements-with-summary")
    return Subset(summary, elements) if summary or elements else None


@lru_cache(maxsize=len(RESOURCE_TYPES))
def _names(resource_type: str) -> frozenset[str]:
    """The names that `_elements` knows: as in JSON, and the common name of a choice."""
    elements = type_definition(resource_type).elements.values()
    # Client libraries ask for `resourceType` by name, although it is no element.
    return frozenset(
        {"resourceType"}
        | {one.name for one in elements}
        | {one.choice for one in elements if one.choice}
    )


# --- what is left ----------------------------------------------------------------------------------------------------


def apply_subset(body: bytes, resource_type: str, subset: Subset) -> bytes:
    """
    The resource with what the subset leaves of it, tagged as a part; `body` is valid JSON that begins with its type.

    >>> apply_subset(b'{"resourceType":"Location","id":"1","status":"active"}', "Location", Subset("text"))[:55]
    b'{"resourceType":"Location","id":"1","meta":{"tag":[{"sy'
    """
    whole = _object.decode(body)
    kept = _kept(resource_type, subset)
    left: dict[str, msgspec.Raw] = {
        name: whole.pop(name) for name in ("resourceType", "id") if name in whole
    }
    left["meta"] = _tagged(whole.pop("meta", None))
    # `_status` is what there is to say about `status` besides its value.
    left |= {name: value for name, value in whole.items() if name.removeprefix("_") in kept}
    return msgspec.json.encode(left)


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tags: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _tagged(meta: msgspec.Raw | None) -> msgspec.Raw:
    """The `meta` with the tag added, unless something was taken away before; its other parts as they were."""
    parts = _object.decode(meta) if meta is not None else {}
    tags = _tags.decode(parts["tag"]) if "tag" in parts else []
    if bytes(SUBSETTED) not in map(bytes, tags):
        tags.append(SUBSETTED)
    parts["tag"] = msgspec.Raw(msgspec.json.encode(tags))
    return msgspec.Raw(msgspec.json.encode(parts))


@lru_cache(maxsize=256)
def _kept(resource_type: str, subset: Subset) -> frozenset[str]:
    """The names, as in JSON, of the elements that stay; the mandatory ones always do."""
    elements = type_definition(resource_type).elements.values()
    match subset.summary:
        case "true":
            wanted = summary_elements(resource_type)
        case "text":
            wanted = frozenset({"text"})
        case "data":
            wanted = frozenset(one.name for one in elements) - {"text"}
        case None:
            wanted = frozenset(
                one.name for one in elements if {one.name, one.choice} & set(subset.elements)
            )
    return ALWAYS_INCLUDED | wanted | {one.name for one in elements if one.min}
