"""
The law of search: the engine finds exactly what `matches` accepts.

Deliberate breakages that these tests caught when they were written: forgetting `- part.dead` in a
leaf, in a chain and in the sources of `_has`; comparing a period's first bound where its last one
counts (`gt`, `eb`); answering `SameRecord` on resources instead of rows; losing the rows of a
second limit of an equipment; resolving a reference by identifier whatever its system; losing the
first of the labels that start as asked, or the second place that has an identifier of a type;
taking a reference to nothing for a value.
"""

from collections.abc import Callable
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from ror.access import Viewer
from ror.search.answer.engine import Search
from ror.search.index.columns import great_circle_m
from ror.search.language.entry_names import modifier_entries
from ror.search.language.expression import (
    UPWARD,
    And,
    CanonicalIs,
    Chain,
    DateIs,
    Everything,
    Expression,
    Has,
    LabelIs,
    Near,
    Not,
    NumberIs,
    Or,
    Present,
    QuantityIs,
    ReferenceIs,
    SameRecord,
    TextIs,
    TokenIs,
    Upward,
    WordIs,
    matches,
)
from ror.search.language.modifiers import IDENTIFIER, OF_TYPE, TEXT, modifiers_of
from ror.search.language.values import (
    covering,
    normal_code,
    normal_identifier,
    normal_system,
    normal_text,
    normal_unit,
)
from ror.standard.definitions import FULL_TEXT, search_parameters
from ror.standard.geography import distance_m
from tests.amounts import amount
from tests.search import worlds

pytestmark = pytest.mark.long


PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
CHAINS = (
    ("HealthcareService", "organization", "Organization"),
    ("HealthcareService", "location", "Location"),
    ("Organization", "partof", "Organization"),
    ("Location", "organization", "Organization"),
    ("PractitionerRole", "service", "HealthcareService"),
    ("Task", "focus", "HealthcareService"),
    ("MeasureReport", "measure", "Measure"),
)
USED = {
    "Organization": [
        "name",
        "identifier",
        "type",
        "drop-zone",
        "price-type",
        "price-amount-value",
        "price-welcome-type",
        "price-validity-start-date",
        "partof",
        "_tag",
        "_content",
        "_text",
    ],
    "HealthcareService": [
        "name",
        "identifier",
        "specialty",
        "age-range-low",
        "age-range-high",
        "organization",
        "location",
        "_lastUpdated",
        "notavailable-closing-reopeningdate",
        "_content",
    ],
    "Location": [
        "identifier",
        "status",
        "address-city",
        "near",
        "capacity-status",
        "capacity-type",
        "nb-capacity",
        "capacity-update-date",
        "equipment-type",
        "equipment-feature",
        "limit-value",
        "organization",
        "_content",
        "_text",
    ],
    "PractitionerRole": [
        "identifier",
        "service",
    ],
    "Task": [
        "focus",
        "authored-on",
    ],
    "Measure": [
        "_id",
    ],
    "MeasureReport": [
        "date",
        "measure",
    ],
}
NUMBERS = [(Decimal(n), Decimal("0.5")) for n in worlds.NUMBERS] + [
    (Decimal("1.5"), Decimal("0.05"))
]


def _token(random: Random, name: str) -> Expression:
    systems = (None, None, *map(normal_system, worlds.SYSTEMS))
    if random.random() < 0.1:
        return TokenIs(name, None, random.choice(systems[2:4]))
    code = random.choice((*CODES_OF.get(name, worlds.CODES), "absent"))
    system = random.choice(systems)
    if name == "identifier":
        code = normal_identifier(code)
    return TokenIs(name, code if system is None else normal_code(code, system), system)


CODES_OF = {
    "_id": worlds.IDS,
    "_tag": worlds.IDS,
    "drop-zone": ("true", "false"),
    "status": ("active", "inactive"),
}
"""The codes of parameters that have other ones than most."""


def _text(random: Random, name: str) -> Expression:
    if name in FULL_TEXT:
        words = (
            "centre",
            "centres",
            "hospitaliere",
            "c",
            "ehp",
            "tilleul",
            "oeuvre",
            "clini",
            "code",
            "absent",
        )
        return WordIs(name, random.choice(words), random.random() < 0.5)
    if random.random() < 0.3:
        return TextIs(name, random.choice(worlds.NAMES), "exact")
    words = ("centre", "c", "hospital", "oeuvre", "e", "les t", normal_text(worlds.NAMES[1]))
    words += ("saint e", "sainte", "c h u", "chu", "35g", "35 g", "de l", "etienne", "foy")
    return TextIs(name, random.choice(words), random.choice(("starts", "contains", "ends")))


