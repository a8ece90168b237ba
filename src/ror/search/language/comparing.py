"""
Comparing an indexed text, date, number or unit with the value of a search.

The prefixes of FHIR apply to dates and numbers. For texts, this module says when a space counts.
"""

from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import accumulate
from typing import Final, Literal

from ror.search.language.values import Period

TextMatch = Literal["starts", "contains", "ends", "exact"]

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def text_compares(how: TextMatch, value: str, text: str) -> bool:
    """
    Whether an indexed text compares with the text of a search, both as `normal_text` gives them.

    Letters, digits and signs decide. A space of the value never counts. A space of the search
    counts between two words (`word_breaks`): a word of the value must begin there too, so that
    "saint e" does not find "Sainte-Foy". Two whole texts that differ by their spaces alone are the
    same. `how` is not "exact", which compares texts as written. Source: choice 5.

    >>> text_compares("starts", "saint etienne", "sainte")
    True
    >>> text_compares("starts", "sainte foy", "saint e")
    False
    >>> text_compares("starts", "35 g 01", "35g0"), text_compares("starts", "ch de dax", "c h de")
    (True, True)
    """
    letters, query = without_spaces(value), without_spaces(text)
    if letters == query:
        return True
    breaks, begins = word_breaks(text), word_starts(value)
    return any(
        all(at + offset in begins for offset in breaks) for at in _occurrences(how, letters, query)
    )


def _occurrences(how: TextMatch, letters: str, query: str) -> Iterator[int]:
    """The offsets in `letters` at which `query` matches as `how` requires."""
    last = max(len(letters) - len(query), 0)
    match how:
        case "starts":
            places = range(1)
        case "ends":
            places = range(last, last + 1)
        case _:
            places = range(last + 1)
    return (at for at in places if letters.startswith(query, at))


def without_spaces(text: str) -> str:
    """The letters, digits and signs of a text that `normal_text` gave."""
    return text.replace(" ", "")


def word_starts(text: str) -> list[int]:
    """
    The offsets of the words after the first, in a text without its spaces.

    >>> word_starts("35 g 01")
    [2, 3]
    """
    return list(accumulate(map(len, text.split(" ")[:-1])))


def word_breaks(text: str) -> list[int]:
    """
    The `word_starts` of a search that count: those neither next to a digit nor between initials.

    >>> word_breaks("c h saint etienne"), word_breaks("42 100")
    ([2, 7], [])
    """
    words = text.split(" ")
    return [
        at
        for at, before, after in zip(word_starts(text), words, words[1:], strict=False)
        if not (before[-1:].isdigit() or after[:1].isdigit() or len(before) == len(after) == 1)
    ]


def date_compares(prefix: Prefix, value: Period, period: Period) -> bool:
    """
    Whether an indexed period matches the period of a search.

    `eq` is containment. `gt` and `lt` require that part of the value lies beyond the bound, `sa`
    and `eb` that all of it does. `ap` requires an overlap with the period of the search, widened by
    a tenth of its length. Source: FHIR R4, search.html#prefix.
    """
    match prefix:
        case "eq":
            return period.first <= value.first and value.last <= period.last
        case "ne":
            return not (period.first <= value.first and value.last <= period.last)
        case "gt":
            return value.last > period.last
        case "lt":
            return value.first < period.first
        case "ge":
            return value.last > period.last or (
                period.first <= value.first and value.last <= period.last
            )
        case "le":
            return value.first < period.first or (
                period.first <= value.first and value.last <= period.last
            )
        case "sa":
            return value.first > period.last
        case "eb":
            return value.last < period.first
        case "ap":
            margin = (period.last - period.first + 1) // 10
            return value.first <= period.last + margin and value.last >= period.first - margin


def number_compares(prefix: Prefix, value: Decimal, number: Decimal, half: Decimal) -> bool:
    """
    Whether an indexed number matches the number of a search.

    `eq` and `ne` use the precision with which the search writes its number; `ap` allows a tenth.
    Source: FHIR R4, search.html#number.
    """
    least, greatest = number_bounds(prefix, number, half)
    match prefix:
        case "eq":
            return least <= value < greatest
        case "ne":
            return not least <= value < greatest
        case "gt" | "sa":
            return value > number
        case "lt" | "eb":
            return value < number
        case "ge":
            return value >= number
        case "le":
            return value <= number
        case "ap":
            return least <= value <= greatest


_EXACT: Final = Context(prec=256)
"""Precise enough to add any two numbers of a request: 50 digits, and an exponent of up to 50."""


def number_bounds(prefix: Prefix, number: Decimal, half: Decimal) -> tuple[Decimal, Decimal]:
    """
    The bounds within which a value equals `number`: a tenth of it for `ap`, else `half` a step.

    >>> number_bounds("eq", Decimal("5.40"), Decimal("0.005"))
    (Decimal('5.395'), Decimal('5.405'))
    """
    away = _EXACT.scaleb(_EXACT.abs(number), -1) if prefix == "ap" else half
    return _EXACT.subtract(number, away), _EXACT.add(number, away)


def unit_agrees(indexed: str, unit: str | None) -> bool:
    """Whether an indexed unit matches `unit`: None for any, "|code" for a code in any system."""
    if unit is None or indexed == unit:
        return True
    return unit.startswith("|") and indexed.partition("|")[1:] == unit.partition("|")[1:]
