"""
Which requests are sent: reads by id, token searches, pages of offers with everything around them.

The requests are chosen from what was generated, the same ones for the same size and seed. Each is asked once of the
real server and checked before anything is timed, and what came is what the ceiling sends.
"""

import http.client
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

BASE: Final = "/ws-diffusion-fhir"
READS: Final = 2_500
SEARCHES: Final = 80
SEARCH_COUNT: Final = 50
OFFER_FILTERS: Final = 50
OFFERS: Final = 200
_CANDIDATES: Final = 100
"""Filters that are tried for W3: those whose page is fullest are kept."""

INCLUDES: Final = "&".join(
    (
        "_include=HealthcareService:organization",
        "_include:iterate=Organization:partof",
        "_include=HealthcareService:location",
        "_revinclude=PractitionerRole:service",
        "_include=PractitionerRole:practitioner",
    )
)


class Answer(NamedTuple):
    """An answer of the real server as recorded, but for the headers that uvicorn writes itself."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """The requests of a workload and their answers, in the order they are sent."""

    answers: dict[str, Answer]

    @property
    def targets(self) -> list[str]:
        """What is asked, each with path and query."""
        return list(self.answers)

    @property
    def mean_bytes(self) -> float:
        """Bytes of a body, on average."""
        return sum(len(one.body) for one in self.answers.values()) / len(self.answers)

    @property
    def mean_resources(self) -> float:
        """Resources of an answer, on average."""
        return sum(_resources(one.body) for one in self.answers.values()) / len(self.answers)


# --- what was generated ----------------------------------------------------------------------------------------------


class _Coding(msgspec.Struct):
    code: str = ""
    system: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []


class _Extension(msgspec.Struct):
    url: str
    valueCodeableConcept: _Concept | None = None  # noqa: N815 named as in FHIR


class _Meta(msgspec.Struct):
    tag: list[_Coding] = []


class _Resource(msgspec.Struct):
    resourceType: str  # noqa: N815 named as in FHIR
    id: str
    meta: _Meta
    type: Any = None
    category: Any = None
    specialty: list[_Concept] = []
    characteristic: list[_Concept] = []
    extension: list[_Extension] = []


def _codings(value: Any) -> Iterator[_Coding]:
    """The codings of a member that is a concept, many, or something else in other types of resource."""
    concepts = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    for concept in concepts:
        found = concept if isinstance(concept, _Concept) else msgspec.convert(concept, _Concept)
        yield from found.coding


def _commune(resource: _Resource) -> Iterator[_Coding]:
    for one in resource.extension:
        if one.url.endswith("/ror-location-commune-cog") and one.valueCodeableConcept:
            yield from one.valueCodeableConcept.coding


_Codes = Callable[[_Resource], Iterable[_Coding]]
_TAG: Final[_Codes] = lambda resource: resource.meta.tag  # noqa: E731 a row of the table, shared
_TYPE: Final[_Codes] = lambda resource: _codings(resource.type)  # noqa: E731

TOKENS: Final[dict[tuple[str, str], _Codes]] = {
    ("HealthcareService", "specialty"): lambda resource: _codings(resource.specialty),
    ("HealthcareService", "service-type"): _TYPE,
    ("HealthcareService", "service-category"): lambda resource: _codings(resource.category),
    ("HealthcareService", "characteristic"): lambda resource: _codings(resource.characteristic),
    ("HealthcareService", "_tag"): _TAG,
    ("Location", "type"): _TYPE,
    ("Location", "commune-cog"): _commune,
    ("Location", "_tag"): _TAG,
    ("Organization", "type"): _TYPE,
    ("Organization", "_tag"): _TAG,
    ("Practitioner", "_tag"): _TAG,
    ("PractitionerRole", "_tag"): _TAG,
}
"""The token parameters that are searched by, and where their codes are in a resource."""

OFFER_PARAMETERS: Final = (
    ("specialty", "HealthcareService", "specialty"),
    ("service-type", "HealthcareService", "service-type"),
    ("service-category", "HealthcareService", "service-category"),
    ("characteristic", "HealthcareService", "characteristic"),
    ("_tag", "HealthcareService", "_tag"),
    ("location.commune-cog", "Location", "commune-cog"),
    ("organization.type", "Organization", "type"),
)
"""What offers are filtered by: the parameter, possibly chained, and the row of `TOKENS` that its codes come from."""


@dataclass(slots=True)
class Seen:
    """What there is to ask for in a generated directory."""

    by_type: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[tuple[str, str], Counter[tuple[str, str]]] = field(default_factory=dict)
    """How often each `(system, code)` is used, by type and parameter."""

    @classmethod
    def in_file(cls, path: Path) -> "Seen":
        """What an NDJSON file holds."""
        seen, decode = cls(), msgspec.json.Decoder(_Resource).decode
        parameters: dict[str, list[tuple[Counter[tuple[str, str]], _Codes]]] = {}
        for key, codes in TOKENS.items():
            seen.codes[key] = Counter()
            parameters.setdefault(key[0], []).append((seen.codes[key], codes))
        with path.open("rb") as lines:
            for line in lines:
                resource = decode(line)
                seen.by_type.setdefault(resource.resourceType, []).append(resource.id)
                for counter, codes in parameters.get(resource.resourceType, ()):
                    counter.update({(one.system, one.code) for one in codes(resource) if one.code})
        return seen

    def commonest(self, key: tuple[str, str]) -> list[str]:
        """The codes of a parameter, the most used first, written alone and with their system in turn."""
        ranked = sorted(self.codes[key].items(), key=lambda item: (-item[1], item[0]))
        written = (code if number % 2 else f"{system}|{code}" for number, ((system, code), _) in enumerate(ranked))
        return list(map(quote, written))


# --- the three workloads ---------------------------------------------------------------------------------------------


def reads(seen: Seen, seed: int) -> list[str]:
    """W1: one resource by its id; every type is there, the rest as frequent as it is in the directory."""
    shuffled = {name: _shuffled((f"{name}/{one}" for one in ids), seed) for name, ids in seen.by_type.items()}
    first = [targets[0] for targets in shuffled.values()]
    others = _shuffled(chain.from_iterable(targets[1:] for targets in shuffled.values()), seed)
    return [f"{BASE}/{one}" for one in _shuffled([*first, *others[: READS - len(first)]], seed)]


def searches(seen: Seen, seed: int) -> list[str]:
    """W2: the first 50 resources that have a code."""
    by_parameter = [
        [f"{BASE}/{key[0]}?{key[1]}={code}&_count={SEARCH_COUNT}" for code in seen.commonest(key)] for key in TOKENS
    ]
    return _shuffled(_in_turn(by_parameter)[:SEARCHES], seed)


def offers(seen: Seen, seed: int) -> list[str]:
    """W3, more than are kept: the first 200 offers of a kind, with structures, places and professionals."""
    by_parameter = [
        [
            f"{BASE}/HealthcareService?{name}={code}&_count={OFFERS}&{INCLUDES}"
            for code in seen.commonest((type_, param))
        ]
        for name, type_, param in OFFER_PARAMETERS
    ]
    return _shuffled(_in_turn(by_parameter)[:_CANDIDATES], seed)


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, and so on."""
    return [one for rank in zip_longest(*lists) for one in rank if one is not None]


