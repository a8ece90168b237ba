"""
Where things are: real communes, drawn as people are spread, with invented streets.

Regions come in order of population; inside a region the large towns of `TOWNS` take their share and
every other commune the same small one (the table of communes holds no population). Positions are
the reference point of the commune, moved by less than a kilometre: plausible on a map, and the
address of nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from ror.samples.chance import Chance, Weighted, weighted
from ror.samples.fragments import (
    ADDRESS_PART,
    COMMUNE,
    LIEU_DIT,
    SD,
    Fragment,
    Json,
    flag,
    members,
    ready,
    territory,
)
from ror.samples.names import LOCALITIES, STREETS
from ror.standard import geography

INHABITANTS = {
    "11": 12.4, "84": 8.2, "75": 6.1, "76": 6.1, "32": 6.0, "44": 5.6, "93": 5.2, "52": 3.9,
    "53": 3.5, "28": 3.3,
    "27": 2.8, "24": 2.6, "04": 0.88, "01": 0.38, "02": 0.35, "94": 0.35, "06": 0.31, "03": 0.29,
}  # fmt: skip
"""Millions of inhabitants by region, rounded, most populated first (INSEE, estimates of 2024)."""

TOWNS = {
    "06088": 350, "13055": 870, "14118": 108, "17300": 78, "2A004": 72, "2B033": 48, "21231": 160,
    "22278": 45, "24322": 30, "25056": 120, "26362": 64, "29019": 140, "29232": 64, "30189": 150,
    "31555": 505,
    "33063": 260, "34172": 300, "35238": 225, "37261": 138, "38185": 158, "42218": 173,
    "44109": 323, "44184": 72,
    "45234": 117, "49007": 157, "50129": 79, "51454": 180, "54395": 105, "56121": 58, "56260": 54,
    "57463": 120,
    "59350": 236, "59512": 98, "60057": 56, "62041": 42, "63113": 147, "64102": 52, "64445": 77,
    "66136": 120,
    "67482": 291, "68224": 107, "69123": 522, "69266": 157, "72181": 146, "73065": 59, "74010": 131,
    "75056": 2100,
    "76351": 166, "76540": 114, "78646": 84, "80021": 134, "83137": 180, "84007": 91, "85191": 55,
    "86194": 90,
    "87085": 130, "91228": 66, "92050": 97, "93066": 113, "94028": 92, "95127": 68, "97105": 9,
    "97101": 52,
    "97209": 76, "97302": 62, "97411": 155, "97416": 84, "97611": 72,
}  # fmt: skip
"""Large towns by commune code: thousands of inhabitants, rounded (INSEE, census of 2021)."""

_OTHER_COMMUNES = 1.5
"""What any other commune weighs, in the same thousands."""

_TERRITORIES_OF_REGION = {
    "01": ("011", "012", "013"), "02": ("021", "022", "023", "024"), "03": ("031",), "04": ("041",
    "042", "043"),
    "06": ("061",), "11": ("11",), "24": ("24",), "27": ("00", "26", "43"), "28": ("23", "25"),
    "32": ("22", "31", "32"), "44": ("21", "41", "42"), "52": ("52",), "53": ("53",), "75": ("54",
    "72", "74"),
    "76": ("73", "91"), "84": ("82", "83", "84"), "93": ("93",), "94": ("94",),
}  # fmt: skip
"""
First digits of the codes of health territories (J249), which still follow the regions of before
2016.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A commune as structures are put in it, with the pieces of FHIR that name it."""

    commune: geography.Commune
    neighbours: Sequence[geography.Commune] = field(repr=False)
    concept: Json = field(repr=False)
    extension: Json = field(repr=False)
    territory: Fragment = field(repr=False)

    @property
    def region(self) -> str:
        return self.commune.region

    @property
    def department(self) -> str:
        return self.commune.department


def sites_of_region(region: str) -> Weighted[geography.Commune]:
    """
    The communes of a region where something may be put: those with a position and a postal code.
    """
    towns = [
        (place, _weight(place))
        for place in geography.communes_of_region(region)
        if place.latitude is not None and place.postal_codes and not _is_cut_up(place)
    ]
    return weighted(towns)


def towns_of_region(region: str) -> Weighted[geography.Commune]:
    """The large towns of a region, where hospitals are."""
    every = sites_of_region(region).things
    return weighted(
        [(place, _weight(place)) for place in every if place.parent or place.code in TOWNS]
    )


def _is_cut_up(place: geography.Commune) -> bool:
    """Paris, Lyon and Marseille give way to their arrondissements, which are in the table too."""
    return place.code in {"75056", "69123", "13055"}


def _weight(place: geography.Commune) -> float:
    if place.parent is None:
        return TOWNS.get(place.code, _OTHER_COMMUNES)
    arrondissements = sum(
        1 for each in geography.communes_of_region(place.region) if each.parent == place.parent
    )
    return TOWNS[place.parent] / arrondissements


@cache
def commune_concept(code: str, name: str) -> Json:
    """The concept of a commune, as extensions and territorial divisions hold it."""
    return {"coding": [{"system": COMMUNE, "code": code, "display": name}]}


def site(place: geography.Commune) -> Site:
    """The commune made ready to receive structures."""
    named = commune_concept(place.code, place.name)
    return Site(
        commune=place,
        neighbours=_communes_of_department(place.region, place.department),
        concept=named,
        extension={"url": SD + "ror-commune-cog", "valueCodeableConcept": named},
        territory=_health_territory(place.region, place.department),
    )


@cache
def _communes_of_department(region: str, department: str) -> Sequence[geography.Commune]:
    return tuple(
        place
        for place in geography.communes_of_region(region)
        if place.department == department and not place.parent
    )


@cache
def _health_territory(region: str, department: str) -> Fragment:
    """
    The health territory that bears the name of the département, else one of its region, always the
    same.
    """
    prefixes = _TERRITORIES_OF_REGION[region]
    candidates = [coding for code, coding in members("J249").items() if code.startswith(prefixes)]
    name = geography.department_name(department) or ""
    homonyms = [coding for coding in candidates if name in coding["display"]]
    departments = sorted({place.department for place in geography.communes_of_region(region)})
    found = (homonyms or candidates)[departments.index(department) % len(homonyms or candidates)]
    return territory("4", {"coding": [found]})


def intervention_zone(chance: Chance, where: Site, count: int) -> list[Fragment]:
    """
    The extensions that list communes served: that of the site, and neighbours in its département.
    """
    served = [where.commune, *chance.some(where.neighbours, count - 1)]
    codes = {place.code: place for place in served}
    return [territory("3", commune_concept(place.code, place.name)) for place in codes.values()]


def position(chance: Chance, where: Site) -> tuple[float, float]:
    """Latitude and longitude in degrees, within a kilometre of the commune's reference point."""
    latitude, longitude = where.commune.latitude or 0.0, where.commune.longitude or 0.0
    return round(latitude + (chance.random() - 0.5) * 0.016, 5), round(
        longitude + (chance.random() - 0.5) * 0.016, 5
    )


