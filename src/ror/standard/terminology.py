"""
Which codes exist, what they are called, and whether a code may stand where it is used.

Three sources, all data: the NOS tables of the ANS (`knowledge/terminology.json.gz`, built by
`tools/build_terminology.py`), the code systems that the ROR guide defines itself (`knowledge/ror_terminology.toml`),
and the communes of `ror.standard.geography`, which are the codes of TRE_R13-CommuneOM. They are read at the first
question, never when this module is imported; `load` lays a newer NOS table over the shipped one.

What to do with a code that does not belong (accept, warn, refuse) is the caller's decision: `standing` says only what
is known. Codes are compared exactly: NOS calls them case-insensitive but publishes one spelling, and leading zeros
count.
"""

import gzip
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from ror.standard import geography

COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
"""The code system whose codes are those of `ror.standard.geography`."""


@dataclass(frozen=True, slots=True)
class Concept:
    """
    A code with its labels and its life.

    `display` is None when only the code could be read; `alt` is the other published label, short or long. `start` is
    the first day of use and `end` the day the code left use; None means not known. `status` is `active`,
    `deprecated`, or None when not known.
    """

    code: str
    display: str | None = None
    alt: str | None = None
    start: date | None = None
    end: date | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """All the codes ever given on a subject (a TRE); `complete` when the whole list is known to have been read."""

    url: str
    name: str
    oid: str | None
    version: str | None
    complete: bool
    concepts: Mapping[str, Concept]


