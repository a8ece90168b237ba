"""
The time inside the search, from a parsed request to a cut page: no HTTP, no bodies, no bundle.

Measured on the loaded directory in a process of its own, opened as a server opens it, one request
after the other. The first pass meets every request for the first time: what a column remembers of
lately asked leaves, and what is made at first use, is not there yet. The passes after it are the
rule: hundreds of different requests in turn.
"""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from ror.access import Viewer, anonymous_viewer
from ror.http.memory import keep_what_is_freed
from ror.runtime import Directory, open_directory
from ror.search.answer.engine import Search
from ror.search.answer.ordering import page
from ror.search.language.parse import parse
from ror.search.language.request import SearchRequest
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
    against: Sequence[float]
    """The time of them all under each other profile, as a multiple of that under the first one."""


def times(
    database: str, profiles: Sequence[int], targets: Mapping[str, Sequence[str]]
) -> dict[str, Timed]:
    """
    The times of the requests of each workload, under the first profile; meant to run in a fresh
    process.
    """
    settings = [Settings(database=database, anonymous_profile=profile) for profile in profiles]
    viewers = [viewer for one in settings if (viewer := anonymous_viewer(one.anonymous_profile))]
    # As a server does before it opens its directory.
    keep_what_is_freed()
    directory = open_directory(settings[0])
    try:
        return {name: _timed(directory, viewers, of_one) for name, of_one in targets.items()}
    finally:
        directory.close()


def _timed(directory: Directory, viewers: Sequence[Viewer], targets: Sequence[str]) -> Timed:
    requests = [parse(*_asked(target)) for target in targets]
    # What was left by reading and parsing is not collected on the time of a search.
    gc.collect()
    passes = [
        [[_time_of(directory, viewer, request) for request in requests] for viewer in viewers]
        for _ in range(1 + PASSES)
    ]
    first, *later = (each[0] for each in passes)
    typical = [sorted(of_one)[PASSES // 2] for of_one in zip(*later, strict=True)]
    whole = [sum(sum(each[number]) for each in passes[1:]) for number in range(len(viewers))]
    return Timed(
        first,
        [one for each in later for one in each],
        targets[typical.index(max(typical))],
        [other / whole[0] for other in whole[1:]],
    )


def _time_of(directory: Directory, viewer: Viewer, request: SearchRequest) -> int:
    start = time.perf_counter_ns()
    search = Search(directory.index.view, viewer)
    found = search.evaluate(request.expression, request.resource_type)
    page(search, found, request.resource_type, request.sort, request.count, request.cursor)
    return time.perf_counter_ns() - start


def _asked(target: str) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = target.partition("?")
    return path.rpartition("/")[2], parse_qsl(query, keep_blank_values=True)
