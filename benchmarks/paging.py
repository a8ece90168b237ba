"""
Totals alone, and pages far from the first, of the searches with most matches.
"""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from benchmarks.seen import Seen
from benchmarks.workloads import BASE, SEARCH_COUNT, SEARCHES, searches

DEEP: Final = 50
"""The page that is compared with page 1."""
ORDERS: Final = {"": "page 50", "&_sort=-_lastUpdated": "page 50 by date"}
"""The compared orders, and the name of each figure."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The same searches on page 1 and on a deep page."""

    first: list[str]
    deep: list[str]


def totals(seen: Seen, seed: int) -> list[str]:
    """Requests for the number of resources with a code, without entries."""
    return [
        one.partition("&_count=")[0] + "&_summary=count" for one in searches(seen, seed)[:SEARCHES]
    ]


def pages(port: int, seen: Seen, order: str) -> Pages:
    """
    The largest searches, with pages short enough for a deep page; follows the links to reach it.
    """
    asking = http.client.HTTPConnection("127.0.0.1", port)
    found = Pages([], [])
    for target in _largest(seen):
        total = _asked(asking, f"{target}&_summary=count")["total"]
        count = min(SEARCH_COUNT, total // (DEEP + 1))
        if not count:
            continue
        first = deep = f"{target}&_count={count}{order}"
        for _ in range(DEEP - 1):
            deep = _next(_asked(asking, deep))
        found.first.append(first)
        found.deep.append(deep)
    asking.close()
    return found


def _largest(seen: Seen) -> Iterator[str]:
    """The most frequent code of each parameter."""
    for (resource_type, param), counts in seen.codes.items():
        (system, code), _ = counts.most_common(1)[0]
        yield f"{BASE}/{resource_type}?{param}={quote(f'{system}|{code}')}"


def _asked(asking: http.client.HTTPConnection, target: str) -> Any:
    asking.request("GET", target)
    response = asking.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{target} gives {response.status}: {body[:500]!r}")
    return json.loads(body)


def _next(bundle: Any) -> str:
    """The target of the next page."""
    parts = urlsplit(next(one["url"] for one in bundle["link"] if one["relation"] == "next"))
    return f"{parts.path}?{parts.query}"
