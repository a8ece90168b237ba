"""
The requests: reads by id, token searches, pages of offers, chains and lists, free beds nearby.

They name generated resources and are the same for the same size and seed. The engine is timed on
all requests of a workload; the first of them, or those with the fullest pages, are sent to the
server.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final
from urllib.parse import quote

from benchmarks.recording import Recorded, first, fullest
from benchmarks.report import Aim
from benchmarks.seen import Seen

BASE: Final = "/ws-diffusion-fhir"
READS: Final = 2_500
SEARCHES: Final = 80
SEARCH_COUNT: Final = 50
RARER: Final = 600
"""Requests by less frequent codes, for the engine only."""
OFFER_FILTERS: Final = 50
OFFERS: Final = 200
LISTED: Final = 11
"""Values in a filter list, as in the longest published filter."""
EACH: Final = 60
"""Requests of each form of W4 and W5, if the directory has as many."""

INCLUDES: Final = "&".join(
    (
        "_include=HealthcareService:organization",
        "_include:iterate=Organization:partof",
        "_include=HealthcareService:location",
        "_revinclude=PractitionerRole:service",
        "_include=PractitionerRole:practitioner",
    )
)

OFFER_PARAMETERS: Final = (
    ("specialty", "HealthcareService", "specialty"),
    ("service-type", "HealthcareService", "service-type"),
    ("service-category", "HealthcareService", "service-category"),
    ("characteristic", "HealthcareService", "characteristic"),
    ("_tag", "HealthcareService", "_tag"),
    ("location.commune-cog", "Location", "commune-cog"),
    ("organization.type", "Organization", "type"),
)
"""Filters of offers: the parameter, possibly chained, and the key of its codes in `seen.TOKENS`."""

FREE_BED: Final = (
    "location.capacity-type=01&location.capacity-status=02"
    "&location.temporality-capacity=01&location.nb-capacity=gt0"
)


@dataclass(frozen=True, slots=True)
class Workload:
    """
    A workload: its title, its requests, how many the server gets, and its targets.

    The server answers the first `candidates` requests before `keep` selects `served` of them. The
    engine is timed on all requests that are searches.
    """

    title: str
    targets: Callable[[Seen, int], list[str]]
    served: int
    candidates: int
    keep: Callable[[Recorded, int], Recorded] = first
    is_search: bool = True
    ratio: Aim | None = None
    one_connection_p50_ms: Aim | None = None
    engine_p99_ms: Aim | None = None


def _at_most(bound: float) -> Aim:
    return Aim(bound, at_least=False)


# --- the requests ---------------------------------------------------------------------------------


def reads(seen: Seen, seed: int) -> list[str]:
    """Reads by id: every type, then types as frequent as in the directory."""
    shuffled = {
        name: _shuffled((f"{name}/{one}" for one in ids), seed)
        for name, ids in seen.by_type.items()
    }
    one_each = [targets[0] for targets in shuffled.values()]
    others = _shuffled(chain.from_iterable(targets[1:] for targets in shuffled.values()), seed)
    return [
        f"{BASE}/{one}" for one in _shuffled([*one_each, *others[: READS - len(one_each)]], seed)
    ]


def searches(seen: Seen, seed: int) -> list[str]:
    """The first 50 resources with a code; most frequent codes first."""
    by_parameter = [
        [_search(name, param, code) for code in seen.commonest((name, param))]
        for name, param in seen.codes
    ]
    return _by_rank(by_parameter, SEARCHES, RARER, seed)


def offers(seen: Seen, seed: int) -> list[str]:
    """
    The first 200 offers with a code, with structures, places and professionals; most frequent codes
    first.
    """
    by_parameter = [
        [
            f"{BASE}/HealthcareService?{name}={code}&_count={OFFERS}&{INCLUDES}"
            for code in seen.commonest((type_, param))
        ]
        for name, type_, param in OFFER_PARAMETERS
    ]
    return _by_rank(by_parameter, 2 * OFFER_FILTERS, RARER, seed)


def links(seen: Seen, seed: int) -> list[str]:
    """
    The first 50 resources matched through references or by a list of 11 values, each form equally
    often.
    """
    forms = [
        _shuffled(form, seed)[:EACH]
        for form in (*_chains(seen), *_above(seen), *_has(seen), *_filters(seen))
    ]
    return _shuffled(_in_turn(forms), seed)


def free_beds(seen: Seen, seed: int) -> list[str]:
    """
    The first 50 offers of an activity with a free bed within 20 or 100 km, nearest first, with
    their places.
    """
    # Starts from a location with a free bed, so that there is a match.
    places = _shuffled({_around(*one): None for one in seen.free_beds}, seed)[: EACH * 4]
    return [
        f"{BASE}/HealthcareService?{place}|{'20' if number % 2 else '100'}|km&{FREE_BED}&_sort=location.near"
        f"&_count={SEARCH_COUNT}&_include=HealthcareService:location"
        for number, place in enumerate(places)
    ]


def _around(specialty: str, latitude: float, longitude: float) -> str:
    return f"specialty={quote(specialty)}&location.near={latitude}|{longitude}"


def _search(resource_type: str, criterion: str, value: str) -> str:
    return f"{BASE}/{resource_type}?{criterion}={value}&_count={SEARCH_COUNT}"


def _chains(seen: Seen) -> Iterator[list[str]]:
    types, activities = (
        seen.commonest(("Organization", "type")),
        seen.commonest(("HealthcareService", "specialty")),
    )
    communes = seen.commonest(("Location", "commune-cog"))
    yield [_search("HealthcareService", "organization.type", one) for one in types]
    yield [_search("HealthcareService", "organization.partof.type", one) for one in types]
    yield [_search("HealthcareService", "location.commune-cog", one) for one in communes]
    yield [_search("PractitionerRole", "service.specialty", one) for one in activities]
    yield [_search("PractitionerRole", "service.location.commune-cog", one) for one in communes]


def _above(seen: Seen) -> Iterator[list[str]]:
    types, activities = (
        seen.commonest(("Organization", "type")),
        seen.commonest(("HealthcareService", "specialty")),
    )
    yield [_search("HealthcareService", "organization.type:above", one) for one in types]
    yield [
        _search("HealthcareService", "organization:above.identifier", one)
        for one in seen.identifiers["Organization"]
    ]
    yield [
        _search("HealthcareService", "organization.type:above", f"{one}&specialty={other}")
        for one, other in zip(types * len(activities), activities * len(types), strict=True)
    ]


def _has(seen: Seen) -> Iterator[list[str]]:
    activities, people = (
        seen.commonest(("HealthcareService", "specialty")),
        seen.identifiers["Practitioner"],
    )
    yield [
        _search("HealthcareService", "_has:PractitionerRole:service:practitioner.identifier", one)
        for one in people
    ]
    yield [
        _search("Location", "_has:HealthcareService:location:specialty", one) for one in activities
    ]
    yield [
        _search("Organization", "_has:HealthcareService:organization:specialty", one)
        for one in activities
    ]


def _filters(seen: Seen) -> Iterator[list[str]]:
    activities, types = (
        seen.commonest(("HealthcareService", "specialty")),
        seen.commonest(("Organization", "type")),
    )
    communes, people = seen.commonest(("Location", "commune-cog")), seen.identifiers["Practitioner"]
    for resource_type, path, values in (
        ("HealthcareService", "specialty", activities),
        ("HealthcareService", "location.commune-cog", communes),
        ("HealthcareService", "organization.type:above", types),
        ("Practitioner", "identifier", people),
    ):
        # Each list has neighbours in the ranking: some lists are common values, others rare ones.
        listed = (values[start : start + LISTED] for start in range(len(values) - LISTED + 1))
        yield [
            _search(resource_type, "_filter", quote(f"({path} eq ") + quote(" or ").join(one) + ")")
            for one in listed
        ]


def _by_rank(lists: Sequence[Sequence[str]], common: int, rarer: int, seed: int) -> list[str]:
    """
    The `common` most frequent of the lists, then `rarer` less frequent ones, each part shuffled.
    """
    # A code of two systems would appear twice without system.
    ranked = list(dict.fromkeys(_in_turn(lists)))
    return [*_shuffled(ranked[:common], seed), *_shuffled(ranked[common : common + rarer], seed)]


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, and so on."""
    return [one for rank in zip_longest(*lists) for one in rank if one is not None]


