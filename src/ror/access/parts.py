"""
The parts of a resource that a rule of the matrix governs, and a layout that allows their removal.

A resource is analysed once, at writing. Each governed part gets its code (`policy.py`). The index
stores the entries of the part under that code, and a plan records where the part stands in the
stored JSON. This analysis depends neither on the viewer nor on the facts of the resource, so a
change of the facts or of the policy does not repeat it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from ror.access.governed import LEVEL, capacity_parts, element_rows, name_of_extension
from ror.access.policy import INSTALLED, PERMANENT, REGULAR, Code, code_of
from ror.standard.references import is_reference

Resource = Mapping[str, Any]

_LEVELS: Final = {"1": 1, "2": 2, "3": 3}
MOST_CONFIDENTIAL: Final = 3

_REGULAR_STATUSES: Final = ("01", "02", "03", "04", "05")
_INSTALLED_STATUS: Final = "01"
_NO_ASSIGNMENT: Final = "01"
_DIGEST_BYTES: Final = 8


class GovernedItem(NamedTuple):
    """
    The code of one item of an array (0 if no rule governs it), and its own governed parts.

    An item that `keeps_place` leaves a null when it is cut: another array has a value at its place.
    """

    code: Code
    inside: "GovernedParts | None" = None
    keeps_place: bool = False


GovernedParts = Mapping[str, Sequence[GovernedItem]]
"""
The items of each member that has governed ones, in order. A member that is no array has one item.
"""

UNGOVERNED: Final = GovernedItem(0)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the element table as functions; `grade` returns None if the row spares the item."""

    rule: str
    grade: Callable[[Resource, int], int | None]
    inside: "Mapping[str, _Rows] | None" = None


_Rows = Mapping[str | None, _Row]
"""The rows of one member: by the name of an extension, or under None for every item."""


# --- the codes of a resource ----------------------------------------------------------------------


def governed_parts(resource: Resource) -> GovernedParts:
    """The governed parts of a valid resource; empty if a rule governs it only as a whole."""
    return _governed_below(resource, _rows_of(resource["resourceType"]), 0)


def codes_in(governed: GovernedParts) -> bytes:
    """The codes of the governed parts of a resource, each once, in order."""
    return bytes(sorted(set(_codes_below(governed)))) if governed else b""


def _codes_below(governed: GovernedParts) -> Iterator[Code]:
    for items in governed.values():
        for item in items:
            if item.code:
                yield item.code
            if item.inside:
                yield from _codes_below(item.inside)


def _governed_below(node: Resource, members: Mapping[str, _Rows], level: int) -> GovernedParts:
    """The governed parts of a node; `level` is that of the element around it, 0 if it has none."""
    parts = {}
    for member, rows in members.items():
        items = node.get(member)
        if items:
            items = items if isinstance(items, list) else [items]
            every = rows.get(None)
            governed = [
                _governed_item(item, every or rows.get(name_of_extension(item)), level)
                for item in items
            ]
            if any(item is not UNGOVERNED for item in governed):
                parts[member] = governed
    return parts


def _governed_item(item: Resource, row: _Row | None, level: int) -> GovernedItem:
    grade = row.grade(item, level) if row else None
    if row is None or grade is None:
        return UNGOVERNED
    inside = _governed_below(item, row.inside, grade) if row.inside else None
    return GovernedItem(code_of(row.rule, grade), inside or None)


@cache
def _rows_of(resource_type: str) -> Mapping[str, _Rows]:
    """The rows of a resource type by member."""
    rows = [row for row in element_rows() if row.get("type", resource_type) == resource_type]
    by_parent: dict[str | None, dict[str, dict[str | None, _Row]]] = {}
    # The table lists an element before the elements inside it; the outer row needs the inner ones.
    for row in reversed(rows):
        member, name = row.get("member", "extension"), row.get("extension")
        inside = by_parent.get(row.get("extension") or row["member"])
        rows_of_member = by_parent.setdefault(row.get("within"), {}).setdefault(member, {})
        rows_of_member[name] = _Row(row["rule"], _grade_of(row), inside)
    return by_parent.get(None, {})


# --- grades ---------------------------------------------------------------------------------------


def _grade_of(row: Mapping[str, Any]) -> Callable[[Resource, int], int | None]:
    """The function that grades an item: by its level, its nomenclature or its kind of capacity."""
    if "level" in row:
        return _GRADES_BY_LEVEL[row["level"]]
    if "open_systems" in row:
        return _specific_unless(frozenset(row["open_systems"]))
    return _capacity if row["rule"] == "capacity" else lambda item, level: 0


def _stated_level(item: Resource) -> int | None:
    """The highest level that an element states; None if it states none."""
    levels = [
        _LEVELS.get(_code_in(extension), MOST_CONFIDENTIAL)
        for extension in item.get("extension", ())
        if name_of_extension(extension).endswith(LEVEL)
    ]
    return max(levels) if levels else None


