"""
Parse a search: the name and value pairs of a query string become a SearchRequest.

Every pair is applied, refused by name or, if the client asked for lenient handling, ignored and
reported. `criteria.py` and `criterion_values.py` read the criteria; this module reads the
parameters that shape the response (`_count`, `_sort`, `_include`…).
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
from ror.search.language.request import Include, SearchRequest, SortKey, Total
from ror.standard.definitions import (
    CONTENT,
    RESOURCE_TYPES,
    search_parameter,
    search_parameters,
)

DEFAULT_COUNT: Final = 200
"""Matches on a page. Source: RG_RECH_52."""

MAX_COUNT: Final = 1_000
"""A larger `_count` is reduced to this value, and the self link shows it (choice 11)."""

MAX_CRITERIA: Final = 200
"""The most criteria in a request, and the most inclusions (choice 25)."""

MAX_ALL_VALUES: Final = 10_000
"""The most values in all the lists of a request: each takes memory and time to read."""

MAX_SORT_KEYS: Final = 16
"""The most keys in one `_sort`: each is looked up for every match."""

SORTABLE: Final = frozenset({"token", "string", "date", "number", "quantity"})
"""The types of parameter that have an order."""

ALWAYS_SORTABLE: Final = frozenset({"_id", "_lastUpdated"})
"""Every resource has these two, even if they are not search parameters of its type."""

EXPLAIN: Final = "__explain"
"""
Requests an explanation of the search. The two underscores set it apart from standard parameters.
"""

SCORE: Final = "_score"
"""The sort key of full-text matches: the best first, or with a minus the worst first."""

MISPRINTS: Final = {"__include": "_include", "_revincluded": "_revinclude"}
"""
Misspellings in published requests (UC3.S02, S06, S09, S12); lenient handling accepts them (choice
1).
"""


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
    The search that percent-decoded pairs describe on one of `RESOURCE_TYPES`.

    With `lenient`, parameters that cannot be read are ignored and listed, and the misspellings of
    the guide are accepted. A request over a limit and an invalid page link are refused even then:
    ignoring either would answer another search. With `independent`, each criterion holds on its
    own (strict R4) instead of on one record with its neighbours. A parameter without value is
    always ignored and listed (choice 35). `spend` receives the length and the name of each pair
    before it is read, and may raise to end the reading.

    Raises InvalidRequest, NotSupported or TooCostly, which name the parameter; `also` holds the
    errors about the other pairs. Source: choices 1, 2, 11 and 25.
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
    """A request that is being read."""

    resource_type: str
    lenient: bool
    independent: bool
    strict: bool
    criteria: list[Condition] = field(default_factory=list)
    # Dictionaries rather than sets: inclusions apply in the order of the request.
    includes: dict[Include, None] = field(default_factory=dict)
    single_names: set[str] = field(default_factory=set)
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    cursor: Cursor | None = None
    summary: Literal["count"] | None = None
    subset: Subset | None = None
    total: Total | None = None
    ignored: list[RorError] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    explain: bool = False
    criteria_count: int = 0
    value_count: int = 0
    inclusion_count: int = 0

    def take(self, name: str, text: str) -> None:
        """Read one pair. If it cannot be read, raise RorError and change nothing but the counts."""
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
        """List a parameter without value; raise NotSupported if it does not exist."""
        if name not in (*_RESULT, FILTER) and base not in _INCLUSIONS:
            _refuse_unknown_result_parameter(self.resource_type, name)
            criterion_path(self.resource_type, name)
        self.ignored.append(InvalidRequest("search.ignored-without-value", name=shown(name)))

    def _take_criterion(self, name: str, text: str) -> None:
        self.criteria_count += 1
        if self.criteria_count > MAX_CRITERIA:
            raise TooCostly("search.too-many-criteria", limit=MAX_CRITERIA)
        self.value_count += text.count(",") + 1
        if self.value_count > MAX_ALL_VALUES:
            raise TooCostly("search.too-many-in-all", name=shown(name), limit=MAX_ALL_VALUES)
        read = _cached_condition if len(text) <= _CACHED_LENGTH else _condition
        self.criteria.append(read(self.resource_type, name, text, self.independent))
        self.pairs.append((name, text))

    def _take_inclusion(self, name: str, text: str) -> None:
        self.inclusion_count += 1
        if self.inclusion_count > MAX_CRITERIA:
            raise TooCostly("search.too-many-inclusions", limit=MAX_CRITERIA)
        include, spelled = _inclusion(name, text, self.lenient)
        self.includes[include] = None
        self.pairs.append((name, spelled))

    def _take_once(self, name: str, text: str) -> None:
        if name in self.single_names:
            raise InvalidRequest("search.given-twice", name=name)
        applied = _RESULT[name](self, text)
        self.single_names.add(name)
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
        """A sort key with the points or words that it takes from the criteria."""
        if key.param == POSITION:
            return self._with_points(key)
        if key.param != SCORE:
            return key
        if not has_relevance(expression):
            raise InvalidRequest("search.sort-without-words", name=SCORE, criterion=CONTENT)
        return replace(key, words=expression)

    def _with_points(self, key: SortKey) -> SortKey:
        """A sort by distance, with the points of the criterion of the same name."""
        points = [
            point
            for hops, _, inner in self.criteria
            if tuple((hop.param, hop.type) for hop in hops if isinstance(hop, Hop)) == key.hops
            for point in (inner.parts if isinstance(inner, Or) else (inner,))
            if isinstance(point, Near)
        ]
        if not points:
            name = ".".join([*(param for param, _ in key.hops), key.param])
            raise InvalidRequest("search.sort-without-point", name=name)
        return replace(key, near=tuple(points))


def _condition(resource_type: str, name: str, text: str, independent: bool) -> Condition:
    """The condition of one criterion."""
    if name == FILTER:
        return (), None, read_filter(resource_type, text, independent=independent)
    _refuse_unknown_result_parameter(resource_type, name)
    path = criterion_path(resource_type, name)
    return path.hops, path.record, expression_of(path.criterion, text)


_CACHED_LENGTH: Final = 256
_cached_condition: Final = lru_cache(maxsize=4096)(_condition)
"""
Clients repeat the same criteria; long values are not cached, so that no client can fill the memory.
"""


def _refuse_unknown_result_parameter(resource_type: str, name: str) -> None:
    """Refuse an unknown parameter that starts with `_`, and suggest the nearest one that exists."""
    if not name.startswith("_"):
        return
    base = name.partition(":")[0].partition(".")[0]
    if base in _RESULT and base != name:
        raise NotSupported(
            "search.unknown-modifier", name=base, modifier=shown(name[len(base) + 1 :]), known="-"
        )
    if base not in ("_has", FILTER) and search_parameter(resource_type, base) is None:
        own = (param for param in search_parameters(resource_type) if param.startswith("_"))
        known = closest(
            base, sorted({*own, *_RESULT, "_has", FILTER, "_include", "_revinclude"} - {"_cursor"})
        )
        raise NotSupported(
            "search.unknown-parameter", type=resource_type, name=shown(name), known=known
        )


# --- inclusions -----------------------------------------------------------------------------------

_INCLUSIONS: Final = ("_include", "_revinclude")
_ITERATE: Final = ("iterate", "recurse")
"""`:recurse` is what STU3 called it."""


@lru_cache(maxsize=1024)
def _inclusion(name: str, text: str, lenient: bool) -> tuple[Include, str]:
    """
    The inclusion that `name` = `Source:param[:Target]` requests, and its value in the right
    spelling.
    """
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
    include = Include(
        source,
        parameter.name,
        target[0] if target else None,
        iterate=bool(colon),
        reverse=base == "_revinclude",
    )
    return include, ":".join((source, parameter.name, *target))


_RIGHT_CASE: Final = {name.lower(): name for name in RESOURCE_TYPES}
"""`Healthcareservice` is printed in UC5."""


# --- parameters of the response -------------------------------------------------------------------


def _count(reading: _Reading, text: str) -> str:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidRequest("search.count", value=shown(text))
    # A number of more digits is over the limit anyway.
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
        # A sort by score without minus shows the best first.
        keys[hops, param] = SortKey(param, part.strip().startswith("-") != (param == SCORE), hops)
    reading.sort = tuple(keys.values())
    return text


def _sortable(resource_type: str, name: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The references to follow, then the canonical name of the sort parameter (chains: UC5.S01)."""
    if name == SCORE:
        return (), SCORE
    chain, _, last = name.rpartition(".")
    hops: tuple[tuple[str, str], ...] = ()
    if chain:
        steps = criterion_path(resource_type, f"{chain}._id").hops
        if not all(isinstance(step, Hop) and not step.reverse for step in steps):
            raise NotSupported("search.unsortable", type=resource_type, name=shown(name), known="-")
        hops = tuple((step.param, step.type) for step in steps if isinstance(step, Hop))
    last_type = hops[-1][1] if hops else resource_type
    parameter = search_parameter(last_type, last)
    own_name = parameter.name if parameter else last
    sortable = _sortable_names(last_type)
    if own_name not in sortable:
        raise NotSupported(
            "search.unsortable", type=last_type, name=shown(last), known=closest(last, sortable)
        )
    return hops, POSITION if own_name in _BY_DISTANCE else own_name


@lru_cache(maxsize=len(RESOURCE_TYPES))
def _sortable_names(resource_type: str) -> tuple[str, ...]:
    ordered = {
        parameter.name
        for parameter in search_parameters(resource_type).values()
        if parameter.type in SORTABLE and parameter.expression
    }
    distance = _BY_DISTANCE.intersection(search_parameters(resource_type))
    return tuple(sorted(ordered | distance | ALWAYS_SORTABLE))


_BY_DISTANCE: Final = frozenset({"near", "near-insee-code"})
"""The parameters that sort by distance."""


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
    """`_totalMethod` of a client library: accepted, and the total is counted all the same."""
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


def _http_parameter(_: _Reading, text: str) -> str:
    """A parameter that the HTTP layer has applied; the self link repeats it."""
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
    "_format": _http_parameter,
    "_pretty": _http_parameter,
}
"""
How each single parameter is read. It returns the value applied, or None if links leave it out.
"""
