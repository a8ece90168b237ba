"""
Codes, their labels, and their membership of value sets.

The answers come from the edition in force (`ror.standard.editions`), which `use` replaces. Decision
0030 explains why the process has a single edition.

The caller decides whether to accept a code that is not a member; `standing` only states the facts.
Codes are compared exactly: NOS calls them case-insensitive but publishes one spelling, and leading
zeros count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import Any, Final, ParamSpec, TypeVar, cast

from ror.standard.editions import (
    COMMUNE_SYSTEM,
    COMMUNES,
    Association,
    CodeSystem,
    Concept,
    Terminology,
    ValueSet,
    shipped,
)


class Standing(Enum):
    """The relation of a code to a value set."""

    member = "member"
    """In the value set."""
    obsolete = "obsolete"
    """
    In the code system but not in the value set (ended, or not for ROR): may be read, not newly
    written.
    """
    unknown = "unknown"
    """In none of the code systems of the value set, which are complete: an error."""
    unlisted = "unlisted"
    """
    Our lists cannot tell: the code system is not loaded, not whole, or has moved on since the value
    set was read.
    """


def canonical_system(url: str) -> str:
    """
    The published url of a code system, from any known spelling; any other text unchanged.

    Known ways: http for https, a slash at the end, `TRE_R345` for `TRE-R345` in the last part, the
    OID, the names that the guide's own pages mistake, and the address of a value set that draws on
    one code system only. A value set over several systems stays as it is: which of them is meant
    cannot be known from the address.

    >>> canonical_system("http://mos.esante.gouv.fr/NOS/TRE_R13-Commune/FHIR/TRE-R13-Commune/")
    'https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM'
    """
    return in_force().spellings.get(url, url)


def code_system(url: str) -> CodeSystem | None:
    """The code system of this url, under any known spelling; None if it is not loaded."""
    tables = in_force()
    published = tables.spellings.get(url, url)
    system = tables.code_systems.get(published)
    return COMMUNE_SYSTEM if system is None and published == COMMUNES else system


def code_systems() -> Iterable[CodeSystem]:
    """
    Every code system read from a table, in no promised order; the communes are not among them.
    """
    return in_force().code_systems.values()


def value_set(url: str) -> ValueSet | None:
    """
    The value set of this canonical url, a `|version` at its end being ignored; None when it is not
    loaded.
    """
    return in_force().value_sets.get(url.partition("|")[0])


def value_sets() -> Iterable[ValueSet]:
    """Every value set loaded, in no promised order."""
    return in_force().value_sets.values()


def systems_of(url: str, code: str | None = None) -> tuple[str, ...]:
    """
    The code systems of a value set that have this code, or all of them if `code` is None.

    >>> url = "https://mos.esante.gouv.fr/NOS/JDV_J55-CategorieEG-ROR/FHIR/JDV-J55-CategorieEG-ROR"
    >>> systems_of(url, "SA05")
    ('https://mos.esante.gouv.fr/NOS/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite',)
    """
    source_set = value_set(url)
    if source_set is None:
        return ()
    return tuple(
        system
        for system, codes in source_set.includes.items()
        if code is None or codes is None or code in codes
    )


def association(name: str) -> Association | None:
    """
    The association of this name, for example `ASS_X09-DepartementOM-RegionOM`; None when it is not
    loaded.
    """
    return in_force().associations.get(name)


def display(system: str, code: str) -> str | None:
    """
    The French label of a code, the short one when the full one is not known; None when there is
    neither.

    >>> url = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
    >>> display(url, "03")
    'Psychiatrie (PSY)'
    """
    concept = _concept(system, code)
    return (concept.display or concept.alt) if concept else None


def labels(system: str, code: str) -> tuple[str, ...]:
    """
    Every French label of a code, full and short; empty for a code that is not known.

    >>> url = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"
    >>> labels(url, "03")
    ('Psychiatrie (PSY)', 'PSY')
    """
    concept = _concept(system, code)
    return tuple(filter(None, (concept.display, concept.alt))) if concept else ()


def has_code(system: str, code: str) -> bool:
    """Whether a code system has a code, in use or not; False if it is not loaded."""
    return _concept(system, code) is not None


def is_obsolete(system: str, code: str, on: date) -> bool:
    """
    Whether a code had left use on a day; False for a code that is not known.

    The end date is the day of the release without the code, so the code is obsolete from that day.
    A deprecated code whose end was not read is obsolete whatever the day.
    """
    concept = _concept(system, code)
    if concept is None:
        return False
    return on >= concept.end if concept.end else concept.status == "deprecated"


def members(value_set_url: str) -> list[tuple[str, Concept]]:
    """
    The codes in use of a value set with their system, in the order of the code systems; communes by
    code.

    Deprecated codes are left out even where the value set still lists them. Empty when the value
    set is not loaded.
    """
    source_set = value_set(value_set_url)
    if source_set is None:
        return []
    return [
        (system, concept)
        for system, codes in source_set.includes.items()
        for concept in _concepts_from(system, codes)
        if concept.status != "deprecated"
    ]


def standing(value_set_url: str, system: str, code: str) -> Standing:
    """
    The relation of a code to a value set.

    A code of a system that the value set does not draw on is `unknown`: the same code means
    something else elsewhere (`01` of R344 and of R253). A value set that is not loaded leaves
    everything `unlisted`. Source: the rules of NOS on obsolete codes (a code that ends stays in its
    TRE and leaves the JDVs).
    """
    source_set = value_set(value_set_url)
    if source_set is None:
        return Standing.unlisted
    published = canonical_system(system)
    if published not in source_set.includes:
        return Standing.unknown
    codes = source_set.includes[published]
    if codes is not None and code in codes:
        return Standing.member
    source = code_system(published)
    if source is None:
        return Standing.unlisted
    concept = source.concepts.get(code)
    if concept is None:
        return Standing.unknown if source.complete else Standing.unlisted
    if codes is None:
        return Standing.obsolete if concept.status == "deprecated" else Standing.member
    # R252 gained codes in a release where its value set was renewed too, and only an older edition
    # of the latter was read: an edition cannot judge the codes born after it.
    return Standing.unlisted if _born_after(concept, source_set) else Standing.obsolete


def provenance() -> Mapping[str, Any]:
    """
    Publisher, source, release, day of reading, licence and size of the loaded NOS table, and the
    file it is from.
    """
    return in_force().provenance


# --- editions -------------------------------------------------------------------------------------


_P = ParamSpec("_P")
_R = TypeVar("_R")
_in_force: Terminology | None = None
_caches: Final[list[Callable[[], None]]] = []


def use(edition: Terminology | None) -> None:
    """Put an edition in force; None restores the shipped edition."""
    global _in_force
    _in_force = edition
    for forget in _caches:
        forget()


def in_force() -> Terminology:
    """The edition in force."""
    return _in_force or shipped()


def cached_for_edition(size: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """`lru_cache` for a function of codes. It is emptied when another edition comes into force."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        cached = lru_cache(maxsize=size)(function)
        _caches.append(cached.cache_clear)
        return cast("Callable[_P, _R]", cached)

    return decorate


def _concept(system: str, code: str) -> Concept | None:
    source = code_system(system)
    if source is None:
        return None
    # Searches read a code of NOS in capitals; NOS publishes a few in small letters.
    return source.concepts.get(code) or source.concepts.get(code.lower())


def _concepts_from(system: str, codes: frozenset[str] | None) -> Sequence[Concept]:
    """
    The concepts that a value set takes from a system, in the system's order; codes without concept
    come last.
    """
    source = code_system(system)
    concepts = source.concepts if source else {}
    if codes is None:
        return list(concepts.values())
    listed = [concept for code, concept in concepts.items() if code in codes]
    return listed + [Concept(code) for code in sorted(codes - concepts.keys())]


def _born_after(concept: Concept, edition: ValueSet) -> bool:
    if concept.start is None or concept.end is not None or not edition.version:
        return False
    # A version is the release's day and hour, yyyymmdd120000.
    return f"{concept.start:%Y%m%d}" > edition.version[:8]
