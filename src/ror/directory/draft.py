"""
From one resource to a draft for the store, or to all the reasons for refusing it.

Pure, so that worker processes can run it. The content is kept exactly: numbers keep their digits
and nothing is added. `meta.versionId` and `meta.lastUpdated` of the source are not content: the
directory sets its own. The order of properties and white space mean nothing in JSON and are lost.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from ror.access.facts import own_facts
from ror.access.misplaced import Misplaced, misplaced
from ror.access.parts import GovernedParts, codes_in, governed_parts, lay_out, pieces_by_code
from ror.access.policy import name_of
from ror.access.unknown_extensions import with_unknown_extensions
from ror.resources.repeated_names import has_repeated_names, repeated_names
from ror.resources.validation import Issue, validate
from ror.resources.versions import without_version
from ror.search.index import extract
from ror.search.language.values import instant_of, instant_text
from ror.standard.definitions import RESOURCE_TYPES
from ror.standard.instants import NO_DATE, Micros
from ror.standard.references import (
    Reference,
    literal_reference,
    local_reference,
    relative,
    rewritten,
)
from ror.store.contract import CompressedDraft, Draft

_DIGEST_BYTES: Final = 16
_CLOCKS_DIFFER: Final = 5 * 60 * 1_000_000
"""How far in the future, in microseconds, an instant may be: the clocks of two machines differ."""
_SHOWN: Final = 24
"""Characters quoted around the place where JSON breaks."""

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_encode_in_order: Final = msgspec.json.Encoder(
    decimal_format="number", order="deterministic"
).encode


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    The reasons for refusing a document; `line` counts its lines before the error.
    """

    issues: tuple[Issue, ...]
    line: int = 0


def prepare(
    content: bytes | Mapping[str, Any], now: Micros, own_bases: Sequence[str] = ()
) -> Draft | Refusal:
    """
    The draft of a resource, or the reasons for refusing it.

    `content` is JSON text, or a decoded resource whose numbers are int or `Decimal`. A resource
    that its source dates after `now`, in microseconds, is refused. A reference to one of
    `own_bases` becomes `Type/id`.
    """
    if not isinstance(content, bytes):
        return _checked_draft(content, _Content.of(content), now, own_bases)
    try:
        resource = _decode(content)
        kept = _Content.of(resource)
        if has_repeated_names(content, kept.written, _quotes_of_version(resource, kept.members)):
            return _repeated(resource_path(resource), repeated_names(content))
        return _checked_draft(resource, kept, now, own_bases)
    except (msgspec.DecodeError, ArithmeticError, RecursionError, UnicodeDecodeError) as problem:
        return _not_json(content, problem)


class _Content(NamedTuple):
    """
    A decoded resource without its version, and the same as JSON with properties in order.

    The digest is that of the content, so that a different date or version alone is no change.
    """

    members: Any
    written: bytes

    @classmethod
    def of(cls, resource: object) -> "_Content":
        """The content of a decoded resource, which may be invalid."""
        members = without_version(resource) if isinstance(resource, Mapping) else resource
        return cls(members, _encode_in_order(members))

    def digest(self) -> bytes:
        return blake2b(self.written, digest_size=_DIGEST_BYTES).digest()


def _quotes_of_version(resource: Any, content: Any) -> int:
    """The number of quotation marks that JSON loses with the version of a resource."""
    if content is resource:
        return 0
    removed = _encode({"meta": resource["meta"]}).count(b'"')
    return removed - (_encode({"meta": content["meta"]}).count(b'"') if "meta" in content else 0)


def _checked_draft(
    resource: object, content: _Content, now: Micros, own_bases: Sequence[str]
) -> Draft | Refusal:
    """The draft of a decoded resource with this content."""
    issues = _issues(resource)
    if issues:
        return Refusal(tuple(issues))
    assert isinstance(resource, Mapping)
    if extensions := misplaced(resource, content.written):
        return Refusal(tuple(map(_misplaced, extensions)))
    if any(base.encode() in content.written for base in own_bases):
        local = rewritten(resource, lambda address: relative(address, own_bases))
        return _checked_draft(local, _Content.of(local), now, ())
    source_date = resource.get("meta", {}).get("lastUpdated")
    try:
        source_updated = instant_of(source_date) if source_date else NO_DATE
        if source_updated > now + _CLOCKS_DIFFER:
            return _refused(
                "value",
                f"{resource_path(resource)}.meta.lastUpdated",
                "import.future",
                value=source_date,
                now=instant_text(now),
            )
        return build_draft(content.members, content.written, source_updated, content.digest())
    except (ValueError, ArithmeticError) as problem:
        return _refused(
            "value", resource_path(resource), "import.not-indexable", problem=str(problem)
        )


