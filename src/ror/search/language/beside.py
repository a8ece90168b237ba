"""
What is indexed beside the values of a parameter, so that a modifier has something to look at.

The entries that a modifier looks at have the name of their parameter followed by that of the modifier: those of
`specialty:text` are the texts of specialties, found like any string. They are few: what the nomenclatures call a code
is not written again for each resource, because a code column knows the labels of its codes (`LabelIs`); the type of an
identifier is kept as a fingerprint.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from ror.search.language.values import (
    NamedReference,
    Text,
    TypedIdentifier,
    Value,
    fold,
    labels,
    normal_system,
)
from ror.standard.definitions import search_parameters
from ror.standard.references import literal_reference

TEXT: Final = "text"
OF_TYPE: Final = "of-type"
IDENTIFIER: Final = "identifier"

KINDS: Final[Mapping[str, str]] = {TEXT: "string", OF_TYPE: "fingerprint", IDENTIFIER: "named"}
"""How the entries of each modifier are compared, as the type of a search parameter."""


def beside(param: str, modifier: str) -> str:
    """
    The name of the entries that a modifier of a parameter looks at.

    >>> beside("specialty", TEXT)
    'specialty:text'
    """
    return f"{param}:{modifier}"


def governed(name: str, code: str) -> str:
    """
    The name of the entries that a governed part of a resource gives, under the code that governs it.

    >>> governed("specialty:text", "act.0")
    'specialty:text!act.0'
    """
    return f"{name}!{code}"


def apart(entries_name: str) -> tuple[str, str]:
    """
    The name of entries and the code that governs them, "" for none.

    >>> apart("specialty:text!act.0"), apart("specialty")
    (('specialty:text', 'act.0'), ('specialty', ''))
    """
    name, _, code = entries_name.partition("!")
    return name, code


def parameter_of(entries_name: str) -> str:
    """
    The parameter that entries belong to.

    >>> parameter_of("specialty:text"), parameter_of("specialty!act.0")
    ('specialty', 'specialty')
    """
    return apart(entries_name)[0].partition(":")[0]


@lru_cache(maxsize=4096)
def record_of(resource_type: str, entries_name: str) -> str | None:
    """The repeated record that entries stand in the rows of, None when they are of the resources themselves."""
    parameter = search_parameters(resource_type).get(parameter_of(entries_name))
    return parameter.record if parameter else None


# --- conversions -----------------------------------------------------------------------------------------------------


def _texts_of_coding(value: Any) -> Sequence[Value]:
    display = value.get("display")
    return (
        _unlisted_label(display, value.get("code", ""), value.get("system", "")) if display else ()
    )


@lru_cache(maxsize=16384)
def _unlisted_label(display: str, code: str, system: str) -> tuple[Text, ...]:
    """The display of a code as a text, when the nomenclatures do not call it so already."""
    folded = fold(display)
    return () if folded in labels(code, normal_system(system)) else (Text(folded, display),)


def _texts_of_concept(value: Any) -> Sequence[Value]:
    """The text and the displays that say something else than the labels of the codes."""
    codings = value.get("coding", ())
    found = [text for coding in codings for text in _texts_of_coding(coding)]
    whole = value.get("text")
    if whole and not any(fold(whole) in _labels_of(coding) for coding in codings):
        found.append(Text(fold(whole), whole))
    return found


def _labels_of(coding: Any) -> tuple[str, ...]:
    return labels(coding.get("code", ""), normal_system(coding.get("system", "")))


def _texts_of_identifier(value: Any) -> Sequence[Value]:
    """What the type of an identifier is called. Source: FHIR R4, search.html#token (`Identifier.type.text`)."""
    kind = value.get("type")
    if not kind:
        return ()
    texts = [kind.get("text"), *(coding.get("display") for coding in kind.get("coding", ()))]
    return [Text(fold(text), text) for text in dict.fromkeys(texts) if text]


def _types_of_identifier(value: Any) -> Sequence[Value]:
    """
    An identifier under each of its types; one that has no system goes by that of its type as well.

    Source: FHIR R4, search.html#token (`:of-type`); docs/search.md#values for the places of the guide.
    """
    code, kind = value.get("value"), value.get("type")
    if not code or not kind:
        return ()
    found = []
    for coding in kind.get("coding", ()):
        system = normal_system(coding.get("system", ""))
        found.append(TypedIdentifier(code, f"{system}|{coding.get('code', '')}"))
        if system and "system" not in value:
            found.append(TypedIdentifier(code, f"{system}|"))
    return found


def _identifier_of_reference(value: Any) -> Sequence[Value]:
    """What a reference says, and where it leads: the identifier of one that leads to something hidden is not found."""
    identifier = value.get("identifier", {})
    if "value" not in identifier:
        return ()
    system, literal = (
        normal_system(identifier.get("system", "")),
        literal_reference(value.get("reference", "")),
    )
    return (NamedReference(identifier["value"], system, value.get("type", ""), literal),)


CONVERSIONS: Final[Mapping[str, Mapping[str, Callable[[Any], Sequence[Value]]]]] = {
    "Coding": {TEXT: _texts_of_coding},
    "CodeableConcept": {TEXT: _texts_of_concept},
    "Identifier": {TEXT: _texts_of_identifier, OF_TYPE: _types_of_identifier},
    "Reference": {IDENTIFIER: _identifier_of_reference},
}
"""By FHIR type that a parameter reads, the modifiers it takes and what they look at."""
