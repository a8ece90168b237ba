"""
The modifiers of search parameters: one row of `MODIFIERS` defines one modifier.

A row says which types of parameter take the modifier, how the modifier reads the values of a
criterion, which index entries it compares, and whether it applies to a whole resource. The parser,
the index and the documentation read this table. A reference parameter also takes the name of a
target type (`organization:Organization`), which has no row.

Few modifiers need entries of their own. A code column looks up the labels of codes in the
nomenclatures (`LabelIs`). The index holds the type of an identifier as a fingerprint.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

from ror.errors import InvalidRequest
from ror.search.language.criterion_values import (
    POSITION,
    POSITION_PARAMETERS,
    Criterion,
    Reader,
    strings,
    systems_of_value_set,
    tokens,
    unescaped,
)
from ror.search.language.entry_names import modifier_entries
from ror.search.language.expression import (
    UPWARD,
    Expression,
    LabelIs,
    Not,
    Present,
    TextIs,
    TokenIs,
)
from ror.search.language.values import (
    NamedReference,
    Text,
    TypedIdentifier,
    Value,
    labels,
    normal_code,
    normal_identifier,
    normal_system,
    normal_text,
)
from ror.standard import terminology
from ror.standard.definitions import FULL_TEXT, RESOURCE_TYPES, SearchParameter
from ror.standard.fhirpath import types_read
from ror.standard.references import literal_reference

ABOVE: Final = "above"
MISSING: Final = "missing"
TEXT: Final = "text"
OF_TYPE: Final = "of-type"
IDENTIFIER: Final = "identifier"

PARAMETER_TYPES: Final = (
    "token",
    "string",
    "date",
    "number",
    "quantity",
    "reference",
    "uri",
    "special",
)

Conversion = Callable[[Any], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Modifier:
    """
    The definition of a modifier.

    `types` are the types of parameter that take it. `climbs` restricts it to the resource types
    that have a hierarchy: the criterion then holds for the resource or for one above it.
    """

    types: tuple[str, ...]
    read: Reader | None = None
    """How the modifier reads values; None: as the type of the parameter does."""
    takes_list: bool = True
    """Whether a comma separates values."""
    negates: bool = False
    of_whole_resource: bool = False
    """Whether the criterion applies to the whole resource rather than to one of its records."""
    climbs: bool = False
    entries_kind: str = ""
    """The kind of column that holds the entries of the modifier; "" if it has none."""
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    """
    The functions that make entries from an element, by FHIR type.

    A parameter that reads none of these types does not take the modifier.
    """


# --- how modifiers read values --------------------------------------------------------------------


def _presence(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    (text,) = pieces
    if text not in ("true", "false"):
        raise criterion.refused("search.not-missing", text)
    name = criterion.parameter.name
    present = Present(POSITION if name in POSITION_PARAMETERS else name)
    yield Not(present) if text == "true" else present


def _labels(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    The label of a code, from the nomenclatures or the data, starts with the text.

    Source: FHIR R4, search.html#token (`:text`).
    """
    for piece in pieces:
        normal = normal_text(unescaped(piece))
        if not normal:
            raise InvalidRequest("search.empty-value", name=criterion.name)
        if "Identifier" not in types_read(criterion.parameter):
            yield LabelIs(criterion.parameter.name, normal)
        yield TextIs(modifier_entries(criterion.parameter.name, TEXT), normal)


