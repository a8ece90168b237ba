"""
How an indexed text, date, number or unit compares with the one that a search gives.

For dates and numbers, this is what the prefixes of FHIR mean; for texts, how much spaces count.
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
    letters, wanted = without_spaces(value), without_spaces(text)
    if letters == wanted:
        return True
    breaks, begins = word_breaks(text), word_starts(value)
    return any(
        all(at + one in begins for one in breaks) for at in _occurrences(how, letters, wanted)
    )


def _occurrences(how: TextMatch, letters: str, wanted: str) -> Iterator[int]:
    """Where `wanted` stands in `letters`, of the places that may do."""
    last = max(len(letters) - len(wanted), 0)
    match how:
        case "starts":
            places = range(1)
        case "ends":
            places = range(last, last + 1)
        case _:
            places = range(last + 1)
    return (at for at in places if letters.startswith(wanted, at))


def without_spaces(text: str) -> str:
    """The letters, digits and signs of a text that `normal_text` gave."""
    return text.replace(" ", "")


def word_starts(text: str) -> list[int]:
    """
    Where words begin in a text without its spaces, but for the first.

    >>> word_starts("35 g 01")
    [2, 3]
    """
    return list(accumulate(map(len, text.split(" ")[:-1])))


def word_breaks(text: str) -> list[int]:
    """
    The `word_starts` of a search that count: not those next to a digit or between two initials.

    >>> word_breaks("c h saint etienne"), word_breaks("42 100")
    ([2, 7], [])
    """
    words = text.split(" ")
    return [
        at
        for at, before, after in zip(word_starts(text), words, words[1:], strict=False)
        if not (before[-1:].isdigit() or after[:1].isdigit() or len(before) == len(after) == 1)
    ]


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
    least, greatest = number_bounds(prefix, asked, half)
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


def number_bounds(prefix: Prefix, asked: Decimal, half: Decimal) -> tuple[Decimal, Decimal]:
    """
    The bounds of what is taken for a number that is asked: a tenth of it either way for `ap`, else `half`.

    >>> number_bounds("eq", Decimal("5.40"), Decimal("0.005"))
    (Decimal('5.395'), Decimal('5.405'))
    """
    away = _EXACT.scaleb(_EXACT.abs(asked), -1) if prefix == "ap" else half
    return _EXACT.subtract(asked, away), _EXACT.add(asked, away)


def unit_agrees(indexed: str, asked: str | None) -> bool:
    """Whether an indexed unit is the one asked; `asked` is None for any, or "|code" for a code in any system."""
    if asked is None or indexed == asked:
        return True
    return asked.startswith("|") and indexed.partition("|")[1:] == asked.partition("|")[1:]