def build_draft(
    content: Mapping[str, Any], written: bytes, source_updated: Micros, digest: bytes
) -> Draft:
    """
    The draft of a valid resource without version; `written` is it as JSON without spaces,
    `source_updated` the date that its source gives it, or 0.

    Raises ValueError if a date or a number cannot be read.
    """
    # A Bundle builds its `fullUrl` from the first two properties; the version is inserted in the
    # third, `meta`.
    resource = {"resourceType": content["resourceType"], "id": content["id"], "meta": {}}
    resource.update(content)
    governed = with_unknown_extensions(resource, written, governed_parts(resource))
    body, plan = lay_out(resource, governed) if governed else (_encode(resource), b"")
    entries = _entries(resource, governed)
    outward = tuple(dict.fromkeys(_OUTWARD.findall(body)))
    followed_outside = _followed_outside(resource, entries) if outward else set()
    unsearched = extract.unsearched_references(resource, body, entries)
    others = [entry for entry in unsearched if entry[0] not in followed_outside]
    if followed_outside:
        entries[extract.FOREIGN] = [(reference, 0) for reference in sorted(followed_outside)]
    if others:
        # The links that come last are inert.
        entries[extract.UNSEARCHED] = others
    packed, links = extract.pack(resource["resourceType"], entries)
    own, codes = own_facts(resource), codes_in(governed)
    inert_links = sum(isinstance(value, Reference) for value, _ in others)
    foreign = _foreign_links(resource, links) if outward else ()
    return Draft(
        resource["resourceType"],
        resource["id"],
        source_updated,
        body,
        packed,
        links,
        digest,
        own,
        codes,
        plan,
        inert_links,
        foreign,
        tuple(address.decode() for address in outward),
    )


_OUTWARD: Final = re.compile(rb'"reference":"([^"/#]*:[^"]*)"')
"""The literal references of a body that are absolute addresses or URNs."""


def _followed_outside(resource: Mapping[str, Any], entries: extract.Entries) -> set[Reference]:
    """
    The references to another server that parameters would follow if they led to this directory.

    Facts propagate along them as along local references (choice 34): an alias reveals nothing.
    """
    resource_type = resource["resourceType"]
    as_local = extract.extract(rewritten(resource, _without_base))
    return extract.followed_references(as_local, resource_type) - extract.followed_references(
        entries, resource_type
    )


def _without_base(address: str) -> str:
    literal = literal_reference(address)
    return address if literal is None else "/".join(literal)


def _foreign_links(
    resource: Mapping[str, Any], links: Sequence[tuple[str, str]]
) -> tuple[int, ...]:
    """
    The indexes of the links of a resource that come only from references to another server.
    """
    texts = (reference.get("reference", "") for reference in extract.references_in(resource))
    local = set(filter(None, map(local_reference, texts)))
    return tuple(place for place, link in enumerate(links) if link not in local)


def redrafted(body: bytes) -> Draft:
    """
    The draft of a stored body, as this release makes it.

    Raises ValueError or ArithmeticError if a date or a number in it cannot be read.
    """
    content = _content_of(body)
    return build_draft(content, body, NO_DATE, _Content.of(content).digest())


def redrafted_without_entries(body: bytes) -> Draft:
    """
    The draft of a stored body that cannot be indexed: a read by id returns it, a search does not.

    Facts propagate along all its references, so that it reveals nothing.
    """
    content = _content_of(body)
    digest = _Content.of(content).digest()
    resource = {"resourceType": content["resourceType"], "id": content["id"], "meta": {}, **content}
    governed = with_unknown_extensions(resource, body, governed_parts(resource))
    laid, plan = lay_out(resource, governed) if governed else (_encode(resource), b"")
    entries: extract.Entries = {}
    if others := extract.unsearched_references(resource, laid, entries):
        entries[extract.UNSEARCHED] = others
    packed, links = extract.pack(resource["resourceType"], entries)
    own, codes = own_facts(resource), codes_in(governed)
    kind, identifier = resource["resourceType"], resource["id"]
    return Draft(kind, identifier, NO_DATE, laid, packed, links, digest, own, codes, plan)


def _content_of(body: bytes) -> Mapping[str, Any]:
    """The content of a stored body, of this release or of a former one, as its source sent it."""
    content = without_version(_decode(body))
    # The place of the version; no source sends an empty `meta`, which FHIR forbids.
    is_empty = content.get("meta") == {}
    return {name: value for name, value in content.items() if name != "meta" or not is_empty}


