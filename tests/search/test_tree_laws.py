"""
The laws of the complete tree: what must be true between the answers to several searches, whatever
each of them means.

They are asked of the engine alone, on dense random worlds, so that a mistake which `matches` shared
would be seen too: negation and the lattice of sets, a chain against its two steps, `:above` against
the fixpoint of single steps, and orders against what is sorted by hand.

Deliberate breakages that these tests caught when they were written: `not` that keeps what is
deleted; `or` that forgets its last part; a chain or `_has` that leaves out references by business
identifier, or those of one segment; `:above` that stops after the first step, or forgets the
resource itself; `:above` on the parameter and on the link that part two criteria; equal keys of a
sort told apart by the highest number, or left in the order of their segments; a chained key that
takes the first place instead of the least; a sort at the end of a chain that leaves out references
by identifier.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from ror.access import Viewer
from ror.search.answer.engine import Search
from ror.search.answer.ordering import page
from ror.search.answer.relevance import relevance
from ror.search.language.expression import (
    UPWARD,
    And,
    Chain,
    Everything,
    Expression,
    Has,
    IndexedResource,
    Not,
    Or,
    ReferenceIs,
    TokenIs,
    Upward,
)
from ror.search.language.parse import parse
from ror.search.language.request import SearchRequest, SortKey
from ror.search.language.values import Period, Position, Quantity, Text, Token
from ror.standard.geography import distance_m
from tests.amounts import amount
from tests.search import worlds
from tests.search.test_engine_law import CHAINS, USED, tree

pytestmark = pytest.mark.long


SEEDS = st.integers(0, 2**32)
MANY = settings(max_examples=amount(40, 400), deadline=None)
TREES_A_WORLD = 20
LITERAL_CHAINS = [one for one in CHAINS if one[0] != "MeasureReport"]
"""Those whose references may be written as `Type/id`."""


def asked(seed: int) -> tuple[Random, worlds.SlowWorld, Search]:
    random = Random(seed)
    world = worlds.SlowWorld(worlds.batches(random))
    return random, world, Search(world.view, Viewer(1))


# --- sets -----------------------------------------------------------------------------------------


@MANY
@given(SEEDS)
def test_the_answers_are_sets_and_not_or_and_are_those_of_sets(seed):
    random, _, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        kind = random.choice(tuple(USED))
        a, b, c = (tree(random, kind, 2) for _ in range(3))

        def of(expression: Expression, kind: str = kind) -> BitMap:
            return search.evaluate(expression, kind)

        assert of(Not(Or((a, b)))) == of(And((Not(a), Not(b))))
        assert of(Not(And((a, b)))) == of(Or((Not(a), Not(b))))
        assert of(Not(Not(a))) == of(a)
        assert not of(And((a, Not(a))))
        assert of(Or((a, Not(a)))) == of(Everything())
        assert of(And((a, Or((b, c))))) == of(Or((And((a, b)), And((a, c)))))
        assert of(Or((a, b, c))) == of(a) | of(b) | of(c)


# --- links ----------------------------------------------------------------------------------------


@MANY
@given(SEEDS)
def test_a_chain_finds_what_its_two_steps_find(seed):
    """First who is at the other end, then who refers to any of those, one by one."""
    random, world, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        source, param, target = random.choice(LITERAL_CHAINS)
        inner = tree(random, target, 2)

        at_once = search.evaluate(Chain(param, target, inner), source)

        there = world.names_of(search.evaluate(inner, target))
        steps = Or(tuple(ReferenceIs(param, target, identity) for _, identity in there))
        assert at_once == search.evaluate(steps, source)
        assert world.names_of(at_once) == {
            (facts.type, facts.id)
            for facts in world.of_type(source)
            if there & {(one.type, one.id) for one in led_to(world, facts, param, target)}
        }


@MANY
@given(SEEDS)
def test_a_reverse_chain_finds_what_its_two_steps_find(seed):
    """First who refers, then whom those refer to."""
    random, world, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        source, param, target = random.choice(CHAINS)
        inner = tree(random, source, 2)

        at_once = search.evaluate(Has(source, param, inner), target)

        pointing = [world.facts[name] for name in world.names_of(search.evaluate(inner, source))]
        steps = {
            (one.type, one.id) for facts in pointing for one in led_to(world, facts, param, target)
        }
        assert world.names_of(at_once) == steps


def led_to(
    world: worlds.SlowWorld, facts: IndexedResource, param: str, target: str
) -> Iterator[IndexedResource]:
    """What a resource refers to with one of its parameters."""
    for value, _ in facts.entries.get(param, ()):
        yield from world.resolve(value, target)


@MANY
@given(SEEDS)
def test_above_finds_the_fixpoint_of_single_steps(seed):
    """
    The least set that holds who satisfies the criterion, and whoever is directly under one of the
    set.
    """
    random, world, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        inner = tree(random, "Organization", 2)
        found = search.evaluate(inner, "Organization")
        while True:
            ids = tuple(TokenIs("_id", identity) for _, identity in world.names_of(found))
            under = search.evaluate(
                Chain(UPWARD["Organization"], "Organization", Or(ids)), "Organization"
            )
            if under <= found:
                break
            found = found | under

        assert search.evaluate(Upward(inner), "Organization") == found


@MANY
@given(SEEDS)
def test_both_spellings_of_above_ask_for_one_ancestor(seed):
    random, _, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        code, name = random.choice(worlds.CODES), random.choice(("centre", "clin", "e", "ehpad"))
        spelled = [
            parse(
                "HealthcareService",
                [
                    (f"organization{one}.type{other}", code),
                    (f"organization{one}.name{other}", name),
                ],
            )
            for one, other in ((":above", ""), ("", ":above"))
        ]

        found = [search.evaluate(request.expression, "HealthcareService") for request in spelled]

        both = And((TokenIs("type", code), parse("Organization", [("name", name)]).expression))
        meant = search.evaluate(
            Chain("organization", "Organization", Upward(both)), "HealthcareService"
        )
        assert found == [meant, meant]


# --- orders ---------------------------------------------------------------------------------------

HERE = ("near", "48.0|2.0|50|km,48.1|2.2|2|km")
SORTS: dict[str, tuple[str, ...]] = {
    "Organization": (
        "name",
        "type",
        "identifier",
        "drop-zone",
        "price-amount-value",
        "price-validity-start-date",
        "_id",
        "_lastUpdated",
        "_tag",
        "partof.name",
        "partof.partof.price-amount-value",
        "_score",
    ),
    "HealthcareService": (
        "name",
        "specialty",
        "age-range-low",
        "notavailable-closing-reopeningdate",
        "organization.name",
        "organization.price-validity-start-date",
        "organization.partof.type",
        "location.nb-capacity",
        "location.near",
        "location.organization.name",
        "_score",
    ),
    "Location": (
        "status",
        "address-city",
        "near",
        "limit-value",
        "capacity-update-date",
        "organization.name",
        "_score",
    ),
    "PractitionerRole": (
        "identifier",
        "service.name",
        "service.location.near",
        "service.organization.partof.name",
    ),
}
"""Every kind of key, on a resource, in its records, and behind one, two and three links."""


@MANY
@given(SEEDS)
def test_an_order_is_total_and_stable(seed):
    """
    By hand: each key from the resources themselves, equal keys by the number of the resource, what
    has none last.
    """
    random, world, search = asked(seed)
    for _ in range(TREES_A_WORLD):
        kind = random.choice(tuple(SORTS))
        names = random.sample(SORTS[kind], random.randint(1, 3))
        request = ordered(kind, [random.choice(("", "-")) + name for name in names])
        found = search.evaluate(request.expression, kind)

        whole = page(search, found, kind, request.sort, len(found) + 1, None).rids

        assert whole == by_hand(world, search, found, kind, request.sort), request.pairs
        assert in_pages(search, found, kind, request.sort, random.randint(1, 3)) == whole


def ordered(kind: str, names: Sequence[str]) -> SearchRequest:
    """A search in this order, with a point to be near to or words to say where a key needs one."""
    pairs = [("_sort", ",".join(names))]
    pairs += [(name.removeprefix("-"), HERE[1]) for name in names if name.endswith(HERE[0])]
    pairs += (
        [("_content", "centre,clinique,e")]
        if any(name.endswith("_score") for name in names)
        else []
    )
    return parse(kind, pairs)


def in_pages(
    search: Search, found: BitMap, kind: str, sort: tuple[SortKey, ...], count: int
) -> list[int]:
    """What the pages give one after the other."""
    cut = page(search, found, kind, sort, count, None)
    given = cut.rids
    while cut.next:
        cut = page(search, found, kind, sort, count, cut.next)
        given = given + cut.rids
    return given


def by_hand(
    world: worlds.SlowWorld, search: Search, found: BitMap, kind: str, sort: tuple[SortKey, ...]
) -> list[int]:
    """
    The numbers of what was found, in order: one plain stable sort for each key, the last one first.
    """
    facts = {world.rids[one.type, one.id]: one for one in world.of_type(kind)}
    order = sorted(found)
    for key in reversed(sort):
        best: dict[int, Any] = {}
        for rid in order:
            if key.words is not None:
                best[rid] = relevance(search, key.words, kind, BitMap([rid])).item()
            elif values := list(values_of(world, facts[rid], key)):
                best[rid] = max(values) if key.descending else min(values)
        # `reverse` keeps the order of equals, as an order asked in either direction does.
        having = sorted(
            (rid for rid in order if rid in best), key=best.__getitem__, reverse=key.descending
        )
        order = having + [rid for rid in order if rid not in best]
    return order


def values_of(world: worlds.SlowWorld, facts: IndexedResource, key: SortKey) -> Iterator[Any]:
    """What a key may take from a resource: all the values at the end of its links."""
    there = [facts]
    for param, target in key.hops:
        there = [further for one in there for further in led_to(world, one, param, target)]
    for one in there:
        for value, _ in one.entries.get(key.param, ()):
            match value:
                case Text(normal, exact):
                    yield normal.replace(" ", "").encode(), exact.encode()
                case Token(code, system):
                    yield code.encode(), system.encode()
                case Period(first, last):
                    yield last if key.descending else first
                case Quantity(number, _):
                    yield number
                case Position(latitude, longitude):
                    for near in key.near:
                        distance = distance_m(near.latitude, near.longitude, latitude, longitude)
                        if distance <= near.distance_m:
                            yield int(distance * 1_000)
                case number:
                    yield number


def test_the_orders_of_this_law_have_ties_and_resources_without_key():
    """Otherwise it would prove nothing about who comes first then."""
    ties = without = 0
    for seed in range(10):
        _, world, _ = asked(seed)
        for kind, names in SORTS.items():
            for key in ordered(kind, [name for name in names if name != "_score"]).sort:
                values = [
                    min(some, default=None)
                    for some in (list(values_of(world, one, key)) for one in world.of_type(kind))
                ]
                without += None in values
                ties += len(values) > len(set(values))
    assert ties > 100 and without > 100
