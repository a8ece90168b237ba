"""
The tree of a search, and `matches`, which is its meaning.

The parser and the `_filter` reader make trees, the engine answers them with bitmaps, and `matches` says, slowly and
plainly, whether one resource satisfies one: the engine must agree with it (a property test says so). Leaves hold values
in the normal form of `values.py`; a parameter is named as on the resource type at that point of the tree.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol

from ror.search.language.comparing import (
    Prefix,
    TextMatch,
    date_compares,
    number_compares,
    text_compares,
    unit_agrees,
)
from ror.search.language.entry_names import parameter_of
from ror.search.language.values import (
    Canonical,
    NamedReference,
    Period,
    Position,
    Quantity,
    Text,
    Token,
    Value,
    Words,
    labels,
    normal_code,
)
from ror.search.language.words import stem
from ror.standard.definitions import search_parameter, search_parameters
from ror.standard.geography import distance_m


@dataclass(frozen=True, slots=True)
class Everything:
    """No criterion: every resource of the type."""


@dataclass(frozen=True, slots=True)
class TokenIs:
    """
    A code in any system (`system` None), in none (""), or in one; any code of it when `code` is None.

    The code is in the normal form of its system; in any system it is as written.
    """

    param: str
    code: str | None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class TextIs:
    """
    A string that starts with, contains, ends with or exactly is `text`.

    The text is in normal form, except for `exact`.
    """

    param: str
    text: str
    how: TextMatch = "starts"


@dataclass(frozen=True, slots=True)
class WordIs:
    """A word of the same stem as `word`, which is folded, or with `prefix` one that starts with it (choice 9)."""

    param: str
    word: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class LabelIs:
    """A code of which a label in the nomenclatures starts with `text`, which is in normal form."""

    param: str
    text: str


@dataclass(frozen=True, slots=True)
class DateIs:
    """A date that compares with the period asked, both bounds in microseconds, inclusive."""

    param: str
    prefix: Prefix
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NumberIs:
    """A number that compares with `value`; equality reaches `half` on either side, the precision as written."""

    param: str
    prefix: Prefix
    value: Decimal
    half: Decimal


@dataclass(frozen=True, slots=True)
class QuantityIs:
    """A quantity that compares with `value`, in the unit asked (normal form) or in any when `unit` is None."""

    param: str
    prefix: Prefix
    value: Decimal
    half: Decimal
    unit: str | None


@dataclass(frozen=True, slots=True)
class ReferenceIs:
    """
    A reference to the resource `id`, of any type when `type` is None.

    It is the chain to that `_id`: a reference to something hidden or absent is as no reference (choice 13).
    """

    param: str
    type: str | None
    id: str
    base: str | None = None
    """The server that an absolute reference names, None for this one; no other server is followed."""


@dataclass(frozen=True, slots=True)
class CanonicalIs:
    """A reference by canonical URL, whatever its version when `version` is ""."""

    param: str
    url: str
    version: str


@dataclass(frozen=True, slots=True)
class Near:
    """A position within `distance_m` metres of a point, bound included (choice 8)."""

    param: str
    latitude: float
    longitude: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class Present:
    """
    At least one value, that this viewer may see (choice 14).

    A reference is a value only where it leads: one to something hidden or absent is none.
    """

    param: str


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class SameRecord:
    """One repetition of the record `name` (a capacity, a tarif…) satisfies all of `inner` (choice 2)."""

    name: str
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Chain:
    """The resource that `param` points to is a `target` that satisfies `inner`."""

    param: str
    target: str
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Has:
    """A `source` that satisfies `inner` points here with its parameter `param`."""

    source: str
    param: str
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Upward:
    """The resource, or one above it through its `UPWARD` reference up to the root, satisfies `inner` (choice 6)."""

    inner: "Expression"


UPWARD: Final = {"Organization": "partof"}
"""The reference that leads to what stands above a resource, for the types that have a hierarchy."""

ValueLeaf = (
    TokenIs
    | LabelIs
    | TextIs
    | WordIs
    | DateIs
    | NumberIs
    | QuantityIs
    | CanonicalIs
    | Near
    | Present
)
Leaf = ValueLeaf | ReferenceIs
Expression = Everything | Leaf | Not | And | Or | SameRecord | Chain | Has | Upward


# --- the meaning -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexedResource:
    """A resource as a search sees it: its entries by parameter, as `(value, row)` pairs."""

    type: str
    id: str
    entries: Mapping[str, Sequence[tuple[Value, int]]]


class World(Protocol):
    """The directory that gives chains their meaning."""

    def resolve(self, reference: Value, target: str) -> Iterable[IndexedResource]:
        """The resources of type `target` that a reference value points to."""

    def of_type(self, resource_type: str) -> Iterable[IndexedResource]:
        """Every resource of a type."""


def matches(
    expression: Expression, facts: IndexedResource, world: World, row: int | None = None
) -> bool:
    """
    Whether `facts` satisfies `expression` in `world`; only entries of `row` count when one is given.

    This is the definition of every search. Source: FHIR R4, search.html; choices 2 to 8.
    """
    match expression:
        case Everything():
            return True
        case And(parts):
            return all(matches(part, facts, world, row) for part in parts)
        case Or(parts):
            return any(matches(part, facts, world, row) for part in parts)
        case Not(inner):
            return not matches(inner, facts, world, row)
        case SameRecord(name, inner):
            return any(matches(inner, facts, world, one) for one in _rows_of(name, facts))
        case Chain(param, target, inner):
            return any(
                matches(inner, pointed, world)
                for value, _ in facts.entries.get(param, ())
                for pointed in world.resolve(value, target)
            )
        case Has(source, param, inner):
            return any(
                matches(inner, pointing, world) and _points_at(pointing, param, facts, world)
                for pointing in world.of_type(source)
            )
        case Upward(inner):
            return any(matches(inner, above, world) for above in _upwards(facts, world))
        case ReferenceIs():
            return matches(as_chains(expression, facts.type), facts, world)
        case Present(param) if leads_to_resources(facts.type, param):
            return matches(as_chains(expression, facts.type), facts, world)
        case leaf:
            satisfies = _satisfies(leaf)
            return any(
                satisfies(value)
                for value, at in facts.entries.get(leaf.param, ())
                if row is None or at == row
            )


def with_own_bases(expression: Expression, bases: Collection[str]) -> Expression:
    """The same search, where the references to one of these bases are to this server (choice 34)."""
    match expression:
        case ReferenceIs(base=base) if base in bases:
            return replace(expression, base=None)
        case And(parts) | Or(parts):
            return replace(expression, parts=tuple(with_own_bases(part, bases) for part in parts))
        case Not(inner) | SameRecord(_, inner) | Chain(_, _, inner) | Has(_, _, inner):
            return replace(expression, inner=with_own_bases(inner, bases))
        case Upward(inner):
            return replace(expression, inner=with_own_bases(inner, bases))
        case _:
            return expression


def has_relevance(expression: Expression) -> bool:
    """Whether a match can say more or less well what is asked: words are asked for, and not their absence."""
    match expression:
        case WordIs():
            return True
        case And(parts) | Or(parts):
            return any(has_relevance(part) for part in parts)
        case SameRecord(_, inner) | Chain(_, _, inner) | Has(_, _, inner) | Upward(inner):
            return has_relevance(inner)
        case _:
            return False


CANONICAL: Final = frozenset({("MeasureReport", "measure")})
"""The reference parameters whose element holds a canonical URL, as `(type, name)`."""


def leads_to_resources(resource_type: str, param: str) -> bool:
    """Whether the values of a parameter count by what they lead to; a canonical URL is a value of its own."""
    parameter = search_parameter(resource_type, param)
    return (
        parameter is not None
        and parameter.type == "reference"
        and (resource_type, param) not in CANONICAL
    )


def as_chains(asked: ReferenceIs | Present, resource_type: str) -> Expression:
    """What a criterion on a reference asks, in terms of chains to each type it may point to: that `_id`, or any."""
    parameter = search_parameter(resource_type, asked.param)
    targets = parameter.targets if parameter else ()
    inner: Expression = Everything()
    if isinstance(asked, ReferenceIs):
        if asked.base is not None:
            return Or(())
        targets = (asked.type,) if asked.type else targets
        inner = TokenIs("_id", asked.id)
    return Or(tuple(Chain(asked.param, target, inner) for target in targets))


def _upwards(facts: IndexedResource, world: World) -> Iterable[IndexedResource]:
    """A resource and everything above it; a loop in the data ends where it began."""
    met, pending = {(facts.type, facts.id)}, [facts]
    while pending:
        here = pending.pop()
        yield here
        for value, _ in here.entries.get(UPWARD[here.type], ()):
            for above in world.resolve(value, here.type):
                if (above.type, above.id) not in met:
                    met.add((above.type, above.id))
                    pending.append(above)


def _rows_of(record: str, facts: IndexedResource) -> range:
    """The rows of a record in a resource, up to the last that has any indexed value."""
    parameters = search_parameters(facts.type)
    rows = [
        row
        for param, values in facts.entries.items()
        if (found := parameters.get(parameter_of(param))) and found.record == record
        for _, row in values
    ]
    return range(max(rows, default=-1) + 1)


def _points_at(pointing: IndexedResource, param: str, facts: IndexedResource, world: World) -> bool:
    return any(
        pointed.type == facts.type and pointed.id == facts.id
        for value, _ in pointing.entries.get(param, ())
        for pointed in world.resolve(value, facts.type)
    )


def _satisfies(leaf: ValueLeaf) -> Callable[[Value], bool]:
    """The test that a leaf makes of one value."""
    match leaf:
        case TokenIs(_, code, system):
            return lambda value: (
                isinstance(value, Token | NamedReference)
                and system in (None, value.system)
                and (code is None or value.code == _spelled(code, system, value.system))
            )
        case TextIs(_, text, "exact"):
            return lambda value: isinstance(value, Text) and value.exact == text
        case TextIs(_, text, how):
            return lambda value: isinstance(value, Text) and text_compares(how, value.normal, text)
        case WordIs(_, asked_word, begun):
            return lambda value: (
                isinstance(value, Words)
                and any(word_agrees(word, asked_word, begun) for word in value.words)
            )
        case LabelIs(_, text):
            return lambda value: (
                isinstance(value, Token)
                and any(text_compares("starts", one, text) for one in labels(*value))
            )
        case DateIs(_, prefix, first, last):
            return lambda value: (
                isinstance(value, Period) and date_compares(prefix, value, Period(first, last))
            )
        case NumberIs(_, prefix, asked, half):
            return lambda value: (
                isinstance(value, Decimal) and number_compares(prefix, value, asked, half)
            )
        case QuantityIs(_, prefix, asked, half, unit):
            return lambda value: (
                isinstance(value, Quantity)
                and unit_agrees(value.unit, unit)
                and number_compares(prefix, value.value, asked, half)
            )
        case CanonicalIs(_, url, version):
            return lambda value: (
                isinstance(value, Canonical) and value.url == url and version in ("", value.version)
            )
        case Near(_, latitude, longitude, reach):
            return lambda value: (
                isinstance(value, Position)
                and distance_m(latitude, longitude, value.latitude, value.longitude) <= reach
            )
        case Present():
            return lambda value: True


def _spelled(code: str, asked: str | None, system: str) -> str:
    """The spelling in a system of a code asked in that system, or in any when `asked` is None."""
    return normal_code(code, system) if asked is None else code


def word_agrees(indexed: str, asked: str, prefix: bool) -> bool:
    """Whether an indexed word is the one asked: of the same stem, or, when it may go on, starting with it."""
    return stem(indexed) == stem(asked) or (prefix and indexed.startswith(asked))
