"""
Orders as tables, and cursors that do not belong; that pages visit everything once is in
test_paging_law.

A deliberate breakage that these tests caught: a cursor of another order taken for this one's.
"""

from random import Random
from typing import Any

import pytest
from pyroaring import BitMap

from ror.access import Viewer
from ror.errors import InvalidRequest
from ror.search.answer.engine import Search
from ror.search.answer.ordering import Page, page
from ror.search.language.cursor import Cursor
from ror.search.language.expression import Everything
from ror.search.language.parse import parse
from tests.search.worlds import SlowWorld

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"


def price(amount: str | None, start: str | None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = (
        [{"url": "amount", "valueMoney": {"value": amount}}] if amount else []
    )
    parts += [{"url": "startDate", "valueDateTime": start}] if start else []
    return {"url": ROR + "ror-organization-price", "extension": parts}


def organization(
    identity: str, name: str | None = None, *prices: dict[str, Any], **more: Any
) -> dict[str, Any]:
    named = {"name": name} if name else {}
    return {
        "resourceType": "Organization",
        "id": identity,
        **named,
        "extension": list(prices),
        **more,
    }


ORGANIZATIONS = [
    organization("1", "École", price("10", "2024"), type=[{"coding": [{"code": "b"}]}]),
    organization(
        "2",
        "eau",
        price("2.50", "2024-06-01"),
        price("30", None),
        type=[{"coding": [{"code": "a"}]}],
    ),
    organization("3", "Eau", price("2.5", "2023")),
    organization("4", None, price("-1", "2024-03")),
    organization("5", "œuf", type=[{"coding": [{"code": "a"}, {"code": "c"}]}]),
    organization("6", "Œuf", price("9", "2024-06-01")),
]


def world(*sizes: int) -> SlowWorld:
    """The organisations in segments of these sizes."""
    batches, left = [], list(ORGANIZATIONS)
    for size in sizes:
        batches.append(left[:size])
        left = left[size:]
    return SlowWorld([*batches, left])


def ordered(made: SlowWorld, sort: str, count: int = 10, cursor: Cursor | None = None) -> Page:
    keys = parse("Organization", [("_sort", sort)] if sort else []).sort
    search = Search(made.view, Viewer(1))
    return page(
        search, search.evaluate(Everything(), "Organization"), "Organization", keys, count, cursor
    )


def names(made: SlowWorld, found: Page) -> str:
    by_rid = {rid: identity for (_, identity), rid in made.rids.items()}
    return "".join(by_rid[rid] for rid in found.rids)


@pytest.mark.parametrize("sizes", [(), (3,), (1, 1, 1, 1, 1), (5,)])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        pytest.param("", "123456", id="by number"),
        pytest.param("name", "321654", id="folded, then as written; without a name last"),
        pytest.param("-name", "561234", id="descending, without a name still last"),
        pytest.param(
            "price-amount-value", "423615", id="the least of several amounts; equal ones by number"
        ),
        pytest.param("-price-amount-value", "216345", id="the greatest of several amounts"),
        pytest.param("price-validity-start-date", "314265", id="where each period begins"),
        pytest.param("-price-validity-start-date", "126435", id="where each period ends"),
        pytest.param("type", "251346", id="the first of several codes"),
        pytest.param("-type,name", "512364", id="several keys"),
        pytest.param("_id", "123456", id="by id"),
        pytest.param("-_id", "654321", id="by id, descending"),
    ],
)
def test_the_order_is_the_same_however_the_index_is_cut(sort, expected, sizes):
    made = world(*sizes)

    found = ordered(made, sort)

    assert names(made, found) == expected


@pytest.mark.parametrize("sort", ["", "name", "-price-amount-value", "type,-name"])
def test_a_page_tells_where_to_go_on_only_where_there_is_more(sort):
    made = world(2)

    whole = ordered(made, sort, 6)
    first = ordered(made, sort, 4)
    assert first.next
    last = ordered(made, sort, 4, first.next)

    assert (whole.next, whole.previous) == (None, None)
    assert first.previous is None
    assert last.next is None
    assert last.previous
    assert names(made, first) + names(made, last) == names(made, whole)
    assert ordered(made, sort, 4, last.previous).rids == first.rids


def test_a_page_of_nothing_leads_nowhere():
    made = world()
    search = Search(made.view, Viewer(1))

    assert page(search, BitMap(), "Organization", (), 10, None) == Page([], None, None)
    sort = parse("Organization", [("_sort", "name")]).sort
    assert page(search, BitMap(), "Organization", sort, 10, Cursor(False, ("x\0x",), 3)) == Page(
        [], None, None
    )


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        pytest.param("name", Cursor(False, (), 1), id="fewer keys"),
        pytest.param("", Cursor(False, ("a",), 1), id="more keys"),
        pytest.param("price-amount-value", Cursor(False, ("abc",), 1), id="a text for a number"),
        pytest.param(
            "price-validity-start-date", Cursor(False, ("abc",), 1), id="a text for a date"
        ),
    ],
)
def test_a_cursor_of_another_order_is_refused(sort, cursor):
    with pytest.raises(InvalidRequest):
        ordered(world(2), sort, 2, cursor)


@pytest.mark.parametrize("key", [2**62, -(2**62), 2**63 - 1, -(2**63), 0, None])
def test_a_cursor_may_stand_anywhere_in_time(key):
    made = world(2)

    after = ordered(made, "price-validity-start-date", 10, Cursor(False, (key,), 0))
    before = ordered(made, "price-validity-start-date", 10, Cursor(True, (key,), 0))

    assert sorted(after.rids + before.rids) == sorted(made.rids.values())


@pytest.mark.parametrize("key", ["", "zzz\0zzz", "eau\0", "\U0010ffff\0", "eau"])
def test_a_cursor_may_stand_anywhere_among_texts(key):
    made = world(1, 2)

    after = ordered(made, "name", 10, Cursor(False, (key,), 0))
    before = ordered(made, "name", 10, Cursor(True, (key,), 0))

    assert not set(after.rids) & set(before.rids)
    assert sorted(after.rids + before.rids) == sorted(made.rids.values())


def test_very_long_texts_can_be_paged_through():
    random = Random(1)
    long = ["a" * random.choice((10, 3_000, 30_000)) + str(number) for number in range(12)]
    made = SlowWorld([[organization(str(number), text) for number, text in enumerate(long)]])
    visited: list[int] = []
    cursor = None
    while True:
        found = ordered(made, "name", 5, cursor)
        visited += found.rids
        if found.next is None:
            break
        # As it comes back from a client.
        ((_, text),) = [("_cursor", found.next.encode())]
        cursor = parse("Organization", [("_sort", "name"), ("_cursor", text)]).cursor

    assert sorted(visited) == sorted(made.rids.values())
