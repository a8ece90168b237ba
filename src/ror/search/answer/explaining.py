"""
How a search was understood and what each part of it cost: the stages of `bundle.py`, each timed.

The search runs for the viewer, and the tree is the evaluated tree. A part that the engine skipped,
because the intersection was already empty, does not appear.
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
from ror.search.answer.bodies import BodyCache
from ror.search.answer.bundle import search, seen_bodies
from ror.search.answer.engine import Evaluation, Search
from ror.search.answer.in_words import in_words, meaning, systems_read
from ror.search.answer.inclusion import included, limited
from ror.search.answer.ordering import page
from ror.search.answer.page_links import PageLinks
from ror.search.answer.unknown_codes import unknown_codes
from ror.search.index.index import Index
from ror.search.language.expression import SameRecord, TokenIs
from ror.search.language.parse import parse
from ror.standard.definitions import RESOURCE_TYPES

PLACEHOLDER_BASE: Final = "http://localhost"
"""The base URL of the links of the answer, which nobody receives."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: what it means, how many resources match, and what it cost."""

    depth: int
    meaning: str
    resource_type: str
    matches: int
    touched: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A stage of the answer, named as in the catalogue (`explain.<name>`).

    `items` counts its results and `size` their bytes.
    """

    name: str
    seconds: float
    items: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search explained: `total` matches on `pages` pages, the first of `size` bytes."""

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    nodes: tuple[Node, ...]
    stages: tuple[Stage, ...]
    total: int
    pages: int
    size: int


def explain(
    index: Index,
    bodies: BodyCache,
    viewer: Viewer,
    url_or_path: str,
    language: str,
    max_included: int,
) -> Explanation:
    """
    The explanation of a search, which is a URL, a path or `Type?criteria`.

    Raises UsageError for an address that is not a search, and what `parse` raises.
    """
    resource_type, pairs = parse_search_url(url_or_path)
    stages: list[Stage] = []
    trace: list[Evaluation] = []
    view = index.view
    engine = Search(view, viewer, trace)
    with _timed() as timer:
        links = PageLinks(index.store)
        request = parse(resource_type, links.decrypted(links.expanded(None, pairs)))
    stages.append(Stage("parse", timer.seconds, len(request.pairs)))
    with _timed() as timer:
        matches = engine.evaluate(request.expression, resource_type)
    stages.append(Stage("engine", timer.seconds, len(matches)))
    nodes = tuple(_node(evaluation, language) for evaluation in trace)
    with _timed() as timer:
        first_page = page(
            engine,
            matches,
            resource_type,
            request.sort,
            0 if request.summary else request.count,
            request.cursor,
        )
    stages.append(Stage("page", timer.seconds, len(first_page.rids)))
    with _timed() as timer:
        reached = included(engine, BitMap(first_page.rids), resource_type, request.includes)
        included_rids, _ = limited(engine, reached, max_included)
    stages.append(Stage("includes", timer.seconds, len(included_rids)))
    with _timed() as timer:
        read = seen_bodies(
            engine.sight,
            bodies,
            np.array([*first_page.rids, *included_rids], np.uint32),
            included_rids | BitMap(first_page.rids),
        )
    stages.append(Stage("bodies", timer.seconds, len(read.bodies), read.size))
    with _timed() as timer:
        answer = search(index, bodies, viewer, request, PLACEHOLDER_BASE, language, max_included)
    # The whole search again, with cached bodies: how long the next client will wait.
    stages.append(
        Stage("answer", timer.seconds, answer.matches + answer.included, len(answer.pieces))
    )
    return Explanation(
        resource_type=resource_type,
        pairs=request.pairs,
        warnings=tuple(
            warning.text(language)
            for warning in (
                *request.ignored,
                *unknown_codes(Search(view, viewer), request.expression, resource_type),
            )
        ),
        nodes=nodes,
        stages=tuple(stages),
        total=answer.total,
        pages=0 if request.summary or not request.count else -(-answer.total // request.count),
        size=len(answer.pieces),
    )


def parse_search_url(url_or_path: str) -> tuple[str, list[tuple[str, str]]]:
    """
    The resource type and the criteria of a search URL.

    >>> parse_search_url("https://ror.example.org/fhir/Location?name=a%20b&_count=2")
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
class _Timer:
    """A duration in seconds."""

    seconds: float = 0.0


@contextmanager
def _timed() -> Iterator[_Timer]:
    timer, start = _Timer(), time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - start


# --- nodes of the tree ----------------------------------------------------------------------------


def _node(evaluation: Evaluation, language: str) -> Node:
    # The engine evaluates the criteria on one record together.
    say = in_words if isinstance(evaluation.expression, SameRecord) else meaning
    words = say(evaluation.expression, language)
    if isinstance(evaluation.expression, SameRecord | TokenIs):
        words += systems_read(evaluation.expression, evaluation.resource_type, language)
    return Node(
        evaluation.depth,
        words,
        evaluation.resource_type,
        evaluation.matches,
        evaluation.touched,
        evaluation.seconds,
    )