def _shuffled(targets: Iterable[str], seed: int) -> list[str]:
    """In an order that has nothing to do with the order of the store, the same on any machine."""
    return sorted(targets, key=lambda target: (zlib.crc32(f"{seed} {target}".encode()), target))


# --- recording and checking ------------------------------------------------------------------------------------------


class WrongAnswer(Exception):
    """The server does not answer what it is being measured on."""


def record(port: int, targets: Iterable[str]) -> Recorded:
    """The answer of the server to each target. Raises WrongAnswer when one is refused."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = {}
    for target in targets:
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise WrongAnswer(f"{target} gives {response.status}: {body[:500]!r}")
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        kept = tuple((name.encode(), value.encode()) for name, value in headers if name not in _WRITTEN_BY_UVICORN)
        found[target] = Answer(kept, body)
    connection.close()
    return Recorded(found)


def fullest(recorded: Recorded) -> Recorded:
    """The pages of offers that hold most matches, in the order of sending: full ones, when there are enough."""
    matches = {target: one.body.count(b'"mode":"match"') for target, one in recorded.answers.items()}
    kept = set(sorted(matches, key=lambda target: -matches[target])[:OFFER_FILTERS])
    return Recorded({target: one for target, one in recorded.answers.items() if target in kept})


_WRITTEN_BY_UVICORN: Final = frozenset({"date", "connection", "transfer-encoding"})


def check(recorded: Recorded) -> None:
    """Nothing, when each answer is what was asked for and has something in it. Raises WrongAnswer otherwise."""
    for target, answer in recorded.answers.items():
        _check(target, answer.body)


def _check(target: str, body: bytes) -> None:
    path, _, query = target.removeprefix(BASE + "/").partition("?")
    content = json.loads(body)
    if not query:
        if f"{content['resourceType']}/{content['id']}" != path:
            raise WrongAnswer(f"{target} gives {content['resourceType']}/{content['id']}")
        return
    matches = [one["resource"] for one in content.get("entry", ()) if one["search"]["mode"] == "match"]
    wanted = int(query.partition("_count=")[2].partition("&")[0])
    if content["resourceType"] != "Bundle" or content["total"] < 1:
        raise WrongAnswer(f"{target} finds nothing")
    if len(matches) != min(wanted, content["total"]) or {one["resourceType"] for one in matches} != {path}:
        raise WrongAnswer(f"{target} gives {len(matches)} matches of {content['total']}")


def _resources(body: bytes) -> int:
    return max(1, body.count(b'"search":{"mode":"'))
