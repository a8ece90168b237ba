"""
The thorough half of validation: every issue of a resource, with its path.

The check follows the element tables of FHIR R4 from the resource down. It skips the invariants of
an object that has an error, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, Literal

from ror import messages
from ror.resources.validation.fast_check import MAX_DEPTH, may_have_sibling
from ror.resources.validation.invariants import invariants_of
from ror.resources.validation.values import PRIMITIVES, is_reference, may_refer_to
from ror.standard.definitions import (
    Element,
    TypeDefinition,
    all_resource_type_names,
    type_definition,
    type_names,
)

MAX_ISSUES: Final = 200
"""The check stops after this many errors and reports at most this many warnings."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """
    One issue.

    `code` is a FHIR issue type, `path` the FHIRPath of the element
    (`Organization.contact[0].telecom[1].value`), `key` and `params` its message in the catalogue.
    """

    severity: Severity
    code: str
    path: str
    key: str
    params: dict[str, str] = field(default_factory=dict)

    def text(self, language: str = messages.DEFAULT_LANGUAGE) -> str:
        """The message for the sender of the resource."""
        return messages.text(self.key, language, **self.params)


@dataclass(frozen=True, slots=True)
class Property:
    """A JSON property and its element; `is_sibling` is true for the `_name` of a primitive."""

    name: str
    element: Element
    is_sibling: bool

    @property
    def path_name(self) -> str:
        """The name in a path: that of the choice; a value and its sibling have the same."""
        return self.element.choice or self.element.name


class _TooManyIssues(Exception):
    """Ends the check after `MAX_ISSUES` errors; never leaves this module."""


def all_issues(resource: object) -> list[Issue]:
    """Every issue of a resource: at most `MAX_ISSUES` errors and as many warnings."""
    check = _FullCheck()
    with suppress(_TooManyIssues):
        check.resource(resource)
    return check.issues


@cache
def _properties(type_name: str) -> dict[str, Property]:
    definition = type_definition(type_name)
    properties = {}
    for element in definition.elements.values():
        properties[element.name] = Property(element.name, element, is_sibling=False)
        if element.types[0] in PRIMITIVES and may_have_sibling(definition, element):
            properties["_" + element.name] = Property("_" + element.name, element, is_sibling=True)
    return properties


class _FullCheck:
    """
    The check of one resource: its issues so far, and the contained resources that `#id` may name.
    """

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self._errors = 0
        self._contained: frozenset[str] = frozenset()

    def _add(
        self, code: str, path: str, key: str, *, severity: Severity = "error", **params: object
    ) -> None:
        is_error = severity == "error"
        # Only errors end the check: warnings must not hide them.
        if is_error or len(self.issues) - self._errors < MAX_ISSUES:
            texts = {name: _shown(value) for name, value in params.items()}
            self.issues.append(Issue(severity, code, path, f"validation.{key}", texts))
        self._errors += is_error
        if self._errors >= MAX_ISSUES:
            raise _TooManyIssues

    # --- resources --------------------------------------------------------------------------------

    def resource(self, value: Any) -> None:
        """The resource itself."""
        resource_type = self._resource_type(value, "Resource")
        if resource_type is not None:
            self._resource_with_contained(value, resource_type, resource_type, 1)

    def _resource_with_contained(
        self, node: dict[str, Any], resource_type: str, path: str, depth: int
    ) -> None:
        """A resource that is not contained in another, with the resources it contains."""
        contained = node.get("contained")
        nodes = (
            [item for item in contained if isinstance(item, dict)]
            if isinstance(contained, list)
            else []
        )
        outer = self._contained
        self._contained = frozenset(
            inner["id"] for inner in nodes if isinstance(inner.get("id"), str)
        )
        self._object(node, resource_type, path, depth)
        for index, inner in enumerate(nodes):
            self._contained_invariants(inner, node, f"{path}.contained[{index}]")
        self._contained = outer

    def _resource_type(self, value: Any, path: str) -> str | None:
        """The type of a resource of the directory; None, with an issue, for any other value."""
        if not isinstance(value, dict):
            self._add("structure", path, "expected-object", name=path, value=value)
            return None
        resource_type = value.get("resourceType")
        if not isinstance(resource_type, str):
            self._add("required", path, "missing-resource-type")
        elif resource_type not in all_resource_type_names():
            close = get_close_matches(resource_type, all_resource_type_names(), 1)
            key = "unknown-resource-type-try" if close else "unknown-resource-type"
            self._add("structure", path, key, found=resource_type, near="".join(close))
        elif resource_type not in type_names():
            severity: Severity = "warning" if ".contained[" in path else "error"
            self._add(
                "not-supported",
                path,
                "unsupported-resource-type",
                severity=severity,
                found=resource_type,
            )
        else:
            return resource_type
        return None

    def _contained_invariants(
        self, node: dict[str, Any], container: dict[str, Any], path: str
    ) -> None:
        """FHIR R4, dom-2 to dom-5."""
        if "contained" in node:
            self._add("invariant", path, "dom-2")
        meta = node.get("meta")
        if isinstance(meta, dict) and ("versionId" in meta or "lastUpdated" in meta):
            self._add("invariant", path, "dom-4")
        if isinstance(meta, dict) and "security" in meta:
            self._add("invariant", path, "dom-5")
        identity = node.get("id")
        if not isinstance(identity, str):
            self._add("required", path, "contained-without-id")
        elif "#" + identity not in _texts(container) and "#" not in _texts(node):
            self._add("invariant", path, "dom-3", id=identity)

    # --- objects ----------------------------------------------------------------------------------

    def _object(self, node: dict[str, Any], type_name: str, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._add("structure", path, "too-deep", limit=MAX_DEPTH)
            return
        if not node:
            self._add("structure", path, "empty-object", name=_last(path))
            return
        before = self._errors
        definition = type_definition(type_name)
        properties = _properties(type_name)
        for name, value in node.items():
            if name == "resourceType" and definition.kind == "resource":
                continue
            prop = properties.get(name)
            if prop is None:
                self._unknown(name, type_name, path)
            else:
                self._property(node, prop, value, f"{path}.{prop.path_name}", depth)
        self._cardinalities(node, definition, path)
        if self._errors == before:
            for invariant in invariants_of(type_name):
                if not invariant.holds(node):
                    self._add("invariant", path, invariant.key)

    def _unknown(self, name: str, type_name: str, path: str) -> None:
        close = get_close_matches(name, _properties(type_name), 1)
        key = "unknown-element-try" if close else "unknown-element"
        self._add(
            "structure",
            f"{path}.{_shown(name)}",
            key,
            name=name,
            type=type_name,
            near="".join(close),
        )

    def _cardinalities(self, node: dict[str, Any], definition: TypeDefinition, path: str) -> None:
        choices: dict[str, set[str]] = {}
        required: set[str] = set()
        for element in definition.elements.values():
            is_present = element.name in node or "_" + element.name in node
            if element.choice:
                choices.setdefault(element.choice, set()).update(
                    [element.name] if is_present else []
                )
                required |= {element.choice} if element.min else set()
            elif element.min and not is_present:
                self._add(
                    "required",
                    f"{path}.{element.name}",
                    "missing-element",
                    name=element.name,
                    parent=path,
                )
        for choice, names in choices.items():
            if len(names) > 1:
                self._add(
                    "structure",
                    f"{path}.{choice}",
                    "several-choices",
                    names=", ".join(sorted(names)),
                )
            elif not names and choice in required:
                self._add(
                    "required",
                    f"{path}.{choice}",
                    "missing-element",
                    name=f"{choice}[x]",
                    parent=path,
                )

    # --- properties -------------------------------------------------------------------------------

    def _property(
        self, node: dict[str, Any], prop: Property, value: Any, path: str, depth: int
    ) -> None:
        if prop.element.max == 1:
            if isinstance(value, list):
                self._add("structure", path, "expected-single", name=prop.name)
            else:
                self._value(prop, value, path, depth)
        elif not isinstance(value, list):
            self._add("structure", path, "expected-array", name=prop.name, value=value)
        elif not value:
            self._add("structure", path, "empty-array", name=prop.name)
        else:
            partner = node.get(prop.element.name if prop.is_sibling else "_" + prop.name)
            for index, item in enumerate(value):
                if item is not None or not _has_value_at(partner, index):
                    self._value(prop, item, f"{path}[{index}]", depth)

    def _value(self, prop: Property, value: Any, path: str, depth: int) -> None:
        type_name = "Element" if prop.is_sibling else prop.element.types[0]
        if value is None:
            self._add("structure", path, "null", name=prop.name)
        elif type_name in PRIMITIVES:
            self._primitive(prop.element, type_name, value, path)
        elif type_name == "Resource":
            self._inner_resource(prop, value, path, depth + 1)
        elif not isinstance(value, dict):
            self._add("structure", path, "expected-object", name=prop.name, value=value)
        else:
            before = self._errors
            self._object(value, type_name, path, depth + 1)
            if type_name == "Reference" and self._errors == before:
                self._reference(prop.element, value, path)

    def _inner_resource(self, prop: Property, value: Any, path: str, depth: int) -> None:
        resource_type = self._resource_type(value, path)
        if resource_type is None:
            return
        if prop.name == "contained":
            self._object(value, resource_type, path, depth)
        else:
            self._resource_with_contained(value, resource_type, path, depth)

    def _primitive(self, element: Element, type_name: str, value: Any, path: str) -> None:
        primitive = PRIMITIVES[type_name]
        if value.__class__ not in primitive.classes:
            kind = _JSON_NAMES[primitive.classes]
            code = "structure" if isinstance(value, dict | list) else "value"
            self._add(code, path, f"expected-{kind}", name=element.name, value=value)
        elif element.codes is not None and value not in element.codes:
            allowed = ", ".join(sorted(element.codes))
            self._add(
                "code-invalid",
                path,
                "code-not-listed",
                name=element.name,
                value=value,
                allowed=allowed,
            )
        elif not primitive.accepts(value):
            self._add("value", path, f"not-{type_name}".lower(), name=element.name, value=value)

    def _reference(self, element: Element, reference: dict[str, Any], path: str) -> None:
        literal = reference.get("reference")
        if literal is not None and not is_reference(literal):
            self._add("value", f"{path}.reference", "bad-reference", value=literal)
        elif (
            literal is not None
            and literal.startswith("#")
            and literal[1:] not in self._contained | {""}
        ):
            self._add("invariant", f"{path}.reference", "ref-1", value=literal)
        elif element.targets and not may_refer_to(reference, element.targets):
            shown = literal or reference["type"]
            self._add(
                "value",
                path,
                "wrong-target",
                name=element.name,
                value=shown,
                targets=", ".join(element.targets),
            )


_JSON_NAMES: Final = {
    primitive.classes: {str: "string", bool: "boolean", int: "number"}[primitive.classes[0]]
    for primitive in PRIMITIVES.values()
}
_LONGEST_SHOWN: Final = 120


def _shown(value: object) -> str:
    """A value as a message quotes it, cut if it is long."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[…]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _has_value_at(values: Any, index: int) -> bool:
    return isinstance(values, list) and index < len(values) and values[index] is not None


def _texts(node: Any) -> set[str]:
    """Every string of a node at any depth: each could refer to a contained resource."""
    return set(_each_text(node, 0))


def _each_text(node: Any, depth: int) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif depth <= 2 * MAX_DEPTH and isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _each_text(child, depth + 1)
