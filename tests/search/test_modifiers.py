"""
What `:text`, `:of-type` and `:identifier` find: one row per rule, asked of the engine on a handful
of resources.
"""

import pytest

from ror.access import Viewer
from ror.search.answer.engine import Search
from ror.search.language.modifiers import MODIFIERS, modifiers_of
from ror.search.language.parse import parse
from ror.standard.definitions import RESOURCE_TYPES, search_parameters
from tests.search.test_parse import asked
from tests.search.worlds import ACTIVITIES, SlowWorld

LOCAL = "https://example.org/local"
TYPES = "https://mos.esante.gouv.fr/NOS/JDV_J236-TypologieIdentifiantLieu-ROR/FHIR/JDV-J236-TypologieIdentifiantLieu-ROR"
NOS = "https://mos.esante.gouv.fr/NOS"
HELD = f"{NOS}/TRE_R354-TypeIdentifiantRessourceOperationnelle/FHIR/TRE-R354-TypeIdentifiantRessourceOperationnelle"
"""
The nomenclature from which the set of values `TYPES` takes the types of the identifiers of places.
"""
KINDS = f"{NOS}/JDV_J55-CategorieEG-ROR/FHIR/JDV-J55-CategorieEG-ROR"
SECTORS = f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
CATEGORIES = f"{NOS}/TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement"
"""A set of values over two nomenclatures: SA05 is a code of the first alone."""


def offer(identity: str, *codings: dict[str, str], text: str | None = None) -> dict[str, object]:
    concept = {"coding": list(codings)} if codings else {}
    return {
        "resourceType": "HealthcareService",
        "id": identity,
        "specialty": [{**concept, **({"text": text} if text else {})}],
    }


def place(identity: str, *identifiers: dict[str, object]) -> dict[str, object]:
    return {"resourceType": "Location", "id": identity, "identifier": list(identifiers)}


def typed(code: str, **more: str) -> dict[str, object]:
    return {
        "type": {
            "coding": [{"system": TYPES, "code": code}],
            **({"text": "Clé"} if code == "26" else {}),
        },
        **more,
    }


def bed(code: str, display: str, count: int) -> dict[str, object]:
    url = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/ror-location-supported-capacity"
    kind = {"coding": [{"system": LOCAL, "code": code, "display": display}]}
    parts = [
        {"url": "capacityType", "valueCodeableConcept": kind},
        {"url": "nbCapacity", "valueInteger": count},
    ]
    return {"url": url, "extension": parts}


WORLD = SlowWorld(
    [
        [
            offer("labelled", {"system": ACTIVITIES, "code": "02"}),
            offer("displayed", {"system": LOCAL, "code": "x", "display": "Soins publics"}),
            offer("renamed", {"system": ACTIVITIES, "code": "01", "display": "Soins de l’enfant"}),
            offer("uncoded", text="Soins au travail"),
            offer("other", {"system": ACTIVITIES, "code": "01"}, {"system": LOCAL, "code": "02"}),
            place("pair", typed("25", value="A"), typed("26", value="B")),
            place("swapped", typed("26", value="A"), typed("25", value="B")),
            place("owned", typed("25", value="A", system=LOCAL)),
            place("classed", {"value": "C", "type": {"coding": [{"system": HELD, "code": "25"}]}}),
            place(
                "classed-apart",
                {"value": "C", "type": {"coding": [{"system": LOCAL, "code": "25"}]}},
            ),
            {
                "resourceType": "Organization",
                "id": "sector",
                "type": [{"coding": [{"system": SECTORS, "code": "SA05"}]}],
            },
            {
                "resourceType": "Organization",
                "id": "stray",
                "type": [{"coding": [{"system": CATEGORIES, "code": "SA05"}]}],
            },
            place("untyped", {"value": "A"}, {"value": "A", "system": LOCAL}),
            {
                **place("beds"),
                "extension": [bed("1", "Lit de jour", 0), bed("2", "Lit de nuit", 3)],
            },
            {
                "resourceType": "Task",
                "id": "named",
                "focus": {"type": "Location", "identifier": {"system": LOCAL, "value": "A"}},
            },
            {"resourceType": "Task", "id": "pointed", "focus": {"reference": "Location/A"}},
            {"resourceType": "Task", "id": "led", "focus": {"reference": "Location/pair"}},
            {"resourceType": "Task", "id": "orphan", "focus": {"reference": "Location/demolished"}},
            {
                "resourceType": "Task",
                "id": "misnamed",
                "focus": {"identifier": {"system": LOCAL, "value": "B"}},
            },
            {"resourceType": "Task", "id": "bare"},
            place("demolished"),
            {
                "resourceType": "MeasureReport",
                "id": "of-another",
                "measure": "https://example.org/elsewhere",
            },
        ],
        [{**place("demolished"), "deleted": True}],
    ]
)

