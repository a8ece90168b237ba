"""
The beds, places and rooms of a place: installed, available, occupied, reserved, closed,
supplementary, forecast.

The counts of one place hold together: available, occupied, reserved and closed make what is
installed, and the beds that a crisis may add come on top. Two records of a place never have the
same key (status, time horizon, sex, closing type, additional bed, crisis, assignment), since that
key is how a bed manager designates the one to replace.
"""

from functools import cache

from ror.samples.catalogue import BED, PLACE
from ror.samples.chance import Chance, weighted
from ror.samples.fragments import SD, Fragment, Json, coded, ready
from ror.samples.registrar import Registrar

_INSTALLED, _AVAILABLE, _OCCUPIED, _RESERVED, _CLOSED, _SUPPLEMENTARY = (
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
)
_NOW = "01"
_FORECASTS = ("02", "03", "04", "05")
_WOMEN, _MEN, _ANYONE = "01", "02", "04"
_UNASSIGNED, _POSITIVE, _NEGATIVE = "01", "02", "03"
_SOURCES = weighted((("01", 3), ("02", 3), ("03", 2), ("04", 2)))

_VALUE_SET_OF_PART = {
    "capacityType": "J187",
    "capacityStatus": "J188",
    "temporalityCapacity": "J189",
    "capacitySourceType": "J193",
    "genderCapacityAvailable": "J190",
    "capacityClosingType": "J191",
    "additionalBedType": "J192",
    "crisisType": "J194",
    "temporaryAssignement": "J195",
}


def records(registrar: Registrar, unit: str, installed: int) -> list[Json]:
    """
    The capacity extensions of a place that has that many beds, places or rooms (`unit`, J187).

    Beds have every kind of record in turn where they are followed by the hour, two counts
    elsewhere; places are followed by the week, in few structures; rooms hardly.
    """
    chance = registrar.chance
    sheet = _Sheet(registrar, unit)
    sheet.add(_INSTALLED, installed)
    if unit == BED and chance.turn("capacity: beds followed", 5):
        _follow_beds(sheet, chance, installed)
    elif unit == PLACE and chance.turn("capacity: places followed", 8):
        _follow_places(sheet, chance, installed)
    elif unit != PLACE:
        sheet.add(_AVAILABLE, chance.between(0, installed))
    return sheet.extensions


def _follow_beds(sheet: "_Sheet", chance: Chance, installed: int) -> None:
    closed = chance.between(1, 1 + installed // 8) if chance.turn("capacity: closed", 6) else 0
    reserved = 1 if chance.turn("capacity: reserved", 6) else 0
    usable = installed - closed - reserved
    available = int(usable * chance.random() * 0.25)
    occupied = usable - available
    if occupied >= 2 and chance.turn("capacity: assigned", 5):
        sheet.add(_OCCUPIED, 1, assignment=_POSITIVE)
        sheet.add(_OCCUPIED, 1, assignment=_NEGATIVE)
        occupied -= 2
    sheet.add(_OCCUPIED, occupied)
    if chance.turn("capacity: by sex", 4):
        women, men = available // 3, available // 3
        sheet.add(_AVAILABLE, women, gender=_WOMEN)
        sheet.add(_AVAILABLE, men, gender=_MEN)
        sheet.add(_AVAILABLE, available - women - men, gender=_ANYONE, comment="Chambre double")
    else:
        sheet.add(_AVAILABLE, available, gender=_ANYONE)
    if reserved:
        sheet.add(_RESERVED, reserved)
    if closed:
        sheet.add(_CLOSED, closed, closing=chance.next_of("capacity: closing", ("01", "02", "03")))
    if chance.turn("capacity: supplementary", 10):
        for additional in ("01", "02", "03"):
            crisis = chance.next_of("capacity: crisis", ("01", "02"))
            sheet.add(_SUPPLEMENTARY, chance.between(0, 6), additional=additional, crisis=crisis)
    if chance.turn("capacity: forecast", 10):
        for horizon in _FORECASTS:
            forecast = min(usable, chance.between(0, available + 3))
            sheet.add(_AVAILABLE, forecast, gender=_ANYONE, horizon=horizon)


def _follow_places(sheet: "_Sheet", chance: Chance, installed: int) -> None:
    available = int(installed * chance.random() * 0.15)
    sheet.add(_OCCUPIED, installed - available)
    sheet.add(
        _AVAILABLE, available, gender=chance.next_of("capacity: place sex", (_ANYONE, _WOMEN, _MEN))
    )


class _Sheet:
    """The records of one place, all typed by the same source at the same instant."""

    def __init__(self, registrar: Registrar, unit: str) -> None:
        chance = registrar.chance
        days = chance.between(0, 2 if unit == BED else 30)
        if chance.turn("capacity: stale", 20):
            days += 60
        self.extensions: list[Json] = []
        self._unit = unit
        self._source = coded("capacitySourceType", "J193", chance.draw(_SOURCES))
        self._updated = ready(
            {"url": "capacityUpdateDate", "valueDateTime": registrar.instant(days)}
        )

    def add(
        self,
        status: str,
        count: int,
        *,
        horizon: str = _NOW,
        gender: str = "",
        closing: str = "",
        additional: str = "",
        crisis: str = "",
        assignment: str = _UNASSIGNED,
        comment: str = "",
    ) -> None:
        """One count; empty codes are parts that the record does not have."""
        first, last = _fixed_parts(
            self._unit, status, horizon, gender, closing, additional, crisis, assignment
        )
        parts = [*first, _count(count), self._source, self._updated, *last]
        if comment:
            parts.append({"url": "comment", "valueString": comment})
        self.extensions.append({"url": SD + "ror-location-supported-capacity", "extension": parts})


@cache
def _fixed_parts(
    unit: str,
    status: str,
    horizon: str,
    gender: str,
    closing: str,
    additional: str,
    crisis: str,
    assignment: str,
) -> tuple[tuple[Fragment, ...], tuple[Fragment, ...]]:
    """What says which count this is: the parts before the count, and those after it."""
    first = {"capacityType": unit, "capacityStatus": status, "temporalityCapacity": horizon}
    last = {
        "genderCapacityAvailable": gender,
        "capacityClosingType": closing,
        "additionalBedType": additional,
        "crisisType": crisis,
        "temporaryAssignement": assignment,
    }
    return _parts(first), _parts(last)


def _parts(codes: dict[str, str]) -> tuple[Fragment, ...]:
    return tuple(
        coded(part, _VALUE_SET_OF_PART[part], code) for part, code in codes.items() if code
    )


@cache
def _count(count: int) -> Fragment:
    return ready({"url": "nbCapacity", "valueInteger": count})