def _date(random: Random, name: str) -> Expression:
    return DateIs(name, random.choice(PREFIXES), *covering(random.choice(worlds.DATES)))


def _number(random: Random, name: str) -> Expression:
    return NumberIs(name, random.choice(PREFIXES), *random.choice(NUMBERS))


def _quantity(random: Random, name: str) -> Expression:
    unit = random.choice((None, normal_unit(None, "kg"), normal_unit(None, "a"), "|kg"))
    return QuantityIs(name, random.choice(PREFIXES), *random.choice(NUMBERS), unit)


def _reference(random: Random, name: str) -> Expression:
    if name == "measure" and random.random() < 0.5:
        return CanonicalIs(name, worlds.CANONICALS[1], random.choice(("", "1", "2")))
    return ReferenceIs(name, None, random.choice((*worlds.IDS, "absent")))


def _near(random: Random, name: str) -> Expression:
    place = random.choice(worlds.LATITUDES), random.choice(worlds.LONGITUDES)
    return Near(name, *place, random.choice((0.0, 300.0, 20_000.0)))


MAKERS = {
    "token": _token,
    "string": _text,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "special": _near,
}


def _called(random: Random, name: str) -> Expression:
    text = random.choice(
        [normal_text(one)[:6] for one in (*worlds.NAMES, *worlds.LABELS)] + ["sans", "s", "c"]
    )
    said = TextIs(modifier_entries(name, TEXT), text)
    return (
        said
        if name == "identifier" or random.random() < 0.3
        else random.choice((LabelIs(name, text), said))
    )


def _typed(random: Random, name: str) -> Expression:
    system = normal_system(random.choice(worlds.SYSTEMS))
    kind = f"{system}|{random.choice(worlds.CODES) if random.random() < 0.7 else ''}"
    return TokenIs(modifier_entries(name, OF_TYPE), random.choice(worlds.CODES), kind)


BY_MODIFIER = {
    TEXT: _called,
    OF_TYPE: _typed,
    IDENTIFIER: lambda random, name: _token(random, modifier_entries(name, IDENTIFIER)),
}


def leaf(random: Random, resource_type: str, name: str) -> Expression:
    """A criterion on a parameter, with a value that some resource may hold."""
    if random.random() < 0.08:
        return Present(name)
    parameter = search_parameters(resource_type)[name]
    modifiers = [one for one in BY_MODIFIER if one in modifiers_of(parameter)]
    if modifiers and random.random() < 0.2:
        return BY_MODIFIER[random.choice(modifiers)](random, name)
    return MAKERS[parameter.type](random, name)


def same_record(random: Random, resource_type: str) -> Expression:
    """Criteria on one record of a type that has some."""
    record = random.choice(
        {"Location": ("capacity", "equipment"), "Organization": ("price",)}[resource_type]
    )
    names = [
        name
        for name in USED[resource_type]
        if search_parameters(resource_type)[name].record == record
    ]

    def criterion() -> Expression:
        one = leaf(random, resource_type, random.choice(names))
        other = leaf(random, resource_type, random.choice(names))
        return random.choice((one, one, Or((one, other)), Not(one)))

    return SameRecord(record, And(tuple(criterion() for _ in range(random.randint(1, 3)))))


def tree(random: Random, resource_type: str, depth: int) -> Expression:
    """Any tree on a type, down to `depth` levels; biased towards what finds something."""

    def inner(other: str = resource_type) -> Expression:
        return tree(random, other, depth - 1)

    if depth == 0 or random.random() < 0.2:
        return leaf(random, resource_type, random.choice(USED[resource_type]))
    options: list[Callable[[], Expression]] = [
        lambda: Not(inner()),
        lambda: And((inner(), inner())),
        lambda: Or((inner(), inner(), inner())),
        Everything,
    ]
    if resource_type in ("Location", "Organization"):
        options += [lambda: same_record(random, resource_type)] * 2
    if resource_type in UPWARD:
        options += [lambda: Upward(inner())] * 2
    for source, param, target in CHAINS:
        if source == resource_type:
            options += [lambda p=param, t=target: Chain(p, t, inner(t))] * 2
        if target == resource_type:
            options.append(lambda s=source, p=param: Has(s, p, inner(s)))
    return random.choice(options)()


