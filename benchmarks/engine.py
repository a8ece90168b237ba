"""
The time inside the search, from a parsed request to a cut page: no HTTP, no bodies, no bundle.

Measured on the loaded directory in a process of its own, opened as a server opens it, one request after the other. The
first pass meets every request for the first time: what a column remembers of lately asked leaves, and what is made at
first use, is not there yet. The passes after it are the rule: hundreds of different requests in turn.
"""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from ror.access import Viewer
from ror.runtime import Directory, open_directory
from ror.search.engine import Search
from ror.search.ordering import page
from ror.search.parse import SearchRequest, parse
from ror.settings import Settings

PASSES: Final = 3
"""After the first one."""


@dataclass(frozen=True, slots=True)
class Timed:
    """What some requests took, in nanoseconds: met for the first time, then in turn."""

    first: Sequence[int]
    later: Sequence[int]
    slowest: str
    """The request that took longest in turn."""


def times(database: str, profile: int, targets: Mapping[str, Sequence[str]]) -> dict[str, Timed]:
    """The times of the requests of each workload, under an access profile; meant to run in a fresh process."""
    directory = open_directory(Settings(database=database, anonymous_profile=profile))
    try:
        return {name: _timed(directory, Viewer(profile), of_one) for name, of_one in targets.items()}
    finally:
        directory.close()


def _timed(directory: Directory, viewer: Viewer, targets: Sequence[str]) -> Timed:
    requests = [parse(*_asked(target)) for target in targets]
    # What was left by reading and parsing is not collected on the time of a search.
    gc.collect()
    first = [_time_of(directory, viewer, request) for request in requests]
    later = [[_time_of(directory, viewer, request) for request in requests] for _ in range(PASSES)]
    typical = [sorted(of_one)[PASSES // 2] for of_one in zip(*later, strict=True)]
    return Timed(first, [one for each in later for one in each], targets[typical.index(max(typical))])


def _time_of(directory: Directory, viewer: Viewer, request: SearchRequest) -> int:
    start = time.perf_counter_ns()
    search = Search(directory.index.view, viewer)
    found = search.of(request.expression, request.resource_type)
    page(search, found, request.resource_type, request.sort, request.count, request.cursor)
    return time.perf_counter_ns() - start


def _asked(target: str) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = target.partition("?")
    return path.rpartition("/")[2], parse_qsl(query, keep_blank_values=True)
