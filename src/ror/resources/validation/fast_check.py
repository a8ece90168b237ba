"""
The fast half of validation: whether a resource is surely valid, in some microseconds.

Objects of a type come in few shapes: the same property names in the same order. The first object of
a shape settles what depends on the shape alone: unknown properties, missing properties, a choice
made twice. Then a function is compiled for the shape. It only checks the values, each once, and
stops at the first doubt. False only means "not sure": `full_check` then decides and lists the
issues. Rare cases (contained resources, absent values explained by an extension) always go there.

One function for each type, which looks up every property by name, took three times as long.
Decoding into msgspec structs takes half as long, but choices, patterns and invariants then still
need Python, which costs more than the structs save.
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
"""How many objects may be nested, the resource included."""

Check = Callable[[Any, int], bool]
Shape = tuple[str, ...]

# Valid shapes and values are cached by type. Clients choose them, so the caches are bounded.
_MAX_SHAPES = 1024
_MAX_CACHED = 4096
_MAX_CACHED_LENGTH = 200


def is_surely_valid(resource: object) -> bool:
    """Whether a decoded resource has no issue; False may also mean "not sure"."""
    try:
        return _resource(resource, 1)
    except TypeError:
        # An array or an object in place of a string is not hashable.
        return False


def _resource(node: Any, depth: int) -> bool:
    if node.__class__ is not dict:
        return False
    resource_type = node.get("resourceType")
    if not isinstance(resource_type, str):
        return False
    type_check = _type_checks.get(resource_type)
    if type_check is None and resource_type in type_names():
        type_check = _type_check(resource_type)
    if type_check is None or type_check.definition.kind != "resource":
        return False
    return type_check.shapes.get(tuple(node), type_check.check_new_shape)(node, depth)


# --- checks of one value --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ValueCheck:
    """
    The Python condition under which a value may be invalid, and the objects that it refers to.

    `{v}` stands for the variable that holds the value and `{depth}` for its depth of nesting; the
    other placeholders are the keys of `bindings`.
    """

    invalid_if: str
    bindings: dict[str, object] = field(default_factory=dict)
    is_object: bool = False


_ANY_TEXT: Final = _ValueCheck(
    # Nearly all texts are printable, which is the fastest test.
    "{v}.__class__ is not str or not ({v} and {v}.isprintable() or {is_text}({v}))",
    {"is_text": is_text},
)


def _in_codes(codes: Collection[str]) -> _ValueCheck:
    return _ValueCheck("{v} not in {codes}", {"codes": codes})


def _matching_text(accepts: Callable[[str], bool]) -> _ValueCheck:
    return _ValueCheck("{v}.__class__ is not str or not {accepts}({v})", {"accepts": accepts})


def _with_function(check: Check) -> _ValueCheck:
    return _ValueCheck("not {check}({v}, {depth})", {"check": check}, is_object=True)


def _object_check(type_check: _TypeCheck) -> _ValueCheck:
    return _ValueCheck(
        "{v}.__class__ is not dict or not {shapes}.get(tuple({v}), {check_new})({v}, {depth})",
        {"shapes": type_check.shapes, "check_new": type_check.check_new_shape},
        is_object=True,
    )


def _cached_text(accepts: Callable[[str], bool]) -> _ValueCheck:
    """The check of texts that are often repeated: valid ones are cached."""
    valid: set[str] = set()

    def check_new(value: Any) -> bool:
        if value.__class__ is not str or not accepts(value):
            return False
        if len(valid) < _MAX_CACHED and len(value) <= _MAX_CACHED_LENGTH:
            valid.add(value)
        return True

    return _ValueCheck(
        "{v} not in {valid} and not {check_new}({v})", {"valid": valid, "check_new": check_new}
    )


_cached_checks: Final = {
    name: _cached_text(primitive.accepts)
    for name, primitive in PRIMITIVES.items()
    if primitive.is_cacheable
}


def _value_check(definition: TypeDefinition, element: Element) -> _ValueCheck:
    """The check of one value of an element."""
    [type_name] = element.types[:1]
    if type_name == "Resource":
        return _with_function(_resource)
    if type_name == "Reference" and element.targets:
        return _with_function(_reference_check(frozenset(element.targets)))
    if type_name not in PRIMITIVES:
        return _object_check(_type_check(type_name))
    if element.codes is not None:
        return _in_codes(element.codes)
    if (definition.name, element.name) == ("Reference", "reference"):
        return _matching_text(lambda value: is_reference(value) and value[0] != "#")
    primitive = PRIMITIVES[type_name]
    if str not in primitive.classes:
        return _number_check(type_name)
    if primitive.accepts is is_text:
        return _ANY_TEXT
    return _cached_checks.get(type_name) or _matching_text(primitive.accepts)


def _number_check(type_name: str) -> _ValueCheck:
    primitive = PRIMITIVES[type_name]
    if primitive.classes == (int, Decimal):
        return _ValueCheck(
            "{v}.__class__ is not int and {v}.__class__ is not {decimal}", {"decimal": Decimal}
        )
    [class_] = primitive.classes
    return _ValueCheck(
        "{v}.__class__ is not {class_} or not {accepts}({v})",
        {"class_": class_, "accepts": primitive.accepts},
    )


def _reference_check(targets: frozenset[str]) -> Check:
    type_check = _type_check("Reference")

    def check(value: Any, depth: int) -> bool:
        if value.__class__ is not dict:
            return False
        if len(value) == 1:
            literal = value.get("reference")
            if literal.__class__ is str and referenced_type(literal) in targets:
                return True
        return type_check.shapes.get(tuple(value), type_check.check_new_shape)(
            value, depth
        ) and may_refer_to(value, targets)

    return check


# --- checks of one object -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PropertyCheck:
    """
    The check of a property: of each item if it `repeats`.

    An array `_name` must fit the array `name`, its `partner`.
    """

    value: _ValueCheck
    repeats: bool = False
    partner: str | None = None


@dataclass(frozen=True, slots=True)
class _TypeCheck:
    """The checks of a type: by property name, and one function for each shape that may be valid."""

    definition: TypeDefinition
    properties: dict[str, _PropertyCheck] = field(default_factory=dict)
    shapes: dict[Shape, Check] = field(default_factory=dict)

    def check_new_shape(self, node: Any, depth: int) -> bool:
        """
        Whether an object of a new shape is valid; if the shape may be, its function is cached.
        """
        if depth > MAX_DEPTH or not self._is_valid_shape(node):
            return False
        if len(self.shapes) >= _MAX_SHAPES:
            self.shapes.clear()
        shape = tuple(node)
        check = self.shapes[shape] = _function_of(self, shape)
        return check(node, depth)

    def _is_valid_shape(self, node: dict[str, Any]) -> bool:
        """Whether the properties of an object, whatever their values, are valid for this type."""
        elements = self.definition.elements.values()
        choices = [
            element.choice
            for element in elements
            if element.choice and not node.keys().isdisjoint((element.name, "_" + element.name))
        ]
        return (
            node != {}
            and node.keys() <= self.properties.keys()
            and all(
                element.name in node
                for element in elements
                if element.min and element.choice is None
            )
            and len(choices) == len(set(choices))
            and {element.choice for element in elements if element.min and element.choice}
            <= set(choices)
            and all(
                invariant.holds(node)
                for invariant in invariants_of(self.definition.name)
                if invariant.checks_presence_only
            )
        )


_type_checks: dict[str, _TypeCheck] = {}


def _type_check(type_name: str) -> _TypeCheck:
    """
    The checks of a type, made once.

    They are registered before their properties are known, since a type may contain itself.
    """
    if type_name in _type_checks:
        return _type_checks[type_name]
    definition = type_definition(type_name)
    type_check = _type_checks[type_name] = _TypeCheck(definition)
    if definition.kind == "resource":
        type_check.properties["resourceType"] = _PropertyCheck(_in_codes((type_name,)))
    for element in definition.elements.values():
        if element.name == "contained":
            continue
        repeats = element.max != 1
        type_check.properties[element.name] = _PropertyCheck(
            _value_check(definition, element), repeats
        )
        if element.types[0] in PRIMITIVES and may_have_sibling(definition, element):
            type_check.properties["_" + element.name] = _sibling_check(element, repeats)
    return type_check


def may_have_sibling(definition: TypeDefinition, element: Element) -> bool:
    """Whether a primitive element may have a `_name` property; XML attributes may not."""
    is_attribute = element.name == "id" or (definition.name, element.name) == ("Extension", "url")
    return not is_attribute and element.types[0] != "xhtml"


def _sibling_check(element: Element, repeats: bool) -> _PropertyCheck:
    type_check = _type_check("Element")
    if not repeats:
        return _PropertyCheck(_object_check(type_check))
    inside = _object_check(type_check)
    return _PropertyCheck(
        _ValueCheck(
            f"{{v}} is not None and ({inside.invalid_if})", inside.bindings, is_object=True
        ),
        True,
        element.name,
    )


def _fits_partner(sibling: list[Any], values: Any) -> bool:
    """Whether each null of a `_name` array can have a value at its index, or there are no nulls."""
    if values is None:
        return None not in sibling
    return values.__class__ is list and len(sibling) <= len(values)


# --- one function for each shape ------------------------------------------------------------------


def _function_of(type_check: _TypeCheck, shape: Shape) -> Check:
    """
    The function that checks the values of the objects of a type that have this shape.

    For `("system", "code")` of a Coding, it is:

        def check(node, depth):
            v0, v1, = node.values()
            if v0 not in v0_valid and not v0_check_new(v0): return False
            if v1 not in v1_valid and not v1_check_new(v1): return False
            return True
    """
    names: dict[str, object] = {"fits_partner": _fits_partner}
    checks = {f"v{place}": type_check.properties[name] for place, name in enumerate(shape)}
    lines = ["def check(node, depth):", f"    {', '.join(checks)}, = node.values()"]
    if any(property_check.value.is_object for property_check in checks.values()):
        lines += [f"    if depth >= {MAX_DEPTH}: return False", "    deeper = depth + 1"]
    for variable, property_check in checks.items():
        names.update(
            (f"{variable}_{name}", value) for name, value in property_check.value.bindings.items()
        )
        lines += (f"    {line}" for line in _lines_of(variable, property_check))
    for place, invariant in enumerate(invariants_of(type_check.definition.name)):
        if not invariant.checks_presence_only:
            names[f"invariant{place}"] = invariant.holds
            lines.append(f"    if not invariant{place}(node): return False")
    lines.append("    return True")
    # The code comes from our own tables: the shape has only properties of the type, and no value
    # of the object is part of the code.
    exec("\n".join(lines), names)  # noqa: S102 compiled code is what makes it fast
    check: Check = names["check"]  # type: ignore[assignment]
    return check


def _lines_of(variable: str, property_check: _PropertyCheck) -> Iterator[str]:
    """The statements that check one property."""
    bindings = {name: f"{variable}_{name}" for name in property_check.value.bindings}

    def invalid_if(value: str) -> str:
        return property_check.value.invalid_if.format(v=value, depth="deeper", **bindings)

    if not property_check.repeats:
        yield f"if {invalid_if(variable)}: return False"
        return
    yield f"if {variable}.__class__ is not list or not {variable}: return False"
    if property_check.partner is not None:
        yield f"if not fits_partner({variable}, node.get({property_check.partner!r})): return False"
    yield f"for item in {variable}:"
    yield f"    if {invalid_if('item')}: return False"