def _shuffled(targets: Iterable[str], seed: int) -> list[str]:
    """The targets in an order unrelated to that of the store, the same on any machine."""
    return sorted(targets, key=lambda target: (zlib.crc32(f"{seed} {target}".encode()), target))


# --- the table ------------------------------------------------------------------------------------

WORKLOADS: Final = {
    "W1": Workload(
        "read by id", reads, served=READS, candidates=READS, is_search=False, ratio=Aim(0.35)
    ),
    "W2": Workload(
        "token search, page of 50",
        searches,
        served=SEARCHES,
        candidates=SEARCHES,
        ratio=Aim(0.35),
        engine_p99_ms=_at_most(5),
    ),
    "W3": Workload(
        "page of 200 offers with everything around",
        offers,
        served=OFFER_FILTERS,
        candidates=2 * OFFER_FILTERS,
        keep=fullest,
        ratio=Aim(0.5),
        one_connection_p50_ms=_at_most(8),
    ),
    "W4": Workload(
        "chain, `:above`, `_has`, filter of 11 values",
        links,
        served=150,
        candidates=300,
        engine_p99_ms=_at_most(5),
    ),
    "W5": Workload(
        "free beds of an activity within 20 and 100 km, nearest first",
        free_beds,
        served=80,
        candidates=80,
        engine_p99_ms=_at_most(20),
    ),
}
