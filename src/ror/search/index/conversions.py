"""
The conversion of an element to values, by type of search parameter and FHIR type.

One table has every valid pair. A pair that it lacks has no meaning in FHIR R4 (search.html#ptypes),
or none that a column of the index can hold: a Range is no single quantity.
`tools/build_search_parameters.py` refuses parameters that would need such a pair.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final

from ror.search.language.values import (
    Canonical,
    LogicalReference,
    Period,
    Position,
    Quantity,
    Text,
    Token,
    TypedIdentifier,
    Value,
    covering,
    covering_between,
    normal_code,
    normal_identifier,
    normal_system,
    normal_text,
    normal_unit,
)
from ror.standard.references import literal_reference, local_reference

Convert = Callable[[Any], Sequence[Value]]

ABSENT_CODE: Final = ""
"""
The code of a concept without code: `:missing` counts the concept, and no query matches the code.
"""

DEFAULT_UNIT: Final = {"age-range-low": "a", "age-range-high": "a"}
"""The unit of a quantity without unit: ages are in years (choice 10)."""

CURRENCIES: Final = "urn:iso:std:iso:4217"


def conversion(param: str, parameter_type: str, fhir_type: str) -> Convert:
    """
    The function that converts a FHIR type for a parameter. Raises KeyError for an invalid pair.
    """
    convert = _CONVERSIONS[parameter_type, fhir_type]
    unit = DEFAULT_UNIT.get(param)
    return partial(_quantity, default_unit=unit) if unit and convert is _quantity else convert


def readable_types(parameter_type: str) -> frozenset[str]:
    """
    The FHIR types that parameters of a type can read.

    >>> sorted(readable_types("number"))
    ['decimal', 'integer', 'positiveInt', 'unsignedInt']
    """
    return frozenset(fhir_type for kind, fhir_type in _CONVERSIONS if kind == parameter_type)


# --- tokens ---------------------------------------------------------------------------------------


@lru_cache(maxsize=16384)
def _token(code: str, system: str) -> Token:
    """A code of a nomenclature, cached because a few thousand codes recur."""
    normal = normal_system(system)
    return Token(normal_code(code, normal), normal)


def _coding(value: Any) -> Sequence[Value]:
    return (_token(value.get("code", ABSENT_CODE), value.get("system", "")),)


def _codeable_concept(value: Any) -> Sequence[Value]:
    codings = value.get("coding")
    if not codings:
        return (_token(ABSENT_CODE, ""),)
    return [_token(coding.get("code", ABSENT_CODE), coding.get("system", "")) for coding in codings]


def _identifier(value: Any) -> Sequence[Value]:
    """The value of an identifier or of a contact point, whose system is `phone`, `email`…"""
    code = normal_identifier(value.get("value", ABSENT_CODE))
    return (Token(code, normal_system(value.get("system", ""))),)


def _code(value: Any) -> Sequence[Value]:
    return (Token(value, ""),)


def _caseless(value: Any) -> Sequence[Value]:
    return (Token(normal_identifier(value), ""),)


def _boolean(value: Any) -> Sequence[Value]:
    return (Token("true" if value else "false", ""),)


# --- strings --------------------------------------------------------------------------------------


def _string(value: Any) -> Sequence[Value]:
    return (Text(normal_text(value), value),)


def _parts(names: Sequence[str], value: Any) -> Sequence[Value]:
    """
    Each part of a name or of an address, once.

    Source: FHIR R4, search.html#string: a server may match any of the parts.
    """
    return [Text(normal_text(text), text) for text in dict.fromkeys(_texts(names, value))]


def _texts(names: Sequence[str], value: Any) -> Iterator[str]:
    for under in filter(None, map(value.get, names)):
        # An array of primitives has null where only its `_name` sibling has a value.
        yield from filter(None, under) if isinstance(under, list) else (under,)


_human_name = partial(_parts, ("text", "family", "given", "prefix", "suffix"))
_address = partial(_parts, ("text", "line", "city", "district", "state", "postalCode", "country"))


# --- URIs -----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _uri(value: str) -> Sequence[Value]:
    return (TypedIdentifier(value, ""),)


@lru_cache(maxsize=4096)
def _versioned_uri(value: str) -> Sequence[Value]:
    """
    A canonical URL, with and without its version; cached because resources repeat a few profiles.
    """
    return tuple(
        TypedIdentifier(url, "") for url in dict.fromkeys((value, value.partition("|")[0]))
    )


# --- dates ----------------------------------------------------------------------------------------


def _date(value: Any) -> Sequence[Value]:
    return (covering(value),)


def _period(value: Any) -> Sequence[Value]:
    return (covering_between(value.get("start"), value.get("end")),)


def _timing(value: Any) -> Sequence[Value]:
    """
    The period from the first instant of a schedule to its last; () if the schedule has no date.

    Source: FHIR R4, search.html#date: only the outer limits of a Timing matter.
    """
    bounds = value.get("repeat", {}).get("boundsPeriod")
    periods = [covering(event) for event in value.get("event", ()) if event]
    if bounds:
        periods.append(covering_between(bounds.get("start"), bounds.get("end")))
    if not periods:
        return ()
    return (Period(min(one.first for one in periods), max(one.last for one in periods)),)


# --- numbers and quantities -----------------------------------------------------------------------


def _number(value: Any) -> Sequence[Value]:
    return (Decimal(value),)


def _quantity(value: Any, default_unit: str | None = None) -> Sequence[Value]:
    if "value" not in value:
        return ()
    code = value.get("code") or value.get("unit") or default_unit
    return (Quantity(Decimal(value["value"]), normal_unit(value.get("system"), code)),)


def _money(value: Any) -> Sequence[Value]:
    if "value" not in value:
        return ()
    return (Quantity(Decimal(value["value"]), normal_unit(CURRENCIES, value.get("currency"))),)


# --- references -----------------------------------------------------------------------------------


def reference_value(value: Any) -> Sequence[Value]:
    """
    The target of a reference in this directory, else its identifier.

    A reference to a resource of another server has no value (choice 34).
    """
    text = value.get("reference", "")
    local = local_reference(text)
    if local is not None:
        return (local,)
    if literal_reference(text) is not None:
        return ()
    identifier = value.get("identifier", {})
    if "value" not in identifier:
        return ()
    return (
        LogicalReference(
            value.get("type", ""),
            normal_identifier(identifier["value"]),
            normal_system(identifier.get("system", "")),
        ),
    )


def canonical(value: Any) -> Sequence[Value]:
    """A reference by canonical URL, with its version if it has one."""
    url, _, version = value.partition("|")
    return (Canonical(url, version),)


# --- positions ------------------------------------------------------------------------------------


def _position(value: Any) -> Sequence[Value]:
    # Either may be absent, with the reason in its `_name` sibling.
    if "latitude" not in value or "longitude" not in value:
        return ()
    return (Position(float(value["latitude"]), float(value["longitude"])),)


# --- the table ------------------------------------------------------------------------------------

_CONVERSIONS: Final[Mapping[tuple[str, str], Convert]] = {
    ("token", "CodeableConcept"): _codeable_concept,
    ("token", "Coding"): _coding,
    ("token", "Identifier"): _identifier,
    ("token", "ContactPoint"): _identifier,
    ("token", "code"): _code,
    ("token", "id"): _code,
    ("token", "string"): _caseless,
    ("token", "uri"): _code,
    ("token", "boolean"): _boolean,
    ("string", "string"): _string,
    ("string", "markdown"): _string,
    ("string", "HumanName"): _human_name,
    ("string", "Address"): _address,
    **{("uri", fhir_type): _uri for fhir_type in ("uri", "url", "oid", "uuid")},
    ("uri", "canonical"): _versioned_uri,
    ("date", "date"): _date,
    ("date", "dateTime"): _date,
    ("date", "instant"): _date,
    ("date", "Period"): _period,
    ("date", "Timing"): _timing,
    **{
        ("number", fhir_type): _number
        for fhir_type in ("integer", "decimal", "positiveInt", "unsignedInt")
    },
    **{
        ("quantity", fhir_type): _quantity
        for fhir_type in ("Quantity", "Age", "Count", "Distance", "Duration")
    },
    ("quantity", "Money"): _money,
    ("reference", "Reference"): reference_value,
    ("reference", "canonical"): canonical,
    ("special", "Location.position"): _position,
}
