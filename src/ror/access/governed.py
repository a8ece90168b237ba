"""
The extensions that the access matrix governs, in any spelling of their URL.

A URL may differ from the canonical one by its letter case, a final slash, a fragment, a query, a
version, an escape or a look-alike character. Imports refuse such a URL; in resources that are
already stored, the extension is governed as if its URL were canonical.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote

from ror.standard.definitions import extensions

LEVEL: Final = "confidentiality-level"
"""The end of the names of the extensions that state the level of a contact or a telecom."""
SENSITIVE_UNIT: Final = "ror-healthcareservice-sensitive-unit"
SUPPORTED_CAPACITY: Final = "ror-location-supported-capacity"
CAPACITY_PARTS: Final = ("capacityStatus", "additionalBedType", "temporaryAssignement")
"""The parts of a capacity that decide who sees it, as their relative URLs spell them."""

_PLAIN: Final = re.compile(r"[a-z-]+")
_SEPARATORS: Final = re.compile(r"[/\\|#?;:&=]")
_ESCAPED_DEEPEST: Final = 3
"""How often a URL may be percent-encoded again."""


@cache
def tables() -> Mapping[str, Any]:
    """The access matrix as its file has it."""
    path = files("ror.standard.knowledge").joinpath("access_policy.toml")
    return tomllib.loads(path.read_text("utf-8"))


def element_rows() -> Sequence[Mapping[str, Any]]:
    """The rows that say which rule governs which element."""
    rows: Sequence[Mapping[str, Any]] = tables()["elements"]
    return rows


def name_of_extension(extension: Mapping[str, Any]) -> str:
    """
    The canonical name of a governed extension; for another extension, the end of its URL.

    >>> name_of_extension({"url": "http://example.org/ROR-Location-Equipment/?v=2"})
    'ror-location-equipment'
    """
    return name_in(extension.get("url", ""))


def is_governed(name: str) -> bool:
    """Whether a rule looks for extensions of this name."""
    return name in _governed_names() or (
        name.endswith(LEVEL) and _PLAIN.fullmatch(name) is not None
    )


@lru_cache(maxsize=4096)
def canonical_name(url: str) -> str | None:
    """
    The name of the governed extension that a URL misspells; None for any other URL.

    >>> canonical_name("https://example.org/ror%2Dlocation%2Dequipment")
    'ror-location-equipment'
    >>> canonical_name("https://example.org/ror-location-equipment") is None
    True
    """
    if is_governed(url.rpartition("/")[2]):
        return None
    for letters in _segments(url):
        if letters in _by_letters():
            return _by_letters()[letters]
        if letters.endswith(_letters(LEVEL)):
            return LEVEL
    return None


@lru_cache(maxsize=4096)
def canonical_part(url: str) -> str | None:
    """
    The part of a capacity that a URL misspells; None for any other URL.

    >>> canonical_part("AdditionalBedType"), canonical_part("additionalBedType")
    ('additionalBedType', None)
    """
    parts = {_letters(name): name for name in CAPACITY_PARTS}
    part = next((parts[letters] for letters in _segments(url) if letters in parts), None)
    return part if part != url else None


def capacity_parts(capacity: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parts of a capacity by their relative URL, however it is spelled."""
    return {
        canonical_part(part["url"]) or part["url"]: part for part in capacity.get("extension", ())
    }


@lru_cache(maxsize=4096)
def name_in(url: str) -> str:
    """The name of the extension that a URL means, see `name_of_extension`."""
    return canonical_name(url) or url.rpartition("/")[2]


def _segments(url: str) -> list[str]:
    """The letters of each segment of a URL, after percent-decoding."""
    for _ in range(_ESCAPED_DEEPEST):
        url = unquote(url)
    return [_letters(part) for part in _SEPARATORS.split(url)]


def _letters(text: str) -> str:
    """
    The letters and digits of a text, without case, marks and widths.
    """
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", text).casefold())


@cache
def _governed_names() -> frozenset[str]:
    return frozenset(
        {row["extension"] for row in element_rows() if "extension" in row} | {SENSITIVE_UNIT}
    )


@cache
def _by_letters() -> Mapping[str, str]:
    levels = [each.name for each in extensions().values() if each.name.endswith(LEVEL)]
    return {_letters(name): name for name in (*_governed_names(), *levels)}
