"""
Whether a resource is surely right, in some microseconds: the fast half of validation.

Objects of a type come in few shapes: the same members in the same order. What depends on the shape alone (are the
members known, is anything missing, is a choice made twice) is judged once, when it is first met; then one function is
written for it, that only looks at the values, each once, and stops at the first doubt. A "no" is only a doubt: `walk`
then says what is wrong, or that nothing is. What is rare (contained resources, absent values explained by an extension)
is left to it on purpose.

One function per type, that looks up every member by its name, took three times longer. Decoding into msgspec structs
takes half as long, but choices, patterns and invariants then still need Python, which costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ror.resources.validation.invariants import invariants_of
from ror.resources.validation.values import (
    PRIMITIVES,
    is_reference,
    is_text,
    may_refer_to,
    referenced_type,
)
from ror.standard.definitions import Element, TypeDefinition, type_definition, type_names

MAX_DEPTH: Final = 64
"""How many objects may lie inside one another, the resource included."""

Check = Callable[[Any, int], bool]
Shape = tuple[str, ...]

# Shapes and values seen to be right, by type. Bounded, because callers choose them.
_MOST_SHAPES = 1024
_MOST_REMEMBERED = 4096
_LONGEST_REMEMBERED = 200


def is_surely_valid(resource: object) -> bool:
    """Whether this decoded resource has no issue; False may also mean "not sure"."""
    try:
        return _resource(resource, 1)
    except TypeError:
        # An array or an object where a text belongs cannot be looked up among the texts known to be right.
        return False


def _resource(node: Any, depth: int) -> bool:
    if node.__class__ is not dict:
        return False
    resource_type = node.get("resourceType")
    if not isinstance(resource_type, str):
        return False
    kind = _kinds.get(resource_type)
    if kind is None and resource_type in type_names():
        kind = _kind_of(resource_type)
    if kind is None or kind.definition.kind != "resource":
        return False
    return kind.shapes.get(tuple(node), kind.learn)(node, depth)


# --- how one value is judged ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judgement:
    """
    The condition under which a value is doubtful, in Python, and what its names stand for.

    `{v}` is the variable that holds the value, `{depth}` how deep it lies; the other fields are those of `bound`.
    """

    doubt: str
    bound: dict[str, object] = field(default_factory=dict)
    is_object: bool = False


_ANY_TEXT: Final = _Judgement(
    # Nearly all texts are printable, which is the fastest question.
    "{v}.__class__ is not str or not ({v} and {v}.isprintable() or {is_text}({v}))",
    {"is_text": is_text},
)


def _one_of(codes: Collection[str]) -> _Judgement:
    return _Judgement("{v} not in {codes}", {"codes": codes})


def _text_that(accepts: Callable[[str], bool]) -> _Judgement:
    return _Judgement("{v}.__class__ is not str or not {accepts}({v})", {"accepts": accepts})


def _checked_by(check: Check) -> _Judgement:
    return _Judgement("not {check}({v}, {depth})", {"check": check}, is_object=True)


def _object_of(kind: _Kind) -> _Judgement:
    return _Judgement(
        "{v}.__class__ is not dict or not {shapes}.get(tuple({v}), {learn})({v}, {depth})",
        {"shapes": kind.shapes, "learn": kind.learn},
        is_object=True,
    )


def _remembering(accepts: Callable[[str], bool]) -> _Judgement:
    """Texts that come back again and again: judged once, then known."""
    known: set[str] = set()

    def learn(value: Any) -> bool:
        if value.__class__ is not str or not accepts(value):
            return False
        if len(known) < _MOST_REMEMBERED and len(value) <= _LONGEST_REMEMBERED:
            known.add(value)
        return True

    return _Judgement("{v} not in {known} and not {learn}({v})", {"known": known, "learn": learn})


_remembered: Final = {
    name: _remembering(primitive.accepts)
    for name, primitive in PRIMITIVES.items()
    if primitive.repeats_itself
}


def _judgement_of(definition: TypeDefinition, element: Element) -> _Judgement:
    """How one value of an element is judged."""
    [type_name] = element.types[:1]
    if type_name == "Resource":
        return _checked_by(_resource)
    if type_name == "Reference" and element.targets:
        return _checked_by(_reference_to(frozenset(element.targets)))
    if type_name not in PRIMITIVES:
        return _object_of(_kind_of(type_name))
    if element.codes is not None:
        return _one_of(element.codes)
    if (definition.name, element.name) == ("Reference", "reference"):
        return _text_that(lambda value: is_reference(value) and value[0] != "#")
    primitive = PRIMITIVES[type_name]
    if str not in primitive.classes:
        return _number(type_name)
    if primitive.accepts is is_text:
        return _ANY_TEXT
    return _remembered.get(type_name) or _text_that(primitive.accepts)


def _number(type_name: str) -> _Judgement:
    primitive = PRIMITIVES[type_name]
    if primitive.classes == (int, Decimal):
        return _Judgement(
            "{v}.__class__ is not int and {v}.__class__ is not {decimal}", {"decimal": Decimal}
        )
    [only] = primitive.classes
    return _Judgement(
        "{v}.__class__ is not {only} or not {accepts}({v})",
        {"only": only, "accepts": primitive.accepts},
    )


def _reference_to(targets: frozenset[str]) -> Check:
    kind = _kind_of("Reference")

    def check(value: Any, depth: int) -> bool:
        if value.__class__ is not dict:
            return False
        if len(value) == 1:
            literal = value.get("reference")
            if literal.__class__ is str and referenced_type(literal) in targets:
                return True
        return kind.shapes.get(tuple(value), kind.learn)(value, depth) and may_refer_to(
            value, targets
        )

    return check


# --- how an object is judged ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Member:
    """How the value of a member is judged: each item when it `repeats`; beside another array when it is `_name`."""

    value: _Judgement
    repeats: bool = False
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type: its members by name, and one function for each of the shapes that were met and may be right."""

    definition: TypeDefinition
    members: dict[str, _Member] = field(default_factory=dict)
    shapes: dict[Shape, Check] = field(default_factory=dict)

    def learn(self, node: Any, depth: int) -> bool:
        """Whether an object of a new shape is right; if the shape may be, its function is kept."""
        if depth > MAX_DEPTH or not self._may_have(node):
            return False
        if len(self.shapes) >= _MOST_SHAPES:
            self.shapes.clear()
        shape = tuple(node)
        check = self.shapes[shape] = _function_of(self, shape)
        return check(node, depth)

    def _may_have(self, node: dict[str, Any]) -> bool:
        """Whether the members of an object, whatever their values, are those of an object of this type."""
        elements = self.definition.elements.values()
        made = [
            one.choice
            for one in elements
            if one.choice and not node.keys().isdisjoint((one.name, "_" + one.name))
        ]
        return (
            node != {}
            and node.keys() <= self.members.keys()
            and all(one.name in node for one in elements if one.min and one.choice is None)
            and len(made) == len(set(made))
            and {one.choice for one in elements if one.min and one.choice} <= set(made)
            and all(
                rule.holds(node)
                for rule in invariants_of(self.definition.name)
                if rule.checks_presence_only
            )
        )


