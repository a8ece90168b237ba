"""
Which parts of a resource a rule of the matrix governs, and the resource laid out so that they can be taken away.

A resource is looked at once, when it is written. Each governed part gets its code (`policy.py`): the index entries that
it gives are kept apart under that code, and the place where it stands in the stored JSON is noted in a plan. Nothing
here knows who reads, nor the facts of the resource: a change of those, or of the policy, needs none of this again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from ror.access.governed import LEVEL, capacity_parts, element_rows, name_of_extension
from ror.access.policy import INSTALLED, PERMANENT, REGULAR, Code, code_of

Resource = Mapping[str, Any]

_LEVELS: Final = {"1": 1, "2": 2, "3": 3}
MOST_CONFIDENTIAL: Final = 3

_REGULAR_STATUSES: Final = ("01", "02", "03", "04", "05")
_INSTALLED_STATUS: Final = "01"
_NO_ASSIGNMENT: Final = "01"
_DIGEST_BYTES: Final = 8


class Shade(NamedTuple):
    """The code of one item of an array (0 when none governs it), and the shades of the arrays inside it."""

    code: Code
    inside: "Shades | None" = None


Shades = Mapping[str, Sequence[Shade]]
"""By member, a shade for each of its items (one for a member that is no array); without governed items, no member."""

OPEN: Final = Shade(0)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the element table, ready to be applied: `grade` is None for what the row does not govern after all."""

    rule: str
    grade: Callable[[Resource, int], int | None]
    inside: "Mapping[str, _Rows] | None" = None


_Rows = Mapping[str | None, _Row]
"""The rows of one member: by the name of an extension, or under None for every item."""


# --- the codes of a resource -----------------------------------------------------------------------------------------


def shades_of(resource: Resource) -> Shades:
    """The shades of a valid resource; empty when no part of it is governed by itself."""
    return _shades_below(resource, _rows_of(resource["resourceType"]), 0)


def codes_in(shades: Shades) -> bytes:
    """The codes of the governed parts of a resource, each once, in order."""
    return bytes(sorted(set(_codes(shades)))) if shades else b""


def _codes(shades: Shades) -> Iterator[Code]:
    for items in shades.values():
        for shade in items:
            if shade.code:
                yield shade.code
            if shade.inside:
                yield from _codes(shade.inside)


def _shades_below(node: Resource, members: Mapping[str, _Rows], level: int) -> Shades:
    """The shades of the governed arrays of a node, which stands in something of this level (0 for none)."""
    found = {}
    for member, rows in members.items():
        items = node.get(member)
        if items:
            items = items if isinstance(items, list) else [items]
            every = rows.get(None)
            shades = [
                _shade(item, every or rows.get(name_of_extension(item)), level) for item in items
            ]
            if any(shade is not OPEN for shade in shades):
                found[member] = shades
    return found


def _shade(item: Resource, row: _Row | None, level: int) -> Shade:
    grade = row.grade(item, level) if row else None
    if row is None or grade is None:
        return OPEN
    inside = _shades_below(item, row.inside, grade) if row.inside else None
    return Shade(code_of(row.rule, grade), inside or None)


@cache
def _rows_of(resource_type: str) -> Mapping[str, _Rows]:
    """The rows of a resource type by member."""
    rows = [row for row in element_rows() if row.get("type", resource_type) == resource_type]
    by_place: dict[str | None, dict[str, dict[str | None, _Row]]] = {}
    # What stands inside another element comes after it in the table, and is needed to make its row.
    for row in reversed(rows):
        member, name = row.get("member", "extension"), row.get("extension")
        inside = by_place.get(row.get("extension") or row["member"])
        made = _Row(row["rule"], _grade_of(row), inside)
        by_place.setdefault(row.get("within"), {}).setdefault(member, {})[name] = made
    return by_place.get(None, {})


# --- grades ----------------------------------------------------------------------------------------------------------


def _grade_of(row: Mapping[str, Any]) -> Callable[[Resource, int], int | None]:
    """How the grade of an item is found: from its level, from its nomenclature, from what it counts."""
    if "level" in row:
        return _GRADES_BY_LEVEL[row["level"]]
    if "open_systems" in row:
        return _specific_unless(frozenset(row["open_systems"]))
    return _capacity if row["rule"] == "capacity" else lambda item, level: 0


