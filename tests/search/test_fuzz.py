"""
Whatever is asked, the answer is the right one or a refusal that can be told: never a crash, never a
long wait.

Requests are drawn from a grammar of query strings in which a good part is broken, and filters are
also broken byte by byte. What is understood is answered by a real directory and compared with
`matches`. The n-th request is always the same: a failure names it, and `request(n)` or
`broken_filter(n)` draws it again. `make test-long` sends 100,000.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest

from ror.access import Viewer
from ror.errors import RorError
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.language.criterion_values import PREFIXES
from ror.search.language.expression import matches
from ror.search.language.filter import OPERATORS
from ror.search.language.modifiers import MODIFIERS, modifiers_of_type
from ror.search.language.parse import parse
from ror.settings import Settings
from ror.standard.definitions import RESOURCE_TYPES, SearchParameter, search_parameters
from tests.amounts import amount
from tests.conftest import keep
from tests.search import worlds

pytestmark = pytest.mark.long


COUNT = amount(2_000, 100_000)
"""Requests asked, half of each kind."""
SLOW_S = 2.0
"""Of processor time: what else a machine does is not the fault of a request."""
SEED = 7

TYPES = (
    *worlds.SHAPES,
    "HealthcareService",
    "Location",
    "Organization",
    "Practitioner",
    "Questionnaire",
)
"""Drawn from: those that the world is dense in come more often."""
JUNK = (
    "",
    " ",
    "é",
    "''",
    '"',
    "%",
    "|",
    "||",
    ",",
    "\\",
    "\\,",
    "$",
    "(",
    ")",
    ":",
    ".",
    "*",
    "\0",
    "\u202e",
    "😀",
    "-0",
)
MODIFIED = (
    "above",
    "iterate",
    "below",
    "x",
    "",
    *RESOURCE_TYPES,
    *MODIFIERS,
)


@dataclass(frozen=True)
class Request:
    """What is asked: the pairs of a query string, and how to read them."""

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    lenient: bool
    independent: bool


# --- a grammar of requests ------------------------------------------------------------------------


def request(n: int) -> Request:
    """The n-th request of the grammar."""
    random = Random(f"{SEED} {n}")
    resource_type = random.choice(TYPES)
    pairs = tuple(_pair(random, resource_type) for _ in range(random.choice((1, 1, 1, 2, 2, 3, 6))))
    return Request(resource_type, pairs, random.random() < 0.2, random.random() < 0.2)


def _pair(random: Random, resource_type: str) -> tuple[str, str]:
    kind = random.choices((_criterion, _inclusion, _result, _filter_pair), (70, 8, 10, 12))[0]
    name, value = kind(random, resource_type)
    if random.random() < 0.04:
        name = _mangled(random, name)
    if random.random() < 0.06:
        value = _mangled(random, value)
    return name, value


def _criterion(random: Random, resource_type: str) -> tuple[str, str]:
    name, parameter = _name(random, resource_type, 0)
    if random.random() < 0.25:
        modifier = random.choice((*modifiers_of_type(parameter.type), random.choice(MODIFIED)))
        return f"{name}:{modifier}", random.choice(
            ("true", "false")
        ) if modifier == "missing" else _values(random, parameter)
    return name, _values(random, parameter)


def _name(random: Random, resource_type: str, links: int) -> tuple[str, SearchParameter]:
    """The name of a criterion, behind some links or none, and the parameter at its end."""
    parameters = [one for one in search_parameters(resource_type).values() if one.reads]
    forward = [one for one in parameters if one.type == "reference"]
    chance = random.random() if links < 3 else 1
    if chance < 0.2 and forward:
        link = random.choice(forward)
        target = random.choice(link.targets or RESOURCE_TYPES)
        inner, parameter = _name(random, target, links + 1)
        typed = random.choice(
            (
                "" if len(link.targets) == 1 else f":{target}",
                f":{target}",
                ":above" if target == "Organization" else "",
            )
        )
        return f"{link.name}{typed}.{inner}", parameter
    if 0.2 < chance < 0.35:
        source, link_name = random.choice(
            [(source, name) for source, name, to in LINKS if to == resource_type] or LINKS
        )[:2]
        inner, parameter = _name(random, source, links + 1)
        return f"_has:{source}:{link_name}:{inner}", parameter
    parameter = random.choice(parameters)
    return parameter.name, parameter


LINKS = [
    (source, parameter.name, target)
    for source in RESOURCE_TYPES
    for parameter in search_parameters(source).values()
    if parameter.type == "reference"
    for target in parameter.targets
]


def _values(random: Random, parameter: SearchParameter) -> str:
    return ",".join(_value(random, parameter.type) for _ in range(random.choice((1, 1, 1, 2, 3))))


def _value(random: Random, kind: str) -> str:
    return VALUES[kind](random) if random.random() < 0.95 else random.choice(JUNK)


def _token(random: Random) -> str:
    code = random.choice((*worlds.CODES, *worlds.IDS, "true", "false", "active"))
    system = random.choice((*worlds.SYSTEMS, worlds.ACTIVITIES))
    return random.choice(
        (code, code, f"{system}|{code}", f"{system}|", f"|{code}", f"{system}|{code}")
    )


def _string(random: Random) -> str:
    text = random.choice((*worlds.NAMES, *worlds.LABELS)).replace(",", "\\,")
    start = random.randrange(len(text))
    return random.choice((text, text[: start + 1], text[start:], text.upper()))


def _date(random: Random) -> str:
    return random.choice(("", "", *PREFIXES)) + random.choice(
        (*worlds.DATES, "2024-02-30", "2024-13", "0001", "9999-12-31")
    )


def _number(random: Random) -> str:
    return random.choice(("", *PREFIXES)) + random.choice(
        ("0", "1", "2", "1.0", "1e1", "-1", ".5", "1e999", "NaN", "1_0")
    )


def _quantity(random: Random) -> str:
    unit = random.choice(
        ("", "", f"|{random.choice(worlds.UNITS)}|{random.choice(('kg', 'a'))}", "||kg", "|kg")
    )
    return _number(random) + unit


def _reference(random: Random) -> str:
    found = random.choice((*worlds.IDS, "absent"))
    return random.choice(
        (found, f"{random.choice(RESOURCE_TYPES)}/{found}", random.choice(worlds.CANONICALS))
    )


def _position(random: Random) -> str:
    here = f"{random.choice(worlds.LATITUDES)}|{random.choice(worlds.LONGITUDES)}"
    where = random.choice((here, "75113", "29019"))
    reach = random.choice(("0", "1", "50", "1000", "-1", "x"))
    return f"{where}|{reach}|{random.choice(('km', 'm', ''))}"


VALUES: dict[str, Callable[[Random], str]] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": lambda random: random.choice(("urn:x", "http://example.org/profile|1", "a,b", "|")),
    "special": _position,
}


def _inclusion(random: Random, _: str) -> tuple[str, str]:
    source, name, target = random.choice(LINKS)
    rule = random.choice(("_include", "_revinclude", "_include:iterate", "_revinclude:iterate"))
    return rule, f"{source}:{name}" + random.choice(("", "", f":{target}"))


def _result(random: Random, resource_type: str) -> tuple[str, str]:
    names = [
        f"{random.choice(('', '-'))}{_name(random, resource_type, 2)[0]}"
        for _ in range(random.randint(1, 3))
    ]
    return random.choice(
        (
            ("_sort", ",".join(names)),
            ("_sort", random.choice(("_score", "-_score", "near", "_lastUpdated", "-name,_id"))),
            ("_count", random.choice(("0", "1", "3", "5000", "-1", "x"))),
            ("_elements", random.choice(("identifier", "name,status", "location", "x", ""))),
            ("_summary", random.choice(("true", "false", "text", "data", "count", "x"))),
            ("_total", random.choice(("none", "accurate", "x"))),
            ("__explain", "true"),
            ("_cursor", random.choice(("x", "e30", "WzFd"))),
        )
    )


# --- filters --------------------------------------------------------------------------------------


def _filter_pair(random: Random, resource_type: str) -> tuple[str, str]:
    return "_filter", _filter(random, resource_type, 3)


def _filter(random: Random, resource_type: str, depth: int) -> str:
    kind = (
        random.choice(("comparison", "comparison", "list", "and", "or", "not", "parentheses"))
        if depth
        else "comparison"
    )
    if kind == "comparison":
        return _comparison(random, resource_type)
    inner = _filter(random, resource_type, depth - 1)
    if kind == "not":
        return f"not({inner})"
    if kind == "parentheses":
        return f"({inner})"
    if kind == "list":
        return f"({_comparison(random, resource_type)} or {_operand(random, 'token')})"
    return f"({inner}) {kind} {_filter(random, resource_type, depth - 1)}"


def _comparison(random: Random, resource_type: str) -> str:
    name, parameter = _name(random, resource_type, 0)
    known = OPERATORS[parameter.type] if random.random() < 0.95 else ("in", "po", "=", "==", "x")
    operator = random.choice(("eq", *known))
    value = (
        random.choice(("true", "false")) if operator == "pr" else _operand(random, parameter.type)
    )
    modifier = f":{random.choice(MODIFIED)}" if random.random() < 0.08 else ""
    return f"{name}{modifier} {operator} {value}"


def _operand(random: Random, kind: str) -> str:
    value = _value(random, kind)
    for prefix in PREFIXES:
        if kind in ("date", "number", "quantity"):
            value = value.removeprefix(prefix)
    return f'"{value}"' if " " in value or random.random() < 0.2 else value


def broken_filter(n: int) -> Request:
    """The n-th filter with some of its bytes changed, lost, doubled or moved."""
    random = Random(f"{SEED} filter {n}")
    resource_type = random.choice(TYPES)
    text = bytearray(_filter(random, resource_type, 4).encode())
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 6))):
        at = random.randrange(len(text) + 1)
        random.choice(BREAKS)(random, text, at)
    broken = text.decode(errors="replace")
    return Request(
        resource_type, (("_filter", broken),), random.random() < 0.1, random.random() < 0.2
    )


BREAKS: tuple[Callable[[Random, bytearray, int], Any], ...] = (
    lambda random, text, at: text.insert(at, random.randrange(256)),
    lambda random, text, at: text.insert(at, random.choice(b'()":.|, \\')),
    lambda random, text, at: text.__delitem__(slice(at, at + 1)),
    lambda random, text, at: text.__delitem__(slice(at, at + random.randrange(20))),
    lambda random, text, at: text.__setitem__(slice(at, at), text[at : at + random.randrange(30)]),
    lambda random, text, at: text.__setitem__(slice(at, at + 1), bytes([random.randrange(256)])),
    lambda random, text, at: text.__setitem__(slice(at, at), b"(" * random.choice((1, 70))),
)


def _mangled(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(JUNK) + text[at + random.randrange(3) :]


# --- the law --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> worlds.SlowWorld:
    """A dense world, as `matches` asks it."""
    return worlds.SlowWorld(_writes())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """The same world, open in this process."""
    opened = open_directory(
        Settings(database=f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/ror.db")
    )
    keep(opened.store, [one for one in _writes()[0] if not one.get("deleted")])
    opened.refresh()
    yield opened
    opened.close()


def _writes() -> list[list[dict[str, Any]]]:
    """One batch: what the batches of a world leave."""
    final = {
        (one["resourceType"], one["id"]): one
        for batch in worlds.batches(Random(SEED))
        for one in batch
    }
    return [list(final.values())]


@pytest.mark.parametrize("draw", [request, broken_filter], ids=lambda draw: draw.__name__)
def test_any_request_is_answered_rightly_or_refused_by_name(directory, world, draw):
    some = understood = 0
    for n in range(COUNT // 2):
        asked = draw(n)
        start = time.process_time()
        try:
            total = _answered(directory, world, asked)
        except RorError as refusal:
            assert 400 <= refusal.status < 500, asked
            assert refusal.text("fr") and refusal.text("en"), asked
        except Exception as crash:
            raise AssertionError(f"{draw.__name__}({n}): {asked}") from crash
        else:
            understood += 1
            some += total > 0
        assert time.process_time() - start < SLOW_S, f"{draw.__name__}({n}): {asked}"

    # A grammar that is never understood, or never finds anything, would prove nothing.
    assert understood > COUNT // 2 * 0.2
    assert some > COUNT // 2 * 0.1


def _answered(directory: Directory, world: worlds.SlowWorld, asked: Request) -> int:
    """The total of an answer that says what `matches` does; raises RorError for what is refused."""
    read = parse(
        asked.resource_type, asked.pairs, lenient=asked.lenient, independent=asked.independent
    )
    answer = search(
        directory.index, directory.bodies, Viewer(1), read, "http://ror.example/fhir", "fr"
    )
    bundle = msgspec.json.decode(answer.body)
    found = [
        one["resource"]["id"] for one in bundle.get("entry", ()) if one["search"]["mode"] == "match"
    ]
    expected = {
        one.id for one in world.of_type(asked.resource_type) if matches(read.expression, one, world)
    }
    assert answer.total == bundle["total"] == len(expected)
    assert len(found) == len(set(found)) == min(len(expected), 0 if read.summary else read.count)
    assert expected.issuperset(found)
    return answer.total
