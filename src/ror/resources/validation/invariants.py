"""
The invariants that a value of a type must satisfy, compiled from the table of FHIR R4.

`full_check` has the invariants about structure and those that need the whole resource (contained
resources and references to them); `values` has those about narratives. Invariants that FHIR only
recommends are not checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ror.resources.validation.expressions import parse
from ror.resources.validation.predicates import checks_presence_only, predicate
from ror.standard.definitions import Invariant, invariants, type_definition

Node = dict[str, Any]

CHECKED_ELSEWHERE: Final[Mapping[str, str]] = {
    "ele-1": "full_check: an element is never empty",
    "ref-1": "full_check: a local reference names a contained resource",
    "dom-2": "full_check: a contained resource contains none",
    "dom-3": "full_check: a contained resource is referred to",
    "dom-4": "full_check: a contained resource has no version",
    "dom-5": "full_check: a contained resource has no security label",
    "txt-1": "values: a narrative holds formatting only",
    "txt-2": "values: a narrative is not blank",
}
"""The invariants that are not an expression on one value, and the module that checks them."""

NOT_CHECKED: Final[Mapping[str, str]] = {
    "dom-6": "a recommendation: a resource should have a narrative",
    "que-0": "a recommendation: the name of a Questionnaire should suit a programming language",
    "mea-0": "a recommendation: the name of a Measure should suit a programming language",
}
"""The invariants that the standard only recommends."""

ADDED_INVARIANTS: Final = (
    Invariant(
        "Location.position",
        "",
        "position",
        "error",
        "(latitude.empty() or (latitude >= -90 and latitude <= 90))"
        " and (longitude.empty() or (longitude >= -180 and longitude <= 180))",
        "A position is on Earth",
    ),
)
"""Our own invariants: a search by distance needs them and FHIR does not have them."""


@dataclass(frozen=True, slots=True)
class CompiledInvariant:
    """
    An invariant: its key in FHIR, and the function that checks it. Its message is
    `validation.<key>`.

    `checks_presence_only` is true if it depends only on which properties a value has.
    """

    key: str
    holds: Callable[[Node], bool]
    checks_presence_only: bool = False


@cache
def invariants_of(type_name: str) -> tuple[CompiledInvariant, ...]:
    """The invariants of a type, for values whose structure is valid."""
    return tuple(
        _compiled(invariant)
        for invariant in (*invariants(), *ADDED_INVARIANTS)
        if invariant.type == type_name and invariant.key not in {*CHECKED_ELSEWHERE, *NOT_CHECKED}
    )


def _compiled(invariant: Invariant) -> CompiledInvariant:
    expression = parse(invariant.expression)
    if not invariant.member:
        holds = predicate(expression, invariant.type)
        return CompiledInvariant(invariant.key, holds, checks_presence_only(expression))
    element = type_definition(invariant.type).elements[invariant.member]
    return CompiledInvariant(
        invariant.key, _on_each(invariant.member, predicate(expression, element.types[0]))
    )


def _on_each(member: str, holds: Callable[[Node], bool]) -> Callable[[Node], bool]:
    """The check of each value of a property, repeated or not."""

    def all_hold(node: Node) -> bool:
        value = node.get(member, ())
        return all(map(holds, (value,) if isinstance(value, dict) else value))

    return all_hold
