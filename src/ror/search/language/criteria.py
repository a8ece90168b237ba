"""
The resource that each criterion applies to, and the meaning of several criteria together.

`criterion_path` follows a name such as `location.nb-capacity` or
`_has:PractitionerRole:service:practitioner.identifier` to its last parameter. `combine` makes one
expression of all the criteria: those on one record or behind one link hold on the same record or
resource. `criterion_values.py` reads the values.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ror.errors import InvalidRequest, NotSupported, TooCostly
from ror.messages import closest, shown
from ror.search.language.criterion_values import Criterion, read_values, values_of
from ror.search.language.expression import (
    UPWARD,
    And,
    Chain,
    Everything,
    Expression,
    Has,
    Not,
    Or,
    SameRecord,
    Upward,
)
from ror.search.language.modifiers import ABOVE, MODIFIERS, Modifier, modifiers_of
from ror.standard.definitions import (
    RESOURCE_TYPES,
    SearchParameter,
    search_parameter,
    search_parameters,
)

MAX_HOPS: Final = 5
"""The most links that one criterion may follow, in either direction (choice 25)."""

FILTER: Final = "_filter"
"""The parameter that holds a search in its own language; see `filter.py`."""

FORMER_NAMES: Final = {
    "code-region": "_tag",
    "profession": "characteristic",
    "ordinal-speciality": "characteristic",
    "reception-mode": "characteristic",
    "specific-competence": "characteristic",
    "supported-patient-type": "patient-type",
    "providedBy": "organization",
    "category-eg": "context",
    "oi-type": "type",
}
"""
Names from earlier editions of the guide, and their replacements. Errors suggest the replacement.