_GRADES_BY_LEVEL: Final[Mapping[str, Callable[[Resource, int], int | None]]] = {
    "required": lambda item, level: _stated_level(item) or MOST_CONFIDENTIAL,
    "inherited": lambda item, level: max(_stated_level(item) or level, level),
    "stated": lambda item, level: _stated_level(item),
}


def _code_in(extension: Resource) -> str:
    """The code of an extension, whatever its type of value; "" if it has none or several."""
    single = extension.get("valueCoding") or {"code": extension.get("valueCode", "")}
    codings = extension.get("valueCodeableConcept", {}).get("coding") or [single]
    codes: set[str] = {coding.get("code", "") for coding in codings}
    return codes.pop() if len(codes) == 1 else ""


def _specific_unless(open_systems: frozenset[str]) -> Callable[[Resource, int], int | None]:
    """
    The grade of a concept: None (ungoverned) if all its codes belong to these nomenclatures.

    A concept with an extension is an act, which is always governed.
    """

    def grade(concept: Resource, level: int) -> int | None:
        codings = concept.get("coding", ())
        is_open = (
            codings
            and not concept.get("extension")
            and all(_nomenclature(coding) in open_systems for coding in codings)
        )
        return None if is_open else 0

    return grade


def _nomenclature(coding: Resource) -> str:
    """
    The name of a nomenclature in the URL of a code system.

    >>> _nomenclature({"system": "https://mos.esante.gouv.fr/NOS/TRE_R236-ModeGestion/FHIR/TRE-R236-ModeGestion"})
    'TRE_R236-ModeGestion'
    """
    return str(coding.get("system", "")).partition("/NOS/")[2].partition("/")[0]


def _capacity(capacity: Resource, level: int) -> int:
    """The kind of a capacity; a status or an assignment that is not recognised sets no bit."""
    parts = capacity_parts(capacity)
    status = _code_in(parts.get("capacityStatus", {}))
    regular = status in _REGULAR_STATUSES and "additionalBedType" not in parts
    permanent = _code_in(parts.get("temporaryAssignement", {})) == _NO_ASSIGNMENT
    return INSTALLED * (status == _INSTALLED_STATUS) | PERMANENT * permanent | REGULAR * regular


# --- pieces, for the index ------------------------------------------------------------------------


def pieces_by_code(resource: Resource, governed: GovernedParts) -> dict[Code, dict[str, Any]]:
    """
    The resource split by code; the piece under 0 holds the elements that no rule governs.

    Each piece is a resource of the same type. Together they hold every element exactly once.
    """
    pieces = _split(resource, governed, 0)
    named = {"resourceType": resource["resourceType"]}
    return {code: {**named, **piece} for code, piece in pieces.items()}


def _split(node: Resource, governed: GovernedParts, own: Code) -> dict[Code, dict[str, Any]]:
    """The parts of a node by code; `own`, its own code, has what no other code governs."""
    pieces: dict[Code, dict[str, Any]] = {own: dict(node)}
    for member, items_governed in governed.items():
        value = node[member]
        by_code: dict[Code, list[Any]] = {own: []}
        items = value if isinstance(value, list) else [value]
        for item, governed_item in zip(items, items_governed, strict=True):
            code = governed_item.code or own
            parts = (
                _split(item, governed_item.inside, code) if governed_item.inside else {code: item}
            )
            if is_reference(item):
                # Without its address a part of a reference would look as if it led nowhere hidden.
                parts = {code: parts[code]}
            for part_code, part in parts.items():
                by_code.setdefault(part_code, []).append(part)
        for code, parts_of_code in by_code.items():
            of_object = parts_of_code[0] if parts_of_code else {}
            pieces.setdefault(code, {})[member] = (
                parts_of_code if isinstance(value, list) else of_object
            )
    return pieces


# --- layout, for the body -------------------------------------------------------------------------

Child = tuple[int, int, Code, "Group | None"]
"""The start and the end of a child, its code, and its content if parts of that are removable."""
Group = tuple[int, int, list[Child]]
"""
The start and the end of the content of an object or an array, and its children between commas.
"""

TAG, TAGS = 1, 2
"""The codes of the positions where a cut body gets a tag: after other tags, or as its only one."""

_PLACE_KEPT: Final[Group] = (0, 0, [])
"""The content of a child that leaves a null."""


class Plan(NamedTuple):
    """
    The positions of the parts of a body in its JSON.

    `levelled` is a digest of the parts that have a level, empty if there are none.
    """

    members: Group
    levelled: bytes


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_encode_plan: Final = msgspec.msgpack.Encoder().encode


def lay_out(resource: Resource, governed: GovernedParts) -> tuple[bytes, bytes]:
    """The JSON of a resource and its packed plan."""
    layout = _Layout()
    members = layout.write_object(resource, governed, is_resource=True)
    body = bytes(layout.out)
    return body, _encode_plan(Plan(members, _levelled(body, members)))