def _stated(item: Resource) -> int | None:
    """The level that an element states, the highest if it states several; None when it states none."""
    levels = [
        _LEVELS.get(_code_in(one), MOST_CONFIDENTIAL)
        for one in item.get("extension", ())
        if name_of_extension(one).endswith(LEVEL)
    ]
    return max(levels) if levels else None


_GRADES_BY_LEVEL: Final[Mapping[str, Callable[[Resource, int], int | None]]] = {
    "required": lambda item, level: _stated(item) or MOST_CONFIDENTIAL,
    "inherited": lambda item, level: max(_stated(item) or level, level),
    "stated": lambda item, level: _stated(item),
}


def _code_in(extension: Resource) -> str:
    """The code that an extension holds, whichever way; "" when it holds none, or several that say different things."""
    written = extension.get("valueCoding") or {"code": extension.get("valueCode", "")}
    codings = extension.get("valueCodeableConcept", {}).get("coding") or [written]
    codes: set[str] = {one.get("code", "") for one in codings}
    return codes.pop() if len(codes) == 1 else ""


def _specific_unless(open_systems: frozenset[str]) -> Callable[[Resource, int], int | None]:
    """A concept is open when all its codes are of these nomenclatures, and it is not said to be an act."""

    def grade(concept: Resource, level: int) -> int | None:
        codings = concept.get("coding", ())
        is_open = (
            codings
            and not concept.get("extension")
            and all(_nomenclature(one) in open_systems for one in codings)
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
    """The kind of a capacity: what is not known to be harmless counts as the most restricted."""
    parts = capacity_parts(capacity)
    status = _code_in(parts.get("capacityStatus", {}))
    regular = status in _REGULAR_STATUSES and "additionalBedType" not in parts
    permanent = _code_in(parts.get("temporaryAssignement", {})) == _NO_ASSIGNMENT
    return INSTALLED * (status == _INSTALLED_STATUS) | PERMANENT * permanent | REGULAR * regular


# --- apart, for the index --------------------------------------------------------------------------------------------


def apart(resource: Resource, shades: Shades) -> dict[Code, dict[str, Any]]:
    """
    The resource as several: under 0 what no rule governs by itself, under each code what is governed by it.

    Each is a resource of the same type with some of its elements; together they hold everything, once.
    """
    pieces: dict[Code, dict[str, Any]] = {0: dict(resource)}
    for code, member, items in _sorted_out(resource, shades):
        if code == 0:
            pieces[0][member] = items
        else:
            pieces.setdefault(code, {"resourceType": resource["resourceType"]})[member] = items
    return pieces


def _sorted_out(node: Resource, shades: Shades) -> Iterator[tuple[Code, str, Any]]:
    """The items of each governed array, by code; an item whose parts have other codes comes under each of them."""
    for member, members_shades in shades.items():
        if not isinstance(node[member], list):
            yield shades[member][0].code, member, node[member]
            yield 0, member, {}
            continue
        by_code: dict[Code, list[Any]] = {0: []}
        for item, shade in zip(node[member], members_shades, strict=True):
            left = item
            if shade.inside:
                left = {**item, **dict.fromkeys(shade.inside, ())}
                for code, name, inner in _sorted_out(item, shade.inside):
                    if code in (0, shade.code):
                        left[name] = [*left[name], *inner]
                    else:
                        by_code.setdefault(code, []).append({name: inner})
            by_code.setdefault(shade.code, []).append(left)
        for code, items in by_code.items():
            yield code, member, items


# --- laid out, for the body ------------------------------------------------------------------------------------------

Child = tuple[int, int, Code, "Group | None"]
"""Where a child starts and ends, its code, and what is inside it if some of that may go."""
Group = tuple[int, int, list[Child]]
"""Where the content of an object or an array starts and ends, and its children, separated by one comma each."""


class Plan(NamedTuple):
    """
    Where the parts of a body stand: what its members are, and where a tag can be added (`tags`: among others).

    `levelled` is a digest of the parts that are held to a level, empty when there are none.
    """

    members: Group
    tag_at: int
    tags: bool
    levelled: bytes


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_encode_plan: Final = msgspec.msgpack.Encoder().encode


def laid_out(resource: Resource, shades: Shades) -> tuple[bytes, bytes]:
    """
    The JSON of a resource and its packed plan; `meta` comes before anything governed.
    """
    layout = _Layout()
    members = layout.write_object(resource, shades, is_resource=True)
    body = bytes(layout.out)
    return body, _encode_plan(Plan(members, layout.tag_at, layout.tags, _levelled(body, members)))


def _levelled(body: bytes, members: Group) -> bytes:
    """The digest of what stands in a body under a rule that looks at a level."""
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
    """The JSON written so far; what is not governed is written many members at a time."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.tag_at, self.tags = 0, False

    def write_object(self, node: Resource, shades: Shades, is_resource: bool = False) -> Group:
        self.out += b"{"
        start, children = len(self.out), list[Child]()
        plain: dict[str, Any] = {}
        for name, value in node.items():
            is_meta = is_resource and name == "meta"
            if name not in shades and not is_meta:
                plain[name] = value
                continue
            self._write_plain(plain, start, children)
            plain = {}
            at = self._next(start)
            self.out += b'"%b":' % name.encode()
            code, inside = 0, None
            if is_meta:
                self._write_meta(value)
            elif isinstance(value, list):
                inside = self._write_array(value, shades[name])
            else:
                code = shades[name][0].code
                self.out += _encode(value)
            _add(children, (at, len(self.out), code, inside))
        self._write_plain(plain, start, children)
        return self._ended(b"}", start, children)

    def _write_array(self, items: Sequence[Any], shades: Sequence[Shade]) -> Group:
        self.out += b"["
        start, children = len(self.out), list[Child]()
        for item, shade in zip(items, shades, strict=True):
            at = self._next(start)
            inside = None
            if shade.inside:
                inside = self.write_object(item, shade.inside)
            else:
                self.out += _encode(item)
            _add(children, (at, len(self.out), shade.code, inside))
        return self._ended(b"]", start, children)

    def _write_plain(self, members: dict[str, Any], start: int, children: list[Child]) -> None:
        if members:
            at = self._next(start)
            self.out += _encode(members)[1:-1]
            _add(children, (at, len(self.out), 0, None))

    def _write_meta(self, meta: Resource) -> None:
        others = {name: value for name, value in meta.items() if name != "tag"}
        self.out += _encode(others)[:-1]
        self.tags = bool(meta.get("tag"))
        if self.tags:
            self.out += b',"tag":' if others else b'"tag":'
            self.out += _encode(meta["tag"])[:-1]
            self.tag_at = len(self.out)
            self.out += b"]"
        else:
            self.tag_at = len(self.out)
        self.out += b"}"

    def _next(self, start: int) -> int:
        """Where the next child starts, after a comma if it is not the first since `start`."""
        if len(self.out) > start:
            self.out += b","
        return len(self.out)

    def _ended(self, bracket: bytes, start: int, children: list[Child]) -> Group:
        end = len(self.out)
        self.out += bracket
        return start, end, children


def _add(children: list[Child], child: Child) -> None:
    """One more child; neighbours that always stay are one."""
    start, end, code, inside = child
    if children and code == 0 and inside is None and children[-1][2:] == (0, None):
        children[-1] = (children[-1][0], end, 0, None)
    else:
        children.append((start, end, code, inside))


def guarded(plan: bytes) -> tuple[list[Code], bytes]:
    """
    What decides who sees the parts of a body, by its packed plan: the same for two bodies unless that changed.

    The code of each part, in the order in which they stand; and the digest of what is held to a level, because two
    contacts that exchange their levels and their places leave the codes as they were.
    """
    members, _, _, levelled = _decode_plan(plan)
    return [code for _, _, code in _children_below(members)], levelled


def _children_below(group: Group) -> Iterator[tuple[int, int, Code]]:
    """Every child of a group and of the groups inside it: where it starts and ends, and its code."""
    for start, end, code, inside in group[2]:
        yield start, end, code
        if inside:
            yield from _children_below(inside)


_decode_plan: Final = msgspec.msgpack.Decoder().decode
