"""How an indexed date, number or unit compares with the one that is asked: what the prefixes of FHIR mean."""

from decimal import Context, Decimal
from typing import Final, Literal

from ror.search.language.values import Period

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def date_compares(prefix: Prefix, value: Period, asked: Period) -> bool:
    """
    How an indexed period compares with the period asked.

    `eq` is containment; `gt` and `lt` ask for a part beyond the bound; `sa` and `eb` for all of it; `ap` for an overlap
    with the period widened by a tenth of its length. Source: FHIR R4, search.html#prefix.
    """
    match prefix:
        case "eq":
            return asked.first <= value.first and value.last <= asked.last
        case "ne":
            return not (asked.first <= value.first and value.last <= asked.last)
        case "gt":
            return value.last > asked.last
        case "lt":
            return value.first < asked.first
        case "ge":
            return value.last > asked.last or (
                asked.first <= value.first and value.last <= asked.last
            )
        case "le":
            return value.first < asked.first or (
                asked.first <= value.first and value.last <= asked.last
            )
        case "sa":
            return value.first > asked.last
        case "eb":
            return value.last < asked.first
        case "ap":
            margin = (asked.last - asked.first + 1) // 10
            return value.first <= asked.last + margin and value.last >= asked.first - margin


def number_compares(prefix: Prefix, value: Decimal, asked: Decimal, half: Decimal) -> bool:
    """
    How an indexed number compares with the number asked.

    `eq` and `ne` use the precision the number was written with; `ap` reaches a tenth of it.
    Source: FHIR R4, search.html#number.
    """
    least, greatest = reach(prefix, asked, half)
    match prefix:
        case "eq":
            return least <= value < greatest
        case "ne":
            return not least <= value < greatest
        case "gt" | "sa":
            return value > asked
        case "lt" | "eb":
            return value < asked
        case "ge":
            return value >= asked
        case "le":
            return value <= asked
        case "ap":
            return least <= value <= greatest


_EXACT: Final = Context(prec=256)
"""Digits enough for any sum of numbers that a request may hold, which have fifty, and as much for an exponent."""


def reach(prefix: Prefix, asked: Decimal, half: Decimal) -> tuple[Decimal, Decimal]:
    """
    The bounds of what is taken for a number that is asked: a tenth of it either way for `ap`, else `half`.

    >>> reach("eq", Decimal("5.40"), Decimal("0.005"))
    (Decimal('5.395'), Decimal('5.405'))
    """
    away = _EXACT.scaleb(_EXACT.abs(asked), -1) if prefix == "ap" else half
    return _EXACT.subtract(asked, away), _EXACT.add(asked, away)


def unit_agrees(indexed: str, asked: str | None) -> bool:
    """Whether an indexed unit is the one asked; `asked` is None for any, or "|code" for a code in any system."""
    if asked is None or indexed == asked:
        return True
    return asked.startswith("|") and indexed.partition("|")[1:] == asked.partition("|")[1:]
