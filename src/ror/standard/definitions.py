"""
The elements of FHIR R4, and the search parameters and the profiles of the ROR guide, as tables.

The scripts of `tools/` build the tables, which are data files of `ror.standard.knowledge`. Each
file is read once, at its first use, so importing this module costs nothing. Validation, search and
the other rooms read these tables; this module walks no resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

RESOURCE_TYPES: Final = (
    "Organization",
    "HealthcareService",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Task",
    "Questionnaire",
    "Measure",
    "MeasureReport",
    "Endpoint",
)
"""The types of the directory. The guide has no Endpoint; FHIR R4 directories do (IHE mCSD)."""

CONTENT: Final = "_content"
NARRATIVE: Final = "_text"
FULL_TEXT: Final = (CONTENT, NARRATIVE)
"""The full-text parameters: on whole resources and on their narratives."""

LAST_UPDATED: Final = "_lastUpdated"
COMMON_PARAMETERS: Final = ("_id", LAST_UPDATED, "_tag", CONTENT)
"""Search parameters of every resource that the guide lists for some types only."""

Kind = Literal["resource", "complex", "backbone", "primitive"]
Maturity = Literal["available", "draft", "implied", "definition-only", "added"]
"""What the guide says of a parameter; "added" is one of FHIR R4 that the guide does not have."""


@dataclass(frozen=True, slots=True)
class Element:
    """
    One property of a type, under the name it has in JSON.

    `min` and `max` are inclusive; a `max` of None means any number. `choice` is the common name of
    an element with several types ("value" for `valueString`); the cardinality is that of the
    choice. `targets` are the resource types that a reference may point to, empty for any type.
    `codes` is the closed list of a code; `code_systems` has its URLs.
    """

    name: str
    types: tuple[str, ...]
    min: int
    max: int | None
    choice: str | None
    targets: tuple[str, ...]
    codes: frozenset[str] | None
    code_systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """
    A resource, a data type, or a backbone element, named by its path (`Organization.contact`).

    `elements` are in the order of the standard; those of a primitive belong to its `_name` sibling.
    `pattern` is the published regular expression that the whole text of a primitive must match.
    """

    name: str
    kind: Kind
    elements: Mapping[str, Element]
    pattern: str | None


@dataclass(frozen=True, slots=True)
class Invariant:
    """
    A FHIRPath constraint of the standard on a type, or on each value of its `member`.

    `member` is "" for a constraint on the type itself; only those of severity "error" must hold.
    """

    type: str
    member: str
    key: str
    severity: Literal["error", "warning"]
    expression: str
    human: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """
    A criterion that a resource type can be searched by.

    `expression` is the FHIRPath that the index evaluates, or None. `published` is the expression of
    the guide if it differs, and `correction` the reason. `record` is a key of `records`.
    """

    resource_type: str
    name: str
    type: str
    expression: str | None
    published: str | None
    correction: str | None
    targets: tuple[str, ...]
    record: str | None
    canonical: str
    custom: bool
    maturity: Maturity
    aliases: tuple[str, ...]
    description_fr: str
    description_en: str

    @property
    def reads(self) -> bool:
        """Whether it reads anything of a resource; if not, it could never match."""
        return bool(self.expression) or self.name in FULL_TEXT


@dataclass(frozen=True, slots=True)
class RepeatedRecord:
    """
    A repeated group of values that criteria match together, such as a bed capacity of a place.

    `roots` are FHIRPath expressions: the record itself, then the repeated parts inside it.
    """

    name: str
    resource_type: str
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileElement:
    """
    The constraints of a profile on an element.

    `min` and `max` are inclusive and already account for the base; a `max` of None means no limit.
    `types` of `("*",)` means any type. `pattern` must be contained in the value, `fixed` must be
    the value.
    """

    path: str
    id: str | None
    slice: str | None
    min: int
    max: int | None
    types: tuple[str, ...]
    profile: str | None
    targets: tuple[str, ...]
    value_set: str | None
    strength: str | None
    pattern: Any
    fixed: Any
    must_support: bool
    slicing: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Profile:
    """
    A ROR profile on a resource, or a ROR extension.

    `contexts` are the paths where an extension may be used, empty when the guide does not say.
    """

    name: str
    url: str
    base: str
    kind: Literal["resource", "extension"]
    type: str
    contexts: tuple[str, ...]
    elements: tuple[ProfileElement, ...]


# --- types and elements ---------------------------------------------------------------------------


@cache
def type_definition(name: str) -> TypeDefinition:
    """
    The definition of a resource type, a data type or a backbone element.

    Raises KeyError when the project has no table for it.

    >>> type_definition("Organization").elements["partOf"].targets
    ('Organization',)
    >>> type_definition("Extension").elements["valueString"].choice
    'value'
    """
    tables = _tables("elements.json")
    table = tables["types"][name]
    elements = {
        element.name: element
        for row in table["elements"]
        for element in _expanded(*row, code_lists=tables["codes"])
    }
    return TypeDefinition(name, table["kind"], MappingProxyType(elements), table.get("pattern"))


@cache
def summary_elements(resource_type: str) -> frozenset[str]:
    """
    The JSON names of the elements in the FHIR R4 summary of one of `RESOURCE_TYPES`.

    Raises KeyError for another type.

    >>> [name in summary_elements("Organization") for name in ("partOf", "extension")]
    [True, False]
    """
    in_summary = frozenset(
        name.removesuffix("[x]") for name in _tables("elements.json")["summaries"][resource_type]
    )
    elements = type_definition(resource_type).elements.values()
    return frozenset(each.name for each in elements if (each.choice or each.name) in in_summary)


@cache
def invariants() -> tuple[Invariant, ...]:
    """The constraints of every type that a resource of the directory may hold."""
    return tuple(Invariant(**row) for row in _tables("elements.json")["invariants"])


def type_names() -> tuple[str, ...]:
    """The name of every resource, data type, backbone element and primitive that has a table."""
    return tuple(_tables("elements.json")["types"])


@cache
def all_resource_type_names() -> frozenset[str]:
    """The name of every resource type of FHIR R4, with or without a table here."""
    return frozenset(_tables("elements.json")["resourceTypes"]) - {"Resource", "DomainResource"}


def _expanded(
    name: str,
    types: list[str],
    minimum: int,
    maximum: int | None,
    targets: Iterable[str] = (),
    codes: str | None = None,
    *,
    code_lists: Mapping[str, list[str]],
) -> list[Element]:
    """An element; for a choice of types (`value[x]`), an element for each of its types."""
    code_list = frozenset(code_lists[codes]) if codes else None
    if not name.endswith("[x]"):
        systems = _systems_of(codes) if codes else ()
        return [
            Element(name, tuple(types), minimum, maximum, None, tuple(targets), code_list, systems)
        ]
    choice = name.removesuffix("[x]")
    return [
        Element(
            choice + kind[0].upper() + kind[1:],
            (kind,),
            minimum,
            maximum,
            choice,
            tuple(targets) if kind in ("Reference", "canonical") else (),
            None,
        )
        for kind in types
    ]


def _systems_of(code_list: str) -> tuple[str, ...]:
    """The URLs of a closed list of codes; most lists have a code system of the same name."""
    systems = _SYSTEMS_OF_SEVERAL.get(code_list, (code_list,))
    return tuple(f"{_FHIR}{name}" for name in (*systems, f"ValueSet/{code_list}"))


_FHIR: Final = "http://hl7.org/fhir/"
_SYSTEMS_OF_SEVERAL: Final = {"task-intent": ("task-intent", "request-intent")}
"""Lists with codes of several systems. Source: FHIR R4, valueset-task-intent.html."""


# --- search parameters ----------------------------------------------------------------------------


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """
    The search parameters of a resource type by name, without aliases; empty for other types.

    Parameters of every resource are included even if the guide does not list them for this type.
    """
    by_name = {
        parameter.name: parameter
        for parameter in all_search_parameters()
        if parameter.resource_type == resource_type
    }
    if by_name:
        for parameter in all_search_parameters():
            if parameter.name in COMMON_PARAMETERS and parameter.name not in by_name:
                implied = replace(parameter, resource_type=resource_type, maturity="implied")
                by_name[parameter.name] = implied
        for parameter in _standard_parameters():
            by_name.setdefault(parameter.name, replace(parameter, resource_type=resource_type))
    return MappingProxyType(by_name)


def search_parameter(resource_type: str, name: str) -> SearchParameter | None:
    """
    The search parameter that a resource type has under this name or alias.

    >>> search_parameter("Organization", "amount-value").name
    'price-amount-value'
    """
    parameter = search_parameters(resource_type).get(name)
    return parameter or _by_alias().get((resource_type, name))


def search_parameters_digest() -> str:
    """A short text that changes whenever a search parameter reads resources differently."""
    digest: str = _tables("search_parameters.json")["digest"]
    return digest


@cache
def all_search_parameters() -> tuple[SearchParameter, ...]:
    """Every search parameter that the guide lists, in the order of `RESOURCE_TYPES`."""
    return tuple(map(_parameter, _tables("search_parameters.json")["parameters"]))


@cache
def _standard_parameters() -> tuple[SearchParameter, ...]:
    """The parameters that FHIR R4 defines for every resource and the guide does not list."""
    return tuple(map(_parameter, _tables("search_parameters.json")["standard"]))


def _parameter(row: dict[str, Any]) -> SearchParameter:
    return SearchParameter(
        resource_type=row["resource"],
        name=row["name"],
        type=row["type"],
        expression=row.get("expression"),
        published=row.get("published"),
        correction=row.get("correction"),
        targets=tuple(row.get("targets", ())),
        record=row.get("record"),
        canonical=row["canonical"],
        custom=row["custom"],
        maturity=row["maturity"],
        aliases=tuple(row.get("aliases", ())),
        description_fr=row["description"]["fr"],
        description_en=row["description"]["en"],
    )


@cache
def _by_alias() -> Mapping[tuple[str, str], SearchParameter]:
    return {
        (parameter.resource_type, alias): parameter
        for parameter in all_search_parameters()
        for alias in parameter.aliases
    }


@cache
def records() -> Mapping[str, RepeatedRecord]:
    """The repeated records by name."""
    return MappingProxyType(
        {
            name: RepeatedRecord(name, row["resource"], tuple(row["roots"]))
            for name, row in _tables("search_parameters.json")["records"].items()
        }
    )


@cache
def includes() -> Mapping[str, SearchParameter]:
    """The parameters that `_include` and `_revinclude` accept, by "Type:parameter"."""
    references = (each for each in all_search_parameters() if each.type == "reference")
    return MappingProxyType({f"{each.resource_type}:{each.name}": each for each in references})


# --- the guide ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Guide:
    """The edition of the ROR guide that this project follows."""

    package: str
    version: str

    def canonical(self, resource_type: str, resource_id: str) -> str:
        """The canonical URL, with its version, of a resource of the guide."""
        return f"{GUIDE_BASE}/{resource_type}/{resource_id}|{self.version}"


GUIDE_BASE: Final = "https://interop.esante.gouv.fr/ig/fhir/ror"
"""The start of the canonical URLs of the guide."""


def guide() -> Guide:
    """
    The edition of the guide that the profiles come from.

    >>> guide().package
    'ans.fhir.fr.ror'
    """
    provenance = _tables("profiles.json")["provenance"]
    return Guide(provenance["package"], provenance["version"])


# --- profiles and extensions ----------------------------------------------------------------------


def profiles() -> Mapping[str, Profile]:
    """The profiles on resources, by canonical URL."""
    return _profiles_of_kind("resource")


def profile(url: str) -> Profile | None:
    """The profile on a resource with this canonical URL."""
    return profiles().get(url)


def extensions() -> Mapping[str, Profile]:
    """The extensions of the guide, by canonical URL."""
    return _profiles_of_kind("extension")


def extension(url: str) -> Profile | None:
    """The extension of the guide with this canonical URL."""
    return extensions().get(url)


@cache
def _profiles_of_kind(kind: str) -> Mapping[str, Profile]:
    return MappingProxyType(
        {
            row["url"]: Profile(
                name=name,
                url=row["url"],
                base=row["base"],
                kind=row["kind"],
                type=row["type"],
                contexts=tuple(row["contexts"]),
                elements=tuple(_profile_element(element) for element in row["elements"]),
            )
            for name, row in _tables("profiles.json")["profiles"].items()
            if row["kind"] == kind
        }
    )


def _profile_element(row: dict[str, Any]) -> ProfileElement:
    return ProfileElement(
        path=row["path"],
        id=row.get("id"),
        slice=row.get("slice"),
        min=row.get("min", 0),
        max=row.get("max"),
        types=tuple(row.get("types", ())),
        profile=row.get("profile"),
        targets=tuple(row.get("targets", ())),
        value_set=row.get("valueSet"),
        strength=row.get("strength"),
        pattern=row.get("pattern"),
        fixed=row.get("fixed"),
        must_support=row.get("mustSupport", False),
        slicing=row.get("slicing"),
    )


@cache
def resource_profiles() -> Mapping[str, str]:
    """The canonical URL of the ROR profile of each resource type that has one."""
    by_type = {profile.type: profile.url for profile in profiles().values()}
    return MappingProxyType({name: by_type[name] for name in RESOURCE_TYPES if name in by_type})


# --- loading --------------------------------------------------------------------------------------


@cache
def _tables(file_name: str) -> dict[str, Any]:
    """The content of a data file of `ror.standard.knowledge`."""
    decoded: dict[str, Any] = msgspec.json.decode(
        files("ror.standard.knowledge").joinpath(file_name).read_bytes()
    )
    return decoded
