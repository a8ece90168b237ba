"""
The rows of `matrix.toml`, and resources made from them: each has every element of its type, at
every level and kind.

A step of a path is a member, `member:slice`, or `extension:name`. Items of a slice are known by
their `id`, extensions by their URL. What repeats (contacts, telecoms, capacities) has an item for
each column of its rule: `id` says which.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count, product
from pathlib import Path
from typing import Any

ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
ANNUAIRE = "https://apifhir.annuaire.sante.fr/ws-sync/exposed/structuredefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
REGION = f"{NOS}TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM"
UPDATED = "2026-05-28T20:26:40.000+00:00"
NONE = "-"
"""The column of what states no level."""

FIELDS = {"care": "01", "town": "05", "social": "04"}
SITUATIONS = tuple(f"{name}{sensitive}" for sensitive in ("", "!") for name in FIELDS)
"""
What the offer is that a resource is linked to: its field of activity, `!` when it is a sensitive
unit.
"""

STRICT = "3.0.1"

CAPACITIES: Mapping[str, Mapping[str, str]] = {
    "installed": {"status": "01", "assignment": "01"},
    "assigned": {"status": "01", "assignment": "02"},
    "available": {"status": "02", "assignment": "01"},
    "closed": {"status": "03", "assignment": "01"},
    "extra": {"status": "06", "assignment": "01"},
    "extra-bed": {"status": "02", "assignment": "01", "bed": "01"},
    "installed-extra": {"status": "01", "assignment": "01", "bed": "01"},
    "unknown": {"status": "99", "assignment": "01"},
}
"""What tells the kinds of a capacity apart."""

REPEATED = {
    "contact",
    "telecom",
    "extension:ror-healthcareservice-contact",
    "extension:ror-healthcareservice-contact-telecom",
    "extension:ror-location-supported-capacity",
}
"""The steps at which items stand for the columns of a rule."""

LISTS = {
    "Organization": "identifier type alias telecom address contact",
    "HealthcareService": "identifier category type specialty telecom characteristic availableTime daysOfWeek"
    " notAvailable coverageArea location",
    "Location": "identifier alias type telecom",
    "Practitioner": "identifier name prefix given telecom qualification",
    "PractitionerRole": "identifier code specialty telecom availableTime healthcareService location",
    "Task": "identifier",
    "Measure": "identifier topic",
    "MeasureReport": "identifier",
    "Questionnaire": "identifier",
}
"""The members that are lists, beside `extension` and `tag`."""

URLS = {
    "usePeriod": "http://hl7.org/fhir/StructureDefinition/organization-period",
    "organization-period": "http://hl7.org/fhir/StructureDefinition/organization-period",
    "ror-organization-level-recourse-orsan": f"{ROR}ror-organization-level-recours-orsan",
    "ror-organization-geolocation": "http://hl7.org/fhir/StructureDefinition/geolocation",
    "inseeCode": "http://interopsante.org/fhir/StructureDefinition/FrAddressInseeCode",
    "lieuDit": "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-lieu-dit",
    "postalBox": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-postBox",
    "contracted": f"{ANNUAIRE}practitionerRole-contracted",
    "optionCAS": f"{ANNUAIRE}practitionerRole-hasCAS",
    "vitalAccepted": f"{ANNUAIRE}practitionerRole-vitaleAccepted",
}
"""The URLs of extensions that the mapping names otherwise."""

_ADDRESS_PARTS = [
    "careOf",
    "additionalLocator",
    "houseNumber",
    "buildingNumberSuffix",
    "streetNameType",
    "streetNameBase",
]
URLS |= {
    name: f"http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-{name}" for name in _ADDRESS_PARTS
}

Json = dict[str, Any]
Step = str
Grade = tuple[str, ...]
"""
The column of an item: its level or kind, after that of what it stands in; empty for what does not
repeat.
"""


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Element:
    """A row: an element of a type, the rule that governs it, what stands there, what finds it."""

    type: str
    path: str
    rule: str
    kind: str
    asked: tuple[str, ...]

    @property
    def steps(self) -> list[Step]:
        # No name of an extension has a dot in it.
        return self.path.split(".")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("matrix.toml").read_text("utf-8"))


@cache
def elements() -> tuple[Element, ...]:
    """Every row of the table."""
    types = {name: rules for name, rules in _table().items() if name not in ("rules", "policies")}
    return tuple(
        Element(resource_type, path, rule, *_said(text))
        for resource_type, rules in types.items()
        for rule, rows in rules.items()
        for path, text in rows.items()
    )


def _said(text: str) -> tuple[str, tuple[str, ...]]:
    kind, _, asked = text.partition("?")
    return kind.strip(), tuple(one.strip() for one in asked.split(",") if one.strip())


Cells = Mapping[str, Mapping[Grade, frozenset[int]]]
"""Who sees what a rule governs: by situation, then by column."""


@cache
def cells(rule: str, policy: str = STRICT) -> Cells:
    """The cells of a rule under a policy."""
    text = _table()["policies"].get(policy, {}).get(rule, _table()["rules"][rule])
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    columns: list[Grade] = [()]
    if not lines[0][0]:
        columns, lines = [tuple(one.split()) for one in lines[0][1:]], lines[1:]
    rows = {
        name: {
            grade: frozenset(map(int, profiles))
            for grade, profiles in zip(columns, row, strict=True)
        }
        for name, *row in lines
    }
    return {situation: rows.get(situation, rows.get("*", {})) for situation in SITUATIONS}


def policies() -> tuple[str, ...]:
    """The policies of the table, the strict one first."""
    return (STRICT, *_table()["policies"])


def changed_by(policy: str) -> tuple[str, ...]:
    """The rules whose cells a policy changes; all of them for the strict one."""
    return tuple(_table()["policies"].get(policy, _table()["rules"]))


# --- resources made from it -----------------------------------------------------------------------


@dataclass
class Values:
    """Values that differ from one another, for a resource in one situation."""

    situation: str
    _numbers: Iterator[int] = field(default_factory=lambda: count(1000))

    def of(self, kind: str, grade: Grade) -> Any:
        """A value of a kind; None for what has none in this column."""
        number = next(self._numbers)
        if "/" in kind:
            return {"reference": _linked(kind, self.situation)}
        if kind.startswith("TRE_"):
            return _concept(f"{NOS}{kind}/FHIR/{kind.replace('_', '-')}", f"C{number}")
        if kind in ("status", "assignment", "bed"):
            code = CAPACITIES[grade[-1]].get(kind)
            return code and _concept("https://example.org/codes", code)
        if kind == "level":
            return (
                None
                if grade[-1] == NONE
                else _concept(f"{NOS}TRE_R283-NiveauConfidentialite", grade[-1])
            )
        made: Mapping[str, Any] = {
            "text": _word(number),
            "human": {"text": _word(number)},
            "code": _concept("https://example.org/codes", f"C{number}"),
            "act": {
                **_concept(
                    f"{NOS}TRE_R210-ActeSpecifique/FHIR/TRE-R210-ActeSpecifique", f"C{number}"
                ),
                "extension": [{"url": f"{ROR}ror-act-type", "valueCode": "outsideOfficeAct"}],
            },
            "coding": {"system": "https://example.org/codes", "code": f"C{number}"},
            "identifier": {"system": "https://example.org/identifiers", "value": f"I{number}"},
            "field": _concept(f"{NOS}TRE_R227-ChampActivite", FIELDS[self.situation.rstrip("!")]),
            "sensitive": self.situation.endswith("!"),
            "active": "active",
            "flag": True,
            "number": number,
            "decimal": number / 100,
            "latitude": 48.4,
            "longitude": -4.5,
            "weight": {"value": number, "unit": "kg"},
            "money": {"value": number, "currency": "EUR"},
            "range": {"low": {"value": 12, "unit": "a"}, "high": {"value": 75, "unit": "a"}},
            "phone": f"02980{number}",
            "canonical": f"https://example.org/Questionnaire/{number}",
            "date": f"{number}-01-01",
            "day": f"{number}-01-01",
            "dateTime": f"{number}-01-01T10:00:00Z",
            "start": "1990-01-01",
            "end": f"{number + 1000}-01-01",
            "period": {"start": "2024-01-01", "end": "2024-06-01"},
            "time": "08:00:00",
            "days": ["mon"],
        }
        return made[kind]


_VALUE_NAMES = {
    "text": "valueString",
    "human": "valueHumanName",
    "phone": "valueString",
    "flag": "valueBoolean",
    "sensitive": "valueBoolean",
    "number": "valueInteger",
    "decimal": "valueDecimal",
    "weight": "valueQuantity",
    "money": "valueMoney",
    "range": "valueRange",
    "canonical": "valueCanonical",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "period": "valuePeriod",
}
"""What the value of an extension is called; a concept when nothing is said."""

_REQUIRED: Mapping[str, Json] = {
    "Organization": {"active": True},
    "Task": {"status": "requested", "intent": "order"},
    "Measure": {"status": "active", "url": "https://example.org/Measure/occupation"},
    "MeasureReport": {
        "status": "complete",
        "type": "summary",
        "measure": "https://example.org/Measure/occupation",
        "period": {"start": "2024-01-01"},
    },
    "Questionnaire": {"status": "active"},
}

NAMES = {
    "Organization": "structure",
    "HealthcareService": "offer",
    "Location": "place",
    "Practitioner": "professional",
    "PractitionerRole": "role",
    "Task": "anomaly",
    "Measure": "measure",
    "MeasureReport": "report",
    "Questionnaire": "form",
}
"""What the resource of each type is called in a world: its id, before the situation."""


def id_of(resource_type: str, situation: str) -> str:
    return f"{NAMES[resource_type]}-{situation.replace('!', '-sensitive')}"


def world() -> list[Json]:
    """
    A resource of each type for each situation, linked to the offer of that situation, and what all
    share.
    """
    around = [
        {"resourceType": "Organization", "id": "holder", "name": "Groupe"},
        {"resourceType": "Location", "id": "area", "status": "active"},
    ]
    return around + [
        made(resource_type, situation) for resource_type, situation in product(NAMES, SITUATIONS)
    ]


def made(resource_type: str, situation: str) -> Json:
    """The resource of a type in a situation, with every element that the table has for it."""
    tag = {"id": "codeRegion", "system": REGION, "code": "53"}
    resource: Json = {
        "resourceType": resource_type,
        "id": id_of(resource_type, situation),
        "meta": {
            "profile": ["https://example.org/profile"],
            "lastUpdated": UPDATED,
            "security": [{"system": "https://example.org/security", "code": "U"}],
            "tag": [tag],
        },
        **_REQUIRED.get(resource_type, {}),
    }
    values = Values(situation)
    for element in elements():
        if (
            element.type == resource_type
            and element.kind not in ("whole", "given")
            and element.path != "meta.tag:codeRegion"
        ):
            for grade in cells(element.rule)[situation]:
                value = values.of(element.kind, grade)
                if value is not None:
                    _place(
                        resource,
                        resource_type,
                        element.steps,
                        value,
                        _VALUE_NAMES.get(element.kind),
                        list(grade),
                    )
    return resource


def _place(
    node: Json,
    resource_type: str,
    steps: Sequence[Step],
    value: Any,
    value_name: str | None,
    grade: list[str],
) -> None:
    """Put a value where a path leads from a node, making what is on the way."""
    step, *rest = steps
    member, _, name = step.partition(":")
    if member == "value[x]":
        node.setdefault("valuePeriod", {})[rest[0]] = value
    elif member == "extension":
        item = _item(
            node.setdefault("extension", []), step, grade, "url", URLS.get(name, _url(name))
        )
        if rest:
            _place(item, resource_type, rest, value, value_name, grade)
        else:
            item[value_name or "valueCodeableConcept"] = value
    elif rest and (
        member == "line" or (member == "name" and name == "" and rest[0].startswith("extension"))
    ):
        inside = node.setdefault(f"_{member}", [{}] if member == "line" else {})
        _place(
            inside[0] if member == "line" else inside, resource_type, rest, value, value_name, grade
        )
    elif _is_list(node, member, resource_type):
        items = node.setdefault(member, [])
        if rest:
            _place(
                _item(items, step, grade, "id", name), resource_type, rest, value, value_name, grade
            )
        elif isinstance(value, list):
            items.extend(value)
        else:
            items.append({"id": name, **value} if name and isinstance(value, dict) else value)
    elif rest:
        _place(node.setdefault(member, {}), resource_type, rest, value, value_name, grade)
    else:
        node[member] = value


def _is_list(node: Json, member: str, resource_type: str) -> bool:
    if member in ("name", "code") and "resourceType" not in node:
        # The name of a contact and the code of a qualification stand alone.
        return False
    return member == "tag" or member in LISTS[resource_type].split()


def _item(items: list[Json], step: Step, grade: list[str], known_by: str, name: str) -> Json:
    """
    The item of a list that a step leads to, made when there is none; one that repeats uses up a
    column.
    """
    wanted = {known_by: name} if name else {}
    if step in REPEATED:
        wanted["id"] = f"column.{grade.pop(0)}"
    for item in items:
        if all(item.get(key) == one for key, one in wanted.items()):
            return item
    items.append({**wanted, "system": "phone"} if step == "telecom" else wanted)
    return items[-1]


def _url(name: str) -> str:
    return f"{ROR}{name}" if name.startswith("ror-") else name


def _word(number: int) -> str:
    """A word that nothing else looks like: digits as letters."""
    return "mot" + "".join(chr(ord("k") + int(digit)) for digit in str(number))


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _linked(kind: str, situation: str) -> str:
    resource_type, _, name = kind.partition("/")
    return (
        kind if name in ("holder", "area") else f"{resource_type}/{id_of(resource_type, situation)}"
    )


# --- what stands where ----------------------------------------------------------------------------


def found_at(resource: Json, element: Element) -> dict[Grade, list[Any]]:
    """What stands at an element in a resource, by column."""
    found: dict[Grade, list[Any]] = {}
    for grade, value in _below(resource, element.steps, ()):
        found.setdefault(grade, []).append(value)
    return found


def _below(node: Any, steps: Sequence[Step], grade: Grade) -> Iterator[tuple[Grade, Any]]:
    if not steps:
        yield grade, node
        return
    step, *rest = steps
    member, _, name = step.partition(":")
    if member == "value[x]":
        values = [value for key, value in node.items() if key.startswith("value")]
    elif member == "extension":
        values = [
            one for one in node.get("extension", ()) if one["url"] == URLS.get(name, _url(name))
        ]
    else:
        primitive = rest and (member == "line" or isinstance(node.get(member), str))
        value = node.get(f"_{member}" if primitive else member, [])
        values = value if isinstance(value, list) else [value]
        if name:
            values = [one for one in values if not isinstance(one, dict) or one.get("id") == name]
    for value in values:
        inner = (*grade, value["id"].removeprefix("column.")) if step in REPEATED else grade
        yield from _below(value, rest, inner)


def asked_for(value: Any) -> str:
    """How a search asks for a value that stands somewhere."""
    if isinstance(value, dict):
        if "url" in value:
            return asked_for(next(one for name, one in value.items() if name.startswith("value")))
        if "coding" in value:
            return asked_for(value["coding"][0])
        return str(
            next(value[name] for name in ("code", "reference", "text", "value") if name in value)
        )
    return str(value).lower() if isinstance(value, bool) else str(value)
