"""
The warning about codes and systems that nothing knows (choice 35), and where a search read each
code (choice 3).

Deliberate breakages that these tests caught: suggesting codes of the data; saying nothing of a code
that only hidden resources hold; warning of a code that a table has and no resource.
"""

import json
from typing import Any

import pytest

from ror.access import Viewer
from ror.errors import RorError
from ror.runtime import Directory, open_directory
from ror.search.answer.bundle import search
from ror.search.answer.explaining import explain
from ror.search.answer.in_words import systems_read
from ror.search.language.expression import Or, TokenIs
from ror.search.language.parse import parse
from ror.settings import Settings
from tests.conftest import keep

NOS = "https://mos.esante.gouv.fr/NOS"
SPECIALTIES = f"{NOS}/TRE_R211-ActiviteOperationnelle/FHIR/TRE-R211-ActiviteOperationnelle"
SPECIALTY_SET = f"{NOS}/JDV_J17-ActiviteOperationnelle-ROR/FHIR/JDV-J17-ActiviteOperationnelle-ROR"
ROR = "https://interop.esante.gouv.fr/ig/fhir/ror/StructureDefinition/"
LOCAL = "https://example.org/local"
FINESS = "https://finess.esante.gouv.fr"


def offer(identity: str, system: str, code: str, **content: Any) -> dict[str, Any]:
    return {
        "resourceType": "HealthcareService",
        "id": identity,
        "specialty": [{"coding": [{"system": system, "code": code}]}],
        **content,
    }


SENSITIVE = {"url": ROR + "ror-healthcareservice-sensitive-unit", "valueBoolean": True}
RESOURCES = [
    offer("held", LOCAL, "maison"),
    offer("sensitive", "https://example.org/hidden", "secret", extension=[SENSITIVE]),
    {
        "resourceType": "Organization",
        "id": "org",
        "identifier": [{"system": "https://example.org/numbers", "value": "1"}],
    },
]


@pytest.fixture(scope="module")
def ror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    opened = open_directory(Settings(database=f"sqlite:///{folder}/ror.db"))
    keep(opened.store, RESOURCES)
    opened.refresh()
    yield opened
    opened.close()


def bundle(ror: Directory, query: str, profile: int = 1, **options: bool) -> dict[str, Any]:
    resource_type, _, criteria = query.partition("?")
    pairs = [tuple(pair.split("=", 1)) for pair in criteria.split("&")]
    request = parse(resource_type, pairs, **options)
    answer = search(ror.index, ror.bodies, Viewer(profile), request, "https://ror.test", "en")
    return json.loads(answer.body)


def warnings(answer: dict[str, Any]) -> list[str]:
    return [
        issue["diagnostics"]
        for entry in answer.get("entry", ())
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
        if (issue["severity"], issue["code"]) == ("warning", "code-invalid")
    ]


UNKNOWN = [
    ("a bare code", "HealthcareService?specialty=99999", ["specialty", "99999"]),
    ("a label for a code", "Location?capacity-status=libre", ["libre", "05 (Fermé)"]),
    ("behind a link", "HealthcareService?location.capacity-status=libre", ["libre", "Location"]),
    (
        "behind a reverse link",
        "Location?_has:HealthcareService:location:specialty=99999",
        ["99999", "HealthcareService"],
    ),
    ("a code of a system", f"HealthcareService?specialty={SPECIALTIES}|99999", ["99999", "R211"]),
    ("a code of a set of values", f"HealthcareService?specialty={SPECIALTY_SET}|99999", ["99999"]),
    ("the second of a list", f"HealthcareService?specialty={SPECIALTIES}|005,99999", ["99999"]),
    ("negated", "HealthcareService?specialty:not=99999", ["99999"]),
    ("in a filter", "HealthcareService?_filter=specialty eq 99999", ["99999"]),
    (
        "a code of FHIR, read in the system of its element",
        "Location?status=actif",
        ["actif", "http://hl7.org/fhir/location-status", ": active,"],
    ),
    (
        "a code of FHIR in capitals, after its system",
        "Location?status=http://hl7.org/fhir/location-status|ACTIVE",
        ["ACTIVE", "http://hl7.org/fhir/location-status", ": active,"],
    ),
    ("a system misspelt", f"HealthcareService?specialty={SPECIALTIES}s|005", [SPECIALTIES]),
    (
        "any code of a system misspelt",
        f"HealthcareService?specialty={SPECIALTIES}s|",
        [SPECIALTIES],
    ),
    (
        "a system that a code does not imply",
        "Location?status=http://hl7.org/fhir/locationstatus|active",
        ["locationstatus", "http://hl7.org/fhir/location-status"],
    ),
    (
        "the system of an identifier",
        "Organization?identifier=https://finess.esante.fr|2A0000014",
        ["finess.esante.fr", FINESS],
    ),
]
KNOWN = [
    ("a code that a table has and no resource", "HealthcareService?specialty=005"),
    ("a code of a table, in its system", f"HealthcareService?specialty={SPECIALTIES}|005"),
    ("a code of a table, in a set of values", f"HealthcareService?specialty={SPECIALTY_SET}|005"),
    ("any code of a system", f"HealthcareService?specialty={SPECIALTIES}|"),
    ("a code in small letters", "Organization?type=sa05"),
    ("a code that a resource has and no table", "HealthcareService?specialty=maison"),
    ("a system that a resource has and no table", f"HealthcareService?specialty={LOCAL}|other"),
    ("a code of FHIR", "Location?status=suspended"),
    ("an identifier in a system of the guide", f"Organization?identifier={FINESS}|9"),
    (
        "an identifier in a system that a resource has",
        "Organization?identifier=https://example.org/numbers|2",
    ),
    ("an identifier in any system", "Organization?identifier=nothing"),
    ("an id", "Organization?_id=nothing"),
    ("a truth", "Organization?drop-zone=true"),
    ("a string", "Questionnaire?version=nothing"),
]


