"""
What a search asks: the name and value pairs of a query string in, a SearchRequest out.

Nothing is dropped in silence: a pair is understood, or refused by name, or, when the client asked
for leniency, ignored and reported. `criteria.py` and `criterion_values.py` read the criteria; this
module knows the parameters that shape the answer (`_count`, `_sort`, `_include`…) and puts the
whole together. It does no I/O.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal, cast

from ror.errors import InvalidRequest, NotSupported, RorError, TooCostly, first_of
from ror.messages import closest, shown
from ror.resources.subset import Subset, parse_elements, parse_summary
from ror.search.language.criteria import (
    FILTER,
    Condition,
    Hop,
    checked_type,
    combine,
    combine_independently,
    criterion_path,
    expression_of,
    reference_parameter,
)
from ror.search.language.criterion_values import POSITION
from ror.search.language.cursor import Cursor, decode
from ror.search.language.expression import Expression, Near, Or, has_relevance
from ror.search.language.filter import read_filter
from ror.standard.definitions import (
    CONTENT,
    RESOURCE_TYPES,
    search_parameter,
    search_parameters,
)

DEFAULT_COUNT: Final = 200
"""Matches on a page. Source: RG_RECH_52."""

MAX_COUNT: Final = 1_000
"""A larger `_count` is reduced to this, and the self link says so (choice 11)."""

MAX_CRITERIA: Final = 200
"""Criteria in a request, and likewise inclusions (choice 25)."""

MAX_ALL_VALUES: Final = 10_000
"""Values of all the lists of a request together: each takes memory and time before it is searched."""

MAX_SORT_KEYS: Final = 16
"""Keys of one `_sort`: each is found for every match."""

SORTABLE: Final = frozenset({"token", "string", "date", "number", "quantity"})
"""The types of parameter that have an order."""

ALWAYS_SORTABLE: Final = frozenset({"_id", "_lastUpdated"})
"""Every resource has these two, whether or not its type can be searched by them."""

EXPLAIN: Final = "__explain"
"""Asks for an answer that says how it was understood; ours, with two underscores as no standard parameter has."""

SCORE: Final = "_score"
"""What full-text matches are sorted by: the best first, or the least with a minus."""

MISPRINTS: Final = {"__include": "_include", "_revincluded": "_revinclude"}
"""Misspelled in published requests (UC3.S02, S06, S09, S12); understood under lenient handling only (choice 1)."""

Total = Literal["accurate", "none", "estimate"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """
    A parameter to order by; an item without value comes last.

    `hops` are the `(param, type)` of the references that lead to the resource it is on. By position, `near` are the
    points to be near to, those of the criterion of the same name; an item counts from the nearest. By score, `words` is
    what the matches were asked to say.
    """

    param: str
    descending: bool
    hops: tuple[tuple[str, str], ...] = ()
    near: tuple[Near, ...] = ()
    words: Expression | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """What `source` points to with `param`, or in `reverse` the `source` that points; any target when it is None."""

    source: str
    param: str
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """
    A search that was understood.

    `count` is the size of a page. `summary` is "count" when only the total is
    wanted, `subset` what is wanted of each resource when that is not the whole. `total` is what was asked; the total is
    exact whatever it says. `pairs` are those understood, spelled correctly, for the self link: `_count` as applied, no
    cursor. `ignored` lists the parameters without value and, in lenient handling, what was not
    understood.
    """

    resource_type: str
    expression: Expression
    sort: tuple[SortKey, ...]
    count: int
    cursor: Cursor | None
    includes: tuple[Include, ...]
    summary: Literal["count"] | None
    subset: Subset | None
    total: Total | None
    ignored: tuple[RorError, ...]
    pairs: tuple[tuple[str, str], ...]
    explain: bool = False
    """Whether the answer says how the search was understood."""
    strict: bool = False
    """Whether a code that nothing knows is refused instead of reported (choice 35)."""


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    *,
    lenient: bool = False,
    independent: bool = False,
    strict: bool = False,
    spend: Callable[[int, str], None] = lambda entries, name: None,
) -> SearchRequest:
    """
    The search that percent-decoded pairs ask for on one of `RESOURCE_TYPES`.

    With `lenient`, what cannot be understood is ignored and listed, and the guide's own misprints are understood. A
    limit or a page link is refused all the same: ignoring either would answer another search than the one asked.
    With `independent`, each criterion holds on its own (strict R4) instead of on one record with its neighbours.
    A parameter without value is always ignored and listed (choice 35). `spend` hears of each pair
    before it is read: its length and its name; what it raises ends the reading.

    Raises InvalidRequest, NotSupported or TooCostly, naming the culprit; `also` holds the errors
    about the other pairs. Source: choices 1, 2, 11 and 25.
    """
    reading = _Reading(resource_type, lenient, independent, strict)
    errors: dict[str, RorError] = {}
    for name, text in pairs:
        spend(len(name) + len(text), name)
        try:
            reading.take(name, text)
        except RorError as reason:
            if isinstance(reason, TooCostly) or name == "_cursor":
                raise
            errors.setdefault(str(reason), reason)
    if errors and not lenient:
        raise first_of(errors.values())
    reading.ignored.extend(errors.values())
    return reading.request()


@dataclass(slots=True)
class _Reading:
    """The request so far."""

    resource_type: str
    lenient: bool
    independent: bool
    strict: bool
    criteria: list[Condition] = field(default_factory=list)
    # Sets that keep the order in which things were asked.
    includes: dict[Include, None] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    cursor: Cursor | None = None
    summary: Literal["count"] | None = None
    subset: Subset | None = None
    total: Total | None = None
    ignored: list[RorError] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    explain: bool = False
    criteria_seen: int = 0
    values_seen: int = 0
    inclusions_seen: int = 0

    def take(self, name: str, text: str) -> None:
        """Understands one pair; raises RorError and changes nothing but the counts when it is not understood."""
        base, colon, modifier = name.partition(":")
        if self.lenient:
            base = MISPRINTS.get(base, base)
        if (not text or text.isspace()) and name != "_cursor":
            self._ignore_without_value(base, name)
        elif base in _INCLUSIONS:
            self._take_inclusion(f"{base}{colon}{modifier}", text)
        elif name in _RESULT:
            self._take_once(name, text)
        else:
            self._take_criterion(name, text)

    def _ignore_without_value(self, base: str, name: str) -> None:
        """Lists a parameter without value; raises NotSupported for one that does not exist."""
        if name not in (*_RESULT, FILTER) and base not in _INCLUSIONS:
            _refuse_unknown_result_parameter(self.resource_type, name)
            criterion_path(self.resource_type, name)
        self.ignored.append(InvalidRequest("search.ignored-without-value", name=shown(name)))

    def _take_criterion(self, name: str, text: str) -> None:
        self.criteria_seen += 1
        if self.criteria_seen > MAX_CRITERIA:
            raise TooCostly("search.too-many-criteria", limit=MAX_CRITERIA)
        self.values_seen += text.count(",") + 1
        if self.values_seen > MAX_ALL_VALUES:
            raise TooCostly("search.too-many-in-all", name=shown(name), limit=MAX_ALL_VALUES)
        read = _asking_again if len(text) <= _REMEMBERED_LENGTH else _asking
        self.criteria.append(read(self.resource_type, name, text, self.independent))
        self.pairs.append((name, text))

    def _take_inclusion(self, name: str, text: str) -> None:
        self.inclusions_seen += 1
        if self.inclusions_seen > MAX_CRITERIA:
            raise TooCostly("search.too-many-inclusions", limit=MAX_CRITERIA)
        include, spelled = _inclusion(name, text, self.lenient)
        self.includes[include] = None
        self.pairs.append((name, spelled))

    def _take_once(self, name: str, text: str) -> None:
        if name in self.given:
            raise InvalidRequest("search.given-twice", name=name)
        applied = _RESULT[name](self, text)
        self.given.add(name)
        if applied is not None:
            self.pairs.append((name, applied))

    def request(self) -> SearchRequest:
        if self.cursor and len(self.cursor.keys) != len(self.sort):
            raise InvalidRequest("search.cursor")
        if self.subset and self.subset.summary == "text" and self.includes:
            # Source: FHIR R4, search.html#summary.
            raise InvalidRequest("search.text-with-inclusions")
        expression = (
            combine_independently(self.criteria) if self.independent else combine(self.criteria)
        )
        return SearchRequest(
            resource_type=self.resource_type,
            expression=expression,
            sort=tuple(self._completed(key, expression) for key in self.sort),
            count=self.count,
            cursor=self.cursor,
            includes=tuple(self.includes),
            summary="count" if self.count == 0 else self.summary,
            subset=self.subset,
            total=self.total,
            ignored=tuple(self.ignored),
            pairs=tuple(self.pairs),
            explain=self.explain,
            strict=self.strict,
        )

    def _completed(self, key: SortKey, expression: Expression) -> SortKey:
        """A sort key with what it takes from the criteria."""
        if key.param == POSITION:
            return self._with_points(key)
        if key.param != SCORE:
            return key
        if not has_relevance(expression):
            raise InvalidRequest("search.sort-without-words", name=SCORE, criterion=CONTENT)
        return replace(key, words=expression)

    def _with_points(self, key: SortKey) -> SortKey:
        """A sort by distance, with the points of the criterion that it is the distance to."""
        points = [
            point
            for hops, _, expression in self.criteria
            if tuple((hop.param, hop.type) for hop in hops if isinstance(hop, Hop)) == key.hops
            for point in (expression.parts if isinstance(expression, Or) else (expression,))
            if isinstance(point, Near)
        ]
        if not points:
            name = ".".join([*(param for param, _ in key.hops), key.param])
            raise InvalidRequest("search.sort-without-point", name=name)
        return replace(key, near=tuple(points))


def _asking(resource_type: str, name: str, text: str, independent: bool) -> Condition:
    """What one criterion asks, and where."""
    if name == FILTER:
        return (), None, read_filter(resource_type, text, independent=independent)
    _refuse_unknown_result_parameter(resource_type, name)
    found = criterion_path(resource_type, name)
    return found.hops, found.record, expression_of(found.criterion, text)


_REMEMBERED_LENGTH: Final = 256
_asking_again: Final = lru_cache(maxsize=4096)(_asking)
"""The same criteria come all day long; the values of strangers are remembered only while they are short."""


def _refuse_unknown_result_parameter(resource_type: str, name: str) -> None:
    """Refuses an unknown `_x`, naming the nearest of all the parameters that start so, criteria or not."""
    if not name.startswith("_"):
        return
    base = name.partition(":")[0].partition(".")[0]
    if base in _RESULT and base != name:
        raise NotSupported(
            "search.unknown-modifier", name=base, modifier=shown(name[len(base) + 1 :]), known="-"
        )
    if base not in ("_has", FILTER) and search_parameter(resource_type, base) is None:
        own = (one for one in search_parameters(resource_type) if one.startswith("_"))
        known = closest(
            base, sorted({*own, *_RESULT, "_has", FILTER, "_include", "_revinclude"} - {"_cursor"})
        )
        raise NotSupported(
            "search.unknown-parameter", type=resource_type, name=shown(name), known=known
        )


# --- inclusions ------------------------------------------------------------------------------------------------------

_INCLUSIONS: Final = ("_include", "_revinclude")
_ITERATE: Final = ("iterate", "recurse")
"""`:recurse` is what STU3 called it."""


@lru_cache(maxsize=1024)
def _inclusion(name: str, text: str, lenient: bool) -> tuple[Include, str]:
    """The inclusion that `name` = `Source:param[:Target]` asks for, and the right spelling of its value."""
    base, colon, modifier = name.partition(":")
    if colon and modifier not in _ITERATE:
        raise NotSupported(
            "search.unknown-modifier", name=base, modifier=shown(modifier), known=":iterate"
        )
    if "," in text:
        raise InvalidRequest("search.include-list", name=name, value=shown(text))
    if "*" in text:
        raise NotSupported("search.include-all", name=name, value=shown(text))
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidRequest("search.include-form", name=name, value=shown(text))
    if lenient:
        parts = [_RIGHT_CASE.get(part.lower(), part) for part in parts[:1]] + parts[1:]
    source, param, *target = parts
    parameter = reference_parameter(checked_type(source), param)
    if target and target[0] not in parameter.targets:
        raise NotSupported(
            "search.wrong-include-target",
            name=name,
            param=f"{source}:{parameter.name}",
            target=shown(target[0]),
            known=closest(target[0], parameter.targets),
        )
    wanted = target[0] if target else None
    include = Include(
        source, parameter.name, wanted, iterate=bool(colon), reverse=base == "_revinclude"
    )
    return include, ":".join((source, parameter.name, *target))


_RIGHT_CASE: Final = {name.lower(): name for name in RESOURCE_TYPES}
"""`Healthcareservice` is printed in UC5."""


# --- parameters of the answer ----------------------------------------------------------------------------------------


def _count(reading: _Reading, text: str) -> str:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidRequest("search.count", value=shown(text))
    # A number of more digits is over the most that a page may have, whatever they are.
    reading.count = min(int(text.lstrip("0")[:_DIGITS_READ] or 0), MAX_COUNT)
    return str(reading.count)


_WHOLE_NUMBER: Final = re.compile(r"[0-9]+", re.ASCII)
_DIGITS_READ: Final = len(str(MAX_COUNT))


def _sort(reading: _Reading, text: str) -> str:
    keys: dict[tuple[tuple[tuple[str, str], ...], str], SortKey] = {}
    parts = text.split(",")
    if len(parts) > MAX_SORT_KEYS:
        raise TooCostly("search.too-many-sorts", limit=MAX_SORT_KEYS)
    for part in parts:
        name = part.strip().removeprefix("-")
        hops, param = _sortable(reading.resource_type, name)
        if (hops, param) in keys:
            raise InvalidRequest("search.sort-twice", name=shown(name))
        # The best score comes first: that is what anyone who sorts by it wants.
        keys[hops, param] = SortKey(param, part.strip().startswith("-") != (param == SCORE), hops)
    reading.sort = tuple(keys.values())
    return text


def _sortable(resource_type: str, name: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The references to follow and the parameter to sort by, under its own name. Chains are those of UC5.S01."""
    if name == SCORE:
        return (), SCORE
    chain, _, last = name.rpartition(".")
    hops: tuple[tuple[str, str], ...] = ()
    if chain:
        steps = criterion_path(resource_type, f"{chain}._id").hops
        if not all(isinstance(step, Hop) and not step.reverse for step in steps):
            raise NotSupported("search.unsortable", type=resource_type, name=shown(name), known="-")
        hops = tuple((step.param, step.type) for step in steps if isinstance(step, Hop))
    here = hops[-1][1] if hops else resource_type
    parameter = search_parameter(here, last)
    own_name = parameter.name if parameter else last
    known = _sortable_names(here)
    if own_name not in known:
        raise NotSupported(
            "search.unsortable", type=here, name=shown(last), known=closest(last, known)
        )
    return hops, POSITION if own_name in _BY_DISTANCE else own_name


