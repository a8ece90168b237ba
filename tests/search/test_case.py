"""
Where the case of a token counts, and which system a code implies (choice 36).

Each row searches with its own spelling first: a search of an empty directory proves nothing.
"""

import pytest

from ror.access import Viewer
from ror.runtime import open_directory
from ror.search.answer.engine import Search
from ror.search.language.parse import parse
from ror.settings import Settings
from tests.conftest import keep

NOS = "https://mos.esante.gouv.fr/NOS"
SECTORS = f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
SECTOR_SET = f"{NOS}/JDV_J55-CategorieEG-ROR/FHIR/JDV-J55-CategorieEG-ROR"
AGREEMENTS = (
    f"{NOS}/TRE_R282-CNAMAmeliSecteurConventionnement/FHIR/"
    "TRE-R282-CNAMAmeliSecteurConventionnement"
)
FINESS = "https://finess.esante.gouv.fr"
KIND = {"system": f"{NOS}/TRE_G07-TypeIdentifiant/FHIR/TRE-G07-TypeIdentifiant", "code": "B2"}
LOCAL = "https://example.org/local"

RESOURCES = [
    {
        "resourceType": "Organization",
        "id": "Corse",
        "name": "Hôpital",
        "identifier": [{"system": FINESS, "value": "2A0000014", "type": {"coding": [KIND]}}],
        "type": [
            {"coding": [{"system": SECTORS, "code": "SA05"}]},
            {"coding": [{"system": AGREEMENTS, "code": "c1"}]},
            {"coding": [{"system": LOCAL, "code": "Ab"}]},
        ],
    },
    {"resourceType": "Location", "id": "place", "status": "active"},
    {
        "resourceType": "HealthcareService",
        "id": "offer",
        "providedBy": {"identifier": {"system": FINESS, "value": "2a0000014"}},
    },
    {
        "resourceType": "Task",
        "id": "task",
        "status": "completed",
        "intent": "order",
        "focus": {"type": "Organization", "identifier": {"system": FINESS, "value": "2a0000014"}},
    },
    {
        "resourceType": "Questionnaire",
        "id": "form",
        "status": "draft",
        "version": "1.0-RC",
    },
]

SAME = [
    ("an identifier", "Organization", "identifier", "2A0000014", "2a0000014"),
    (
        "an identifier in its system",
        "Organization",
        "identifier",
        f"{FINESS}|2A0000014",
        f"{FINESS}|2a0000014",
    ),
    (
        "an identifier of a type",
        "Organization",
        "identifier:of-type",
        f"{KIND['system']}|B2|2A0000014",
        f"{KIND['system']}|b2|2a0000014",
    ),
    (
        "behind a link by identifier",
        "HealthcareService",
        "organization.identifier",
        "2A0000014",
        "2a0000014",
    ),
    ("the identifier that a reference gives", "Task", "focus:identifier", "2A0000014", "2a0000014"),
    ("a code of NOS", "Organization", "type", "SA05", "sa05"),
    ("a code of NOS in its system", "Organization", "type", f"{SECTORS}|SA05", f"{SECTORS}|Sa05"),
    (
        "a code of NOS in a set of values",
        "Organization",
        "type",
        f"{SECTOR_SET}|SA05",
        f"{SECTOR_SET}|sa05",
    ),
    ("a code that NOS publishes in small letters", "Organization", "type", "c1", "C1"),
    ("a string", "Questionnaire", "version", "1.0-RC", "1.0-rc"),
    (
        "a code with the system that it implies",
        "Location",
        "status",
        "active",
        "http://hl7.org/fhir/location-status|active",
    ),
    (
        "a code with the set of values that its element is bound to",
        "Location",
        "status",
        "active",
        "http://hl7.org/fhir/ValueSet/location-status|active",
    ),
    (
        "any code of the system that it implies",
        "Questionnaire",
        "status",
        "draft",
        "https://hl7.org/fhir/publication-status|",
    ),
    ("in a filter", "Organization", "_filter", "type eq SA05", "type eq sa05"),
]

OTHERS = [
    ("a code of another system", "Organization", "type", "Ab", "AB"),
    ("a code of another system, named", "Organization", "type", f"{LOCAL}|Ab", f"{LOCAL}|ab"),
    ("an id", "Organization", "_id", "Corse", "corse"),
    ("a code of FHIR", "Location", "status", "active", "Active"),
    (
        "a code in a system that it does not imply",
        "Location",
        "status",
        "active",
        "http://hl7.org/fhir/publication-status|active",
    ),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    ror = open_directory(Settings(database=f"sqlite:///{tmp_path_factory.mktemp('case')}/ror.db"))
    keep(ror.store, RESOURCES)
    ror.refresh()

    def ask(resource_type: str, name: str, value: str) -> int:
        request = parse(resource_type, [(name, value)])
        return len(Search(ror.index.view, Viewer(1)).evaluate(request.expression, resource_type))

    yield ask
    ror.close()


@pytest.mark.parametrize(
    ("resource_type", "name", "written", "other"),
    [pytest.param(*row[1:], id=row[0]) for row in SAME],
)
def test_two_spellings_are_one(found, resource_type, name, written, other):
    assert found(resource_type, name, written) == 1
    assert found(resource_type, name, other) == 1


@pytest.mark.parametrize(
    ("resource_type", "name", "written", "other"),
    [pytest.param(*row[1:], id=row[0]) for row in OTHERS],
)
def test_two_spellings_are_two(found, resource_type, name, written, other):
    assert found(resource_type, name, written) == 1
    assert found(resource_type, name, other) == 0


def test_a_code_has_its_label_in_any_case(found):
    assert found("Organization", "type:text", "secteur 1") == 1
