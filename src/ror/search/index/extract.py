"""
What a resource can be found by: resource in, index entries out, in the normal form of `values.py`.

The expressions of all the search parameters of a type are laid into one tree of steps, so that a resource is walked
once however many parameters share a path, and the repetition of a record (a capacity, an equipment…) is known by the
row it makes. `pack` and `unpack` give the compact form that a store keeps and the index reads.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec

from ror.search.index.content import content_words, narrative_words
from ror.search.index.conversions import Convert, canonical, conversion, reference_value
from ror.search.language.entry_names import (
    governed_entries,
    modifier_entries,
    parameter_of,
    record_of,
)
from ror.search.language.expression import leads_to_resources
from ror.search.language.modifiers import entries_of_element
from ror.search.language.values import (
    Canonical,
    LogicalReference,
    NamedReference,
    Period,
    Position,
    Quantity,
    Text,
    Token,
    TypedIdentifier,
    Value,
    Words,
)
from ror.standard.definitions import (
    CONTENT,
    NARRATIVE,
    RESOURCE_TYPES,
    records,
    search_parameters,
)
from ror.standard.fhirpath import Member, Path, Where, paths, selected_type
from ror.standard.references import Reference, is_reference, literal_reference

Entries = dict[str, list[tuple[Value, int]]]
"""By parameter, each value with the row of its record; the row is 0 outside records."""

CANONICAL_PARAMETER: Final = "_canonical"
"""The canonical URL that a resource is known by; not a search parameter, it resolves canonical references."""

CANONICAL_TYPES: Final = ("Questionnaire", "Measure")

FOREIGN: Final = "_foreign"
"""
What a resource refers to at another server where parameters look: they do not follow it, access does.

Not a search parameter either (choice 34).
"""

UNSEARCHED: Final = "_unsearched"
"""What a resource refers to where no parameter looks; not a search parameter, it tells which bodies to rewrite."""


@dataclass(slots=True)
class Node:
    """A place in the tree of steps: what to convert here, and where to go on."""

    members: dict[str, "Node"] = field(default_factory=dict)
    cases: dict[str, dict[str, "Node"]] = field(default_factory=dict)
    """By field, then by literal: the `where` steps from here."""
    leaves: list[tuple[str, Convert]] = field(default_factory=list)
    record: str | None = None
    """Set where each occurrence is one repetition of a record."""
    part: bool = False
    """Set where each occurrence is a repeated part inside a record: it makes a row of its own."""


def extract(resource: Mapping[str, Any]) -> Entries:
    """
    The index entries of a valid resource.

    Raises ValueError when a date or a number cannot be read, KeyError when the type is not one that is searched.
    """
    entries: Entries = {}
    _walk(_tree(resource["resourceType"]), resource, entries, (0,), {})
    for param, found in (
        (CONTENT, content_words(resource)),
        (NARRATIVE, narrative_words(resource)),
    ):
        if found:
            entries[param] = [(words, 0) for words in found]
    return entries


def unsearched_references(
    resource: Mapping[str, Any], body: bytes, entries: Entries
) -> list[tuple[Value, int]]:
    """
    The references of a resource that are in no entry, each once: those in elements that no parameter reads.

    `body` is the resource as JSON without spaces: when it has no more references than there are entries, or only
    literal ones, the resource is not walked.
    """
    read = {
        value
        for name in _references(resource["resourceType"])
        for value, _ in entries.get(name, ())
    }
    literal, by_name = body.count(b'"reference":'), body.count(b'"identifier":{')
    if literal + by_name == len(read):
        return []
    written = _WRITTEN_LITERAL.findall(body)
    found: dict[Value, None]
    if by_name == 0 and len(written) == literal:
        found = dict.fromkeys(filter(None, map(literal_reference, map(bytes.decode, written))))
    else:
        found = dict.fromkeys(
            value
            for reference in references_in(resource)
            for value in _targets_for_access(reference)
        )
    return [(value, 0) for value in found if value not in read]


def _targets_for_access(reference: Mapping[str, Any]) -> Sequence[Value]:
    """Where a reference leads for access, whatever its base."""
    literal = literal_reference(reference.get("reference", ""))
    return reference_value(reference) if literal is None else (literal,)


def followed_references(entries: Entries, resource_type: str) -> set[Reference]:
    """The references to resources that the parameters of a type read."""
    return {
        value
        for name, values in entries.items()
        if parameter_of(name) in _references(resource_type)
        for value, _ in values
        if isinstance(value, Reference)
    }


_WRITTEN_LITERAL: Final = re.compile(rb'"reference":"([^"\\]*)"')


@cache
def _references(resource_type: str) -> Sequence[str]:
    """The parameters of a type whose values are references to resources."""
    return [
        name for name in search_parameters(resource_type) if leads_to_resources(resource_type, name)
    ]


def references_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every reference in a resource, wherever it stands."""
    pending = [node]
    while pending:
        one = pending.pop()
        for value in one.values() if one.__class__ is dict else one:
            if value.__class__ is dict or value.__class__ is list:
                if is_reference(value):
                    yield value
                pending.append(value)