@lru_cache(maxsize=len(RESOURCE_TYPES))
def _sortable_names(resource_type: str) -> tuple[str, ...]:
    ordered = {
        one.name
        for one in search_parameters(resource_type).values()
        if one.type in SORTABLE and one.expression
    }
    distance = _BY_DISTANCE.intersection(search_parameters(resource_type))
    return tuple(sorted(ordered | distance | ALWAYS_SORTABLE))


_BY_DISTANCE: Final = frozenset({"near", "near-insee-code"})
"""Sorting by these is sorting by distance, whichever way the point was given."""


def _summary(reading: _Reading, text: str) -> str:
    summary = parse_summary(text)
    if summary and reading.subset:
        raise InvalidRequest("search.elements-with-summary")
    if summary == "count":
        reading.summary = summary
    elif summary:
        reading.subset = Subset(summary)
    return text


def _elements(reading: _Reading, text: str) -> str:
    elements = parse_elements(reading.resource_type, text)
    if reading.summary or reading.subset:
        raise InvalidRequest("search.elements-with-summary")
    reading.subset = Subset(elements=elements)
    return text


def _total(reading: _Reading, text: str) -> str:
    if text not in ("accurate", "none", "estimate"):
        raise InvalidRequest(
            "search.one-of", name="_total", value=shown(text), known="accurate, none, estimate"
        )
    reading.total = cast(Total, text)
    return text


def _total_method(_: _Reading, text: str) -> str:
    """How the total is found, in the dialect of a client library: here it is always counted."""
    if text not in ("count", "estimate"):
        raise InvalidRequest(
            "search.one-of", name="_totalMethod", value=shown(text), known="count, estimate"
        )
    return text


def _cursor(reading: _Reading, text: str) -> None:
    reading.cursor = decode(text)


def _explain(reading: _Reading, text: str) -> str:
    if text not in ("true", "false"):
        raise InvalidRequest("search.one-of", name=EXPLAIN, value=shown(text), known="true, false")
    reading.explain = text == "true"
    return text


def _kept(_: _Reading, text: str) -> str:
    """The door answers for it; the self link repeats it."""
    return text


_RESULT: Final[Mapping[str, Callable[[_Reading, str], str | None]]] = {
    "_count": _count,
    "_sort": _sort,
    "_summary": _summary,
    "_elements": _elements,
    "_total": _total,
    "_totalMethod": _total_method,
    "_cursor": _cursor,
    EXPLAIN: _explain,
    "_format": _kept,
    "_pretty": _kept,
}
"""What each parameter that is given once does; it returns the value applied, None when links do not repeat it."""
