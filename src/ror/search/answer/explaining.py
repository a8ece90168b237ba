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

import numpy as np
from pyroaring import BitMap

from ror.access import Viewer
from ror.errors import InvalidRequest, UsageError
from ror.search.answer.bodies import Bodies
from ror.search.answer.bundle import search, seen_bodies
from ror.search.answer.engine import Search, Step
from ror.search.answer.in_words import in_words, meaning
from ror.search.answer.inclusion import included, within
from ror.search.answer.ordering import page
from ror.search.answer.page_links import seal_of
from ror.search.index.index import Index
from ror.search.language.expression import SameRecord
from ror.search.language.parse import parse
from ror.standard.definitions import RESOURCE_TYPES

LOCAL: Final = "http://localhost"
"""Stands in the links of the answer, which goes nowhere."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: what it means, what it found, how many index entries that took and how long in all."""

    depth: int
    meaning: str
    resource_type: str
    found: int
    touched: int
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


def explain(
    index: Index, bodies: Bodies, viewer: Viewer, url_or_path: str, language: str, max_included: int
) -> Explanation:
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
        request = parse(resource_type, seal_of(index.store).opened_in(pairs))
    stages.append(Stage("parse", watch.seconds, len(request.pairs)))
    with _watched() as watch:
        found = asking.of(request.expression, resource_type)
    stages.append(Stage("engine", watch.seconds, len(found)))
    nodes = tuple(_node(step, language) for step in trace)
    with _watched() as watch:
        cut = page(
            asking,
            found,
            resource_type,
            request.sort,
            0 if request.summary else request.count,
            request.cursor,
        )
    stages.append(Stage("page", watch.seconds, len(cut.rids)))
    with _watched() as watch:
        brought = included(asking, BitMap(cut.rids), resource_type, request.includes)
        along, _ = within(asking, brought, max_included)
    stages.append(Stage("includes", watch.seconds, len(along)))
    with _watched() as watch:
        read = seen_bodies(
            asking, bodies, np.array([*cut.rids, *along], np.uint32), along | BitMap(cut.rids)
        )
    stages.append(Stage("bodies", watch.seconds, len(read.bodies), read.size))
    with _watched() as watch:
        answer = search(index, bodies, viewer, request, LOCAL, language, max_included)
    # Everything above once more, now that the bodies are at hand: what the next one to ask will wait for.
    stages.append(
        Stage("answer", watch.seconds, answer.matches + answer.included, len(answer.pieces))
    )
    return Explanation(
        resource_type=resource_type,
        pairs=request.pairs,
        ignored=tuple(error.text(language) for error in request.ignored),
        nodes=nodes,
        stages=tuple(stages),
        total=answer.total,
        pages=0 if request.summary or not request.count else -(-answer.total // request.count),
        size=len(answer.pieces),
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
        raise UsageError(
            "explain.not-a-search", url=url_or_path[:200], known=", ".join(RESOURCE_TYPES)
        )
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
    # The criteria on one record are answered at once, hence shown with it.
    say = in_words if isinstance(step.expression, SameRecord) else meaning
    meaning_here = say(step.expression, language)
    return Node(
        step.depth, meaning_here, step.resource_type, step.found, step.touched, step.seconds
    )
