"""
The unknown codes and systems of a search: in no nomenclature and in no resource that is seen.

A search for an unknown code matches nothing, so a spelling mistake looks like an empty directory.
The response therefore has a warning with the nearest codes of the tables. A code that only hidden
resources have is unknown too, and suggestions come from the tables alone, never from the data.
Source: choice 35.
"""

import difflib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

from ror.errors import UnknownCode
from ror.messages import shown
from ror.search.answer.engine import Search
from ror.search.language.entry_names import modifier_entries, parameter_of
from ror.search.language.expression import Expression, TokenIs, token_leaves
from ror.search.language.modifiers import IDENTIFIER
from ror.search.language.values import normal_code, normal_system, normal_text
from ror.standard import terminology
from ror.standard.bindings import bound_value_sets, identifier_systems
from ror.standard.definitions import RESOURCE_TYPES, SearchParameter, search_parameter
from ror.standard.fhirpath import (
    implicit_code_system,
    implicit_codes,
    implicit_systems,
    types_read,
)

MAX_WARNINGS: Final = 10
"""Unknown codes and systems that one response names."""

_NEAREST: Final = 3
_COMPARED: Final = 1_000
"""Codes of a table that an unknown code is compared with."""
_LONGEST: Final = 64
"""Characters of a code that are compared; no code of a table is longer."""

Unknown = Literal["code", "system"]


def unknown_codes(search: Search, expression: Expression, resource_type: str) -> list[UnknownCode]:
    """A warning for each unknown code or system of a search, at most `MAX_WARNINGS`."""
    warnings = (
        _warning(search, leaf, leaf_type)
        for leaf, leaf_type in dict.fromkeys(token_leaves(expression, resource_type))
    )
    return list(islice(filter(None, warnings), MAX_WARNINGS))


def _warning(search: Search, leaf: TokenIs, resource_type: str) -> UnknownCode | None:
    name = parameter_of(leaf.param)
    parameter = search_parameter(resource_type, name)
    if parameter is None or leaf.param not in (name, modifier_entries(name, IDENTIFIER)):
        return None
    unknown = _absent_from_tables(parameter, leaf.code, leaf.system)
    if unknown is None or search.evaluate(leaf, resource_type):
        return None
    system = leaf.system or implicit_code_system(parameter)
    # Comparing with a table takes longer than an empty search.
    search.budget.spend(_COMPARED, name)
    if unknown == "system":
        if search.evaluate(TokenIs(leaf.param, None, leaf.system), resource_type):
            return None
        key, nearest = "terminology.unknown-system", _nearest_systems(parameter, leaf.system or "")
    else:
        key = "terminology.unknown-code-of-system" if system else "terminology.unknown-code"
        nearest = _nearest_codes(parameter, leaf.code or "", leaf.system)
    return UnknownCode(
        key,
        type=resource_type,
        param=name,
        code=shown(leaf.code or ""),
        system=shown(system),
        nearest=", ".join(nearest) or "-",
    )


@lru_cache(maxsize=4096)
def _absent_from_tables(
    parameter: SearchParameter, code: str | None, system: str | None
) -> Unknown | None:
    """
    Whether the tables lack a code or its system; None if they have it or cannot tell.

    `system` is in its normal form, None for any.
    """
    elements = types_read(parameter)
    if "code" in elements:
        if system:
            return "system"
        return None if code is None or code in implicit_codes(parameter) else "code"
    if not elements.isdisjoint({"CodeableConcept", "Coding"}):
        if system:
            return _absent_from_system(code, system)
        if system is None and code is not None:
            tables = _systems_of(parameter)
            is_in_tables = not tables or any(_has(url, code) for url in tables)
            return None if is_in_tables else "code"
    elif system and not elements.isdisjoint({"Identifier", "Reference"}):
        return None if _is_of_identifiers(system) else "system"
    return None


def _absent_from_system(code: str | None, system: str) -> Unknown | None:
    url = f"https://{system}"
    # The URL of a value set stands for its code systems.
    systems = terminology.systems_of(url) or (url,)
    if not any(terminology.code_system(system_url) for system_url in systems):
        return "system"
    if code is None or any(_has(system_url, code) for system_url in systems):
        return None
    return "code"


