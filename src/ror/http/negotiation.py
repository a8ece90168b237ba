"""
Content negotiation: the format, the coding of the body, and the preferences of the client.

Each function reads one header or parameter. The values of a repeated header arrive joined by
commas. Sources: FHIR R4, http.html; RFC 9110; RFC 7240; docs/http.md#requests.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from ror.errors import InvalidRequest, NotAcceptable, UnsupportedMediaType

Format = Literal["json", "xml"]
FHIR_FORMATS: Final[tuple[Format, ...]] = ("json", "xml")
"""The formats of a FHIR resource; at equal weights, the first is sent."""
JSON_ALONE: Final[tuple[Format, ...]] = ("json",)
"""The formats of responses that are not FHIR resources."""

MEDIA_TYPES: Final[Mapping[Format, tuple[str, ...]]] = {
    "json": ("application/fhir+json", "json", "application/json", "text/json"),
    "xml": ("application/fhir+xml", "xml", "application/xml", "text/xml"),
}
"""The names of each format; the short names are for `_format`."""
_RANGES: Final = frozenset({"application/*", "text/*", "*/*", "*"})

FHIR_VERSIONS: Final = frozenset({"4.0", "4.0.1"})

FORM: Final = "application/x-www-form-urlencoded"
Coding = Literal["identity", "gzip", "zstd"]


# --- format ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def response_format(
    accept: str | None, formats: tuple[str, ...], offered: tuple[Format, ...] = FHIR_FORMATS
) -> Format:
    """
    The format of a response: that of `_format`, else the best format of the Accept header.

    A space in `_format` stands for a decoded `+`. A `_format` without value is ignored; the first
    of several counts. Raises NotAcceptable for a format that is not `offered`.

    >>> response_format("application/fhir+xml, */*;q=0.5", ()), response_format("*/*", ("xml",))
    ('xml', 'xml')
    """
    names = tuple(filter(str.strip, formats))
    if names:
        first, *_ = [_format_named(name, offered) for name in names]
        return first
    if accept is None or not accept.strip():
        return offered[0]
    best = _best(accept, offered)
    if best is None:
        raise _not_acceptable(accept, offered)
    return best


def _format_named(name: str, offered: tuple[Format, ...]) -> Format:
    """The format that a `_format` parameter names."""
    best = _best(name.replace("application/fhir ", "application/fhir+"), offered)
    if best is None:
        raise _not_acceptable(name, offered, "_format")
    return best


def _not_acceptable(
    wanted: str, offered: tuple[Format, ...], expression: str | None = None
) -> NotAcceptable:
    names = ", ".join(
        MEDIA_TYPES[candidate][0] + f" ({MEDIA_TYPES[candidate][1]})" for candidate in offered
    )
    return NotAcceptable(
        "http.not-acceptable", asked=wanted[:100], offered=names, expression=expression
    )


def _best(header: str, offered: tuple[Format, ...]) -> Format | None:
    """The format with the greatest weight; None if the client accepts none."""
    ranges = [
        (name, weight)
        for name, parameters, weight in _weighted(header)
        if parameters.get("fhirversion", "4.0") in FHIR_VERSIONS
    ]
    weights = {candidate: _weight(candidate, ranges) for candidate in offered}
    accepted = [candidate for candidate in offered if weights[candidate] > 0]
    # Browsers prefer application/xml to */* because of pages, but people read JSON more easily.
    if any(name == "text/html" for name, _ in ranges):
        return accepted[0] if accepted else None
    return max(accepted, key=weights.__getitem__, default=None)


def _weight(wanted: Format, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of a format: the most specific range decides ("application/json;q=0, */*")."""
    by_name = [weight for name, weight in ranges if name in MEDIA_TYPES[wanted]]
    by_range = [weight for name, weight in ranges if name in _RANGES]
    return max(by_name or by_range, default=0.0)


def is_pretty(values: Iterable[str]) -> bool:
    """
    Whether `_pretty` requests an indented response.

    Raises InvalidRequest for any value but true and false.
    """
    pretty = False
    for value in filter(str.strip, values):
        if value not in ("true", "false"):
            raise InvalidRequest("http.bad-pretty", value=value[:100], expression="_pretty")
        pretty = value == "true"
    return pretty


