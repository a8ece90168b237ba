"""
Each kind of column finds what a plain loop over its entries finds; bitmaps made by hand are those
made one by one.

Deliberate breakages that these tests caught: an array container where a bitset is due (more than
4,096 values); a bound included where it is not, for numbers and for periods; codes that share a
prefix taken for each other; a type taken for a system.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random
from typing import Any, get_args

import numpy as np
import pytest
from pyroaring import BitMap

from ror.search.index import bitmaps
from ror.search.index.columns import (
    NOWHERE,
    Column,
    KeyColumn,
    LinkColumn,
    NameColumn,
    NumberColumn,
    PeriodColumn,
    PositionColumn,
    TextColumn,
)
from ror.search.language.comparing import (
    Prefix,
    TextMatch,
    date_compares,
    number_bounds,
    number_compares,
    text_compares,
    unit_agrees,
)
from ror.search.language.expression import (
    CanonicalIs,
    DateIs,
    Near,
    NumberIs,
    Present,
    QuantityIs,
    TextIs,
    TokenIs,
)
from ror.search.language.values import Period, half_step, normal_text
from ror.standard.geography import EARTH_RADIUS_M, distance_m

PREFIXES = get_args(Prefix)
SPREADS = [
    pytest.param(0, 10, id="nothing"),
    pytest.param(1, 1, id="one entry"),
    pytest.param(300, 40, id="many for each slot"),
    pytest.param(9_000, 70_000, id="over two containers"),
    pytest.param(40_000, 60_000, id="more than 4,096 in a container"),
]
Leaf = Any
Entry = tuple[Any, int]


def made(kind: Any, given: list[Entry], size: int) -> Any:
    """The column of `(key, slot)` pairs."""
    return kind.of([key for key, _ in given], [slot for _, slot in given], size)


def entries(seed: int, how_many: int, size: int, key: Callable[[Random], Any]) -> list[Entry]:
    """Random entries, some of them twice."""
    random = Random(seed)
    made = [(key(random), random.randrange(size)) for _ in range(how_many)]
    return made + made[: how_many // 10]


def check(
    column: Column, given: list[Entry], leaves: Iterable[tuple[Leaf, Callable[[Any], bool]]]
) -> None:
    for leaf, accepts in leaves:
        accepted = {key: accepts(key) for key in {key for key, _ in given}}
        assert list(column.select(leaf)) == sorted(
            {slot for key, slot in given if accepted[key]}
        ), leaf
    assert set(column.select(Present("x"))) == {slot for _, slot in given}


# --- keys -----------------------------------------------------------------------------------------


def token(random: Random) -> str:
    return f"{random.choice(('1', '10', '01', 'é', '', 'a|b'))}\0{random.choice(('', 's', 'sys', 'x.example/é'))}"


TEXTS = (
    "Chu",
    "C.H.U.",
    "Œil",
    "chu de Brest",
    "",
    "…",
    "École",
    "de",
    "Brest-de-chu",
    "Chude",
    "35-G-01",
    "42 100",
    "Saint-Étienne",
    "Sainte-Foy",
    "Κέντρο Υγείας",
    "a" * 70 + " chu de Brest",
)


def text(random: Random) -> str:
    exact = random.choice(TEXTS)
    return f"{normal_text(exact)}\0{exact}"


@pytest.mark.parametrize(("how_many", "size"), SPREADS)
def test_tokens(how_many, size):
    given = entries(1, how_many, size, token)
    column = made(KeyColumn, given, size)

    def parts(key: str) -> list[str]:
        return key.split("\0")

    check(
        column,
        given,
        [
            (TokenIs("x", code, None), lambda key, c=code: parts(key)[0] == c)
            for code in ("1", "10", "é", "absent")
        ]
        + [
            (TokenIs("x", None, one), lambda key, s=one: parts(key)[1] == s)
            for one in ("", "s", "sys", "absent")
        ]
        + [
            (TokenIs("x", code, one), lambda key, c=code, s=one: parts(key) == [c, s])
            for code in ("1", "01", "a|b")
            for one in ("", "s", "x.example/é")
        ],
    )


@pytest.mark.parametrize(("how_many", "size"), SPREADS)
def test_names(how_many, size):
    def name(random: Random) -> tuple[str, int]:
        return f"{token(random)}\0{random.choice(('', 's', 'Location'))}", random.choice(
            (NOWHERE, 1, 12)
        )

    given = entries(1, how_many, size, name)
    column = made(NameColumn, given, size)

    def parts(key: tuple[str, int]) -> list[str]:
        return key[0].split("\0")[:2]

    check(
        column,
        given,
        [
            (TokenIs("x", code, None), lambda key, c=code: parts(key)[0] == c)
            for code in ("1", "10", "é", "absent")
        ]
        + [
            (TokenIs("x", None, one), lambda key, s=one: parts(key)[1] == s)
            for one in ("", "s", "sys", "Location")
        ]
        + [
            (TokenIs("x", "1", one), lambda key, s=one: parts(key) == ["1", s])
            for one in ("", "s", "x.example/é")
        ],
    )
    by_rank = [column[rank].decode().split("\0") for rank in range(len(column))]
    assert column.literal.tolist() == [int(rid) if rid else NOWHERE for *_, rid in by_rank]
    assert {rank: name for name, [rank] in column.slots_by_key()} == {
        rank: "\0".join((kind, code, system))
        for rank, (code, system, kind, rid) in enumerate(by_rank)
        if not rid
    }


def test_a_system_is_found_among_more_systems_than_are_worth_numbering():
    given = [(f"c\0system-{n}", n) for n in range(300)]
    column = made(KeyColumn, given, 300)

    assert [list(column.select(TokenIs("x", None, f"system-{n}"))) for n in range(300)] == [
        [n] for n in range(300)
    ]
    assert not column.select(TokenIs("x", None, "ystem-1"))


@pytest.mark.parametrize(("how_many", "size"), SPREADS)
def test_texts(how_many, size):
    given = entries(2, how_many, size, text)
    sought = [*map(normal_text, TEXTS), "chu d", "e", "hu de", "g01", "g 0", "saint e", "u", "k"]

    def compares(key: str, how: TextMatch, wanted: str) -> bool:
        return text_compares(how, key.partition("\0")[0], wanted)

    check(
        made(TextColumn, given, size),
        given,
        [
            (TextIs("x", wanted, how), lambda key, how=how, t=wanted: compares(key, how, t))
            for how in ("starts", "contains", "ends")
            for wanted in sought
            if wanted
        ]
        + [
            (TextIs("x", t, "exact"), lambda key, t=t: key.split("\0")[1] == t)
            for t in ("CHU", "Chu", "hu", "Œil", "C.H.U.", "…", "")
        ],
    )


def test_canonical_urls():
    given = [
        ("https://a/m\0" + "1", 1),
        ("https://a/m\0", 2),
        ("https://a/m\0" + "10", 3),
        ("https://a/m2\0", 4),
    ]
    column = made(KeyColumn, given, 5)

    assert set(column.select(CanonicalIs("x", "https://a/m", ""))) == {1, 2, 3}
    assert set(column.select(CanonicalIs("x", "https://a/m", "1"))) == {1}
    assert not column.select(CanonicalIs("x", "https://a", ""))


# --- dates, numbers, positions --------------------------------------------------------------------


def period(random: Random) -> tuple[int, int]:
    first = random.choice((-(2**62), -1, 0, 0, 5, 10, 11, 20))
    return first, random.choice((first, first + 1, first + 9, 2**62))


@pytest.mark.parametrize(("how_many", "size"), SPREADS[:4])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_periods(how_many, size, prefix):
    given = entries(3, how_many, size, period)
    column = made(PeriodColumn, given, size)

    asked = [Period(0, 9), Period(10, 10), Period(-(2**62), 2**62), Period(0, 0), Period(5, 29)]
    leaves = [
        (DateIs("x", prefix, *one), lambda key, one=one: date_compares(prefix, Period(*key), one))
        for one in asked
    ]
    check(column, given, leaves)


@pytest.mark.parametrize(("how_many", "size"), SPREADS[:4])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_numbers_and_quantities(how_many, size, prefix):
    def number(random: Random) -> tuple[str, str]:
        return random.choice(("", "ucum|kg", "o|kg", "ucum|a")), random.choice(
            ("-1", "0", "2.5", "2.50", "10", "1E+1")
        )

    given = entries(4, how_many, size, number)
    column = made(NumberColumn, given, size)

    asked = [
        (Decimal(value), Decimal(half))
        for value, half in (("0", "0.5"), ("2.5", "0.05"), ("10", "0.5"))
    ]
    asked += [(Decimal("2.54"), Decimal("0.05")), (Decimal("-1"), Decimal("0"))]
    check(
        column,
        given,
        [
            (
                QuantityIs("x", prefix, *one, unit),
                lambda key, one=one, unit=unit: (
                    unit_agrees(key[0], unit) and number_compares(prefix, Decimal(key[1]), *one)
                ),
            )
            for one in asked
            for unit in (None, "ucum|kg", "|kg", "")
        ]
        + [
            (
                NumberIs("x", prefix, *one),
                lambda key, one=one: number_compares(prefix, Decimal(key[1]), *one),
            )
            for one in asked
        ],
    )


@pytest.mark.parametrize("prefix", ["eq", "ap"])
@pytest.mark.parametrize(
    "number", ["1.0000000000000000000000000000001", "9e-50", "-123456789012345678901234567890.5"]
)
def test_numbers_of_fifty_characters_are_compared_to_the_last_digit(prefix, number):
    half = half_step(number)
    near = str(number_bounds("eq", Decimal(number), half)[1])
    column = made(NumberColumn, [(("", number), 0), (("", near), 1), (("", "3"), 2)], 3)

    found = column.select(NumberIs("x", prefix, Decimal(number), half))

    # Half a step away is another number, and well within a tenth.
    assert set(found) == ({0} if prefix == "eq" else {0, 1})


@pytest.mark.parametrize(("how_many", "size"), SPREADS[:4])
def test_positions(how_many, size):
    def point(random: Random) -> tuple[float, float]:
        return random.choice((-90.0, -21.1, 0.0, 48.85, 48.8501, 90.0)), random.choice(
            (-180.0, 179.9, 2.35, 55.5)
        )

    given = entries(5, how_many, size, point)
    places = [(48.85, 2.35), (0.0, 180.0), (90.0, 0.0), (-21.1, 55.5)]
    reaches = (0.0, 11.2, 12_000.0, 1_000_000.0)

    def near(place: tuple[float, float], reach: float) -> tuple[Leaf, Callable[[Any], bool]]:
        return Near("x", *place, reach), lambda key: distance_m(*place, *key) <= reach

    check(
        made(PositionColumn, given, size),
        given,
        [near(place, reach) for place in places for reach in reaches],
    )


@pytest.mark.parametrize("latitude", [0.0, 48.85, -75.0, 89.2])
@pytest.mark.parametrize("longitude", [2.35, 179.99, -180.0])
def test_what_is_just_within_reach_is_not_left_out_with_what_is_far_east_or_west(
    latitude, longitude
):
    reach = 100_000.0
    around = np.linspace(0, 2 * np.pi, 721)
    away = np.degrees(reach / EARTH_RADIUS_M) * 0.999_999
    north = np.arcsin(
        np.sin(np.radians(latitude)) * np.cos(np.radians(away))
        + np.cos(np.radians(latitude)) * np.sin(np.radians(away)) * np.cos(around)
    )
    east = np.arctan2(
        np.sin(around) * np.sin(np.radians(away)) * np.cos(np.radians(latitude)),
        np.cos(np.radians(away)) - np.sin(np.radians(latitude)) * np.sin(north),
    )
    ring = zip(np.degrees(north).tolist(), (longitude + np.degrees(east)).tolist(), strict=True)
    given = [(point, slot) for slot, point in enumerate(ring)]
    column = made(PositionColumn, [*given, ((latitude, longitude + 180), 900)], 1_000)

    assert list(column.select(Near("x", latitude, longitude, reach))) == [slot for _, slot in given]
    assert not column.select(Near("x", latitude, longitude, reach * 0.999_998))


def test_distances_are_told_of_those_that_are_asked_for_alone():
    column = made(PositionColumn, [((48.85, 2.35), 1), ((48.86, 2.36), 2), ((43.3, 5.4), 3)], 4)

    slots, distances = column.distances(Near("x", 48.85, 2.35, 20_000), BitMap([2, 3, 9]))

    assert slots.tolist() == [2]
    assert distances.tolist() == pytest.approx([distance_m(48.85, 2.35, 48.86, 2.36)])
    assert not len(column.distances(Near("x", 48.85, 2.35, 20_000), BitMap())[0])


# --- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("how_many", "size"), SPREADS)
def test_links_lead_both_ways(how_many, size):
    random = Random(6)
    given = entries(6, how_many, size, lambda random: random.randrange(size))
    column = made(LinkColumn, given, size)
    for share in (0, 1, size // 50, size):
        some = BitMap(random.sample(range(size), min(share, size)))

        assert set(column.sources(some)) == {slot for target, slot in given if target in some}
        assert set(column.targets(some).tolist()) == {
            target for target, slot in given if slot in some
        }
    assert set(column.sources(BitMap([size + 70_000]))) == set()


def test_links_that_each_lead_elsewhere_are_followed_both_ways():
    given = [(3 * slot + 1, 2 * slot) for slot in range(1_000)]
    column = made(LinkColumn, given, 3_000)

    for some in ([0], [4, 5, 10], [1_998], [2_998], [2_999], [5_000]):
        assert set(column.sources(BitMap(some))) == {
            slot for target, slot in given if target in some
        }
        assert column.targets(BitMap(some)).tolist() == [
            target for target, slot in given if slot in some
        ]


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
def test_the_values_of_a_slot_are_told_in_numbers_that_sort_like_them(descending):
    words = [("b\0b", 4), ("a\0a", 4), ("c\0c", 1), ("b\0b", 1), ("b\0b", 1)]
    keys = made(KeyColumn, words, 9)

    slots, order = keys.sort_keys(descending)

    assert {(keys.ranked[rank].decode(), slot) for slot, rank in pairs(slots, order)} == set(words)
    numbers = made(NumberColumn, [(("kg", "10"), 2), (("a", "9"), 2), (("a", "-1"), 3)], 9)
    slots, order = numbers.sort_keys(descending)
    assert {(numbers.ranked[rank], slot) for slot, rank in pairs(slots, order)} == {
        (10, 2),
        (9, 2),
        (-1, 3),
    }
    slots, order = made(PeriodColumn, [((0, 50), 7), ((10, 20), 7), ((5, 5), 8)], 9).sort_keys(
        descending
    )
    assert set(pairs(slots, order)) == (
        {(7, 50), (7, 20), (8, 5)} if descending else {(7, 0), (7, 10), (8, 5)}
    )


def pairs(slots: Any, order: Any) -> list[tuple[int, int]]:
    return list(zip(slots.tolist(), order.tolist(), strict=True))


@pytest.mark.parametrize("column", [LinkColumn, PositionColumn])
def test_what_has_no_order_says_so(column):
    with pytest.raises(TypeError):
        column.of([], [], 1).sort_keys(False)


@pytest.mark.parametrize(
    "column", [KeyColumn, PeriodColumn, NumberColumn, LinkColumn, PositionColumn]
)
def test_a_column_refuses_what_it_cannot_answer(column):
    with pytest.raises(TypeError, match="cannot answer"):
        column.of([], [], 1).select(object())


# --- bitmaps --------------------------------------------------------------------------------------

SETS = {
    "empty": [],
    "one": [0],
    "few": list(range(0, 4_000, 2)),
    "one more than few": list(range(2_001)),
    "a full array container": list(range(4_096)),
    "the smallest bitset": list(range(4_097)),
    "a whole container": list(range(65_536)),
    "one beyond a container": list(range(65_537)),
    "far apart": [n * 65_536 + 65_535 for n in range(3_000)],
    "with a gap": [*range(3_000), *range(5 * 65_536, 5 * 65_536 + 9_000)],
    "beyond two to the thirty-one": list(range(2**31 + 5, 2**31 + 4_000)),
}


@pytest.mark.parametrize("members", SETS.values(), ids=SETS)
def test_bitmaps_of_arrays_are_those_of_lists(members):
    expected = BitMap(members)
    numbers = np.array(members, np.uint32)

    assert bitmaps.of_sorted(numbers) == expected
    assert bitmaps.numbers_of(expected).tolist() == members
    if not members or members[-1] < 2**24:
        size = (members[-1] if members else 0) + 1
        shuffled = np.random.default_rng(1).permutation(np.concatenate([numbers, numbers[::3]]))
        mask = np.zeros(size, np.bool_)
        mask[members] = True
        assert bitmaps.of_any(shuffled, size) == expected
        assert bitmaps.of_mask(mask) == expected


def test_a_bitmap_made_by_hand_can_be_changed_and_written():
    made = bitmaps.of_sorted(np.arange(10_000, dtype=np.uint32))
    made.add(70_000)
    made.discard(5)

    assert BitMap.deserialize(made.serialize()) == made
    assert len(made) == 10_000
