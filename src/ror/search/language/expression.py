"""
The tree of a search, and `matches`, which defines its meaning.

The parsers of query strings and of `_filter` make trees, and the engine evaluates them with
bitmaps. `matches` decides slowly and simply whether a resource satisfies a tree; a property test
checks that the engine agrees with it. Leaves hold values in the normal form of `values.py`. A
parameter belongs to the resource type at its point in the tree.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
    """Every resource of the type."""


@dataclass(frozen=True, slots=True)
class TokenIs:
    """
    A code in any system (`system` None), without system (""), or in one system.

    If `code` is None, any code of the system matches. A code has the normal form of its system; in
    any system it is as written.
    """

    param: str
    code: str | None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class TextIs:
    """
    A string that starts with, contains, ends with or equals `text`.

    The text is in normal form, except for `exact`.
    """

    param: str
    text: str
    how: TextMatch = "starts"


@dataclass(frozen=True, slots=True)
class WordIs:
    """
    A word with the stem of the folded `word`; with `prefix`, also one that starts with it (choice
    9).
    """

    param: str
    word: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class LabelIs:
    """A code with a label in the nomenclatures that starts with `text`, in normal form."""

    param: str
    text: str


@dataclass(frozen=True, slots=True)
class DateIs:
    """A date that compares with a period, from `first` to `last`, in microseconds, inclusive."""

    param: str
    prefix: Prefix
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NumberIs:
    """A number that compares with `value`; equality allows `half` a step of its precision."""

    param: str
    prefix: Prefix
    value: Decimal
    half: Decimal


@dataclass(frozen=True, slots=True)
class QuantityIs:
    """A quantity that compares with `value` in `unit`, in normal form; None for any unit."""

    param: str
    prefix: Prefix
    value: Decimal
    half: Decimal
    unit: str | None


@dataclass(frozen=True, slots=True)
class ReferenceIs:
    """
    A reference to the resource `id`, of any type if `type` is None.

    It means a chain to that `_id`: a reference to a hidden or absent resource does not match
    (choice 13).
    """

    param: str
    type: str | None
    id: str
    base: str | None = None
    """
    The server of an absolute reference; None for this server. References to others do not match.
    """


@dataclass(frozen=True, slots=True)
class CanonicalIs:
    """A reference by canonical URL, in any version if `version` is ""."""

    param: str
    url: str
    version: str


@dataclass(frozen=True, slots=True)
class Near:
    """A position within `distance_m` metres of a point, inclusive (choice 8)."""

    param: str
    latitude: float
    longitude: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class Present:
    """
    At least one value that the viewer may see (choice 14).

    A reference to a hidden or absent resource is no value.
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
    """
    One repetition of the record `name` (a capacity, a price…) satisfies all of `inner` (choice 2).
    """

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
    """A `source` that satisfies `inner` points to the resource with its parameter `param`."""

    source: str
    param: str
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Upward:
    """The resource, or one above it along its `UPWARD` references, satisfies `inner` (choice 6)."""

    inner: "Expression"


UPWARD: Final = {"Organization": "partof"}
"""The reference to the resource above, for each type that has a hierarchy."""

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


# --- the meaning ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexedResource:
    """A resource and its index entries by parameter, as `(value, row)` pairs."""

    type: str
    id: str
    entries: Mapping[str, Sequence[tuple[Value, int]]]


class World(Protocol):
    """The resources that chains lead to."""

    def resolve(self, reference: Value, target: str) -> Iterable[IndexedResource]:
        """The resources of type `target` that a reference points to."""

    def of_type(self, resource_type: str) -> Iterable[IndexedResource]:
        """Every resource of a type."""


def matches(
    expression: Expression, resource: IndexedResource, world: World, row: int | None = None
) -> bool:
    """
    Whether `resource` satisfies `expression` in `world`; with `row`, only the entries of that row
    count.

    This is the definition of every search. Source: FHIR R4, search.html; choices 2 to 8.
    """
    match expression:
        case Everything():
            return True
        case And(parts):
            return all(matches(part, resource, world, row) for part in parts)
        case Or(parts):
            return any(matches(part, resource, world, row) for part in parts)
        case Not(inner):
            return not matches(inner, resource, world, row)
        case SameRecord(name, inner):
            return any(matches(inner, resource, world, index) for index in _rows_of(name, resource))
        case Chain(param, target, inner):
            return any(
                matches(inner, pointed, world)
                for value, _ in resource.entries.get(param, ())
                for pointed in world.resolve(value, target)
            )
        case Has(source, param, inner):
            return any(
                matches(inner, pointing, world) and _points_at(pointing, param, resource, world)
                for pointing in world.of_type(source)
            )
        case Upward(inner):
            return any(matches(inner, above, world) for above in _upwards(resource, world))
        case ReferenceIs():
            return matches(as_chains(expression, resource.type), resource, world)
        case Present(param) if leads_to_resources(resource.type, param):
            return matches(as_chains(expression, resource.type), resource, world)
        case leaf:
            satisfies = _satisfies(leaf)
            return any(
                satisfies(value)
                for value, at in resource.entries.get(leaf.param, ())
                if row is None or at == row
            )