def merged_entries(resource_type: str, pieces: Mapping[str, Entries]) -> Entries:
    """
    The entries of the pieces of one resource, by the code that governs each; under "", what nothing governs.

    The names of governed entries say their code. A record of one piece is none of another: their rows do not meet.
    """
    entries: Entries = {}
    rows: dict[str, int] = {}
    for code, piece in pieces.items():
        before = dict(rows)
        for name, values in piece.items():
            record = record_of(resource_type, name)
            if record:
                first = before.get(record, 0)
                values = [(value, first + row) for value, row in values]
                rows[record] = max(rows.get(record, 0), values[-1][1] + 1)
            entries[governed_entries(name, code) if code else name] = values
    return entries


def _walk(
    node: Node, value: Any, entries: Entries, rows: tuple[int, ...], counters: dict[str, int]
) -> None:
    """Collects what `value` holds; `rows` are the rows of the record that the entries stand in."""
    if node.record is not None:
        rows = _rows_of_repetition(node, value, counters)
    if node.leaves:
        _convert(node, value, entries, rows)
    part = 0
    for name, child in node.members.items():
        under = value.get(name)
        if under is None:
            continue
        for item in under if isinstance(under, list) else (under,):
            # In an array of primitives, a null stands where the `_name` beside it has something to say.
            if item is None:
                continue
            if child.cases:
                for field_name, by_literal in child.cases.items():
                    wanted = by_literal.get(item.get(field_name))
                    if wanted is None:
                        continue
                    if wanted.part:
                        _walk(wanted, item, entries, rows[part : part + 1], counters)
                        part += 1
                    else:
                        _walk(wanted, item, entries, rows, counters)
            # Most steps end here: going on would cost a call for nothing.
            if child.members or child.record is not None:
                _walk(child, item, entries, rows, counters)
            elif child.leaves:
                _convert(child, item, entries, rows)


def _convert(node: Node, value: Any, entries: Entries, rows: tuple[int, ...]) -> None:
    """Collects what `value` itself gives the parameters that end here."""
    for param, convert in node.leaves:
        converted = convert(value)
        if not converted:
            continue
        found = entries.get(param)
        if found is None:
            found = entries[param] = []
        for one in converted:
            for row in rows:
                found.append((one, row))


def _rows_of_repetition(node: Node, value: Any, counters: dict[str, int]) -> tuple[int, ...]:
    """The rows that one repetition takes: one, or one for each repeated part in it."""
    assert node.record is not None
    parts = [
        sum(
            1
            for item in value.get(name, ())
            if item.get(field_name) in by_literal and by_literal[item[field_name]].part
        )
        for name, child in node.members.items()
        for field_name, by_literal in child.cases.items()
    ]
    first = counters.get(node.record, 0)
    counters[node.record] = first + max(1, *parts, 0)
    return tuple(range(first, counters[node.record]))


