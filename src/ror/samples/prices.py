"""
The prices that social and medico-social establishments publish, as extensions of their
Organization.

Every kind of price of J36 is here, with the parts that belong to it; amounts are exact decimals of
euros.
"""

from decimal import Decimal

from ror.samples.fragments import SD, Fragment, Json, coded, flag
from ror.samples.registrar import Registrar

_CENT = Decimal("0.01")
_HOURLY, _DAILY, _MONTHLY, _EACH = "1", "2", "3", "4"
_GIR = (("01", 2150), ("02", 1365), ("03", 580))
"""Groups of dependency (J27), and the usual daily price of each in cents."""


def prices_of_home(registrar: Registrar, housing: tuple[str, ...]) -> list[Json]:
    """
    The prices of a home for the elderly: lodging by type of housing (J32), dependency, extras, day
    care.
    """
    chance = registrar.chance
    under_60 = flag("under60", chance.maybe(0.2))
    prices = [
        _price(
            registrar, "02", _MONTHLY if code in {"03", "04", "05"} else _DAILY, 5500, 9900,
            under_60,
            *(coded("deliveryIncluded", "J206", each) for each in chance.some(("01", "02", "07",
            "08"), 2)),
            {"url": "othersDeliveryIncluded", "valueString": "Animations de la semaine"},
            coded("residentialType", "J32", code),
            coded("specialPrice", "J39", chance.next_of("price: condition", ("01", "02", "03"))),
            coded("welcomeType", "J30", "02"),
        )
        for code in housing
    ]  # fmt: skip
    prices += [
        _price(
            registrar,
            "03",
            _DAILY,
            usual - 150,
            usual + 150,
            _welcome(registrar),
            coded("dependencyLevel", "J27", code),
        )
        for code, usual in _GIR
    ]
    if chance.turn("price: extra", 3):
        prices.append(
            _price(registrar, "04", _EACH, 800, 3500, coded("additionalServiceName", "J206", "09"))
        )
    if chance.turn("price: other extra", 6):
        other = {"url": "otherAdditionalServiceName", "valueString": "Repas invité"}
        prices.append(_price(registrar, "04", _EACH, 800, 1500, other))
    if chance.turn("price: day care", 3):
        prices.append(
            _price(registrar, "05", _DAILY, 2200, 4500, coded("specialPrice", "J39", "01"))
        )
    return prices


def prices_at_home(registrar: Registrar) -> list[Json]:
    """The prices of a service that comes to people's homes: human help, meals."""
    hourly = _price(
        registrar, "06", _HOURLY, 2350, 3200,
        {"url": "humanHelpPriceName", "valueString": "Aide aux actes essentiels, jours ouvrés"},
        coded("managementType", "J26", "01"), coded("specialPrice", "J39", "01"),
    )  # fmt: skip
    meal = _price(
        registrar, "07", _EACH, 850, 1450,
        {"url": "mealDeliveryName", "valueString": "Déjeuner livré"}, coded("specialPrice", "J39",
        "01"),
    )  # fmt: skip
    return [hourly, meal]


def prices_of_rehabilitation(registrar: Registrar) -> list[Json]:
    """What a single room adds in a rehabilitation hospital."""
    return [_price(registrar, "01", _DAILY, 4000, 9000, coded("residentialType", "J32", "02"))]


def _welcome(registrar: Registrar) -> Fragment:
    return coded(
        "welcomeType", "J30", registrar.chance.next_of("price: welcome", ("02", "02", "01"))
    )


def _price(registrar: Registrar, kind: str, unit: str, low: int, high: int, *parts: Json) -> Json:
    """A price of that kind (J36) per unit (J205), between two amounts in cents."""
    amount = (Decimal(registrar.chance.between(low, high)) * _CENT).quantize(_CENT)
    if unit == _MONTHLY:
        amount *= 12
    return {
        "url": SD + "ror-organization-price",
        "extension": [
            coded("priceType", "J36", kind),
            coded("priceUnit", "J205", unit),
            {"url": "amount", "valueMoney": {"value": amount, "currency": "EUR"}},
            {
                "url": "startDate",
                "valueDateTime": registrar.chance.pick(("2025-01-01", "2026-01-01")),
            },
            *parts,
        ],
    }
