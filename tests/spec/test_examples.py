"""
Resources written as the guide writes them come in, are read back as they were, and are found by all
they hold.

Ours, in `examples/`, hold every search parameter at least once; those of the published guide join
them when the shared folder is there. What a parameter reads is worked out by a FHIRPath engine
written by others, never by our extraction.

Deliberate breakages that these tests caught: reading decimals as floats on the way in, indexing a
string unfolded, indexing quantities without their unit, and an expression that selects nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ror.resources.versions import without_version
from ror.search.language.values import fold
from ror.standard.definitions import RESOURCE_TYPES, search_parameters
from tests.conftest import Server, import_lines, serving
from tests.fhirpath import selected

decode = msgspec.json.Decoder(float_hook=Decimal).decode

OURS = Path(__file__).parent / "examples"
SHARED = Path(__file__).parents[3] / "shared"
PUBLISHED = [
    *sorted(SHARED.glob("spec/examples/*.json")),
    *sorted(SHARED.glob("data/guide/**/*.json")),
]
COMMUNE_NEAR = {"carbet-lieu": "97204"}
"""The commune that a place is near: no expression gives it."""


@dataclass(frozen=True)
class Case:
    """A parameter of an example: the values that must find it, and those that must not."""

    file: Path
    param: str
    finds: tuple[str, ...]
    misses: tuple[str, ...]


def read(file: Path) -> dict[str, Any]:
    """The JSON of a file, its numbers as they are written."""
    return decode(file.read_bytes())


def is_resource(file: Path) -> bool:
    return read(file).get("resourceType") in RESOURCE_TYPES


FILES = [*sorted(OURS.glob("*.json")), *filter(is_resource, PUBLISHED)]


def test_the_published_examples_are_there_or_it_is_said():
    if not PUBLISHED:
        pytest.skip(f"no published example under {SHARED}: only our own are tested")
    assert any(file not in FILES or SHARED in file.parents for file in FILES)


# --- values that must find, and one that must not -------------------------------------------------


def _tokens(value: Any) -> Iterator[tuple[str, str]]:
    """The `(system, code)` pairs of anything that a token parameter selects."""
    match value:
        case str():
            yield "", value
        case {"coding": list(codings)}:
            for coding in codings:
                yield coding.get("system", ""), coding["code"]
        case {"code": str(code)} | {"value": str(code)}:
            yield value.get("system", ""), code


def _token(value: Any) -> Iterator[str]:
    for system, code in _tokens(value):
        yield code
        yield f"{system}|{code}"


def _string(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        # A name or an address is found by any of its parts.
        for name in ("text", "family", "given", "prefix", "suffix", "line", "city", "postalCode"):
            parts = value.get(name, ())
            for part in (parts,) if isinstance(parts, str) else filter(None, parts):
                yield from _string(part)
        return
    start = value[: max(3, len(value) // 2)]
    yield from map(_escaped, (value, start, start.upper(), fold(start)))


def _escaped(text: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", text)


def _date(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        year = int(value[:4])
        yield from (
            value,
            f"eq{value}",
            f"ge{value}",
            f"le{value}",
            f"sa{year - 2}",
            f"eb{year + 2}",
        )
        return
    if "start" in value:
        yield from (f"ge{value['start'][:10]}", f"gt{int(value['start'][:4]) - 1}")
    if "end" in value:
        yield from (f"le{value['end'][:10]}", f"lt{int(value['end'][:4]) + 1}")


def _number(value: Any) -> Iterator[str]:
    number = Decimal(str(value))
    yield from (f"{number}", f"ge{number}", f"lt{number + 1}", f"gt{number - 1}")


def _quantity(value: dict[str, Any]) -> Iterator[str]:
    number, unit = Decimal(str(value["value"])), value.get("code", "a")
    named = f"{number}|{value.get('system', 'http://unitsofmeasure.org')}|{unit}"
    yield from (named, f"{number}||{unit}", f"le{number}", f"ge{named}")


def _reference(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (value, value.partition("|")[0])
    elif "reference" in value:
        yield from (value["reference"], value["reference"].partition("/")[2])


def _uri(value: str) -> Iterator[str]:
    yield from (value, value.partition("|")[0])


def _position(value: dict[str, Any]) -> Iterator[str]:
    yield from (
        f"{value['latitude']}|{value['longitude']}|1|km",
        f"{value['latitude']}|{value['longitude']}|1",
    )


@dataclass(frozen=True)
class Asking:
    """
    How a type of parameter is asked: by a value that it holds, and by one that no example holds.
    """

    finds: Callable[[Any], Iterator[str]]
    misses: tuple[str, ...]


ASKING = {
    "token": Asking(_token, ("aucun-code", "urn:oid:1.2.3|01")),
    "string": Asking(_string, ("§", "Œuvres complètes")),
    "date": Asking(_date, ("lt1900", "sa2090")),
    "number": Asking(_number, ("lt-1", "gt1000000")),
    "quantity": Asking(_quantity, ("gt1000000", "ge0|https://www.example.org/units|verges")),
    "reference": Asking(_reference, ("absent",)),
    "uri": Asking(_uri, ("http://absent.example",)),
    "special": Asking(_position, ("-45.5|120.5|1|km",)),
}


def _boolean(value: bool) -> Asking:
    """A boolean that is no "false" is a "true": no value is held by no example."""
    held, other = (str(one).lower() for one in (value, not value))
    return Asking(
        lambda _: iter((held, f"http://terminology.hl7.org/CodeSystem/special-values|{held}")),
        (other,),
    )


def cases(file: Path) -> Iterator[Case]:
    """Every search parameter that an example has a value for."""
    resource = read(file)
    resource.setdefault("meta", {}).setdefault("lastUpdated", str(datetime.now(UTC).year))
    if resource["id"] in COMMUNE_NEAR:
        yield Case(
            file, "near-insee-code", (f"{COMMUNE_NEAR[resource['id']]}|30|km",), ("01001|30|km",)
        )
    for name, parameter in search_parameters(resource["resourceType"]).items():
        values = selected(resource, name) if name != "near-insee-code" else []
        if not values:
            continue
        asking = _boolean(values[0]) if isinstance(values[0], bool) else ASKING[parameter.type]
        finds = [value for one in values for value in asking.finds(one)]
        yield Case(file, name, tuple(dict.fromkeys(finds)), asking.misses)


CASES = [case for file in FILES for case in cases(file)]


def test_our_own_examples_hold_every_search_parameter_that_reads_something():
    held = {
        (read(case.file)["resourceType"], case.param) for case in CASES if OURS in case.file.parents
    }

    assert held == {
        (resource_type, name)
        for resource_type in RESOURCE_TYPES
        for name, parameter in search_parameters(resource_type).items()
        if parameter.expression
    }


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds the examples, and what they point at."""
    database = f"sqlite:///{tmp_path_factory.mktemp('examples')}/ror.db"
    import_lines(database, [file.read_bytes() for file in FILES])
    import_lines(database, _pointed_at())
    with serving(database) as running:
        yield running