def _levelled(body: bytes, members: Group) -> bytes:
    """The digest of the parts of a body whose rule depends on a level; empty if it has none."""
    parts = b"".join(
        body[start:end]
        for start, end, code in _children_below(members)
        if code in _levelled_codes()
    )
    return blake2b(parts, digest_size=_DIGEST_BYTES).digest() if parts else b""


@cache
def _levelled_codes() -> frozenset[Code]:
    rules = [row["rule"] for row in element_rows() if "level" in row]
    return frozenset(code_of(rule, level) for rule in rules for level in _LEVELS.values())


class _Layout:
    """A JSON writer; it encodes consecutive ungoverned members together."""

    def __init__(self) -> None:
        self.out = bytearray()

    def write_object(
        self, node: Resource, governed: GovernedParts, is_resource: bool = False
    ) -> Group:
        self.out += b"{"
        start, children = len(self.out), list[Child]()
        self._write_members(node, governed, start, children, is_resource)
        return self._ended(b"}", start, children)

    def _write_members(
        self,
        node: Resource,
        governed: GovernedParts,
        start: int,
        children: list[Child],
        is_resource: bool = False,
    ) -> None:
        plain: dict[str, Any] = {}
        for name, value in node.items():
            is_meta = is_resource and name == "meta"
            if name not in governed and not is_meta:
                plain[name] = value
                continue
            self._write_plain(plain, start, children)
            plain = {}
            at = self._next(start)
            self.out += b'"%b":' % name.encode()
            code, inside = 0, None
            if is_meta:
                inside = self._write_meta(
                    value, governed[name][0].inside if name in governed else None
                )
            elif isinstance(value, list):
                inside = self._write_array(value, governed[name])
            else:
                code, inside = self._write_item(value, governed[name][0])
            _add(children, (at, len(self.out), code, inside))
        self._write_plain(plain, start, children)

    def _write_item(self, item: Any, governed: GovernedItem) -> tuple[Code, Group | None]:
        """Write a value; its code, and what is inside it."""
        if governed.inside:
            return governed.code, self.write_object(item, governed.inside)
        self.out += _encode(item)
        return governed.code, _PLACE_KEPT if governed.keeps_place else None

    def _write_array(
        self, items: Sequence[Any], governed: Sequence[GovernedItem], are_tags: bool = False
    ) -> Group:
        self.out += b"["
        start, children = len(self.out), list[Child]()
        for item, governed_item in zip(items, governed, strict=True):
            at = self._next(start)
            code, inside = self._write_item(item, governed_item)
            _add(children, (at, len(self.out), code, inside))
        if are_tags:
            children.append((len(self.out), len(self.out), TAG, None))
        return self._ended(b"]", start, children)

    def _write_plain(self, members: dict[str, Any], start: int, children: list[Child]) -> None:
        if members:
            at = self._next(start)
            self.out += _encode(members)[1:-1]
            _add(children, (at, len(self.out), 0, None))

    def _write_meta(self, meta: Resource, governed: GovernedParts | None) -> Group:
        governed = governed or {}
        self.out += b"{"
        start, children = len(self.out), list[Child]()
        others = {name: value for name, value in meta.items() if name != "tag"}
        self._write_members(others, governed, start, children)
        tags = meta.get("tag")
        if tags:
            at = self._next(start)
            self.out += b'"tag":'
            inside = self._write_array(
                tags, governed.get("tag") or [UNGOVERNED] * len(tags), are_tags=True
            )
            children.append((at, len(self.out), 0, inside))
        else:
            children.append((len(self.out), len(self.out), TAGS, None))
        return self._ended(b"}", start, children)

    def _next(self, start: int) -> int:
        """The start of the next child; writes a comma unless it is the first since `start`."""
        if len(self.out) > start:
            self.out += b","
        return len(self.out)

    def _ended(self, bracket: bytes, start: int, children: list[Child]) -> Group:
        end = len(self.out)
        self.out += bracket
        return start, end, children


def _add(children: list[Child], child: Child) -> None:
    """Append a child; merge it with the previous one if both are ungoverned."""
    start, end, code, inside = child
    if children and code == 0 and inside is None and children[-1][2:] == (0, None):
        children[-1] = (children[-1][0], end, 0, None)
    else:
        children.append((start, end, code, inside))


def governed_codes(plan: bytes) -> tuple[list[Code], bytes]:
    """
    The codes of the parts of a body, in order, and the digest of those that have a level.

    Two plans of a resource give the same result if each part kept its code. The codes alone would
    miss two contacts that exchange both their levels and their positions.
    """
    # The plans of earlier releases, which an upgrade rewrites, have two more items between these.
    members, *_, levelled = _decode_plan(plan)
    return [code for _, _, code in _children_below(members)], levelled


def _children_below(group: Group) -> Iterator[tuple[int, int, Code]]:
    """The start, the end and the code of every child of a group and of the groups inside it."""
    for start, end, code, inside in group[2]:
        yield start, end, code
        if inside:
            yield from _children_below(inside)


_decode_plan: Final = msgspec.msgpack.Decoder().decode
