"""
The places where offers are delivered, as Location resources: wards, platforms, consulting rooms,
homes.

A place follows the kind of the offer it is for: function, capacity, equipment, housing. It receives
its offer later; one that is attached to none names the establishment that manages it.
"""

from decimal import Decimal

from ror.samples import capacities
from ror.samples.catalogue import BED, PLACE, OfferKind
from ror.samples.fragments import (
    ALERT_PHONE,
    LANDLINE,
    PUBLIC,
    RESTRICTED,
    SD,
    VERY_RESTRICTED,
    Json,
    coded,
    coding,
    concept,
    flag,
    telecom,
    typed,
)
from ror.samples.names import ROOM_NAMES
from ror.samples.places import Site, position
from ror.samples.registrar import PLACE_IDENTIFIER_TYPE, Registrar, template

_OPEN, _CLOSED_FOR_A_TIME, _CLOSED_FOR_GOOD = "3", "2", "1"
_STATUS = {_OPEN: "active", _CLOSED_FOR_A_TIME: "suspended", _CLOSED_FOR_GOOD: "inactive"}

_LIMITS = {
    "052": "250", "054": "200", "072": "450", "085": "300", "088": "250", "089": "350",
    "090": "450", "091": "250",
    "092": "350", "083": "250", "084": "300", "221": "300", "222": "350", "223": "227.5",
    "225": "350", "226": "300",
    "227": "454.5", "229": "180",
}  # fmt: skip
_DIAMETERS = {"052": "70", "085": "80", "247": "60", "222": "80"}
"""Greatest weight in kg, and diameter in cm, that equipment of a type (J18) bears."""


def location(
    registrar: Registrar, where: Site, address: Json, kind: OfferKind, *, closed: bool = False
) -> Json:
    """
    The place of an offer of that kind, at that address; `closed` for a time when the offer is.
    """
    chance = registrar.chance
    region = where.region
    resource_id = registrar.next_id("Location")
    state = _CLOSED_FOR_A_TIME if closed else _OPEN
    latitude, longitude = position(chance, where)
    room = chance.pick(ROOM_NAMES)
    resource: Json = {
        "resourceType": "Location",
        "id": resource_id,
        "meta": registrar.meta("ror-location", region),
        "extension": [where.extension, registrar.creation(), *_resources(registrar, kind)],
        "identifier": [
            {
                "type": typed(PLACE_IDENTIFIER_TYPE, "25"),
                "value": f"{region}/L/{registrar.number('place'):07}",
            }
        ],
        "status": _STATUS[state],
        "operationalStatus": coding("J224", state),
        "name": f"{kind.name}, {room}",
        "type": (concept("J198", kind.function),),
        "address": address,
        "position": {
            "extension": (flag(SD + "ror-coordinate-reliability", chance.maybe(0.9)),),
            "longitude": longitude,
            "latitude": latitude,
        },
    }
    if kind.unit == BED:
        zone = f"ZH-{resource_id}"
        resource["identifier"].append({"type": typed(PLACE_IDENTIFIER_TYPE, "26"), "value": zone})
        resource["alias"] = (f"{kind.name[:3].upper()}{resource_id[-3:]}",)
    if chance.turn("place: description", 3):
        resource["description"] = (
            f"Niveau {chance.between(0, 5)}, accès par l'ascenseur {chance.pick('ABC')}"
        )
    if chance.turn("place: comment", 10):
        resource["extension"].append(
            {"url": SD + "ror-comment", "valueString": f"Entrée par {room}"}
        )
    if chance.turn("place: template", 8):
        resource["extension"].append(template("location"))
    telecoms = _telecoms(registrar, region, kind)
    if telecoms:
        resource["telecom"] = telecoms
    return resource


def managed_location(
    registrar: Registrar, where: Site, address: Json, kind: OfferKind, geographic_entity: str
) -> Json:
    """
    A place that no offer uses, so that it names its establishment (guide 0.7.0,
    Location.managingOrganization).
    """
    resource = location(registrar, where, address, kind)
    if registrar.chance.turn("place: closed for good", 3):
        resource["operationalStatus"] = coding("J224", _CLOSED_FOR_GOOD)
        resource["status"] = _STATUS[_CLOSED_FOR_GOOD]
    resource["managingOrganization"] = {"reference": f"Organization/{geographic_entity}"}
    return resource


def _resources(registrar: Registrar, kind: OfferKind) -> list[Json]:
    """Equipment, housing and capacity: what the place holds for that kind of offer."""
    chance = registrar.chance
    held: list[Json] = []
    if kind.equipment and chance.maybe(0.15):
        held += [_equipment(code, chance.between(1, 4)) for code in chance.some(kind.equipment, 2)]
    if kind.unit:
        size = chance.between(*kind.size)
        if kind.housing:
            held += _housing(kind.housing, size)
        held += capacities.records(registrar, kind.unit, size)
    return held


def _equipment(code: str, count: int) -> Json:
    parts = [coded("equipmentType", "J18", code), {"url": "nbInService", "valueInteger": count}]
    if code in _LIMITS:
        parts.append(_limit("001", _LIMITS[code], "kg"))
    if code in _DIAMETERS:
        parts.append(_limit("002", _DIAMETERS[code], "cm"))
    return {"url": SD + "ror-location-equipment", "extension": parts}


def _limit(feature: str, value: str, unit: str) -> Json:
    quantity = {
        "value": Decimal(value),
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": unit,
    }
    return {
        "url": SD + "ror-location-equipment-limit",
        "extension": [
            coded("equipmentFeature", "J228", feature),
            {"url": "limitValue", "valueQuantity": quantity},
        ],
    }


def _housing(types: tuple[str, ...], size: int) -> list[Json]:
    """Rooms or flats for that many people, shared evenly between the types of housing."""
    share = max(1, size // len(types))
    return [
        {
            "url": SD + "ror-location-residential-capacity",
            "extension": [
                coded("residentialType", "J32", code),
                {"url": "residentialNumber", "valueInteger": share},
            ],
        }
        for code in types
    ]


def _telecoms(registrar: Registrar, region: str, kind: OfferKind) -> list[Json]:
    chance = registrar.chance
    telecoms = []
    if chance.maybe(0.2 if kind.unit == BED else 0.05):
        level = PUBLIC if kind.unit == PLACE else RESTRICTED
        telecoms.append(
            telecom(
                LANDLINE,
                registrar.phone(region),
                level,
                "Poste de soins" if kind.unit == BED else "",
            )
        )
    if kind.critical and chance.maybe(0.5):
        telecoms.append(
            telecom(
                ALERT_PHONE,
                registrar.phone(region),
                VERY_RESTRICTED,
                "Ligne réservée à la régulation",
            )
        )
    return telecoms
