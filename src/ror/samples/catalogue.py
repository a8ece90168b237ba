"""
The kinds of offers that exist: the table `knowledge/offers.toml`, as values.

A kind says what an offer is, in codes: field of activity, category, activity, mode of care, whom it
serves, in what place, with which professionals. `offers.py` and `lodgings.py` turn kinds into
resources.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

ADULTS = (16, 120)
"""The usual age range in years, both ends included."""

BED, PLACE = "01", "02"
"""What is counted in a place (J187)."""

ALWAYS, EVERY_DAY, WEEKDAYS, SOME_DAYS = "always", "every day", "weekdays", "some days"
"""When an offer is open; the hours themselves are in `offers.py`."""


@dataclass(frozen=True, slots=True)
class OfferKind:
    """
    One kind of offer. Tuples hold codes to draw from; an empty code means that the element is not
    given.
    """

    name: str
    field: str  # J20
    category: str  # J238
    activity: str  # J17
    care_mode: str  # J19
    ages: tuple[int, int] = ADULTS
    function: str = "005"  # J198, what the place is for
    unit: str = ""  # J187, what is counted there
    size: tuple[int, int] = (10, 30)
    hours: str = WEEKDAYS
    profession: str = "10"  # J229
    specialties: tuple[str, ...] = ()  # J210, know-how of its doctors
    acts: tuple[str, ...] = ()  # J16
    outside_acts: tuple[str, ...] = ()  # J16, done at the person's home
    specialisations: tuple[str, ...] = ()  # J35
    staff: tuple[str, ...] = ()  # J186
    competences: tuple[str, ...] = ()  # J33
    modalities: tuple[str, ...] = ("03",)  # J226
    expertise: tuple[str, ...] = ()  # J227
    audience: tuple[str, ...] = ("07",)  # J29
    family: str = ""  # J51
    reception: str = ""  # J30
    opening: str = "03"  # J28
    management: tuple[str, ...] = ()  # J26
    equipment: tuple[str, ...] = ()  # J18
    housing: tuple[str, ...] = ()  # J32
    sector: str = ""  # G adults or I children, for psychiatry
    at_home: bool = False
    critical: bool = False
    without_consent: bool = False
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every kind of offer, by key, and which of them a hospital must or may have."""

    kinds: Mapping[str, OfferKind]
    sensitive: Sequence[str]
    """Sensitive units, given in turn to the hospitals."""
    maternity: Mapping[str, Sequence[str]]
    """The offers that a maternity of each type must have (type in J227; quality rule CO2)."""


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with the project."""
    path = files("ror.standard.knowledge").joinpath("offers.toml")
    tables = tomllib.loads(path.read_text("utf-8"))
    rows = {**tables["hospital"], **tables["community"]}
    return Catalogue(
        kinds={key: OfferKind(**_complete(row, tables["families"])) for key, row in rows.items()},
        sensitive=tables["sensitive"],
        maternity=tables["maternity"],
    )


def _complete(row: Mapping[str, Any], families: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the values of the families that it is like; its own values win."""
    like = row.get("like", ())
    values: dict[str, Any] = {}
    for family in [like] if isinstance(like, str) else like:
        values |= _complete(families[family], families)
    own = {key: value for key, value in row.items() if key != "like"}
    return values | {key: _fixed(value) for key, value in own.items()}


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
