"""
Values in normal form, the same for the index and for queries.

One function normalises a value when it is indexed and when it is read from a query. Comparison is
then equality or order, and neither the engine nor a store knows about accents, zones or units.
"""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ror.standard import terminology
from ror.standard.instants import Micros
from ror.standard.references import Reference

PARIS: Final = ZoneInfo("Europe/Paris")
"""The time zone of a date without zone (choice 4)."""

SECOND: Final = 1_000_000
"""Microseconds; instants are microseconds since the epoch, UTC."""

EARLIEST: Final = -(2**62)
LATEST: Final = 2**62
"""The bounds of an unbounded period."""


class Token(NamedTuple):
    """A code in a system; an absent system is the empty string."""

    code: str
    system: str


class TypedIdentifier(Token):
    """An identifier with its type as system: `system|code`, or `system|` for any code."""

    __slots__ = ()

    @property
    def fingerprint(self) -> int:
        """A 64-bit hash of the value and the type; a collision is practically impossible."""
        content = f"{self.code}\0{self.system}".encode()
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


class Text(NamedTuple):
    """A string in normal form (see `normal_text`) and as written (`exact`)."""

    normal: str
    exact: str


class Period(NamedTuple):
    """The first and last microsecond of a period, inclusive, UTC."""

    first: int
    last: int


class Quantity(NamedTuple):
    """A number and the normal form of its unit; "" if it has none."""

    value: Decimal
    unit: str


class Canonical(NamedTuple):
    """A reference by canonical URL; the version is "" if absent."""

    url: str
    version: str


class LogicalReference(NamedTuple):
    """A reference by business identifier; the type is "" if absent."""

    type: str
    code: str
    system: str


class NamedReference(NamedTuple):
    """
    The identifier in a reference, with the type ("" if absent) and the literal reference beside it.
    """

    code: str
    system: str
    type: str
    literal: Reference | None


class Position(NamedTuple):
    """Degrees, WGS84."""

    latitude: float
    longitude: float


class Words(NamedTuple):
    """The words of a part of a resource (its names, or the rest), folded; at least one word."""

    part: str
    words: tuple[str, ...]


Value = (
    Token
    | Text
    | Period
    | Decimal
    | Quantity
    | Reference
    | Canonical
    | LogicalReference
    | NamedReference
    | Position
    | Words
)


_CACHED_LENGTH: Final = 256
"""Longer texts are not cached, so that queries cannot fill the memory."""


# --- codes ----------------------------------------------------------------------------------------


def normal_system(system: str) -> str:
    """
    The normal form of a system.

    Common misspellings of the nomenclatures become the published URL. A URL loses its scheme,
    because `http` and `https` are equal: the guide writes both for UCUM and for SIREN (decision 5).

    >>> normal_system("http://sirene.fr") == normal_system("https://sirene.fr")
    True
    """
    return _cached_system(system) if len(system) <= _CACHED_LENGTH else _normal_system(system)


def _normal_system(system: str) -> str:
    return re.sub(r"^https?://", "", terminology.canonical_system(system)).rstrip("/")


_cached_system: Final = terminology.cached_for_edition(4096)(_normal_system)


NOMENCLATURES: Final = "mos.esante.gouv.fr/NOS/"
"""The prefix of NOS systems in normal form. The types of identifiers have such systems."""


def normal_code(code: str, system: str) -> str:
    """
    The normal form of a code: codes of NOS, and only those, are compared without case (choice 36).

    `system` is in normal form.

    >>> normal_code("sa05", normal_system(NOMENCLATURES + "TRE_R02")), normal_code("active", "")
    ('SA05', 'active')
    """
    return code.upper() if system.startswith(NOMENCLATURES) else code


def normal_identifier(value: str) -> str:
    """
    The normal form of an identifier, or of a string read as a token: case does not count.

    Source: choice 36.

    >>> normal_identifier("2a0000014")
    '2A0000014'
    """
    return value.upper()


