"""
An edition of the terminology: its code systems, value sets and associations.

The tables are the NOS tables of the ANS (`knowledge/terminology.json.gz`, built by
`tools/build_terminology.py`), the code systems that the ROR guide defines itself
(`knowledge/ror_terminology.toml`), and the communes of `ror.standard.geography`, which are the
codes of TRE_R13-CommuneOM. The shipped tables are read at their first use.
"""

import gzip
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from ror.standard import geography

COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
"""The code system whose codes are those of `ror.standard.geography`."""


@dataclass(frozen=True, slots=True)
class Concept:
    """
    A code with its labels and its dates of use.

    `display` is None when only the code could be read; `alt` is the other published label, short or
    long. `start` is the first day of use and `end` the day the code left use; None means not known.
    `status` is `active`, `deprecated`, or None when not known.
    """

    code: str
    display: str | None = None
    alt: str | None = None
    start: date | None = None
    end: date | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """The codes of a subject, ended ones included (a TRE); `complete` if no code is missing."""

    url: str
    name: str
    oid: str | None
    version: str | None
    complete: bool
    concepts: Mapping[str, Concept]


@dataclass(frozen=True, slots=True)
class ValueSet:
    """
    The codes allowed for an element (a JDV), by code system; None means every code of the system.

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


class Overlay(NamedTuple):
    """A newer NOS table as its file has it, and the name of the file."""

    content: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Terminology:
    """One edition of all codes; it never changes."""

    code_systems: Mapping[str, CodeSystem]
    value_sets: Mapping[str, ValueSet]
    associations: Mapping[str, Association]
    spellings: Mapping[str, str]
    provenance: Mapping[str, Any]
    overlay: Overlay | None
    """The newer table that completes the shipped tables, if any."""


_KINDS: Final = {"code_systems": "url", "value_sets": "url", "associations": "name"}
"""The kinds of tables in a NOS file, and what identifies a table of each."""


@cache
def shipped() -> Terminology:
    """The edition that ships with the project."""
    return _assembled(_shipped_table(), origin="shipped with ror", overlay=None)


def overlaid(overlay: Overlay) -> Terminology:
    """
    The shipped edition under a newer NOS table.

    A table of the overlay replaces the shipped table of the same url; the others stay. Raises
    ValueError when the content is not a table made by `tools/build_terminology.py`.
    """
    old = _shipped_table()
    try:
        new = _decoded(overlay.content)
        merged = {
            kind: list({table[key]: table for table in (*old[kind], *new[kind])}.values())
            for kind, key in _KINDS.items()
        }
        merged["provenance"] = new["provenance"]
        return _assembled(merged, overlay.origin, overlay)
    except (
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        msgspec.MsgspecError,
        KeyError,
        TypeError,
    ) as problem:
        raise ValueError(
            f"{overlay.origin} is not a table of code systems ({problem!r});"
            " make one with tools/build_terminology.py"
        ) from problem


def _shipped_table() -> dict[str, Any]:
    return _decoded(files("ror.standard.knowledge").joinpath("terminology.json.gz").read_bytes())


def _decoded(packed: bytes) -> dict[str, Any]:
    return msgspec.json.decode(gzip.decompress(packed), type=dict[str, Any])


def _assembled(nos: Mapping[str, Any], origin: str, overlay: Overlay | None) -> Terminology:
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
    return Terminology(
        code_systems=systems,
        value_sets=sets,
        associations={table["name"]: _association(table) for table in nos["associations"]},
        spellings=_spellings(systems, sets.values(), local["spellings"]),
        provenance={**nos["provenance"], "file": origin},
        overlay=overlay,
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
    """
    The codes of a value set whose code system has no known url (J286): the value set's own url
    stands for it.
    """
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


def _value_set(table: Mapping[str, Any], earlier: Mapping[str, ValueSet]) -> ValueSet:
    includes: dict[str, frozenset[str] | None] = {}
    for part in table.get("includes", ()):
        codes = part.get("codes")
        includes[part["system"] or table["url"]] = None if codes is None else frozenset(codes)
    for url in table.get("union_of", ()):
        includes |= earlier[url].includes
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
    """The published url of a code system by each of its other spellings."""
    sets = list(sets)
    published = {*systems, *(system for value_set in sets for system in value_set.includes)}
    published_url = {url: url for url in published}
    published_url |= {f"urn:oid:{each.oid}": each.url for each in systems.values() if each.oid}
    published_url |= {
        value_set.url: system
        for value_set in sets
        if len(value_set.includes) == 1
        for system in value_set.includes
    }
    published_url |= mistaken
    return {
        spelling: target
        for url, target in published_url.items()
        for spelling in _variants(url)
        if spelling not in published
    }


def _variants(url: str) -> Iterator[str]:
    scheme, mark, rest = url.partition("://")
    hosts = [f"http://{rest}", f"https://{rest}"] if mark else [url]
    for address in hosts:
        folder, slash, last = address.rpartition("/")
        for name in {last, last.replace("-", "_", 1), last.replace("_", "-", 1)}:
            yield f"{folder}{slash}{name}"
            if scheme in ("http", "https"):
                yield f"{folder}{slash}{name}/"


class _CommuneConcepts(Mapping[str, Concept]):
    """
    The communes as concepts, each made when asked for: communes of today in use, the codes they
    replaced ended.
    """

    def __getitem__(self, code: str) -> Concept:
        commune = geography.commune(code)
        if commune is None:
            raise KeyError(code)
        if code == commune.code:
            return Concept(code, commune.name, status="active")
        # The name that went with a former code is not in the table, and today's commune is another
        # one.
        return Concept(code, status="deprecated")

    def __iter__(self) -> Iterator[str]:
        for commune in geography.communes():
            yield commune.code
            yield from commune.former_codes

    def __len__(self) -> int:
        return sum(1 + len(commune.former_codes) for commune in geography.communes())


# Incomplete: it lacks old codes that the geographic table does not list, and codes of later
# releases.
COMMUNE_SYSTEM: Final = CodeSystem(
    COMMUNES, "TRE_R13-CommuneOM", "1.2.250.1.213.2.23", None, False, _CommuneConcepts()
)
