"""
Requests of every kind about a directory, drawn from what is really in it: its hidden values as well
as the others.

An asker who may see less asks exactly for what is not shown: codes, words, identifiers and links of
hidden resources and of hidden parts. Each criterion takes its value from some resource as it was
written, so that most of them would find something if nothing were hidden.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from ror.search.index.extract import extract
from ror.search.language.criterion_values import PREFIXES
from ror.search.language.entry_names import record_of
from ror.search.language.filter import OPERATORS
from ror.search.language.modifiers import modifiers_of
from ror.search.language.parse import SORTABLE
from ror.search.language.values import (
    Canonical,
    NamedReference,
    Period,
    Position,
    Quantity,
    Text,
    Token,
    TypedIdentifier,
    Value,
    Words,
)
from ror.standard.definitions import (
    FULL_TEXT,
    RESOURCE_TYPES,
    SearchParameter,
    search_parameters,
)
from ror.standard.references import Reference
from tests.access import worlds
from tests.search import worlds as plain
from tests.search.test_fuzz import LINKS

MOST_HOPS = 3
Key = tuple[str, str]
"""The type and id of a resource."""


@dataclass(frozen=True)
class Request:
    """
    What is asked: the pairs of a query string, how to read them, and how many resources may come
    along.
    """

    resource_type: str
    pairs: tuple[tuple[str, str], ...]
    lenient: bool = False
    independent: bool = False
    max_included: int | None = None


class Grammar:
    """Draws requests about some resources."""

    def __init__(self, resources: Iterable[dict[str, Any]]) -> None:
        self._values: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._held: dict[Key, list[tuple[str, str, int]]] = {}
        """
        What each resource can be found by: the names of entries, a value, and the row of its
        record.
        """
        self._steps: defaultdict[Key, list[tuple[str, Key]]] = defaultdict(list)
        """From each resource, how a criterion gets to others that are linked with it."""
        for one in resources:
            key, entries = (one["resourceType"], one["id"]), extract(one)
            written = [
                (name, text, row)
                for name, held in entries.items()
                for value, row in held
                if (text := _written(value))
            ]
            self._held[key] = [
                one for one in written if ":" in one[0] or one[0] in _asked_of(key[0])
            ]
            for name, text, _ in written:
                self._values[key[0], name].append(text)
            for name, held in entries.items():
                for value, _ in held:
                    if isinstance(value, Reference):
                        self._steps[key].append((f"{name}:{value.type}.", tuple(value)))
                        self._steps[tuple(value)].append((f"_has:{key[0]}:{name}:", key))

    def request(self, random: Random) -> Request:
        resource_type = random.choice(
            (*RESOURCE_TYPES, "Location", "HealthcareService", "Organization", "PractitionerRole")
        )
        count = random.choice((0, 1, 1, 1, 2, 2, 3))
        pairs = [pair for _ in range(count) for pair in self._criteria(random, resource_type)]
        if random.random() < 0.25 and resource_type != "Questionnaire":
            pairs.append(("_filter", self._filter(random, resource_type, 2)))
        pairs += [_inclusion(random, resource_type) for _ in range(random.choice((0, 0, 1, 2)))]
        pairs += [
            (name, make(self, random, resource_type, pairs))
            for name, share, make in RESULTS
            if random.random() < share
        ]
        return Request(
            resource_type,
            tuple(pairs),
            lenient=random.random() < 0.05,
            independent=random.random() < 0.15,
            max_included=random.choice((None, None, None, 2, 5)),
        )

    # --- criteria ---

    def _criteria(self, random: Random, resource_type: str) -> list[tuple[str, str]]:
        """A criterion, or two that meet on one record."""
        starts = [key for key in self._held if key[0] == resource_type]
        aimed = (
            self._aimed(random, random.choice(starts)) if starts and random.random() < 0.6 else []
        )
        return aimed or [self._drawn(random, resource_type)]

    def _aimed(self, random: Random, key: Key) -> list[tuple[str, str]]:
        """Criteria that this resource satisfies, by itself or by what is linked with it."""
        path = ""
        for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
            steps = [(step, to) for step, to in self._steps[key] if to in self._held]
            if not steps:
                break
            step, key = random.choice(steps)
            path += step.replace(":Organization.", ":above.") if random.random() < 0.15 else step
        if not self._held[key]:
            return []
        words = [one for one in self._held[key] if one[0] in FULL_TEXT]
        name, value, row = random.choice(
            words if words and random.random() < 0.15 else self._held[key]
        )
        if name in FULL_TEXT and random.random() < 0.7:
            # A choice of words: which of them a match has, and how well, is in its score.
            return [(f"{path}{name}", f"{random.choice(worlds.WORDS)[:5]},{value}")]
        record = record_of(key[0], name)
        if record and random.random() < 0.6:
            beside = [
                one
                for one in self._held[key]
                if one[2] == row and record_of(key[0], one[0]) == record
            ]
            return [
                (f"{path}{name}", value)
                for name, value, _ in random.sample(beside, min(2, len(beside)))
            ]
        parameter = search_parameters(key[0]).get(name)
        modifier = random.choice(
            (None, None, None, None, *(modifiers_of(parameter) if parameter else ()))
        )
        if modifier == "missing":
            return [(f"{path}{name}:missing", random.choice(("false", "false", "true")))]
        return [(f"{path}{name}:not" if modifier == "not" else f"{path}{name}", value)]

    def _drawn(self, random: Random, resource_type: str) -> tuple[str, str]:
        name, parameter = self._name(random, resource_type, 0)
        modifiers = [one for one in modifiers_of(parameter) if one not in RESOURCE_TYPES]
        if modifiers and random.random() < 0.35:
            modifier = random.choice(modifiers)
            return f"{name}:{modifier}", self._value(random, parameter, modifier)
        count = random.choice((1, 1, 1, 2))
        return name, ",".join(self._value(random, parameter, None) for _ in range(count))

    def _name(self, random: Random, resource_type: str, hops: int) -> tuple[str, SearchParameter]:
        """The name of a criterion, behind some links or none, and the parameter at its end."""
        parameters = [one for one in search_parameters(resource_type).values() if one.reads]
        links = [one for one in parameters if one.type == "reference" and one.targets]
        chance = random.random() if hops < MOST_HOPS else 1.0
        if chance < 0.25 and links:
            link = random.choice(links)
            target = random.choice(link.targets)
            inner, parameter = self._name(random, target, hops + 1)
            typed = f":{target}" if len(link.targets) > 1 else random.choice(("", f":{target}"))
            above = random.random() < 0.4 and link.targets == ("Organization",)
            return f"{link.name}{':above' if above else typed}.{inner}", parameter
        if 0.25 < chance < 0.45:
            back = [(source, name) for source, name, to in LINKS if to == resource_type]
            source, link_name = random.choice(back)
            inner, parameter = self._name(random, source, hops + 1)
            return f"_has:{source}:{link_name}:{inner}", parameter
        parameter = random.choice(parameters)
        return parameter.name, parameter

    def _value(self, random: Random, parameter: SearchParameter, modifier: str | None) -> str:
        if modifier == "missing":
            return random.choice(("true", "false"))
        if modifier == "of-type":
            system = random.choice((plain.SYSTEMS[0], worlds.SYSTEMS[0]))
            return f"{system}|{random.choice(plain.CODES)}|{random.choice(worlds.IDENTIFIERS)}"
        if modifier == "identifier":
            return _identifier(random)
        if modifier == "text":
            return random.choice((*worlds.WORDS, *plain.LABELS)).replace(",", "\\,")[:6]
        if parameter.name == "near-insee-code":
            return _around_commune(random)
        if parameter.name not in FULL_TEXT and (make := MADE.get(parameter.type)):
            return make(random)
        known = self._values[parameter.resource_type, parameter.name]
        if not known or random.random() < 0.1:
            return random.choice(plain.CODES)
        value = random.choice(known)
        is_text = parameter.type == "string" and modifier != "exact"
        return (
            value[: random.randint(1, len(value))] if is_text and random.random() < 0.5 else value
        )

    # --- filters ---

    def _filter(self, random: Random, resource_type: str, depth: int) -> str:
        kind = (
            random.choice(("comparison", "comparison", "and", "or", "not"))
            if depth
            else "comparison"
        )
        if kind == "comparison":
            return self._comparison(random, resource_type)
        inner = self._filter(random, resource_type, depth - 1)
        return (
            f"not({inner})"
            if kind == "not"
            else f"({inner}) {kind} {self._filter(random, resource_type, depth - 1)}"
        )

    def _comparison(self, random: Random, resource_type: str) -> str:
        name, parameter = self._name(random, resource_type, 1)
        if parameter.name in FULL_TEXT:
            return f'{name} co "{self._value(random, parameter, None)}"'
        operator = random.choice(OPERATORS[parameter.type])
        if operator == "pr":
            return f"{name} pr {random.choice(('true', 'false'))}"
        value = self._value(random, parameter, None)
        if parameter.type in ("date", "number", "quantity"):
            value = value.removeprefix(next((one for one in PREFIXES if value.startswith(one)), ""))
        return f'{name} {operator} "{value}"'

    # --- the answer ---

    def sort(self, random: Random, resource_type: str, pairs: list[tuple[str, str]]) -> str:
        keys = {
            self._sort_key(random, resource_type): random.choice(("", "-"))
            for _ in range(random.choice((1, 1, 2)))
        }
        if (
            any("_content" in name or "_text" in name for name, _ in pairs)
            and random.random() < 0.7
        ):
            keys["_score"] = random.choice(("", "-"))
        near = [
            name
            for name, _ in pairs
            if name.split(".")[-1] == "near" and not name.startswith("_has")
        ]
        if near and random.random() < 0.8:
            keys[near[0]] = random.choice(("", "-"))
        return ",".join(f"{minus}{name}" for name, minus in keys.items())

    def _sort_key(self, random: Random, resource_type: str) -> str:
        names: list[str] = []
        while random.random() < 0.35 and len(names) < MOST_HOPS:
            links = [
                one
                for one in search_parameters(resource_type).values()
                if one.type == "reference" and one.targets
            ]
            if not links:
                break
            link = random.choice(links)
            resource_type = random.choice(link.targets)
            names.append(f"{link.name}:{resource_type}" if len(link.targets) > 1 else link.name)
        sortable = [
            one.name
            for one in search_parameters(resource_type).values()
            if one.type in SORTABLE and one.expression
        ]
        return ".".join([*names, random.choice((*sortable, "_lastUpdated", "_id"))])

    def elements(self, random: Random, resource_type: str, pairs: list[tuple[str, str]]) -> str:
        return random.choice(ELEMENTS[resource_type])


ELEMENTS = {
    "Organization": ("contact", "extension", "telecom,name", "partOf"),
    "HealthcareService": ("characteristic", "location,extension", "telecom", "coverageArea"),
    "Location": ("extension", "telecom", "position,partOf"),
    "Practitioner": ("telecom", "qualification"),
    "PractitionerRole": ("telecom,location", "healthcareService"),
    "Task": ("focus,for", "input"),
    "Measure": ("url",),
    "MeasureReport": ("reporter",),
    "Questionnaire": ("title",),
    "Endpoint": ("name",),
}

RESULTS: tuple[tuple[str, float, Callable[..., str]], ...] = (
    ("_sort", 0.4, Grammar.sort),
    ("_count", 0.6, lambda grammar, random, *_: random.choice(("1", "2", "3", "50", "0"))),
    ("_elements", 0.08, Grammar.elements),
    (
        "_summary",
        0.08,
        lambda grammar, random, *_: random.choice(("true", "text", "data", "count")),
    ),
    ("_total", 0.05, lambda grammar, random, *_: random.choice(("none", "accurate"))),
    ("__explain", 0.2, lambda *_: "true"),
)
"""The parameters of the answer: how often each is given, and its value."""


# --- values ---------------------------------------------------------------------------------------


@cache
def _asked_of(resource_type: str) -> frozenset[str]:
    """The names of the parameters of a type that can be asked for."""
    return frozenset(name for name, one in search_parameters(resource_type).items() if one.reads)


def _written(value: Value) -> str | None:
    """How a query writes an indexed value; None for what it cannot ask in one word."""
    match value:
        case TypedIdentifier(code, kind):
            return None if kind.endswith("|") else f"{kind}|{code}"
        case Token(code, system):
            return f"{system}|{code}" if code and system and len(code) % 2 else code or None
        case Text(_, exact):
            return exact
        case Words(_, words):
            return words[-1]
        case Canonical(url, version):
            return f"{url}|{version}" if version else url
        case NamedReference(code, system, _, _):
            return f"{system}|{code}"
        case Reference(resource_type, resource_id):
            return f"{resource_type}/{resource_id}"
        case Period():
            return "ge2024"
        case Position(latitude, longitude):
            return f"{latitude}|{longitude}|1|km"
        case Quantity(number, _):
            return str(number)
        case Decimal():
            return str(value)
        case _:
            return None


def _identifier(random: Random) -> str:
    system = random.choice((*worlds.SYSTEMS, ""))
    return (
        f"{system}|{random.choice(worlds.IDENTIFIERS)}"
        if system
        else random.choice(worlds.IDENTIFIERS)
    )


def _date(random: Random) -> str:
    return random.choice(("", *PREFIXES)) + random.choice(plain.DATES)


def _number(random: Random) -> str:
    return random.choice(("", *PREFIXES)) + str(random.choice(plain.NUMBERS))


def _reference(random: Random) -> str:
    return random.choice(plain.IDS)


def _position(random: Random) -> str:
    reach = random.choice(("0.1", "5", "30"))
    return f"{random.choice(plain.LATITUDES)}|{random.choice(plain.LONGITUDES)}|{reach}|km"


def _around_commune(random: Random) -> str:
    return f"{random.choice(('75056', '45234'))}|{random.choice(('20', '90', '150'))}|km"


MADE: dict[str, Callable[[Random], str]] = {
    "date": _date,
    "number": _number,
    "quantity": _number,
    "reference": _reference,
    "special": _position,
}


def _inclusion(random: Random, resource_type: str) -> tuple[str, str]:
    near = [link for link in LINKS if resource_type in (link[0], link[2])]
    source, name, target = random.choice(near if random.random() < 0.6 else LINKS)
    rule = random.choice(("_include", "_revinclude", "_include:iterate", "_revinclude:iterate"))
    return rule, f"{source}:{name}" + random.choice(("", "", f":{target}"))