@terminology.cached_for_edition(65536)
def labels(code: str, system: str) -> tuple[str, ...]:
    """
    The labels of a code in normal form; empty if no table has the code.

    `system` is in normal form.

    >>> labels("03", normal_system("https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"))
    ('psychiatrie psy', 'psy')
    """
    return (
        tuple(normal_text(label) for label in terminology.labels(f"https://{system}", code))
        if code and system
        else ()
    )


# --- text -----------------------------------------------------------------------------------------

_LIGATURES: Final = str.maketrans(
    {"œ": "oe", "æ": "ae", "ß": "ss", "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"}
)


def fold(text: str) -> str:
    """
    The text without differences of case, accents, ligatures, apostrophes and repeated spaces.

    >>> fold("  Cœur  d’Éléphant ")
    "coeur d'elephant"
    """
    return _cached_fold(text) if len(text) <= _CACHED_LENGTH else _fold(text)


def _fold(text: str) -> str:
    return " ".join(_lowered(text).split())


def _lowered(text: str) -> str:
    """The text without case, accents and ligatures; spaces are unchanged."""
    lowered = text.casefold().translate(_LIGATURES)
    if not lowered.isascii():
        # Some mathematical letters have a case only after decomposition.
        decomposed = unicodedata.normalize("NFKD", lowered).casefold()
        lowered = "".join(
            character for character in decomposed if not unicodedata.combining(character)
        )
        lowered = lowered.translate(_LIGATURES)
    return lowered


_cached_fold: Final = lru_cache(maxsize=65536)(_fold)


def normal_text(text: str) -> str:
    """
    The normal form of a string: its folded words, with one space between them.

    Spaces, punctuation and signs that only modify separate words. Other signs (`+`, `°`) are part
    of words. `comparing.text_compares` says when a space counts. A text of nothing but punctuation
    is only folded.

    >>> normal_text("C.H.R. Saint-Étienne / 2ᵉ étage"), normal_text("…")
    ('c h r saint etienne 2e etage', '...')
    """
    return _cached_normal(text) if len(text) <= _CACHED_LENGTH else _normal(text)


def _normal(text: str) -> str:
    lowered = _lowered(text)
    spaced = lowered.translate(_ASCII_SEPARATORS)
    if not spaced.isascii():
        spaced = "".join(" " if _separates(character) else character for character in spaced)
    return " ".join(spaced.split()) or " ".join(lowered.split())