def _typed_identifiers(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """`system|code|value`: the system and the code of the type of an identifier, and its value."""
    param = modifier_entries(criterion.parameter.name, OF_TYPE)
    for piece in pieces:
        parts = [unescaped(part).strip() for part in piece.split("|")]
        if len(parts) != 3 or not all(parts):
            raise criterion.refused("search.not-of-type", piece)
        written, code, value = parts
        system = normal_system(written)
        for type_system in (system, *systems_of_value_set(system, code)):
            type_code = normal_code(code, type_system)
            yield TokenIs(param, normal_identifier(value), f"{type_system}|{type_code}")


def _identifiers(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """The identifier in a reference, read as a token."""
    return tokens(criterion, pieces, param=modifier_entries(criterion.parameter.name, IDENTIFIER))


# --- the entries that modifiers compare -----------------------------------------------------------


def _texts_of_coding(value: Any) -> Sequence[Value]:
    display = value.get("display")
    return (
        _unlisted_label(display, value.get("code", ""), value.get("system", "")) if display else ()
    )


@terminology.cached_for_edition(16384)
def _unlisted_label(display: str, code: str, system: str) -> tuple[Text, ...]:
    """The display of a code as a text, unless it is a label of the code in the nomenclatures."""
    normal = normal_text(display)
    return () if normal in labels(code, normal_system(system)) else (Text(normal, display),)


def _texts_of_concept(value: Any) -> Sequence[Value]:
    """The text and the displays that differ from the labels of the codes."""
    codings = value.get("coding", ())
    texts = [text for coding in codings for text in _texts_of_coding(coding)]
    whole = value.get("text")
    if whole and not any(normal_text(whole) in _labels_of(coding) for coding in codings):
        texts.append(Text(normal_text(whole), whole))
    return texts


def _labels_of(coding: Any) -> tuple[str, ...]:
    return labels(coding.get("code", ""), normal_system(coding.get("system", "")))


def _texts_of_identifier(value: Any) -> Sequence[Value]:
    """
    The labels of the type of an identifier.

    Source: FHIR R4, search.html#token (`Identifier.type.text`).
    """
    kind = value.get("type")
    if not kind:
        return ()
    texts = [kind.get("text"), *(coding.get("display") for coding in kind.get("coding", ()))]
    return [Text(normal_text(text), text) for text in dict.fromkeys(texts) if text]


def _types_of_identifier(value: Any) -> Sequence[Value]:
    """
    The identifier, once for each of its types.

    An identifier without a system also has an entry under the system of its type.
    Source: FHIR R4, search.html#token (`:of-type`); docs/search.md#values for places of the guide.
    """
    code, kind = normal_identifier(value.get("value", "")), value.get("type")
    if not code or not kind:
        return ()
    typed = []
    for coding in kind.get("coding", ()):
        system = normal_system(coding.get("system", ""))
        type_code = normal_code(coding.get("code", ""), system)
        typed.append(TypedIdentifier(code, f"{system}|{type_code}"))
        if system and "system" not in value:
            typed.append(TypedIdentifier(code, f"{system}|"))
    return typed


def _identifier_of_reference(value: Any) -> Sequence[Value]:
    """
    The identifier in a reference, with the target of the reference.

    A search does not match the identifier of a reference that leads only to hidden resources.
    """
    identifier = value.get("identifier", {})
    if "value" not in identifier:
        return ()
    system = normal_system(identifier.get("system", ""))
    literal = literal_reference(value.get("reference", ""))
    code = normal_identifier(identifier["value"])
    return (NamedReference(code, system, value.get("type", ""), literal),)


# --- the table ------------------------------------------------------------------------------------

MODIFIERS: Final[Mapping[str, Modifier]] = {
    "not": Modifier(("token",), negates=True, of_whole_resource=True),
    "exact": Modifier(("string",), partial(strings, how="exact")),
    "contains": Modifier(("string",), partial(strings, how="contains")),
    # Only `_filter` offers it, as its operator `ew`.
    "ends": Modifier((), partial(strings, how="ends")),
    MISSING: Modifier(PARAMETER_TYPES, _presence, takes_list=False, of_whole_resource=True),
    TEXT: Modifier(
        ("token",),
        _labels,
        entries_kind="string",
        conversions={
            "Coding": _texts_of_coding,
            "CodeableConcept": _texts_of_concept,
            "Identifier": _texts_of_identifier,
        },
    ),
    OF_TYPE: Modifier(
        ("token",),
        _typed_identifiers,
        entries_kind="fingerprint",
        conversions={"Identifier": _types_of_identifier},
    ),
    IDENTIFIER: Modifier(
        ("reference",),
        _identifiers,
        entries_kind="named",
        conversions={"Reference": _identifier_of_reference},
    ),
    ABOVE: Modifier(PARAMETER_TYPES, climbs=True),
}


@lru_cache(maxsize=1024)
def modifiers_of(parameter: SearchParameter) -> tuple[str, ...]:
    """Every modifier that a parameter takes, in the order of the table, then its target types."""
    return (
        *(name for name, row in MODIFIERS.items() if _takes(parameter, row)),
        *(name for name in RESOURCE_TYPES if name in parameter.targets),
    )


def modifiers_of_type(parameter_type: str) -> tuple[str, ...]:
    """The modifiers that parameters of a type may take; each parameter takes some of them."""
    return tuple(name for name, row in MODIFIERS.items() if parameter_type in row.types)


def _takes(parameter: SearchParameter, row: Modifier) -> bool:
    if parameter.type not in row.types:
        return False
    if row.climbs:
        return parameter.resource_type in UPWARD
    if parameter.name in FULL_TEXT:
        # Words match as a whole or by prefix, so `:contains` and `:exact` do not apply.
        return row is MODIFIERS[MISSING]
    return not row.conversions or not types_read(parameter).isdisjoint(row.conversions)


def entries_of_element(fhir_type: str) -> Iterator[tuple[str, Conversion]]:
    """
    The modifiers that have entries for this type of element, and the functions that make them.
    """
    for name, row in MODIFIERS.items():
        if fhir_type in row.conversions:
            yield name, row.conversions[fhir_type]
