"""
The bytes of responses: search Bundles, OperationOutcomes, pretty printing.

Stored bodies are the exact JSON to send, so a Bundle is built around them without parsing them.
Callers check ids and URLs: they are inserted as they are.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import msgspec

from ror import messages
from ror.errors import RorError

LOCATION_DISTANCE: Final = "http://hl7.org/fhir/StructureDefinition/location-distance"
UNITS: Final = "http://unitsofmeasure.org"

_BUNDLE: Final = b'{"resourceType":"Bundle","id":"'

OUTCOME: Final = b',"search":{"mode":"outcome"}}'
"""The end of an entry about the response itself."""

MAX_DIAGNOSTICS: Final = 4_000
"""
Characters of a message: it repeats enough of a client's value to be recognised, not all of it.
"""

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """
    Bytes in several pieces, to be sent without being joined; `size` is their total.

    A page can have several megabytes: copying it costs more than the search.

    >>> bytes(Pieces.of(b"ab", b"c")), len(Pieces.of(b"ab", b"c"))
    (b'abc', 3)
    """

    parts: Sequence[bytes]
    size: int

    @classmethod
    def of(cls, *parts: bytes) -> "Pieces":
        """These pieces."""
        return cls(parts, sum(map(len, parts)))

    @classmethod
    def all_of(cls, several: Sequence["Pieces"]) -> "Pieces":
        """The concatenation of these."""
        return cls(
            list(chain.from_iterable(pieces.parts for pieces in several)),
            sum(pieces.size for pieces in several),
        )

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


# --- bundles --------------------------------------------------------------------------------------


def entry_end(
    mode: Literal["match", "include"], distance_m: float | None = None, score: int | None = None
) -> bytes:
    """
    The end of an entry, after its resource.

    A match by position has a distance in metres, written in km with three decimals; a full-text
    match has a `score` per mille, written from 0 to 1. Source: choices 8 and 9; FHIR R4, extension
    location-distance.

    >>> entry_end("match", score=850)
    b',"search":{"mode":"match","score":0.85}}'
    >>> entry_end("match", 10_500.2)[-78:]
    b'"value":10.5,"unit":"km","system":"http://unitsofmeasure.org","code":"km"}}]}}'
    """
    score_json = f',"score":{score / 1_000:g}' if score is not None else ""
    if distance_m is None:
        return f',"search":{{"mode":"{mode}"{score_json}}}}}'.encode()
    km = f"{distance_m / 1_000:.3f}".rstrip("0").rstrip(".")
    quantity = f'{{"value":{km},"unit":"km","system":"{UNITS}","code":"km"}}'
    return (
        f',"search":{{"mode":"{mode}"{score_json},"extension":'
        f'[{{"url":"{LOCATION_DISTANCE}","valueDistance":{quantity}}}]}}}}'
    ).encode()


def outcome_entry(
    errors: Sequence[RorError], language: str, severity: Severity = "warning"
) -> Pieces:
    """An entry with warnings about the response; it is neither a match nor an included resource."""
    return _outcome_entry(operation_outcome(errors, language, severity))


def information_entry(sentences: Iterable[str]) -> Pieces:
    """An entry with information about the response, one issue for each sentence."""
    issues = [Issue("information", "informational", sentence) for sentence in sentences]
    return _outcome_entry(outcome(issues))


def _outcome_entry(resource: bytes) -> Pieces:
    """
    An entry with an OperationOutcome, under a URN made from its content.

    Source: FHIR R4, bundle.html (`fullUrl`): validators refuse an entry without it.
    """
    urn = uuid.uuid5(uuid.NAMESPACE_OID, resource.decode()).urn
    return Pieces.of(b'{"fullUrl":"', urn.encode(), b'","resource":', resource, OUTCOME)


def search_bundle(
    *,
    bundle_id: str,
    total: int,
    links: Sequence[tuple[str, str]],
    entries: Sequence[Pieces],
    last_updated: str | None = None,
) -> Pieces:
    """
    The Bundle of a search: `links` are `(relation, url)`; each of `entries` is one entry or
    several, with their commas.

    Without entries, `entry` is left out: FHIR forbids empty arrays, and the published samples read
    `bundle.get("entry", [])`.
    """
    head: dict[str, Any] = {}
    if last_updated is not None:
        head["meta"] = {"lastUpdated": last_updated}
    head |= {"type": "searchset", "total": total}
    if links:
        head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    rest = b'",' + msgspec.json.encode(head)[1:-1]
    start = Pieces.of(_BUNDLE, bundle_id.encode(), rest)
    if not entries:
        return Pieces.all_of([start, Pieces.of(b"}")])
    whole = [start, Pieces.of(b',"entry":[')]
    for entry in entries:
        whole += entry, Pieces.of(b",")
    whole[-1] = Pieces.of(b"]}")
    return Pieces.all_of(whole)


def with_id(bundle: Pieces, bundle_id: str) -> Pieces:
    """
    A Bundle made by `search_bundle`, with another id; nothing is copied.

    >>> bytes(with_id(search_bundle(bundle_id="1", total=0, links=[], entries=[]), "22"))
    b'{"resourceType":"Bundle","id":"22","type":"searchset","total":0}'
    """
    parts = list(bundle.parts)
    before, parts[1] = parts[1], bundle_id.encode()
    return Pieces(parts, bundle.size - len(before) + len(parts[1]))


# --- outcomes -------------------------------------------------------------------------------------


class Issue(NamedTuple):
    """An issue of an OperationOutcome; `expression` is a FHIRPath or a search parameter."""

    severity: Severity
    code: str
    diagnostics: str
    expression: str | None = None


def operation_outcome(
    errors: Sequence[RorError],
    language: str = messages.DEFAULT_LANGUAGE,
    severity: Severity = "error",
) -> bytes:
    """The OperationOutcome with these errors, in `language`."""
    return outcome(
        [Issue(severity, error.issue, error.text(language), error.expression) for error in errors]
    )


def outcome(issues: Sequence[Issue]) -> bytes:
    """
    An OperationOutcome. `expression` is an array, also where the published example prints a string
    (choice 29).

    >>> outcome([Issue("error", "invalid", "no", "Task.id")])[35:]
    b'"issue":[{"severity":"error","code":"invalid","diagnostics":"no","expression":["Task.id"]}]}'
    """
    return msgspec.json.encode(
        {"resourceType": "OperationOutcome", "issue": [_issue(*issue) for issue in issues]}
    )


def _issue(severity: str, code: str, diagnostics: str, expression: str | None) -> dict[str, Any]:
    if len(diagnostics) > MAX_DIAGNOSTICS:
        diagnostics = diagnostics[: MAX_DIAGNOSTICS - 1] + "…"
    issue: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": diagnostics}
    if expression is not None:
        issue["expression"] = [expression]
    return issue


# --- for people -----------------------------------------------------------------------------------


def pretty(body: bytes) -> bytes:
    """
    The same JSON, indented; numbers keep all their digits.

    >>> pretty(b'{"value":2.10}').decode()
    '{\\n  "value": 2.10\\n}'
    """
    return msgspec.json.format(body, indent=2)
