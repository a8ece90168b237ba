"""
Reading the values of a criterion, by the type of its parameter, into leaves of the search tree.

The leaves hold values in the normal form of `values.py`, which the index also holds. `criteria.py`
finds the resource that the parameter belongs to, and combines criteria.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast, get_args

from ror.errors import InvalidRequest, NotSupported, TooCostly
from ror.messages import shown
from ror.search.language.comparing import Prefix, TextMatch
from ror.search.language.entry_names import modifier_entries
from ror.search.language.expression import (
    CANONICAL,
    And,
    CanonicalIs,
    DateIs,
    Expression,
    Near,
    Not,
    NumberIs,
    Present,
    QuantityIs,
    ReferenceIs,
    TextIs,
    TokenIs,
    WordIs,
)
from ror.search.language.values import (
    NOMENCLATURES,
    covering,
    half_step,
    is_finer_than_indexed,
    normal_code,
    normal_identifier,
    normal_system,
    normal_text,
    normal_unit,
)
from ror.search.language.words import query_words
from ror.standard import terminology
from ror.standard.definitions import CONTENT, FULL_TEXT, NARRATIVE, SearchParameter
from ror.standard.fhirpath import implicit_systems, types_read
from ror.standard.geography import commune

MAX_VALUES: Final = 1_000
"""The most values in one comma list (choice 25)."""

MAX_VALUE_LENGTH: Final = 65_536
"""The most characters of one value: no name, code or address is longer."""

MAX_DIGITS: Final = 50
"""
The most characters of a number, and its largest exponent: larger ones serve to exhaust the server.
"""

PREFIXES: Final = cast(tuple[Prefix, ...], get_args(Prefix))

AGES: Final = frozenset({"age-range-low", "age-range-high"})
"""Quantities that are in years if neither the search nor the data has a unit (choice 10)."""

MAX_DISTANCE_KM: Final = 1_000
"""The largest distance of a search by position, inclusive. Source: RG_RECH_05."""

POSITION: Final = "near"
"""The parameter under which the index holds positions, for every parameter that compares them."""

_METRES: Final = {"km": 1_000, "m": 1}
_BOOLEAN_SYSTEM: Final = "terminology.hl7.org/CodeSystem/special-values"


class Criterion(NamedTuple):
    """
    The left side of a criterion: its full name, chain included, its parameter and its modifier.

    An operator of `_filter` sets `prefix`, and the values then have none; the operator `ew` sets
    the modifier "ends".
    """

    name: str
    parameter: SearchParameter
    modifier: str | None
    prefix: Prefix | None = None

    def refused(self, key: str, value: str, **params: str | int) -> InvalidRequest:
        """The error `key` about a value of this criterion."""
        return InvalidRequest(
            key, expression=None, name=self.name, value=shown(_as_written(value)), **params
        )


Reader = Callable[[Criterion, Sequence[str]], Iterator[Expression]]
"""Reads the values of a criterion."""


def values_of(criterion: Criterion, text: str) -> Sequence[str]:
    """
    The values of a comma list, with placeholders for their escapes.

    Raises InvalidRequest for an empty value, TooCostly for a list of more than `MAX_VALUES`.
    Source: FHIR R4, search.html#ptypes.
    """
    pieces = _with_placeholders(criterion, text).split(",")
    if len(pieces) > MAX_VALUES:
        raise TooCostly(
            "search.too-many-values", name=criterion.name, count=len(pieces), limit=MAX_VALUES
        )
    for piece in pieces:
        if not piece or piece.isspace():
            raise InvalidRequest("search.empty-value", name=criterion.name)
        if len(piece) > MAX_VALUE_LENGTH:
            raise TooCostly("search.value-too-long", name=criterion.name, limit=MAX_VALUE_LENGTH)
    return pieces


def read_values(criterion: Criterion, values: Sequence[str]) -> Iterator[Expression]:
    """
    One or more expressions for each value, read by the type of the parameter.

    Raises InvalidRequest for a value that cannot be read. Source: choices 3, 4, 5 and 10.
    """
    by_type = (
        _words if criterion.parameter.name in FULL_TEXT else _READERS[criterion.parameter.type]
    )
    return by_type(criterion, values)


# --- escapes --------------------------------------------------------------------------------------

_PLACEHOLDERS: Final = (("\\\\", "\0b"), ("\\,", "\0c"), ("\\|", "\0v"), ("\\$", "\0d"))
"""
Each escape, and its placeholder while a value is split. Source: FHIR R4, search.html#escaping.
"""


def _with_placeholders(criterion: Criterion, text: str) -> str:
    """The text with a placeholder for each escape, so that it can be split at commas and bars."""
    if "\0" in text:
        # FHIR strings cannot contain it, and the index uses it as a separator.
        raise criterion.refused("search.control-character", text)
    if "\\" not in text:
        return text
    replaced = text
    for escape, placeholder in _PLACEHOLDERS:
        replaced = replaced.replace(escape, placeholder)
    if "\\" in replaced:
        # No guess: any other use of a backslash is refused.
        raise criterion.refused("search.lone-backslash", text)
    return replaced


def unescaped(text: str) -> str:
    """The text with each placeholder replaced by the character that was escaped."""
    if "\0" in text:
        for escape, placeholder in _PLACEHOLDERS:
            text = text.replace(placeholder, escape[1])
    return text


def _as_written(text: str) -> str:
    """The text with each placeholder replaced by the escape that the client wrote."""
    for escape, placeholder in _PLACEHOLDERS:
        text = text.replace(placeholder, escape)
    return text


def _with_bars(text: str) -> str:
    """The text with escaped bars as separators, because some client libraries escape every bar."""
    return text.replace("\0v", "|")


# --- by type --------------------------------------------------------------------------------------


def tokens(
    criterion: Criterion, pieces: Sequence[str], param: str | None = None
) -> Iterator[Expression]:
    """
    `code`, `system|code`, `|code`, `system|`. A system applies to the bare codes after it (choice
    3).

    `param` names the entries to compare, by default those of the parameter.
    """
    parameter = criterion.parameter
    param = param or parameter.name
    last_system: str | None = None
    for piece in pieces:
        before, *after = piece.split("|")
        if len(after) > 1:
            raise criterion.refused("search.too-many-bars", piece)
        if not after:
            system, code = last_system, unescaped(before).strip()
        else:
            written = unescaped(before).strip()
            system, code = normal_system(written), unescaped(after[0]).strip()
            if not system and (written or not code):
                raise criterion.refused("search.not-a-token", piece)
            last_system = system or None
        if "boolean" in types_read(parameter):
            # The index holds booleans without a system; a client may write the one of HL7.
            if code not in ("true", "false") or system not in (None, _BOOLEAN_SYSTEM):
                raise criterion.refused("search.not-a-boolean", piece)
            system = None
        elif system in _implicit_systems(parameter):
            # The index holds a code without the system that its element implies.
            system = ""
        if not _CASELESS.isdisjoint(types_read(parameter)):
            code = normal_identifier(code)
        elif system is not None:
            code = normal_code(code, system)
        yield TokenIs(param, code or None, system)
        if not code or not system or not system.startswith(NOMENCLATURES):
            continue
        if "Identifier" in types_read(parameter):
            # The guide names places by the system of their identifier's type
            # (docs/search.md#values).
            for type_system in (system, *systems_of_value_set(system, None)):
                yield TokenIs(modifier_entries(param, "of-type"), code, f"{type_system}|")
        else:
            for source in systems_of_value_set(system, code):
                yield TokenIs(param, code, source)


@lru_cache(maxsize=1024)
def systems_of_value_set(system: str, code: str | None) -> tuple[str, ...]:
    """The systems from which a value set takes a code, or all its codes if `code` is None."""
    return tuple(map(normal_system, terminology.systems_of(f"https://{system}", code)))


_CASELESS: Final = frozenset({"Identifier", "ContactPoint", "Reference", "string"})
"""Element types whose tokens are compared without case, because they are not codes (choice 36)."""


@lru_cache(maxsize=1024)
def _implicit_systems(parameter: SearchParameter) -> frozenset[str]:
    """The systems that the elements of a parameter imply, in normal form."""
    return frozenset(map(normal_system, implicit_systems(parameter)))


def strings(
    criterion: Criterion, pieces: Sequence[str], how: TextMatch = "starts"
) -> Iterator[Expression]:
    """Strings that start with, contain, end with or equal a value."""
    for piece in pieces:
        text = unescaped(piece)
        compared = text if how == "exact" else normal_text(text)
        if not compared:
            raise InvalidRequest("search.empty-value", name=criterion.name)
        yield TextIs(criterion.parameter.name, compared, how)


def _words(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    Words that must all match, in any order; the last is a prefix (choice 9). Quotes have no effect.
    """
    word_lists = [query_words(unescaped(piece)) for piece in pieces]
    if (count := sum(map(len, word_lists))) > MAX_VALUES:
        raise TooCostly(
            "search.too-many-values", name=criterion.name, count=count, limit=MAX_VALUES
        )
    for piece, words in zip(pieces, word_lists, strict=True):
        if not words:
            raise criterion.refused("search.no-word", piece)
        leaves = [WordIs(criterion.parameter.name, word, prefix) for word, prefix in words]
        yield And(tuple(leaves)) if len(leaves) > 1 else leaves[0]
        if criterion.parameter.name == NARRATIVE:
            # If a resource has no narrative, its content stands in for one (decision 16).
            yield And(
                (
                    Not(Present(NARRATIVE)),
                    *(WordIs(CONTENT, word, prefix) for word, prefix in words),
                )
            )