_kinds: dict[str, _Kind] = {}


def _kind_of(type_name: str) -> _Kind:
    """A type, ready to judge; made once, and known before its members are, since a type may contain itself."""
    if type_name in _kinds:
        return _kinds[type_name]
    definition = type_definition(type_name)
    kind = _kinds[type_name] = _Kind(definition)
    if definition.kind == "resource":
        kind.members["resourceType"] = _Member(_one_of((type_name,)))
    for element in definition.elements.values():
        if element.name == "contained":
            continue
        repeats = element.max != 1
        kind.members[element.name] = _Member(_judgement_of(definition, element), repeats)
        if element.types[0] in PRIMITIVES and may_have_sibling(definition, element):
            kind.members["_" + element.name] = _sibling(element, repeats)
    return kind


def may_have_sibling(definition: TypeDefinition, element: Element) -> bool:
    """Whether a primitive element may have a `_name` beside it; those that are XML attributes may not."""
    is_attribute = element.name == "id" or (definition.name, element.name) == ("Extension", "url")
    return not is_attribute and element.types[0] != "xhtml"


def _sibling(element: Element, repeats: bool) -> _Member:
    kind = _kind_of("Element")
    if not repeats:
        return _Member(_object_of(kind))
    inside = _object_of(kind)
    return _Member(
        _Judgement(f"{{v}} is not None and ({inside.doubt})", inside.bound, is_object=True),
        True,
        element.name,
    )


def _stands_beside(sibling: list[Any], values: Any) -> bool:
    """Whether the nulls of a `_name` array each have a value beside them, or there are none."""
    if values is None:
        return None not in sibling
    return values.__class__ is list and len(sibling) <= len(values)


# --- one function for one shape ---------------------------------------------------------------------------------------


def _function_of(kind: _Kind, shape: Shape) -> Check:
    """
    The function that judges the values of the objects of a type that have this shape.

    It is written as a person would, for `("system", "code")` of a Coding:

        def check(node, depth):
            v0, v1, = node.values()
            if v0 not in v0_known and not v0_learn(v0): return False
            if v1 not in v1_known and not v1_learn(v1): return False
            return True
    """
    names: dict[str, object] = {"stands_beside": _stands_beside}
    members = {f"v{place}": kind.members[name] for place, name in enumerate(shape)}
    lines = ["def check(node, depth):", f"    {', '.join(members)}, = node.values()"]
    if any(member.value.is_object for member in members.values()):
        lines += [f"    if depth >= {MAX_DEPTH}: return False", "    deeper = depth + 1"]
    for variable, member in members.items():
        names.update((f"{variable}_{name}", thing) for name, thing in member.value.bound.items())
        lines += (f"    {line}" for line in _lines_of(variable, member))
    for place, rule in enumerate(invariants_of(kind.definition.name)):
        if not rule.checks_presence_only:
            names[f"rule{place}"] = rule.holds
            lines.append(f"    if not rule{place}(node): return False")
    lines.append("    return True")
    # Written from our own tables: every name of the shape is a member of the type, no value of the object is in it.
    exec("\n".join(lines), names)  # noqa: S102 one function per shape is what makes the gate fast; see above
    check: Check = names["check"]  # type: ignore[assignment]
    return check


def _lines_of(variable: str, member: _Member) -> Iterator[str]:
    """The statements that judge one member."""
    bound = {name: f"{variable}_{name}" for name in member.value.bound}
    if not member.repeats:
        yield f"if {member.value.doubt.format(v=variable, depth='deeper', **bound)}: return False"
        return
    yield f"if {variable}.__class__ is not list or not {variable}: return False"
    if member.beside is not None:
        yield f"if not stands_beside({variable}, node.get({member.beside!r})): return False"
    yield f"for one in {variable}:"
    yield f"    if {member.value.doubt.format(v='one', depth='deeper', **bound)}: return False"
