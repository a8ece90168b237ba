"""
The invariants that a value of a type must satisfy, compiled from the table of FHIR R4.

Those that need the whole resource (contained resources and the references to them) and those about
structure and narratives are in `walk` and `values`; what the standard only recommends is not
checked.
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
    "ele-1": "walk: an element is never empty",
    "ref-1": "walk: a local reference names a contained resource",
    "dom-2": "walk: a contained resource contains none",
    "dom-3": "walk: a contained resource is referred to",
    "dom-4": "walk: a contained resource has no version",
    "dom-5": "walk: a contained resource has no security label",
    "txt-1": "values: a narrative holds formatting only",
    "txt-2": "values: a narrative says something",
}
"""The invariants that are no expression about one value, and what checks them."""

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
"""What the standard leaves open and a search by distance needs."""


@dataclass(frozen=True, slots=True)
class CompiledInvariant:
    """
    One invariant: its key in the standard, and whether a value respects it. Its text is
    `validation.<key>`.

    It `checks_presence_only` when it only asks which members a value has, not what they hold.
    """

    key: str
    holds: Callable[[Node], bool]
    checks_presence_only: bool = False


@cache
def invariants_of(type_name: str) -> tuple[CompiledInvariant, ...]:
    """The rules of a type, about values whose structure is already right."""
    return tuple(
        _rule(one)
        for one in (*invariants(), *ADDED_INVARIANTS)
        if one.type == type_name and one.key not in {*CHECKED_ELSEWHERE, *NOT_CHECKED}
    )


def _rule(invariant: Invariant) -> CompiledInvariant:
    expression = parse(invariant.expression)
    if not invariant.member:
        holds = predicate(expression, invariant.type)
        return CompiledInvariant(invariant.key, holds, checks_presence_only(expression))
    element = type_definition(invariant.type).elements[invariant.member]
    return CompiledInvariant(
        invariant.key, _of_each(invariant.member, predicate(expression, element.types[0]))
    )


def _of_each(member: str, holds: Callable[[Node], bool]) -> Callable[[Node], bool]:
    """Whether each value of a member, repeated or not, respects a rule."""

    def all_hold(node: Node) -> bool:
        value = node.get(member, ())
        return all(map(holds, (value,) if isinstance(value, dict) else value))

    return all_hold