@pytest.mark.parametrize(("query", "named"), [pytest.param(*row[1:], id=row[0]) for row in UNKNOWN])
def test_an_unknown_code_or_system_is_named_with_the_nearest(ror, query, named):
    answer = bundle(ror, query)

    (warning,) = warnings(answer)
    assert answer["total"] == (2 if ":not" in query else 0)
    for one in named:
        assert one in warning


@pytest.mark.parametrize("query", [pytest.param(row[1], id=row[0]) for row in KNOWN])
def test_nothing_is_said_of_what_is_known(ror, query):
    assert warnings(bundle(ror, query)) == []


@pytest.mark.parametrize("query", [pytest.param(row[1], id=row[0]) for row in UNKNOWN])
def test_strict_handling_refuses_what_is_unknown(ror, query):
    resource_type, _, criteria = query.partition("?")
    name, value = criteria.split("=", 1)
    request = parse(resource_type, [(name, value)], strict=True)

    with pytest.raises(RorError) as refused:
        search(ror.index, ror.bodies, Viewer(1), request, "https://ror.test", "en")

    assert (refused.value.status, refused.value.issue) == (400, "code-invalid")


@pytest.mark.parametrize("value", ["secret", "https://example.org/hidden|secret"])
def test_what_only_hidden_resources_hold_is_unknown_and_is_not_suggested(ror, value):
    seen = bundle(ror, f"HealthcareService?specialty={value}", profile=1)
    hidden = bundle(ror, f"HealthcareService?specialty={value}", profile=0)
    absent = bundle(
        ror, f"HealthcareService?specialty={value.replace('secret', 'sacred')}", profile=0
    )

    assert (seen["total"], warnings(seen)) == (1, [])
    assert warnings(absent) == [warning.replace("secret", "sacred") for warning in warnings(hidden)]
    assert "secret" not in warnings(absent)[0]


def test_a_list_of_unknown_codes_names_the_first_ones_only(ror):
    codes = ",".join(f"x{number}" for number in range(1000))

    assert len(warnings(bundle(ror, f"HealthcareService?specialty={codes}"))) == 10


def test_the_explanation_of_the_command_line_says_it_too(ror):
    explained = explain(
        ror.index, ror.bodies, Viewer(1), "HealthcareService?specialty=99999&name=", "en", 10
    )

    assert [
        name in one for name, one in zip(("name", "99999"), explained.warnings, strict=True)
    ] == [
        True,
        True,
    ]


# --- where each code was read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(
            f"1,{LOCAL}|355",
            '("1" in every system; "355" in the system example.org/local)',
            id="before",
        ),
        pytest.param(f"{LOCAL}|355,1", '("355", "1" in the system example.org/local)', id="after"),
        pytest.param(
            f"{LOCAL}|355,|1",
            '("355" in the system example.org/local; "1" without system)',
            id="without system",
        ),
        pytest.param(
            f"{SPECIALTIES}|005,013",
            '("005", "013" in the system TRE_R211-ActiviteOperationnelle)',
            id="by name",
        ),
    ],
)
def test_an_explanation_says_in_which_system_each_code_was_read(ror, value, said):
    answer = bundle(ror, f"HealthcareService?specialty={value}&__explain=true")

    told = [
        issue["diagnostics"]
        for entry in answer["entry"]
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
        if issue["code"] == "informational"
    ]
    assert said in told[0]


@pytest.mark.parametrize(
    "query",
    [
        "Location?status=active,suspended",
        "Location?status=http://hl7.org/fhir/location-status|active,suspended",
        "Location?status=http://hl7.org/fhir/ValueSet/location-status|active,suspended",
        "HealthcareService?location.status=active,suspended",
    ],
)
def test_a_code_of_fhir_is_read_in_the_system_that_its_element_implies(ror, query):
    resource_type, _, criteria = query.partition("?")
    request = parse(resource_type, [tuple(criteria.split("=", 1)), ("__explain", "true")])
    answer = search(ror.index, ror.bodies, Viewer(1), request, "https://ror.test", "fr")

    assert "(« active », « suspended » : système hl7.org/fhir/location-status)" in (
        answer.body.decode()
    )


def test_systems_are_separated_as_each_language_separates(ror):
    codes = Or((TokenIs("type", "1"), TokenIs("type", "355", "a.example")))

    assert systems_read(codes, "Organization", "fr") == (
        " (« 1 » : tous les systèmes ; « 355 » : système a.example)"
    )
    assert systems_read(codes, "Organization", "en") == (
        ' ("1" in every system; "355" in the system a.example)'
    )
