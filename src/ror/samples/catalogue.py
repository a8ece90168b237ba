"""
The shape of an entry of the two catalogues of offers, hospital and community.

A row says what one kind of offer is, in codes: field of activity, category, activity, mode of care, whom it serves, in
what place, with which professionals. Codes belong to the value sets named in the comments; `offers.py` and
`lodgings.py` turn rows into resources.
"""

from dataclasses import dataclass

ADULTS, ELDERS, CHILDREN, ALL_AGES = (16, 120), (60, 120), (0, 17), (0, 120)
"""Usual age ranges in years, both ends included."""

BED, PLACE, ROOM = "01", "02", "04"
"""What is counted in a place (J187)."""

ALWAYS, EVERY_DAY, WEEKDAYS, SOME_DAYS = "always", "every day", "weekdays", "some days"
"""When an offer is open; the hours themselves are in `offers.py`."""


@dataclass(frozen=True, slots=True)
class OfferKind:
    """One kind of offer. Tuples hold codes to draw from; an empty code means that the element is not given."""

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
