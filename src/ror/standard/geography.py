"""
The communes by code, their positions, and distances between points.

The table is built by `tools/build_communes.py` from public data (INSEE, La Poste, IGN) and shipped
as `knowledge/communes.json.gz` with its sources and licences. It is read at its first use. Health
territories have no outline: only their codes are published, in `ror.standard.terminology`.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt
from typing import Any, NamedTuple

import msgspec

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the WGS 84 ellipsoid, in metres."""


class Commune(NamedTuple):
    """
    A commune of the official geographic code, or an arrondissement of Paris, Lyon or Marseille.

    `latitude` and `longitude` are the centroid in WGS 84 degrees. They are None for the overseas
    collectivities (975 to 989), whose outlines are not published with the others; `estimated` marks
    the few communes placed at the mean of those that share their postal code. `parent` is the
    commune of an arrondissement, None for a commune.
    """

    # A tuple and not a dataclass: the table is read twice as fast. The fields are in the order of
    # its columns.

    code: str
    name: str
    department: str
    region: str
    postal_codes: tuple[str, ...] = ()
    former_codes: tuple[str, ...] = ()
    latitude: float | None = None
    longitude: float | None = None
    estimated: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """The content of the shipped file."""

    provenance: dict[str, Any]
    columns: tuple[str, ...]
    regions: dict[str, str]
    departments: dict[str, str]
    communes: tuple[Commune, ...]


def commune(code: str) -> Commune | None:
    """
    The commune of an INSEE code; None if no commune has or had it.

    A code that a merger ended leads to the present commune. Corsican codes are written `2A…` and
    `2B…`.

    >>> commune("29019").name
    'Brest'
    """
    return _by_code().get(code)


def communes() -> Sequence[Commune]:
    """
    Every present commune, with the arrondissements of Paris, Lyon and Marseille, in order of code.
    """
    return _table().communes


def communes_of_region(region: str) -> Sequence[Commune]:
    """The communes and arrondissements of a region, in order of code; empty for any other code."""
    return _by_region().get(region, ())


def region_name(code: str) -> str | None:
    """
    The name of a region, or of an overseas collectivity (975 to 989), from its INSEE code.

    >>> region_name("53")
    'Bretagne'
    """
    return _table().regions.get(code)


def department_name(code: str) -> str | None:
    """
    The name of a département, or of an overseas collectivity, from its INSEE code.

    >>> department_name("2A")
    'Corse-du-Sud'
    """
    return _table().departments.get(code)


def distance_m(
    latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float
) -> float:
    """
    The great-circle distance in metres between two points in degrees, on a sphere of the Earth's
    mean radius.

    It differs from the distance on the ellipsoid by at most 0.6 %.

    >>> round(distance_m(0, 0, 0, 180) / 1000)
    20015
    """
    phi_1, phi_2 = radians(latitude_1), radians(latitude_2)
    half_chord_squared = (
        sin((phi_2 - phi_1) / 2) ** 2
        + cos(phi_1) * cos(phi_2) * sin(radians(longitude_2 - longitude_1) / 2) ** 2
    )
    # Rounding may pass 1 for two antipodes, where asin has no value.
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half_chord_squared)))


def provenance() -> Mapping[str, Any]:
    """Where the table of communes comes from: packages, publishers, licences, counts."""
    return _table().provenance


@cache
def _table() -> _Table:
    packed = files("ror.standard.knowledge").joinpath("communes.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=_Table)


@cache
def _by_code() -> dict[str, Commune]:
    by_code = {former: place for place in communes() for former in place.former_codes}
    # A code in use wins over the same code used formerly for something else.
    by_code.update((place.code, place) for place in communes())
    return by_code


@cache
def _by_region() -> dict[str, tuple[Commune, ...]]:
    by_region: dict[str, list[Commune]] = {}
    for place in communes():
        by_region.setdefault(place.region, []).append(place)
    return {region: tuple(places) for region, places in by_region.items()}