def _has(url: str, code: str) -> bool:
    return terminology.has_code(url, normal_code(code, normal_system(url)))


def _systems_of(parameter: SearchParameter) -> list[str]:
    """The loaded code systems that the guide binds to a parameter."""
    systems = dict.fromkeys(
        system for url in bound_value_sets(parameter) for system in terminology.systems_of(url)
    )
    return [system for system in systems if terminology.code_system(system)]


def _is_of_identifiers(system: str) -> bool:
    """Whether the guide uses this system for identifiers or for their types."""
    url = f"https://{system}"
    return (
        system in map(normal_system, _all_identifier_systems())
        or terminology.code_system(url) is not None
        or terminology.value_set(url) is not None
    )


def _all_identifier_systems() -> list[str]:
    return [system for name in RESOURCE_TYPES for system in identifier_systems(name)]


# --- suggestions ----------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _nearest_codes(parameter: SearchParameter, code: str, system: str | None) -> list[str]:
    """The codes of the tables whose label contains the text, or with a similar spelling."""
    labels = dict(islice(_candidates(parameter, code, system), _COMPARED))
    sought = normal_text(code[:_LONGEST])
    by_label = {normal_text(label): table_code for table_code, label in labels.items() if label}
    named = [
        table_code for label, table_code in by_label.items() if len(sought) > 2 and sought in label
    ]
    by_spelling = {table_code.casefold(): table_code for table_code in labels}
    spelled = [
        *(by_label[label] for label in _closest(sought, by_label, cutoff=0.6)),
        *(
            by_spelling[spelling]
            for spelling in _closest(code[:_LONGEST].casefold(), by_spelling, cutoff=0.0)
        ),
    ]
    return [
        f"{nearest} ({labels[nearest]})" if labels[nearest] else nearest
        for nearest in islice(dict.fromkeys([*named, *spelled]), _NEAREST)
    ]


def _candidates(
    parameter: SearchParameter, code: str, system: str | None
) -> Iterator[tuple[str, str | None]]:
    """The codes that a search may have meant, each with its label."""
    if implicit := implicit_codes(parameter):
        yield from ((implicit_code, None) for implicit_code in sorted(implicit))
        return
    for url, allowed in _tables(parameter, system):
        source = terminology.code_system(url)
        if source is None:
            continue
        codes: Iterable[str] = source.concepts if allowed is None else sorted(allowed)
        if allowed is None and len(source.concepts) > _COMPARED:
            # For communes: those of the same département, which the first two digits give.
            codes = [commune for commune in codes if commune[:2] == code[:2]] or islice(
                codes, _COMPARED
            )
        for concept in filter(None, map(source.concepts.get, codes)):
            if concept.status != "deprecated":
                yield concept.code, concept.display or concept.alt


def _tables(
    parameter: SearchParameter, system: str | None
) -> Iterator[tuple[str, frozenset[str] | None]]:
    """The code systems that a code may belong to, each with its allowed codes; None means all."""
    url = f"https://{system}"
    value_sets = bound_value_sets(parameter) if system is None else (url,)
    loaded = list(filter(None, map(terminology.value_set, value_sets)))
    for value_set in loaded:
        yield from value_set.includes.items()
    if system is not None and not loaded:
        yield url, None


@lru_cache(maxsize=1024)
def _nearest_systems(parameter: SearchParameter, system: str) -> list[str]:
    """The systems of the guide with the closest spelling, for this parameter if it has any."""
    candidates: Iterable[str]
    if not types_read(parameter).isdisjoint({"Identifier", "Reference"}):
        candidates = identifier_systems(parameter.resource_type) or _all_identifier_systems()
    else:
        candidates = (
            sorted(implicit_systems(parameter))
            or _systems_of(parameter)
            or [code_system.url for code_system in terminology.code_systems()]
        )
    by_normal = {normal_system(url): url for url in candidates}
    return [
        by_normal[closest] for closest in _closest(system[: 4 * _LONGEST], by_normal, cutoff=0.0)
    ]


def _closest(sought: str, candidates: Iterable[str], cutoff: float) -> list[str]:
    return difflib.get_close_matches(sought, list(candidates), n=_NEAREST, cutoff=cutoff)