def check_is_form(content_type: str | None, content_encoding: str | None, has_body: bool) -> None:
    """Raises UnsupportedMediaType unless the body is a form in UTF-8."""
    coding = (content_encoding or "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(
            "http.unsupported-media-type", sent=f"Content-Encoding: {coding[:100]}"
        )
    if content_type is None and not has_body:
        return
    media_type = next(_weighted(content_type or ""), None)
    if (
        media_type is None
        or media_type[0] != FORM
        or media_type[1].get("charset", "utf-8").lower() not in ("utf-8", "utf8")
    ):
        raise UnsupportedMediaType("http.unsupported-media-type", sent=(content_type or "")[:100])


# --- coding of the body ---------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def coding_for(accept_encoding: str | None) -> Coding:
    """
    The coding that the client prefers for a body; zstd, which is faster, wins over gzip.

    >>> coding_for("gzip, deflate, br"), coding_for("gzip;q=0.5, zstd")
    ('gzip', 'zstd')
    >>> coding_for("zstd;q=0, *"), coding_for(None)
    ('gzip', 'identity')
    """
    qualities = {name: quality for name, _, quality in _weighted(accept_encoding or "")}
    best: Coding = "identity"
    best_quality = 0.0
    offered: tuple[Coding, ...] = ("zstd", "gzip")
    for coding in offered:
        # Not every client that sends "*" can read zstd, so a star stands for gzip alone.
        quality = qualities.get(coding, qualities.get("*", 0.0) if coding == "gzip" else 0.0)
        if quality > best_quality:
            best, best_quality = coding, quality
    return best if best_quality >= qualities.get("identity", 0.0) else "identity"


# --- preferences ----------------------------------------------------------------------------------


class Preferences(NamedTuple):
    """
    The preferences of the Prefer header.

    `lenient` and `strict` say how a search treats what it does not understand, `independent` how it
    treats criteria on repeated records, `explain` whether the response explains the search.
    """

    lenient: bool
    independent: bool
    explain: bool = False
    strict: bool = False

    @property
    def applied(self) -> str:
        """The value of Preference-Applied; empty if no preference changes the response."""
        names = (
            ("handling=lenient", self.lenient),
            ("handling=strict", self.strict),
            ("handling=independent-criteria", self.independent),
            ("ror-explain", self.explain),
        )
        return ", ".join(name for name, is_applied in names if is_applied)


@lru_cache(maxsize=256)
def preferences(prefer: str | None) -> Preferences:
    """
    The preferences of the Prefer headers.

    Strict wins over lenient. An unknown preference is ignored, as RFC 7240 requires.

    >>> preferences('respond-async, handling="lenient"; x=1, Handling=independent-criteria')
    Preferences(lenient=True, independent=True, explain=False, strict=False)
    """
    handling = set()
    explain = False
    for part in (prefer or "").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        if name.strip().lower() == "handling":
            handling.add(value.strip().strip('"').lower())
        explain = explain or name.strip().lower() == "ror-explain"
    strict = "strict" in handling
    lenient = "lenient" in handling and not strict
    return Preferences(lenient, "independent-criteria" in handling, explain, strict)


# --- lists with weights ---------------------------------------------------------------------------

_QUALITY: Final = re.compile(r"[01](?:\.[0-9]{0,3})?", re.ASCII)
_MAX_ITEMS: Final = 100
"""Items that are read of a header: no client sends more, and each costs time."""


def _weighted(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """
    The items of a header in lower case: name, parameters and quality.

    A missing quality is 1, an invalid quality is 0.
    """
    for part in header.split(",", _MAX_ITEMS)[:_MAX_ITEMS]:
        name, *parts = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        parameters = {}
        for parameter in parts:
            key, _, value = parameter.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        quality = parameters.pop("q", "1")
        yield name.lower(), parameters, float(quality) if _QUALITY.fullmatch(quality) else 0.0