def _entries(resource: Mapping[str, Any], governed: GovernedParts) -> extract.Entries:
    """
    The index entries of a resource; the entries of a governed part have the name of its code.
    """
    if not governed:
        return extract.extract(resource)
    pieces = {
        code: extract.extract(piece) for code, piece in pieces_by_code(resource, governed).items()
    }
    by_name = {name_of(code) if code else "": entries for code, entries in pieces.items()}
    return extract.merged_entries(resource["resourceType"], by_name)


class Outward(NamedTuple):
    """
    A reference that leads out of the directory or nowhere: an absolute URL or a URN.
    """

    source: tuple[str, str]
    address: str


class Prepared(NamedTuple):
    """
    A prepared batch: drafts to write, in order; refusals by index; references that lead outside.
    """

    ready: list[CompressedDraft]
    refused: dict[int, Refusal]
    outward: list[Outward]


def prepare_all(
    documents: Sequence[bytes | Refusal],
    now: Micros,
    pack: Callable[[Draft], CompressedDraft],
    own_bases: Sequence[str] = (),
) -> Prepared:
    """The drafts of documents, packed for a store; a document refused before stays refused."""
    prepared = Prepared([], {}, [])
    for place, document in enumerate(documents):
        outcome = document if isinstance(document, Refusal) else _prepared(document, now, own_bases)
        if isinstance(outcome, Refusal):
            prepared.refused[place] = outcome
        else:
            prepared.ready.append(pack(outcome))
            source = outcome.type, outcome.id
            prepared.outward.extend(Outward(source, address) for address in outcome.outward)
    return prepared


def _prepared(content: bytes, now: Micros, own_bases: Sequence[str]) -> Draft | Refusal:
    """The result of `prepare`; a bug in it refuses one document, not a whole import."""
    try:
        return prepare(content, now, own_bases)
    except Exception as fault:
        return _refused("exception", "", "import.fault", problem=f"{type(fault).__name__}: {fault}")


def resource_path(resource: object) -> str:
    """The FHIRPath of a resource: its type, or `Resource` if it has none."""
    name = resource.get("resourceType") if isinstance(resource, Mapping) else None
    return name if isinstance(name, str) else "Resource"


# --- reasons --------------------------------------------------------------------------------------


def _issues(resource: object) -> list[Issue]:
    """The errors that prevent a resource from being stored."""
    if not isinstance(resource, dict):
        return [_issue("structure", "", "import.not-an-object")]
    resource_type = resource.get("resourceType")
    if isinstance(resource_type, str) and resource_type not in RESOURCE_TYPES:
        known = ", ".join(RESOURCE_TYPES)
        return [
            _issue(
                "not-supported",
                resource_type,
                "import.other-type",
                found=resource_type[:100],
                known=known,
            )
        ]
    errors = [issue for issue in validate(resource) if issue.severity == "error"]
    if not isinstance(resource_type, str) or "id" in resource:
        return errors
    return [*errors, _issue("required", f"{resource_type}.id", "import.no-id")]


def _misplaced(extension: Misplaced) -> Issue:
    key = "import.misplaced" if extension.fault == "place" else "import.misspelt"
    return _issue("extension", extension.path, key, name=extension.name, right=extension.right)


def _repeated(resource: str, paths: Sequence[str]) -> Refusal:
    """The refusal of JSON with repeated names."""
    return Refusal(
        tuple(_issue("structure", f"{resource}.{path}", "import.repeated-name") for path in paths)
    )


def _not_json(content: bytes, problem: Exception) -> Refusal:
    """The refusal of invalid JSON, with the position of the error if the decoder gives it."""
    at = re.search(r"\(byte (\d+)\)", str(problem))
    if at is None:
        if "truncated" in str(problem):
            return _refused(
                "structure", "", "import.truncated", lines_before=content.rstrip().count(b"\n")
            )
        return _refused("structure", "", "import.not-json")
    place = int(at[1])
    shown = content[max(0, place - _SHOWN) : place + _SHOWN].decode("utf-8", "replace")
    before = content.count(b"\n", 0, place)
    column = place - content.rfind(b"\n", 0, place)
    return _refused(
        "structure",
        "",
        "import.not-json-at",
        before,
        column=str(column),
        near=" ".join(shown.split()),
    )


def _refused(code: str, path: str, key: str, lines_before: int = 0, **params: str) -> Refusal:
    return Refusal((_issue(code, path, key, **params),), lines_before)


def _issue(code: str, path: str, key: str, **params: str) -> Issue:
    return Issue("error", code, path, key, params)
