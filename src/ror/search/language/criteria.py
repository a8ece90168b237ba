"""
Which resource a criterion speaks of, and what several of them mean together.

`criterion` follows a name such as `location.nb-capacity` or `_has:PractitionerRole:service:practitioner.identifier` to
the parameter it ends on. `together` makes one tree of all the criteria, so that those on one place, one tarif or one
capacity hold on the same one. What a value means is in `criterion_values.py`.
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
"""Links followed by one criterion, either way (choice 25)."""

FILTER: Final = "_filter"
"""A search in a language of its own, on any type; see `filter.py`."""

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
Names of earlier editions of the guide and what replaced them; suggested, never understood.

They are listed in docs/search.md#former-names. Source: the changes of the ROR guide up to 0.2.0, and its search page
for the exposition model 2.4.
"""


@dataclass(frozen=True, slots=True)
class Hop:
    """From a resource to a `type` that its `param` points to, or, in `reverse`, that points to it with its `param`."""

    type: str
    param: str
    reverse: bool

    def wrap(self, inner: Expression) -> Expression:
        """The criterion that a resource at the other end satisfies `inner`."""
        return (
            Has(self.type, self.param, inner)
            if self.reverse
            else Chain(self.param, self.type, inner)
        )


@dataclass(frozen=True, slots=True)
class Up:
    """From a resource of `type` to itself and everything above it."""

    type: str

    def wrap(self, inner: Expression) -> Expression:
        """The criterion that the resource or one above it satisfies `inner`."""
        return Upward(inner)


@dataclass(frozen=True, slots=True)
class CriterionPath:
    """A parameter reached through `hops`, and what is asked of it; `record` is where it holds with others."""

    hops: tuple[Hop | Up, ...]
    criterion: Criterion
    record: str | None


# --- names -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def criterion_path(resource_type: str, name: str) -> CriterionPath:
    """
    What the name of a criterion on `resource_type` leads to.

    A chain names the type of its target when the reference has several (`focus:Location.status`); the guide's own
    `focus:Location:status` says the same and is accepted (UC12.S02). `:above` looks at an organisation and all that
    stands above it, written on the link (`organization:above.type`) or on the parameter (`organization.type:above`).

    Raises NotSupported for an unknown parameter, modifier or type, InvalidRequest for a name that is not well formed,
    TooCostly beyond `MAX_HOPS`.
    """
    here, rest = resource_type, name
    hops: list[Hop | Up] = []
    while True:
        hop, rest, modifier = _first_step(here, rest)
        if hop is None:
            parameter = _parameter(here, rest)
            _check_modifier(parameter, modifier)
            row = _row_of(modifier)
            if row.climbs:
                hops.append(Up(here))
                modifier = None
            record = None if row.of_whole_resource else parameter.record
            return CriterionPath(tuple(hops), Criterion(name, parameter, modifier), record)
        hops.append(hop)
        if sum(isinstance(one, Hop) for one in hops) > MAX_HOPS:
            raise TooCostly("search.too-many-hops", name=shown(name), limit=MAX_HOPS)
        here = hop.type
        if modifier == ABOVE:
            hops.append(Up(here))


_NAME: Final = re.compile(r"([^.:]*)(?:(\.)|:([^.:]*)([.:])?)?", re.DOTALL)


def _first_step(here: str, name: str) -> tuple[Hop | None, str, str | None]:
    """The first hop of a name, what follows it and `above` if it goes up, or None, the parameter and its modifier."""
    if name.partition(":")[0] == "_has":
        return *_reverse_hop(here, name), None
    found = _NAME.match(name)
    assert found is not None
    param, dot, suffix, more = found.groups()
    if not dot and not more:
        return None, param, suffix
    parameter = _parameter(here, param)
    if suffix == ABOVE and parameter.targets and parameter.targets[0] in UPWARD:
        return _hop(parameter, None), name[found.end() :], ABOVE
    return _hop(parameter, suffix), name[found.end() :], None


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


def _reverse_hop(here: str, name: str) -> tuple[Hop, str]:
    """The hop of `_has:Source:param:` and what follows it."""
    parts = name.split(":", 3)
    if len(parts) < 4 or not all(parts):
        raise InvalidRequest("search.has-form", name=shown(name))
    _, source, param, rest = parts
    parameter = reference_parameter(checked_type(source), param)
    if here not in parameter.targets:
        raise InvalidRequest(
            "search.has-elsewhere",
            name=f"{source}:{parameter.name}",
            targets=", ".join(parameter.targets),
            type=here,
            known=", ".join(parameters_pointing_at(here)) or "-",
        )
    return Hop(source, parameter.name, reverse=True), rest


def _parameter(resource_type: str, name: str) -> SearchParameter:
    """The parameter of a type that a criterion ends on or goes through."""
    if name == FILTER:
        raise NotSupported("filter.elsewhere")
    parameter = search_parameter(resource_type, name)
    # A published definition whose expression reads nothing would find nothing, without a word.
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
            known=closest(modifier, allowed, shown_as=":{}"),
        )


