"""
How a search was understood and what each part of it cost: the same stages as `searching`, each one watched.

Nothing is explained that was not done: the search is run for real, under the viewer who asks, and the tree shown is the
one that the engine answered. A part that the engine did not need (nothing was left to meet it with) does not appear.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pyroaring import BitMap

from ror import messages, terminology
from ror.access import Viewer
from ror.bodies import Bodies
from ror.definitions import RESOURCE_TYPES, all_search_parameters
from ror.errors import InvalidRequest, UsageError
from ror.search.engine import Search, Step
from ror.search.expression import (
    And,
    CanonicalIs,
    Chain,
    DateIs,
    Everything,
    Expression,
    Has,
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
)
from ror.search.inclusion import included
from ror.search.index import Index
from ror.search.ordering import page
from ror.search.parse import parse
from ror.search.values import EARLIEST, LATEST, instant_text
from ror.searching import search

LOCAL: Final = "http://localhost"
"""Stands in the links of the answer, which goes nowhere."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: what it means, what it found among resources of its type, and how long that took in all."""

    depth: int
    meaning: str
    resource_type: str
    found: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the answer, named as in the catalogue (`explain.<name>`); `items` and `size` (bytes) of its result."""

    name: str
    seconds: float
    items: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search, explained: `total` matches on `pages` pages, the first of them `size` bytes long."""

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    nodes: tuple[Node, ...]
    stages: tuple[Stage, ...]
    total: int
    pages: int
    size: int


def explain(index: Index, bodies: Bodies, viewer: Viewer, url_or_path: str, language: str) -> Explanation:
    """
    What becomes of a search, given as a URL, a path or `Type?criteria`.

    Raises UsageError when the address is not a search, and what `parse` raises when the search is not understood.
    """
    resource_type, pairs = asked(url_or_path)
    stages: list[Stage] = []
    trace: list[Step] = []
    view = index.view
    asking = Search(view, viewer, trace)
    with _watched() as watch:
        request = parse(resource_type, pairs)
    stages.append(Stage("parse", watch.seconds, len(request.pairs)))
    with _watched() as watch:
        found = asking.of(request.expression, resource_type)
    stages.append(Stage("engine", watch.seconds, len(found)))
    nodes = tuple(_node(step, language) for step in trace)
    with _watched() as watch:
        cut = page(view, found, resource_type, request.sort, 0 if request.summary else request.count, request.cursor)
    stages.append(Stage("page", watch.seconds, len(cut.rids)))
    with _watched() as watch:
        along = included(asking, BitMap(cut.rids), resource_type, request.includes)
    stages.append(Stage("includes", watch.seconds, len(along)))
    with _watched() as watch:
        read = bodies.addressed([*cut.rids, *along])
    stages.append(Stage("bodies", watch.seconds, len(read), sum(map(len, read))))
    with _watched() as watch:
        answer = search(index, bodies, viewer, request, LOCAL, language)
    # Everything above once more, now that the bodies are at hand: what the next one to ask will wait for.
    stages.append(Stage("answer", watch.seconds, answer.matches + answer.included, len(answer.body)))
    return Explanation(
        resource_type=resource_type,
        pairs=request.pairs,
        ignored=tuple(error.text(language) for error in request.ignored),
        nodes=nodes,
        stages=tuple(stages),
        total=answer.total,
        pages=0 if request.summary or not request.count else -(-answer.total // request.count),
        size=len(answer.body),
    )


def asked(url_or_path: str) -> tuple[str, list[tuple[str, str]]]:
    """
    The resource type and the criteria of a search, whatever stands before them.

    >>> asked("https://ror.example.org/fhir/Location?name=a%20b&_count=2")
    ('Location', [('name', 'a b'), ('_count', '2')])
    """
    parts = urlsplit(url_or_path)
    path = parts.path.rstrip("/").removesuffix("/_search")
    resource_type = path.rpartition("/")[2]
    if resource_type not in RESOURCE_TYPES:
        raise UsageError("explain.not-a-search", url=url_or_path[:200], known=", ".join(RESOURCE_TYPES))
    try:
        return resource_type, parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("http.not-utf8") from None


@dataclass(slots=True)
class _Watch:
    """How long something took."""

    seconds: float = 0.0


@contextmanager
def _watched() -> Iterator[_Watch]:
    watch, start = _Watch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start


# --- meanings --------------------------------------------------------------------------------------------------------


def _node(step: Step, language: str) -> Node:
    meaning_here = meaning(step.expression, language)
    return Node(step.depth, meaning_here, step.resource_type, step.found, step.seconds)


def meaning(expression: Expression, language: str) -> str:
    """
    What one node of a tree asks, without what is below it.

    >>> meaning(TokenIs("active", "true"), "en")
    'active has the code "true"'
    """

    def say(key: str, **params: object) -> str:
        return messages.text(f"explain.{key}", language, **params)

    match expression:
        case Everything():
            return say("everything")
        case TokenIs(param, None, system):
            return say("any-code", param=param, system=system)
        case TokenIs(param, code, system):
            label = _label(param, code or "", system)
            return say("code", param=param, code=code, label=f" — {label}" if label else "")
        case TextIs(param, text, how):
            return say(f"text-{how}", param=param, text=text)
        case DateIs(param, prefix, first, last):
            between = f"[{_instant(first)}, {_instant(last)}]"
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=between)
        case NumberIs(param, prefix, value, _):
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=value)
        case QuantityIs(param, prefix, value, _, unit):
            shown = f"{value} {unit.rpartition('|')[2]}" if unit else str(value)
            return say("compares", param=param, how=say(f"prefix-{prefix}"), value=shown)
        case ReferenceIs(param, target, identity):
            return say("reference", param=param, target=f"{target}/{identity}" if target else identity)
        case CanonicalIs(param, url, version):
            return say("reference", param=param, target=f"{url}|{version}" if version else url)
        case Near(param, latitude, longitude, distance_m):
            return say("near", param=param, km=f"{distance_m / 1000:g}", latitude=latitude, longitude=longitude)
        case Present(param):
            return say("present", param=param)
        case Not():
            return say("not")
        case And():
            return say("and")
        case Or():
            return say("or")
        case SameRecord(name, _):
            return say("same-record", name=name)
        case Chain(param, target, _):
            return say("chain", param=param, target=target)
        case Upward():
            return say("upward")
        case Has(source, param, _):
            return say("has", source=source, param=param)


def _label(param: str, code: str, system: str | None) -> str | None:
    """What a code is called; looked for in the systems of the guide when the search names none."""
    if system:
        return terminology.display(f"https://{system}", code)
    if param in _UNLABELLED:
        return None
    labels = {terminology.display(one.url, code) for one in terminology.code_systems()} - {None}
    # Several systems may have the code, and the search means all of them: no label is better than the wrong one.
    return labels.pop() if len(labels) == 1 else None


_UNLABELLED: Final = frozenset(
    {"_id", "_tag", "identifier"} | {one.name for one in all_search_parameters() if one.name.startswith("identifier")}
)
"""Token parameters whose values are not codes."""


def _instant(microseconds: int) -> str:
    return "…" if microseconds in (EARLIEST, LATEST) else instant_text(microseconds)