@dataclass(frozen=True, slots=True)
class ValueSet:
    """
    The codes that may be used in one place (a JDV), by code system; None stands for every code of the system.

    `retired` is the day the publisher retired the value set as a whole; its codes stay usable.
    """

    url: str
    name: str
    oid: str | None
    version: str | None
    retired: date | None
    includes: Mapping[str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Association:
    """A table from the codes of `source` to those of `target` (an ASS)."""

    name: str
    version: str | None
    source: str
    target: str
    equivalence: str
    targets: Mapping[str, tuple[str, ...]]


class Standing(Enum):
    """What a code is to a value set."""

    member = "member"
    """In the value set: may be written."""
    obsolete = "obsolete"
    """In the code system but not in the value set (ended, or not for ROR): may be read, not newly written."""
    unknown = "unknown"
    """In no list that this value set draws on, and those lists are whole: an error."""
    unlisted = "unlisted"
    """Our lists cannot tell: the code system is not loaded, not whole, or has moved on since the value set was read."""


@dataclass(frozen=True, slots=True)
class _Tables:
    code_systems: Mapping[str, CodeSystem]
    value_sets: Mapping[str, ValueSet]
    associations: Mapping[str, Association]
    spellings: Mapping[str, str]
    provenance: Mapping[str, Any]


def canonical_system(url: str) -> str:
    """
    The published url of a code system written some other way; any other text unchanged.

    Known ways: http for https, a slash at the end, `TRE_R345` for `TRE-R345` in the last part, the OID, the names that
    the guide's own pages mistake, and the address of a value set that draws on one code system only. A value set over
    several systems stays as it is: which of them is meant cannot be known from the address.

    >>> canonical_system("http://mos.esante.gouv.fr/NOS/TRE_R13-Commune/FHIR/TRE-R13-Commune/")
    'https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM'
    """
    return _tables().spellings.get(url, url)


def code_system(url: str) -> CodeSystem | None:
    """The code system of this url, under any known spelling; None when it is not loaded."""
    tables = _tables()
    published = tables.spellings.get(url, url)
    found = tables.code_systems.get(published)
    return _COMMUNES if found is None and published == COMMUNES else found


def code_systems() -> Iterable[CodeSystem]:
    """Every code system read from a table, in no promised order; the communes are not among them."""
    return _tables().code_systems.values()


def value_set(url: str) -> ValueSet | None:
    """The value set of this canonical url, a `|version` at its end being ignored; None when it is not loaded."""
    return _tables().value_sets.get(url.partition("|")[0])


def value_sets() -> Iterable[ValueSet]:
    """Every value set loaded, in no promised order."""
    return _tables().value_sets.values()


def drawn_on(url: str, code: str | None = None) -> tuple[str, ...]:
    """
    The code systems that a value set takes a code from, or any code when it is None; none when it is not loaded.

    >>> drawn_on("https://mos.esante.gouv.fr/NOS/JDV_J55-CategorieEG-ROR/FHIR/JDV-J55-CategorieEG-ROR", "SA05")
    ('https://mos.esante.gouv.fr/NOS/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite',)
    """
    found = value_set(url)
    if found is None:
        return ()
    return tuple(
        system
        for system, codes in found.includes.items()
        if code is None or codes is None or code in codes
    )


def association(name: str) -> Association | None:
    """The association of this name, for example `ASS_X09-DepartementOM-RegionOM`; None when it is not loaded."""
    return _tables().associations.get(name)


def display(system: str, code: str) -> str | None:
    """
    The French label of a code, the short one when the full one is not known; None when there is neither.

    >>> display("https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite", "03")
    'Psychiatrie (PSY)'
    """
    concept = _concept(system, code)
    return (concept.display or concept.alt) if concept else None


def labels(system: str, code: str) -> tuple[str, ...]:
    """
    Every French label of a code, full and short; empty for a code that is not known.

    >>> labels("https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite", "03")
    ('Psychiatrie (PSY)', 'PSY')
    """
    concept = _concept(system, code)
    return tuple(one for one in (concept.display, concept.alt) if one) if concept else ()


def is_obsolete(system: str, code: str, on: date) -> bool:
    """
    Whether a code had left use on a day; False for a code that is not known.

    The end date is the day of the release without the code, so the code is obsolete from that day. A deprecated code
    whose end was not read is obsolete whatever the day.
    """
    concept = _concept(system, code)
    if concept is None:
        return False
    return on >= concept.end if concept.end else concept.status == "deprecated"


def members(value_set_url: str) -> list[tuple[str, Concept]]:
    """
    The codes in use of a value set with their system, in the order of the code systems; communes by code.

    Deprecated codes are left out even where the value set still lists them. Empty when the value set is not loaded.
    """
    found = value_set(value_set_url)
    if found is None:
        return []
    return [
        (system, concept)
        for system, codes in found.includes.items()
        for concept in _listed(system, codes)
        if concept.status != "deprecated"
    ]


def standing(value_set_url: str, system: str, code: str) -> Standing:
    """
    What a code is to a value set.

    A code of a system that the value set does not draw on is `unknown`: the same code means something else elsewhere
    (`01` of R344 and of R253). A value set that is not loaded leaves everything `unlisted`.
    Source: the rules of NOS on obsolete codes (a code that ends stays in its TRE and leaves the JDVs).
    """
    found = value_set(value_set_url)
    if found is None:
        return Standing.unlisted
    published = canonical_system(system)
    if published not in found.includes:
        return Standing.unknown
    codes = found.includes[published]
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
    # R252 gained codes in a release where its value set was renewed too, and only an older edition of the latter was
    # read: an edition cannot judge the codes born after it.
    return Standing.unlisted if _born_after(concept, found) else Standing.obsolete


def provenance() -> Mapping[str, Any]:
    """Publisher, source, release, day of reading, licence and size of the loaded NOS table, and the file it is from."""
    return _tables().provenance


def load(path: Path | None) -> None:
    """
    Makes every answer here come from the NOS table in `path`, laid over the shipped one; None goes back to the latter.

    A table of the file replaces the shipped table of the same url whole; the others stay. To be called once, at start.
    Raises ValueError when the file is not a table made by `tools/build_terminology.py`, OSError when it cannot be read.
    """
    global _loaded
    _loaded = None if path is None else (path, _overlaid(path))


def loaded_from() -> Path | None:
    """What `load` was given last: for a process that is to know what this one knows."""
    return _loaded[0] if _loaded else None


_loaded: tuple[Path, _Tables] | None = None


def _tables() -> _Tables:
    return _loaded[1] if _loaded else _shipped()


@cache
def _shipped() -> _Tables:
    knowledge = files("ror.standard.knowledge")
    nos = _decoded(knowledge.joinpath("terminology.json.gz").read_bytes())
    return _assembled(nos, origin="shipped with ror")


def _overlaid(path: Path) -> _Tables:
    shipped = _decoded(files("ror.standard.knowledge").joinpath("terminology.json.gz").read_bytes())
    try:
        given = _decoded(path.read_bytes())
        merged = {
            kind: list(
                (
                    {table[key]: table for table in shipped[kind]}
                    | {t[key]: t for t in given[kind]}
                ).values()
            )
            for kind, key in (
                ("code_systems", "url"),
                ("value_sets", "url"),
                ("associations", "name"),
            )
        }
        return _assembled(merged | {"provenance": given["provenance"]}, origin=str(path))
    except (
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        msgspec.MsgspecError,
        KeyError,
        TypeError,
    ) as problem:
        raise ValueError(
            f"{path} is not a table of code systems ({problem!r}); make one with tools/build_terminology.py"
        ) from problem


def _decoded(packed: bytes) -> dict[str, Any]:
    return msgspec.json.decode(gzip.decompress(packed), type=dict[str, Any])


def _assembled(nos: Mapping[str, Any], origin: str) -> _Tables:
    local = tomllib.loads(
        files("ror.standard.knowledge").joinpath("ror_terminology.toml").read_text("utf-8")
    )
    systems = {
        table["url"]: _code_system(table) for table in [*nos["code_systems"], *local["code_system"]]
    }
    sets: dict[str, ValueSet] = {}
    for table in [*nos["value_sets"], *local["value_set"]]:
        sets[table["url"]] = _value_set(table, sets)
        if "displays" in table:
            systems[table["url"]] = _unpublished_system(table)
    return _Tables(
        code_systems=systems,
        value_sets=sets,
        associations={table["name"]: _association(table) for table in nos["associations"]},
        spellings=_spellings(systems, sets.values(), local["spellings"]),
        provenance={**nos["provenance"], "file": origin},
    )


def _code_system(table: Mapping[str, Any]) -> CodeSystem:
    concepts = msgspec.convert(table["concepts"], list[Concept])
    return CodeSystem(
        url=table["url"],
        name=table["name"],
        oid=table.get("oid"),
        version=table.get("version"),
        complete=table.get("complete", False),
        concepts={concept.code: concept for concept in concepts},
    )


def _unpublished_system(table: Mapping[str, Any]) -> CodeSystem:
    """The codes of a value set whose code system has no known url (J286): the value set's own url stands for it."""
    return CodeSystem(
        url=table["url"],
        name=table["name"],
        oid=None,
        version=table.get("version"),
        complete=False,
        concepts={
            code: Concept(code, label, status="active") for code, label in table["displays"].items()
        },
    )


def _value_set(table: Mapping[str, Any], known: Mapping[str, ValueSet]) -> ValueSet:
    includes: dict[str, frozenset[str] | None] = {}
    for part in table.get("includes", ()):
        codes = part.get("codes")
        includes[part["system"] or table["url"]] = None if codes is None else frozenset(codes)
    for url in table.get("union_of", ()):
        includes |= known[url].includes
    return ValueSet(
        url=table["url"],
        name=table["name"],
        oid=table.get("oid"),
        version=table.get("version"),
        retired=msgspec.convert(table.get("retired"), date | None),
        includes=includes,
    )


def _association(table: Mapping[str, Any]) -> Association:
    return Association(
        name=table["name"],
        version=table.get("version"),
        source=table["source"],
        target=table["target"],
        equivalence=table["equivalence"],
        targets={source: tuple(targets) for source, targets in table["map"].items()},
    )


def _spellings(
    systems: Mapping[str, CodeSystem], sets: Iterable[ValueSet], mistaken: Mapping[str, str]
) -> dict[str, str]:
    """The published url for every other way a code system may be written; published urls are not keys."""
    sets = list(sets)
    published = {*systems, *(system for one in sets for system in one.includes)}
    meant = {url: url for url in published}
    meant |= {f"urn:oid:{one.oid}": one.url for one in systems.values() if one.oid}
    meant |= {one.url: system for one in sets if len(one.includes) == 1 for system in one.includes}
    meant |= mistaken
    return {
        spelling: target
        for written, target in meant.items()
        for spelling in _variants(written)
        if spelling not in published
    }


def _variants(url: str) -> Iterator[str]:
    scheme, mark, rest = url.partition("://")
    hosts = [f"http://{rest}", f"https://{rest}"] if mark else [url]
    for one in hosts:
        folder, slash, last = one.rpartition("/")
        for name in {last, last.replace("-", "_", 1), last.replace("_", "-", 1)}:
            yield f"{folder}{slash}{name}"
            if scheme in ("http", "https"):
                yield f"{folder}{slash}{name}/"


def _concept(system: str, code: str) -> Concept | None:
    source = code_system(system)
    if source is None:
        return None
    # Searches read a code of NOS in capitals; the few that are published in small letters have no other spelling.
    return source.concepts.get(code) or source.concepts.get(code.lower())


def _listed(system: str, codes: frozenset[str] | None) -> Sequence[Concept]:
    """The concepts that a value set takes from a system, in the system's order; codes without concept come last."""
    source = code_system(system)
    concepts = source.concepts if source else {}
    if codes is None:
        return list(concepts.values())
    known = [concept for code, concept in concepts.items() if code in codes]
    return known + [Concept(code) for code in sorted(codes - concepts.keys())]


def _born_after(concept: Concept, edition: ValueSet) -> bool:
    if concept.start is None or concept.end is not None or not edition.version:
        return False
    # A version is the release's day and hour, yyyymmdd120000.
    return f"{concept.start:%Y%m%d}" > edition.version[:8]


class _CommuneConcepts(Mapping[str, Concept]):
    """The communes as concepts, each made when asked for: communes of today in use, the codes they replaced ended."""

    def __getitem__(self, code: str) -> Concept:
        commune = geography.commune(code)
        if commune is None:
            raise KeyError(code)
        if code == commune.code:
            return Concept(code, commune.name, status="active")
        # The name that went with a former code is not in the table, and today's commune is another one.
        return Concept(code, status="deprecated")

    def __iter__(self) -> Iterator[str]:
        for commune in geography.communes():
            yield commune.code
            yield from commune.former_codes

    def __len__(self) -> int:
        return sum(1 + len(commune.former_codes) for commune in geography.communes())


# Never whole: codes that ended before the geographic table's memory, and those that a later release adds, are missing.
_COMMUNES = CodeSystem(
    COMMUNES, "TRE_R13-CommuneOM", "1.2.250.1.213.2.23", None, False, _CommuneConcepts()
)