def checked_type(name: str) -> str:
    """The name itself, when it is a resource type of this directory."""
    if name not in RESOURCE_TYPES:
        raise NotSupported(
            "search.unknown-type", type=shown(name), known=closest(name, RESOURCE_TYPES)
        )
    return name


def reference_parameter(resource_type: str, name: str) -> SearchParameter:
    """The parameter of a known type that follows a reference, as an inclusion or a `_has` names it."""
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
        one.name for one in search_parameters(resource_type).values() if one.type == "reference"
    )


def parameters_pointing_at(resource_type: str) -> Iterator[str]:
    """Every `Source:param` that may point at a type."""
    for source in RESOURCE_TYPES:
        for one in search_parameters(source).values():
            if resource_type in one.targets:
                yield f"{source}:{one.name}"


_PLAIN: Final = Modifier(())
"""No modifier, or the type of a target, which changes nothing else."""


def _row_of(modifier: str | None) -> Modifier:
    return MODIFIERS.get(modifier, _PLAIN) if modifier else _PLAIN


# --- values ----------------------------------------------------------------------------------------------------------


def expression_of(criterion: Criterion, text: str) -> Expression:
    """
    What must hold on a resource for the criterion `asked` = `text`; any value of a comma list will do.

    Raises InvalidRequest for a value that cannot be read, TooCostly for a list that is too long.
    """
    values = values_of(criterion, text) if _row_of(criterion.modifier).takes_list else [text]
    return any_of(criterion, values)


def any_of(criterion: Criterion, values: Sequence[str]) -> Expression:
    """
    What must hold for one of `values` to do: not empty, already separated, their escapes undone or sealed.

    Raises InvalidRequest for a value that cannot be read.
    """
    row = _row_of(criterion.modifier)
    leaves = tuple((row.read or read_values)(criterion, values))
    whole = leaves[0] if len(leaves) == 1 else Or(leaves)
    return Not(whole) if row.negates else whole


# --- suggestions -----------------------------------------------------------------------------------------------------


def _suggestion(resource_type: str, name: str) -> str:
    """What to try instead of an unknown parameter: its new name, a link that leads to it, a near name."""
    served = {one.name for one in search_parameters(resource_type).values() if one.reads}
    if FORMER_NAMES.get(name) in served:
        return FORMER_NAMES[name]
    return next(_through_a_link(resource_type, name), None) or closest(
        name, sorted(served | {"_has"})
    )


def _through_a_link(resource_type: str, name: str) -> Iterator[str]:
    """The chains, then the reverse chains, of one hop that lead to a parameter of this name."""
    for one in search_parameters(resource_type).values():
        for target in one.targets:
            if _serves(target, name):
                yield (
                    f"{one.name}.{name}" if len(one.targets) == 1 else f"{one.name}:{target}.{name}"
                )
    for link in parameters_pointing_at(resource_type):
        if _serves(link.partition(":")[0], name):
            yield f"_has:{link}:{name}"


def _serves(resource_type: str, name: str) -> bool:
    parameter = search_parameter(resource_type, name)
    return parameter is not None and parameter.reads


# --- together --------------------------------------------------------------------------------------------------------

Condition = tuple[tuple[Hop | Up, ...], str | None, Expression]
"""The hops of a criterion, the record it holds on, and what it asks there."""


def combine(criteria: Sequence[Condition]) -> Expression:
    """
    The tree of criteria that all hold, on one record and at the end of one link where they share it (choice 2).

    Criteria behind the same hop hold on one resource there: `location.capacity-status=02&location.near=…` asks for one
    place that has both. Negative ones too: `location.type:not=X&location.status=active` asks for one active place that
    is not an X, which is what its author means, and what each criterion means alone is unchanged. Inside a resource,
    criteria on the parts of one record hold on one repetition of it, except `:not` and `:missing`, which speak of all
    of them.
    """
    groups: dict[Hop | Up | str | int, list[Condition]] = {}
    for one in criteria:
        hops, record, _ = one
        key = hops[0] if hops else record or len(groups)
        groups.setdefault(key, []).append(one)
    return _all(tuple(_group(key, members) for key, members in groups.items()))


def _group(key: Hop | Up | str | int, members: list[Condition]) -> Expression:
    if isinstance(key, Hop | Up):
        return key.wrap(combine([(hops[1:], record, inner) for hops, record, inner in members]))
    inner = _all(tuple(expression for _, _, expression in members))
    return SameRecord(key, inner) if isinstance(key, str) and len(members) > 1 else inner


def combine_independently(criteria: Sequence[Condition]) -> Expression:
    """The tree of criteria that each hold on their own: strict R4 (`Prefer: handling=independent-criteria`)."""
    return _all(tuple(combine([one]) for one in criteria))


def _all(parts: tuple[Expression, ...]) -> Expression:
    if not parts:
        return Everything()
    return parts[0] if len(parts) == 1 else And(parts)