# --- the tree of a type ----------------------------------------------------------------------------------------------


@cache
def _tree(resource_type: str) -> Node:
    if resource_type not in RESOURCE_TYPES:
        raise KeyError(resource_type)
    root = Node()
    for parameter in search_parameters(resource_type).values():
        # A search around a commune is a search around its point: `near` holds what both need.
        if not parameter.expression or parameter.name == "near-insee-code":
            continue
        for path in paths(parameter.expression, resource_type):
            reached = selected_type(path, resource_type)
            leaves = _at(root, path).leaves
            leaves.append((parameter.name, conversion(parameter.name, parameter.type, reached)))
            leaves += [
                (modifier_entries(parameter.name, modifier), convert)
                for modifier, convert in entries_of_element(reached)
            ]
    for record in records().values():
        if record.resource_type == resource_type:
            whole, *parts = (paths(expression, resource_type)[0] for expression in record.roots)
            _at(root, whole).record = record.name
            for part in parts:
                _at(root, part).part = True
    if resource_type in CANONICAL_TYPES:
        _at(root, (Member("url", "uri"),)).leaves.append((CANONICAL_PARAMETER, canonical))
    return root


def _at(root: Node, path: Path) -> Node:
    """The node that a path leads to, made where it is missing."""
    node = root
    for step in path:
        match step:
            case Member(name):
                node = node.members.setdefault(name, Node())
            case Where(field_name, literal):
                node = node.cases.setdefault(field_name, {}).setdefault(literal, Node())
    return node


# --- the packed form -------------------------------------------------------------------------------------------------

SEPARATOR: Final = "\0"
"""Between the parts of a packed text; no FHIR string may hold it."""

NO_LINK: Final = -1
"""Beside the identifier of a reference that is not literal, instead of the place of a link."""

EntryKeys = dict[str, list[Any]]
"""By parameter: keys, or `[key, row]` pairs for the parameters of a record."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(dict[str, list[Any]])


def pack(resource_type: str, entries: Entries) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """
    The entries as a store keeps them, and the `(type, id)` of each literal reference in the order they count them.

    A literal reference becomes its place in that list, so that a store can give its target a rid.
    """
    links: dict[Reference, int] = {}

    def place(value: Reference) -> int:
        return links.setdefault(value, len(links))

    def named(value: NamedReference) -> tuple[str, int]:
        return SEPARATOR.join(value[:3]), NO_LINK if value.literal is None else place(value.literal)

    # A table by class rather than patterns, which are tried one after the other: it is read for every value.
    keys: dict[type, Callable[[Any], Any]] = {**_KEYS, Reference: place, NamedReference: named}
    packed: EntryKeys = {}
    for param, values in entries.items():
        if record_of(resource_type, param):
            packed[param] = [(keys[value.__class__](value), row) for value, row in values]
        else:
            packed[param] = [keys[value.__class__](value) for value, _ in values]
    return _encoder.encode(packed), tuple(links)


_KEYS: Final[Mapping[type, Callable[[Any], Any]]] = {
    Token: SEPARATOR.join,
    TypedIdentifier: lambda value: value.fingerprint,
    Text: SEPARATOR.join,
    Canonical: SEPARATOR.join,
    LogicalReference: SEPARATOR.join,
    Decimal: str,
    Quantity: lambda value: (value.unit, str(value.value)),
    Period: tuple,
    Position: tuple,
    Words: lambda value: f"{value.part}{SEPARATOR}{' '.join(value.words)}",
}
"""The key of each kind of value; a literal reference has a place among the links instead, or beside its name."""


def unpack(packed: bytes) -> EntryKeys:
    """What `pack` made, as plain keys: see `search.segment` for what becomes of them."""
    return _decoder.decode(packed)