def _dates(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    for piece in pieces:
        prefix, text = _prefixed(criterion, piece)
        try:
            first, last = covering(text)
        except ValueError as reason:
            raise criterion.refused("search.not-a-date", piece) from reason
        if is_finer_than_indexed(text):
            raise criterion.refused("search.too-fine", piece)
        yield DateIs(criterion.parameter.name, prefix, first, last)


def _numbers(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    for piece in pieces:
        prefix, text = _prefixed(criterion, piece)
        yield NumberIs(
            criterion.parameter.name, prefix, _number(criterion, text, piece), half_step(text)
        )


def _quantities(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    `number`, `number|system|code` or `number||code`, each with or without a prefix.

    A client library writes `number||` if there is no unit.
    """
    for piece in map(_with_bars, pieces):
        number, *unit = piece.split("|")
        if unit == ["", ""]:
            unit = []
        if unit and (len(unit) != 2 or not unit[1]):
            raise criterion.refused("search.not-a-quantity", piece)
        prefix, text = _prefixed(criterion, number)
        value = _number(criterion, text, piece)
        yield QuantityIs(
            criterion.parameter.name, prefix, value, half_step(text), _unit(criterion, unit)
        )


def _unit(criterion: Criterion, unit: Sequence[str]) -> str | None:
    """The normal form of a unit: None for any, "|code" for a code in any system."""
    system, code = (unescaped(part) for part in unit) if unit else ("", "")
    if criterion.parameter.name in AGES and not system and code in ("", "a"):
        return normal_unit(None, "a")
    if not code:
        return None
    return normal_unit(system, code) if system else f"|{code}"


def _references(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """`Type/id`, a bare id, or an absolute URL that ends in `Type/id`."""
    parameter = criterion.parameter
    for piece in pieces:
        text = unescaped(piece)
        if (parameter.resource_type, parameter.name) in CANONICAL and _URI.match(text):
            url, _, version = text.partition("|")
            yield CanonicalIs(parameter.name, url, version)
            continue
        match = _REFERENCE.fullmatch(text)
        if not match:
            raise criterion.refused(
                "search.not-a-reference", text, targets=", ".join(parameter.targets)
            )
        base, target, identifier = match.groups()
        only = parameter.targets[0] if len(parameter.targets) == 1 else None
        target_type = criterion.modifier or target or only
        if target and (target not in parameter.targets or target != target_type):
            allowed = criterion.modifier or ", ".join(parameter.targets)
            raise criterion.refused("search.wrong-target", text, target=target, targets=allowed)
        yield ReferenceIs(parameter.name, target_type, identifier, base)


def _uris(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    URIs, compared exactly. A canonical URL without version matches all its versions.

    Source: FHIR R4, search.html#uri.
    """
    for piece in pieces:
        yield TokenIs(criterion.parameter.name, unescaped(piece), "")


_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_REFERENCE: Final = re.compile(
    r"(?:(?:(https?://[^|?#\s]+)/)?([A-Za-z]+)/)?([A-Za-z0-9.-]{1,64})", re.ASCII
)


def _positions(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    `latitude|longitude|distance[|unit]`, in degrees of WGS 84; the default unit is km.

    The guide does not say what a search without distance means, so such a search is refused rather
    than given a default. Source: RG_RECH_05, 13 and 14.
    """
    for piece in map(_with_bars, pieces):
        parts = piece.split("|")
        if len(parts) == 2 or (len(parts) in (3, 4) and not parts[2]):
            raise criterion.refused("search.distance-missing", piece)
        if len(parts) not in (3, 4):
            raise criterion.refused("search.not-a-position", piece)
        latitude, longitude = (_number(criterion, part, piece) for part in parts[:2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise criterion.refused("search.position-out-of-range", piece)
        yield Near(
            POSITION, float(latitude), float(longitude), _distance_m(criterion, parts[2:], piece)
        )


def _around_communes(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """
    `code|distance[|unit]`: around the reference point of a commune or arrondissement (choice 8).
    """
    for piece in map(_with_bars, pieces):
        code, *distance = piece.split("|")
        if not distance or not distance[0]:
            raise criterion.refused("search.commune-distance-missing", piece)
        if len(distance) > 2:
            raise criterion.refused("search.not-around-a-commune", piece)
        place = commune(code.strip())
        if place is None:
            raise criterion.refused("search.unknown-commune", piece, code=shown(code))
        if place.latitude is None or place.longitude is None:
            raise criterion.refused(
                "search.commune-without-position", piece, code=code, commune=place.name
            )
        yield Near(
            POSITION, place.latitude, place.longitude, _distance_m(criterion, distance, piece)
        )


def _distance_m(criterion: Criterion, parts: Sequence[str], piece: str) -> float:
    """The metres of `distance[|unit]`; `piece` is the whole value, for errors."""
    unit = (parts[1] if len(parts) == 2 else "") or "km"
    if unit not in _METRES:
        raise criterion.refused("search.distance-unit", piece, unit=shown(unit))
    distance_m = _number(criterion, parts[0], piece) * _METRES[unit]
    if not 0 <= distance_m <= MAX_DISTANCE_KM * 1_000:
        raise criterion.refused("search.distance-out-of-range", piece, limit=MAX_DISTANCE_KM)
    return float(distance_m)


def _special(criterion: Criterion, pieces: Sequence[str]) -> Iterator[Expression]:
    """Parameters of type special, each with its own reader."""
    return _SPECIAL[criterion.parameter.name](criterion, pieces)


_SPECIAL: Final[Mapping[str, Reader]] = {
    "near": _positions,
    "near-insee-code": _around_communes,
}

POSITION_PARAMETERS: Final = frozenset(_SPECIAL)
"""The parameters that compare positions."""


_READERS: Final[Mapping[str, Reader]] = {
    "token": tokens,
    "string": strings,
    "date": _dates,
    "number": _numbers,
    "quantity": _quantities,
    "reference": _references,
    "uri": _uris,
    "special": _special,
}


# --- prefixes and numbers -------------------------------------------------------------------------


def _prefixed(criterion: Criterion, text: str) -> tuple[Prefix, str]:
    """The prefix, `eq` by default, and the rest of the text."""
    if criterion.prefix is not None:
        return criterion.prefix, text
    if not text[:1].isalpha():
        return "eq", text
    prefix: Any = text[:2]
    if prefix in PREFIXES:
        return prefix, text[2:]
    letters = _LETTERS_BEFORE_DIGIT.match(text)
    if letters:
        raise NotSupported(
            "search.unknown-prefix",
            name=criterion.name,
            value=shown(text),
            prefix=letters[1],
            known=", ".join(PREFIXES),
        )
    return "eq", text


_LETTERS_BEFORE_DIGIT: Final = re.compile(r"([A-Za-z]{1,8})(?=-?[0-9])", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?", re.ASCII)


def _number(criterion: Criterion, text: str, piece: str) -> Decimal:
    """The exact number; `piece` is the whole value, for errors."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise criterion.refused(_NOT_A[criterion.parameter.type], piece)
    if len(text) > MAX_DIGITS or (match[1] and abs(int(match[1])) > MAX_DIGITS):
        raise criterion.refused("search.number-too-long", piece, limit=MAX_DIGITS)
    return Decimal(text)


_NOT_A: Final = {
    "number": "search.not-a-number",
    "quantity": "search.not-a-quantity",
    "special": "search.not-a-position",
}