def with_own_bases(expression: Expression, bases: Collection[str]) -> Expression:
    """
    The same search, with references to one of these bases as references to this server (choice 34).
    """
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
    """
    Whether matches have a relevance score: the search requires words, and not only their absence.
    """
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
"""The reference parameters with a canonical URL, as `(type, name)`."""


def leads_to_resources(resource_type: str, param: str) -> bool:
    """Whether the values of a parameter are references to resources, and not canonical URLs."""
    parameter = search_parameter(resource_type, param)
    return (
        parameter is not None
        and parameter.type == "reference"
        and (resource_type, param) not in CANONICAL
    )


def as_chains(leaf: ReferenceIs | Present, resource_type: str) -> Expression:
    """
    The same criterion on a reference, as chains to each target type: to its `_id`, or to any
    resource.
    """
    parameter = search_parameter(resource_type, leaf.param)
    targets = parameter.targets if parameter else ()
    inner: Expression = Everything()
    if isinstance(leaf, ReferenceIs):
        if leaf.base is not None:
            return Or(())
        targets = (leaf.type,) if leaf.type else targets
        inner = TokenIs("_id", leaf.id)
    return Or(tuple(Chain(leaf.param, target, inner) for target in targets))


def _upwards(resource: IndexedResource, world: World) -> Iterable[IndexedResource]:
    """A resource and every resource above it, each once, even if the data has a loop."""
    visited, pending = {(resource.type, resource.id)}, [resource]
    while pending:
        current = pending.pop()
        yield current
        for value, _ in current.entries.get(UPWARD[current.type], ()):
            for above in world.resolve(value, current.type):
                if (above.type, above.id) not in visited:
                    visited.add((above.type, above.id))
                    pending.append(above)


def _rows_of(record: str, resource: IndexedResource) -> range:
    """The rows of a record in a resource, up to the last row that has an entry."""
    parameters = search_parameters(resource.type)
    rows = [
        row
        for param, values in resource.entries.items()
        if (parameter := parameters.get(parameter_of(param))) and parameter.record == record
        for _, row in values
    ]
    return range(max(rows, default=-1) + 1)


def _points_at(
    pointing: IndexedResource, param: str, resource: IndexedResource, world: World
) -> bool:
    return any(
        pointed.type == resource.type and pointed.id == resource.id
        for value, _ in pointing.entries.get(param, ())
        for pointed in world.resolve(value, resource.type)
    )


def _satisfies(leaf: ValueLeaf) -> Callable[[Value], bool]:
    """The test that a leaf applies to a value."""
    match leaf:
        case TokenIs(_, code, system):
            return lambda value: (
                isinstance(value, Token | NamedReference)
                and system in (None, value.system)
                and (code is None or value.code == _spelling_in(value.system, code, system))
            )
        case TextIs(_, text, "exact"):
            return lambda value: isinstance(value, Text) and value.exact == text
        case TextIs(_, text, how):
            return lambda value: isinstance(value, Text) and text_compares(how, value.normal, text)
        case WordIs(_, query_word, is_prefix):
            return lambda value: (
                isinstance(value, Words)
                and any(word_agrees(word, query_word, is_prefix) for word in value.words)
            )
        case LabelIs(_, text):
            return lambda value: (
                isinstance(value, Token)
                and any(text_compares("starts", label, text) for label in labels(*value))
            )
        case DateIs(_, prefix, first, last):
            return lambda value: (
                isinstance(value, Period) and date_compares(prefix, value, Period(first, last))
            )
        case NumberIs(_, prefix, number, half):
            return lambda value: (
                isinstance(value, Decimal) and number_compares(prefix, value, number, half)
            )
        case QuantityIs(_, prefix, number, half, unit):
            return lambda value: (
                isinstance(value, Quantity)
                and unit_agrees(value.unit, unit)
                and number_compares(prefix, value.value, number, half)
            )
        case CanonicalIs(_, url, version):
            return lambda value: (
                isinstance(value, Canonical) and value.url == url and version in ("", value.version)
            )
        case Near(_, latitude, longitude, limit_m):
            return lambda value: (
                isinstance(value, Position)
                and distance_m(latitude, longitude, value.latitude, value.longitude) <= limit_m
            )
        case Present():
            return lambda value: True


def token_leaves(expression: Expression, resource_type: str) -> Iterator[tuple[TokenIs, str]]:
    """The codes of a search, each with its resource type."""
    match expression:
        case TokenIs():
            yield expression, resource_type
        case And(parts) | Or(parts):
            for part in parts:
                yield from token_leaves(part, resource_type)
        case Not(inner) | SameRecord(_, inner) | Upward(inner):
            yield from token_leaves(inner, resource_type)
        case Chain(_, other, inner) | Has(other, _, inner):
            yield from token_leaves(inner, other)
        case _:
            return


def _spelling_in(system: str, code: str, criterion_system: str | None) -> str:
    """
    The spelling in a system of the code of a criterion, which is normal if it names its system.
    """
    return normal_code(code, system) if criterion_system is None else code


def word_agrees(indexed: str, word: str, prefix: bool) -> bool:
    """
    Whether an indexed word matches: it has the same stem or, with `prefix`, it starts with `word`.
    """
    return stem(indexed) == stem(word) or (prefix and indexed.startswith(word))