def _pointed_at() -> Iterator[bytes]:
    """
    Something behind each reference that leads out of the examples: only what exists can be pointed
    at.
    """
    present = {f"{one['resourceType']}/{one['id']}" for one in map(read, FILES)}
    wanted = {
        value["reference"]
        for file in FILES
        for name, parameter in search_parameters(read(file)["resourceType"]).items()
        if parameter.type == "reference"
        for value in selected(read(file), name)
        if isinstance(value, dict) and "reference" in value
    }
    for reference in sorted(wanted - present):
        resource_type, _, resource_id = reference.partition("/")
        needed = (
            {"status": "active"} if resource_type in ("Task", "Questionnaire", "Measure") else {}
        )
        named = (
            {"name": f"Renvoi {resource_id}"}
            if resource_type in ("Organization", "HealthcareService")
            else {}
        )
        yield msgspec.json.encode(
            {"resourceType": resource_type, "id": resource_id, **needed, **named}
        )


def _identified(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


@pytest.mark.parametrize("file", FILES, ids=_identified)
def test_an_example_is_read_back_with_the_same_content(served, file):
    given = read(file)

    answer = served.get(f"{given['resourceType']}/{given['id']}")

    returned = decode(answer.content)
    assert returned["meta"]["versionId"] == "1"
    assert as_text(without_version(returned)) == as_text(without_version(given))


def as_text(value: Any) -> Any:
    """
    JSON whose numbers are the text that was written, so that 2.10 is not 2.1; a Decimal keeps its
    digits.
    """
    match value:
        case dict():
            return {name: as_text(one) for name, one in value.items()}
        case list():
            return [as_text(one) for one in value]
        case Decimal():
            return ("decimal", str(value))
        case bool() | str() | None:
            return value
        case number:
            return ("integer", str(number))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{_identified(case.file)}-{case.param}")
def test_every_search_parameter_finds_the_example_by_what_it_holds(served, case):
    resource = read(case.file)

    for value in case.finds:
        assert resource["id"] in _found(served, resource["resourceType"], case.param, value), value
    for value in case.misses:
        assert resource["id"] not in _found(served, resource["resourceType"], case.param, value), (
            value
        )


def _found(server: Server, resource_type: str, param: str, value: str) -> set[str]:
    bundle = server.search(resource_type, **{param: value})
    entries = bundle.get("entry", ())
    return {entry["resource"]["id"] for entry in entries if entry["search"]["mode"] != "outcome"}