def _separates(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind[0] in "PZC" or kind == "Sk" or character == _MINUS


_MINUS: Final = "\N{MINUS SIGN}"
"""Unicode classes it as a sign, but people type it as a hyphen."""


_ASCII_SEPARATORS: Final = {code: " " for code in range(128) if _separates(chr(code))}
_cached_normal: Final = lru_cache(maxsize=65536)(_normal)


# --- dates ----------------------------------------------------------------------------------------

_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@lru_cache(maxsize=65536)
def covering(text: str) -> Period:
    """
    The period that a FHIR date, dateTime or instant covers.

    "2024-05" is the whole month and "10:30" the whole minute. A value without zone is local to
    Paris (choice 4). A fraction finer than a microsecond covers its whole microsecond: no search
    can distinguish two instants within one, because such a search is refused
    (`is_finer_than_indexed`). Raises ValueError if the text is not a date of the calendar. Source:
    FHIR R4, search.html#date.

    >>> covering("1970-01-01T00:00Z")
    Period(first=0, last=59999999)
    """
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError(f'"{text}" is not a date')
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _covering_days(int(year), month, day)
        offset_text = zone if zone not in (None, "Z") else "+00:00"
        offset = (
            PARIS
            if zone is None
            else datetime.fromisoformat(f"2000-01-01T00:00{offset_text}").tzinfo
        )
        # A leap second counts as second 59.
        whole = min(int(second or 0), 59)
        start = datetime(
            int(year), int(month), int(day), int(hour), int(minute), whole, tzinfo=offset
        )
        if int(second or 0) > 60:
            raise ValueError("no such second")
        first = (start - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as reason:
        raise ValueError(f'"{text}" is not a date of the calendar') from reason
    if second is None:
        return Period(first, first + 60 * SECOND - 1)
    if fraction is None:
        return Period(first, first + SECOND - 1)
    step = 10 ** max(6 - len(fraction), 0)
    first += int(fraction[:6].ljust(6, "0"))
    return Period(first, first + step - 1)


def is_finer_than_indexed(text: str) -> bool:
    """
    Whether a date has a fraction finer than a microsecond.

    >>> is_finer_than_indexed("2033-01-01T00:00:00.0000001")
    True
    >>> is_finer_than_indexed("2033-01-01T00:00:00.1000000Z")
    False
    """
    return _BELOW_MICROSECONDS.search(text) is not None


_BELOW_MICROSECONDS: Final = re.compile(r"\.\d{6}\d*[1-9]", re.ASCII)


def _covering_days(year: int, month: str | None, day: str | None) -> Period:
    """The period of a year, a month or a day, local to Paris."""
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=PARIS)
    if month is None:
        after = start.replace(year=year + 1) if year < 9999 else None
    elif day is None:
        after = (
            (start + timedelta(days=32)).replace(day=1) if (year, month) != (9999, "12") else None
        )
    else:
        after = start + timedelta(days=1) if (year, month, day) != (9999, "12", "31") else None
    last = LATEST if after is None else (after - _EPOCH) // _MICROSECOND - 1
    return Period((start - _EPOCH) // _MICROSECOND, last)


def covering_between(start: str | None, end: str | None) -> Period:
    """
    The period from the start of `start` to the end of `end`; a missing bound is open (choice 4).
    """
    return Period(
        covering(start).first if start else EARLIEST, covering(end).last if end else LATEST
    )


_FIRST_INSTANT: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_INSTANT: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def instant_of(text: str) -> Micros:
    """
    The first microsecond that a FHIR date covers, within the years 1 to 9999 of UTC.

    Raises ValueError if the text is not a date.

    >>> instant_text(instant_of("0001-01-01T00:00:00+14:00"))
    '0001-01-01T00:00:00.000+00:00'
    """
    return Micros(min(max(covering(text).first, _FIRST_INSTANT), _LAST_INSTANT))


def covering_instant(microseconds: int) -> Period:
    """
    The millisecond that contains an instant, which is how instants are written.

    >>> covering_instant(1_234) == covering(instant_text(1_234))
    True
    """
    first = microseconds - microseconds % 1_000
    return Period(first, first + 999)


@lru_cache(maxsize=1024)
def instant_text(microseconds: int) -> str:
    """
    The FHIR text of an instant, to the millisecond, UTC.

    >>> instant_text(0)
    '1970-01-01T00:00:00.000+00:00'
    """
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="milliseconds")


# --- numbers and units ----------------------------------------------------------------------------

UCUM: Final = "ucum"
_UCUM_SYSTEMS: Final = frozenset(
    {
        "",
        "unitsofmeasure.org",
        "mos.esante.gouv.fr/NOS/TRE_R247-UcumUniteMesure/FHIR/TRE-R247-UcumUniteMesure",
    }
)
"""The unit systems that mean UCUM, in normal form."""


def normal_unit(system: str | None, code: str | None) -> str:
    """
    The normal form of a unit: `system|code`, with one name for UCUM (choice 10).

    >>> normal_unit("https://unitsofmeasure.org", "kg") == normal_unit(None, "kg")
    True
    """
    if not code:
        return ""
    normal = normal_system(system or "")
    return f"{UCUM if normal in _UCUM_SYSTEMS else normal}|{code}"


def half_step(number: str) -> Decimal:
    """
    Half a unit of the last digit: 5.40 stands for anything from 5.395 to 5.405.

    Source: FHIR R4, search.html#number. An exponent counts: 1e2 stands for 50 to 150.

    >>> half_step("5.40")
    Decimal('0.005')
    """
    exponent = Decimal(number).as_tuple().exponent
    return Decimal(5).scaleb(int(exponent) - 1)