FOUND = [
    (
        "decision: labels of the nomenclatures, displays and texts, from their start, folded",
        "HealthcareService?specialty:text=SOINS",
        {"labelled", "displayed", "renamed", "uncoded"},
    ),
    (
        "a display that differs does not hide the label",
        "HealthcareService?specialty:text=médecine",
        {"renamed", "other"},
    ),
    (
        "a part that is not the start is not found",
        "HealthcareService?specialty:text=publics",
        set(),
    ),
    (
        "any of several",
        "HealthcareService?specialty:text=soins au,SOINS pub",
        {"uncoded", "displayed"},
    ),
    (
        "FHIR R4: the text of the type of an identifier",
        "Location?identifier:text=clé",
        {"pair", "swapped"},
    ),
    (
        "choice 2: one record, none",
        "Location?capacity-type:text=lit de jour&nb-capacity=gt0",
        set(),
    ),
    ("choice 2: one record", "Location?capacity-type:text=lit de nuit&nb-capacity=gt0", {"beds"}),
    ("through a chain", "Location?_has:HealthcareService:location:specialty:text=santé", set()),
    (
        "FHIR R4: value and type of one identifier",
        f"Location?identifier:of-type={TYPES}|25|A",
        {"pair", "owned"},
    ),
    ("FHIR R4: of another type", f"Location?identifier:of-type={TYPES}|26|A", {"swapped"}),
    ("FHIR R4: no identifier has both", f"Location?identifier:of-type={TYPES}|27|A", set()),
    (
        "docs/search.md#values: the system of the type stands for a missing one",
        f"Location?identifier={TYPES}|A",
        {"pair", "swapped"},
    ),
    (
        "docs/search.md#values: a set of values stands for the systems it draws on",
        f"Location?identifier={TYPES}|C",
        {"classed"},
    ),
    (
        "a set of values as the system of a type",
        f"Location?identifier:of-type={TYPES}|25|C",
        {"classed"},
    ),
    (
        "a code that the set takes from elsewhere",
        f"Location?identifier:of-type={TYPES}|35|C",
        set(),
    ),
    ("a set of values as the system of a code", f"Organization?type={KINDS}|SA05", {"sector"}),
    ("a set of values, negated", f"Organization?type:not={KINDS}|SA05", {"stray"}),
    ("a set of values in a filter", f"Organization?_filter=type eq {KINDS}|SA05", {"sector"}),
    (
        "the system of an identifier is its own",
        f"Location?identifier={LOCAL}|A",
        {"owned", "untyped"},
    ),
    ("FHIR R4: the identifier in a reference", f"Task?focus:identifier={LOCAL}|A", {"named"}),
    ("FHIR R4: in any system", "Task?focus:identifier=A", {"named"}),
    ("FHIR R4: any of a system", f"Task?focus:identifier={LOCAL}|", {"named", "misnamed"}),
    ("FHIR R4: in no system", "Task?focus:identifier=|A", set()),
    (
        "decision 4: a reference that leads somewhere is a value",
        "Task?focus:missing=false",
        {"named", "led"},
    ),
    (
        "decision 4: one to nothing, or to what was deleted, is none",
        "Task?focus:missing=true",
        {"pointed", "orphan", "misnamed", "bare"},
    ),
    ("decision 4: in the filter language too", "Task?_filter=focus pr true", {"named", "led"}),
    (
        "a canonical URL is a value wherever it leads",
        "MeasureReport?measure:missing=false",
        {"of-another"},
    ),
]


@pytest.mark.parametrize(
    ("request_", "expected"), [pytest.param(*row[1:], id=row[0]) for row in FOUND]
)
def test_a_modifier_finds(request_, expected):
    request = asked(request_)

    found = Search(WORLD.view, Viewer(1)).evaluate(request.expression, request.resource_type)

    assert {identity for _, identity in WORLD.names_of(found)} == expected


def test_the_filter_language_knows_nothing_of_them_and_lists_do():
    both = parse("Location", [("identifier:of-type", f"{TYPES}|25|A,{TYPES}|26|B")]).expression

    found = Search(WORLD.view, Viewer(1)).evaluate(both, "Location")

    assert {identity for _, identity in WORLD.names_of(found)} == {"pair", "owned"}


def test_only_parameters_of_a_type_with_a_hierarchy_take_above():
    takers = {
        parameter.resource_type
        for resource_type in RESOURCE_TYPES
        for parameter in search_parameters(resource_type).values()
        if "above" in modifiers_of(parameter)
    }

    assert takers == {"Organization"}


def test_a_modifier_with_entries_of_its_own_says_how_they_are_compared():
    rows = MODIFIERS.values()

    assert all(bool(row.entries_kind) == bool(row.conversions) for row in rows)
    assert any(row.conversions for row in rows)