docs/search.md#former-names lists them. Source: the changes of the ROR guide up to 0.2.0, and its
search page for the exposition model 2.4.
"""


@dataclass(frozen=True, slots=True)
class Hop:
    """
    A link from a resource to a `type`: its own `param` or, in `reverse`, the `param` of the other.
    """

    type: str
    param: str
    reverse: bool

    def wrap(self, inner: Expression) -> Expression:
        """The expression: a resource at the other end satisfies `inner`."""
        return (
            Has(self.type, self.param, inner)
            if self.reverse
            else Chain(self.param, self.type, inner)
        )


@dataclass(frozen=True, slots=True)
class Up:
    """A step from a resource of `type` to itself and every resource above it."""

    type: str

    def wrap(self, inner: Expression) -> Expression:
        """The expression: the resource, or one above it, satisfies `inner`."""
        return Upward(inner)


@dataclass(frozen=True, slots=True)
class CriterionPath:
    """
    A criterion reached through `hops`; `record` is the record that it shares with other criteria.
    """

    hops: tuple[Hop | Up, ...]
    criterion: Criterion
    record: str | None


# --- names ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def criterion_path(resource_type: str, name: str) -> CriterionPath:
    """
    The path that the name of a criterion describes, from `resource_type`.

    If a reference has several target types, the chain names one (`focus:Location.status`); the
    spelling of the guide, `focus:Location:status`, is accepted too (UC12.S02). `:above` includes
    the organisations above. It stands on the link (`organization:above.type`) or on the parameter
    (`organization.type:above`).

    Raises NotSupported for an unknown parameter, modifier or type, InvalidRequest for a malformed
    name, TooCostly beyond `MAX_HOPS`.
    """
    current_type, rest = resource_type, name
    hops: list[Hop | Up] = []
    while True:
        hop, rest, modifier = _first_step(current_type, rest)
        if hop is None:
            parameter = _parameter(current_type, rest)
            _check_modifier(parameter, modifier)
            row = _row_of(modifier)
            if row.climbs:
                hops.append(Up(current_type))
                modifier = None
            record = None if row.of_whole_resource else parameter.record
            return CriterionPath(tuple(hops), Criterion(name, parameter, modifier), record)
        hops.append(hop)
        if sum(isinstance(step, Hop) for step in hops) > MAX_HOPS:
            raise TooCostly("search.too-many-hops", name=shown(name), limit=MAX_HOPS)
        current_type = hop.type
        if modifier == ABOVE:
            hops.append(Up(current_type))


_NAME: Final = re.compile(r"([^.:]*)(?:(\.)|:([^.:]*)([.:])?)?", re.DOTALL)


def _first_step(resource_type: str, name: str) -> tuple[Hop | None, str, str | None]:
    """
    The first hop, the rest of the name, and `above` or None; without hop, the parameter and its
    modifier.
    """
    if name.partition(":")[0] == "_has":
        return *_reverse_hop(resource_type, name), None
    match = _NAME.match(name)
    assert match is not None
    param, dot, suffix, more = match.groups()
    if not dot and not more:
        return None, param, suffix
    parameter = _parameter(resource_type, param)
    if suffix == ABOVE and parameter.targets and parameter.targets[0] in UPWARD:
        return _hop(parameter, None), name[match.end() :], ABOVE
    return _hop(parameter, suffix), name[match.end() :], None


def _hop(parameter: SearchParameter, target: str | None) -> Hop:
    """The hop of `param.` or `param:Target.`."""
    if parameter.type != "reference":
        raise InvalidRequest(
            "search.not-chainable",
            name=parameter.name,
            type=parameter.resource_type,
            known=", ".join(_references_of(parameter.resource_type)) or "-",
        )
    targets = parameter.targets
    if target is None and len(targets) > 1:
        raise InvalidRequest(
            "search.chain-without-type",
            name=parameter.name,
            example=targets[0],
            targets=", ".join(targets),
        )
    if target is not None and target not in targets:
        raise NotSupported(
            "search.wrong-chain-type",
            name=parameter.name,
            target=shown(target),
            known=closest(target, targets),
        )
    return Hop(target or targets[0], parameter.name, reverse=False)


def _reverse_hop(resource_type: str, name: str) -> tuple[Hop, str]:
    """The hop of `_has:Source:param:`, and the rest of the name."""
    parts = name.split(":", 3)
    if len(parts) < 4 or not all(parts):
        raise InvalidRequest("search.has-form", name=shown(name))
    _, source, param, rest = parts
    parameter = reference_parameter(checked_type(source), param)
    if resource_type not in parameter.targets:
        raise InvalidRequest(
            "search.has-elsewhere",
            name=f"{source}:{parameter.name}",
            targets=", ".join(parameter.targets),
            type=resource_type,
            known=", ".join(parameters_pointing_at(resource_type)) or "-",
        )
    return Hop(source, parameter.name, reverse=True), rest


def _parameter(resource_type: str, name: str) -> SearchParameter:
    """The search parameter of this name. Raises NotSupported if the type does not have it."""
    if name == FILTER:
        raise NotSupported("filter.elsewhere")
    parameter = search_parameter(resource_type, name)
    # A published definition whose expression reads no element would silently match nothing.
    if parameter is None or not parameter.reads:
        raise NotSupported(
            "search.unknown-parameter",
            type=resource_type,
            name=shown(name),
            known=_suggestion(resource_type, name),
        )
    return parameter


def _check_modifier(parameter: SearchParameter, modifier: str | None) -> None:
    if modifier is None:
        return
    allowed = modifiers_of(parameter)
    if modifier not in allowed:
        raise NotSupported(
            "search.unknown-modifier",
            name=parameter.name,
            modifier=shown(modifier),
            known=closest(modifier, allowed, template=":{}"),
        )


def checked_type(name: str) -> str:
    """The name, if it is a resource type of this directory. Raises NotSupported otherwise."""
    if name not in RESOURCE_TYPES:
        raise NotSupported(
            "search.unknown-type", type=shown(name), known=closest(name, RESOURCE_TYPES)
        )
    return name


def reference_parameter(resource_type: str, name: str) -> SearchParameter:
    """
    The reference parameter that an inclusion or a `_has` names. Raises NotSupported otherwise.
    """
    parameter = search_parameter(resource_type, name)
    if parameter is None or parameter.type != "reference":
        raise NotSupported(
            "search.not-a-link",
            type=resource_type,
            name=shown(name),
            known=closest(name, _references_of(resource_type)) or "-",
        )
    return parameter


def _references_of(resource_type: str) -> tuple[str, ...]:
    return tuple(
        parameter.name
        for parameter in search_parameters(resource_type).values()
        if parameter.type == "reference"
    )


def parameters_pointing_at(resource_type: str) -> Iterator[str]:
    """Every `Source:param` whose references may lead to a type."""
    for source in RESOURCE_TYPES:
        for parameter in search_parameters(source).values():
            if resource_type in parameter.targets:
                yield f"{source}:{parameter.name}"


_PLAIN: Final = Modifier(())
"""The row for no modifier, and for the name of a target type."""


def _row_of(modifier: str | None) -> Modifier:
    return MODIFIERS.get(modifier, _PLAIN) if modifier else _PLAIN


# --- values ---------------------------------------------------------------------------------------


def expression_of(criterion: Criterion, text: str) -> Expression:
    """
    The expression of `criterion` = `text`; one value of a comma list is enough to match.

    Raises InvalidRequest for a value that cannot be read, TooCostly for a list that is too long.
    """
    values = values_of(criterion, text) if _row_of(criterion.modifier).takes_list else [text]
    return any_of(criterion, values)


def any_of(criterion: Criterion, values: Sequence[str]) -> Expression:
    """
    The expression that matches any of `values`: separated, not empty, escapes as `values_of` leaves
    them.

    Raises InvalidRequest for a value that cannot be read.
    """
    row = _row_of(criterion.modifier)
    leaves = tuple((row.read or read_values)(criterion, values))
    expression = leaves[0] if len(leaves) == 1 else Or(leaves)
    return Not(expression) if row.negates else expression


# --- suggestions ----------------------------------------------------------------------------------


def _suggestion(resource_type: str, name: str) -> str:
    """
    A replacement for an unknown parameter: its new name, a chain that leads to it, or a similar
    name.
    """
    served = {param.name for param in search_parameters(resource_type).values() if param.reads}
    if FORMER_NAMES.get(name) in served:
        return FORMER_NAMES[name]
    return next(_through_a_link(resource_type, name), None) or closest(
        name, sorted(served | {"_has"})
    )


def _through_a_link(resource_type: str, name: str) -> Iterator[str]:
    """The chains of one hop to a parameter of this name, then the reverse chains."""
    for parameter in search_parameters(resource_type).values():
        for target in parameter.targets:
            if _serves(target, name):
                link = (
                    parameter.name if len(parameter.targets) == 1 else f"{parameter.name}:{target}"
                )
                yield f"{link}.{name}"
    for link in parameters_pointing_at(resource_type):
        if _serves(link.partition(":")[0], name):
            yield f"_has:{link}:{name}"


def _serves(resource_type: str, name: str) -> bool:
    parameter = search_parameter(resource_type, name)
    return parameter is not None and parameter.reads


# --- combining criteria ---------------------------------------------------------------------------

Condition = tuple[tuple[Hop | Up, ...], str | None, Expression]
"""The hops of a criterion, its record, and the expression that must hold there."""


def combine(criteria: Sequence[Condition]) -> Expression:
    """
    The expression of criteria that must all hold (choice 2).

    Criteria behind the same hop hold on one resource: `location.capacity-status=02&location.near=…`
    matches one place that has both. So do negative criteria:
    `location.type:not=X&location.status=active` matches one active place that is not an X. Inside a
    resource, criteria on one record hold on one repetition of it, except `:not` and `:missing`,
    which apply to all repetitions.
    """
    groups: dict[Hop | Up | str | int, list[Condition]] = {}
    for condition in criteria:
        hops, record, _ = condition
        key = hops[0] if hops else record or len(groups)
        groups.setdefault(key, []).append(condition)
    return _all(tuple(_group(key, members) for key, members in groups.items()))


def _group(key: Hop | Up | str | int, members: list[Condition]) -> Expression:
    if isinstance(key, Hop | Up):
        return key.wrap(combine([(hops[1:], record, inner) for hops, record, inner in members]))
    inner = _all(tuple(expression for _, _, expression in members))
    return SameRecord(key, inner) if isinstance(key, str) and len(members) > 1 else inner


def combine_independently(criteria: Sequence[Condition]) -> Expression:
    """
    The expression of independent criteria, strict R4 (`Prefer: handling=independent-criteria`).
    """
    return _all(tuple(combine([condition]) for condition in criteria))


def _all(parts: tuple[Expression, ...]) -> Expression:
    if not parts:
        return Everything()
    return parts[0] if len(parts) == 1 else And(parts)