SEEDS = st.integers(0, 2**32)
MANY = settings(max_examples=amount(60, 600), deadline=None)
TREES_A_WORLD = 40


@MANY
@given(SEEDS)
def test_the_engine_finds_exactly_what_matches_accepts(seed):
    random = Random(seed)
    world = worlds.SlowWorld(worlds.batches(random))
    search = Search(world.view, Viewer(1))
    for _ in range(TREES_A_WORLD):
        resource_type = random.choice(tuple(USED))
        asked = tree(random, resource_type, 3)

        found = set(search.evaluate(asked, resource_type))

        expected = [facts for facts in world.of_type(resource_type) if matches(asked, facts, world)]
        assert found == {world.rids[facts.type, facts.id] for facts in expected}, asked


@settings(max_examples=amount(20, 200), deadline=None)
@given(SEEDS)
def test_every_criterion_and_every_modifier_alone_finds_exactly_what_matches_accepts(seed):
    random = Random(seed)
    world = worlds.SlowWorld(worlds.batches(random))
    search = Search(world.view, Viewer(1))
    for resource_type, name in ((kind, name) for kind, names in USED.items() for name in names):
        parameter = search_parameters(resource_type)[name]
        makers = [BY_MODIFIER[one] for one in modifiers_of(parameter) if one in BY_MODIFIER]
        for make in [MAKERS[parameter.type], *makers] * 2:
            asked = make(random, name)

            found = set(search.evaluate(asked, resource_type))

            expected = [
                facts for facts in world.of_type(resource_type) if matches(asked, facts, world)
            ]
            assert found == {world.rids[facts.type, facts.id] for facts in expected}, asked


def test_the_worlds_are_dense_enough_for_the_law_to_prove_something():
    """
    A law that finds nothing, or everything, proves nothing: one search in four finds some and
    leaves some.
    """
    telling = 0
    for seed in range(20):
        random = Random(seed)
        world = worlds.SlowWorld(worlds.batches(random))
        for _ in range(TREES_A_WORLD):
            resource_type = random.choice(tuple(USED))
            found = Search(world.view, Viewer(1)).evaluate(
                tree(random, resource_type, 3), resource_type
            )
            telling += 0 < len(found) < len(world.of_type(resource_type))
    assert telling > 20 * TREES_A_WORLD / 4


@MANY
@given(SEEDS)
def test_a_tree_finds_the_same_whether_the_index_is_in_one_piece_or_in_several(seed):
    random = Random(seed)
    batches = worlds.batches(random)
    pieces = worlds.SlowWorld(batches)
    whole = worlds.SlowWorld([[one for batch in batches for one in batch]])
    for _ in range(TREES_A_WORLD):
        resource_type = random.choice(tuple(USED))
        asked = tree(random, resource_type, 3)

        found = pieces.names_of(Search(pieces.view, Viewer(1)).evaluate(asked, resource_type))

        assert found == whole.names_of(Search(whole.view, Viewer(1)).evaluate(asked, resource_type))


@pytest.mark.parametrize(
    "expression", [TokenIs("type", "01"), Not(TokenIs("type", "01")), Everything()]
)
def test_an_empty_directory_answers_with_nothing(expression):
    assert not Search(worlds.SlowWorld([]).view, Viewer(1)).evaluate(expression, "Organization")


def test_references_to_nothing_beyond_all_that_is_there_lead_nowhere():
    places = [
        {
            "resourceType": "Location",
            "id": f"{n}",
            "managingOrganization": {"reference": f"Organization/absent-{n}"},
        }
        for n in range(3_000)
    ]
    search = Search(worlds.SlowWorld([places]).view, Viewer(1))
    everywhere = search.evaluate(Everything(), "Location")

    assert len(everywhere) == 3_000
    assert search.pointed_at("Location", "organization", "Organization", everywhere) == BitMap()


def test_the_quick_distance_is_the_slow_one():
    latitudes, longitudes = np.array([48.85, -20.9, 0.0]), np.array([2.35, 55.5, -179.9])

    quick = great_circle_m(45.76, 4.83, latitudes, longitudes).tolist()

    slow = [
        distance_m(45.76, 4.83, *there)
        for there in zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    ]
    assert quick == pytest.approx(slow, rel=1e-12)