def address(chance: Chance, where: Site) -> Json:
    """The address of a structure: a readable line, and the same line in parts."""
    code, word, name = chance.pick(STREETS)
    number = str(chance.between(1, 180))
    parts = [
        _part("houseNumber", number),
        _part("streetNameType", code),
        _part("streetNameBase", name),
    ]
    suffix = ""
    if chance.turn("address: suffix", 15):
        suffix = " bis"
        parts.insert(1, _part("buildingNumberSuffix", "bis"))
    for element, value, every in _RARE_PARTS:
        if chance.turn("address: " + element, every):
            parts.append(_part(element, value))
    if chance.turn("address: lieu-dit", 14):
        parts.append({"url": LIEU_DIT, "valueString": chance.pick(LOCALITIES)})
    return {
        "line": (f"{number}{suffix} {word} {name}",),
        "_line": ({"extension": parts},),
        "city": where.commune.name,
        "postalCode": where.commune.postal_codes[0],
    }


_RARE_PARTS = (
    ("careOf", "Service du courrier", 21),
    ("additionalLocator", "Bâtiment B, escalier 2", 11),
    ("postBox", "BP 99", 17),
)
"""Parts of an address that few have: name in ISO 21090, value, once in how many addresses."""


@cache
def _part(element: str, value: str) -> Fragment:
    return ready({"url": ADDRESS_PART + element, "valueString": value})


@cache
def insee_code(code: str, name: str) -> Json:
    """The extension of an Organization's address that names its commune (FR Core)."""
    return {
        "url": "http://interopsante.org/fhir/StructureDefinition/FrAddressInseeCode",
        "valueCoding": commune_concept(code, name)["coding"][0],
    }


def geolocation(latitude: float, longitude: float, reliable: bool) -> Json:
    """The extension of an Organization's address that places it on the map."""
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/geolocation",
        "extension": [
            {"url": "latitude", "valueDecimal": latitude},
            {"url": "longitude", "valueDecimal": longitude},
            flag(SD + "ror-confidence-geolocation", reliable),
        ],
    }
