"""
The index entries of a resource, in the normal form of `values.py`.

The expressions of all search parameters of a type form one tree of steps, so that a resource is
walked once. Each repetition of a record (a capacity, an equipment…) has a row number. `pack` and
`unpack` convert entries to and from the compact form in the store.
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
"""By name, each value with the row of its record; the row is 0 outside records."""

CANONICAL_PARAMETER: Final = "_canonical"
"""The entries with the canonical URL of a resource, which resolve canonical references."""

CANONICAL_TYPES: Final = ("Questionnaire", "Measure")

FOREIGN: Final = "_foreign"
"""
The entries with references to other servers, in elements that parameters read.

Parameters do not follow them, access rules do (choice 34).
"""

UNSEARCHED: Final = "_unsearched"
"""
The entries with references in elements that no parameter reads: they say which bodies to rewrite.
"""


@dataclass(slots=True)
class Node:
    """A node of the tree of steps: the conversions that end at it, and its children."""

    members: dict[str, "Node"] = field(default_factory=dict)
    cases: dict[str, dict[str, "Node"]] = field(default_factory=dict)
    """The `where` steps from this node, by field, then by literal."""
    leaves: list[tuple[str, Convert]] = field(default_factory=list)
    record: str | None = None
    """The record of which each occurrence is one repetition, if any."""
    part: bool = False
    """Whether each occurrence is a repeated part of a record, with a row of its own."""


def extract(resource: Mapping[str, Any]) -> Entries:
    """
    The index entries of a valid resource.

    Raises ValueError if a date or a number cannot be read, KeyError if the type is not searchable.
    """
    entries: Entries = {}
    _walk(_tree(resource["resourceType"]), resource, entries, (0,), {})
    for param, parts in (
        (CONTENT, content_words(resource)),
        (NARRATIVE, narrative_words(resource)),
    ):
        if parts:
            entries[param] = [(words, 0) for words in parts]
    return entries


def unsearched_references(
    resource: Mapping[str, Any], body: bytes, entries: Entries
) -> list[tuple[Value, int]]:
    """
    The references in elements that no parameter reads, each once.

    `body` is the resource as JSON without spaces. The resource is walked only if the body has more
    references than there are entries, and not all of them are literal.
    """
    read = {
        value
        for name in _references(resource["resourceType"])
        for value, _ in entries.get(name, ())
    }
    literal, by_name = body.count(b'"reference":'), body.count(b'"identifier":{')
    if literal + by_name == len(read):
        return []
    texts = _LITERAL_REFERENCE.findall(body)
    values: dict[Value, None]
    if by_name == 0 and len(texts) == literal:
        values = dict.fromkeys(filter(None, map(literal_reference, map(bytes.decode, texts))))
    else:
        values = dict.fromkeys(
            value
            for reference in references_in(resource)
            for value in _targets_for_access(reference)
        )
    return [(value, 0) for value in values if value not in read]


def _targets_for_access(reference: Mapping[str, Any]) -> Sequence[Value]:
    """The target of a reference for access rules, on any server."""
    literal = literal_reference(reference.get("reference", ""))
    return reference_value(reference) if literal is None else (literal,)


def followed_references(entries: Entries, resource_type: str) -> set[Reference]:
    """The references in entries of search parameters."""
    return {
        value
        for name, values in entries.items()
        if parameter_of(name) in _references(resource_type)
        for value, _ in values
        if isinstance(value, Reference)
    }


_LITERAL_REFERENCE: Final = re.compile(rb'"reference":"([^"\\]*)"')


@cache
def _references(resource_type: str) -> Sequence[str]:
    """The parameters of a type whose values are references to resources."""
    return [
        name for name in search_parameters(resource_type) if leads_to_resources(resource_type, name)
    ]


def references_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every reference in a resource, at any depth."""
    pending = [node]
    while pending:
        node = pending.pop()
        for value in node.values() if node.__class__ is dict else node:
            if value.__class__ is dict or value.__class__ is list:
                if is_reference(value):
                    yield value
                pending.append(value)


def merged_entries(resource_type: str, pieces: Mapping[str, Entries]) -> Entries:
    """
    The entries of all pieces of one resource.

    `pieces` are the entries by the code of the rule that governs them, "" for none. The code
    becomes part of the name of governed entries. Each piece has its own rows of a record.
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
    """Add the entries of `value` to `entries`; `rows` are its rows in the current record."""
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
            # An array of primitives has null where only its `_name` sibling has a value.
            if item is None:
                continue
            if child.cases:
                for field_name, by_literal in child.cases.items():
                    case = by_literal.get(item.get(field_name))
                    if case is None:
                        continue
                    if case.part:
                        _walk(case, item, entries, rows[part : part + 1], counters)
                        part += 1
                    else:
                        _walk(case, item, entries, rows, counters)
            # Most steps end at this child, so a recursive call would be wasted.
            if child.members or child.record is not None:
                _walk(child, item, entries, rows, counters)
            elif child.leaves:
                _convert(child, item, entries, rows)


def _convert(node: Node, value: Any, entries: Entries, rows: tuple[int, ...]) -> None:
    """Add the entries of the parameters that end at `node`."""
    for param, convert in node.leaves:
        converted = convert(value)
        if not converted:
            continue
        values = entries.get(param)
        if values is None:
            values = entries[param] = []
        for item in converted:
            for row in rows:
                values.append((item, row))


def _rows_of_repetition(node: Node, value: Any, counters: dict[str, int]) -> tuple[int, ...]:
    """The rows of one repetition: one, or one for each repeated part in it."""
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


# --- the tree of a type ---------------------------------------------------------------------------


@cache
def _tree(resource_type: str) -> Node:
    if resource_type not in RESOURCE_TYPES:
        raise KeyError(resource_type)
    root = Node()
    for parameter in search_parameters(resource_type).values():
        # A search around a commune uses the positions of `near`.
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
    """The node of a path, created if missing."""
    node = root
    for step in path:
        match step:
            case Member(name):
                node = node.members.setdefault(name, Node())
            case Where(field_name, literal):
                node = node.cases.setdefault(field_name, {}).setdefault(literal, Node())
    return node


# --- the compact form -----------------------------------------------------------------------------

SEPARATOR: Final = "\0"
"""Separates the parts of a key; FHIR strings cannot contain it."""

NO_LINK: Final = -1
"""The link number of a reference with an identifier only."""

EntryKeys = dict[str, list[Any]]
"""By name: keys, or `[key, row]` pairs for the parameters of a record."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(dict[str, list[Any]])


def pack(resource_type: str, entries: Entries) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """
    The entries in compact form, and the `(type, id)` of each literal reference.

    A literal reference becomes its index in that list, so that the store can give its target a rid.
    """
    links: dict[Reference, int] = {}

    def place(value: Reference) -> int:
        return links.setdefault(value, len(links))

    def named(value: NamedReference) -> tuple[str, int]:
        return SEPARATOR.join(value[:3]), NO_LINK if value.literal is None else place(value.literal)

    # A table by class is faster than patterns, which are tried in turn for every value.
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
"""The key of each kind of value. A literal reference has its link number instead."""


def unpack(packed: bytes) -> EntryKeys:
    """The keys that `pack` encoded; `segment.py` builds columns of them."""
    return _decoder.decode(packed)
